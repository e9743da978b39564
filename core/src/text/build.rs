//! From a description to boxed layers.

use super::lift::{Lift, Lifted};
use super::{AnyAddr, ChannelKind, Description, Label, LayerSpec};
use crate::addr::{Addr, At, MemoryAddr, UdpAddr};
use crate::ask::Asking;
use crate::filter::Filter;
use crate::fragment::Fragmenter;
use crate::identity::SecretKey;
use crate::join::Join;
use crate::limits::Limits;
use crate::loopback::Loopback;
use crate::mux::{Channel, Mux, OpenError, Varint};
use crate::p2pke::P2pke;
use crate::port::{Datagram, DatagramInput, DatagramPort};
use crate::seed::Seed;
use crate::stack::Stack;
use crate::swarm::{Accept, BoxSwarm};
use crate::time::Anchor;
use alloc::boxed::Box;
use alloc::format;
use core::error::Error;
use core::fmt;
use core::str::FromStr;

/// A swarm whose addresses are [`AnyAddr`], over whatever stands at the bottom.
pub type AnySwarm<I, T> = BoxSwarm<I, T, AnyAddr>;

/// What the layers of a stack are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The node's bounds.
    pub limits: Limits,
    /// The node's seed; each layer gets a child of its own.
    pub seed: Seed,
    /// The node's key, if the stack [is secured](Description::is_secured).
    pub key: Option<SecretKey>,
    /// Ties the node's clock to the calendar.
    pub clock: Anchor,
    /// Whom secure layers talk to.
    pub accept: Accept,
}

impl Parts {
    /// The seed of a layer, counted from one: two of one kind must not draw the same.
    fn seed(&self, number: usize) -> Seed {
        self.seed.child(&format!("layer {number}"))
    }
}

/// Why a description was not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The caller's: the stack is secured, and there is no key.
    NoKey,
    /// The caller's: this bottom is not that of the description.
    WrongBottom,
    /// The caller's: a multiplexer has more channels than [`Limits`] or the layer allow.
    Channels(OpenError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("the stack has a p2pke, and there is no key for it"),
            Self::WrongBottom => {
                f.write_str("the stack has another bottom: here it begins with udp://")
            }
            Self::Channels(error) => write!(f, "the channels of a mux: {error}"),
        }
    }
}

impl Error for BuildError {}

/// A port for UDP sockets, as the swarm that a description is built on: for [`Bottom::Udp`].
///
/// [`Bottom::Udp`]: super::Bottom::Udp
#[must_use]
pub fn udp_port(limits: &Limits) -> AnySwarm<DatagramInput<UdpAddr>, Datagram<UdpAddr>> {
    Box::new(Lift::new(DatagramPort::new(limits)))
}

/// A port for nodes in memory, as the swarm that a description is built on: for [`Bottom::Memory`].
///
/// [`Bottom::Memory`]: super::Bottom::Memory
#[must_use]
pub fn memory_port(limits: &Limits) -> AnySwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>> {
    Box::new(Lift::new(DatagramPort::new(limits)))
}

impl Description {
    /// Puts the layers on `bottom`, which is what [`Description::bottom`] names: a [`udp_port`], a [`memory_port`], or
    /// anything else whose addresses are [`AnyAddr`].
    ///
    /// # Errors
    /// There is no key for a secured stack, or too many channels.
    pub fn build<I: 'static, T: 'static>(
        &self,
        bottom: AnySwarm<I, T>,
        parts: &Parts,
    ) -> Result<AnySwarm<I, T>, BuildError> {
        let mut stack = bottom;
        let mut number = 1;
        let mut rest = &self.layers[..];
        while let Some((layer, above)) = rest.split_first() {
            // Layers that nearly always stand together go into one box: a message passes a box
            // slower than what the compiler sees through.
            if let ([LayerSpec::Fragment { max }, LayerSpec::Ask, above @ ..], [seed, asks]) =
                (rest, [number, number + 1].map(|number| parts.seed(number)))
            {
                let fragmenter = Fragmenter::new(*max, &seed, &parts.limits);
                let lower = Stack::new(stack, fragmenter);
                stack = Box::new(Stack::new(lower, Asking::new(&asks, &parts.limits)));
                (number, rest) = (number + 2, above);
                continue;
            }
            stack = put(stack, layer, parts.seed(number), parts)?;
            (number, rest) = (number + 1, above);
        }
        Ok(stack)
    }
}

fn put<I: 'static, T: 'static>(
    lower: AnySwarm<I, T>,
    layer: &LayerSpec,
    seed: Seed,
    parts: &Parts,
) -> Result<AnySwarm<I, T>, BuildError> {
    let Parts { limits, key, clock, accept, .. } = parts;
    Ok(match layer {
        LayerSpec::P2pke => {
            let key = key.clone().ok_or(BuildError::NoKey)?;
            let p2pke = P2pke::new(key, &seed, *clock, accept.clone(), limits);
            Box::new(Lift::new(Stack::new(lower, p2pke)))
        }
        LayerSpec::Fragment { max } => {
            Box::new(Stack::new(lower, Fragmenter::new(*max, &seed, limits)))
        }
        LayerSpec::Ask => Box::new(Stack::new(lower, Asking::new(&seed, limits))),
        LayerSpec::Filter { accept } => {
            let accept: Accept = accept.iter().copied().collect();
            Box::new(Stack::new(lower, Filter::new(accept, limits)))
        }
        LayerSpec::Loopback => Box::new(Stack::new(lower, Loopback::new(limits))),
        LayerSpec::Mux { kind, channels } => match kind {
            ChannelKind::String => mux::<Label, I, T>(lower, channels, limits)?,
            ChannelKind::U16 => mux::<u16, I, T>(lower, channels, limits)?,
            ChannelKind::U32 => mux::<u32, I, T>(lower, channels, limits)?,
            ChannelKind::U64 => mux::<u64, I, T>(lower, channels, limits)?,
            ChannelKind::Varint => mux::<Varint, I, T>(lower, channels, limits)?,
        },
    })
}

fn mux<C, I: 'static, T: 'static>(
    lower: AnySwarm<I, T>,
    channels: &[Label],
    limits: &Limits,
) -> Result<AnySwarm<I, T>, BuildError>
where
    C: Channel + Addr + Send + Sync + 'static,
    At<C, AnyAddr>: Lifted,
    <C as FromStr>::Err: fmt::Debug,
{
    let channels = channels.iter().filter_map(|label| label.as_str().parse::<C>().ok());
    let mux = Mux::new(limits).with_channels(channels).map_err(BuildError::Channels)?;
    Ok(Box::new(Lift::new(Stack::new(Stack::new(lower, mux), Join::new(limits)))))
}
