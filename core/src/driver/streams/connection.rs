//! One open connection: what may be read and written on it, and how far both sides have finished.

use super::counters::StreamCounters;
use super::outgoing::Outgoing;
use super::sockets::Stream;
use crate::addr::TcpAddr;
use crate::payload::Payload;
use crate::port::{StreamEnd, StreamId, StreamInput};
use alloc::collections::VecDeque;
use core::task::{Context, Poll, Waker};

/// Inputs on their way to the stack.
pub(super) type Arrived = VecDeque<StreamInput<TcpAddr>>;

/// An open connection. While it is idle it holds its socket and these few words.
#[derive(Debug)]
pub(super) struct Connection<K> {
    pub(super) stream: K,
    waker: Waker,
    // How many bytes the stack still takes.
    read: usize,
    out: Outgoing,
    // Taken by the socket, and not told the stack yet.
    credit: usize,
    window: usize,
    finish: Finish,
    peer_finished: bool,
    // Whether it stands in the list of those to visit.
    pub(super) listed: bool,
}

/// How far we have finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    No,
    // As soon as all is written.
    Asked,
    Done,
}

impl<K: Stream> Connection<K> {
    pub(super) fn new(stream: K, waker: Waker, window: usize) -> Self {
        Self {
            stream,
            waker,
            read: 0,
            out: Outgoing::default(),
            credit: 0,
            window,
            finish: Finish::No,
            peer_finished: false,
            listed: false,
        }
    }

    /// The stack takes so many bytes more. Whether there is something to read for.
    pub(super) const fn grant(&mut self, bytes: usize) -> bool {
        self.read = self.read.saturating_add(bytes);
        self.reads()
    }

    pub(super) fn push(&mut self, payload: Payload, counters: &mut StreamCounters) {
        if self.finish == Finish::No {
            counters.unsent_bytes += payload.len() as u64;
            self.out.push(payload);
        }
    }

    /// Bytes that the socket has not taken.
    pub(super) const fn unsent_bytes(&self) -> usize {
        self.out.bytes()
    }

    pub(super) fn finish(&mut self) {
        if self.finish == Finish::No {
            self.finish = Finish::Asked;
        }
    }

    const fn reads(&self) -> bool {
        self.read > 0 && !self.peer_finished
    }

    /// Whether the socket has taken everything.
    pub(super) fn is_sent(&self) -> bool {
        self.out.is_empty() && self.finish != Finish::Asked
    }

    /// Writes what waits, until the socket takes no more, and finishes where that was asked.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn write(
        &mut self,
        id: StreamId,
        arrived: &mut Arrived,
        counters: &mut StreamCounters,
    ) -> Result<(), StreamEnd> {
        let Self { stream, waker, out, credit, .. } = self;
        let cx = &mut Context::from_waker(waker);
        while !out.is_empty() {
            let Poll::Ready(written) = out.with(|slices| stream.poll_write(slices, cx)) else {
                counters.write_blocked += 1;
                break;
            };
            let written = written?;
            out.advance(written);
            *credit += written;
            counters.writes += 1;
            counters.written_bytes += written as u64;
            counters.unsent_bytes = counters.unsent_bytes.saturating_sub(written as u64);
        }
        // Seldom, since each time is work for the stack. What is held back is never all there is to have.
        if self.finish == Finish::No && self.credit > 0 && self.credit >= self.window / 4 {
            let bytes = core::mem::take(&mut self.credit);
            arrived.push_back(StreamInput::Writable { id, bytes });
        }
        if self.finish == Finish::Asked && self.out.is_empty() {
            self.stream.finish()?;
            self.finish = Finish::Done;
        }
        self.over()
    }

    /// Reads once, if the stack takes anything, up to `max` bytes. Whether there may be more to read.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn read(
        &mut self,
        id: StreamId,
        max: usize,
        arrived: &mut Arrived,
        counters: &mut StreamCounters,
    ) -> Result<bool, StreamEnd> {
        if !self.reads() {
            return Ok(false);
        }
        let cx = &mut Context::from_waker(&self.waker);
        let Poll::Ready(bytes) = self.stream.poll_read(self.read.min(max), cx) else {
            return Ok(false);
        };
        let bytes = bytes?;
        if bytes.is_empty() {
            self.peer_finished = true;
            arrived.push_back(StreamInput::Finished { id });
            self.over()?;
            return Ok(false);
        }
        self.read = self.read.saturating_sub(bytes.len());
        counters.reads += 1;
        counters.read_bytes += bytes.len() as u64;
        arrived.push_back(StreamInput::Bytes { id, bytes });
        Ok(self.reads())
    }

    fn over(&self) -> Result<(), StreamEnd> {
        let over = self.peer_finished && self.finish == Finish::Done;
        if over { Err(StreamEnd::Finished) } else { Ok(()) }
    }
}
