//! The figures of a stream port.

use super::{StreamEnd, StreamPort};
use crate::addr::Addr;
use crate::stats::StatsSink;
use core::hash::{Hash, Hasher};

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: u64,
    pub(super) accepted: u64,
    pub(super) turned_away: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    /// Said by the driver about no connection, or out of turn.
    pub(super) stray: u64,
    /// Said by either side about a connection that had been ended from the other.
    pub(super) late: u64,
    /// Said by the layer above out of turn.
    pub(super) misused: u64,
    finished: u64,
    aborted: u64,
    reset: u64,
    gone: u64,
    failed: u64,
    full: u64,
    overrun: u64,
}

impl Counters {
    pub(super) const fn ended(&mut self, reason: StreamEnd) {
        let counter = match reason {
            StreamEnd::Finished => &mut self.finished,
            StreamEnd::Aborted => &mut self.aborted,
            StreamEnd::Reset => &mut self.reset,
            StreamEnd::Gone => &mut self.gone,
            StreamEnd::Refused | StreamEnd::TimedOut | StreamEnd::Unreachable => &mut self.failed,
            StreamEnd::Full => &mut self.full,
            StreamEnd::Overrun => &mut self.overrun,
        };
        *counter += 1;
    }
}

impl<S: Addr> StreamPort<S> {
    pub(super) fn write_stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("stream"));
        sink.counter("opened", counters.opened);
        sink.counter("accepted", counters.accepted);
        sink.counter("turned_away", counters.turned_away);
        sink.counter("received_bytes", counters.received_bytes);
        sink.counter("sent_bytes", counters.sent_bytes);
        sink.counter("stray", counters.stray);
        sink.counter("late", counters.late);
        sink.counter("misused", counters.misused);
        sink.counter("finished", counters.finished);
        sink.counter("aborted", counters.aborted);
        sink.counter("reset", counters.reset);
        sink.counter("gone", counters.gone);
        sink.counter("failed", counters.failed);
        sink.counter("full", counters.full);
        sink.counter("overrun", counters.overrun);
        sink.gauge("streams_opened", self.opened as u64);
        sink.gauge("streams_accepted", self.accepted as u64);
        sink.gauge("receive_bytes", self.receive_bytes as u64);
        sink.gauge("send_bytes", self.send_bytes as u64);
        sink.state("streams", &|mut hasher: &mut dyn Hasher| {
            (&self.streams, &self.up, &self.down, &self.bound).hash(&mut hasher);
            (self.fresh_opened, self.fresh_accepted).hash(&mut hasher);
        });
        sink.leave();
    }
}
