//! `tellask serve`: answer what is asked.

mod exec;
mod folder;

use self::exec::Exec;
use self::folder::Folder;
use super::report::Report;
use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::interrupt::{Either, interruptible, race};
use crate::json::Record;
use crate::node::{self, Node, Spot};
use crate::output::{Output, Plain, Time};
use crate::peers::Peers;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tellask::Bytes;
use tellask::swarm::Refusal;
use tellask_tokio::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Bytes of an answer that the layers need for themselves, and more.
const HEADERS: usize = 1024;
/// How often it is looked whether an asker still waits.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: ServeArgs, out: &Output) -> Result<(), Failure> {
    if args.at_most == 0 {
        return Err(Failure::bad_input("--at-most 0 answers nothing: give 1 or more"));
    }
    let peers = Peers::load()?;
    let accept = peers.accept(args.allow)?;
    if args.what.exec.as_ref().is_some_and(|line| line.trim().is_empty()) {
        return Err(Failure::bad_input("--exec has no command: give one, such as 'tr a-z A-Z'"));
    }
    let answers = match (args.what.exec, args.what.dir) {
        (Some(line), _) => Answers::Exec(Exec { line, within: args.within, max_output: 0 }),
        (None, Some(path)) => Answers::Dir(Folder::new(&path)?),
        (None, None) => Answers::Echo,
    };
    let key = args.key.load_or_create(out)?;
    let report = Report::new(out, &peers, &args.hear.channels());
    node::block_on(async {
        let watch = args.watch.bind().await?;
        let node = args.hear.plan(&key, accept).await?.open().await?;
        if node.ask_max() == 0 {
            return Err(Failure::bad_input("nobody can ask over this stack: put `ask` on it"));
        }
        let answers = Arc::new(answers.limited(node.ask_max().saturating_sub(HEADERS)));
        let mut server = Server {
            report,
            answers,
            permits: Arc::new(Semaphore::new(args.at_most.into())),
            answering: JoinSet::new(),
        };
        let work = async {
            match race(server.serve(&node), watch.run(&node, out)).await {
                Either::First(done) => done,
                Either::Second(done) => done.map(|never| match never {}),
            }
        };
        let served = interruptible(work).await;
        // Commands that still run are killed, and who asked for them is told.
        server.answering.shutdown().await;
        let closed = node::with(&node, async { Ok(()) }).await;
        watch.end(&node, out)?;
        served.and(closed)
    })
}

/// What answers.
#[derive(Debug)]
enum Answers {
    Echo,
    Exec(Exec),
    Dir(Folder),
}

struct Server<'a> {
    report: Report<'a>,
    answers: Arc<Answers>,
    permits: Arc<Semaphore>,
    answering: JoinSet<Asked>,
}

/// A request that was answered.
struct Asked {
    from: Spot,
    bytes: usize,
    took: Duration,
    /// How many bytes the answer had.
    outcome: Result<usize, Refusal>,
}

impl Server<'_> {
    /// Answers, for as long as anything can be asked.
    async fn serve(&mut self, node: &Node) -> Result<(), Failure> {
        let mut notices = node.events();
        self.report.listening(node)?;
        loop {
            // What cannot be answered yet waits in the node, whose bounds hold.
            let next = async {
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                (permit, node.next_ask().await)
            };
            let answered = async {
                match self.answering.join_next().await {
                    Some(answered) => answered,
                    None => std::future::pending().await,
                }
            };
            let heard = race(notices.next(), node.receive());
            match race(race(answered, next), heard).await {
                Either::First(Either::First(answered)) => {
                    self.answered(&answered.map_err(Failure::failed)?)?;
                }
                Either::First(Either::Second((Ok(permit), Some(request)))) => {
                    let answers = Arc::clone(&self.answers);
                    self.answering.spawn(async move { answers.serve(request, permit).await });
                }
                Either::Second(Either::First(Some(notice))) => self.report.happened(&notice)?,
                // Told, not asked: nothing to answer.
                Either::Second(Either::Second(Some(_))) => {}
                Either::First(Either::Second(_)) | Either::Second(_) => {
                    return Err(Failure::failed("the node ended"));
                }
            }
        }
    }

    fn answered(&self, asked: &Asked) -> Result<(), Failure> {
        let out = self.report.out;
        let Asked { from, bytes, took, outcome } = asked;
        let kind = if outcome.is_ok() { "answered" } else { "refused" };
        let record = Record::new(kind)
            .text("from", from.addr)
            .text("channel", &from.key)
            .number("request_bytes", *bytes as u64)
            .fraction("ms", took.as_secs_f64() * 1e3);
        let name = self.report.name(from);
        match outcome {
            Ok(answer) => out.say(
                record.number("answer_bytes", *answer as u64),
                format_args!(
                    "{} {bytes} bytes → {answer} bytes in {}",
                    out.bold(name),
                    Time(*took)
                ),
            ),
            Err(refusal) => {
                let why = String::from_utf8_lossy(&refusal.detail);
                let line = format!("{} {name}: {}", out.yellow("refused"), Plain(&why));
                out.say(record.text("reason", &why), line)
            }
        }
    }
}

impl Answers {
    /// The same with as much output as an answer may have.
    fn limited(mut self, max: usize) -> Self {
        if let Self::Exec(exec) = &mut self {
            exec.max_output = max;
        }
        self
    }

    /// Answers one request; no more of them at a time than there are permits.
    async fn serve(
        self: Arc<Self>,
        request: Request<Spot>,
        _permit: OwnedSemaphorePermit,
    ) -> Asked {
        let begun = Instant::now();
        let from = request.src().clone();
        let question = request.payload().clone();
        let bytes = question.len();
        let remaining = request.remaining();
        let pending = Pending(Some(request));
        let given_up = Refusal::new(Refusal::UNANSWERED, "the asker gave up");
        let answer = if remaining.is_zero() {
            Err(given_up)
        } else {
            let answer = Arc::clone(&self).answer(&from, question, remaining);
            match race(answer, pending.unwanted()).await {
                Either::First(answer) => answer,
                Either::Second(()) => Err(given_up),
            }
        };
        let outcome = answer.as_ref().map(Bytes::len).map_err(Refusal::clone);
        pending.answer(answer);
        Asked { from, bytes, took: begun.elapsed(), outcome }
    }

    async fn answer(
        self: Arc<Self>,
        from: &Spot,
        question: Bytes,
        remaining: Duration,
    ) -> Result<Bytes, Refusal> {
        match &*self {
            Self::Echo => Ok(question),
            Self::Exec(exec) => exec.answer(from, question, remaining).await.map(Bytes::from),
            Self::Dir(_) => {
                // A disk may take its time, and is waited for where that holds up nobody.
                let answers = Arc::clone(&self);
                let read = tokio::task::spawn_blocking(move || match &*answers {
                    Self::Dir(folder) => folder.answer(&question),
                    Self::Echo | Self::Exec(_) => Err(Refusal::unanswered()),
                });
                read.await.unwrap_or_else(|_| Err(Refusal::unanswered())).map(Bytes::from)
            }
        }
    }
}

/// A request that is being answered. Where that is broken off, its asker is told.
struct Pending(Option<Request<Spot>>);

impl Pending {
    /// Waits until nobody waits for the answer any more.
    async fn unwanted(&self) {
        while self.0.as_ref().is_some_and(Request::is_wanted) {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn answer(mut self, answer: Result<Bytes, Refusal>) {
        match (self.0.take(), answer) {
            (Some(request), Ok(answer)) => request.answer(answer),
            (Some(request), Err(refusal)) => request.refuse(refusal),
            (None, _) => {}
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(request) = self.0.take() {
            let why = "the peer stopped serving before it had an answer";
            request.refuse(Refusal::new(Refusal::UNANSWERED, why));
        }
    }
}
