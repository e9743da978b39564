//! What the layer counts.

use crate::counters::counters;

counters! {
    /// Requests taken from above.
    asked,
    /// Requests of ours that were answered, by a reply or a refusal of the peer's application.
    answered,
    /// Requests of ours that ended in any other way.
    asks_failed,
    /// Requests that the application was given.
    run,
    /// Requests that the application was told nobody waits for any more.
    withdrawn,
    /// Answers of the application to requests that were over.
    answers_in_vain,
    /// Requests refused as busy.
    refused_busy,
    /// Requests or answers refused as too large.
    refused_too_large,
    /// Answers that did not fit what is remembered, and were refused as too large.
    refused_unremembered,
    /// Parts and other packets sent.
    packets_sent,
    /// Bytes of data in them.
    data_sent,
    /// Acknowledgements sent by themselves.
    acks_sent,
    /// Parts, cancellations and pings that were lost.
    packets_lost,
    /// Sessions that began.
    sessions,
    /// Sessions that ended because the peer had another.
    sessions_lost,
    /// Challenges sent.
    challenges_sent,
    /// Peers forgotten to make room for others.
    peers_evicted,
    /// Commands refused.
    refused,
    /// Events of the side below that mean nothing to an asking layer.
    events_ignored,
    /// Packets received for the second time, or for requests that are over.
    duplicates,
    /// Parts of answers to nothing that was asked.
    answers_unasked,
    /// Rejected: another version or kind.
    rejected_version,
    /// Rejected: not a message of version 1.
    rejected_malformed,
    /// Rejected: it acknowledges what was never sent.
    rejected_ack,
    /// Rejected: it belongs to another session.
    rejected_session,
    /// Rejected: it disagrees with another part, or comes too scattered.
    rejected_misfit,
    /// Rejected: no room for what it belongs to; it will be sent again.
    rejected_full,
}
