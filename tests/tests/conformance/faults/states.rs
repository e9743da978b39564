//! Faults that remember something.

use super::super::planted::{Fault, Out};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tellask::multi::{MultiAddr, Scheme};
use tellask::swarm::{AskError, AskId, Message, Refusal, Token};
use tellask::{Addr, At, BytesMut, Command, Event, Instant, Payload, PeerAddr};

/// What fits.
pub(super) struct Cuts(pub(super) usize);

impl<A: Send> Fault<A> for Cuts {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Link(link) = &event {
            self.0 = link.tell_max;
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        out.commands.push_back(match command {
            Command::Tell { dst, payload } if payload.len() > self.0 => {
                let mut bytes = payload.into_mut();
                bytes.truncate(self.0);
                Command::Tell { dst, payload: bytes.into() }
            }
            other => other,
        });
    }
}

/// Turns with each peer, and whether it was heard last.
pub(super) struct Through<A>(pub(super) BTreeMap<A, (u32, bool)>);

impl<A: Addr> Through<A> {
    fn turn(&mut self, peer: &A, heard: bool) -> u32 {
        let (turns, last) = self.0.entry(peer.clone()).or_insert((0, heard));
        *turns += u32::from(*last != heard);
        *last = heard;
        *turns
    }
}

impl<A: Addr + Send> Fault<A> for Through<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Told(message) = &event
            && self.turn(&message.src, true) >= 4
        {
            return;
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        if let Command::Tell { dst, .. } = &command {
            self.turn(dst, false);
        }
        out.commands.push_back(command);
    }
}

/// Whom it hears, and when it heard it last.
pub(super) struct OneAtATime<A>(pub(super) Option<(A, Instant)>);

impl<A: Addr + Send> Fault<A> for OneAtATime<A> {
    fn on_event(&mut self, now: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Told(message) = &event {
            let second = core::time::Duration::from_secs(1);
            if let Some((peer, at)) = &self.0
                && *peer != message.src
                && now.since(*at) < second
            {
                return;
            }
            self.0 = Some((message.src.clone(), now));
        }
        out.events.push_back(event);
    }
}

/// Whether it was ever full.
pub(super) struct FullForEver(pub(super) bool);

impl<A: Send> Fault<A> for FullForEver {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        self.0 |= matches!(event, Event::Full { .. });
        out.events.push_back(event);
    }

    fn is_full(&self) -> bool {
        self.0
    }
}

pub(super) struct Misrouted<A> {
    pub(super) nobody: A,
    pub(super) somebody: Option<A>,
}

impl<A: Addr + Send> Fault<A> for Misrouted<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Told(message) = &event {
            self.somebody = Some(message.src.clone());
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        // As it would have been, so that nothing else is wrong.
        out.commands.push_back(command.clone());
        if let Command::Tell { dst, payload } = command
            && dst == self.nobody
            && let Some(dst) = self.somebody.clone()
        {
            out.commands.push_back(Command::Tell { dst, payload });
        }
    }
}

/// Its own addresses.
pub(super) struct HearsItself<A>(pub(super) Vec<A>);

impl<A: Addr + Send> Fault<A> for HearsItself<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Link(link) = &event {
            self.0.clone_from(&link.local);
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        match command {
            Command::Tell { dst, payload } if self.0.contains(&dst) => {
                let message = Message { src: dst.clone(), dst, payload: payload.into_mut() };
                out.events.push_back(Event::Told(message));
            }
            other => out.commands.push_back(other),
        }
    }
}

/// What it tells a millisecond later.
pub(super) struct Forgets<A>(pub(super) VecDeque<(Instant, Command<A>)>);

impl<A> Forgets<A> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }
}

impl<A: Send> Fault<A> for Forgets<A> {
    fn on_command(&mut self, now: Instant, command: Command<A>, out: &mut Out<A>) {
        match command {
            Command::Tell { .. } => {
                self.0.push_back((now + core::time::Duration::from_millis(1), command));
            }
            Command::Close => {
                self.0.clear();
                out.commands.push_back(command);
            }
            other => out.commands.push_back(other),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    fn on_timeout(&mut self, now: Instant, out: &mut Out<A>) {
        while let Some((_, command)) = self.0.pop_front_if(|(at, _)| *at <= now) {
            out.commands.push_back(command);
        }
    }
}

pub(super) struct NeverClosed;

impl<A: Send> Fault<A> for NeverClosed {
    fn is_closed(&self, _: bool) -> bool {
        false
    }
}

/// Whether it is to close.
pub(super) struct ForgetsAsks(pub(super) bool);

impl<A: Send> Fault<A> for ForgetsAsks {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if !(self.0 && matches!(event, Event::Answered { .. })) {
            out.events.push_back(event);
        }
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        self.0 |= matches!(command, Command::Close);
        out.commands.push_back(command);
    }
}

pub(super) struct Parser<A>(pub(super) fn(&A, &str, Option<&A>) -> Option<A>);

impl<A: Send> Fault<A> for Parser<A> {
    fn parse(&self, own: &A, text: &str, right: Option<&A>) -> Option<A> {
        (self.0)(own, text, right)
    }
}

/// Who asked, and what it was called, by token: the answer goes there all the same.
pub(super) struct AsksItself<A>(pub(super) BTreeMap<Token, (A, A)>);

impl<A: Addr + Send> Fault<A> for AsksItself<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        out.events.push_back(match event {
            Event::Asked { token, message, deadline } => {
                let Message { src, dst, payload } = message;
                self.0.insert(token, (src, dst.clone()));
                let message = Message { src: dst.clone(), dst, payload };
                Event::Asked { token, message, deadline }
            }
            Event::Withdrawn { token, src } => {
                let called = self.0.get(&token).map(|(_, called)| called.clone());
                Event::Withdrawn { token, src: called.unwrap_or(src) }
            }
            other => other,
        });
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        out.commands.push_back(match command {
            Command::Answer { token, dst, result } => {
                let dst = self.0.get(&token).map_or(dst, |(asker, _)| asker.clone());
                Command::Answer { token, dst, result }
            }
            other => other,
        });
    }
}

/// Requests that are outstanding, and one outcome that waits for another one.
#[derive(Default)]
pub(super) struct Swapped {
    outstanding: usize,
    held: Option<(AskId, Result<BytesMut, AskError>)>,
}

impl<A: Send> Fault<A> for Swapped {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        let Event::Answered { id, result } = event else {
            return out.events.push_back(event);
        };
        self.outstanding -= 1;
        match self.held.take() {
            None if self.outstanding >= 16 => self.held = Some((id, result)),
            None => out.events.push_back(Event::Answered { id, result }),
            Some((other, other_result)) => {
                out.events.push_back(Event::Answered { id, result: other_result });
                out.events.push_back(Event::Answered { id: other, result });
            }
        }
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        self.outstanding += usize::from(matches!(command, Command::Ask { .. }));
        out.commands.push_back(command);
    }
}

/// For each asker, the request that is being answered and those that wait.
pub(super) struct InOrder<A>(pub(super) BTreeMap<A, (Token, VecDeque<Event<A>>)>);

impl<A: Addr> InOrder<A> {
    fn next(&mut self, peer: &A, token: Token, out: &mut Out<A>) {
        let Some((current, waiting)) = self.0.get_mut(peer) else { return };
        if *current != token {
            return;
        }
        if let Some(Event::Asked { token, message, deadline }) = waiting.pop_front() {
            *current = token;
            out.events.push_back(Event::Asked { token, message, deadline });
        } else {
            self.0.remove(peer);
        }
    }
}

impl<A: Addr + Send> Fault<A> for InOrder<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        match &event {
            Event::Asked { token, message, .. } => {
                let src = message.src.clone();
                if let Some((_, waiting)) = self.0.get_mut(&src) {
                    return waiting.push_back(event);
                }
                self.0.insert(src, (*token, VecDeque::new()));
                out.events.push_back(event);
            }
            Event::Withdrawn { token, src } => {
                let (token, src) = (*token, src.clone());
                out.events.push_back(event);
                self.next(&src, token, out);
            }
            _ => out.events.push_back(event),
        }
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        let answered = match &command {
            Command::Answer { token, dst, .. } => Some((*token, dst.clone())),
            _ => None,
        };
        out.commands.push_back(command);
        if let Some((token, dst)) = answered {
            self.next(&dst, token, out);
        }
    }
}

/// Of the peers that were asked, whose outcome is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Who was heard since.
    Heard,
    /// Who was heard before that, and not since.
    Silent,
    /// Who was never heard.
    Unknown,
}

/// Waits for ever for the outcome of a request to some peers.
pub(super) struct WaitsForEver<A> {
    whom: Whom,
    // Who was asked, and which they are.
    asked: BTreeMap<AskId, (A, Whom)>,
    known: BTreeSet<A>,
}

impl<A> WaitsForEver<A> {
    pub(super) const fn new(whom: Whom) -> Self {
        Self { whom, asked: BTreeMap::new(), known: BTreeSet::new() }
    }
}

impl<A: Addr + Send> Fault<A> for WaitsForEver<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Told(message) = &event {
            self.known.insert(message.src.clone());
            for (_, whom) in self.asked.values_mut().filter(|(peer, _)| *peer == message.src) {
                *whom = Whom::Heard;
            }
        }
        if let Event::Answered { id, result } = &event
            && let Some((peer, whom)) = self.asked.remove(id)
        {
            match result {
                Ok(_) => drop(self.known.insert(peer)),
                Err(AskError::TimedOut { .. } | AskError::Unreachable(_)) if whom == self.whom => {
                    return;
                }
                Err(_) => {}
            }
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        if let Command::Ask { id, dst, .. } = &command {
            let known = self.known.contains(dst);
            let whom = if known { Whom::Silent } else { Whom::Unknown };
            self.asked.insert(*id, (dst.clone(), whom));
        }
        out.commands.push_back(command);
    }
}

/// A multi that does not translate tokens: those of its transports, which count alike, and who asked
/// last under each.
pub(super) struct Untranslated<A> {
    counts: BTreeMap<Scheme, u64>,
    last: BTreeMap<Token, (Token, MultiAddr<A>)>,
}

impl<A> Default for Untranslated<A> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), last: BTreeMap::new() }
    }
}

impl<A: Addr + Send> Fault<MultiAddr<A>> for Untranslated<A> {
    fn on_event(&mut self, _: Instant, event: Event<MultiAddr<A>>, out: &mut Out<MultiAddr<A>>) {
        out.events.push_back(match event {
            Event::Asked { token, message, deadline } => {
                let count = self.counts.entry(message.src.key).or_default();
                *count += 1;
                self.last.insert(Token(*count), (token, message.src.clone()));
                Event::Asked { token: Token(*count), message, deadline }
            }
            Event::Withdrawn { token, src } => {
                let of = |(_, (real, asker)): &(&Token, &(Token, MultiAddr<A>))| {
                    *real == token && *asker == src
                };
                let known = self.last.iter().find(of).map(|(token, _)| *token);
                Event::Withdrawn { token: known.unwrap_or(token), src }
            }
            other => other,
        });
    }

    fn on_command(
        &mut self,
        _: Instant,
        command: Command<MultiAddr<A>>,
        out: &mut Out<MultiAddr<A>>,
    ) {
        out.commands.push_back(match command {
            Command::Answer { token, dst, result } => {
                let (token, dst) = self.last.get(&token).cloned().unwrap_or((token, dst));
                Command::Answer { token, dst, result }
            }
            other => other,
        });
    }
}

/// How many requests of its own are outstanding.
pub(super) struct OneWay(pub(super) usize);

impl<A: Addr + Send> Fault<A> for OneWay {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Asked { token, message, .. } = &event
            && self.0 > 0
        {
            let (token, dst) = (*token, message.src.clone());
            let result = Err::<Payload, _>(Refusal::unanswered());
            return out.commands.push_back(Command::Answer { token, dst, result });
        }
        self.0 -= usize::from(matches!(event, Event::Answered { .. }));
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        self.0 += usize::from(matches!(command, Command::Ask { .. }));
        out.commands.push_back(command);
    }
}

/// Who asked last, by token.
pub(super) struct ByToken<A>(pub(super) BTreeMap<Token, A>);

impl<A: Addr + Send> Fault<A> for ByToken<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Asked { token, message, .. } = &event {
            self.0.insert(*token, message.src.clone());
        }
        out.events.push_back(event);
    }

    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        out.commands.push_back(match command {
            Command::Answer { token, dst, result } => {
                let dst = self.0.get(&token).cloned().unwrap_or(dst);
                Command::Answer { token, dst, result }
            }
            other => other,
        });
    }
}

/// Whom it heard: whoever is at the place of one of them is that one.
pub(super) struct AnyKey<A>(pub(super) BTreeSet<A>);

impl<K: Addr + Send, A: Addr + Send> Fault<At<K, PeerAddr<A>>> for AnyKey<At<K, PeerAddr<A>>> {
    fn on_event(
        &mut self,
        _: Instant,
        event: Event<At<K, PeerAddr<A>>>,
        out: &mut Out<At<K, PeerAddr<A>>>,
    ) {
        if let Event::PeerUp { addr, .. } = &event {
            self.0.insert(addr.clone());
        }
        out.events.push_back(event);
    }

    fn on_command(
        &mut self,
        _: Instant,
        command: Command<At<K, PeerAddr<A>>>,
        out: &mut Out<At<K, PeerAddr<A>>>,
    ) {
        out.commands.push_back(match command {
            Command::Tell { dst, payload } => {
                let mut there = self
                    .0
                    .iter()
                    .filter(|peer| peer.key == dst.key && peer.addr.addr == dst.addr.addr);
                let dst = there.next().cloned().unwrap_or(dst);
                Command::Tell { dst, payload }
            }
            other => other,
        });
    }
}
