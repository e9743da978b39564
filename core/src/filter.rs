//! An allow-list: whom a node hears, and whom it talks to.
//!
//! Maps `A → A`. Wire format: none. Timers: none. Bounds: none of its own but an [`Up`] for what nobody has
//! taken; the list is the caller's.
//!
//! | | of or to a peer that the policy excludes |
//! |---|---|
//! | a tell or a request from below | dropped and counted; the request is refused too |
//! | a tell, a request, an identification, an answer from above | refused as [`Undeliverable::Denied`] |
//! | everything else | passes: it says something of a peer, and nothing is heard from it |
//!
//! An allow-list is of keys, and a message without a proven key never passes one: over a swarm that
//! proves none ([`Keyed::key`] is `None`) nothing passes, but for [`Accept::Anyone`]. That the key of a
//! message's source was proven is the promise of the secure swarm below; of a destination nothing is
//! proven, so what is sent there is let through for that secure swarm to seal.
//!
//! A secure swarm has a policy of its own, which keeps strangers from getting a session at all. This layer is for
//! where that is not to be asked: for one channel of a multiplexer, say.

use crate::addr::{Addr, At, MemoryAddr, PeerAddr, UdpAddr};
use crate::identity::PeerId;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::stats::StatsSink;
use crate::swarm::{Accept, Command, Event, Link, Refusal, Setting, Swarm, Undeliverable};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};

/// An address that may say whose key a secure swarm proved for the messages from it.
pub trait Keyed {
    /// The id of that key; `None` where the swarm of this address proves none.
    fn key(&self) -> Option<&PeerId>;
}

impl<A> Keyed for PeerAddr<A> {
    fn key(&self) -> Option<&PeerId> {
        Some(&self.id)
    }
}

/// Whoever is behind a channel or a transport is who it is.
impl<K, A: Keyed> Keyed for At<K, A> {
    fn key(&self) -> Option<&PeerId> {
        self.addr.key()
    }
}

impl Keyed for UdpAddr {
    fn key(&self) -> Option<&PeerId> {
        None
    }
}

impl Keyed for MemoryAddr {
    fn key(&self) -> Option<&PeerId> {
        None
    }
}

/// Lets through what comes from, and goes to, the peers of a policy.
#[derive(Clone, Debug)]
pub struct Filter<A> {
    up: Up<A>,
    down: VecDeque<Command<A>>,
    accept: Accept,
    closing: bool,
    dropped: u64,
    refused: u64,
}

impl<A: Addr + Keyed> Filter<A> {
    /// A filter with this policy.
    #[must_use]
    pub const fn new(accept: Accept, limits: &Limits) -> Self {
        Self {
            up: Up::new(limits),
            down: VecDeque::new(),
            accept,
            closing: false,
            dropped: 0,
            refused: 0,
        }
    }

    /// The policy from now on. [`Setting::Accept`] does the same, and goes on down.
    pub fn set_accept(&mut self, accept: Accept) {
        self.accept = accept;
    }

    /// The policy.
    #[must_use]
    pub const fn accept(&self) -> &Accept {
        &self.accept
    }

    fn takes(&self, addr: &A) -> bool {
        match &self.accept {
            Accept::Anyone => true,
            accept @ Accept::Only(_) => addr.key().is_some_and(|key| accept.takes(key)),
        }
    }
}

impl<A: Addr + Keyed> Layer for Filter<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<A>;
    type Event = Event<A>;

    fn handle_input(&mut self, _now: Instant, input: Self::Input) {
        match input {
            Event::Told(message) if !self.takes(&message.src) => self.dropped += 1,
            Event::Asked { token, message, .. } if !self.takes(&message.src) => {
                self.dropped += 1;
                let result = Err(Refusal::default());
                self.down.push_back(Command::Answer { token, dst: message.src, result });
            }
            Event::Closed => {
                self.closing = true;
                self.up.push(Event::Closed);
            }
            passed @ (Event::Told(_)
            | Event::Asked { .. }
            | Event::Link(_)
            | Event::PathMtu { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }
            | Event::Full { .. }
            | Event::Ready { .. }) => self.up.push(passed),
        }
    }

    fn handle_command(&mut self, _now: Instant, command: Self::Command) {
        let allowed = match &command {
            Command::Tell { dst, .. }
            | Command::Ask { dst, .. }
            | Command::Answer { dst, .. }
            | Command::Identify { dst } => self.takes(dst),
            Command::Cancel { .. }
            | Command::Disconnect { .. }
            | Command::Set(_)
            | Command::Close => true,
        };
        if !allowed {
            self.refused += 1;
            if let Some(event) = command.refuse(Undeliverable::Denied) {
                self.up.push(event);
            }
            return;
        }
        if let Command::Set(Setting::Accept(accept)) = &command {
            self.accept = accept.clone();
        }
        self.closing |= command == Command::Close;
        self.down.push_back(command);
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.down.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("filter"));
        sink.counter("dropped", self.dropped);
        sink.counter("refused", self.refused);
        self.up.stats(sink);
        sink.gauge("closing", u64::from(self.closing));
        sink.state("policy", &|mut hasher: &mut dyn Hasher| {
            match &self.accept {
                Accept::Anyone => 0_u8.hash(&mut hasher),
                Accept::Only(ids) => ids.hash(&mut hasher),
            }
            self.down.len().hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<A: Addr + Keyed> Swarm for Filter<A> {
    type Addr = A;

    fn link(&self) -> &Link<A> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &A) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &A) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;
    use crate::stats::Snapshot;
    use crate::swarm::{AskError, AskId, IdentifyError, Message, Token};
    use alloc::vec::Vec;
    use bytes::BytesMut;

    type A = PeerAddr<MemoryAddr>;

    const NOW: Instant = Instant::from_nanos(1);

    fn peer(number: u8) -> A {
        PeerAddr { id: PeerId::from_bytes([number; 32]), addr: MemoryAddr(number.into()) }
    }

    fn only(ids: impl IntoIterator<Item = u8>) -> Accept {
        ids.into_iter().map(|number| peer(number).id).collect()
    }

    fn filter(accept: Accept) -> Filter<A> {
        Filter::new(accept, &Limits::default())
    }

    fn message<A>(src: A, dst: A) -> Message<A> {
        Message { src, dst, payload: BytesMut::from(&b"text"[..]) }
    }

    fn events<A: Addr + Keyed>(filter: &mut Filter<A>) -> Vec<Event<A>> {
        core::iter::from_fn(|| filter.poll_event()).collect()
    }

    fn hears(filter: &mut Filter<A>, src: A) -> bool {
        filter.handle_input(NOW, Event::Told(message(src, peer(9))));
        events(filter).len() == 1
    }

    fn dropped<A: Addr + Keyed>(filter: &Filter<A>) -> u64 {
        let mut snapshot = Snapshot::default();
        filter.stats(&mut snapshot);
        snapshot.value("filter.dropped")
    }

    #[test]
    fn whoever_is_on_the_list_is_heard_and_nobody_else() {
        let mut filter = filter(only([1, 2]));
        assert!(hears(&mut filter, peer(1)));
        assert!(!hears(&mut filter, peer(3)));
        assert_eq!(dropped(&filter), 1);
        // The key counts, wherever it is.
        assert!(hears(&mut filter, PeerAddr { addr: MemoryAddr(77), ..peer(2) }));
    }

    #[test]
    fn a_request_of_somebody_else_is_refused_so_that_it_does_not_wait() {
        let mut filter = filter(only([1]));
        let (token, deadline) = (Token(3), Instant::MAX);
        let message = message(peer(3), peer(9));
        filter.handle_input(NOW, Event::Asked { token, message, deadline });
        assert_eq!(events(&mut filter), []);
        let result = Err(Refusal::default());
        assert_eq!(filter.poll_transmit(), Some(Command::Answer { token, dst: peer(3), result }));
    }

    #[test]
    fn nothing_is_sent_to_whoever_is_not_on_the_list() {
        let mut filter = filter(only([1]));
        let (dst, payload) = (peer(3), Payload::from("text"));
        let (id, deadline) = (AskId::new(1), Instant::MAX);
        filter.handle_command(NOW, Command::Tell { dst, payload: payload.clone() });
        filter.handle_command(NOW, Command::Ask { id, dst, payload: payload.clone(), deadline });
        filter.handle_command(NOW, Command::Identify { dst });
        let token = Token(3);
        filter.handle_command(NOW, Command::Answer { token, dst, result: Ok(payload.clone()) });
        assert_eq!(filter.poll_transmit(), None);
        let why = Undeliverable::Denied;
        let refusals = [
            Event::Undelivered { dst, reason: why },
            Event::Answered { id, result: Err(AskError::Unreachable(why)) },
            Event::Identified { addr: dst, result: Err(IdentifyError::Undeliverable(why)) },
        ];
        assert_eq!(events(&mut filter), refusals);
        let allowed = Command::Tell { dst: peer(1), payload };
        filter.handle_command(NOW, allowed.clone());
        assert_eq!(filter.poll_transmit(), Some(allowed));
    }

    #[test]
    fn the_list_changes_while_it_runs() {
        let mut filter = filter(Accept::Anyone);
        assert!(hears(&mut filter, peer(3)));
        filter.set_accept(only([1]));
        assert!(!hears(&mut filter, peer(3)));
        let set = Command::Set(Setting::Accept(only([3])));
        filter.handle_command(NOW, set.clone());
        assert!(hears(&mut filter, peer(3)) && !hears(&mut filter, peer(1)));
        assert_eq!(filter.poll_transmit(), Some(set), "whoever stands below may know it too");
    }

    #[test]
    fn a_message_without_a_proven_key_never_passes_an_allow_list() {
        let mut filter: Filter<MemoryAddr> = Filter::new(only([1]), &Limits::default());
        let (told, from) = (|| message(MemoryAddr(1), MemoryAddr(9)), MemoryAddr(1));
        filter.handle_input(NOW, Event::Told(told()));
        assert_eq!((events(&mut filter), dropped(&filter)), (Vec::new(), 1));
        let (dst, payload) = (from, Payload::from("text"));
        filter.handle_command(NOW, Command::Tell { dst, payload });
        assert_eq!(filter.poll_transmit(), None);
        filter.set_accept(Accept::Anyone);
        events(&mut filter);
        filter.handle_input(NOW, Event::Told(told()));
        assert_eq!(events(&mut filter), [Event::Told(told())]);
    }

    #[test]
    fn behind_a_channel_or_a_transport_a_peer_is_who_it_is() {
        let (key, addr) = (5_u16, peer(1));
        assert_eq!(At { key, addr }.key(), Some(&addr.id));
        assert_eq!(At { key, addr: MemoryAddr(1) }.key(), None);
    }
}
