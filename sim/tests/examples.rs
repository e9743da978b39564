//! The examples run, and what they assert holds.

#[path = "../examples/async_app.rs"]
mod async_app;
#[path = "../examples/over_p2pke.rs"]
mod over_p2pke;
#[path = "../examples/own_layer.rs"]
mod own_layer;

#[test]
fn a_layer_of_ones_own_is_simulated_alone() {
    own_layer::main();
}

#[test]
fn a_layer_of_ones_own_over_p2pke_keeps_its_promise_under_faults() {
    over_p2pke::main();
}

#[test]
fn an_async_application_goes_through_a_partition() {
    async_app::main().expect("runs");
}
