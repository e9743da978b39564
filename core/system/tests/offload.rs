//! Runs of datagrams that the system refuses: for their destination, or since it cannot cut them.

use core::net::SocketAddr;
use std::net::UdpSocket;
use tellask::driver::{Run, SendError};
use tellask_system::Udp;

fn bind() -> (UdpSocket, Udp) {
    Udp::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port")
}

fn run(dst: SocketAddr, count: usize) -> Run<'static> {
    let contents = &[7; 200][..100 * count];
    Run { src: None, dst, contents, segment: (count > 1).then_some(100), count }
}

/// What becomes of the run.
fn send((io, udp): &mut (UdpSocket, Udp), run: &Run<'_>) -> Result<(), SendError> {
    udp.send(io, run).map_err(|error| udp.blame(&error, run))
}

#[cfg(target_os = "linux")]
#[test]
fn a_destination_that_nothing_can_be_sent_to_costs_no_other_its_offload() {
    let (mut from, (_io, to)) = (bind(), bind());
    let before = from.1.max_segments();
    assert!(before > 1, "Linux has it");
    // Port 0 is nobody's, and the kernel says `EINVAL`, as it does where it cannot cut a run.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    assert_eq!(send(&mut from, &run(nobody, 2)), Err(SendError::NoOffload));
    assert_eq!(from.1.max_segments(), 1, "the next one goes alone");
    assert_eq!(send(&mut from, &run(nobody, 1)), Err(SendError::Unreachable));
    assert_eq!(from.1.max_segments(), before, "it was not for the run");
    assert_eq!(send(&mut from, &run(to.local().0, 2)), Ok(()));
}

#[cfg(unix)]
#[test]
fn where_datagrams_go_one_by_one_and_runs_do_not_no_run_is_offered_again() {
    let (mut from, (_io, to)) = (bind(), bind());
    let refused = std::io::Error::from_raw_os_error(libc::EIO);
    let (several, one) = (run(to.local().0, 2), run(to.local().0, 1));
    assert_eq!(from.1.blame(&refused, &several), SendError::NoOffload);
    assert_eq!(send(&mut from, &one), Ok(()));
    assert_eq!(from.1.blame(&refused, &one), SendError::Unreachable, "another time");
    assert_eq!(from.1.max_segments(), 1);
}

#[cfg(unix)]
#[test]
fn a_kernel_that_lacks_memory_says_nothing_about_the_offload() {
    let (mut from, (_io, to)) = (bind(), bind());
    let error = std::io::Error::from_raw_os_error;
    let (before, several) = (from.1.max_segments(), run(to.local().0, 2));
    assert_eq!(from.1.blame(&error(libc::ENOBUFS), &several), SendError::OutOfMemory);
    assert_eq!(from.1.max_segments(), before);
    assert_eq!(from.1.blame(&error(libc::EIO), &several), SendError::NoOffload);
    let one = run(to.local().0, 1);
    assert_eq!(from.1.blame(&error(libc::ENOBUFS), &one), SendError::OutOfMemory);
    assert_eq!(from.1.max_segments(), 1, "nothing is known yet");
}
