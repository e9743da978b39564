//! What a command prints that waits for others: its addresses, and who comes and goes.

use crate::address::Channel;
use crate::failure::Failure;
use crate::json::Record;
use crate::node::{self, MAIN, Node, Spot};
use crate::output::{Output, Plain};
use crate::peers::Peers;
use tellask::identity::PeerId;
use tellask_tokio::Notice;

/// Prints what happens to a node.
pub(super) struct Report<'a> {
    pub(super) out: &'a Output,
    pub(super) peers: &'a Peers,
    /// What happens to a peer happens on every channel, and is said of this one.
    pub(super) first: Channel,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a Output, peers: &'a Peers, channels: &[Channel]) -> Self {
        let first = channels.iter().min().cloned().unwrap_or_else(|| MAIN.into());
        Self { out, peers, first }
    }

    /// The addresses by which the node can be dialled.
    pub(super) fn listening(&self, node: &Node) -> Result<(), Failure> {
        let local = node.local_addrs().into_iter().filter(|spot| spot.key == self.first);
        let addrs: Vec<_> = local.flat_map(|spot| node::dialable(spot.addr)).collect();
        self.out.record(Record::new("listening").texts("addresses", &addrs))?;
        for addr in &addrs {
            self.out.line(format_args!("listening on {}", self.out.bold(addr)))?;
        }
        Ok(())
    }

    pub(super) fn happened(&self, notice: &Notice<Spot>) -> Result<(), Failure> {
        let out = self.out;
        match notice {
            Notice::PeerUp { addr: Spot { key, addr }, .. } if *key == self.first => {
                let line = format!("{} {addr}{}", out.green("up"), self.known(&addr.id));
                out.say(Record::new("peer_up").text("peer", addr), line)
            }
            Notice::PeerDown { addr: Spot { key, addr }, reason } if *key == self.first => {
                let known = self.known(&addr.id);
                let line = format!("{} {addr}{known}: {reason}", out.yellow("down"));
                out.say(Record::new("peer_down").text("peer", addr).text("reason", reason), line)
            }
            Notice::Undelivered { dst: Spot { key, addr }, reason } => {
                let record = Record::new("undelivered").text("peer", addr).text("channel", key);
                let line = format!("{} to {addr}: {reason}", out.yellow("undelivered"));
                out.say(record.text("reason", reason), line)
            }
            Notice::Missed { count } => {
                let line = format_args!("{} {count} events", out.yellow("missed"));
                out.say(Record::new("missed").number("count", *count), line)
            }
            Notice::PeerUp { .. } | Notice::PeerDown { .. } | _ => Ok(()),
        }
    }

    /// What to call a peer, and the channel where it is not the usual one, in front of what it says.
    pub(super) fn name(&self, spot: &Spot) -> String {
        let id = &spot.addr.id;
        let name = match self.peers.name_of(id) {
            Some(name) => name.to_string(),
            None => format!("{:.8}…", id.to_string()),
        };
        let channel = spot.key.as_str();
        if channel == MAIN { name } else { format!("{name}#{}", Plain(channel)) }
    }

    fn known(&self, id: &PeerId) -> String {
        self.peers.name_of(id).map(|name| format!(" ({name})")).unwrap_or_default()
    }
}
