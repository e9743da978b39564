//! What a node speaks, and on which channels: the usual stack, or one that `--stack` describes.

use crate::address::{Channel, Place, channel};
use crate::failure::Failure;
use crate::node::{self, Address, MAIN, Plan, Spot};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tellask::identity::SecretKey;
use tellask::swarm::Accept;
use tellask::text::{AnyAddr, Bottom, Description, LayerSpec};
use tellask::{At, PeerAddr, UdpAddr};

/// How to speak to a peer.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SpeakArgs {
    /// The channel to speak on: only who has the same one open hears it [default: main]
    #[arg(long, value_name = "NAME", value_parser = channel)]
    pub(crate) channel: Option<Channel>,
    /// Speak another stack than the usual one, which is
    /// `udp://0.0.0.0:0 | p2pke | fragment(256KiB) | ask | mux(string)`
    #[arg(long, value_name = "TEXT", value_parser = described)]
    pub(crate) stack: Option<Described>,
}

/// Where to wait for peers, and how to speak to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HearArgs {
    /// The local address to listen on; port 0 is any free one
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:0")]
    on: Place,
    /// A channel to have open, in place of `main`; may be repeated
    #[arg(long, value_name = "NAME", default_value = MAIN, value_parser = channel)]
    channel: Vec<Channel>,
    /// Speak another stack than the usual one, which is
    /// `udp://0.0.0.0:0 | p2pke | fragment(256KiB) | ask | mux(string)`
    #[arg(long, value_name = "TEXT", value_parser = described, conflicts_with_all = ["on", "channel"])]
    stack: Option<Described>,
}

impl SpeakArgs {
    /// The channel to speak on, which the stack must have.
    pub(crate) fn channel(&self) -> Result<Channel, Failure> {
        let Some(stack) = &self.stack else {
            return Ok(self.channel.clone().unwrap_or_else(|| MAIN.into()));
        };
        let all = stack.channels();
        let wanted = match (&self.channel, &all[..]) {
            (Some(channel), _) => Some(channel),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        wanted.filter(|channel| all.contains(channel)).cloned().ok_or_else(|| {
            let all: Vec<_> = all.iter().map(Channel::as_str).collect();
            Failure::bad_input(format_args!(
                "the stack has these channels: {}; choose one with --channel",
                all.join(", ")
            ))
        })
    }
}

impl HearArgs {
    /// The channels that are open.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        self.stack.as_ref().map_or_else(|| self.channel.clone(), Described::channels)
    }

    /// The node that waits.
    pub(crate) async fn plan<'a>(
        &self,
        key: &'a SecretKey,
        accept: Accept,
    ) -> Result<Plan<'a>, Failure> {
        let on = match &self.stack {
            Some(stack) => stack.on(),
            None => node::place(&self.on).await?,
        };
        let (channels, stack) = (self.channels(), self.stack.clone());
        Ok(Plan { accept, channels, stack, ..Plan::new(on, key) })
    }
}

/// A stack from text on which commands can speak: a UDP socket, one p2pke or quic, and channels above it if any.
#[derive(Clone, Debug)]
pub(crate) struct Described(Description);

/// Reads a stack.
fn described(text: &str) -> Result<Described, String> {
    // What is wrong is one line here, without the one that marks the place.
    let stack: Description = text.parse().map_err(|error: tellask::text::StackError| {
        error.to_string().lines().next().unwrap_or_default().to_owned()
    })?;
    if !matches!(stack.bottom(), Bottom::Udp(_)) {
        return Err("a stack begins with udp:// here, such as udp://0.0.0.0:0".into());
    }
    let mut changes = stack
        .layers()
        .iter()
        .filter(|layer| layer.proves_keys() || matches!(layer, LayerSpec::Mux { .. }));
    let secured = changes.next().is_some_and(LayerSpec::proves_keys);
    if !secured || changes.count() > 1 {
        return Err("a stack has one p2pke or quic here, and at most one mux, above it".into());
    }
    Ok(Described(stack))
}

impl Described {
    pub(crate) const fn description(&self) -> &Description {
        &self.0
    }

    /// Where its socket is bound.
    pub(crate) const fn on(&self) -> SocketAddr {
        match self.0.bottom() {
            Bottom::Udp(UdpAddr(addr)) => *addr,
            Bottom::Tcp(_) | Bottom::Memory(_) => {
                SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
            }
        }
    }

    /// Its channels; where it has no multiplexer, one that stands for all there is.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let channels = self.0.layers().iter().find_map(|layer| match layer {
            LayerSpec::Mux { channels, .. } => Some(channels),
            LayerSpec::P2pke
            | LayerSpec::Quic
            | LayerSpec::Fragment { .. }
            | LayerSpec::Ask
            | LayerSpec::Filter { .. }
            | LayerSpec::Loopback => None,
        });
        match channels {
            Some(channels) => channels.iter().map(|label| label.as_str().into()).collect(),
            None => vec![MAIN.into()],
        }
    }

    /// Whether its addresses name a channel.
    pub(crate) fn has_channels(&self) -> bool {
        self.0.layers().iter().any(|layer| matches!(layer, LayerSpec::Mux { .. }))
    }
}

/// What an address of a described stack is called in the commands.
pub(crate) fn spot(addr: &AnyAddr) -> Option<Spot> {
    match addr {
        AnyAddr::At(at) => Some(Spot { key: at.key.as_str().into(), addr: address(&at.addr)? }),
        AnyAddr::Udp(_) | AnyAddr::Tcp(_) | AnyAddr::Memory(_) | AnyAddr::Peer(_) => {
            Some(Spot { key: MAIN.into(), addr: address(addr)? })
        }
    }
}

fn address(addr: &AnyAddr) -> Option<Address> {
    let AnyAddr::Peer(peer) = addr else { return None };
    let AnyAddr::Udp(udp) = peer.addr else { return None };
    Some(Address { id: peer.id, addr: udp })
}

/// The reverse of [`spot`].
pub(crate) fn any(spot: &Spot, has_channels: bool) -> Option<AnyAddr> {
    let Spot { key, addr: Address { id, addr } } = spot;
    let peer = AnyAddr::Peer(Arc::new(PeerAddr { id: *id, addr: AnyAddr::Udp(*addr) }));
    if has_channels {
        let key = key.as_str().parse().ok()?;
        return Some(AnyAddr::At(Arc::new(At { key, addr: peer })));
    }
    (key.as_str() == MAIN).then_some(peer)
}
