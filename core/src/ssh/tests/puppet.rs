//! A peer that says whatever a test has it say: the keys and packets are real, the manners are not.

use crate::identity::SecretKey;
use crate::limits::Limits;
use crate::seed::Seed;
use crate::ssh::agreement::{self, Half, Method};
use crate::ssh::fault::Fault;
use crate::ssh::kex::{self, Secrets};
use crate::ssh::packet::{PACKET_MAX, Receiver, Sender};
use crate::ssh::session::{Heard, Session, VERSION};
use crate::ssh::wire::{self, Written, number};
use crate::ssh::{Fingerprint, Local, Role, Setup};
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::BytesMut;

pub(super) const PUPPET_VERSION: &str = "SSH-2.0-puppet";

pub(super) struct Puppet {
    role: Role,
    pub(super) key: SecretKey,
    pub(super) sender: Sender,
    receiver: Receiver,
    pub(super) id: [u8; 32],
    /// What is under test, and what it shares with its kin.
    pub(super) session: Session,
    pub(super) local: Local,
    pub(super) now: Instant,
    pub(super) heard: Vec<Heard>,
    pub(super) ended: Option<Fault>,
    strict: bool,
}

impl Puppet {
    /// A puppet in this role, towards a session in the other.
    pub(super) fn new(role: Role) -> Self {
        let seed = Seed::from_u64(7);
        let limits = Limits::default();
        let key = SecretKey::generate(&mut seed.rng("puppet"));
        let ours = SecretKey::generate(&mut seed.rng("ours"));
        let setup = Setup::new(ours, &seed, &limits);
        let mut local = Local::new(setup, seed.rng("draws"));
        let now = Instant::ZERO;
        let expects = (role == Role::Server).then(|| Fingerprint::of(key.public()));
        let session = Session::new(now, expects, &mut local);
        let (sender, receiver) = (Sender::default(), Receiver::default());
        let (heard, ended) = (Vec::new(), None);
        let mut puppet = Self {
            role,
            key,
            sender,
            receiver,
            id: [0; 32],
            session,
            local,
            now,
            heard,
            ended,
            strict: true,
        };
        puppet.raw(PUPPET_VERSION.as_bytes());
        puppet.raw(b"\r\n");
        let line = puppet.receive_with(|receiver| receiver.line(255));
        assert_eq!(line.as_deref(), Some(VERSION.as_bytes()));
        puppet
    }

    /// Sends bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.session.push(BytesMut::from(bytes));
        while self.ended.is_none() {
            match self.session.next(self.now, &mut self.local) {
                Ok(Some(heard)) => self.heard.push(heard),
                Ok(None) => return,
                Err(fault) => {
                    self.session.end(fault);
                    self.ended = Some(fault);
                }
            }
        }
    }

    /// Sends a message.
    pub(super) fn say(&mut self, message: &[u8]) {
        self.sender.push(&[message]);
        let bytes = core::mem::take(self.sender.out());
        self.raw(&bytes);
    }

    fn receive_with<T>(
        &mut self,
        receive: impl FnOnce(&mut Receiver) -> Result<Option<T>, Fault>,
    ) -> Option<T> {
        let bytes = core::mem::take(self.session.out());
        self.receiver.push(bytes);
        receive(&mut self.receiver).expect("what is under test keeps to the format")
    }

    /// The next message that came.
    pub(super) fn hear(&mut self) -> Option<Vec<u8>> {
        self.receive_with(|receiver| receiver.message(PACKET_MAX)).map(|message| message.to_vec())
    }

    /// The next message, which is to have this number.
    #[track_caller]
    pub(super) fn expect(&mut self, number: u8) -> Vec<u8> {
        let message = self.hear();
        let message = message.unwrap_or_else(|| panic!("nothing, ended by {:?}", self.ended));
        assert_eq!(message.first(), Some(&number));
        message
    }

    /// The proposal of a session of the puppet's side.
    pub(super) fn proposal(&self, strict: bool) -> Vec<u8> {
        let mut proposal = kex::proposal(self.role, [9; 16], strict);
        // It has no other method.
        if let Some(at) = proposal.windows(8).position(|window| window == b"mlkem768") {
            proposal[at] = b'x';
        }
        if !strict {
            // Not a word of it.
            let text: &[u8] =
                if self.role == Role::Client { b",kex-strict-c" } else { b",kex-strict-s" };
            let at = proposal.windows(text.len()).position(|window| window == text);
            if let Some(byte) = at.and_then(|at| proposal.get_mut(at + 1)) {
                *byte = b'x';
            }
        }
        proposal
    }

    /// Exchanges proposals; those of the client and of the server.
    pub(super) fn propose(&mut self, strict: bool) -> (Vec<u8>, Vec<u8>) {
        self.try_propose(strict).expect("the session goes on")
    }

    fn try_propose(&mut self, strict: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        self.strict = strict;
        let ours = self.proposal(strict);
        self.say(&ours);
        if self.ended.is_some() {
            return None;
        }
        let theirs = self.expect(number::KEXINIT);
        Some(match self.role {
            Role::Client => (ours, theirs),
            Role::Server => (theirs, ours),
        })
    }

    /// Goes through a key exchange up to, and without, its own `NEWKEYS`; returns the keys for it.
    pub(super) fn exchange(&mut self, strict: bool) -> Secrets {
        self.try_exchange(strict).expect("the session goes on")
    }

    /// The same, unless the session ends at the proposal.
    pub(super) fn try_exchange(&mut self, strict: bool) -> Option<Secrets> {
        let (client_init, server_init) = self.try_propose(strict)?;
        let (half, mut rng) = (
            Half::new(Method::X25519, &mut Seed::from_u64(5).rng("half")),
            Seed::from_u64(6).rng("answer"),
        );
        let blob = wire::key_blob(self.key.public().as_bytes());
        let (client_public, server_public, host_key, secret) = match self.role {
            Role::Client => {
                let init = Written::message(number::KEX_ECDH_INIT);
                self.say(init.put(half.public().as_slice()).as_slice());
                let reply = self.expect(number::KEX_ECDH_REPLY);
                let mut rest = &reply[1..];
                let host_key = wire::string(&mut rest).expect("a key").to_vec();
                let public = wire::string(&mut rest).expect("a point").to_vec();
                let secret = half.agree(&public).expect("a point");
                (half.public(), public, host_key, secret)
            }
            Role::Server => {
                let init = self.expect(number::KEX_ECDH_INIT);
                let public = wire::string(&mut &init[1..]).expect("a point").to_vec();
                let (ours, secret) =
                    agreement::answer(Method::X25519, &public, &mut rng).expect("a point");
                (public, ours, blob, secret)
            }
        };
        let (client_version, server_version) = match self.role {
            Role::Client => (PUPPET_VERSION, VERSION),
            Role::Server => (VERSION, PUPPET_VERSION),
        };
        let versions = [client_version.as_bytes(), server_version.as_bytes()];
        let proposed = kex::proposed(versions, [&client_init, &server_init]);
        let secrets = Secrets::new(proposed, &host_key, (&client_public, &server_public), secret);
        if self.id == [0; 32] {
            self.id = secrets.hash;
        }
        if self.role == Role::Server {
            let signature = self.key.sign(&secrets.hash);
            let reply = self.ecdh_reply(&server_public, &signature);
            self.say(&reply);
        }
        self.expect(number::NEWKEYS);
        let init = if self.role == Role::Client { &server_init } else { &client_init };
        let agreed = kex::agree(init, self.role, Some(strict)).expect("it is agreed");
        let theirs = secrets.keys(self.role.other(), &agreed, &self.id).expect("keys");
        self.receiver.direction.rekey(theirs, strict);
        Some(secrets)
    }

    /// What a server says to a client's half, with a signature that may be any.
    pub(super) fn ecdh_reply(&self, public: &[u8], signature: &[u8; 64]) -> Vec<u8> {
        Written::message(number::KEX_ECDH_REPLY)
            .put(wire::key_blob(self.key.public().as_bytes()).as_slice())
            .put(public)
            .put(wire::signature_blob(signature).as_slice())
            .into_vec()
    }

    /// Says that it uses the keys of an exchange, and does.
    pub(super) fn use_keys(&mut self, secrets: &Secrets) {
        self.say(&[number::NEWKEYS]);
        let theirs = kex::proposal(self.role.other(), [0; 16], self.strict);
        let agreed = kex::agree(&theirs, self.role, Some(self.strict)).expect("it is agreed");
        let ours = secrets.keys(self.role, &agreed, &self.id).expect("keys");
        self.sender.direction.rekey(ours, self.strict);
    }

    /// Up to the keys.
    pub(super) fn encrypted(role: Role) -> Self {
        let mut puppet = Self::new(role);
        let secrets = puppet.exchange(true);
        puppet.use_keys(&secrets);
        puppet.expect(number::EXT_INFO);
        if role == Role::Server {
            puppet.expect(number::SERVICE_REQUEST);
        }
        puppet
    }

    /// Up to where authentication begins.
    pub(super) fn served(role: Role) -> Self {
        let mut puppet = Self::encrypted(role);
        if role == Role::Client {
            puppet.say(Written::message(number::SERVICE_REQUEST).put("ssh-userauth").as_slice());
            puppet.expect(number::SERVICE_ACCEPT);
        } else {
            puppet.say(Written::message(number::SERVICE_ACCEPT).put("ssh-userauth").as_slice());
            puppet.expect(number::USERAUTH_REQUEST);
        }
        puppet
    }

    /// Up to where messages are told.
    pub(super) fn open(role: Role) -> Self {
        let mut puppet = Self::served(role);
        if role == Role::Client {
            let key = puppet.key.clone();
            let request = puppet.auth_request(&key, &key);
            puppet.say(&request);
            puppet.expect(number::USERAUTH_SUCCESS);
        } else {
            puppet.say(&[number::USERAUTH_SUCCESS]);
        }
        assert!(matches!(puppet.heard.pop(), Some(Heard::Up(_))), "{:?}", puppet.ended);
        puppet
    }

    /// A request to be let in with the key of `shown`, signed with that of `signer`.
    pub(super) fn auth_request(&self, shown: &SecretKey, signer: &SecretKey) -> Vec<u8> {
        let request = self.offer(shown, true);
        let signed = Written::part().put(self.id.as_slice()).raw(request.as_slice());
        let signature = wire::signature_blob(&signer.sign(signed.as_slice()));
        request.put(signature.as_slice()).into_vec()
    }

    /// A request with the key of `shown`, up to its signature.
    pub(super) fn offer(&self, shown: &SecretKey, signs: bool) -> Written {
        Written::message(number::USERAUTH_REQUEST)
            .put("anybody")
            .put("ssh-connection")
            .put("publickey")
            .put(&signs)
            .put(wire::ED25519)
            .put(wire::key_blob(shown.public().as_bytes()).as_slice())
    }
}
