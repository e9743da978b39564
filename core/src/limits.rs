//! Every bound in one value.

/// The bounds of a stack. Each layer takes what concerns it; all have defaults that suit a server.
///
/// ```
/// let mut limits = tellask::Limits::default();
/// limits.peers = 100;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Established peers of one secure swarm up to which strangers are let in; then none is heard
    /// until a peer has gone, an idle one 180 s after its handshake. We may dial up to twice as many.
    pub peers: usize,
    /// Half-open handshakes that strangers began, in all.
    pub half_open: usize,
    /// Half-open handshakes from one network, once `half_open` is half used.
    pub half_open_per_network: usize,
    /// Handshakes of our own in flight, in all.
    pub dialling: usize,
    /// Signature checks for strangers in one second; as many may come in one burst.
    pub signature_checks_per_second: u32,
    /// Keys whose last timestamp is remembered after their channel is gone.
    pub timestamp_floors: usize,
    /// Bytes of messages that wait for one peer's handshake.
    pub waiting_per_peer: usize,
    /// Bytes of messages that wait for handshakes, in all.
    pub waiting: usize,
    /// Mark in bytes of the messages that one layer holds for one destination.
    pub send_per_peer: usize,
    /// Mark in bytes of the messages that one layer holds on their way down, in all. What waits
    /// longer leaves the cache, and allocators give its memory back to the system in between: a larger
    /// mark has been seen to cost a fifth of the throughput.
    pub send: usize,
    /// Messages of one peer that are on their way, and as many of its requests that are not answered: each is on a
    /// stream of a connection, and what may come costs some 60 bytes before it does. More wait at the peer.
    pub streams_per_peer: usize,
    /// Bytes on a connection that are on their way to us, and as many that are on their way from us. The
    /// largest message fits, whatever this says.
    pub window_per_peer: usize,
    /// Bytes of messages on their way up that the application has not taken. The newest is dropped; but peers on QUIC
    /// and SSH are held back before, once the application has taken any.
    pub receive: usize,
    /// Destinations whose larger path MTU is remembered.
    pub path_mtus: usize,
    /// Bytes of one source's messages that have not arrived whole. Its oldest makes room.
    pub reassembly_per_peer: usize,
    /// Bytes of messages that have not arrived whole, in all. The oldest makes room; QUIC refuses further ones as busy.
    pub reassembly: usize,
    /// One source's messages that have not arrived whole.
    pub partials_per_peer: usize,
    /// Messages that have not arrived whole, in all.
    pub partials: usize,
    /// Destinations for which it is remembered which fragment id comes next. Another one takes the
    /// place of any, which then begins anew at random.
    pub fragment_ids: usize,
    /// Open channels of one multiplexer, 1,024 at the most.
    pub channels: usize,
    /// Mark in bytes of the messages that one channel of a multiplexer holds on their way down.
    pub send_per_channel: usize,
    /// Requests of peers that wait for their answer in one multiplexer, and as many identifications.
    pub channel_requests: usize,
    /// Transports of one [`Multi`](crate::Multi), 64 at the most.
    pub transports: usize,
    /// Requests through the transports of one [`Multi`](crate::Multi) that wait for their outcome, as many of
    /// peers that wait for their answer, and as many identifications.
    pub transport_requests: usize,
    /// Requests to oneself that wait for their answer.
    pub own_requests: usize,
    /// The largest request or answer of an asking layer, in bytes. A request must fit into
    /// `receive` too, so the smaller of the two holds.
    pub ask_max: usize,
    /// Peers that an asking layer keeps in mind. A new one takes the place of one that nothing is
    /// outstanding with.
    pub ask_peers: usize,
    /// Requests outstanding with one peer, and as many of the peer's that it is owed answers to.
    pub asks_per_peer: usize,
    /// Bytes of requests to one peer that are outstanding: then that peer is full.
    pub ask_sending_per_peer: usize,
    /// Bytes of outstanding requests, in all: then everything is full.
    pub ask_sending: usize,
    /// Bytes of requests and answers of one peer that are being put together. Where it scatters their
    /// parts, what it takes to know which have come counts too.
    pub ask_receiving_per_peer: usize,
    /// Bytes of requests and answers that are being put together, in all.
    pub ask_receiving: usize,
    /// Bytes of answers to one peer that are remembered until they are known to have arrived. Where it
    /// leaves many gaps between its requests, what it takes to know which are over counts too.
    pub ask_remembered_per_peer: usize,
    /// Bytes of answers that are remembered, in all.
    pub ask_remembered: usize,
}

impl Limits {
    /// What each of `workers` parts of a node may have, so that they have about this much together: bounds
    /// on all of something are divided, at least one of each stays; bounds on one peer, one channel or one
    /// message stay as they are. So do `timestamp_floors`, since each part remembers those of all, and
    /// bounds that would otherwise be lower than what one peer is granted.
    #[must_use]
    pub fn divided(&self, workers: usize) -> Self {
        let share = |whole: usize| whole.div_ceil(workers.max(1));
        let at_least = |whole: usize, one: usize| share(whole).max(one.min(whole));
        let checks = self.signature_checks_per_second as usize;
        Self {
            peers: share(self.peers),
            half_open: share(self.half_open),
            half_open_per_network: share(self.half_open_per_network),
            dialling: share(self.dialling),
            signature_checks_per_second: share(checks) as u32,
            waiting: at_least(self.waiting, self.waiting_per_peer),
            send: at_least(self.send, self.send_per_peer),
            receive: at_least(self.receive, self.ask_max),
            path_mtus: share(self.path_mtus),
            reassembly: at_least(self.reassembly, self.reassembly_per_peer),
            partials: at_least(self.partials, self.partials_per_peer),
            fragment_ids: share(self.fragment_ids),
            channel_requests: share(self.channel_requests),
            transport_requests: share(self.transport_requests),
            own_requests: share(self.own_requests),
            ask_peers: share(self.ask_peers),
            ask_sending: at_least(self.ask_sending, self.ask_sending_per_peer),
            ask_receiving: at_least(self.ask_receiving, self.ask_receiving_per_peer),
            ask_remembered: at_least(self.ask_remembered, self.ask_remembered_per_peer),
            ..self.clone()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 65_536,
            half_open: 1_024,
            half_open_per_network: 4,
            dialling: 4_096,
            signature_checks_per_second: 4_096,
            timestamp_floors: 65_536,
            waiting_per_peer: 64 * 1_024,
            waiting: 4 * 1_024 * 1_024,
            send_per_peer: 64 * 1_024,
            send: 256 * 1_024,
            streams_per_peer: 100,
            window_per_peer: 2 * 1_024 * 1_024,
            receive: 4 * 1_024 * 1_024,
            path_mtus: 4_096,
            reassembly_per_peer: 4 * 1_024 * 1_024,
            reassembly: 64 * 1_024 * 1_024,
            partials_per_peer: 1_024,
            partials: 65_536,
            fragment_ids: 4_096,
            channels: 1_024,
            send_per_channel: 256 * 1_024,
            channel_requests: 65_536,
            transports: 16,
            transport_requests: 65_536,
            own_requests: 1_024,
            ask_max: 2 * 1_024 * 1_024,
            ask_peers: 65_536,
            asks_per_peer: 1_024,
            ask_sending_per_peer: 16 * 1_024 * 1_024,
            ask_sending: 256 * 1_024 * 1_024,
            ask_receiving_per_peer: 8 * 1_024 * 1_024,
            ask_receiving: 64 * 1_024 * 1_024,
            ask_remembered_per_peer: 8 * 1_024 * 1_024,
            ask_remembered: 256 * 1_024 * 1_024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_node_have_as_much_together_as_the_node() {
        let whole = Limits::default();
        assert_eq!(whole.divided(1), whole);
        assert_eq!(whole.divided(0), whole);
        let part = whole.divided(4);
        for (part, whole) in [
            (part.peers, whole.peers),
            (part.half_open, whole.half_open),
            (part.half_open_per_network, whole.half_open_per_network),
            (part.dialling, whole.dialling),
            (part.waiting, whole.waiting),
            (part.send, whole.send),
            (part.partials, whole.partials),
            (part.reassembly, whole.reassembly),
            (part.ask_peers, whole.ask_peers),
            (part.ask_sending, whole.ask_sending),
            (part.ask_receiving, whole.ask_receiving),
            (part.ask_remembered, whole.ask_remembered),
        ] {
            assert_eq!(part, whole / 4);
        }
        assert_eq!(part.signature_checks_per_second, whole.signature_checks_per_second / 4);
        assert_eq!(part.timestamp_floors, whole.timestamp_floors, "each knows those of all");
    }

    #[test]
    fn nothing_is_divided_until_none_is_left_or_one_peer_has_less_than_it_is_granted() {
        let whole = Limits { peers: 3, half_open_per_network: 1, ..Limits::default() };
        let part = whole.divided(64);
        assert_eq!((part.peers, part.half_open_per_network), (1, 1));
        assert_eq!(part.send, whole.send_per_peer);
        assert_eq!(part.reassembly, whole.reassembly_per_peer);
        assert_eq!(part.receive, whole.ask_max);
        let none = Limits { peers: 0, dialling: 0, ..Limits::default() };
        assert_eq!((none.divided(2).peers, none.divided(2).dialling), (0, 0));
    }
}
