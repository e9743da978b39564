//! What the layer counts.

use super::super::channel::Reason;
use crate::counters::counters;

counters! {
    /// Handshake messages sent.
    handshakes_sent,
    /// Handshake messages not sent, because the side below was full; they are repeated.
    handshakes_unsent,
    /// Messages sealed and sent.
    sealed,
    /// Messages opened and given upward.
    opened,
    /// Peers that proved their key.
    peers_up,
    /// Peers that went down, for whatever reason.
    peers_down,
    /// Handshakes of ours that failed.
    handshakes_failed,
    /// Hellos of strangers that were let in.
    hellos,
    /// Half-open handshakes whose place another hello took.
    half_open_evicted,
    /// Rejected: not a message of the protocol.
    rejected_malformed,
    /// Rejected: a counter that is never used.
    rejected_reserved,
    /// Rejected: another version than 1.
    rejected_version,
    /// Rejected: our own message or key.
    rejected_oneself,
    /// Rejected: another key than the one expected at this address.
    rejected_wrong_peer,
    /// Rejected: the accept policy excludes the key.
    rejected_refused,
    /// Rejected: an earlier time stamp than the key has proven.
    rejected_stale,
    /// Rejected: a hello that has to wait for ours.
    rejected_yielded,
    /// Rejected: no token for the work it asks for.
    rejected_busy,
    /// Rejected: no place for another handshake or peer.
    rejected_full,
    /// Rejected: a wrong signature.
    rejected_signature,
    /// Rejected: it opens under no key that there is.
    rejected_undecryptable,
    /// Rejected: received before, or too old to tell.
    rejected_replayed,
    /// Rejected: it answers nothing that was sent.
    rejected_unexpected,
    /// Commands refused.
    refused,
    /// Messages that waited for a handshake in vain.
    undelivered,
}

impl Counters {
    /// Counts a message that was dropped.
    pub(super) const fn reject(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::Malformed => &mut self.rejected_malformed,
            Reason::Reserved => &mut self.rejected_reserved,
            Reason::Version => &mut self.rejected_version,
            Reason::Oneself => &mut self.rejected_oneself,
            Reason::WrongPeer => &mut self.rejected_wrong_peer,
            Reason::Refused => &mut self.rejected_refused,
            Reason::Stale => &mut self.rejected_stale,
            Reason::Yielded => &mut self.rejected_yielded,
            Reason::Busy => &mut self.rejected_busy,
            Reason::Full => &mut self.rejected_full,
            Reason::Signature => &mut self.rejected_signature,
            Reason::Undecryptable => &mut self.rejected_undecryptable,
            Reason::Replayed => &mut self.rejected_replayed,
            Reason::Unexpected => &mut self.rejected_unexpected,
        };
        *counter = counter.saturating_add(1);
    }
}
