//! The swarms that the suite is played on: layers by layers, on datagrams in memory.

use super::doubled::{Doubled, SCHEMES, scheme};
use super::leaky::Leaky;
use core::marker::PhantomData;
use std::rc::Rc;
use tellask::addr::Source;
use tellask::ask::Asking;
use tellask::filter::Keyed;
use tellask::identity::SecretKey;
use tellask::multi::MultiAddr;
use tellask::mux::Name;
use tellask::p2pke::P2pke;
use tellask::p2pke::channel::Timing;
use tellask::swarm::{Accept, BoxSwarm};
use tellask::time::Anchor;
use tellask::{
    Addr, At, Datagram, DatagramInput, DatagramPort, Filter, Fragmenter, Join, Layer, Limits,
    Loopback, Map, MemoryAddr, Mux, Par, PeerAddr, Seed, Stack, Swarm,
};
use tellask_sim::conformance::{NOBODY, Oneself, Promises, Report, World, run};

pub(crate) type Boxed<S, A> = BoxSwarm<DatagramInput<S>, Datagram<S>, A>;
type Mapped<A> = Map<A, At<u64, A>, fn(&A) -> Option<At<u64, A>>, fn(&At<u64, A>) -> Option<A>>;
type Muxed<A, L> = Stack<Stack<L, Mux<Name, A>>, Join<Name, A>>;
type Fanned<A, L> = Stack<Stack<Stack<L, Mux<u16, A>>, Par<u16, Asking<A>>>, Join<u16, A>>;

/// Datagrams of the network.
pub(crate) const MTU: usize = 1_400;
/// The largest request and reply.
pub(crate) const ASK_MAX: usize = 64 * 1_024;
/// More than any header of a layer.
pub(crate) const HEADER: usize = 48;

pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.ask_max = ASK_MAX;
    limits
}

/// The key of a node; [`SOMEBODY`] has one, too.
pub(crate) fn key(node: usize) -> SecretKey {
    SecretKey::from_seed(&[node as u8 + 1; 32])
}

/// A node that is nowhere.
pub(crate) const SOMEBODY: usize = 99;

/// What a node would be called at the place of the first and with the key of the second.
pub(crate) type Disguise<A> = Rc<dyn Fn(&A, &A) -> A>;

/// The stack of a node.
type Make<L> = Rc<dyn Fn(usize, &Seed) -> L>;

/// How to make the nodes of a swarm, and what they promise.
pub(crate) struct Recipe<S, A, L> {
    make: Make<L>,
    pub(crate) nobody: A,
    pub(crate) no_route: Option<A>,
    disguise: Option<Disguise<A>>,
    pub(crate) promises: Promises,
    timing: Timing,
    layers: usize,
    below: PhantomData<S>,
}

/// Bare datagrams in memory.
pub(crate) fn datagrams() -> Recipe<MemoryAddr, MemoryAddr, DatagramPort<MemoryAddr>> {
    datagrams_of(NOBODY, Timing::DEFAULT)
}

/// Bare datagrams between addresses of any kind. Nobody is at `nobody`; secure layers keep to `timing`.
pub(crate) fn datagrams_of<S: Addr + 'static>(
    nobody: S,
    timing: Timing,
) -> Recipe<S, S, DatagramPort<S>> {
    let mut promises = Promises::datagrams(MTU);
    promises.oneself = Oneself::Delivered;
    let make = Rc::new(|_, _: &Seed| DatagramPort::new(&limits()));
    let below = PhantomData;
    Recipe { make, nobody, no_route: None, disguise: None, promises, timing, layers: 0, below }
}

impl<S, A, L> Recipe<S, A, L> {
    /// Nodes of stacks that are made as a whole.
    pub(crate) fn new(
        make: impl Fn(usize, &Seed) -> L + 'static,
        nobody: A,
        no_route: Option<A>,
        disguise: Option<Disguise<A>>,
        promises: Promises,
    ) -> Self {
        let (make, timing, below) = (Rc::new(make), Timing::DEFAULT, PhantomData);
        Self { make, nobody, no_route, disguise, promises, timing, layers: 0, below }
    }
}

impl<S, A, L> Recipe<S, A, L>
where
    S: Addr + 'static,
    A: Addr + 'static,
    L: Swarm<Addr = A> + Layer<Input = DatagramInput<S>, Transmit = Datagram<S>> + 'static,
{
    /// Puts a layer on it. `up` says what the nodes are called above it, `down` the reverse.
    fn on<B: 'static, M>(
        self,
        layer: impl Fn(L, usize, &Seed) -> M + 'static,
        up: impl Fn(A) -> B + 'static,
        down: fn(&B) -> &A,
    ) -> Recipe<S, B, M> {
        let Self { make, nobody, no_route, disguise, promises, timing, layers, below } = self;
        let label = format!("layer {layers}");
        let make = move |node, seed: &Seed| layer(make(node, seed), node, &seed.child(&label));
        let (make, nobody, no_route) = (Rc::new(make), up(nobody), no_route.map(&up));
        let disguise = disguise.map(|disguise| -> Disguise<B> {
            Rc::new(move |at, key_of| up(disguise(down(at), down(key_of))))
        });
        let layers = layers + 1;
        Recipe { make, nobody, no_route, disguise, promises, timing, layers, below }
    }

    /// Puts a layer on it that keeps the addresses.
    pub(crate) fn with<M: 'static>(
        self,
        layer: impl Fn(L, usize, &Seed) -> M + 'static,
    ) -> Recipe<S, A, M> {
        self.on(layer, |addr| addr, |addr| addr)
    }

    pub(crate) fn secured(self) -> Recipe<S, PeerAddr<A>, Stack<L, P2pke<A>>>
    where
        A: Source,
    {
        let timing = self.timing;
        let p2pke = move |lower, node, seed: &Seed| {
            let (key, clock) = (key(node), Anchor::default());
            let p2pke = P2pke::new(key, seed, clock, Accept::Anyone, &limits());
            Stack::new(lower, p2pke.with_timing(timing))
        };
        let id = key(SOMEBODY).id();
        let mut recipe = self.on(p2pke, move |addr| PeerAddr { id, addr }, |peer| &peer.addr);
        recipe.promises.mtu -= HEADER;
        recipe.promises = recipe.promises.secured();
        recipe.promises.reports_nobody = Some(2 * timing.handshake_timeout);
        recipe.promises.ask_max = None;
        let disguise = |at: &PeerAddr<A>, key_of: &PeerAddr<A>| PeerAddr {
            id: key_of.id,
            addr: at.addr.clone(),
        };
        recipe.disguise = Some(Rc::new(disguise));
        recipe
    }

    /// Over QUIC.
    #[cfg(feature = "quic")]
    pub(crate) fn quic(self) -> Recipe<S, PeerAddr<A>, Stack<L, tellask::quic::Quic<A>>>
    where
        A: Source,
    {
        use tellask::quic::{HANDSHAKE, Quic, Setup};

        let quic = |lower, node, seed: &Seed| {
            let (epoch, limits) = (std::time::Instant::now().into(), limits());
            let setup = Setup::new(key(node), seed, epoch, &limits);
            Stack::new(lower, Quic::new(setup).expect("there is TLS"))
        };
        let (id, timing) = (key(SOMEBODY).id(), self.timing);
        let mut recipe = self.on(quic, move |addr| PeerAddr { id, addr }, |peer| &peer.addr);
        recipe.promises.mtu = 1 << 20;
        recipe.promises = recipe.promises.secured().asking(ASK_MAX);
        // Nobody waits for so long on sockets.
        recipe.promises.reports_nobody = (timing == Timing::DEFAULT).then_some(2 * HANDSHAKE);
        let disguise = |at: &PeerAddr<A>, key_of: &PeerAddr<A>| PeerAddr {
            id: key_of.id,
            addr: at.addr.clone(),
        };
        recipe.disguise = Some(Rc::new(disguise));
        recipe
    }

    /// Secured, but for requests: those also go down as they are.
    pub(crate) fn leaky(self) -> Recipe<S, PeerAddr<A>, Stack<L, Leaky<A>>>
    where
        A: Source,
    {
        let make = Rc::clone(&self.make);
        let secured = self.secured();
        let Recipe { nobody, no_route, disguise, promises, timing, layers, below, .. } = secured;
        let make = move |node, seed: &Seed| {
            let (key, clock) = (key(node), Anchor::default());
            let p2pke = P2pke::new(key, &seed.child("leaky"), clock, Accept::Anyone, &limits());
            Stack::new(make(node, seed), Leaky::new(p2pke))
        };
        let make = Rc::new(make);
        Recipe { make, nobody, no_route, disguise, promises, timing, layers, below }
    }

    pub(crate) fn fragmented(self, max: usize) -> Recipe<S, A, Stack<L, Fragmenter<A>>> {
        let mut recipe = self
            .with(move |lower, _, seed| Stack::new(lower, Fragmenter::new(max, seed, &limits())));
        recipe.promises.mtu = max;
        recipe
    }

    pub(crate) fn asking(self) -> Recipe<S, A, Stack<L, Asking<A>>> {
        let asking = |lower, _, seed: &Seed| Stack::new(lower, Asking::new(seed, &limits()));
        let mut recipe = self.with(asking);
        recipe.promises.mtu -= HEADER;
        recipe.promises = recipe.promises.asking(ASK_MAX);
        recipe
    }

    /// Two channels, as one swarm.
    pub(crate) fn muxed(self) -> Recipe<S, At<Name, A>, Muxed<A, L>> {
        let mux = |lower, _, _: &Seed| {
            let channels = ["one", "two"].map(Name::from);
            let mux = Mux::new(&limits()).with_channels(channels).expect("there is room");
            Stack::new(Stack::new(lower, mux), Join::new(&limits()))
        };
        let at = |addr| At { key: Name::from("one"), addr };
        let no_route = At { key: Name::from("three"), addr: self.nobody.clone() };
        let mut recipe = self.on(mux, at, |at| &at.addr);
        recipe.no_route = Some(no_route);
        recipe.promises.mtu -= HEADER;
        recipe.promises.ask_max = recipe.promises.ask_max.map(|max| max - HEADER);
        recipe
    }

    /// Two channels with an asking layer each, as one swarm: both count their tokens from the same
    /// number.
    pub(crate) fn fanned(self) -> Recipe<S, At<u16, A>, Fanned<A, L>> {
        let fan = |lower, _, seed: &Seed| {
            let mux = Mux::new(&limits()).with_channels([1, 2]).expect("there is room");
            let mut asking = Par::new();
            for channel in [1, 2] {
                let seed = seed.child(&format!("channel {channel}"));
                asking.insert(channel, Asking::new(&seed, &limits()));
            }
            Stack::new(Stack::new(Stack::new(lower, mux), asking), Join::new(&limits()))
        };
        let no_route = At { key: 3, addr: self.nobody.clone() };
        let mut recipe = self.on(fan, |addr| At { key: 1, addr }, |at| &at.addr);
        recipe.no_route = Some(no_route);
        recipe.promises.mtu -= 2 * HEADER;
        recipe.promises = recipe.promises.asking(ASK_MAX);
        recipe
    }

    /// The same twice, as the transports of a multi: both count their tokens from the same number.
    pub(crate) fn doubled(self) -> Recipe<S, MultiAddr<A>, Doubled<S, L>> {
        let Self { make, nobody, disguise, promises, timing, layers, below, .. } = self;
        let make = move |node, seed: &Seed| {
            Doubled::new(SCHEMES.map(|name| make(node, &seed.child(name))), &limits())
        };
        let at = |addr| MultiAddr { key: scheme(SCHEMES[0]), addr };
        let no_route = Some(MultiAddr { key: scheme("third"), addr: nobody.clone() });
        let nobody = at(nobody);
        let disguise = disguise.map(|disguise| -> Disguise<MultiAddr<A>> {
            Rc::new(move |at_place: &MultiAddr<A>, key_of: &MultiAddr<A>| {
                at(disguise(&at_place.addr, &key_of.addr))
            })
        });
        let make = Rc::new(make);
        let mut recipe =
            Recipe { make, nobody, no_route, disguise, promises, timing, layers, below };
        recipe.promises.mtu -= HEADER;
        recipe
    }

    pub(crate) fn looped(self) -> Recipe<S, A, Stack<L, Loopback<A>>> {
        let mut recipe = self.with(|lower, _, _| Stack::new(lower, Loopback::new(&limits())));
        recipe.promises.oneself = Oneself::Delivered;
        recipe
    }

    /// Only the nodes of this world are let through; and nobody else is anywhere.
    pub(crate) fn filtered(self) -> Recipe<S, A, Stack<L, Filter<A>>>
    where
        A: Keyed,
    {
        let members = || (0..20).chain([SOMEBODY]).map(|node| key(node).id()).collect();
        self.with(move |lower, _, _| Stack::new(lower, Filter::new(members(), &limits())))
    }

    /// Every address behind a number.
    pub(crate) fn mapped(self) -> Recipe<S, At<u64, A>, Stack<L, Mapped<A>>> {
        let up: fn(&A) -> Option<At<u64, A>> = |addr| Some(At { key: 7, addr: addr.clone() });
        let down: fn(&At<u64, A>) -> Option<A> = |at| (at.key == 7).then(|| at.addr.clone());
        let map = move |lower, _, _: &Seed| Stack::new(lower, Map::new(up, down, &limits()));
        let no_route = At { key: 8, addr: self.nobody.clone() };
        let mut recipe = self.on(map, |addr| At { key: 7, addr }, |at| &at.addr);
        recipe.no_route = Some(no_route);
        recipe
    }

    /// The same, chosen at run time.
    pub(crate) fn boxed(self) -> Recipe<S, A, Boxed<S, A>>
    where
        L: Send,
    {
        self.with(|lower, _, _| -> Boxed<S, A> { Box::new(lower) })
    }

    /// The stack of a node.
    pub(crate) fn stack(&self, node: usize, seed: u64) -> L {
        (self.make)(node, &Seed::from_u64(seed).child(&format!("node {node}")))
    }

    /// What a node would be called at the place of another, where keys are proven.
    pub(crate) fn disguise(&self) -> Option<Disguise<A>> {
        self.disguise.clone()
    }
}

impl<A, L> Recipe<MemoryAddr, A, L>
where
    A: Addr + 'static,
    L: Swarm<Addr = A>
        + Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>
        + Send
        + 'static,
{
    /// Nodes of it on a network.
    fn world(&self, nodes: usize, seed: u64) -> World<Boxed<MemoryAddr, A>> {
        let keys = (0..nodes).map(|node| *key(node).public());
        // In a box, so that the suite is compiled once for all stacks of these addresses.
        let stack = |node| -> Boxed<MemoryAddr, A> { Box::new(self.stack(node, seed)) };
        let world = World::new(seed, nodes, MTU, stack)
            .with_nobody(self.nobody.clone())
            .with_no_route(self.no_route.clone())
            .with_keys(keys.collect());
        match self.disguise.clone() {
            Some(disguise) => world.with_disguise(move |at, key_of| disguise(at, key_of)),
            None => world,
        }
    }

    /// Plays the suite in memory.
    pub(crate) fn play(&self, seed: u64) -> Report {
        run(seed, &self.promises, |nodes, seed| self.world(nodes, seed))
    }
}
