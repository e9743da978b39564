//! `tellask listen`: print what arrives.

use crate::args::ListenArgs;
use crate::failure::Failure;
use crate::interrupt::{Either, race};
use crate::json::Record;
use crate::node::{self, Address, Node, Plan};
use crate::output::{Output, Payload};
use crate::peers::Peers;
use std::net::SocketAddr;
use tellask::identity::{PeerId, SecretKey};
use tellask::swarm::Accept;
use tellask_tokio::{Message, Notice};

pub(super) fn run(args: ListenArgs, out: &Output) -> Result<(), Failure> {
    let peers = Peers::load()?;
    let allowed = args.allow.into_iter().map(|who| peers.who(who));
    let allowed = allowed.collect::<Result<Vec<_>, _>>()?;
    let accept = if allowed.is_empty() { Accept::Anyone } else { Accept::from_iter(allowed) };
    let key = args.key.load_or_create(out)?;
    let listener = Listener { out, peers: &peers, echo: args.echo };
    node::block_on(async {
        let on =
            *args.on.resolve().await?.first().ok_or_else(|| Failure::bad_input("no address"))?;
        listener.run(on, &key, accept, args.stats).await
    })
}

struct Listener<'a> {
    out: &'a Output,
    peers: &'a Peers,
    echo: bool,
}

impl Listener<'_> {
    async fn run(
        &self,
        on: SocketAddr,
        key: &SecretKey,
        accept: Accept,
        stats: bool,
    ) -> Result<(), Failure> {
        let node = Plan { accept, ..Plan::new(on, key) }.open().await?;
        let done = node::with(&node, self.listen(&node)).await;
        if stats {
            self.stats(&node)?;
        }
        done
    }

    /// Prints what happens, for as long as anything can.
    async fn listen(&self, node: &Node) -> Result<(), Failure> {
        let mut notices = node.events();
        self.listening(node)?;
        loop {
            match race(notices.next(), node.receive()).await {
                Either::First(Some(notice)) => self.happened(&notice)?,
                Either::Second(Some(message)) => self.told(node, &message)?,
                Either::First(None) | Either::Second(None) => {
                    return Err(Failure::failed("the node ended"));
                }
            }
        }
    }

    fn listening(&self, node: &Node) -> Result<(), Failure> {
        let addrs: Vec<_> = node.local_addrs().into_iter().flat_map(node::dialable).collect();
        self.out.record(Record::new("listening").texts("addresses", &addrs))?;
        for addr in &addrs {
            self.out.line(format_args!("listening on {}", self.out.bold(addr)))?;
        }
        Ok(())
    }

    fn told(&self, node: &Node, message: &Message<Address>) -> Result<(), Failure> {
        let from = message.src;
        let record = Record::new("message").text("from", from);
        let record = Payload(&message.payload).into(record);
        let line = format!("{} {}", self.out.bold(self.name(&from.id)), Payload(&message.payload));
        self.out.say(record, line)?;
        if self.echo
            && let Err(error) = node.try_tell(&from, message.payload.clone())
        {
            self.out.note(format_args!("no echo to {from}: {error}"));
        }
        Ok(())
    }

    fn happened(&self, notice: &Notice<Address>) -> Result<(), Failure> {
        let out = self.out;
        match notice {
            Notice::PeerUp { addr, .. } => {
                let line = format!("{} {addr}{}", out.green("up"), self.known(&addr.id));
                out.say(Record::new("peer_up").text("peer", addr), line)
            }
            Notice::PeerDown { addr, reason } => {
                let known = self.known(&addr.id);
                let line = format!("{} {addr}{known}: {reason}", out.yellow("down"));
                out.say(Record::new("peer_down").text("peer", addr).text("reason", reason), line)
            }
            Notice::Undelivered { dst, reason } => {
                let record = Record::new("undelivered").text("peer", dst).text("reason", reason);
                out.say(record, format_args!("{} to {dst}: {reason}", out.yellow("undelivered")))
            }
            Notice::Missed { count } => {
                let line = format_args!("{} {count} events", out.yellow("missed"));
                out.say(Record::new("missed").number("count", *count), line)
            }
            _ => Ok(()),
        }
    }

    /// What to call a peer in front of what it says.
    fn name(&self, id: &PeerId) -> String {
        match self.peers.name_of(id) {
            Some(name) => name.to_string(),
            None => format!("{:.8}…", id.to_string()),
        }
    }

    fn known(&self, id: &PeerId) -> String {
        self.peers.name_of(id).map(|name| format!(" ({name})")).unwrap_or_default()
    }

    fn stats(&self, node: &Node) -> Result<(), Failure> {
        let stats = node.stats();
        self.out.record(
            Record::new("stats")
                .numbers("counters", &stats.counters)
                .numbers("gauges", &stats.gauges),
        )?;
        self.out.line(stats.to_string().trim_end())
    }
}
