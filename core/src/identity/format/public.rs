//! Public keys in text: PEM (RFC 7468) and OpenSSH's one line (RFC 4253 section 6.6, RFC 8709).

use super::{KeyError, PublicKey};
use base64ct::{Base64, Encoding as _};
use pem_rfc7468::Decoder;

/// What precedes the key in an SSH public key blob: the algorithm's name and the key's length,
/// each length a big-endian u32.
const SSH_PREFIX: &[u8; 19] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// Longest base64 that is decoded; that of a key has 68 characters.
const SSH_BLOB: usize = SSH_PREFIX.len() + PublicKey::LEN;

pub(super) fn read_pem(pem: &[u8]) -> Result<PublicKey, KeyError> {
    let mut decoder = Decoder::new_detect_wrap(pem).map_err(|_| KeyError::MalformedPublic)?;
    let mut buffer = [0; 512];
    let spki = buffer.get_mut(..decoder.remaining_len()).ok_or(KeyError::NotSpki)?;
    decoder.decode(spki).map_err(|_| KeyError::MalformedPublic)?;
    PublicKey::from_spki(spki)
}

/// Reads `ssh-ed25519 AAAA…`, a comment and nothing else behind it.
pub(super) fn read_ssh(line: &[u8]) -> Result<PublicKey, KeyError> {
    let read = || {
        let line = core::str::from_utf8(line).ok()?;
        if line.contains(['\r', '\n']) {
            return None;
        }
        let encoded = line.split_ascii_whitespace().nth(1)?;
        let mut blob = [0; SSH_BLOB];
        let blob = Base64::decode(encoded, &mut blob).ok()?;
        blob.strip_prefix(SSH_PREFIX)?.try_into().ok()
    };
    read().map(PublicKey::from_bytes).ok_or(KeyError::MalformedPublic)
}
