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
    /// Bytes that the kernel holds for us to read, as far as it said.
    pub receive_buffer: u64,
    /// Bytes that it holds for us to send.
    pub send_buffer: u64,
}

impl SocketCounters {
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
        sink.gauge("receive_buffer", self.receive_buffer);
        sink.gauge("send_buffer", self.send_buffer);
        sink.leave();
    }
}
