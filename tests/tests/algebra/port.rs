//! The datagram port: its end, and where its replies leave from.

use super::{PEER, at, bound, figures, held, limits};
use tellask::{BytesMut, Command, DatagramInput, DatagramPort, Event, Layer, MemoryAddr};

/// A port whose last message was just taken, and which is to close.
fn closing_port() -> DatagramPort<MemoryAddr> {
    let mut port = DatagramPort::new(&limits());
    port.handle_input(at(1), bound(1));
    port.handle_command(at(2), held(PEER));
    port.handle_command(at(3), Command::Close);
    while port.poll_event().is_some() {}
    assert!(port.poll_transmit().is_some() && port.poll_event().is_none());
    assert_eq!(port.poll_timeout(), Some(at(4)));
    port
}

fn datagram(src: u32, dst: u32) -> DatagramInput<MemoryAddr> {
    let (src, dst) = (MemoryAddr(src), MemoryAddr(dst));
    DatagramInput::Datagram { src, dst, payload: BytesMut::from(&b"in"[..]) }
}

#[test]
fn a_port_that_has_sent_its_last_is_closed_however_busy_it_is_kept() {
    let mut port = closing_port();
    port.handle_input(at(9), datagram(7, 1));
    assert_eq!(port.poll_event(), Some(Event::Closed));
    assert_eq!(port.poll_timeout(), None);
    let mut port = closing_port();
    port.handle_command(at(9), held(PEER));
    assert!(core::iter::from_fn(|| port.poll_event()).any(|event| event == Event::Closed));
    let mut port = closing_port();
    port.handle_timeout(at(4));
    assert_eq!(port.poll_event(), Some(Event::Closed));
}

/// Where a reply to this peer leaves from.
fn home(port: &mut DatagramPort<MemoryAddr>, peer: u32) -> Option<MemoryAddr> {
    port.handle_command(at(1), held(MemoryAddr(peer)));
    port.poll_transmit().expect("accepted").src
}

#[test]
fn a_forged_source_misleads_the_replies_until_the_peer_writes_again() {
    let mut port = DatagramPort::new(&limits());
    let local = vec![MemoryAddr(1), MemoryAddr(2), MemoryAddr(3)];
    port.handle_input(at(1), DatagramInput::Bound { local, mtu: 1_200 });
    for (written_to, leaves_from) in [(1, None), (2, Some(MemoryAddr(2)))] {
        port.handle_input(at(1), datagram(7, written_to));
        assert_eq!(home(&mut port, 7), leaves_from);
        port.handle_input(at(1), datagram(7, 3));
        assert_eq!(home(&mut port, 7), Some(MemoryAddr(3)), "forged, or not: who knows");
        port.handle_input(at(1), datagram(7, written_to));
        assert_eq!(home(&mut port, 7), leaves_from);
    }
}

#[test]
fn forged_sources_push_nobody_out_for_long() {
    let mut port = DatagramPort::new(&limits());
    port.handle_input(at(1), bound(1));
    // The lowest address of all: it must not be the one that always goes.
    port.handle_input(at(1), datagram(0, 2));
    let mut misled = 0;
    for forged in 10..5_000 {
        port.handle_input(at(1), datagram(forged, 2));
        if home(&mut port, 0) != Some(MemoryAddr(2)) {
            misled += 1;
            port.handle_input(at(1), datagram(0, 2));
        }
        while port.poll_event().is_some() {}
    }
    assert!(misled <= 5_000 / 1_024, "{misled} times");
    assert_eq!(figures(&port).value("datagram.homes"), 1_024);
}
