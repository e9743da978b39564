//! Vectors, conformance, interoperability and benchmarks of tellask: what its tests share.

pub mod fuzz;
pub mod opaque;

use serde_json::Value;

/// The elements of a JSON array.
///
/// # Panics
/// Where the text is anything else.
#[must_use]
pub fn entries(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("a JSON array")
}

/// The bytes that a text of hexadecimal digits stands for.
///
/// # Panics
/// Where it is anything else.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte at the end of {text}");
    let byte = |pair: &[u8]| {
        let digits = core::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(digits, 16).expect("hexadecimal digits")
    };
    text.as_bytes().chunks_exact(2).map(byte).collect()
}

/// The code of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
