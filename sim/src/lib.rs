//! A deterministic simulator for protocols that are state machines, and for async applications on them.
//!
//! Thousands of nodes, or a million, run in one process, in virtual time, on a network that delays, loses, duplicates,
//! reorders and spoils what they send. A run is a function of its seed: what failed once fails again, datagram by datagram and
//! byte by byte, on every platform and on any number of threads. What runs is the code that runs on sockets, not
//! a model of it. There is nothing to mock, no clock and no thread to wait for: a simulated hour of a few
//! nodes takes seconds.
//!
//! Whatever implements [`Layer`](tellask::Layer) can be simulated: a protocol of yours that has nothing to do with
//! tellask's, one on top of tellask's, or any stack of both.
//!
//! # A protocol in thirty lines
//!
//! A layer is told what happened and asked what to do. Below, whoever knows a rumour passes it on ten times a second, each
//! time to another node, and half of all datagrams are lost.
//!
//! ```
//! use core::time::Duration;
//! use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr, stats::StatsSink};
//! use tellask_sim::net::{Chance, Faults, Network};
//!
//! struct Gossip { knows: bool, to: u32, next: Instant, out: Option<Datagram<MemoryAddr>> }
//!
//! impl Layer for Gossip {
//!     type Input = DatagramInput<MemoryAddr>; // what the network gives
//!     type Transmit = Datagram<MemoryAddr>;   // what it takes
//!     type Command = ();                      // what an application wants: nothing here
//!     type Event = ();                        // what it is told
//!
//!     fn handle_input(&mut self, _: Instant, input: Self::Input) {
//!         self.knows |= matches!(input, DatagramInput::Datagram { .. });
//!     }
//!     fn handle_command(&mut self, _: Instant, (): ()) {}
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if now >= self.next {
//!             (self.next, self.to) = (now + Duration::from_millis(100), (self.to * 5 + 1) % 64);
//!             let dst = MemoryAddr(self.to);
//!             self.out = self.knows.then(|| Datagram { src: None, dst, payload: "psst".into() });
//!         }
//!     }
//!     fn poll_transmit(&mut self) -> Option<Self::Transmit> { self.out.take() }
//!     fn poll_event(&mut self) -> Option<()> { None }
//!     fn poll_timeout(&self) -> Option<Instant> { Some(self.next) }
//!     fn stats(&self, _: &mut dyn StatsSink) {}
//! }
//!
//! let simulate = |seed| {
//!     let mut network: Network<Gossip> = Network::new(seed);
//!     let mut faults = Faults::NONE;
//!     faults.loss = Chance::percent(50);
//!     network.set_faults(faults);
//!     for number in 0..64 {
//!         let next = network.now() + Duration::from_millis(number + 1);
//!         let gossip = Gossip { knows: number == 0, to: number as u32, next, out: None };
//!         network.add(MemoryAddr(number as u32), gossip, ());
//!     }
//!     network.run_for(Duration::from_secs(5));
//!     network
//! };
//! let network = simulate(7);
//! assert!(network.running().all(|(_, node)| node.stack().knows));
//! assert_eq!(simulate(7).trace(), network.trace());
//! ```
//!
//! # Seeds and replay
//!
//! [`Network::trace`](net::Network::trace) is a hash of all that happened. The same seed and the same program give the
//! same, so a test prints its seed where it fails, and whoever has the seed has the run. What is drawn about a
//! datagram depends on the seed, on who sends to whom and on how many went that way before, and on nothing else:
//! a node more, or a fault somewhere else, leaves the others' datagrams as they were.
//! [`trace_of`](net::Network::trace_of) is the hash of one node, to find where two runs part.
//!
//! # Faults
//!
//! [`Faults`](net::Faults) are set for the whole [`Network`](net::Network) or for one way, at any time of a run; ways are cut
//! and mended in each direction; [pipes](net::Pipe) are only so fast; nodes crash and start again; anybody
//! [injects](net::Network::inject) anything in anybody's name.
//!
//! # What is watched
//!
//! An [`App`](net::App) stands on each node, hears its events and gives it commands. A [`Tap`](net::Tap) is the observer: it
//! hears of every datagram and of what applications say, in the order of the events, and panics where a promise
//! is broken. `examples/over_p2pke.rs` has both, over tellask's secure layer.
//!
//! # Async applications
//!
//! A program of async tasks over the handles of nodes, as it was written for tokio or smol, runs in the simulation unchanged: see
//! [`runtime`]. `examples/async_app.rs` takes one through loss and a partition.
//!
//! # Campaigns
//!
//! A [`campaign`] plays stacks under [plans](plan) from many seeds, watches what must never happen, accounts for every message,
//! heals a core of the nodes and asks it for progress. What fails is a file that is replayed, shrunk, and
//! becomes a test; [`see`] makes a page of it on which one sees every datagram.
//!
//! # What is where
//!
//! | module | what |
//! |---|---|
//! | [`net`] | the network: nodes, faults, crashes, observers, traces, threads |
//! | [`streams`] | the same for streams: connections that stall, break and vanish |
//! | [`runtime`] | async applications in the simulation: nodes, tasks, timers, hosts that crash |
//! | [`laws`] | whether a layer keeps the laws of its trait, under random calls: for any layer, yours included |
//! | [`conformance`] | whether a swarm does what it promises: a table of named cases |
//! | [`scenario`] | runs that check tellask's own layers; the command `tellask-sim` plays them |
//! | [`campaign`] | many runs of many stacks under everything that goes wrong; shrinking |
//! | [`plan`] | what goes wrong in a run, as data and as text |
//! | [`see`] | runs as pages, captures, traces, lines and graphs |
//! | [`topology`] | who knows whom: rings, trees, random graphs |
//! | [`toy`] | a cipher suite that takes next to no time, for runs of very many secure nodes |
//! | [`engine`] | the order of events: a wheel whose buckets are sorted when opened |
#![forbid(unsafe_code)]

pub mod campaign;
pub mod conformance;
pub mod engine;
pub mod laws;
pub mod net;
pub mod plan;
pub mod runtime;
pub mod scenario;
pub mod see;
pub mod streams;
pub mod topology;
pub mod toy;
