//! `tellask demo`: what this is, shown on two nodes in one process.

use super::throughput;
use crate::args::DemoArgs;
use crate::failure::Failure;
use crate::interrupt::{Either, interruptible, race};
use crate::json::Record;
use crate::key;
use crate::node::{self, Address, Node, Plan, Spot};
use crate::output::{Digits, Output, Payload, Time};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tellask::Bytes;
use tellask::identity::SecretKey;
use tellask::swarm::Refusal;

/// How long the wrong key is given to prove itself: a handshake that works takes a thousandth.
const REFUSED_AFTER: Duration = Duration::from_secs(1);
/// How long a step may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes the larger answer has: those of some hundred datagrams.
const ANSWER: usize = 1 << 20;
/// How long, and with messages of how many bytes, the throughput is measured.
const THROUGHPUT: (Duration, usize) = (Duration::from_millis(500), 1200);

pub(super) fn run(args: &DemoArgs, out: &Output) -> Result<(), Failure> {
    let mut rng = key::rng()?;
    let alice = match &args.key {
        Some(path) => args.passphrase.load(path, None)?.0,
        None => SecretKey::generate(&mut rng),
    };
    let bob = SecretKey::generate(&mut rng);
    let nobody = SecretKey::generate(&mut rng);
    let begun = Instant::now();
    node::block_on(interruptible(async {
        let demo = Demo::open(out, &alice, &bob).await?;
        demo.handshake().await?;
        demo.messages().await?;
        demo.asks().await?;
        demo.wrong_key(&nobody).await?;
        demo.throughput().await?;
        demo.close().await
    }))?;
    let took = begun.elapsed();
    out.say(
        Record::new("done").fraction("seconds", took.as_secs_f64()),
        format_args!(
            "\n{} in {}. Next: tellask listen --echo",
            out.green("all of it worked"),
            Time(took)
        ),
    )
}

struct Demo<'a> {
    out: &'a Output,
    alice: Side,
    bob: Side,
    step: Cell<u64>,
}

struct Side {
    name: &'static str,
    node: Node,
    addr: Spot,
}

impl<'a> Demo<'a> {
    async fn open(out: &'a Output, alice: &SecretKey, bob: &SecretKey) -> Result<Self, Failure> {
        let (alice, bob) = (Side::open("alice", alice).await?, Side::open("bob", bob).await?);
        let demo = Self { out, alice, bob, step: Cell::new(0) };
        demo.step("two nodes, each with its own key and its own UDP socket")?;
        for side in [&demo.alice, &demo.bob] {
            let Spot { addr: whole, .. } = &side.addr;
            let Address { id, addr } = whole;
            let record =
                Record::new("node").text("name", side.name).text("id", id).text("address", whole);
            out.say(record, format_args!("  {:5} is {} at {addr}", side.name, out.bold(id)))?;
        }
        Ok(demo)
    }

    async fn handshake(&self) -> Result<(), Failure> {
        self.step("alice dials bob's address, and each proves its key to the other")?;
        let begun = Instant::now();
        let proven = in_time(self.alice.node.identify(&self.bob.addr)).await?;
        let took = begun.elapsed();
        let proven = proven.map_err(Failure::failed)?.peer_id();
        if proven != self.bob.addr.addr.id {
            return Err(Failure::failed(format_args!("bob proved to be {proven}")));
        }
        self.out.say(
            Record::new("handshake").fraction("ms", took.as_secs_f64() * 1e3).text("id", proven),
            format_args!("  it is bob: handshake {}", self.out.bold(Time(took))),
        )
    }

    async fn messages(&self) -> Result<(), Failure> {
        self.step("they tell each other something, encrypted")?;
        self.message(&self.alice, &self.bob, "hello bob, are you there?").await?;
        self.message(&self.bob, &self.alice, "hello alice, I am").await
    }

    async fn message(&self, from: &Side, to: &Side, text: &str) -> Result<(), Failure> {
        let begun = Instant::now();
        in_time(from.node.tell(&to.addr, text.to_owned())).await?.map_err(Failure::failed)?;
        let message = in_time(to.node.receive()).await?;
        let took = begun.elapsed();
        let message = message.ok_or_else(|| Failure::failed("the node ended"))?;
        // The sender's key was proven: this is the address that answers reach it by.
        if message.src != from.addr || message.payload != text.as_bytes() {
            return Err(Failure::failed("another message arrived than was told"));
        }
        let record = Record::new("message").text("from", from.name).text("to", to.name);
        let record = Payload(&message.payload).into(record);
        self.out.say(
            record.fraction("ms", took.as_secs_f64() * 1e3),
            format_args!(
                "  {} → {}: {} {}",
                from.name,
                to.name,
                Payload(&message.payload),
                self.out.dim(format_args!("({})", Time(took)))
            ),
        )
    }

    async fn asks(&self) -> Result<(), Failure> {
        self.step("alice asks bob, and bob answers: once, whole, or she hears why not")?;
        let bob = self.bob.node.clone();
        let serving = tokio::spawn(async move {
            bob.serve(|question| async move {
                Ok::<_, Refusal>(match &question.payload[..] {
                    b"how are you, bob?" => Bytes::from_static(b"very well, alice"),
                    _ => Bytes::from(vec![b'b'; ANSWER]),
                })
            })
            .await;
        });
        let answered = async {
            let (answer, took) = self.ask("how are you, bob?").await?;
            let record = Record::new("answer").number("bytes", answer.len() as u64);
            self.out.say(
                Payload(&answer).into(record).fraction("ms", took.as_secs_f64() * 1e3),
                format_args!(
                    "  how are you, bob? {} {}",
                    Payload(&answer),
                    self.out.dim(format_args!("({})", Time(took)))
                ),
            )?;
            let (answer, took) = self.ask("tell me all").await?;
            if answer.len() != ANSWER || answer.iter().any(|byte| *byte != b'b') {
                return Err(Failure::failed("another answer arrived than was given"));
            }
            let rate = ANSWER as f64 / 1e6 / took.as_secs_f64();
            self.out.say(
                Record::new("answer")
                    .number("bytes", ANSWER as u64)
                    .fraction("ms", took.as_secs_f64() * 1e3),
                format_args!(
                    "  an answer of 1 MiB, in many datagrams: {}, {} MB/s",
                    self.out.bold(Time(took)),
                    Digits(rate)
                ),
            )
        };
        let answered = answered.await;
        serving.abort();
        answered
    }

    async fn ask(&self, question: &'static str) -> Result<(Bytes, Duration), Failure> {
        let begun = Instant::now();
        let answer = self.alice.node.ask(&self.bob.addr, question).within(PATIENCE).await;
        answer.map(|answer| (answer, begun.elapsed())).map_err(Failure::failed)
    }

    /// Somebody else is wanted where bob is: no key, no message.
    async fn wrong_key(&self, nobody: &SecretKey) -> Result<(), Failure> {
        self.step("alice dials bob's address, but wants another key there")?;
        let wrong = Address { id: nobody.id(), addr: self.bob.addr.addr.addr };
        let wrong = Spot { key: self.bob.addr.key.clone(), addr: wrong };
        let begun = Instant::now();
        let told = self.alice.node.try_tell(&wrong, "for nobody but the holder of that key");
        told.map_err(Failure::failed)?;
        let Err(refusal) = in_time(self.alice.node.identify(&wrong)).await? else {
            return Err(Failure::failed("bob passed for somebody else"));
        };
        let took = begun.elapsed();
        // Had anything been sent to bob, it would be here after so long a time.
        match race(self.bob.node.receive(), async {}).await {
            Either::First(_) => Err(Failure::failed("bob got a message for another key")),
            Either::Second(()) => self.out.say(
                Record::new("refused")
                    .text("reason", refusal)
                    .fraction("seconds", took.as_secs_f64()),
                format_args!("  refused after {}, and bob got nothing: {refusal}", Time(took)),
            ),
        }
    }

    async fn throughput(&self) -> Result<(), Failure> {
        let (time, size) = THROUGHPUT;
        self.step(&format!("alice tells as fast as bob receives, {size} bytes each"))?;
        let bob = (&self.bob.node, &self.bob.addr);
        let rate = throughput::measure(&self.alice.node, bob, size, time).await?;
        let megabytes = rate * size as f64 / 1e6;
        self.out.say(
            Record::new("throughput")
                .number("bytes", size as u64)
                .fraction("tells_per_second", rate)
                .fraction("megabytes_per_second", megabytes),
            format_args!(
                "  {} tells/s, {} MB/s {}",
                self.out.bold(Digits(rate)),
                self.out.bold(Digits(megabytes)),
                self.out.dim("(tellask bench measures better)")
            ),
        )
    }

    async fn close(self) -> Result<(), Failure> {
        for side in [self.alice, self.bob] {
            let closed = side.node.close(PATIENCE).await;
            closed.map_err(|_| Failure::failed(format_args!("{} did not close", side.name)))?;
        }
        Ok(())
    }

    fn step(&self, what: &str) -> Result<(), Failure> {
        self.step.set(self.step.get() + 1);
        let number = self.step.get();
        self.out.say(
            Record::new("step").number("number", number).text("what", what),
            format_args!("{number}. {what}"),
        )
    }
}

impl Side {
    async fn open(name: &'static str, key: &SecretKey) -> Result<Self, Failure> {
        let plan = Plan { handshake: Some(REFUSED_AFTER), ..Plan::loopback(key) };
        let node = plan.open().await?;
        let addr = node::first_addr(&node)?;
        Ok(Self { name, node, addr })
    }
}

async fn in_time<T>(step: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, step).await.map_err(|_| {
        Failure::failed(format_args!(
            "it did not happen within {}: this machine is too busy",
            Time(PATIENCE)
        ))
    })
}
