//! Key exchange (RFC 4253 sections 7 and 8): what is proposed, what is agreed on, and the keys that follow.
//!
//! | what | agreed on, the first one first |
//! |---|---|
//! | key exchange | `mlkem768x25519-sha256` with the feature `ml-kem`, `curve25519-sha256`, `curve25519-sha256@libssh.org` |
//! | host key | `ssh-ed25519` (RFC 8709) |
//! | cipher | `aes128-gcm@openssh.com`, `aes256-gcm@openssh.com`, `chacha20-poly1305@openssh.com` |
//! | compression | `none` |
//!
//! Strict key exchange (OpenSSH's PROTOCOL, section 1.10) is held to where the peer offers it. With a peer that does not,
//! `chacha20-poly1305@openssh.com` is refused: packets could be cut out of its beginning unseen (CVE-2023-48795). So that a client
//! which would rather have that finds another, a server proposes nothing before it knows.

use super::agreement::{Half, Method, Secret};
use super::packet::Keyed;
use super::wire::{self, Malformed, Rest, Written, number};
use super::{Fault, Role};
use crate::crypto::Rejected;
use crate::crypto::packet::{Hash, PacketCipher, PacketKey, derive};
use alloc::vec::Vec;

const EXCHANGES: &[(&str, Method)] = &[
    #[cfg(feature = "ml-kem")]
    ("mlkem768x25519-sha256", Method::MlKem768X25519),
    ("curve25519-sha256", Method::X25519),
    ("curve25519-sha256@libssh.org", Method::X25519),
];
const CIPHERS: [(&str, PacketCipher); 3] = [
    ("aes128-gcm@openssh.com", PacketCipher::Aes128Gcm),
    ("aes256-gcm@openssh.com", PacketCipher::Aes256Gcm),
    ("chacha20-poly1305@openssh.com", PacketCipher::ChaCha20Poly1305),
];
/// Never used, since all ciphers bring their own; some peers want one that they know.
const MACS: [&str; 2] = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"];
const COMPRESSIONS: [(&str, ()); 1] = [("none", ())];
const HOST_KEYS: [(&str, ()); 1] = [(wire::ED25519, ())];

impl Role {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// What this side says to have key exchanges strict.
    const fn strict(self) -> &'static str {
        match self {
            Self::Client => "kex-strict-c-v00@openssh.com",
            Self::Server => "kex-strict-s-v00@openssh.com",
        }
    }

    /// What this side says to be told of extensions (RFC 8308 section 2.1).
    const fn extensions(self) -> &'static str {
        match self {
            Self::Client => "ext-info-c",
            Self::Server => "ext-info-s",
        }
    }
}

/// Our proposal. Without `strict` it is one for a peer that is known not to be.
pub(super) fn proposal(role: Role, cookie: [u8; 16], strict: bool) -> Vec<u8> {
    let exchanges: Vec<&str> =
        names_of(EXCHANGES).chain([role.extensions(), role.strict()]).collect();
    let ciphers: Vec<&str> = CIPHERS
        .iter()
        .filter(|(_, cipher)| strict || *cipher != PacketCipher::ChaCha20Poly1305)
        .map(|(name, _)| *name)
        .collect();
    Written::message(number::KEXINIT)
        .raw(&cookie)
        .put_names(&exchanges)
        .put_names(&[wire::ED25519])
        .put_names(&ciphers)
        .put_names(&ciphers)
        .put_names(&MACS)
        .put_names(&MACS)
        .put_names(&["none"])
        .put_names(&["none"])
        .put_names(&[])
        .put_names(&[])
        .put(&false)
        .put(&0u32)
        .into_vec()
}

fn names_of<T>(known: &[(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    known.iter().map(|(name, _)| *name)
}

/// What a proposal says that we have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) method: Method,
    /// From the client to the server, and back.
    ciphers: [PacketCipher; 2],
    pub(super) strict: bool,
    /// Whether the peer wants to be told of extensions.
    pub(super) extensions: bool,
    /// Whether the peer's next message is a guess that was wrong (RFC 4253 section 7).
    pub(super) guessed_wrong: bool,
}

/// Whether a peer's proposal offers to hold key exchanges to their strict form.
pub(super) fn offers_strict(theirs: &[u8], role: Role) -> bool {
    let mut rest = theirs.get(17..).unwrap_or_default();
    let names = wire::names(&mut rest);
    names.is_ok_and(|mut names| names.any(|name| name == role.other().strict()))
}

/// What the peer's proposal and ours agree on. `strict` is what was agreed on in an earlier one.
pub(super) fn agree(theirs: &[u8], role: Role, earlier: Option<bool>) -> Result<Agreed, Fault> {
    let mut rest = theirs;
    read_past_cookie(&mut rest)?;
    let exchanges = wire::names(&mut rest)?;
    let host_keys = wire::names(&mut rest)?;
    let strict = earlier.unwrap_or(exchanges.clone().any(|name| name == role.other().strict()));
    let extensions = exchanges.clone().any(|name| name == role.other().extensions());
    let method = choose(role, EXCHANGES, exchanges.clone()).ok_or(Fault::NoKex)?;
    choose(role, &HOST_KEYS, host_keys.clone()).ok_or(Fault::NoHostKey)?;
    let mut cipher = || -> Result<PacketCipher, Fault> {
        let cipher = choose(role, &CIPHERS, wire::names(&mut rest)?).ok_or(Fault::NoCipher)?;
        if cipher == PacketCipher::ChaCha20Poly1305 && !strict {
            return Err(Fault::NotStrict);
        }
        Ok(cipher)
    };
    let ciphers = [cipher()?, cipher()?];
    // No cipher of ours needs one.
    wire::string(&mut rest)?;
    wire::string(&mut rest)?;
    for _ in 0..2 {
        choose(role, &COMPRESSIONS, wire::names(&mut rest)?).ok_or(Fault::NoCompression)?;
    }
    wire::string(&mut rest)?;
    wire::string(&mut rest)?;
    let follows = wire::boolean(&mut rest)?;
    wire::u32(&mut rest)?;
    wire::end(rest)?;
    let right = exchanges.clone().next() == names_of(EXCHANGES).next()
        && host_keys.clone().next() == names_of(&HOST_KEYS).next();
    Ok(Agreed { method, ciphers, strict, extensions, guessed_wrong: follows && !right })
}

fn read_past_cookie(rest: &mut Rest<'_>) -> Result<(), Malformed> {
    wire::u8(rest)?;
    wire::array::<16>(rest)?;
    Ok(())
}

/// What the first name of the client's stands for that the server has too (RFC 4253 section 7.1).
fn choose<'a, T: Copy>(
    role: Role,
    ours: &[(&str, T)],
    mut theirs: impl Iterator<Item = &'a str> + Clone,
) -> Option<T> {
    let known = |name: &str| ours.iter().find(|(known, _)| *known == name);
    let chosen = match role {
        Role::Client => ours.iter().find(|(name, _)| theirs.clone().any(|other| other == *name)),
        Role::Server => theirs.find_map(known),
    };
    chosen.map(|(_, what)| *what)
}

/// A key exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The message in which we proposed, until the peer's is there.
    pub(super) ours: Vec<u8>,
    /// What is agreed on, and what the exchange hash is over so far: a proposal may be long, and is not kept.
    pub(super) agreed: Option<(Agreed, Hash)>,
    /// Of a client.
    pub(super) half: Option<Half>,
    /// Whether we use the new keys already: then they are put here for the other direction.
    pub(super) incoming: Option<Keyed>,
}

/// What one key exchange makes its keys of.
pub(super) struct Secrets {
    /// The shared secret as it is encoded.
    secret: Secret,
    /// The exchange hash.
    pub(super) hash: [u8; 32],
}

/// The beginning of what the exchange hash is over (RFC 4253 section 8): versions and proposals, the client's first.
pub(super) fn proposed(versions: [&[u8]; 2], proposals: [&[u8]; 2]) -> Hash {
    let strings = versions.into_iter().chain(proposals);
    strings.fold(Hash::default(), |hash, string| {
        // They are shorter than a packet.
        hash.with(&(string.len() as u32).to_be_bytes()).with(string)
    })
}

impl Secrets {
    /// Those of `secret`, on which these halves agreed; `host_key` is the server's.
    pub(super) fn new(
        proposed: Hash,
        host_key: &[u8],
        (client, server): (&[u8], &[u8]),
        secret: Secret,
    ) -> Self {
        let halves = Written::part().put(host_key).put(client).put(server);
        let hash = proposed.with(halves.as_slice()).with(&secret).finish();
        Self { secret, hash }
    }

    /// The keys of what `role` sends (RFC 4253 section 7.2).
    pub(super) fn keys(
        &self,
        role: Role,
        agreed: &Agreed,
        session: &[u8; 32],
    ) -> Result<Keyed, Rejected> {
        let [client, server] = agreed.ciphers;
        let (cipher, iv, key) = match role {
            Role::Client => (client, b'A', b'C'),
            Role::Server => (server, b'B', b'D'),
        };
        let iv = derive::<12>(&self.secret, &self.hash, iv, session);
        let bytes = derive::<64>(&self.secret, &self.hash, key, session);
        let bytes = bytes.get(..cipher.key_len()).unwrap_or_default();
        Ok(Keyed::new(cipher, PacketKey::new(cipher, bytes, &iv)?))
    }
}
