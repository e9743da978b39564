//! What floods make a node hold: every bound of [`Limits`] is reached to the byte and never passed, by
//! the layer's own count and by that of the allocator, and what was held is given back.
//!
//! What a peer, a request or an event takes beyond the bytes that count is a constant of each test.
//!
//! | bound | test |
//! |---|---|
//! | `peers` | `p2pke`: `a_node_with_all_the_peers_it_may_have_hears_no_stranger` |
//! | `half_open` | `footprint`: `memory_of_a_flood`; `p2pke`: `a_flood_of_strangers_is_capped_checked_at_a_bounded_rate_…` |
//! | `half_open_per_network` | `p2pke`: `a_network_is_limited_only_once_half_the_places_are_taken` |
//! | `dialling` | `p2pke`: `handshakes_that_we_begin_are_bounded` |
//! | `signature_checks_per_second` | `p2pke`: `a_flood_of_strangers_is_capped_checked_at_a_bounded_rate_…` |
//! | `timestamp_floors` | `p2pke`: `a_full_table_forgets_one_key_for_a_new_one_and_never_lowers_a_floor` |
//! | `waiting_per_peer`, `waiting` | `p2pke`: `whoever_ignores_full_is_refused_and_what_waits_stays_bounded` |
//! | `send_per_peer`, `send` | `channels::messages_on_their_way_down_…`, `channels::what_is_held_for_full_transports_…`; `algebra`: `an_outbox_keeps_order_bounds_and_promises` |
//! | `streams_per_peer` | `quic`: `requests_that_there_is_no_stream_for_wait_until_there_is` |
//! | `window_per_peer` | `quic`: `a_slow_reader_stalls_its_peer_and_loses_nothing` |
//! | `receive` | `channels::what_a_channel_does_not_take_…`, `channels::requests_to_oneself_…`, `asks::requests_and_answers_over_the_largest_…` |
//! | `path_mtus`, `fragment_ids` | `channels::what_is_known_of_destinations_…` |
//! | `reassembly_per_peer`, `reassembly` | `fragments::first_fragments_…`, `fragments::last_fragments_that_come_first_…` |
//! | `partials_per_peer`, `partials` | `fragments::small_messages_…`, `fragments::messages_that_were_delivered_…` |
//! | `channels` | `channels::channels_are_opened_up_to_their_number` |
//! | `send_per_channel` | `channels::messages_on_their_way_down_…` |
//! | `channel_requests` | `channels::requests_and_identifications_on_channels_…` |
//! | `transports`, `transport_requests` | `channels::transports_and_the_requests_through_them_…` |
//! | `own_requests` | `channels::requests_to_oneself_…` |
//! | `ask_max` | `asks::requests_and_answers_over_the_largest_…` |
//! | `ask_peers` | `asks::peers_are_kept_in_mind_up_to_their_number` |
//! | `asks_per_peer` | `asks::a_peer_is_owed_answers_…`, `asks::requests_of_our_own_to_one_peer_…`, `asks::refusals_…` |
//! | `ask_sending_per_peer`, `ask_sending` | `asks::requests_of_our_own_fill_their_bytes_…` |
//! | `ask_receiving_per_peer`, `ask_receiving` | `asks::requests_that_never_come_whole_…`, `asks::parts_that_come_scattered_…`, `asks::answers_that_never_come_whole_…` |
//! | `ask_remembered_per_peer`, `ask_remembered` | `asks::answers_are_remembered_…`, `asks::requests_that_nobody_answers_…`, `asks::gaps_…` |

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

#[path = "floods/asks.rs"]
mod asks;
#[path = "floods/channels.rs"]
mod channels;
#[path = "counting/mod.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod counting;
#[path = "floods/fragments.rs"]
mod fragments;

use core::fmt;
use core::num::ParseIntError;
use core::str::FromStr;
use tellask::stats::StatsSink;
use tellask::swarm::{Link, Message};
use tellask::{BytesMut, Event, Instant, Layer, MemoryAddr};

const SELF: MemoryAddr = MemoryAddr(9);
const PEER: MemoryAddr = MemoryAddr(1);
const NOW: Instant = Instant::from_nanos(1_000);

/// Looks for the figures of one name, in whichever section; allocates nothing.
struct Figure {
    name: &'static str,
    sum: u64,
}

impl StatsSink for Figure {
    fn enter(&mut self, _name: fmt::Arguments<'_>) {}

    fn leave(&mut self) {}

    fn counter(&mut self, name: &'static str, value: u64) {
        self.gauge(name, value);
    }

    fn gauge(&mut self, name: &'static str, value: u64) {
        self.sum += if name == self.name { value } else { 0 };
    }
}

/// The counter or gauge of this name, summed over the sections of a layer.
fn figure(layer: &impl Layer, name: &'static str) -> usize {
    let mut figure = Figure { name, sum: 0 };
    layer.stats(&mut figure);
    figure.sum as usize
}

/// What the side below says when it is there: messages of up to `size` bytes.
fn link<A: From<MemoryAddr>>(size: usize) -> Event<A> {
    Event::Link(Link { local: vec![SELF.into()], unit: size, tell_max: size, ask_max: size })
}

fn told<A: From<MemoryAddr>>(src: A, payload: BytesMut) -> Event<A> {
    Event::Told(Message { src, dst: SELF.into(), payload })
}

/// An address as large as those of secured UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Large([u64; 8]);

impl From<MemoryAddr> for Large {
    fn from(MemoryAddr(number): MemoryAddr) -> Self {
        Self([number.into(); 8])
    }
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[0].fmt(f)
    }
}

impl FromStr for Large {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(|number| MemoryAddr(number).into())
    }
}

/// Bytes that this thread allocated since `base`, at the worst point since then.
fn grown(base: usize) -> usize {
    counting::peak() - base
}

/// The number in LEB128.
fn uvarint(mut number: u64, out: &mut BytesMut) {
    while number >= 0x80 {
        out.extend_from_slice(&[number as u8 | 0x80]);
        number >>= 7;
    }
    out.extend_from_slice(&[number as u8]);
}
