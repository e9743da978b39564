//! Requests and answers.

use super::*;

/// Requests and answers, of one part and of several.
struct Asks;

/// What the node at address 9 gets from the one at address 1: asks, and answers to its own.
fn asked(seed: &Seed) -> Vec<Event<MemoryAddr>> {
    let nodes = [seed.clone(), seed.child("peer")].map(|seed| Asking::new(&seed, &limits()));
    let mut nodes = nodes.map(Node::new);
    let addrs = [SELF, MemoryAddr(1)];
    let mut inputs = vec![link()];
    let mut now = Instant::ZERO;
    for node in &mut nodes {
        node.handle_input(now, link());
    }
    let deadline = Instant::from_nanos(1 << 36);
    for (nth, len) in [10, 700, 40, 0].into_iter().enumerate() {
        for (from, to) in [(0, 1), (1, 0)] {
            let payload = BytesMut::zeroed(len).freeze();
            nodes[from]
                .ask(now, AskId::new(nth as u64), addrs[to], payload, deadline)
                .expect("accepted");
        }
    }
    for _ in 0..40 {
        now = now + core::time::Duration::from_millis(5);
        for (from, to) in [(0, 1), (1, 0)] {
            nodes[from].handle_timeout(now);
            while let Some(event) = nodes[from].poll_event() {
                let Event::Asked { token, message, .. } = event else { continue };
                let answer = BytesMut::zeroed(500 - message.payload.len() / 2).freeze();
                let result = Ok(answer.into());
                nodes[from]
                    .handle_command(now, Command::Answer { token, dst: message.src, result });
            }
            nodes[from].handle_timeout(now.next());
            while let Some(command) = nodes[from].poll_transmit() {
                let Command::Tell { payload, .. } = command else { continue };
                let payload = payload.into_mut();
                let input = Event::Told(Message { src: addrs[from], dst: addrs[to], payload });
                if to == 0 {
                    inputs.push(input.clone());
                }
                nodes[to].handle_input(now, input);
            }
        }
    }
    inputs
}

impl Subject for Asks {
    type Layer = Asking<MemoryAddr>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        Asking::new(seed, &limits())
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        asked(seed).into_iter().map(Call::Input).take(4).collect()
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        if rng.chance(1, 4) {
            let text = bytes(rng, 60);
            return event(rng, |addr| addr, text);
        }
        // Of the session that there was in the beginning, or of another.
        let recorded = asked(&Seed::from_u64(rng.below(4)));
        let nth = rng.below(recorded.len() as u64) as usize;
        match recorded[nth].clone() {
            Event::Told(message) => told(addr(rng), message.payload),
            other => other,
        }
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        if rng.chance(1, 3) {
            let id = AskId::new(rng.below(64));
            let deadline = Instant::from_nanos(rng.below(1 << 38));
            return Command::Ask { id, dst, payload: bytes(rng, 1_500).into(), deadline };
        }
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let recorded = asked(&Seed::from_u64(rng.below(4)));
        let nth = 1 + rng.below(recorded.len() as u64 - 1) as usize;
        let Event::Told(Message { src, mut payload, .. }) = recorded[nth].clone() else {
            return None;
        };
        match rng.below(4) {
            // Another version, or none.
            0 => payload[0] ^= 0x20,
            1 => payload.truncate(rng.below(17) as usize + 1),
            2 => payload.clear(),
            // A session that has no name.
            _ => payload[1..9].fill(0),
        }
        Some(told(src, payload))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("ask.peers".into(), 3),
            ("ask.asks".into(), 3 * 4),
            ("ask.owed".into(), 3 * 4),
            ("ask.asked_bytes".into(), 5_000 + 1_500),
            ("ask.parts_bytes".into(), 4_000),
            ("ask.remembered_bytes".into(), 4_000),
            ("ask.send_bytes".into(), 4_000 + 1_500 + 128),
            ("ask.receive_bytes".into(), 8_000),
        ]
    }
}

#[test]
fn asking_keeps_the_laws() {
    keeps_the_laws(&Asks);
}
