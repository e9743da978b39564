//! pcapng, for Wireshark and its like.
//!
//! There are two interfaces. On `sent` each datagram is a packet at the time when it was sent, with a comment for
//! each copy that was lost, saying why and when; on `delivered` each copy is one at the time when it
//! arrived, with a comment where it was spoilt. Packets of one datagram have the same `epb_packetid`. Nodes are hosts
//! of `fd74:656c:6c61:736b::/64`, whose interface identifier is the number of their memory address, and speak UDP from
//! and to port 49,374; names of nodes are in a name resolution block. The headers are made up, with
//! correct checksums, which cover the bytes that were not kept as well. Time stamps are nanoseconds of simulated time.
//!
//! What UDP cannot carry, which no network of ours delivers unless somebody raised the MTU that far, is cut
//! to what it can, and a comment says so.
//!
//! It follows draft-ietf-opsawg-pcapng.

use super::Recording;
use super::recording::{Body, Datagram, End, How, Step};
use super::sum::{Sum, UDP_MOST};
use std::io::{self, BufWriter, Write};
use tellask::{Instant, MemoryAddr};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

const COMMENT: u16 = 1;

/// LINKTYPE_RAW: a packet begins with its IP header.
const RAW_IP: u16 = 101;
/// In front of the network's bytes: IPv6 and UDP.
const HEADERS: usize = 40 + 8;
/// No dissector claims it.
const PORT: u16 = 49_374;
/// A unique local prefix, `fd` and "tellask".
const PREFIX: [u8; 8] = *b"\xfdtellask";

const SENT: u32 = 0;
const DELIVERED: u32 = 1;

/// Writes a recording as a pcapng capture.
///
/// # Errors
/// `out` cannot be written to.
pub fn pcapng(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    section(recording).write(SECTION, &mut out)?;
    for (name, description) in [("sent", "what nodes send"), ("delivered", "what nodes are given")]
    {
        interface(name, description).write(INTERFACE, &mut out)?;
    }
    names(recording).write(NAMES, &mut out)?;
    for step in &recording.steps {
        let (number, nth) = match *step {
            Step::Sent(number) => (number, None),
            Step::Ended(number, nth) => (number, Some(nth)),
            Step::Noted(_) => continue,
        };
        let Some(datagram) = recording.datagrams.get(number) else { continue };
        match nth {
            None => sent(recording, number, datagram).write(PACKET, &mut out)?,
            Some(nth) => {
                let end = datagram.ends.get(nth);
                if let Some(packet) = end.and_then(|end| delivered(number, datagram, end)) {
                    packet.write(PACKET, &mut out)?;
                }
            }
        }
    }
    let (total, left_out) = (recording.total, recording.left_out.datagrams);
    for (interface, received) in [(SENT, total.sent), (DELIVERED, total.delivered)] {
        let mut block = Block::default();
        block.u32(interface);
        block.time(Instant::from_nanos(recording.span().1));
        block.option(4, &received.to_le_bytes());
        block.option(5, &if interface == SENT { left_out } else { 0 }.to_le_bytes());
        block.end_of_options();
        block.write(STATISTICS, &mut out)?;
    }
    out.flush()
}

/// The body of a block.
#[derive(Debug, Default)]
struct Block(Vec<u8>);

impl Block {
    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    /// The upper half first, whatever the order of bytes is.
    fn time(&mut self, at: Instant) {
        self.u32((at.as_nanos() >> 32) as u32);
        self.u32(at.as_nanos() as u32);
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// An option, or a record of names, which look the same.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.u16(code);
        self.u16(value.len() as u16);
        self.0.extend(value);
        self.pad();
    }

    fn end_of_options(&mut self) {
        self.u32(0);
    }

    fn write(&self, of: u32, out: &mut impl Write) -> io::Result<()> {
        let len = self.0.len() as u32 + 12;
        out.write_all(&of.to_le_bytes())?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&self.0)?;
        out.write_all(&len.to_le_bytes())
    }
}

fn section(recording: &Recording) -> Block {
    let mut block = Block::default();
    block.u32(0x1a2b_3c4d);
    block.u16(1);
    block.u16(0);
    // The length of the section is not said.
    block.0.extend([0xff; 8]);
    let Recording { scenario, seed, command, left_out, .. } = recording;
    let hash = recording.hash();
    let about =
        format!("{scenario}, seed {seed}, trace {hash}: {}\n{command}", recording.verdict());
    block.option(COMMENT, about.as_bytes());
    if left_out.all().next().is_some() {
        block.option(COMMENT, left_out.to_string().as_bytes());
    }
    for violation in &recording.violations {
        block.option(COMMENT, format!("violated: {}", violation.text).as_bytes());
    }
    block.option(4, b"tellask-sim");
    block.end_of_options();
    block
}

fn interface(name: &str, description: &str) -> Block {
    let mut block = Block::default();
    block.u16(RAW_IP);
    block.u16(0);
    // As many bytes as there are.
    block.u32(0);
    block.option(2, name.as_bytes());
    block.option(3, description.as_bytes());
    // Times are multiples of ten to the power of minus nine.
    block.option(9, &[9]);
    block.end_of_options();
    block
}

fn names(recording: &Recording) -> Block {
    let mut block = Block::default();
    for (addr, name) in recording.nodes.iter().filter(|(_, name)| !name.is_empty()) {
        let mut record = host(*addr).to_vec();
        record.extend(name.bytes().filter(|byte| *byte != 0));
        record.push(0);
        block.option(2, &record);
    }
    block.end_of_options();
    block
}

fn sent(recording: &Recording, number: usize, datagram: &Datagram) -> Block {
    let mut comments = Vec::new();
    if datagram.id.sender.is_none() {
        comments.push("injected".to_owned());
    }
    if datagram.copies > 1 {
        comments.push(format!("{} copies", datagram.copies));
    }
    for end in &datagram.ends {
        if let How::Lost(reason) = end.how {
            comments.push(format!("lost at {}: {}", end.at, recording.reason_of(reason)));
        }
    }
    let known = datagram.ends.len() as u64;
    let flying = u64::from(datagram.copies).saturating_sub(known);
    if flying > 0 {
        comments.push("in flight at the end".to_owned());
    }
    packet(SENT, datagram.at, number, datagram, &datagram.body, comments)
}

fn delivered(number: usize, datagram: &Datagram, end: &End) -> Option<Block> {
    let (body, comments) = match &end.how {
        How::Delivered => (&datagram.body, Vec::new()),
        How::Spoilt(body) => (body, vec!["spoilt on the way".to_owned()]),
        How::Lost(_) => return None,
    };
    Some(packet(DELIVERED, end.at, number, datagram, body, comments))
}

fn packet(
    interface: u32,
    at: Instant,
    number: usize,
    datagram: &Datagram,
    body: &Body,
    mut comments: Vec<String>,
) -> Block {
    let len = body.len.min(UDP_MOST);
    let kept = body.kept.get(..len).unwrap_or(&body.kept);
    if len < body.len {
        comments.push(format!("{} bytes, cut to what UDP carries", body.len));
    }
    let mut block = Block::default();
    block.u32(interface);
    block.time(at);
    block.u32((HEADERS + kept.len()) as u32);
    block.u32((HEADERS + len) as u32);
    block.0.extend(headers(datagram.src, datagram.dst, len as u16, body.sum));
    block.0.extend(kept);
    block.pad();
    for comment in comments {
        block.option(COMMENT, comment.as_bytes());
    }
    // In which direction: 1 is inbound, 2 outbound.
    let direction = if interface == DELIVERED { 1_u32 } else { 2 };
    block.option(2, &direction.to_le_bytes());
    block.option(5, &(number as u64).to_le_bytes());
    block.end_of_options();
    block
}

/// The address of a node as a host.
fn host(addr: MemoryAddr) -> [u8; 16] {
    let mut host = [0; 16];
    let (prefix, number) = host.split_at_mut(8);
    prefix.copy_from_slice(&PREFIX);
    number.copy_from_slice(&u64::from(addr.0).to_be_bytes());
    host
}

/// The headers of IPv6 (RFC 8200, section 3) and UDP (RFC 768) for so many bytes with this sum.
fn headers(src: MemoryAddr, dst: MemoryAddr, len: u16, sum: Sum) -> Vec<u8> {
    let udp_len = len + 8;
    let mut headers = Vec::with_capacity(HEADERS);
    headers.extend([0x60, 0, 0, 0]);
    headers.extend(udp_len.to_be_bytes());
    // UDP is 17; the hop limit is 64.
    headers.extend([17, 64]);
    headers.extend(host(src));
    headers.extend(host(dst));
    let ports = [PORT.to_be_bytes(), PORT.to_be_bytes(), udp_len.to_be_bytes()].concat();
    // The pseudo-header of section 8.1 is the addresses, the length and the protocol.
    let sum = sum
        .plus(&host(src))
        .plus(&host(dst))
        .plus(&u32::from(udp_len).to_be_bytes())
        .plus(&[0, 0, 0, 17])
        .plus(&ports);
    headers.extend(ports);
    headers.extend(sum.written().to_be_bytes());
    headers
}
