//! `tellask ping`: is a peer there, and how far.
//!
//! An echo is the payload told back to its sender. Ours is the text `tellask-ping`, a random
//! number of this run, and the number of the message, with spaces between.

use crate::args::PingArgs;
use crate::failure::Failure;
use crate::interrupt::interruptible;
use crate::json::Record;
use crate::key;
use crate::node::{self, Line};
use crate::output::{Output, Time};
use crate::peers::Peers;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) fn run(args: PingArgs, out: &Output) -> Result<(), Failure> {
    let peer = Peers::load()?.target(args.to)?;
    let key = args.key.load_or_create(out)?;
    let run = key::rng()?.u64();
    node::block_on(async {
        let lines = Line::prepare(&peer, &args.speak, &key, args.timeout).await?;
        let (line, handshake) = Line::connect(lines).await?;
        let to = &line.peer.addr;
        out.say(
            Record::new("handshake").text("peer", to).fraction("ms", millis(handshake)),
            format_args!("{to} has proven its key: handshake {}", Time(handshake)),
        )?;
        let mut pings = Pings {
            line: &line,
            out,
            run,
            wait: args.wait,
            sent: BTreeMap::new(),
            times: Vec::new(),
        };
        // The statistics are worth having whoever ended it.
        let end = interruptible(pings.all(args.count, args.interval)).await;
        let said = pings.summary();
        let closed = node::with(&line.node, async { Ok(()) }).await;
        end.and(said).and(closed)
    })
}

struct Pings<'a> {
    line: &'a Line,
    out: &'a Output,
    run: u64,
    wait: Duration,
    /// When each message was told that is not echoed yet.
    sent: BTreeMap<u32, Instant>,
    /// How long each took that was.
    times: Vec<Duration>,
}

impl Pings<'_> {
    async fn all(&mut self, count: u32, interval: Duration) -> Result<(), Failure> {
        for sequence in 1..=count {
            let begun = Instant::now();
            self.one(sequence).await?;
            let rest = interval.saturating_sub(begun.elapsed());
            if sequence < count {
                tokio::time::sleep(rest).await;
            }
        }
        Ok(())
    }

    /// Tells one message and waits for its echo.
    async fn one(&mut self, sequence: u32) -> Result<(), Failure> {
        let payload = format!("tellask-ping {:016x} {sequence}", self.run);
        self.sent.insert(sequence, Instant::now());
        self.line.node.tell(&self.line.peer, payload).await.map_err(Failure::failed)?;
        let echoed = tokio::time::timeout(self.wait, self.echo(sequence)).await;
        match echoed {
            Ok(done) => done,
            Err(_) => self.out.say(
                Record::new("no_echo").number("sequence", sequence.into()),
                format_args!("{sequence}: no echo within {}", Time(self.wait)),
            ),
        }
    }

    /// Takes what arrives until it is the echo of this message.
    async fn echo(&mut self, wanted: u32) -> Result<(), Failure> {
        while let Some(message) = self.line.node.receive().await {
            let sequence =
                (message.src == self.line.peer).then(|| self.sequence(&message.payload)).flatten();
            let Some((sequence, sent)) = sequence.and_then(|at| self.sent.remove_entry(&at)) else {
                continue;
            };
            let time = sent.elapsed();
            self.times.push(time);
            self.out.say(
                Record::new("echo")
                    .number("sequence", sequence.into())
                    .fraction("ms", millis(time)),
                format_args!("{sequence}: {}", Time(time)),
            )?;
            if sequence == wanted {
                return Ok(());
            }
        }
        Err(Failure::failed("the node ended"))
    }

    /// Which of this run's messages it is an echo of.
    fn sequence(&self, payload: &[u8]) -> Option<u32> {
        let rest = str::from_utf8(payload).ok()?.strip_prefix("tellask-ping ")?;
        let (run, sequence) = rest.split_once(' ')?;
        (run == format!("{:016x}", self.run)).then(|| sequence.parse().ok()).flatten()
    }

    fn summary(&self) -> Result<(), Failure> {
        let echoed = self.times.len();
        let sent = echoed + self.sent.len();
        let sum: Duration = self.times.iter().sum();
        let record = Record::new("summary")
            .number("sent", sent as u64)
            .number("echoed", echoed as u64)
            .flag("echoes", echoed > 0);
        if sent == 0 {
            return self.out.record(record);
        }
        let (Some(least), Some(most)) = (self.times.iter().min(), self.times.iter().max()) else {
            return self.out.say(
                record,
                format_args!(
                    "{sent} told, none echoed: the peer is there but does not echo (tellask listen --echo does)"
                ),
            );
        };
        let mean = sum.div_f64(echoed as f64);
        let record = record
            .fraction("least_ms", millis(*least))
            .fraction("mean_ms", millis(mean))
            .fraction("most_ms", millis(*most));
        let (least, mean, most) = (Time(*least), Time(mean), Time(*most));
        self.out.say(
            record,
            format_args!("{sent} told, {echoed} echoed: least {least}, mean {mean}, most {most}"),
        )
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
