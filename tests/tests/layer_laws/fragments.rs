//! Fragments, alone and on a port.

use super::*;

struct Fragments;

impl Subject for Fragments {
    type Layer = Fragmenter<MemoryAddr>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        Fragmenter::new(2_000, seed, &limits())
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = fragment(rng);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let mut text = fragment(rng);
        match rng.below(5) {
            0 => text.truncate(rng.below(3) as usize),
            1 => text[2] = 0,
            2 => text[1] = text[2],
            3 => text[0..3].fill(0xff),
            // It would be larger than messages may be.
            _ => text = BytesMut::from(&[&[7, 0, 20][..], &[0; 150]].concat()[..]),
        }
        Some(told(addr(rng), text))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("fragment.reassembly_bytes".into(), 12_000),
            ("fragment.reassembly_messages".into(), 12),
            ("fragment.reassembly_sources".into(), 12),
            ("fragment.fragment_ids".into(), 2),
            ("fragment.paused".into(), 2),
            ("fragment.send_bytes".into(), 4_000 + 1_500 + 128),
            ("fragment.receive_bytes".into(), 8_000),
        ]
    }
}

#[test]
fn the_fragmenter_keeps_the_laws() {
    keeps_the_laws(&Fragments);
}

/// The same on a port, with bursts.
struct FragmentStack;

impl Subject for FragmentStack {
    type Layer = Stack<DatagramPort<MemoryAddr>, Fragmenter<MemoryAddr>>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        let mut limits = limits();
        (limits.send, limits.send_per_peer) = (400_000, 400_000);
        let port = DatagramPort::new(&limits);
        Stack::new(port, Fragmenter::new(200_000, seed, &limits))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let payload = fragment(rng);
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        if rng.chance(1, 2) {
            return Command::Tell { dst, payload: bytes(rng, 190_000).into() };
        }
        command(rng, dst)
    }

    fn outputs_per_call(&self) -> usize {
        1_000
    }
}

#[test]
fn the_fragmenter_on_a_port_keeps_the_laws() {
    keeps_the_laws(&FragmentStack);
}

#[test]
fn the_fragmenter_forgets_no_variant() {
    let framed = |event| match event {
        Event::Told(mut message) => {
            message.payload = BytesMut::from(&[&[5, 0, 1][..], &message.payload].concat()[..]);
            Event::Told(message)
        }
        other => other,
    };
    let layer = || Fragmenter::new(2_000, &Seed::from_u64(1), &Limits::default());
    let make = || Adapted { layer: layer(), adapt: framed };
    // It has a queue of its own, and says itself when that is full: the first that is not passed on.
    let first = pass_through(make, &MemoryAddr(1)).expect_err("full is not passed on");
    assert!(first.contains("Full"), "{first}");
}
