//! From a description to boxed layers.

use super::lift::{Lift, Lifted};
use super::{AnyAddr, Bottom, ChannelKind, Description, Label, LayerSpec};
use crate::addr::{Addr, At, MemoryAddr, PeerAddr, TcpAddr, UdpAddr};
use crate::ask::Asking;
use crate::diagnostics::Diagnostics;
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
use crate::swarm::{Accept, BoxSwarm, Swarm};
use crate::time::{Anchor, Epoch};
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
    /// What a `quic` counts time from; other layers need none.
    pub epoch: Option<Epoch>,
    /// What is to be written of connections.
    pub diagnostics: Diagnostics,
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
    /// The caller's: there is a `quic`, and this program was built without the feature, or its caller gave
    /// no [`Epoch`].
    NoQuic,
    /// Ours: there is no TLS for a `quic`.
    NoTls,
    /// The caller's: a multiplexer has more channels than [`Limits`] or the layer allow.
    Channels(OpenError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => {
                f.write_str("the stack has a p2pke or a quic, and there is no key for it")
            }
            Self::NoQuic => f.write_str(
                "the stack has a quic, which this program lacks: build it with the feature `quic`",
            ),
            Self::NoTls => f.write_str(
                "the stack has a quic, whose library of cryptography lacks what TLS 1.3 needs",
            ),
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

/// What makes messages of the bytes of connections and proves its peers' keys, on its stream port, as the swarm that a
/// description is built on: for [`Bottom::Tcp`].
///
/// [`Bottom::Tcp`]: super::Bottom::Tcp
#[must_use]
pub fn over_streams<L>(layer: L) -> AnySwarm<L::Input, L::Transmit>
where
    L: Swarm<Addr = PeerAddr<TcpAddr>> + Send + 'static,
{
    Box::new(Lift::new(layer))
}

impl Description {
    /// Puts the layers on `bottom`, which is what [`Description::bottom`] names: a [`udp_port`], a [`memory_port`], or
    /// anything else whose addresses are [`AnyAddr`]. Where it names TCP, `bottom` has the first layer on it already:
    /// see [`over_streams`].
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
        if matches!(self.bottom, Bottom::Tcp(_)) {
            (number, rest) = (2, rest.get(1..).unwrap_or_default());
        }
        while let Some((layer, above)) = rest.split_first() {
            let seed = parts.seed(number);
            // Layers that nearly always stand together go into one box: a message passes a box
            // slower than what the compiler sees through.
            (stack, number, rest) = match rest {
                [LayerSpec::P2pke, LayerSpec::Fragment { max }, LayerSpec::Ask, above @ ..] => {
                    let seeds = [parts.seed(number + 1), parts.seed(number + 2)];
                    let lower = p2pke(stack, &seed, parts)?;
                    (asking(lower, *max, &seeds, parts), number + 3, above)
                }
                [LayerSpec::Fragment { max }, LayerSpec::Ask, above @ ..] => {
                    let seeds = [seed, parts.seed(number + 1)];
                    (asking(stack, *max, &seeds, parts), number + 2, above)
                }
                _ => {
                    let on_udp = number == 1 && matches!(self.bottom, Bottom::Udp(_));
                    (put(stack, layer, &seed, parts, on_udp)?, number + 1, above)
                }
            };
        }
        Ok(stack)
    }
}

type Secured<I, T> = Lift<Stack<AnySwarm<I, T>, P2pke<AnyAddr>>, PeerAddr<AnyAddr>>;

fn p2pke<I: 'static, T: 'static>(
    lower: AnySwarm<I, T>,
    seed: &Seed,
    parts: &Parts,
) -> Result<Secured<I, T>, BuildError> {
    let Parts { limits, key, clock, accept, .. } = parts;
    let key = key.clone().ok_or(BuildError::NoKey)?;
    Ok(Lift::new(Stack::new(lower, P2pke::new(key, seed, *clock, accept.clone(), limits))))
}

#[cfg(feature = "quic")]
fn quic<I: 'static, T: 'static>(
    lower: AnySwarm<I, T>,
    seed: &Seed,
    parts: &Parts,
    on_udp: bool,
) -> Result<AnySwarm<I, T>, BuildError> {
    use crate::quic::{Quic, Setup};

    let Parts { limits, key, clock, accept, epoch, diagnostics, .. } = parts;
    let (key, epoch) = (key.clone().ok_or(BuildError::NoKey)?, epoch.ok_or(BuildError::NoQuic)?);
    let (clock, accept, diagnostics) = (*clock, accept.clone(), diagnostics.clone());
    let (migrates, probes_mtu) = (on_udp, on_udp);
    let setup = Setup::new(key, seed, epoch, limits);
    let setup = Setup { clock, accept, migrates, probes_mtu, diagnostics, ..setup };
    let quic = Quic::new(setup).map_err(|_| BuildError::NoTls)?;
    Ok(Box::new(Lift::new(Stack::new(lower, quic))))
}

#[cfg(not(feature = "quic"))]
fn quic<I, T>(
    _: AnySwarm<I, T>,
    _: &Seed,
    _: &Parts,
    _: bool,
) -> Result<AnySwarm<I, T>, BuildError> {
    Err(BuildError::NoQuic)
}

/// Messages of up to `max` bytes, and asks.
fn asking<L>(
    lower: L,
    max: usize,
    [fragments, asks]: &[Seed; 2],
    parts: &Parts,
) -> AnySwarm<L::Input, L::Transmit>
where
    L: Swarm<Addr = AnyAddr> + Send + 'static,
{
    let lower = Stack::new(lower, Fragmenter::new(max, fragments, &parts.limits));
    Box::new(Stack::new(lower, Asking::new(asks, &parts.limits)))
}

fn put<I: 'static, T: 'static>(
    lower: AnySwarm<I, T>,
    layer: &LayerSpec,
    seed: &Seed,
    parts: &Parts,
    on_udp: bool,
) -> Result<AnySwarm<I, T>, BuildError> {
    let limits = &parts.limits;
    Ok(match layer {
        LayerSpec::P2pke => Box::new(p2pke(lower, seed, parts)?),
        LayerSpec::Quic => quic(lower, seed, parts, on_udp)?,
        LayerSpec::Fragment { max } => {
            Box::new(Stack::new(lower, Fragmenter::new(*max, seed, limits)))
        }
        LayerSpec::Ask => Box::new(Stack::new(lower, Asking::new(seed, limits))),
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
