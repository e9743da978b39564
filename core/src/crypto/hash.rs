//! Hashes, the same whichever backend is compiled: BLAKE2b and what is built on it, and SHAKE256.

use blake2b_simd::{BLOCKBYTES, Params, State};
use shake::{ExtendableOutput as _, Shake256};
use zeroize::Zeroizing;

/// BLAKE2b with 64 bytes of output over the concatenation of `parts` (RFC 7693, unkeyed).
pub(crate) fn blake2b_512(parts: &[&[u8]]) -> [u8; 64] {
    *absorb(State::new(), parts).finalize().as_array()
}

/// BLAKE2b with 32 bytes of output over the concatenation of `parts` (RFC 7693, unkeyed).
pub(crate) fn blake2b_256(parts: &[&[u8]]) -> [u8; 32] {
    let state = Params::new().hash_length(32).to_state();
    let mut out = [0; 32];
    out.copy_from_slice(absorb(state, parts).finalize().as_bytes());
    out
}

/// HMAC-BLAKE2b-512 over the concatenation of `parts` (RFC 2104, 128-byte blocks).
pub(crate) fn hmac_blake2b(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    Hmac::new(key).mac(parts)
}

/// The first two outputs of Noise's HKDF (revision 34, section 4.3), 64 bytes each.
pub(crate) fn hkdf2(
    chaining_key: &[u8; 64],
    input: &[u8],
) -> (Zeroizing<[u8; 64]>, Zeroizing<[u8; 64]>) {
    let temp = Zeroizing::new(hmac_blake2b(chaining_key, &[input]));
    let hmac = Hmac::new(&*temp);
    let first = Zeroizing::new(hmac.mac(&[&[1]]));
    let second = Zeroizing::new(hmac.mac(&[&*first, &[2]]));
    (first, second)
}

/// Unkeyed BLAKE2Xb with 64 bytes of output over the concatenation of `parts`.
///
/// The extendable-output form of BLAKE2b: a root hash whose parameter block carries the output
/// length where the upper half of the node offset is, then, since 64 bytes are one output node,
/// a single BLAKE2b of the root under the parameters of node 0.
pub(crate) fn blake2xb_64(parts: &[&[u8]]) -> [u8; 64] {
    const XOF_LENGTH: u64 = 64 << 32;
    let root = absorb(Params::new().node_offset(XOF_LENGTH).to_state(), parts).finalize();
    let mut node = Params::new();
    node.fanout(0).max_depth(0).max_leaf_length(64).inner_hash_length(64).node_offset(XOF_LENGTH);
    *node.hash(root.as_bytes()).as_array()
}

/// SHAKE256 with 32 bytes of output (FIPS 202).
pub(crate) fn shake256_32(input: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    Shake256::digest_xof(input, &mut out);
    out
}

/// HMAC with both key blocks absorbed, so that two codes under one key cost one key schedule.
struct Hmac {
    inner: Keyed,
    outer: Keyed,
}

impl Hmac {
    fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCKBYTES]);
        if key.len() > BLOCKBYTES {
            let hashed = Zeroizing::new(blake2b_512(&[key]));
            block[..64].copy_from_slice(&*hashed);
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let pad = |byte: u8| {
            let padded = Zeroizing::new(block.map(|b| b ^ byte));
            Keyed(absorb(State::new(), &[&*padded]))
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 64] {
        let inner = Zeroizing::new(self.inner.digest(parts));
        self.outer.digest(&[&*inner])
    }
}

/// A hash state that has absorbed a key. Overwritten on drop.
struct Keyed(State);

impl Keyed {
    fn digest(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut copy = Self(self.0.clone());
        for part in parts {
            copy.0.update(part);
        }
        *copy.0.finalize().as_array()
    }
}

impl Drop for Keyed {
    fn drop(&mut self) {
        // The library has no way to wipe a state; the black box keeps this store from being
        // found useless.
        self.0 = State::new();
        core::hint::black_box(&mut self.0);
    }
}

fn absorb(mut state: State, parts: &[&[u8]]) -> State {
    for part in parts {
        state.update(part);
    }
    state
}
