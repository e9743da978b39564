//! `tellask tell`: send messages.

use crate::args::TellArgs;
use crate::failure::Failure;
use crate::json::Record;
use crate::node::{self, Line, Spot};
use crate::output::Output;
use crate::peers::Peers;
use crate::{files, stdin};
use std::io::{self, IsTerminal as _};
use tellask::swarm::TellError;
use tellask_tokio::Notice;

/// No swarm takes a larger message: what is read of one before it is refused.
const LARGEST: usize = 16 << 20;

pub(super) fn run(args: TellArgs, out: &Output) -> Result<(), Failure> {
    let text = match args.text {
        Some(text) if text != "-" && args.whole => {
            return Err(Failure::bad_input(
                "--whole is for standard input: leave out TEXT, or give -",
            ));
        }
        Some(text) if text != "-" => Some(text.into_bytes()),
        _ => match &args.file {
            Some(path) => Some(files::whole(path, LARGEST)?),
            None => None,
        },
    };
    let peer = Peers::load()?.target(args.to)?;
    let key = args.key.load_or_create(out)?;
    if text.is_none() && io::stdin().is_terminal() {
        out.note("each line that you type is a message; ctrl-D ends");
    }
    node::block_on(async {
        let lines = Line::prepare(&peer, &args.speak, &key, args.timeout).await?;
        if let Some(text) = &text {
            // Known before anybody answers.
            for line in &lines {
                refuse_too_large(line, text)?;
            }
        }
        let (line, _) = Line::connect(lines).await?;
        let mut notices = line.node.events();
        let told = node::with(&line.node, async {
            match text {
                Some(text) => tell(&line, text).await,
                None => tell_input(&line, args.whole).await,
            }
        });
        let told = told.await?;
        // It is closed: whatever could not be delivered has been said by now.
        while let Some(notice) = notices.next().await {
            if let Notice::Undelivered { reason, .. } = notice {
                return Err(Failure::failed(format_args!("not delivered: {reason}")));
            }
        }
        let Told { messages, bytes } = told;
        let Spot { key: channel, addr: to } = &line.peer;
        let record = Record::new("told")
            .text("to", to)
            .text("channel", channel)
            .number("messages", messages);
        out.record(record.number("bytes", bytes))?;
        if args.verbose {
            let s = if messages == 1 { "" } else { "s" };
            out.line(format_args!("told {to} {messages} message{s}, {bytes} bytes"))?;
        }
        Ok(())
    })
}

/// What was handed over.
#[derive(Default)]
struct Told {
    messages: u64,
    bytes: u64,
}

async fn tell_input(line: &Line, whole: bool) -> Result<Told, Failure> {
    let mut input = if whole { stdin::whole(LARGEST) } else { stdin::lines(LARGEST) };
    let mut all = Told::default();
    while let Some(message) = input.recv().await {
        let message = message.map_err(|error| {
            Failure::bad_input(format_args!("standard input cannot be read: {error}"))
        })?;
        let told = tell(line, message).await?;
        all.messages += told.messages;
        all.bytes += told.bytes;
    }
    Ok(all)
}

async fn tell(line: &Line, message: Vec<u8>) -> Result<Told, Failure> {
    let bytes = message.len() as u64;
    line.node.tell(&line.peer, message).await.map_err(refused)?;
    Ok(Told { messages: 1, bytes })
}

fn refuse_too_large(line: &Line, message: &[u8]) -> Result<(), Failure> {
    let limit = line.node.mtu_to(&line.peer);
    if message.len() > limit {
        return Err(refused(TellError::TooLarge { len: message.len(), limit }));
    }
    Ok(())
}

fn refused(error: TellError) -> Failure {
    if matches!(error, TellError::TooLarge { .. }) {
        Failure::bad_input(error)
    } else {
        Failure::failed(error)
    }
}
