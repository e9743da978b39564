//! `tellask peer`: names for peers.

use crate::args::PeerCommand;
use crate::failure::Failure;
use crate::json::Record;
use crate::output::Output;
use crate::peers::Peers;

pub(super) fn run(command: PeerCommand, out: &Output) -> Result<(), Failure> {
    let mut peers = Peers::load()?;
    match command {
        PeerCommand::Add { name, peer, replace } => {
            if let Some(known) = peers.find(&name)
                && *known != peer
                && !replace
            {
                return Err(Failure::bad_input(format_args!(
                    "`{name}` is {known} already: choose another name, or add --replace"
                )));
            }
            let record = Record::new("peer_added").text("name", &name).text("address", &peer);
            peers.set(name, peer)?;
            out.record(record)
        }
        PeerCommand::List => {
            let width = peers.iter().map(|(name, _)| name.as_str().chars().count()).max();
            let width = width.unwrap_or_default();
            for (name, peer) in peers.iter() {
                let record = Record::new("peer").text("name", name).text("address", peer);
                out.say(
                    record,
                    format_args!("{} {peer}", out.bold(format_args!("{name:width$}"))),
                )?;
            }
            if width == 0 {
                out.note("no peer has a name yet, give one with: tellask peer add NAME ADDR");
            }
            Ok(())
        }
        PeerCommand::Remove { name } => {
            peers.remove(&name)?;
            out.record(Record::new("peer_removed").text("name", &name))
        }
    }
}
