//! Channels of a multiplexer, alone and joined to one swarm.

use super::*;

struct Channels;

impl Subject for Channels {
    type Layer = Mux<u16, MemoryAddr>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        Mux::new(&limits()).with_channels(0..3).expect("opens")
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let channel = rng.below(4) as u8;
        let text = [&[0, channel][..], &bytes(rng, 200)].concat();
        event(rng, |addr| addr, BytesMut::from(&text[..]))
    }

    fn command(&self, rng: &mut Rng) -> (u16, Command<MemoryAddr>) {
        let (channel, dst) = (rng.below(4) as u16, addr(rng));
        (channel, command(rng, dst))
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let mut text = bytes(rng, 40);
        match rng.below(2) {
            0 => text.truncate(1),
            _ => text = BytesMut::from(&[&[7][..], &text, &[0]].concat()[..]),
        }
        Some(told(addr(rng), text))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let mut bounds = vec![
            ("mux.requests_waiting".into(), 3),
            ("mux.identifying".into(), 3),
            ("mux.path_mtus".into(), 2),
            ("mux.strays".into(), 1_024),
        ];
        for slot in 0..3 {
            bounds.push((format!("mux.{slot}.send_bytes"), 3_000 + 1_500 + 128));
            bounds.push((format!("mux.{slot}.receive_bytes"), 8_000));
        }
        bounds
    }
}

#[test]
fn the_multiplexer_keeps_the_laws() {
    keeps_the_laws(&Channels);
}

/// Named channels of a port, as one swarm.
struct JoinedChannels;

impl Subject for JoinedChannels {
    type Layer =
        Stack<Stack<DatagramPort<MemoryAddr>, Mux<Name, MemoryAddr>>, Join<Name, MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mux = Mux::new(&limits()).with_channels(["a".into(), "b".into()]).expect("opens");
        Stack::new(Stack::new(DatagramPort::new(&limits()), mux), Join::new(&limits()))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let name = b'a' + rng.below(3) as u8;
        let text = [&[1, name][..], &bytes(rng, 200)].concat();
        let payload = BytesMut::from(&text[..]);
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<At<Name, MemoryAddr>> {
        let key = Name::from(["a", "b", "c"][rng.below(3) as usize]);
        let addr = addr(rng);
        command(rng, At { key, addr })
    }

    fn hostile(&self, rng: &mut Rng) -> Option<DatagramInput<MemoryAddr>> {
        let len = [0x80, 0xff, 100][rng.below(3) as usize];
        let payload = BytesMut::from(&[len; 9][..]);
        Some(DatagramInput::Datagram { src: addr(rng), dst: SELF, payload })
    }
}

#[test]
fn channels_joined_to_one_swarm_keep_the_laws() {
    keeps_the_laws(&JoinedChannels);
}
