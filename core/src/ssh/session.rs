//! One connection: bytes in and out, and what they say.
//!
//! A session knows nothing of addresses, of other connections or of what waits for it. What is heard comes out of
//! [`Session::next`] one by one, so that whoever asks may stop; what is said is in [`Session::out`].
//!
//! Timers: [`Session::due`], which is the end of a handshake or of a key exchange, or the time for another one.

mod auth;
mod exchange;

use super::fault::Fault;
use super::kex::Exchange;
use super::packet::{PACKET_EARLY, PACKET_MAX, Receiver, Sender};
use super::table::{Stage, Verdict, verdict};
use super::wire::{self, MESSAGE_MAX, Malformed, Rest, Written, number};
use super::{Fingerprint, Local, Role};
use crate::bucket::Bucket;
use crate::identity::PublicKey;
use crate::payload::Payload;
use crate::swarm::{AskError, Refusal};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Buf as _, BytesMut};
use core::time::Duration;

/// What we call ourselves (RFC 4253 section 4.2). Some peers do not behave as usual towards other names.
pub(super) const VERSION: &str = concat!("SSH-2.0-tellask_", env!("CARGO_PKG_VERSION"));
/// The longest line before packets, its end not counted, in bytes.
const LINE_MAX: usize = 253;
/// Lines that may come before the version.
const LINES_MAX: u32 = 64;
/// How long a handshake may take, from the connection to the proof of both keys.
pub const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long another key exchange may take.
pub const EXCHANGE: Duration = Duration::from_secs(30);
/// After how long a server proposes without having heard what the client proposes.
const PATIENCE: Duration = Duration::from_secs(1);
/// Key exchanges that a peer may begin in a second, and at once.
const EXCHANGES_PER_SECOND: u32 = 16;
/// Bytes of small answers that may wait for the end of a key exchange.
const DEFERRED_MAX: usize = 16 * 1_024;
/// What is said to whoever opens a channel.
const NO_CHANNELS: &str = "this is a tellask node: it has no channels, only messages";

/// Why there is no reply, where requests have names.
const REFUSED: u8 = 0;
const TOO_LARGE: u8 = 1;
const BUSY: u8 = 2;

/// What is answered to a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Reply(Payload),
    /// The application refuses.
    Refused(Refusal),
    /// The reply is over the limit.
    TooLarge,
    /// There is too much to do.
    Busy,
}

impl Answer {
    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Reply(payload) => payload.len(),
            Self::Refused(refusal) => refusal.detail.len(),
            Self::TooLarge | Self::Busy => 0,
        }
    }
}

/// What a session has heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// Both sides have proven their keys.
    Up(PublicKey),
    Told(BytesMut),
    /// A request: what it is called where requests have names, and how many milliseconds its asker waits where it says so.
    Asked {
        name: Option<(u32, u32)>,
        payload: BytesMut,
    },
    /// The answer to the request of this name, or to the first that has none.
    Answered {
        name: Option<u32>,
        result: Result<BytesMut, AskError>,
    },
    /// Nobody waits any more for the answer to a request.
    Withdrawn(u32),
    /// A request that is none of ours, to be refused in its turn.
    Foreign,
    /// Other keys are in use.
    Rekeyed,
}

/// One connection, of either side.
#[derive(Debug)]
pub(super) struct Session {
    role: Role,
    stage: Stage,
    receiver: Receiver,
    sender: Sender,
    pub(super) begun: Instant,
    /// When the keys in use were agreed on, or the exchange under way began.
    keyed: Instant,
    version: Option<Box<[u8]>>,
    lines: u32,
    exchange: Option<Box<Exchange>>,
    /// The hash of the first exchange.
    id: Option<[u8; 32]>,
    strict: bool,
    /// The peer's next message is a guess that was wrong.
    skip: bool,
    /// Who was dialled.
    expects: Option<Fingerprint>,
    /// The key that the peer proved.
    key: Option<PublicKey>,
    tries: u32,
    queries: u32,
    /// Key exchanges that the peer may begin.
    exchanges: Bucket,
    /// Whether the peer speaks our extension, and answers pings.
    extended: bool,
    pings: bool,
    /// Small answers that wait for the end of a key exchange.
    deferred: Vec<Vec<u8>>,
}

impl Session {
    /// A connection that we began to `expects`, or that somebody began to us.
    pub(super) fn new(now: Instant, expects: Option<Fingerprint>, local: &mut Local) -> Self {
        let role = if expects.is_some() { Role::Client } else { Role::Server };
        let mut session = Self {
            role,
            stage: Stage::KexInit,
            receiver: Receiver::default(),
            sender: Sender::default(),
            begun: now,
            keyed: now,
            version: None,
            lines: 0,
            exchange: None,
            id: None,
            strict: false,
            skip: false,
            expects,
            key: None,
            tries: 0,
            queries: 0,
            exchanges: Bucket::new(EXCHANGES_PER_SECOND),
            extended: false,
            pings: false,
            deferred: Vec::new(),
        };
        session.sender.out().extend_from_slice(VERSION.as_bytes());
        session.sender.out().extend_from_slice(b"\r\n");
        if role == Role::Client {
            session.propose(now, local, true);
        }
        session
    }

    /// More bytes came.
    pub(super) fn push(&mut self, bytes: BytesMut) {
        self.receiver.push(bytes);
    }

    /// Bytes that came and were not read yet.
    pub(super) fn unread(&self) -> usize {
        self.receiver.held()
    }

    /// What is to be written.
    pub(super) const fn out(&mut self) -> &mut BytesMut {
        self.sender.out()
    }

    /// Bytes that are to be written.
    pub(super) fn pending(&self) -> usize {
        self.sender.len()
    }

    /// Whether both sides have proven their keys.
    pub(super) const fn is_up(&self) -> bool {
        self.stage.is_authenticated()
    }

    /// Whether messages may be sent: not while we are in a key exchange.
    pub(super) fn can_send(&self) -> bool {
        self.is_up() && self.exchange.as_ref().is_none_or(|exchange| exchange.incoming.is_some())
    }

    /// Whether the peer says that it answers pings.
    pub(super) const fn answers_pings(&self) -> bool {
        self.pings
    }

    /// Whether requests have names.
    pub(super) const fn is_extended(&self) -> bool {
        self.extended
    }

    /// When to call [`on_due`](Self::on_due).
    pub(super) fn due(&self, local: &Local) -> Instant {
        if !self.is_up() {
            return self.begun + if self.has_proposed() { HANDSHAKE } else { PATIENCE };
        }
        self.keyed + if self.exchange.is_some() { EXCHANGE } else { local.rekey.after }
    }

    const fn has_proposed(&self) -> bool {
        self.exchange.is_some() || self.id.is_some()
    }

    /// Does what has fallen due.
    pub(super) fn on_due(&mut self, now: Instant, local: &mut Local) -> Result<(), Fault> {
        if !self.is_up() {
            if now >= self.begun + HANDSHAKE {
                return Err(Fault::TimedOut);
            }
            if self.role == Role::Server && self.exchange.is_none() && now >= self.begun + PATIENCE
            {
                self.propose(now, local, false);
            }
            return Ok(());
        }
        if self.exchange.is_none() {
            self.rekey_where_due(now, local);
        } else if now >= self.keyed + EXCHANGE {
            return Err(Fault::TimedOut);
        }
        Ok(())
    }

    /// The next thing that was heard.
    pub(super) fn next(&mut self, now: Instant, local: &mut Local) -> Result<Option<Heard>, Fault> {
        if self.version.is_none() && !self.read_version()? {
            return Ok(None);
        }
        loop {
            let max = if self.is_up() { PACKET_MAX } else { PACKET_EARLY };
            let Some(message) = self.receiver.message(max)? else { return Ok(None) };
            if core::mem::take(&mut self.skip) {
                continue;
            }
            let number = message.first().copied().unwrap_or_default();
            match verdict(self.stage, number, self.strict, self.extended) {
                Verdict::Take => {
                    if let Some(heard) = self.on_message(now, local, number, message)? {
                        return Ok(Some(heard));
                    }
                }
                Verdict::Skip => {}
                Verdict::Unimplemented => {
                    let sequence = self.receiver.direction.last_sequence();
                    self.say(&Written::message(number::UNIMPLEMENTED).put(&sequence));
                }
                Verdict::Violation => return Err(Fault::State),
            }
        }
    }

    /// Reads lines until one is the version (RFC 4253 section 4.2). Only a server may say others first.
    fn read_version(&mut self) -> Result<bool, Fault> {
        while let Some(line) = self.receiver.line(LINE_MAX)? {
            if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
                self.version = Some(Box::from(&line[..]));
                return Ok(true);
            }
            self.lines += 1;
            let other = line.starts_with(b"SSH-");
            if other || self.role == Role::Server || self.lines > LINES_MAX {
                return Err(Fault::Version);
            }
        }
        Ok(false)
    }

    fn on_message(
        &mut self,
        now: Instant,
        local: &mut Local,
        number: u8,
        mut message: BytesMut,
    ) -> Result<Option<Heard>, Fault> {
        let mut rest: Rest<'_> = message.get(1..).unwrap_or_default();
        match number {
            number::DISCONNECT => return Err(Fault::Left),
            number::KEXINIT => self.on_kexinit(now, local, &message)?,
            number::KEX_ECDH_INIT => self.on_ecdh_init(now, local, rest)?,
            number::KEX_ECDH_REPLY => self.on_ecdh_reply(now, local, rest)?,
            number::NEWKEYS => return self.on_newkeys(now, rest),
            number::EXT_INFO => self.on_ext_info(local, rest)?,
            number::SERVICE_REQUEST => self.on_service_request(rest)?,
            number::SERVICE_ACCEPT => self.on_service_accept(local, rest)?,
            number::USERAUTH_REQUEST => return self.on_auth_request(local, rest),
            number::USERAUTH_FAILURE => return Err(Fault::Refused),
            number::USERAUTH_SUCCESS => return self.on_auth_success(rest).map(Some),
            number::GLOBAL_REQUEST => {
                let ours = wire::string(&mut rest)?.is_empty();
                let wants_reply = wire::boolean(&mut rest)?;
                let head = message.len() - rest.len();
                message.advance(head);
                return Ok(match (ours, wants_reply) {
                    (true, true) => Some(Heard::Asked { name: None, payload: message }),
                    (true, false) => Some(Heard::Told(message)),
                    (false, true) => Some(Heard::Foreign),
                    (false, false) => None,
                });
            }
            number::REQUEST_SUCCESS => {
                message.advance(1);
                return Ok(Some(Heard::Answered { name: None, result: Ok(message) }));
            }
            number::REQUEST_FAILURE => {
                let result = Err(AskError::Refused(Refusal::unanswered()));
                return Ok(Some(Heard::Answered { name: None, result }));
            }
            number::CHANNEL_OPEN => {
                wire::string(&mut rest)?;
                let channel = wire::u32(&mut rest)?;
                let refusal = Written::message(number::CHANNEL_OPEN_FAILURE)
                    .put(&channel)
                    .put(&1u32)
                    .put(NO_CHANNELS)
                    .put("");
                self.say_or_defer(refusal)?;
            }
            number::PING => {
                let data = wire::string(&mut rest)?;
                wire::end(rest)?;
                // One that comes while we are in a key exchange is not kept for later (CVE-2025-26466).
                if self.can_send() {
                    let pong = Written::message(number::PONG).put(data);
                    self.say(&pong);
                }
            }
            number::PONG => {}
            _ => return self.on_extended(number, message).map(Some),
        }
        Ok(None)
    }

    /// A message of our extension.
    fn on_extended(&mut self, number: u8, mut message: BytesMut) -> Result<Heard, Fault> {
        let mut rest: Rest<'_> = message.get(1..).unwrap_or_default();
        if number == number::TELL {
            message.advance(1);
            return Ok(Heard::Told(message));
        }
        let name = wire::u32(&mut rest)?;
        Ok(match number {
            number::ASK => {
                let waits = wire::u32(&mut rest)?;
                message.advance(9);
                Heard::Asked { name: Some((name, waits)), payload: message }
            }
            number::ANSWER => {
                message.advance(5);
                Heard::Answered { name: Some(name), result: Ok(message) }
            }
            number::REFUSAL => {
                let why = wire::u8(&mut rest)?;
                let code = wire::u32(&mut rest)?;
                let error = match why {
                    REFUSED => AskError::Refused(Refusal::new(code, rest)),
                    TOO_LARGE => AskError::TooLarge { limit: MESSAGE_MAX },
                    BUSY => AskError::Busy,
                    _ => return Err(Malformed.into()),
                };
                Heard::Answered { name: Some(name), result: Err(error) }
            }
            _ => {
                wire::end(rest)?;
                Heard::Withdrawn(name)
            }
        })
    }

    /// Says something now, whatever is under way.
    fn say(&mut self, message: &Written) {
        self.sender.push(&[message.as_slice()]);
    }

    /// Says whatever a test wants said.
    #[cfg(test)]
    pub(super) fn raw(&mut self, message: &[u8]) {
        self.sender.push(&[message]);
    }

    /// Says something small, after the key exchange where there is one.
    fn say_or_defer(&mut self, message: Written) -> Result<(), Fault> {
        if self.can_send() {
            self.say(&message);
            return Ok(());
        }
        let held: usize = self.deferred.iter().map(Vec::len).sum();
        if held + message.as_slice().len() > DEFERRED_MAX {
            return Err(Fault::Flood);
        }
        self.deferred.push(message.into_vec());
        Ok(())
    }

    /// Says that the connection is over.
    pub(super) fn end(&mut self, fault: Fault) {
        if let Some(message) = fault.message() {
            self.say(&message);
        }
    }

    /// Sends a message.
    pub(super) fn tell(&mut self, payload: &Payload) {
        let head: &[u8] = if self.extended {
            &[number::TELL]
        } else {
            // No name, and no reply is wanted.
            &[number::GLOBAL_REQUEST, 0, 0, 0, 0, 0]
        };
        self.sender.push(&[head, payload.head(), payload.body()]);
    }

    /// Sends a request; `name` and `waits`, in milliseconds, are for those that have a name.
    pub(super) fn ask(&mut self, name: u32, waits: u32, payload: &Payload) {
        if self.extended {
            let head = Written::message(number::ASK).put(&name).put(&waits);
            self.sender.push(&[head.as_slice(), payload.head(), payload.body()]);
        } else {
            let head = [number::GLOBAL_REQUEST, 0, 0, 0, 0, 1];
            self.sender.push(&[&head, payload.head(), payload.body()]);
        }
    }

    /// Sends the answer to the request of this name, or to the first that has none.
    pub(super) fn answer(&mut self, name: Option<u32>, answer: &Answer) {
        match (name, answer) {
            (Some(name), Answer::Reply(payload)) => {
                let head = Written::message(number::ANSWER).put(&name);
                self.sender.push(&[head.as_slice(), payload.head(), payload.body()]);
            }
            (Some(name), none) => {
                let (why, code, detail): (u8, u32, &[u8]) = match none {
                    Answer::Refused(refusal) => (REFUSED, refusal.code, &refusal.detail),
                    Answer::TooLarge => (TOO_LARGE, 0, &[]),
                    Answer::Busy | Answer::Reply(_) => (BUSY, 0, &[]),
                };
                let head = Written::message(number::REFUSAL).put(&name).put(&why).put(&code);
                self.sender.push(&[head.as_slice(), detail]);
            }
            (None, Answer::Reply(payload)) => {
                self.sender.push(&[&[number::REQUEST_SUCCESS], payload.head(), payload.body()]);
            }
            (None, _) => self.sender.push(&[&[number::REQUEST_FAILURE]]),
        }
    }

    /// Says that nobody waits any more for the answer to a request of ours.
    pub(super) fn withdraw(&mut self, name: u32) {
        if self.extended {
            self.say(&Written::message(number::CANCEL).put(&name));
        }
    }

    /// Says something to which nothing is answered but by the path, or by the peer where it said that it does.
    pub(super) fn keep_alive(&mut self) {
        let message = if self.pings {
            Written::message(number::PING).put("")
        } else {
            Written::message(number::IGNORE).put("")
        };
        self.say(&message);
    }
}
