//! The steps of a key exchange.

use super::{Fault, Heard, Session, VERSION};
use crate::identity::PublicKey;
use crate::ssh::agreement::{self, Half};
use crate::ssh::kex::{self, Exchange, Secrets};
use crate::ssh::table::Stage;
use crate::ssh::wire::{self, Rest, Written, number};
use crate::ssh::{Fingerprint, Local, Role};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Which extension we speak, and which of OpenSSH's.
const EXTENSION: &str = "messages@tellask";
const PING: &str = "ping@openssh.com";

impl Session {
    /// Begins a key exchange.
    pub(super) fn propose(&mut self, now: Instant, local: &mut Local, strict: bool) {
        let ours = kex::proposal(self.role, local.rng.bytes(), strict);
        self.sender.push(&[&ours]);
        self.keyed = now;
        self.exchange = Some(Box::new(Exchange { ours, agreed: None, half: None, incoming: None }));
    }

    /// Begins another key exchange where enough went through under these keys, or they are old.
    pub(in crate::ssh) fn rekey_where_due(&mut self, now: Instant, local: &mut Local) {
        if self.stage != Stage::Open || self.exchange.is_some() {
            return;
        }
        let worn = [self.sender.direction.used(), self.receiver.direction.used()]
            .iter()
            .any(|used| used.packets >= local.rekey.packets || used.bytes >= local.rekey.bytes);
        if worn || now >= self.keyed + local.rekey.after {
            self.propose(now, local, self.strict);
        }
    }

    pub(super) fn on_kexinit(
        &mut self,
        now: Instant,
        local: &mut Local,
        message: &[u8],
    ) -> Result<(), Fault> {
        let first = self.id.is_none();
        if self.exchange.is_none() {
            if !first && !self.exchanges.take(now) {
                return Err(Fault::Flood);
            }
            let strict = if first { kex::offers_strict(message, self.role) } else { self.strict };
            self.propose(now, local, strict);
        }
        let agreed = kex::agree(message, self.role, (!first).then_some(self.strict))?;
        // In its strict form a key exchange begins with the proposal.
        if first && agreed.strict && self.receiver.direction.last_sequence() != 0 {
            return Err(Fault::State);
        }
        self.strict = agreed.strict;
        self.skip = agreed.guessed_wrong;
        let Some(exchange) = &mut self.exchange else { return Err(Fault::State) };
        let ours = core::mem::take(&mut exchange.ours);
        let version = self.version.as_deref().unwrap_or_default();
        let proposed = match self.role {
            Role::Client => kex::proposed([VERSION.as_bytes(), version], [&ours, message]),
            Role::Server => kex::proposed([version, VERSION.as_bytes()], [message, &ours]),
        };
        exchange.agreed = Some((agreed, proposed));
        match self.role {
            Role::Client => {
                let half = Half::new(agreed.method, &mut local.rng);
                let public = half.public();
                exchange.half = Some(half);
                self.say(&Written::message(number::KEX_ECDH_INIT).put(public.as_slice()));
                self.stage = if first { Stage::EcdhReply } else { Stage::RekeyReply };
            }
            Role::Server => self.stage = if first { Stage::EcdhInit } else { Stage::RekeyInit },
        }
        Ok(())
    }

    /// The server's step.
    pub(super) fn on_ecdh_init(
        &mut self,
        now: Instant,
        local: &mut Local,
        mut rest: Rest<'_>,
    ) -> Result<(), Fault> {
        let client_public = wire::string(&mut rest)?;
        wire::end(rest)?;
        let Some(exchange) = &self.exchange else { return Err(Fault::State) };
        let Some((agreed, proposed)) = &exchange.agreed else { return Err(Fault::State) };
        let (server_public, secret) =
            agreement::answer(agreed.method, client_public, &mut local.rng)
                .map_err(|_| Fault::Exchange)?;
        let halves = (client_public, server_public.as_slice());
        let secrets = Secrets::new(proposed.clone(), &local.blob, halves, secret);
        let signature = wire::signature_blob(&local.key.sign(&secrets.hash));
        let reply = Written::message(number::KEX_ECDH_REPLY)
            .put(local.blob.as_slice())
            .put(server_public.as_slice())
            .put(signature.as_slice());
        self.say(&reply);
        self.use_keys(now, local, &secrets)
    }

    /// The client's step.
    pub(super) fn on_ecdh_reply(
        &mut self,
        now: Instant,
        local: &Local,
        mut rest: Rest<'_>,
    ) -> Result<(), Fault> {
        let host_key = wire::string(&mut rest)?;
        let server_public = wire::string(&mut rest)?;
        let signature = wire::read_signature(wire::string(&mut rest)?)?;
        wire::end(rest)?;
        let key = wire::read_key(host_key)?.map(PublicKey::from_bytes).ok_or(Fault::NoHostKey)?;
        // The one that was proven before, or is expected of whoever was dialled.
        let expected = match &self.key {
            Some(before) => key == *before,
            None => self.expects == Some(Fingerprint::of(&key)),
        };
        if !expected {
            return Err(Fault::WrongPeer);
        }
        let Some(exchange) = &mut self.exchange else { return Err(Fault::State) };
        let Some(half) = exchange.half.take() else { return Err(Fault::State) };
        let Some((_, proposed)) = &exchange.agreed else { return Err(Fault::State) };
        let secret = half.agree(server_public).map_err(|_| Fault::Exchange)?;
        let halves = (&half.public()[..], server_public);
        let secrets = Secrets::new(proposed.clone(), host_key, halves, secret);
        key.verify(&secrets.hash, &signature).map_err(|_| Fault::Exchange)?;
        if !local.takes(&key) {
            return Err(Fault::Denied);
        }
        self.key = Some(key);
        self.use_keys(now, local, &secrets)
    }

    /// We use the new keys from here on, and say so.
    fn use_keys(&mut self, now: Instant, local: &Local, secrets: &Secrets) -> Result<(), Fault> {
        let first = self.id.is_none();
        let id = *self.id.get_or_insert(secrets.hash);
        let Some(exchange) = &mut self.exchange else { return Err(Fault::State) };
        let Some((agreed, _)) = exchange.agreed else { return Err(Fault::State) };
        let keys = |role| secrets.keys(role, &agreed, &id).map_err(|_| Fault::Exchange);
        let (ours, theirs) = (keys(self.role)?, keys(self.role.other())?);
        exchange.incoming = Some(theirs);
        self.say(&Written::message(number::NEWKEYS));
        self.sender.direction.rekey(ours, self.strict);
        self.keyed = now;
        if !first {
            self.stage = Stage::RekeyNewKeys;
            for message in core::mem::take(&mut self.deferred) {
                self.sender.push(&[&message]);
            }
            return Ok(());
        }
        self.stage = Stage::NewKeys;
        if agreed.extensions {
            self.say_extensions(local);
        }
        if self.role == Role::Client {
            self.say(&Written::message(number::SERVICE_REQUEST).put("ssh-userauth"));
        }
        Ok(())
    }

    /// RFC 8308 section 2.3.
    fn say_extensions(&mut self, local: &Local) {
        let mut said = Vec::from([(PING, "0")]);
        if local.extension {
            said.push((EXTENSION, "1"));
        }
        if self.role == Role::Server {
            said.push(("server-sig-algs", wire::ED25519));
        }
        let head = Written::message(number::EXT_INFO).put(&(said.len() as u32));
        let message =
            said.iter().fold(head, |message, (name, value)| message.put(*name).put(*value));
        self.say(&message);
    }

    pub(super) fn on_ext_info(&mut self, local: &Local, mut rest: Rest<'_>) -> Result<(), Fault> {
        for _ in 0..wire::u32(&mut rest)? {
            let name = wire::string(&mut rest)?;
            let value = wire::string(&mut rest)?;
            self.extended |= local.extension && name == EXTENSION.as_bytes() && value == b"1";
            self.pings |= name == PING.as_bytes() && value == b"0";
        }
        wire::end(rest)?;
        self.stage = if self.role == Role::Server {
            Stage::ServiceRequest
        } else if self.stage == Stage::ClientFirst {
            Stage::ServiceAccept
        } else {
            Stage::AuthSuccess
        };
        Ok(())
    }

    /// The peer uses the new keys from here on.
    pub(super) fn on_newkeys(
        &mut self,
        now: Instant,
        rest: Rest<'_>,
    ) -> Result<Option<Heard>, Fault> {
        wire::end(rest)?;
        let exchange = self.exchange.take();
        let incoming = exchange.and_then(|exchange| exchange.incoming).ok_or(Fault::State)?;
        self.receiver.direction.rekey(incoming, self.strict);
        self.keyed = now;
        self.stage = match (self.stage, self.role) {
            (Stage::NewKeys, Role::Server) => Stage::ServerFirst,
            (Stage::NewKeys, Role::Client) => Stage::ClientFirst,
            _ => {
                self.stage = Stage::Open;
                return Ok(Some(Heard::Rekeyed));
            }
        };
        Ok(None)
    }
}
