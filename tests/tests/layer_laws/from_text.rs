//! Stacks from text.

use super::*;
use tellask::diagnostics::Diagnostics;
use tellask_tests::opaque::Opaque;

/// A stack from text, of every layer that needs no handshake.
type FromText = Opaque<BoxSwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>, AnyAddr>>;

struct Texts;

impl Subject for Texts {
    type Layer = FromText;

    fn make(&self, seed: &Seed) -> FromText {
        let text = "memory://9 | fragment(2000) | ask | loopback | mux(u16, 7, 8)";
        let text: Description = text.parse().expect("in order");
        let (clock, accept) = (Anchor::default(), Accept::Anyone);
        let (limits, seed, diagnostics) = (limits(), seed.clone(), Diagnostics::default());
        let parts = Parts { limits, seed, key: None, clock, accept, epoch: None, diagnostics };
        let stack = text.build(memory_port(&parts.limits), &parts).expect("it needs no key");
        Opaque("a stack from text", stack)
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
