//! What the sockets of a node on TCP did.

use crate::stats::StatsSink;

/// Figures of the sockets of one node, kept by its driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Connections that others opened.
    pub accepted: u64,
    /// How often the system gave none although one was there.
    pub accept_errors: u64,
    /// How often no more were taken, because there were as many as there may be: what came waits with the system,
    /// as far as that has room.
    pub accept_paused: u64,
    /// Connections of our own that came to stand.
    pub dialled: u64,
    /// Those that did not.
    pub dials_failed: u64,
    /// Attempts that it took: one for each place that was tried.
    pub attempts: u64,
    /// Calls that read something.
    pub reads: u64,
    /// Bytes that they read.
    pub read_bytes: u64,
    /// Calls that wrote something.
    pub writes: u64,
    /// Bytes that they wrote.
    pub written_bytes: u64,
    /// How often the system took no more for now.
    pub write_blocked: u64,
    /// Visits of connections that were ready.
    pub visits: u64,
    /// Connections that are open.
    pub open: u64,
    /// Bytes that the stack wrote and the sockets have not taken.
    pub unsent_bytes: u64,
    /// Dials under way.
    pub dialling: u64,
}

impl StreamCounters {
    /// Writes the figures into a section of their own.
    pub fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("tcp"));
        sink.counter("accepted", self.accepted);
        sink.counter("accept_errors", self.accept_errors);
        sink.counter("accept_paused", self.accept_paused);
        sink.counter("dialled", self.dialled);
        sink.counter("dials_failed", self.dials_failed);
        sink.counter("attempts", self.attempts);
        sink.counter("reads", self.reads);
        sink.counter("read_bytes", self.read_bytes);
        sink.counter("writes", self.writes);
        sink.counter("written_bytes", self.written_bytes);
        sink.counter("write_blocked", self.write_blocked);
        sink.counter("visits", self.visits);
        sink.gauge("open", self.open);
        sink.gauge("unsent_bytes", self.unsent_bytes);
        sink.gauge("dialling", self.dialling);
        sink.leave();
    }
}
