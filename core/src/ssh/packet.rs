//! Packets (RFC 4253 section 6): bytes of a connection in, messages out, and back.
//!
//! ```text
//! u32 length │ u8 padding length │ message │ padding of at least 4 bytes │ tag of 16 bytes, under keys
//! ```
//!
//! Bounds: a packet is up to [`PACKET_EARLY`] bytes before both sides have proven their keys, up to [`PACKET_MAX`]
//! afterwards, of which nothing is allocated before it came. It refuses packets of other lengths, without a message, with padding that
//! does not fit, and with a tag that is not theirs.

use super::Fault;
use crate::crypto::TAG_LEN;
use crate::crypto::packet::{LENGTH_LEN, PacketCipher, PacketKey};
use bytes::{Buf as _, BufMut as _, BytesMut};

/// The least that a packet's length says: padding, its length, and a message, in blocks.
const PACKET_MIN: usize = 8;
/// The largest before both sides have proven their keys (RFC 4253 section 6.1), in bytes.
pub(super) const PACKET_EARLY: usize = 35_000;
/// The largest, in bytes: what OpenSSH takes.
pub(super) const PACKET_MAX: usize = 256 * 1_024;
/// What the length of an unencrypted packet is a multiple of, in bytes.
const BLOCK: usize = 8;
const PADDING_MIN: usize = 4;

/// The key of one direction, and what is to be known of its cipher.
#[derive(Debug)]
pub(super) struct Keyed {
    cipher: PacketCipher,
    key: PacketKey,
}

impl Keyed {
    pub(super) const fn new(cipher: PacketCipher, key: PacketKey) -> Self {
        Self { cipher, key }
    }
}

/// What went through under one key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// What a packet's length is a multiple of, how many bytes of the length itself count in that, and how long the tag is: in bytes.
struct Layout {
    block: usize,
    counted: usize,
    tag: usize,
}

/// What both directions of a connection have to know of their packets.
#[derive(Debug, Default)]
pub(super) struct Direction {
    keyed: Option<Keyed>,
    sequence: u32,
    used: Used,
}

impl Direction {
    /// Other keys are used from here on.
    pub(super) fn rekey(&mut self, keyed: Keyed, strict: bool) {
        self.keyed = Some(keyed);
        self.used = Used::default();
        if strict {
            self.sequence = 0;
        }
    }

    /// The number of the packet that went last.
    pub(super) const fn last_sequence(&self) -> u32 {
        self.sequence.wrapping_sub(1)
    }

    pub(super) const fn used(&self) -> Used {
        self.used
    }

    /// How packets are laid out by now.
    fn layout(&self) -> Layout {
        match &self.keyed {
            Some(keyed) => Layout { block: keyed.cipher.block_len(), counted: 0, tag: TAG_LEN },
            None => Layout { block: BLOCK, counted: LENGTH_LEN, tag: 0 },
        }
    }

    /// A packet of so many bytes went through.
    fn count(&mut self, bytes: usize) {
        self.used.packets += 1;
        self.used.bytes += bytes as u64;
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// From bytes to messages.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    pub(super) direction: Direction,
    /// The beginning of a packet, copied out of what it came in.
    partial: BytesMut,
    /// What comes after it.
    rest: BytesMut,
}

impl Receiver {
    /// More bytes came.
    pub(super) fn push(&mut self, bytes: BytesMut) {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else {
            self.rest.extend_from_slice(&bytes);
        }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.partial.len() + self.rest.len()
    }

    /// A line of up to `max` bytes, its end not counted, where one has come whole. For what stands before packets.
    pub(super) fn line(&mut self, max: usize) -> Result<Option<BytesMut>, Fault> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else {
            if self.partial.len() + self.rest.len() > max + 1 {
                return Err(Fault::Version);
            }
            self.keep();
            return Ok(None);
        };
        self.partial.extend_from_slice(self.rest.get(..end).unwrap_or_default());
        self.rest.advance(end + 1);
        let mut line = core::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > max {
            return Err(Fault::Version);
        }
        Ok(Some(line))
    }

    /// The next message that has come whole. `max` is the most that a packet may have.
    pub(super) fn message(&mut self, max: usize) -> Result<Option<BytesMut>, Fault> {
        if !self.gather(LENGTH_LEN) {
            return Ok(None);
        }
        let head = if self.partial.is_empty() { &self.rest } else { &self.partial };
        let Some(head) = head.first_chunk() else { return Ok(None) };
        let Direction { keyed, sequence, .. } = &self.direction;
        let length = match keyed {
            Some(keyed) => keyed.key.length(*sequence, *head),
            None => u32::from_be_bytes(*head),
        } as usize;
        let Layout { block, counted, tag } = self.direction.layout();
        if length < PACKET_MIN || length > max || !(length + counted).is_multiple_of(block) {
            return Err(Fault::Packet);
        }
        let whole = LENGTH_LEN + length + tag;
        if !self.gather(whole) {
            return Ok(None);
        }
        let packet = if self.partial.is_empty() {
            self.rest.split_to(whole)
        } else {
            core::mem::take(&mut self.partial)
        };
        self.open(packet).map(Some)
    }

    fn open(&mut self, mut packet: BytesMut) -> Result<BytesMut, Fault> {
        let len = packet.len();
        let Direction { keyed, sequence, .. } = &mut self.direction;
        if let Some(keyed) = keyed {
            let (text, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Fault::Packet)?;
            keyed.key.open(*sequence, text, tag).map_err(|_| Fault::Tag)?;
            packet.truncate(len - TAG_LEN);
        }
        self.direction.count(len);
        packet.advance(LENGTH_LEN);
        let padding = usize::from(*packet.first().ok_or(Fault::Packet)?);
        packet.advance(1);
        // A message has at least its number.
        if padding < PADDING_MIN || padding >= packet.len() {
            return Err(Fault::Packet);
        }
        packet.truncate(packet.len() - padding);
        Ok(packet)
    }

    /// Whether so many bytes stand together; those of a packet that is not whole are kept apart, so that they do
    /// not pin what they came in, and each is copied once.
    fn gather(&mut self, len: usize) -> bool {
        if self.partial.is_empty() {
            if self.rest.len() >= len {
                return true;
            }
            // Once half of it came the rest gets its room at once, rather than by a copy of all that came.
            if self.rest.len() >= len / 2 {
                self.partial.reserve(len);
            }
            self.keep();
            return false;
        }
        let missing = len.saturating_sub(self.partial.len());
        let more = missing.min(self.rest.len());
        self.partial.extend_from_slice(self.rest.get(..more).unwrap_or_default());
        self.rest.advance(more);
        self.partial.len() >= len
    }

    /// Copies out what is left.
    fn keep(&mut self) {
        self.partial.extend_from_slice(&self.rest);
        self.rest = BytesMut::new();
    }
}

/// From messages to bytes.
#[derive(Debug, Default)]
pub(super) struct Sender {
    pub(super) direction: Direction,
    out: BytesMut,
}

impl Sender {
    /// What is to be written.
    pub(super) const fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Bytes that are to be written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Puts a message that consists of these parts into a packet.
    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let Layout { block, counted, tag } = self.direction.layout();
        let mut padding = block - (counted + 1 + len) % block;
        if padding < PADDING_MIN {
            padding += block;
        }
        let length = 1 + len + padding;
        let begin = self.out.len();
        self.out.reserve(LENGTH_LEN + length + tag);
        // Messages are far smaller than 4 GiB, and padding than 256 bytes.
        self.out.put_u32(length as u32);
        self.out.put_u8(padding as u8);
        for part in parts {
            self.out.put_slice(part);
        }
        // Nobody sees whether padding that is encrypted is random.
        self.out.put_bytes(0, padding);
        let Direction { keyed, sequence, .. } = &mut self.direction;
        if let Some(keyed) = keyed
            && let Some(packet) = self.out.get_mut(begin..)
        {
            let tag = keyed.key.seal(*sequence, packet);
            self.out.put_slice(&tag);
        }
        self.direction.count(self.out.len() - begin);
    }
}
