//! The examples run, and what they assert holds.

#[path = "../examples/blocking.rs"]
mod blocking;
#[path = "../examples/mio_loop.rs"]
mod mio_loop;
#[path = "../examples/reuseport.rs"]
mod reuseport;

#[test]
fn a_node_runs_on_a_blocking_socket() {
    blocking::main().expect("runs");
}

#[test]
fn a_node_runs_in_a_loop_with_something_else() {
    mio_loop::main().expect("runs");
}

#[test]
fn nodes_in_several_threads_share_a_port() {
    reuseport::main().expect("runs");
}
