//! A node with everybody who waits for it: what the handles and the driver of one node share.
//!
//! An adapter puts a [`Hub`] behind one lock. Handles lock it, say what they want, and are told at
//! once or wait for a wake; the one driver locks it to hand in what the socket gave and to collect
//! what it is to take. No method blocks and none calls a waker: they are gathered in [`Wakes`], to be
//! woken once the lock is released.
//!
//! | who | calls |
//! |---|---|
//! | a handle | `poll_*` with its [`Ticket`], [`forget`](Hub::forget) where it gives up, [`tell`](Hub::tell), [`answer`](Hub::answer) and the other commands |
//! | the driver | [`turn`](Hub::turn) with a batch in each direction, [`park`](Hub::park) before it sleeps, [`end`](Hub::end) after it closed the socket |
//!
//! A wake-up is cheap to miss and dear to have: a burst of commands wakes the driver once, a batch of
//! messages wakes as many receivers as there are messages, and a receiver that was woken but gave up
//! passes its wake on.
//!
//! Bounds: an inbox of messages, [one](super::asks) of requests, a queue of notices for each listener,
//! and one entry for each task that waits.

use super::Node;
use super::asks::{Asked, Asks};
use super::close::CloseError;
use super::counters::SocketCounters;
use super::inbox::Inbox;
use super::notice::{ListenerId, Listeners, Notice};
#[cfg(feature = "std")]
use super::streams::StreamCounters;
use super::wait::{WaitList, Wakes};
use crate::identity::PublicKey;
use crate::layer::earliest;
use crate::limits::Limits;
use crate::p2pke::Tai64n;
use crate::payload::Payload;
use crate::stats::{Snapshot, StatsSink};
use crate::swarm::{
    Command, Event, IdentifyError, Message, Refusal, Scope, Setting, Swarm, TellError,
    Undeliverable,
};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

/// A node with everybody who waits for it. It is put behind one lock; its methods neither block nor call a waker.
#[derive(Debug)]
pub struct Hub<L: Swarm> {
    pub(super) node: Node<L>,
    inbox: Inbox<L::Addr>,
    receivers: WaitList,
    // Until the destination, or everything, is ready.
    pub(super) tellers: BTreeMap<L::Addr, WaitList>,
    pub(super) asks: Asks<L::Addr>,
    // One command is under way for each of these.
    identifying: BTreeMap<L::Addr, WaitList>,
    identified: BTreeMap<u64, Identified>,
    listeners: Listeners<L::Addr>,
    closers: WaitList,
    pub(super) stage: Stage,
    // When a close gives up.
    patience: Option<Instant>,
    outcome: Result<(), CloseError>,
    parked: Option<Parked>,
    // Since the driver's last turn a handle wanted something: it is not to fall asleep.
    kicked: bool,
    pub(super) wakes: Wakes,
    last_id: u64,
    socket: SocketCounters,
    // Where it is on TCP, in place of those.
    #[cfg(feature = "std")]
    streams: Option<StreamCounters>,
    // Raised since the driver last took them; none where nobody asked for them.
    floors: Vec<(PublicKey, Tai64n)>,
}

type Identified = Result<PublicKey, IdentifyError>;

/// How far a node has come with its closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It works.
    Open,
    /// It finishes what was accepted.
    Closing,
    /// It has finished; the driver is to send what it holds, and to end.
    Closed,
    /// Nobody wants it to finish: the driver is to end at once.
    Abandoned,
    /// There is no driver any more.
    Ended,
}

/// What a task waits for. It belongs to the future that waits, which is to hand it to
/// [`Hub::forget`] when it is dropped.
#[derive(Debug)]
pub struct Ticket<A> {
    pub(super) id: u64,
    pub(super) what: What<A>,
}

#[derive(Debug)]
pub(super) enum What<A> {
    Message,
    Ready(A),
    // To ask, until then.
    Room(A, Instant),
    Answer(A),
    Asked,
    Identified(A),
    Ended,
}

/// A driver that sleeps.
#[derive(Debug)]
struct Parked {
    waker: Waker,
    deadline: Option<Instant>,
    // The socket takes nothing now, so that only an earlier deadline is news.
    blocked: bool,
}

/// What the driver may do after [`Hub::park`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Park {
    /// Something is due: take another turn.
    Busy,
    /// Sleep until the socket wakes it, the hub does, or this time has come.
    Sleep(Option<Instant>),
}

/// For handles.
impl<L: Swarm> Hub<L> {
    /// A hub for this stack.
    #[must_use]
    pub fn new(stack: L, limits: &Limits) -> Self {
        Self {
            node: Node::new(stack),
            inbox: Inbox::new(limits),
            receivers: WaitList::default(),
            tellers: BTreeMap::new(),
            asks: Asks::new(limits),
            identifying: BTreeMap::new(),
            identified: BTreeMap::new(),
            listeners: Listeners::new(),
            closers: WaitList::default(),
            stage: Stage::Open,
            patience: None,
            outcome: Err(CloseError::Aborted),
            parked: None,
            kicked: false,
            wakes: Wakes::default(),
            last_id: 0,
            socket: SocketCounters::default(),
            #[cfg(feature = "std")]
            streams: None,
            floors: Vec::new(),
        }
    }

    /// The stack, to look at.
    #[must_use]
    pub const fn stack(&self) -> &L {
        self.node.stack()
    }

    /// How far it has come with its closing.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Moves whoever is to be woken into `wakes`; after every other call, before the lock is released.
    pub fn take_wakes(&mut self, wakes: &mut Wakes) {
        wakes.others.append(&mut self.wakes.others);
        if let Some(driver) = self.wakes.driver.take() {
            wakes.driver = Some(driver);
        }
    }

    /// Sends a message, or says at once why not.
    ///
    /// # Errors
    /// As [`Swarm::tell`]; [`TellError::Closed`] also where there is no driver any more.
    pub fn tell(&mut self, now: Instant, dst: &L::Addr, payload: Payload) -> Result<(), TellError> {
        if self.stage != Stage::Open {
            return Err(TellError::Closed);
        }
        self.node.tell(now, dst.clone(), payload)?;
        self.kick(now);
        Ok(())
    }

    /// Sends a message as soon as its destination is not full. `payload` is taken when it is ready.
    pub fn poll_tell(
        &mut self,
        now: Instant,
        dst: &L::Addr,
        payload: &mut Payload,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), TellError>> {
        let stack = self.node.stack();
        let waits = self.stage == Stage::Open
            && stack.is_full(dst)
            && !stack.is_closed()
            && payload.len() <= stack.mtu_to(dst);
        if !waits {
            self.settle(ticket);
            return Poll::Ready(self.tell(now, dst, core::mem::take(payload)));
        }
        // The edge that says full must have been taken, or the one that says ready undoes it unseen.
        self.absorb(now);
        let id = self.ticket(ticket, || What::Ready(dst.clone()));
        self.tellers.entry(dst.clone()).or_default().register(id, cx.waker());
        Poll::Pending
    }

    /// The next message; `None` where none is left and none will come.
    pub fn poll_receive(
        &mut self,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Option<Message<L::Addr>>> {
        if let Some(message) = self.inbox.pop() {
            if let Some(ticket) = ticket.take() {
                // Its wake, if there was one, is used up: nothing to pass on.
                self.receivers.remove(ticket.id);
            }
            self.rouse_for_room();
            return Poll::Ready(Some(message));
        }
        if self.stage >= Stage::Closed {
            return Poll::Ready(None);
        }
        let id = self.ticket(ticket, || What::Message);
        self.receivers.register(id, cx.waker());
        Poll::Pending
    }

    /// Up to `max` messages into `messages`, at least one where it is ready, and how many they were:
    /// zero where none is left and none will come.
    pub fn poll_receive_many(
        &mut self,
        messages: &mut Vec<Message<L::Addr>>,
        max: usize,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<usize> {
        if max == 0 {
            return Poll::Ready(0);
        }
        match self.poll_receive(ticket, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(0),
            Poll::Ready(Some(first)) => {
                let before = messages.len();
                messages.push(first);
                messages.extend(core::iter::from_fn(|| self.inbox.pop()).take(max - 1));
                self.rouse_for_room();
                Poll::Ready(messages.len() - before)
            }
        }
    }

    /// Who is at `dst`. Tasks that ask for the same share one command.
    pub fn poll_identify(
        &mut self,
        now: Instant,
        dst: &L::Addr,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Identified> {
        let asked = ticket.is_some();
        let id = self.ticket(ticket, || What::Identified(dst.clone()));
        if let Some(result) = self.identified.remove(&id) {
            return Poll::Ready(result);
        }
        if self.stage != Stage::Open && !self.identifying.contains_key(dst) {
            return Poll::Ready(Err(Undeliverable::Closed.into()));
        }
        let under_way = self.identifying.contains_key(dst);
        if !asked && !under_way {
            // A refusal is there at once: then there is nobody to wake.
            self.identifying.entry(dst.clone()).or_default().register(id, Waker::noop());
            self.node.handle_command(now, Command::Identify { dst: dst.clone() });
            self.absorb(now);
            self.kick(now);
            if let Some(result) = self.identified.remove(&id) {
                return Poll::Ready(result);
            }
        }
        self.identifying.entry(dst.clone()).or_default().register(id, cx.waker());
        Poll::Pending
    }

    /// Ready once the socket is closed, with whether what was accepted was finished before.
    pub fn poll_ended(
        &mut self,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), CloseError>> {
        if self.stage == Stage::Ended {
            return Poll::Ready(self.outcome);
        }
        let id = self.ticket(ticket, || What::Ended);
        self.closers.register(id, cx.waker());
        Poll::Pending
    }

    /// A task no longer waits. If it was woken but never ran, its wake is passed on. A request that it
    /// made is withdrawn.
    pub fn forget(&mut self, now: Instant, ticket: Ticket<L::Addr>) {
        match ticket.what {
            What::Message => {
                if !self.receivers.remove(ticket.id) && self.inbox.len() > 0 {
                    self.wakes.others.extend(self.receivers.pop().map(|(_, waker)| waker));
                }
            }
            What::Ready(dst) => self.forget_teller(ticket.id, &dst),
            What::Room(dst, deadline) => {
                self.forget_teller(ticket.id, &dst);
                self.forget_room(ticket.id, deadline);
            }
            What::Answer(dst) => self.forget_ask(now, ticket.id, dst),
            What::Asked => self.forget_server(ticket.id),
            What::Identified(dst) => {
                self.identified.remove(&ticket.id);
                // The list stays although it may be empty: the command is under way.
                if let Some(list) = self.identifying.get_mut(&dst) {
                    list.remove(ticket.id);
                }
            }
            What::Ended => {
                self.closers.remove(ticket.id);
            }
        }
    }

    fn forget_teller(&mut self, id: u64, dst: &L::Addr) {
        if let Some(list) = self.tellers.get_mut(dst) {
            list.remove(id);
            if list.is_empty() {
                self.tellers.remove(dst);
            }
        }
    }

    /// Hands in a command that nobody waits for.
    pub fn command(&mut self, now: Instant, command: Command<L::Addr>) {
        if self.stage == Stage::Open {
            self.node.handle_command(now, command);
            self.kick(now);
        }
    }

    /// Finishes what was accepted and takes nothing more; what is not finished `within` this time is
    /// given up. Of several calls the earliest deadline counts.
    pub fn close(&mut self, now: Instant, within: Duration) {
        let patience = now + within;
        self.patience = Some(self.patience.map_or(patience, |other| other.min(patience)));
        if self.stage == Stage::Open {
            self.stage = Stage::Closing;
            self.node.close(now);
            self.ready(&Scope::All);
        }
        self.kick(now);
    }

    /// Gives up what is not finished: the driver ends at its next turn.
    pub fn abandon(&mut self) {
        if self.stage < Stage::Abandoned {
            self.stage = Stage::Abandoned;
            self.rouse();
        }
    }

    /// The driver is to take a turn.
    fn rouse(&mut self) {
        self.kicked = true;
        if let Some(parked) = self.parked.take() {
            self.wakes.driver = Some(parked.waker);
        }
    }

    /// Messages were taken: peers that were held back may go on.
    fn rouse_for_room(&mut self) {
        if self.inbox.is_news() {
            self.rouse();
        }
    }

    /// From now on a new listener hears what happens.
    pub fn listen(&mut self) -> ListenerId {
        self.last_id += 1;
        let id = ListenerId(self.last_id);
        self.listeners.insert(id);
        id
    }

    /// The listener's next notice; `None` where none is left and none will come. One task at a time
    /// waits for a listener.
    pub fn poll_notice(
        &mut self,
        id: ListenerId,
        cx: &Context<'_>,
    ) -> Poll<Option<Notice<L::Addr>>> {
        self.listeners.poll(id, self.stage == Stage::Ended, cx)
    }

    /// Nobody waits for the listener's next notice any more.
    pub fn forget_notice(&mut self, id: ListenerId) {
        self.listeners.forget(id);
    }

    /// The listener is gone.
    pub fn unlisten(&mut self, id: ListenerId) {
        self.listeners.remove(id);
    }

    /// The figures of the stack, and those of who waits for it.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        let mut snapshot = self.node.stats();
        self.write_socket(&mut snapshot);
        snapshot.enter(format_args!("hub"));
        snapshot.counter("received_but_dropped", self.inbox.dropped);
        snapshot.counter("notices_missed", self.listeners.missed);
        snapshot.gauge("receive_bytes", self.inbox.bytes() as u64);
        snapshot.gauge("receive_messages", self.inbox.len() as u64);
        snapshot.gauge("receive_held", u64::from(self.inbox.held()));
        snapshot.gauge("receivers", self.receivers.len() as u64);
        snapshot.gauge("tellers", self.tellers.values().map(WaitList::len).sum::<usize>() as u64);
        let identifying = self.identifying.values().map(WaitList::len).sum::<usize>();
        snapshot.gauge("identifiers", (identifying + self.identified.len()) as u64);
        snapshot.gauge("closers", self.closers.len() as u64);
        snapshot.gauge("listeners", self.listeners.len() as u64);
        self.asks.stats(&mut snapshot);
        snapshot.leave();
        snapshot
    }
}

/// For the driver.
impl<L: Swarm> Hub<L> {
    /// Hands in what arrived, does what is due, collects up to `max` things to send into `batch`, and
    /// passes on what there is to tell. At [`Stage::Closed`] the driver ends once it has sent what it
    /// holds, above that at once.
    pub fn turn(
        &mut self,
        now: Instant,
        arrived: impl Iterator<Item = L::Input>,
        batch: &mut Vec<L::Transmit>,
        max: usize,
    ) -> Stage {
        // It is awake: whoever wants something sent need not wake it.
        self.parked = None;
        self.kicked = false;
        self.hold(now);
        for input in arrived {
            self.node.handle_input(now, input);
            // At once: in the stack's own queue a deep batch would be copied.
            self.absorb(now);
        }
        self.node.finish_round(now);
        self.node.collect(batch, max);
        self.absorb(now);
        self.asks.expire(now, &mut self.wakes);
        if self.stage < Stage::Abandoned && self.patience.is_some_and(|patience| patience <= now) {
            self.stage = Stage::Abandoned;
            self.outcome = Err(CloseError::TimedOut);
        }
        self.stage
    }

    /// Lets the driver sleep, where nothing is due and no handle wanted anything since its last turn: `waker` is
    /// called when there is something to collect or a time to be called again that is earlier. Where the socket is
    /// `blocked`, there is nothing to collect until it takes something again.
    ///
    /// Only after a [`turn`](Self::turn) that collected all there was, or took no room for it.
    pub fn park(&mut self, now: Instant, waker: &Waker, blocked: bool) -> Park {
        if self.kicked {
            return Park::Busy;
        }
        let deadline = self.deadline();
        if self.node.is_due(now) || deadline.is_some_and(|deadline| deadline <= now) {
            return Park::Busy;
        }
        self.parked = Some(Parked { waker: waker.clone(), deadline, blocked });
        Park::Sleep(deadline)
    }

    /// The socket's figures, for [`stats`](Self::stats).
    pub fn report(&mut self, counters: &SocketCounters) {
        self.socket = *counters;
    }

    /// The figures of the sockets of a node on TCP, for [`stats`](Self::stats).
    #[cfg(feature = "std")]
    pub const fn report_streams(&mut self, counters: &StreamCounters) {
        self.streams = Some(*counters);
    }

    fn write_socket(&self, sink: &mut dyn StatsSink) {
        #[cfg(feature = "std")]
        if let Some(streams) = &self.streams {
            return streams.stats(sink);
        }
        self.socket.stats(sink);
    }

    /// The floors that were raised since, into `floors`, for the node's other workers.
    pub fn take_floors(&mut self, floors: &mut Vec<(PublicKey, Tai64n)>) {
        floors.append(&mut self.floors);
    }

    /// There is no driver and no socket any more: nobody needs to wait. `sent` says whether the driver
    /// had sent everything that it had collected.
    pub fn end(&mut self, sent: bool) {
        if sent && self.stage == Stage::Closed {
            self.outcome = Ok(());
        }
        self.stage = Stage::Ended;
        self.parked = None;
        self.wake_all();
        let mut closers = core::mem::take(&mut self.closers);
        self.wake_list(&mut closers);
        self.listeners.wake(&mut self.wakes.others);
    }

    /// When the driver is to take its next turn at the latest.
    fn deadline(&self) -> Option<Instant> {
        earliest(self.node.poll_timeout(), earliest(self.asks.deadline(), self.patience))
    }

    /// The task has what it waited for.
    pub(super) fn settle(&mut self, ticket: &mut Option<Ticket<L::Addr>>) {
        if let Some(Ticket { id, what }) = ticket.take() {
            match what {
                What::Ready(dst) => self.forget_teller(id, &dst),
                What::Room(dst, deadline) => {
                    self.forget_teller(id, &dst);
                    self.forget_room(id, deadline);
                }
                // Whoever waits for these takes the ticket back with what it waited for.
                What::Message | What::Answer(_) | What::Asked => {}
                What::Identified(_) | What::Ended => {}
            }
        }
    }

    pub(super) fn ticket(
        &mut self,
        ticket: &mut Option<Ticket<L::Addr>>,
        what: impl FnOnce() -> What<L::Addr>,
    ) -> u64 {
        ticket
            .get_or_insert_with(|| {
                self.last_id += 1;
                Ticket { id: self.last_id, what: what() }
            })
            .id
    }

    /// Wakes the driver, where it sleeps and there may be something for it.
    pub(super) fn kick(&mut self, now: Instant) {
        if self.parked.as_ref().is_some_and(|parked| parked.blocked) {
            // It sleeps on, perhaps for long: nobody else passes on what came of the command.
            self.absorb(now);
        }
        let Some(parked) = &self.parked else {
            self.kicked = true;
            return;
        };
        let earlier = || {
            let due = self.deadline();
            due.is_some_and(|due| parked.deadline.is_none_or(|deadline| due < deadline))
        };
        if !parked.blocked || self.stage >= Stage::Closed || earlier() {
            self.wakes.driver = self.parked.take().map(|parked| parked.waker);
        }
    }

    /// Takes all events there are, and passes each on to whom it concerns.
    pub(super) fn absorb(&mut self, now: Instant) {
        let mut arrived = 0;
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Told(message) => arrived += usize::from(self.inbox.push(message)),
                Event::Asked { token, message, deadline } => {
                    let asked = Asked { token, message, deadline };
                    if let Err(refused) = self.asks.push(asked, &mut self.wakes) {
                        let (dst, result) = (refused.message.src, Err(Refusal::unanswered()));
                        self.kicked = true;
                        self.node.handle_command(now, Command::Answer { token, dst, result });
                    }
                }
                Event::Withdrawn { token, src } => self.asks.withdraw(token, src),
                Event::Answered { id, result } => self.asks.answered(id, result, &mut self.wakes),
                Event::Identified { addr, result } => self.identified(&addr, result),
                Event::PeerUp { addr, key } => self.notify(&Notice::PeerUp { addr, key }),
                Event::PeerDown { addr, reason } => {
                    self.notify(&Notice::PeerDown { addr, reason });
                }
                Event::Undelivered { dst, reason } => {
                    self.notify(&Notice::Undelivered { dst, reason });
                }
                Event::Floor { key, stamp } => self.floors.push((key, stamp)),
                Event::Ready { scope } => self.ready(&scope),
                Event::Closed => self.closed(),
                Event::Link(link) => self.inbox.fit(link.tell_max),
                // The stack caches these and is asked for them.
                Event::PathMtu { .. } | Event::Full { .. } => {}
            }
        }
        for _ in 0..arrived {
            let Some((_, waker)) = self.receivers.pop() else { break };
            self.wakes.others.push(waker);
        }
        self.hold(now);
    }

    /// Has peers held back while the inbox is full.
    fn hold(&mut self, now: Instant) {
        if let Some(held) = self.inbox.edge() {
            self.node.handle_command(now, Command::Set(Setting::Hold(held)));
        }
    }

    fn notify(&mut self, notice: &Notice<L::Addr>) {
        self.listeners.push(notice, &mut self.wakes.others);
    }

    fn identified(&mut self, dst: &L::Addr, result: Identified) {
        let Some(mut list) = self.identifying.remove(dst) else { return };
        while let Some((id, waker)) = list.pop() {
            self.identified.insert(id, result);
            self.wakes.others.push(waker);
        }
    }

    fn ready(&mut self, scope: &Scope<L::Addr>) {
        match scope {
            Scope::All => {
                for (_, mut list) in core::mem::take(&mut self.tellers) {
                    self.wake_list(&mut list);
                }
            }
            Scope::To(dst) => {
                if let Some(mut list) = self.tellers.remove(dst) {
                    self.wake_list(&mut list);
                }
            }
        }
    }

    /// No events follow: whoever waits for one is told. Notices may follow still, until the socket is closed.
    fn closed(&mut self) {
        if self.stage < Stage::Closed {
            self.stage = Stage::Closed;
        }
        self.wake_all();
    }

    fn wake_all(&mut self) {
        for (_, mut list) in core::mem::take(&mut self.identifying) {
            while let Some((id, waker)) = list.pop() {
                self.identified.insert(id, Err(Undeliverable::Closed.into()));
                self.wakes.others.push(waker);
            }
        }
        self.ready(&Scope::All);
        self.asks.end(&mut self.wakes);
        let mut receivers = core::mem::take(&mut self.receivers);
        self.wake_list(&mut receivers);
    }

    fn wake_list(&mut self, list: &mut WaitList) {
        self.wakes.others.extend(core::iter::from_fn(|| list.pop()).map(|(_, waker)| waker));
    }
}
