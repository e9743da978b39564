//! What a socket did, and what went wrong with it.

use crate::stats::StatsSink;

/// Counters of one datagram socket, kept by its driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounters {
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Calls that it took.
    pub sends: u64,
    /// How often the kernel took no more for now.
    pub send_blocked: u64,
    /// Datagrams lost because the kernel said that nobody is there, or does not let us.
    pub unreachable: u64,
    /// Datagrams lost because they were larger than the way takes.
    pub too_large: u64,
    /// How often the kernel was out of memory, and was given time.
    pub out_of_memory: u64,
    /// How often segmentation offload was refused and given up.
    pub offload_refused: u64,
    /// Datagrams that the kernel gave.
    pub received: u64,
    /// Buffers that they came in.
    pub receives: u64,
    /// Errors while receiving.
    pub receive_errors: u64,
    /// Of several workers: datagrams that were another one's, which took them.
    pub handed_over: u64,
    /// Datagrams that were another one's, which had no room.
    pub handed_over_dropped: u64,
    /// Time stamps of handshakes that others took.
    pub floors_told: u64,
    /// Time stamps of handshakes that were not kept for another one that took none.
    pub floors_dropped: u64,
    /// Bytes that the kernel holds for us to read, as far as it said.
    pub receive_buffer: u64,
    /// Bytes that it holds for us to send.
    pub send_buffer: u64,
}

impl SocketCounters {
    /// Takes over what a worker handed to others.
    #[cfg(feature = "std")]
    pub(super) const fn note(&mut self, handed: &super::exchange::Handed) {
        self.handed_over = handed.over;
        self.handed_over_dropped = handed.dropped;
        self.floors_told = handed.floors;
        self.floors_dropped = handed.floors_dropped;
    }

    /// Writes the figures into a section of their own.
    pub fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("socket"));
        sink.counter("sent", self.sent);
        sink.counter("sends", self.sends);
        sink.counter("send_blocked", self.send_blocked);
        sink.counter("unreachable", self.unreachable);
        sink.counter("too_large", self.too_large);
        sink.counter("out_of_memory", self.out_of_memory);
        sink.counter("offload_refused", self.offload_refused);
        sink.counter("received", self.received);
        sink.counter("receives", self.receives);
        sink.counter("receive_errors", self.receive_errors);
        sink.counter("handed_over", self.handed_over);
        sink.counter("handed_over_dropped", self.handed_over_dropped);
        sink.counter("floors_told", self.floors_told);
        sink.counter("floors_dropped", self.floors_dropped);
        sink.gauge("receive_buffer", self.receive_buffer);
        sink.gauge("send_buffer", self.send_buffer);
        sink.leave();
    }
}
