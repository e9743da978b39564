//! What passes nearly all: filter, loopback, map.

use super::*;

fn peer(addr: MemoryAddr) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: PeerId::from_bytes([addr.0 as u8; 32]), addr }
}

struct Filtered;

impl Subject for Filtered {
    type Layer = Filter<PeerAddr<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let accept: Accept =
            [1, 2, 9].map(|number| peer(MemoryAddr(number)).id).into_iter().collect();
        Filter::new(accept, &limits())
    }

    fn input(&self, rng: &mut Rng) -> Event<PeerAddr<MemoryAddr>> {
        let text = bytes(rng, 300);
        event(rng, peer, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        let dst = peer(addr(rng));
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<PeerAddr<MemoryAddr>>> {
        let (src, payload) = (peer(MemoryAddr(3)), bytes(rng, 300));
        Some(Event::Told(Message { src, dst: peer(SELF), payload }))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        // Answers and identifications are awaited, and come however much waits.
        vec![("filter.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_filter_keeps_the_laws() {
    keeps_the_laws(&Filtered);
    let make = || Filter::new(Accept::Anyone, &Limits::default());
    assert_eq!(pass_through(make, &peer(MemoryAddr(1))), Ok(()));
}

struct ToOneself;

impl Subject for ToOneself {
    type Layer = Loopback<MemoryAddr>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        Loopback::new(&limits())
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = bytes(rng, 300);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = if rng.chance(1, 2) { SELF } else { addr(rng) };
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        Some(told(SELF, bytes(rng, 300)))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![("loopback.requests_waiting".into(), 3), ("loopback.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_loopback_keeps_the_laws() {
    keeps_the_laws(&ToOneself);
    // The peer must not be this node itself, which it is in the links of `pass_through`.
    let other = |event| match event {
        Event::Link(link) => Event::Link(Link { local: vec![SELF], ..link }),
        other => other,
    };
    let make = || Adapted { layer: Loopback::new(&Limits::default()), adapt: other };
    assert_eq!(pass_through(make, &MemoryAddr(1)), Ok(()));
}

struct Mapped;

type Up = fn(&MemoryAddr) -> Option<u64>;
type Down = fn(&u64) -> Option<MemoryAddr>;

impl Subject for Mapped {
    type Layer = Map<MemoryAddr, u64, Up, Down>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let up: Up = |addr| (addr.0 != 3).then(|| u64::from(addr.0) + 100);
        let down: Down = |name| {
            let number = u32::try_from(name.checked_sub(100)?).ok()?;
            (number != 3).then_some(MemoryAddr(number))
        };
        Map::new(up, down, &limits())
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = bytes(rng, 300);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<u64> {
        let dst = 99 + rng.below(8);
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        Some(told(MemoryAddr(3), bytes(rng, 300)))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![("map.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_map_keeps_the_laws() {
    keeps_the_laws(&Mapped);
    let make = || {
        let up: fn(&MemoryAddr) -> Option<MemoryAddr> = |addr| Some(*addr);
        Map::new(up, up, &Limits::default())
    };
    assert_eq!(pass_through(make, &MemoryAddr(1)), Ok(()));
}
