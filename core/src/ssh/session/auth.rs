//! Authentication (RFC 4252): `publickey` with Ed25519, and nothing else.
//!
//! A key is the peer's when a signature of it over this session was verified, never because it was offered. Tries with a
//! signature are counted; offers without one are not, since agents hold many keys, but there is an end to them too.

use super::{Fault, Heard, Session};
use crate::identity::PublicKey;
use crate::ssh::Local;
use crate::ssh::table::Stage;
use crate::ssh::wire::{self, Malformed, Rest, Written, number};

/// Signatures that may fail.
const TRIES: u32 = 6;
/// Offers and other methods.
const QUERIES: u32 = 256;
const SERVICE: &str = "ssh-connection";
const METHOD: &str = "publickey";

impl Session {
    pub(super) fn on_service_request(&mut self, mut rest: Rest<'_>) -> Result<(), Fault> {
        let service = wire::string(&mut rest)?;
        wire::end(rest)?;
        if service != b"ssh-userauth" {
            return Err(Fault::State);
        }
        self.say(&Written::message(number::SERVICE_ACCEPT).put(service));
        self.stage = Stage::AuthRequest;
        Ok(())
    }

    /// The server is ready: we prove our key at once.
    pub(super) fn on_service_accept(
        &mut self,
        local: &Local,
        mut rest: Rest<'_>,
    ) -> Result<(), Fault> {
        if wire::string(&mut rest)? != b"ssh-userauth" {
            return Err(Fault::State);
        }
        let Some(id) = &self.id else { return Err(Fault::State) };
        let request = request(&local.user, &local.blob);
        let signature = local.key.sign(signed(id, &request).as_slice());
        let request = request.put(wire::signature_blob(&signature).as_slice());
        self.say(&request);
        self.stage = Stage::AuthResult;
        Ok(())
    }

    pub(super) fn on_auth_success(&mut self, rest: Rest<'_>) -> Result<Heard, Fault> {
        wire::end(rest)?;
        self.stage = Stage::Open;
        self.key.map(Heard::Up).ok_or(Fault::State)
    }

    pub(super) fn on_auth_request(
        &mut self,
        local: &Local,
        rest: Rest<'_>,
    ) -> Result<Option<Heard>, Fault> {
        match self.judge(local, rest)? {
            Judgement::Proven(key) => {
                self.key = Some(key);
                self.stage = Stage::Open;
                self.say(&Written::message(number::USERAUTH_SUCCESS));
                return Ok(Some(Heard::Up(key)));
            }
            Judgement::Welcome(key) => {
                self.queries += 1;
                let blob = wire::key_blob(key.as_bytes());
                let ok = Written::message(number::USERAUTH_PK_OK);
                self.say(&ok.put(wire::ED25519).put(blob.as_slice()));
            }
            Judgement::Other => {
                self.queries += 1;
                self.say_failure();
            }
            Judgement::Failed => {
                self.tries += 1;
                self.say_failure();
            }
        }
        if self.tries >= TRIES || self.queries >= QUERIES {
            return Err(Fault::Tries);
        }
        Ok(None)
    }

    fn say_failure(&mut self) {
        self.say(&Written::message(number::USERAUTH_FAILURE).put_names(&[METHOD]).put(&false));
    }

    /// What there is to a request. Any user name will do.
    fn judge(&self, local: &Local, mut rest: Rest<'_>) -> Result<Judgement, Malformed> {
        let user = wire::string(&mut rest)?;
        let service = wire::string(&mut rest)?;
        let method = wire::string(&mut rest)?;
        if service != SERVICE.as_bytes() || method != METHOD.as_bytes() {
            return Ok(Judgement::Other);
        }
        let signs = wire::boolean(&mut rest)?;
        let algorithm = wire::string(&mut rest)?;
        let blob = wire::string(&mut rest)?;
        // Others than Ed25519 are not known here, however they are written.
        if algorithm != wire::ED25519.as_bytes() {
            return Ok(Judgement::Other);
        }
        let Some(key) = wire::read_key(blob)?.map(PublicKey::from_bytes) else {
            return Ok(Judgement::Other);
        };
        if !signs {
            wire::end(rest)?;
            let welcome = local.takes(&key);
            return Ok(if welcome { Judgement::Welcome(key) } else { Judgement::Other });
        }
        let signature = wire::read_signature(wire::string(&mut rest)?)?;
        wire::end(rest)?;
        let Some(id) = &self.id else { return Ok(Judgement::Failed) };
        let message = signed(id, &request(user, blob));
        let proven = key.verify(message.as_slice(), &signature).is_ok() && local.takes(&key);
        Ok(if proven { Judgement::Proven(key) } else { Judgement::Failed })
    }
}

/// What there is to a request for authentication.
enum Judgement {
    /// Whoever asks holds this key.
    Proven(PublicKey),
    /// This key would be taken, were it proven.
    Welcome(PublicKey),
    /// It proves nothing, nor does it want to.
    Other,
    /// It wants to prove a key, and does not.
    Failed,
}

/// A request with a signature, up to that.
fn request(user: &[u8], blob: &[u8]) -> Written {
    Written::message(number::USERAUTH_REQUEST)
        .put(user)
        .put(SERVICE)
        .put(METHOD)
        .put(&true)
        .put(wire::ED25519)
        .put(blob)
}

/// What the signature is over (RFC 4252 section 7).
fn signed(session: &[u8; 32], request: &Written) -> Written {
    Written::part().put(session.as_slice()).raw(request.as_slice())
}
