//! `tellask ask`: send a request and print its answer.

use crate::args::AskArgs;
use crate::failure::Failure;
use crate::files::{self, NewFile};
use crate::interrupt::interruptible;
use crate::json::Record;
use crate::node::{self, Line, Spot};
use crate::output::{Output, Payload, Plain, Time};
use crate::peers::Peers;
use crate::stdin;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};
use tellask::Bytes;
use tellask::swarm::{AskError, Refusal};

/// No node takes a larger request: what is read of one before it is refused.
const LARGEST: usize = 16 << 20;

pub(super) fn run(args: AskArgs, out: &Output) -> Result<(), Failure> {
    let request = match (args.text, &args.file) {
        (Some(text), _) if text != "-" => Some(text.into_bytes()),
        (_, Some(path)) => Some(files::whole(path, LARGEST)?),
        _ => None,
    };
    let peer = Peers::load()?.target(args.to)?;
    let key = args.key.load_or_create(out)?;
    // Where the answer cannot be written, nothing is asked.
    let file = args.out.as_deref().map(NewFile::create).transpose()?;
    if request.is_none() && io::stdin().is_terminal() {
        out.note("type the request; ctrl-D ends it");
    }
    let (answer, to, took) = node::block_on(async {
        let request = match request {
            Some(request) => request,
            None => interruptible(stdin::all(LARGEST)).await?,
        };
        let begun = Instant::now();
        let lines = Line::prepare(&peer, &args.speak, &key, args.timeout).await?;
        for line in &lines {
            // Known before anybody answers.
            let limit = line.node.ask_max();
            if limit == 0 {
                return Err(Failure::bad_input("this stack cannot ask: put `ask` on it"));
            }
            if request.len() > limit {
                return Err(Failure::bad_input(format_args!(
                    "a request of {} bytes is over the limit of {limit} bytes",
                    request.len()
                )));
            }
        }
        let (line, _) = Line::connect(lines).await?;
        let asked = Instant::now();
        let left = args.timeout.saturating_sub(begun.elapsed());
        let answer = node::with(&line.node, ask(&line, request.into(), left)).await?;
        Ok((answer, line.peer, asked.elapsed()))
    })?;
    let record = Record::new("answer")
        .text("from", to.addr)
        .text("channel", &to.key)
        .number("bytes", answer.len() as u64)
        .fraction("ms", took.as_secs_f64() * 1e3);
    match file {
        Some(mut file) => {
            file.write(&answer)?;
            file.finish()?;
            out.record(record)?;
        }
        None => {
            out.record(Payload(&answer).into(record))?;
            out.content(&answer)?;
        }
    }
    if args.verbose {
        out.note(format_args!("{} bytes from {} in {}", answer.len(), to.addr, Time(took)));
    }
    Ok(())
}

/// Asks the peer of a line, and says in its words why there is no answer.
pub(super) async fn ask(line: &Line, request: Bytes, within: Duration) -> Result<Bytes, Failure> {
    let answer = line.node.ask(&line.peer, request).within(within).await;
    answer.map_err(|error| unanswered(&line.peer, &error, within))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other reasons speak for themselves")]
pub(super) fn unanswered(peer: &Spot, error: &AskError, within: Duration) -> Failure {
    let Spot { key: channel, addr } = peer;
    Failure::failed(match error {
        AskError::Refused(Refusal { code: Refusal::UNANSWERED, detail }) if detail.is_empty() => {
            format!(
                "nobody answers on the channel `{}` of {addr}: tellask serve does, on that channel",
                Plain(channel.as_str())
            )
        }
        AskError::Refused(Refusal { code, detail }) => match str::from_utf8(detail) {
            Ok(why) if !why.is_empty() => format!("the peer refused: {why}"),
            _ => format!("the peer refused with code {code}"),
        },
        AskError::TimedOut { arrived: true } => {
            format!("no answer within {}, though the request arrived", Time(within))
        }
        AskError::TimedOut { arrived: false } => format!("no answer within {}", Time(within)),
        AskError::TooLarge { limit } => format!("the answer is over the limit of {limit} bytes"),
        _ => error.to_string(),
    })
}
