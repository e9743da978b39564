//! PKCS#8 (RFC 5958) in PEM (RFC 7468), as RFC 8410 has it for Ed25519.

use super::{KeyError, KeyFormat, PublicKey, SecretKey, WriteKeyError};
use alloc::{string::String, vec};
use pem_rfc7468::{Decoder, LineEnding};
use zeroize::Zeroizing;

/// What precedes the seed in version 1: SEQUENCE of 46 bytes; INTEGER 0; the algorithm
/// 1.3.101.112; an OCTET STRING with an OCTET STRING of 32 bytes (RFC 8410 section 7).
const PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `[0] IMPLICIT SET`, attributes.
const ATTRIBUTES: u8 = 0xa0;
/// `[1] IMPLICIT BIT STRING`, the public key.
const PUBLIC: u8 = 0x81;

const MALFORMED: KeyError = KeyError::Malformed(KeyFormat::Pkcs8);

/// Reads the PEM of versions 1 and 2; the public key that version 2 may contain must belong.
pub(super) fn read(pem: &[u8]) -> Result<SecretKey, KeyError> {
    let mut decoder = Decoder::new_detect_wrap(pem).map_err(|_| MALFORMED)?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    let whole = decoder.decode(&mut der).is_ok() && decoder.is_finished();
    if whole { read_der(&der) } else { Err(MALFORMED) }
}

fn read_der(der: &[u8]) -> Result<SecretKey, KeyError> {
    let (mut fields, rest) = element(der, SEQUENCE).ok_or(MALFORMED)?;
    if !rest.is_empty() {
        return Err(MALFORMED);
    }
    let mut next = |tag| -> Option<&[u8]> {
        let (content, rest) = element(fields, tag)?;
        fields = rest;
        Some(content)
    };
    let version = next(INTEGER).ok_or(MALFORMED)?;
    if next(SEQUENCE).ok_or(MALFORMED)? != ED25519 {
        return Err(KeyError::OtherAlgorithm);
    }
    let secret = next(OCTET_STRING).ok_or(MALFORMED)?;
    let _ = next(ATTRIBUTES);
    let public = next(PUBLIC);
    let well_formed = fields.is_empty() && version == [u8::from(public.is_some())];
    let seed = match element(secret, OCTET_STRING) {
        Some((seed, [])) if well_formed => seed.try_into().map_err(|_| MALFORMED)?,
        _ => return Err(MALFORMED),
    };
    let key = SecretKey::from_seed(seed);
    match public {
        None => Ok(key),
        // The first byte counts the unused bits of a BIT STRING.
        Some([0, public @ ..]) if public.len() == PublicKey::LEN => {
            if public == key.public().as_bytes() { Ok(key) } else { Err(KeyError::HalvesDiffer) }
        }
        Some(_) => Err(MALFORMED),
    }
}

/// Writes the PEM of version 1, which every tool reads.
pub(super) fn write(key: &SecretKey) -> Result<Zeroizing<String>, WriteKeyError> {
    let mut der = Zeroizing::new([0; PREFIX.len() + 32]);
    let (prefix, seed) = der.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    seed.copy_from_slice(key.seed());
    pem_rfc7468::encode_string("PRIVATE KEY", LineEnding::LF, &*der)
        .map(Zeroizing::new)
        .map_err(|_| WriteKeyError::Encoding)
}

/// The content of the DER element at the head of `der`, which must have this tag, and what
/// follows it. Lengths in their shortest form, up to 65,535.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der {
        [first, ..] if *first != tag => return None,
        [_, len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
        [_, 0x81, len, rest @ ..] if *len > 0x7f => (usize::from(*len), rest),
        [_, 0x82, high, low, rest @ ..] if *high > 0 => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}
