//! `tellask listen`: print what arrives.

use super::report::Report;
use crate::args::ListenArgs;
use crate::failure::Failure;
use crate::interrupt::{Either, race};
use crate::json::Record;
use crate::node::{self, Node, Spot};
use crate::output::{Output, Payload};
use crate::peers::Peers;
use tellask_tokio::Message;

pub(super) fn run(args: ListenArgs, out: &Output) -> Result<(), Failure> {
    let peers = Peers::load()?;
    let accept = peers.accept(args.allow)?;
    let key = args.key.load_or_create(out)?;
    let report = Report::new(out, &peers, &args.hear.channels());
    let listener = Listener { report, echo: args.echo };
    node::block_on(async {
        let watch = args.watch.bind().await?;
        let node = args.hear.plan(&key, accept).await?.open().await?;
        let work = async {
            match race(listener.listen(&node), watch.run(&node, out)).await {
                Either::First(done) => done,
                Either::Second(done) => done.map(|never| match never {}),
            }
        };
        let done = node::with(&node, work).await;
        watch.end(&node, out)?;
        done
    })
}

struct Listener<'a> {
    report: Report<'a>,
    echo: bool,
}

impl Listener<'_> {
    /// Prints what happens, for as long as anything can.
    async fn listen(&self, node: &Node) -> Result<(), Failure> {
        let mut notices = node.events();
        self.report.listening(node)?;
        loop {
            match race(notices.next(), race(node.receive(), node.next_ask())).await {
                Either::First(Some(notice)) => self.report.happened(&notice)?,
                Either::Second(Either::First(Some(message))) => self.told(node, &message)?,
                // Dropped: whoever asks is told that nobody answers here.
                Either::Second(Either::Second(Some(request))) => self.asked(request.message())?,
                Either::First(None)
                | Either::Second(Either::First(None) | Either::Second(None)) => {
                    return Err(Failure::failed("the node ended"));
                }
            }
        }
    }

    fn told(&self, node: &Node, message: &Message<Spot>) -> Result<(), Failure> {
        let out = self.report.out;
        let from = &message.src;
        let record = Record::new("message").text("from", from.addr).text("channel", &from.key);
        let record = Payload(&message.payload).into(record);
        let name = self.report.name(from);
        let line = format!("{} {}", out.bold(name), Payload(&message.payload));
        out.say(record, line)?;
        if self.echo
            && let Err(error) = node.try_tell(from, message.payload.clone())
        {
            out.note(format_args!("no echo to {}: {error}", from.addr));
        }
        Ok(())
    }

    fn asked(&self, message: &Message<Spot>) -> Result<(), Failure> {
        let out = self.report.out;
        let from = &message.src;
        let record = Record::new("unanswered").text("from", from.addr).text("channel", &from.key);
        let record = record.number("bytes", message.payload.len() as u64);
        let name = self.report.name(from);
        let line = format!("{name} asks, and nobody answers here (tellask serve does)");
        out.say(record, format_args!("{} {line}", out.yellow("unanswered")))
    }
}
