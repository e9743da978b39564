//! Stacks from text.

use super::*;
use tellask::diagnostics::Diagnostics;

/// A stack from text, of every layer that needs no handshake.
struct FromText(BoxSwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>, AnyAddr>);

impl Layer for FromText {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<AnyAddr>;
    type Event = Event<AnyAddr>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.0.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.0.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.0.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.0.stats(sink);
    }
}

impl core::fmt::Debug for FromText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a stack from text")
    }
}

struct Texts;

impl Subject for Texts {
    type Layer = FromText;

    fn make(&self, seed: &Seed) -> FromText {
        let text = "memory://9 | fragment(2000) | ask | loopback | mux(u16, 7, 8)";
        let text: Description = text.parse().expect("in order");
        let (clock, accept) = (Anchor::default(), Accept::Anyone);
        let (limits, seed, diagnostics) = (limits(), seed.clone(), Diagnostics::default());
        let parts = Parts { limits, seed, key: None, clock, accept, epoch: None, diagnostics };
        FromText(text.build(memory_port(&parts.limits), &parts).expect("it needs no key"))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let payload = if rng.chance(1, 2) { fragment(rng) } else { bytes(rng, 300) };
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<AnyAddr> {
        // Of the right shape, on a channel that is not open, and of no such shape.
        let text = match rng.below(4) {
            0 => format!("9://{}", addr(rng)),
            1 => addr(rng).to_string(),
            _ => format!("{}://{}", 7 + rng.below(2), addr(rng)),
        };
        command(rng, text.parse().expect("an address"))
    }

    fn outputs_per_call(&self) -> usize {
        1_000
    }
}

#[test]
fn a_stack_from_text_keeps_the_laws() {
    keeps_the_laws(&Texts);
}
