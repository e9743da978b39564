//! What a message through a layer between swarms allocates, counted by the allocator itself: nothing.
//!
//! One test function, so that nothing else allocates meanwhile.

#[path = "../benches/support/layers.rs"]
#[allow(dead_code, unreachable_pub, reason = "the benches use more of it")]
mod layers;

#[path = "counting/mod.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod counting;

use tellask::Bytes;
use tellask::mux::{Name, Varint};

const MESSAGES: usize = 1_000;

/// Allocations of a thousand messages, after some that let the queues grow.
fn allocations(mut carry: impl FnMut(&Bytes) -> usize) -> usize {
    let text = Bytes::from(vec![0x5a; 64]);
    for _ in 0..100 {
        assert_eq!(carry(&text), text.len());
    }
    let before = counting::allocations();
    for _ in 0..MESSAGES {
        carry(&text);
    }
    counting::allocations() - before
}

#[test]
fn a_layer_allocates_nothing_for_a_message() {
    let (mut bare, mut filtered) = (layers::bare(), layers::filtered());
    let (mut looped, mut mapped) = (layers::looped(), layers::mapped());
    let mut numbered = layers::channels(7_u16, (8..107).collect());
    let mut varint = layers::channels(Varint(300), vec![]);
    let mut named = layers::channels(Name::from("a channel of some length"), vec![]);

    let (mut alone, mut of_ten) = (layers::transports(0), layers::transports(9));

    // A shared message is copied once on the way: by the receiver, whatever stands on the port.
    let bare = allocations(|text| bare.carry(text));
    assert_eq!(bare, MESSAGES);
    assert_eq!(allocations(|text| filtered.carry(text)), bare);
    assert_eq!(allocations(|text| looped.carry(text)), bare);
    assert_eq!(allocations(|text| looped.carry_to_itself(text)), bare);
    assert_eq!(allocations(|text| mapped.carry(text)), bare);
    assert_eq!(allocations(|text| alone.carry(text)), bare);
    assert_eq!(allocations(|text| of_ten.carry(text)), bare);
    assert_eq!(allocations(|text| numbered.carry(text)), bare);
    assert_eq!(allocations(|text| varint.carry(text)), bare);
    assert_eq!(allocations(|text| named.carry(text)), bare);
}
