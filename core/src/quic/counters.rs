//! What the layer counts.

use crate::counters::counters;

counters! {
    /// Messages given to a stream.
    told,
    /// Messages that came.
    heard,
    /// Requests given to a stream.
    asked,
    /// Requests that came.
    requests,
    /// Connections that we began.
    dialled,
    /// Connections that strangers began and that were let in.
    accepted,
    /// Handshakes that failed, ours and others.
    handshakes_failed,
    /// Half-open handshakes whose place another took.
    half_open_evicted,
    /// Strangers who were asked to prove their address first.
    retried,
    /// Datagrams of strangers turned away: there is no place or no time for them.
    turned_away,
    /// Connections that came up while one in the other direction was being made.
    crossed,
    /// Connections closed because the policy excludes the peer, it is not who was expected, or there is no place for it.
    denied,
    /// Datagrams of nobody's connection, or that are no QUIC.
    rejected,
    /// Datagrams from strangers for whom there was no address to stand for theirs.
    rejected_places,
    /// Messages dropped because too much of the peer's was being put together.
    refused_busy,
    /// Messages dropped because they are over the limit.
    refused_too_large,
    /// Requests dropped because they are none.
    refused_malformed,
    /// Messages that their senders gave up.
    abandoned,
}
