//! `tellask get`: fetch a file from a peer that serves it, by [`ranges`](crate::ranges).

use super::ask;
use crate::args::GetArgs;
use crate::failure::Failure;
use crate::files::NewFile;
use crate::json::Record;
use crate::node::{self, Line};
use crate::output::{Digits, Hex, Output, Time};
use crate::peers::Peers;
use crate::progress::Progress;
use crate::ranges::{MAX_NAME, PART, Part, Request};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Asks in flight.
const AHEAD: usize = 8;

pub(super) fn run(args: GetArgs, out: &Output) -> Result<(), Failure> {
    if args.out.is_none() && out.is_json() {
        return Err(Failure::bad_input(
            "--json prints records, and what is got is none: give --out FILE",
        ));
    }
    if args.out.is_none() && io::stdout().is_terminal() {
        return Err(Failure::bad_input(
            "what is got may drive the terminal: give --out FILE, or a pipe",
        ));
    }
    if !(1..=MAX_NAME).contains(&args.name.len()) {
        return Err(Failure::bad_input(format_args!(
            "a file's name has 1 to {MAX_NAME} bytes: give its path in the folder that is served"
        )));
    }
    let peer = Peers::load()?.target(args.from)?;
    let key = args.key.load_or_create(out)?;
    // Where it cannot be written, nothing is fetched.
    let mut sink = match &args.out {
        Some(path) => Sink::File(NewFile::create(path)?),
        None => Sink::Stdout,
    };
    let (got, from) = node::block_on(async {
        let lines = Line::prepare(&peer, &args.speak, &key, args.timeout).await?;
        let (line, _) = Line::connect(lines).await?;
        let get = Get { line: &line, name: &args.name, timeout: args.timeout };
        let got = node::with(&line.node, get.all(&mut sink)).await?;
        Ok((got, line.peer.addr))
    })?;
    sink.finish()?;
    let Got { bytes, sha256, took } = got;
    out.record(
        Record::new("got")
            .text("from", from)
            .text("name", &args.name)
            .number("bytes", bytes)
            .text("sha256", Hex(&sha256))
            .fraction("seconds", took.as_secs_f64()),
    )?;
    if args.verbose {
        let rate = bytes as f64 / 1e6 / took.as_secs_f64();
        out.note(format_args!("{bytes} bytes in {}, {} MB/s", Time(took), Digits(rate)));
    }
    Ok(())
}

/// A file that is being fetched.
struct Get<'a> {
    line: &'a Line,
    name: &'a str,
    /// How long each part may take.
    timeout: Duration,
}

/// What was fetched.
struct Got {
    bytes: u64,
    sha256: [u8; 32],
    took: Duration,
}

type Coming<'a> = Pin<Box<dyn Future<Output = Result<Part, Failure>> + 'a>>;

impl Get<'_> {
    async fn all(&self, sink: &mut Sink) -> Result<Got, Failure> {
        let begun = Instant::now();
        let first = self.part(0).await?;
        let Part { size, stamp, .. } = first;
        let progress =
            Progress::new(usize::try_from(size.div_ceil(PART as u64)).unwrap_or(usize::MAX));
        let mut hash = Sha256::new();
        let mut done = 0;
        let mut asked = PART as u64;
        let mut coming = VecDeque::new();
        let mut next = Some(first);
        while let Some(part) = next {
            if (part.size, part.stamp) != (size, stamp) {
                return Err(Failure::failed(format_args!(
                    "{} was changed while it was fetched: get it again",
                    self.name
                )));
            }
            if part.content.len() != Part::len_at(size, done) {
                return Err(Failure::failed("the peer's answer is no part of a file"));
            }
            hash.update(&part.content);
            sink.write(&part.content)?;
            done += part.content.len() as u64;
            if size > PART as u64 {
                let (now, all) = (Digits(done as f64 / 1e6), Digits(size as f64 / 1e6));
                let parts = done.div_ceil(PART as u64);
                progress.at(
                    usize::try_from(parts).unwrap_or(usize::MAX),
                    &format!("{now} of {all} MB"),
                );
            }
            while coming.len() < AHEAD && asked < size {
                let part: Coming<'_> = Box::pin(self.part(asked));
                coming.push_back(State::Coming(part));
                asked += PART as u64;
            }
            next = take_first(&mut coming).await?;
        }
        Ok(Got { bytes: done, sha256: hash.finalize().into(), took: begun.elapsed() })
    }

    async fn part(&self, offset: u64) -> Result<Part, Failure> {
        let request = Request { offset, length: PART as u32, name: self.name }.write();
        let answer = ask::ask(self.line, request.into(), self.timeout).await?;
        Part::read(answer).ok_or_else(|| {
            Failure::failed("the peer serves something else: tellask serve --dir serves files")
        })
    }
}

/// A part that was asked for.
enum State<'a> {
    Coming(Coming<'a>),
    Here(Result<Part, Failure>),
}

/// Moves all of them on until the first is here, and takes it. `None` where there is none.
async fn take_first(coming: &mut VecDeque<State<'_>>) -> Result<Option<Part>, Failure> {
    std::future::poll_fn(|context| {
        for state in coming.iter_mut() {
            if let State::Coming(part) = state
                && let Poll::Ready(part) = part.as_mut().poll(context)
            {
                *state = State::Here(part);
            }
        }
        match coming.pop_front() {
            None => Poll::Ready(Ok(None)),
            Some(State::Here(part)) => Poll::Ready(part.map(Some)),
            Some(state) => {
                coming.push_front(state);
                Poll::Pending
            }
        }
    })
    .await
}

/// Where it is written.
enum Sink {
    File(NewFile),
    Stdout,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout => Ok(io::stdout().lock().write_all(bytes)?),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stdout => Ok(io::stdout().lock().flush()?),
        }
    }
}
