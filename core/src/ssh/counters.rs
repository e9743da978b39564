//! What the layer counts.

use crate::counters::counters;

counters! {
    /// Messages sent.
    told,
    /// Messages that came.
    heard,
    /// Requests sent.
    asked,
    /// Requests that came.
    requests,
    /// Connections that we began.
    dialled,
    /// Peers with whom two connections were begun at once, one by each side.
    crossed,
    /// Connections that strangers began and that were let in.
    accepted,
    /// Handshakes that failed, ours and others.
    handshakes_failed,
    /// Half-open handshakes whose place another took.
    half_open_evicted,
    /// Strangers turned away: there is no place or no time for them.
    turned_away,
    /// Key exchanges beyond the first of a connection.
    rekeyed,
    /// Connections ended because of what the peer said.
    violations,
    /// Connections closed because the policy excludes the peer, or because it is not who was expected.
    denied,
    /// Requests of other names than ours, which are refused.
    foreign,
    /// Answers to requests that nobody waits for any more.
    answered_late,
    /// Messages over the limit.
    refused_too_large,
    /// Answers that were not kept, since too many wait for their turn.
    refused_busy,
}
