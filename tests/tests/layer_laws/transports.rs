//! Several transports as one swarm.

use super::*;

fn schemes() -> [Scheme; 3] {
    ["mem", "tcp", "gone"].map(|text| text.parse().expect("a scheme"))
}

/// Two transports that say whatever a swarm may say.
struct Transports;

impl Subject for Transports {
    type Layer = Multi<Filter<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mut multi = Multi::new(&limits());
        for scheme in &schemes()[..2] {
            let filter = Filter::new(Accept::Anyone, &limits());
            multi.add(Instant::ZERO, *scheme, filter).expect("there is room");
        }
        multi
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        schemes()[..2].iter().map(|scheme| Call::Input((*scheme, link()))).collect()
    }

    fn input(&self, rng: &mut Rng) -> (Scheme, Event<MemoryAddr>) {
        let text = bytes(rng, 300);
        (schemes()[rng.below(3) as usize], event(rng, |addr| addr, text))
    }

    fn command(&self, rng: &mut Rng) -> Command<MultiAddr<MemoryAddr>> {
        let key = schemes()[rng.below(3) as usize];
        let addr = addr(rng);
        command(rng, At { key, addr })
    }

    fn hostile(&self, rng: &mut Rng) -> Option<(Scheme, Event<MemoryAddr>)> {
        Some((schemes()[2], told(addr(rng), bytes(rng, 300))))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        // The mark and one message; of each transport one close may be held beyond.
        let mut bounds = vec![("multi.held_bytes".into(), 4_000 + 1_500 + 128 + 2 * 128)];
        for what in ["asks", "requests_waiting", "identifying"] {
            bounds.push((format!("multi.{what}"), 3));
        }
        for scheme in ["mem", "tcp"] {
            bounds.push((format!("multi.{scheme}.receive_bytes"), 9_000));
        }
        bounds
    }
}

#[test]
fn a_set_of_transports_keeps_the_laws() {
    keeps_the_laws(&Transports);
}

/// Two sockets, which have timers of their own.
struct Sockets;

impl Subject for Sockets {
    type Layer = Multi<DatagramPort<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mut multi = Multi::new(&limits());
        for scheme in &schemes()[..2] {
            let port = DatagramPort::new(&limits());
            multi.add(Instant::ZERO, *scheme, port).expect("there is room");
        }
        multi
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        let bound = DatagramInput::Bound { local: vec![SELF], mtu: 1_400 };
        schemes()[..2].iter().map(|scheme| Call::Input((*scheme, bound.clone()))).collect()
    }

    fn input(&self, rng: &mut Rng) -> (Scheme, DatagramInput<MemoryAddr>) {
        let scheme = schemes()[rng.below(2) as usize];
        let dst = addr(rng);
        let input = match rng.below(8) {
            0 => DatagramInput::Unreachable { dst },
            1 => DatagramInput::PathMtu { dst, mtu: 1_400 + rng.below(2) as usize },
            _ => DatagramInput::Datagram { src: dst, dst: SELF, payload: bytes(rng, 1_400) },
        };
        (scheme, input)
    }

    fn command(&self, rng: &mut Rng) -> Command<MultiAddr<MemoryAddr>> {
        let key = schemes()[rng.below(3) as usize];
        let addr = addr(rng);
        command(rng, At { key, addr })
    }
}

#[test]
fn a_set_of_sockets_keeps_the_laws() {
    keeps_the_laws(&Sockets);
}
