//! Layers whose work never ends: they are found out, not waited for.

use super::*;
use tellask::stats::StatsSink;

/// A mistake that one makes in one's first layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// What is sent is not taken out.
    Sends,
    /// What is said is not taken out.
    Says,
    /// The timer is not moved.
    Rings,
}

impl Layer for Mistake {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = ();
    type Event = ();

    fn handle_input(&mut self, _: Instant, _: Self::Input) {}

    fn handle_command(&mut self, _: Instant, (): ()) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        let datagram = Datagram { src: None, dst: MemoryAddr(1), payload: "again".into() };
        (*self == Self::Sends).then_some(datagram)
    }

    fn poll_event(&mut self) -> Option<()> {
        (*self == Self::Says).then_some(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (*self == Self::Rings).then_some(Instant::ZERO)
    }

    fn stats(&self, _: &mut dyn StatsSink) {}
}

/// With what a network gives up a node at 7 that makes this mistake.
fn given_up(mistake: Mistake) -> String {
    let run = move || {
        let mut network: Network<Mistake> = Network::new(1);
        network.add(MemoryAddr(7), mistake, ());
        network.run_for(Duration::from_secs(1));
    };
    let panic = std::panic::catch_unwind(run).expect_err("it does not end");
    *panic.downcast::<String>().expect("with words")
}

#[test]
fn a_node_that_never_has_done_is_given_up_by_its_address() {
    let more = "node #7 has more and more to send or to say";
    assert_eq!(given_up(Mistake::Sends), more);
    assert_eq!(given_up(Mistake::Says), more);
    let due = "the timer of node #7 is due again and again, at ";
    assert!(given_up(Mistake::Rings).starts_with(due));
}
