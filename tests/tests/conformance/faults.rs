//! The faults that are planted, one or more for each case.

mod states;

use self::states::{
    AnyKey, AsksItself, ByToken, Cuts, Forgets, ForgetsAsks, FullForEver, HearsItself, InOrder,
    Misrouted, NeverClosed, OneAtATime, OneWay, Parser, Swapped, Through, Untranslated,
    WaitsForEver, Whom,
};
use super::planted::{Fault, Out};
use std::collections::{BTreeMap, BTreeSet};
use tellask::identity::PublicKey;
use tellask::multi::MultiAddr;
use tellask::swarm::{AskError, Message, Refusal, Setting, Undeliverable};
use tellask::{Addr, At, BytesMut, Command, Event, Instant, PeerAddr};

/// A fault, the case that is named for it, and what a swarm does that has it.
pub(crate) struct Plant<A> {
    pub(crate) case: &'static str,
    pub(crate) what: &'static str,
    /// Makes it, given an address at which nobody is.
    pub(crate) fault: fn(&A) -> Box<dyn Fault<A>>,
}

/// A fault of what comes up: `change` says what becomes of an event.
struct Upward<F>(F);

impl<A, F: FnMut(Event<A>, &mut Out<A>) + Send> Fault<A> for Upward<F> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        (self.0)(event, out);
    }
}

/// The same where every event becomes one event or none.
struct Mapped<F>(F);

impl<A, F: FnMut(Event<A>) -> Option<Event<A>> + Send> Fault<A> for Mapped<F> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        out.events.extend((self.0)(event));
    }
}

/// A fault of what goes down: every command becomes one command or none.
struct Downward<F>(F);

impl<A, F: FnMut(Command<A>) -> Option<Command<A>> + Send> Fault<A> for Downward<F> {
    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        out.commands.extend((self.0)(command));
    }
}

fn upward<A: Send + 'static>(
    change: impl FnMut(Event<A>, &mut Out<A>) + Send + 'static,
) -> Box<dyn Fault<A>> {
    Box::new(Upward(change))
}

fn mapped<A: Send + 'static>(
    change: impl FnMut(Event<A>) -> Option<Event<A>> + Send + 'static,
) -> Box<dyn Fault<A>> {
    Box::new(Mapped(change))
}

fn downward<A: Send + 'static>(
    change: impl FnMut(Command<A>) -> Option<Command<A>> + Send + 'static,
) -> Box<dyn Fault<A>> {
    Box::new(Downward(change))
}

/// A fault of reading addresses: what is read, in place of what is right.
fn parser<A: Send + 'static>(read: fn(&A, &str, Option<&A>) -> Option<A>) -> Box<dyn Fault<A>> {
    Box::new(Parser(read))
}

/// A fault of messages: what becomes of each, `false` for nothing.
fn of_messages<A: Send + 'static>(
    mut change: impl FnMut(&mut Message<A>) -> bool + Send + 'static,
) -> Box<dyn Fault<A>> {
    mapped(move |event| match event {
        Event::Told(mut message) => change(&mut message).then_some(Event::Told(message)),
        other => Some(other),
    })
}

/// A fault of outcomes that come to nothing.
fn no_outcome<A: Send + 'static>(which: fn(&AskError) -> bool) -> Box<dyn Fault<A>> {
    mapped(move |event| match event {
        Event::Answered { result: Err(error), .. } if which(&error) => None,
        other => Some(other),
    })
}

macro_rules! plants {
    ($($case:literal, $what:literal: $fault:expr;)*) => {
        vec![$(Plant { case: $case, what: $what, fault: $fault }),*]
    };
}

/// Faults of tells, of closing and of addresses.
pub(crate) fn of_tells<K, A>() -> Vec<Plant<At<K, PeerAddr<A>>>>
where
    K: Addr + Send + 'static,
    A: Addr + Send + 'static,
{
    plants! {
        "tell: every pair", "has room for six peers": |_| {
            let mut known = BTreeSet::<At<K, PeerAddr<A>>>::new();
            of_messages(move |message: &mut Message<_>| {
                let fits = known.len() < 6 || known.contains(&message.src);
                if fits {
                    known.insert(message.src.clone());
                }
                fits
            })
        };
        "tell: relayed", "is through with a peer that it exchanged four messages with":
            |_| Box::new(Through(BTreeMap::new()));
        "tell: empty", "panics at what is empty": |_| of_messages(|message| {
            assert!(!message.payload.is_empty(), "nothing to unwrap");
            true
        });
        "tell: sizes", "cuts off the last byte": |_| of_messages(|message| {
            message.payload.truncate(message.payload.len().saturating_sub(1).max(1));
            true
        });
        "tell: sizes", "drops messages of 256 bytes and no others":
            |_| of_messages(|message| message.payload.len() != 256);
        "tell: one above", "cuts what is too large to what fits": |_| Box::new(Cuts(0));
        "tell: one above", "drops what is too large without a word": |_| mapped(|event| {
            let reason = Undeliverable::TooLarge { limit: 0 };
            let is_said = |other: &Undeliverable| core::mem::discriminant(other) == core::mem::discriminant(&reason);
            match event {
                Event::Undelivered { reason, .. } if is_said(&reason) => None,
                other => Some(other),
            }
        });
        "tell: payload", "flips a bit of the last byte": |_| of_messages(|message| {
            if message.payload.len() > 16 && let Some(last) = message.payload.last_mut() {
                *last ^= 4;
            }
            true
        });
        "tell: src and dst", "swaps source and destination": |_| of_messages(|message| {
            core::mem::swap(&mut message.src, &mut message.dst);
            true
        });
        "tell: burst", "drops one in fifty": |_| {
            let mut heard = 0;
            of_messages(move |_| {
                heard += 1;
                heard % 50 != 0
            })
        };
        "tell: many senders", "hears one peer at a time": |_| Box::new(OneAtATime(None));
        "tell: duplicates", "delivers one in seven twice": |_| {
            let mut heard = 0;
            upward(move |event, out| {
                heard += 1;
                if heard % 7 == 0 && matches!(event, Event::Told(_)) {
                    out.events.push_back(event.clone());
                }
                out.events.push_back(event);
            })
        };
        "tell: full", "stays full once it was": |_| Box::new(FullForEver(false));
        "tell: nobody", "sends to somebody what is for nobody":
            |nobody| Box::new(Misrouted { nobody: nobody.clone(), somebody: None });
        "tell: nobody is reported", "says nothing of what nobody took": |_| mapped(|event| {
            let gone = [Undeliverable::TimedOut, Undeliverable::Unreachable];
            match event {
                Event::Undelivered { reason, .. } if gone.contains(&reason) => None,
                other => Some(other),
            }
        });
        "tell: no route", "says nothing of what goes nowhere": |_| mapped(|event| match event {
            Event::Undelivered { reason: Undeliverable::NoRoute, .. } => None,
            other => Some(other),
        });
        "tell: oneself", "hears itself": |_| Box::new(HearsItself(Vec::new()));
        "close: finishes", "forgets at the end what it has not sent": |_| Box::new(Forgets::new());
        "close: comes", "never says that it is closed": |_| mapped(|event| match event {
            Event::Closed => None,
            other => Some(other),
        });
        "close: last", "leaks a message after its end": |_| {
            let mut last = None;
            upward(move |event, out| {
                if let Event::Told(_) = &event {
                    last = Some(event.clone());
                }
                let leak = if event == Event::Closed { last.take() } else { None };
                out.events.push_back(event);
                out.events.extend(leak);
            })
        };
        "close: tell after it", "takes messages when it is closed": |_| Box::new(NeverClosed);
        "close: requests end", "forgets at the end what it asked": |_| Box::new(ForgetsAsks(false));
        "address: round trip", "reads its own address from any": |_| parser(|own, _, right| {
            right.map(|_| own.clone())
        });
        "address: wrong texts", "reads its own address from what is none":
            |_| parser(|own, _, right| right.is_none().then(|| own.clone()));
        "address: any text", "panics at a text that is not of ASCII":
            |_| parser(|_, text, _| {
                assert!(text.is_ascii(), "a byte is a letter");
                None
            });
        "address: local ones", "says that it has an address which it has not": |nobody| {
            let nobody = nobody.clone();
            mapped(move |event| Some(match event {
                Event::Link(mut link) => {
                    link.local.push(nobody.clone());
                    Event::Link(link)
                }
                other => other,
            }))
        };
        "address: told apart", "delivers to the wrong channel": |_| {
            let mut local: Vec<At<K, PeerAddr<A>>> = Vec::new();
            mapped(move |event| Some(match event {
                Event::Told(mut message) if local.get(1) == Some(&message.dst) => {
                    let wrong = local[0].clone();
                    message.src.key = wrong.key.clone();
                    message.dst = wrong;
                    Event::Told(message)
                }
                Event::Link(link) => {
                    local = link.local.clone();
                    Event::Link(link)
                }
                other => other,
            }))
        };
    }
}

/// Faults of asks, where there are any.
pub(crate) fn of_asks<A: Addr + Send + 'static>() -> Vec<Plant<A>> {
    plants! {
        "ask: every pair", "has room for six askers": |_| {
            let mut known = BTreeSet::<A>::new();
            mapped(move |event| {
                if let Event::Asked { message, .. } = &event {
                    if known.len() == 6 && !known.contains(&message.src) {
                        return None;
                    }
                    known.insert(message.src.clone());
                }
                Some(event)
            })
        };
        "ask: src and dst", "says that it asks itself": |_| Box::new(AsksItself(BTreeMap::new()));
        "ask: sizes", "cuts off the last byte of a reply": |_| mapped(|event| Some(match event {
            Event::Answered { id, result: Ok(mut reply) } => {
                reply.truncate(reply.len().saturating_sub(1));
                Event::Answered { id, result: Ok(reply) }
            }
            other => other,
        }));
        "ask: too large", "says nothing of what is too large":
            |_| no_outcome(|error| matches!(error, AskError::TooLarge { .. }));
        "ask: concurrent", "answers the wrong ask": |_| Box::new(Swapped::default());
        "ask: slow handler", "hears a peer's next request once it has answered the last":
            |_| Box::new(InOrder(BTreeMap::new()));
        "ask: refused", "loses the detail of a refusal": |_| mapped(|event| Some(match event {
            Event::Answered { id, result: Err(AskError::Refused(refusal)) } => {
                let refusal = Refusal::new(refusal.code, []);
                Event::Answered { id, result: Err(AskError::Refused(refusal)) }
            }
            other => other,
        }));
        "ask: dropped", "says nothing of what its application dropped":
            |_| downward(|command| match command {
                Command::Answer { result: Err(Refusal { code: Refusal::UNANSWERED, .. }), .. } => {
                    None
                }
                other => Some(other),
            });
        "ask: deadline", "waits for ever for a peer that it hears":
            |_| Box::new(WaitsForEver::new(Whom::Heard));
        "ask: late answer", "has a second outcome for what timed out": |_| upward(|event, out| {
            if let Event::Answered { id, result: Err(AskError::TimedOut { .. }) } = &event {
                let second = Event::Answered { id: *id, result: Ok(BytesMut::new()) };
                out.events.extend([event.clone(), second]);
            } else {
                out.events.push_back(event);
            }
        });
        "ask: cancel", "keeps to itself that nobody waits": |_| downward(|command| match command {
            Command::Cancel { .. } => None,
            other => Some(other),
        });
        "ask: back", "refuses requests while it waits for a reply": |_| Box::new(OneWay(0));
        "ask: peer vanishes", "waits for ever for a peer that it does not hear":
            |_| Box::new(WaitsForEver::new(Whom::Silent));
        "ask: nobody", "waits for ever for a peer that it never heard":
            |_| Box::new(WaitsForEver::new(Whom::Unknown));
        "ask: once", "runs every request twice": |_| upward(|event, out| {
            if matches!(event, Event::Asked { .. }) {
                out.events.push_back(event.clone());
            }
            out.events.push_back(event);
        });
    }
}

/// Faults of keys and secrets.
pub(crate) fn of_keys<K, A>() -> Vec<Plant<At<K, PeerAddr<A>>>>
where
    K: Addr + Send + 'static,
    A: Addr + Send + 'static,
{
    plants! {
        "secure: key", "shows a key that nobody holds": |_| mapped(|event| Some(match event {
            Event::Identified { addr, result: Ok(_) } => {
                Event::Identified { addr, result: Ok(PublicKey::from_bytes([7; 32])) }
            }
            other => other,
        }));
        "secure: wrong key", "takes whoever is at the place": |_| Box::new(AnyKey(BTreeSet::new()));
        "secure: policy", "does as it likes": |_| downward(|command| match command {
            Command::Set(Setting::Accept(_)) => None,
            other => Some(other),
        });
        "secure: disconnect", "says nothing of a peer that is down":
            |_| mapped(|event| match event {
                Event::PeerDown { .. } => None,
                other => Some(other),
            });
    }
}

/// Of a swarm that cannot ask.
pub(crate) fn of_no_asks<A: Send + 'static>() -> Plant<A> {
    Plant {
        case: "ask: unsupported",
        what: "says nothing of a request that it cannot make",
        fault: |_| {
            downward(|command| match command {
                Command::Ask { .. } => None,
                other => Some(other),
            })
        },
    }
}

/// Of two swarms that are one.
pub(crate) fn of_members<A: Addr + Send + 'static>() -> Plant<A> {
    Plant {
        case: "ask: equal tokens",
        what: "finds who asked by the token alone",
        fault: |_| Box::new(ByToken(BTreeMap::new())),
    }
}

/// Of two transports that are one.
pub(crate) fn of_transports<A: Addr + Send + 'static>() -> Plant<MultiAddr<A>> {
    Plant {
        case: "ask: equal tokens",
        what: "passes on the tokens of its transports, and finds who asked by them alone",
        fault: |_| Box::new(Untranslated::default()),
    }
}

/// Of a swarm that hears itself, or should.
pub(crate) fn of_loops<A: PartialEq + Send + 'static>() -> Plant<A> {
    Plant {
        case: "tell: oneself",
        what: "does not hear itself",
        fault: |_| of_messages(|message| message.src != message.dst),
    }
}
