//! Standard input, read by a thread of its own: what waits for a terminal must not keep the
//! process from ending.

use crate::failure::Failure;
use std::fmt::Display;
use std::io::{self, BufRead as _, Read as _};
use tokio::sync::mpsc::{self, Receiver};

/// Pieces of input that are read ahead.
const AHEAD: usize = 16;

/// Each line, without its end. A line longer than `limit` bytes is cut one byte above it, and
/// is the last.
pub(crate) fn lines(limit: usize) -> Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            // Room for the line's end.
            let most = limit as u64 + 2;
            match (&mut input).take(most).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                        if line.last() == Some(&b'\r') {
                            line.pop();
                        }
                    }
                    let last = line.len() > limit;
                    if send.blocking_send(Ok(line)).is_err() || last {
                        return;
                    }
                }
                Err(error) => {
                    // Nobody waits for it where this fails.
                    let _ = send.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    receive
}

/// All of it, which is at most `limit` bytes.
pub(crate) async fn all(limit: usize) -> Result<Vec<u8>, Failure> {
    let unread = |why: &dyn Display| Failure::bad_input(format!("standard input: {why}"));
    let all = whole(limit).recv().await.unwrap_or_else(|| Ok(Vec::new()));
    let all = all.map_err(|error| unread(&error))?;
    if all.len() > limit {
        return Err(unread(&format_args!("over the limit of {limit} bytes")));
    }
    Ok(all)
}

/// All of it, cut one byte above `limit`.
pub(crate) fn whole(limit: usize) -> Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let read = io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut all);
        let _ = send.blocking_send(read.map(|_| all));
    });
    receive
}
