//! WireGuard by `boringtun`, as a library: two tunnels in memory, no sockets, no device.
//!
//! Its ciphers are `ring`'s, its key agreement is `x25519-dalek` 2. One side's datagrams are handed
//! to the other as they come out, so an operation is the work of both sides on one core.

use ::boringtun::noise::{Tunn, TunnResult, rate_limiter::RateLimiter};
use ::boringtun::x25519::{PublicKey, StaticSecret};
use std::sync::Arc;

/// Room for a datagram and what a tunnel adds to it, for messages up to 16 KiB.
const BUFFER: usize = 17 * 1024;
/// Bytes of an IPv4 header. A tunnel carries IP packets and reads their lengths.
const IPV4_HEADER: usize = 20;

/// Two tunnels, and the buffers that their datagrams pass through.
pub(crate) struct Pair {
    initiator: Tunn,
    responder: Tunn,
    wire: Vec<u8>,
    plain: Vec<u8>,
}

/// Two tunnels that know each other's keys and have a session.
pub(crate) fn pair() -> Pair {
    let [initiator, responder] = [[1; 32], [2; 32]].map(StaticSecret::from);
    let [initiator_public, responder_public] = [&initiator, &responder].map(PublicKey::from);
    // Its default lets ten handshakes a second pass; what is measured is the handshake.
    let unlimited = |public: &PublicKey| Some(Arc::new(RateLimiter::new(public, u64::MAX)));
    let limits = (unlimited(&initiator_public), unlimited(&responder_public));
    let mut pair = Pair {
        initiator: Tunn::new(initiator, responder_public, None, None, 1, limits.0),
        responder: Tunn::new(responder, initiator_public, None, None, 2, limits.1),
        wire: vec![0; BUFFER],
        plain: vec![0; BUFFER],
    };
    pair.handshake();
    pair
}

/// A handshake between peers that have not met: tunnels are made on both sides, with the key agreement
/// of the static keys that each begins with.
pub(crate) fn first_contact() {
    drop(pair());
}

/// An IPv4 packet of `size` bytes in all.
///
/// # Panics
/// Where `size` is less than a header or more than the header can say.
pub(crate) fn packet(size: usize) -> Vec<u8> {
    assert!(size >= IPV4_HEADER, "an IPv4 packet has a header of {IPV4_HEADER} bytes");
    let mut packet = vec![0x5a; size];
    packet[..IPV4_HEADER].fill(0);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&u16::try_from(size).expect("fits a header").to_be_bytes());
    packet
}

impl Pair {
    /// A handshake from its first datagram to the session in force on both sides: initiation,
    /// response, and the empty message that confirms it.
    ///
    /// The tunnels are kept, so what they compute once for a peer (the agreement of the two
    /// static keys) is not counted: that is in boringtun's favour.
    pub(crate) fn handshake(&mut self) {
        let Self { initiator, responder, wire, plain } = self;
        let sent = to_network(initiator.format_handshake_initiation(wire, true));
        let sent = to_network(responder.decapsulate(None, sent, plain));
        let sent = to_network(initiator.decapsulate(None, sent, wire));
        let confirmed = responder.decapsulate(None, sent, plain);
        assert!(matches!(confirmed, TunnResult::Done), "unconfirmed: {confirmed:?}");
    }

    /// Carries one packet from the initiator to the responder: sealed, opened, checked against
    /// replay. Returns the bytes that arrived.
    pub(crate) fn carry(&mut self, packet: &[u8]) -> usize {
        let sent = to_network(self.initiator.encapsulate(packet, &mut self.wire));
        let received = self.responder.decapsulate(None, sent, &mut self.plain);
        let TunnResult::WriteToTunnelV4(packet, _) = received else {
            panic!("the packet did not arrive: {received:?}");
        };
        packet.len()
    }
}

fn to_network(result: TunnResult<'_>) -> &mut [u8] {
    let TunnResult::WriteToNetwork(datagram) = result else {
        panic!("the tunnel has nothing to send: {result:?}");
    };
    datagram
}
