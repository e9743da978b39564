//! An executable without `std` and without a C library, around `tellask`.
//!
//! It proves that the core is `no_std` by being linked: a dependency on `std`, however deep, would
//! bring a second panic handler, and one on a C library (for randomness, time, memory) a symbol that
//! nobody defines. It runs too, and exits with 0 if what it does came out right.
//!
//! For Linux on x86-64, the one platform whose entry point and system calls it knows.
#![no_std]
#![no_main]

extern crate alloc;

mod memory;
mod platform;

use alloc::string::ToString as _;
use tellask::{
    Seed,
    identity::{PeerId, SecretKey},
};

/// What the node would do first: a key from its seed, an id from its key, a signature from both.
fn run() -> Result<(), &'static str> {
    let seed = Seed::from_u64(1);
    let key = SecretKey::generate(&mut seed.child("node").rng("key"));
    let other = SecretKey::generate(&mut seed.child("peer").rng("key"));
    if key.id() == other.id() {
        return Err("children of one seed are alike\n");
    }

    let text = key.id().to_string();
    if text.parse::<PeerId>() != Ok(key.id()) {
        return Err("an id does not survive its text\n");
    }

    let signature = key.sign(b"hello");
    if key.public().verify(b"hello", &signature).is_err() {
        return Err("a signature does not verify\n");
    }
    if other.public().verify(b"hello", &signature).is_ok() {
        return Err("a signature verifies under another's key\n");
    }
    Ok(())
}
