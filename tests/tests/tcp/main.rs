//! Nodes on TCP, on real sockets and on each runtime that has them: the same bodies everywhere.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod bodies;
mod framed;
mod peer;

/// Runs a body on a runtime, next to which this thread may block: the drivers run in others.
trait Host {
    fn run<T>(body: impl Future<Output = T>) -> T;
}

struct Tokio;

impl Host for Tokio {
    fn run<T>(body: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(1).enable_all().build().expect("a runtime").block_on(body)
    }
}

struct Smol;

impl Host for Smol {
    fn run<T>(body: impl Future<Output = T>) -> T {
        async_io::block_on(body)
    }
}

macro_rules! tests {
    ($($test:ident)*) => {
        mod on_tokio {
            use super::{Host, Tokio, bodies};
            $(#[test] fn $test() { Tokio::run(bodies::$test::<tellask_tokio::Tokio>()); })*
        }
        mod on_smol {
            use super::{Host, Smol, bodies};
            $(#[test] fn $test() { Smol::run(bodies::$test::<tellask_smol::Smol>()); })*
        }
    };
}

tests! {
    messages_are_echoed_both_ways_over_one_connection
    a_node_listens_on_all_places_of_its_address_and_one_that_only_dials_on_none
    messages_of_all_sizes_arrive_whole_in_whatever_pieces_they_come
    a_peer_that_does_not_read_stalls_who_writes_and_nothing_grows
    a_layer_that_takes_nothing_stalls_its_peer_and_nothing_grows
    either_side_may_finish_and_go_on_reading
    a_peer_that_resets_is_noticed_once
    what_we_abort_is_reset_at_the_peer
    a_dial_that_is_refused_says_so
    the_next_place_is_dialled_where_one_refuses
    what_is_over_the_cap_waits_until_somebody_has_gone
    a_close_sends_what_was_accepted
    a_port_in_use_is_refused
    a_thousand_connections_cost_only_those_that_are_ready
}
