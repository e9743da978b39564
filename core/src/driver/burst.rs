//! Datagrams between a stack and a socket that takes and gives many of them in one call.
//!
//! Down: a [`Burst`] holds what was collected under the lock, and joins neighbours that go the same
//! way and have the same size into *runs*, which a kernel with segmentation offload takes in one
//! call. Up: [`segments`] cuts what the kernel joined.
//!
//! Bounds: a run has at most [`RUN_MAX`] bytes, and as many segments as the socket takes. A run of
//! one message is sent from where it lies; a longer one is copied into one reused buffer.

use crate::addr::UdpAddr;
use crate::port::Datagram;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::net::{IpAddr, SocketAddr};

/// The most bytes that one call hands to the kernel: what fits into an IPv4 datagram.
pub const RUN_MAX: usize = 65_507;

/// Datagrams on their way to the socket.
#[derive(Debug, Default)]
pub struct Burst {
    queue: Vec<Datagram<UdpAddr>>,
    // How many of `queue` are done with.
    sent: usize,
    // The run that stands at the front, if it was put together already.
    run: usize,
    buffer: Vec<u8>,
}

/// Neighbours that go to the socket in one call.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The local address to send from, where it matters.
    pub src: Option<IpAddr>,
    /// Where to.
    pub dst: SocketAddr,
    /// All datagrams of the run, one behind the other.
    pub contents: &'a [u8],
    /// The length of each of them but the last, where there are several.
    pub segment: Option<usize>,
    /// How many there are.
    pub count: usize,
}

impl Burst {
    /// Where to collect into; only while [`is_empty`](Self::is_empty).
    pub fn refill(&mut self) -> &mut Vec<Datagram<UdpAddr>> {
        self.queue.drain(..self.sent);
        self.sent = 0;
        self.run = 0;
        &mut self.queue
    }

    /// Whether everything is sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sent == self.queue.len()
    }

    /// The next run, of at most `max_segments` datagrams. The same again until it is [`done`](Self::done).
    pub fn run(&mut self, max_segments: usize) -> Option<Run<'_>> {
        if self.run == 0 || self.run > max_segments.max(1) {
            self.run = self.join(max_segments);
        }
        let first = self.queue.get(self.sent)?;
        let size = first.payload.len();
        let plain = self.run == 1 && first.payload.head().is_empty();
        Some(Run {
            src: first.src.map(|src| src.0.ip()),
            dst: first.dst.0,
            contents: if plain { first.payload.body() } else { &self.buffer },
            segment: (self.run > 1).then_some(size),
            count: self.run,
        })
    }

    /// The run at the front was sent, or given up.
    pub fn done(&mut self) {
        self.sent = self.queue.len().min(self.sent + self.run);
        self.run = 0;
        if self.is_empty() {
            // Lets go of the messages' memory now, not when the next ones come.
            self.queue.clear();
            self.sent = 0;
        }
    }

    /// Counts and, where they are several, copies the datagrams of the next run.
    fn join(&mut self, max_segments: usize) -> usize {
        let Some((first, rest)) = self.queue.get(self.sent..).and_then(<[_]>::split_first) else {
            return 0;
        };
        let size = first.payload.len();
        let mut count = 1;
        let mut bytes = size;
        if size > 0 {
            for next in rest {
                let len = next.payload.len();
                let fits = count < max_segments
                    && (1..=size).contains(&len)
                    && bytes + len <= RUN_MAX
                    && (next.dst, next.src) == (first.dst, first.src);
                if !fits {
                    break;
                }
                count += 1;
                bytes += len;
                if len < size {
                    // Only the last one may be shorter.
                    break;
                }
            }
        }
        if count > 1 || !first.payload.head().is_empty() {
            self.buffer.clear();
            self.buffer.reserve(bytes);
            for datagram in self.queue.iter().skip(self.sent).take(count) {
                datagram.payload.write_to(&mut self.buffer);
            }
        }
        count
    }
}

/// Cuts what the kernel joined into datagrams of `stride` bytes; the last may be shorter. An empty
/// `joined` is one empty datagram.
pub fn segments(joined: BytesMut, stride: usize) -> impl Iterator<Item = BytesMut> {
    let stride = if stride == 0 { usize::MAX } else { stride };
    let mut rest = Some(joined);
    core::iter::from_fn(move || {
        let mut from = rest.take()?;
        if from.len() <= stride {
            return Some(from);
        }
        let segment = from.split_to(stride);
        rest = Some(from);
        Some(segment)
    })
}
