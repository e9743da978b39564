//! Two plain UDP sockets, each on a thread of its own, one system call a datagram.

use crate::failure::Failure;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the receiver waits for a datagram before it looks whether there will be more.
const GRACE: Duration = Duration::from_millis(50);

/// Datagrams of this size that arrive in a second.
pub(super) fn measure(size: usize, time: Duration) -> Result<f64, Failure> {
    exchange(size, time)
        .map_err(|error| Failure::failed(format_args!("plain UDP sockets: {error}")))
}

fn exchange(size: usize, time: Duration) -> io::Result<f64> {
    let to = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    from.connect(to.local_addr()?)?;
    to.set_read_timeout(Some(GRACE))?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| -> io::Result<f64> {
            let mut buffer = vec![0; size.max(1)];
            let begun = Instant::now();
            let (mut count, mut last) = (0_u64, begun);
            while !ended.load(Ordering::Relaxed) {
                match to.recv(&mut buffer) {
                    Ok(_) => {
                        count += 1;
                        last = Instant::now();
                    }
                    Err(error) if is_timeout(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            if count == 0 {
                return Err(io::Error::other("nothing arrived"));
            }
            Ok(count as f64 / last.duration_since(begun).as_secs_f64())
        });
        let message = vec![0; size];
        let begun = Instant::now();
        let sent = (|| {
            while begun.elapsed() < time {
                match from.send(&message) {
                    Ok(_) => {}
                    // As a full queue is said on some systems.
                    Err(error) if is_full(&error) => std::thread::yield_now(),
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })();
        ended.store(true, Ordering::Relaxed);
        let received = receiver.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        sent.and(received)
    })
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn is_full(error: &io::Error) -> bool {
    // ENOBUFS has no kind of its own: 55 on the BSDs and macOS, 105 on Linux.
    matches!(error.raw_os_error(), Some(55 | 105)) || error.kind() == ErrorKind::Interrupted
}
