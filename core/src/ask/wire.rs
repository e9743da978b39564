//! The wire format; the table is in the [module documentation](super).

use crate::payload::Payload;
use crate::uvarint::Uvarint;
use alloc::vec::Vec;
use bytes::Bytes;

/// The first byte of a tell.
pub(super) const TELL: u8 = VERSION;
/// The version, in the high half of the first byte.
const VERSION: u8 = 0x10;
const PART: u8 = VERSION | 1;
const ACK: u8 = VERSION | 2;
const CHALLENGE: u8 = VERSION | 3;
const BUNDLE: u8 = VERSION | 4;
/// Set in the first byte where the sender's limit stands behind the header.
const LIMIT: u8 = 0x08;

/// Ranges in one acknowledgement.
pub(super) const ACK_RANGES: usize = 32;
/// The longest header of a part with an acknowledgement of one range, in bytes.
pub(super) const HEADER_MAX: usize = 160;

/// What stands in front of everything but a tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The sender's name for the session.
    pub(super) src: u64,
    /// The receiver's name for the session; zero where the sender does not know it yet.
    pub(super) dst: u64,
    /// The largest request or answer that the sender takes, until that is known to have arrived.
    pub(super) limit: Option<u64>,
}

/// What the peer has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack<'a> {
    /// The highest number.
    pub(super) largest: u64,
    /// For how long the acknowledgement was put off, in microseconds.
    pub(super) delay: u64,
    count: u8,
    rest: &'a [u8],
}

/// A part of something, or something small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A part of a request.
    Request {
        /// Which.
        id: u64,
        /// The asker waits for nothing below.
        lowest: u64,
        /// Milliseconds until the asker gives up.
        remaining: u64,
        /// Length of the whole.
        total: u64,
        /// Where the part begins.
        offset: u64,
    },
    /// A part of an answer.
    Answer {
        /// To which request.
        id: u64,
        /// What kind of answer.
        status: Status,
        /// Length of the whole.
        total: u64,
        /// Where the part begins.
        offset: u64,
    },
    /// The asker has given a request up.
    Cancel {
        /// Which.
        id: u64,
        /// The asker waits for nothing below.
        lowest: u64,
    },
    /// Nothing but a number to be acknowledged.
    Ping {
        /// The asker waits for nothing below.
        lowest: u64,
    },
}

/// What kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Status {
    /// The application's reply.
    Reply,
    /// The application's refusal, under its code; the detail is the body.
    Refused(u32),
    /// The request or its reply is larger than this many bytes.
    TooLarge(u64),
    /// Nothing was run, for want of room.
    Busy,
    /// The request is over here: it was answered and acknowledged, cancelled, or its time was up.
    Gone,
}

/// A message of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// A tell: all but the first byte.
    Tell,
    /// Something that is to be acknowledged.
    Part {
        /// The header.
        header: Header,
        /// The number of the packet.
        number: u64,
        /// What the sender has received.
        ack: Option<Ack<'a>>,
        /// What it carries.
        frame: Frame,
        /// Where the data begin.
        data: usize,
    },
    /// Several parts under one header, numbered one after the other.
    Bundle {
        /// The header.
        header: Header,
        /// The number of the first.
        number: u64,
        /// What the sender has received.
        ack: Option<Ack<'a>>,
        /// The parts.
        parts: Parts<'a>,
    },
    /// An acknowledgement by itself.
    Ack {
        /// The header.
        header: Header,
        /// What the sender has received.
        ack: Ack<'a>,
        /// The sender waits for no answer below.
        lowest: u64,
    },
    /// Use this name for the session.
    Challenge {
        /// The header.
        header: Header,
    },
}

/// Why bytes are no message of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Another version, or a kind that version 1 does not have.
    Version,
    /// Cut short, too long, or out of range.
    Syntax,
}

impl<'a> Packet<'a> {
    /// Reads a message.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: bytes };
        let first = reader.u8().ok_or(Malformed::Version)?;
        let kind = first & !LIMIT;
        match kind {
            TELL if first == TELL => return Ok(Self::Tell),
            PART | ACK | CHALLENGE | BUNDLE => {}
            _ => return Err(Malformed::Version),
        }
        Self::parse_rest(kind, first & LIMIT != 0, &mut reader, bytes.len())
            .ok_or(Malformed::Syntax)
    }

    fn parse_rest(kind: u8, limit: bool, reader: &mut Reader<'a>, len: usize) -> Option<Self> {
        let (src, dst) = (reader.u64()?, reader.u64()?);
        let limit = if limit { Some(reader.uvarint()?) } else { None };
        let header = Header { src, dst, limit };
        if src == 0 {
            return None;
        }
        let packet = match kind {
            PART | BUNDLE => {
                let number = reader.uvarint()?;
                let count = reader.u8()?;
                let ack = if count == 0 { None } else { Some(reader.ack(count)?) };
                if kind == BUNDLE {
                    let parts = Parts { rest: reader.rest };
                    // One by itself is no bundle, and all of them are well formed or none is taken.
                    let count = parts.count_valid().filter(|count| *count > 1)?;
                    number.checked_add(count)?;
                    return Some(Self::Bundle { header, number, ack, parts });
                }
                let frame = reader.frame()?;
                let data = len - reader.rest.len();
                frame.is_consistent(reader.rest.len()).then_some(())?;
                return Some(Self::Part { header, number, ack, frame, data });
            }
            ACK => {
                let count = reader.u8()?;
                let ack = reader.ack(count)?;
                Self::Ack { header, ack, lowest: reader.uvarint()? }
            }
            _ => Self::Challenge { header },
        };
        reader.rest.is_empty().then_some(packet)
    }
}

impl Frame {
    /// Whether a part of `len` bytes may look like this.
    fn is_consistent(&self, len: usize) -> bool {
        match *self {
            Self::Request { total, offset, .. } | Self::Answer { total, offset, .. } => {
                // An empty part only of something empty.
                offset.checked_add(len as u64).is_some_and(|end| end <= total)
                    && (len > 0 || total == 0)
            }
            Self::Cancel { .. } | Self::Ping { .. } => len == 0,
        }
    }
}

/// The parts of a bundle, each with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// How many there are; `None` where one of them is malformed.
    fn count_valid(mut self) -> Option<u64> {
        let mut count = 0;
        while !self.rest.is_empty() {
            self.take_part()?;
            count += 1;
        }
        Some(count)
    }

    fn take_part(&mut self) -> Option<(Frame, &'a [u8])> {
        let mut reader = Reader { rest: self.rest };
        let len = usize::try_from(reader.uvarint()?).ok()?;
        let (part, rest) = reader.rest.split_at_checked(len)?;
        let mut reader = Reader { rest: part };
        let frame = reader.frame()?;
        frame.is_consistent(reader.rest.len()).then_some(())?;
        self.rest = rest;
        Some((frame, reader.rest))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (Frame, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.take_part()
    }
}

impl Ack<'_> {
    /// The ranges from the highest down, as half-open ranges.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut reader = Reader { rest: self.rest };
        let mut end = self.largest.saturating_add(1);
        (0..self.count).map_while(move |nth| {
            if nth > 0 {
                end = end.checked_sub(reader.uvarint()?)?;
            }
            let start = end.checked_sub(reader.uvarint()?)?;
            let range = (start, end);
            end = start;
            Some(range)
        })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    /// LEB128 in its shortest form.
    fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for nth in 0..10 {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit, and none but a first byte may add nothing.
            if (nth == 9 && bits > 1) || (nth > 0 && byte == 0) {
                return None;
            }
            value |= bits << (7 * nth);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn ack(&mut self, count: u8) -> Option<Ack<'a>> {
        if count == 0 || usize::from(count) > ACK_RANGES {
            return None;
        }
        let (largest, delay) = (self.uvarint()?, self.uvarint()?);
        let rest = self.rest;
        let mut end = largest.checked_add(1)?;
        for nth in 0..count {
            if nth > 0 {
                // Ranges that touched would be one.
                let gap = self.uvarint()?;
                end = end.checked_sub(gap).filter(|_| gap > 0)?;
            }
            let len = self.uvarint()?;
            end = end.checked_sub(len).filter(|_| len > 0)?;
        }
        let rest = rest.get(..rest.len() - self.rest.len())?;
        Some(Ack { largest, delay, count, rest })
    }

    fn frame(&mut self) -> Option<Frame> {
        Some(match self.u8()? {
            1 => Frame::Request {
                id: self.uvarint()?,
                lowest: self.uvarint()?,
                remaining: self.uvarint()?,
                total: self.uvarint()?,
                offset: self.uvarint()?,
            },
            2 => Frame::Answer {
                id: self.uvarint()?,
                status: self.status()?,
                total: self.uvarint()?,
                offset: self.uvarint()?,
            },
            3 => Frame::Cancel { id: self.uvarint()?, lowest: self.uvarint()? },
            4 => Frame::Ping { lowest: self.uvarint()? },
            _ => return None,
        })
    }

    fn status(&mut self) -> Option<Status> {
        Some(match self.u8()? {
            0 => Status::Reply,
            1 => Status::Refused(u32::try_from(self.uvarint()?).ok()?),
            2 => Status::TooLarge(self.uvarint()?),
            3 => Status::Busy,
            4 => Status::Gone,
            _ => return None,
        })
    }
}

/// A message that is being written, of one part or of several.
#[derive(Debug)]
pub(super) struct Writer {
    buf: Vec<u8>,
    /// Where the last frame begins.
    frame_at: usize,
    parts: usize,
}

impl Writer {
    /// A part up to its acknowledgement.
    pub(super) fn part(room: Vec<u8>, header: Header, number: u64) -> Self {
        let mut writer = Self::begin(room, PART, header);
        writer.uvarint(number);
        writer
    }

    /// An acknowledgement by itself, up to its ranges.
    pub(super) fn ack_only(room: Vec<u8>, header: Header) -> Self {
        Self::begin(room, ACK, header)
    }

    /// A challenge.
    pub(super) fn challenge(room: Vec<u8>, header: Header) -> Self {
        Self::begin(room, CHALLENGE, header)
    }

    fn begin(mut buf: Vec<u8>, kind: u8, header: Header) -> Self {
        buf.clear();
        let mut writer = Self { buf, frame_at: 0, parts: 0 };
        writer.u8(kind | if header.limit.is_some() { LIMIT } else { 0 });
        writer.bytes(&header.src.to_be_bytes());
        writer.bytes(&header.dst.to_be_bytes());
        if let Some(limit) = header.limit {
            writer.uvarint(limit);
        }
        writer
    }

    /// No acknowledgement.
    pub(super) fn no_ack(&mut self) {
        self.u8(0);
    }

    /// The `count` highest ranges, given from the highest down.
    pub(super) fn ack(
        &mut self,
        delay: u64,
        ranges: impl Iterator<Item = (u64, u64)>,
        count: usize,
    ) {
        let count_at = self.buf.len();
        self.u8(0);
        let mut written = 0;
        let mut before = None;
        for (start, end) in ranges.take(count.min(ACK_RANGES)) {
            match before {
                None => {
                    self.uvarint(end.saturating_sub(1));
                    self.uvarint(delay);
                }
                Some(before) => self.uvarint(u64::saturating_sub(before, end)),
            }
            self.uvarint(end.saturating_sub(start));
            before = Some(start);
            written += 1;
        }
        if let Some(count) = self.buf.get_mut(count_at) {
            *count = written;
        }
    }

    /// The frame of a part.
    pub(super) fn frame(&mut self, frame: &Frame) {
        self.frame_at = self.buf.len();
        self.parts += 1;
        match *frame {
            Frame::Request { id, lowest, remaining, total, offset } => {
                self.u8(1);
                self.uvarints(&[id, lowest, remaining, total, offset]);
            }
            Frame::Answer { id, status, total, offset } => {
                self.u8(2);
                self.uvarint(id);
                self.status(status);
                self.uvarints(&[total, offset]);
            }
            Frame::Cancel { id, lowest } => {
                self.u8(3);
                self.uvarints(&[id, lowest]);
            }
            Frame::Ping { lowest } => {
                self.u8(4);
                self.uvarint(lowest);
            }
        }
    }

    fn status(&mut self, status: Status) {
        match status {
            Status::Reply => self.u8(0),
            Status::Refused(code) => {
                self.u8(1);
                self.uvarint(code.into());
            }
            Status::TooLarge(limit) => {
                self.u8(2);
                self.uvarint(limit);
            }
            Status::Busy => self.u8(3),
            Status::Gone => self.u8(4),
        }
    }

    /// A number: LEB128.
    pub(super) fn uvarint(&mut self, value: u64) {
        self.bytes(Uvarint::new(value).as_bytes());
    }

    /// The length of what was written with `frame` behind it.
    pub(super) fn len_with(&self, frame: &Frame) -> usize {
        let numbers =
            |values: &[u64]| values.iter().map(|value| uvarint_len(*value)).sum::<usize>();
        let frame = match *frame {
            Frame::Request { id, lowest, remaining, total, offset } => {
                numbers(&[id, lowest, remaining, total, offset])
            }
            Frame::Answer { id, status, total, offset } => {
                let value = match status {
                    Status::Refused(code) => uvarint_len(code.into()),
                    Status::TooLarge(limit) => uvarint_len(limit),
                    Status::Reply | Status::Busy | Status::Gone => 0,
                };
                1 + value + numbers(&[id, total, offset])
            }
            Frame::Cancel { id, lowest } => numbers(&[id, lowest]),
            Frame::Ping { lowest } => uvarint_len(lowest),
        };
        self.buf.len() + 1 + frame
    }

    fn uvarints(&mut self, values: &[u64]) {
        for value in values {
            self.uvarint(*value);
        }
    }

    /// How much was written, the data of the last frame apart.
    pub(super) const fn len(&self) -> usize {
        self.buf.len()
    }

    /// Nothing is sent: the room for the next.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.buf
    }

    /// How many parts there are.
    pub(super) const fn parts(&self) -> usize {
        self.parts
    }

    /// Whether a part of this frame and `len` bytes of data can go along within `unit` bytes, `body` being
    /// the data of what was written last.
    pub(super) fn has_room(&self, body: usize, frame: &Frame, len: usize, unit: usize) -> bool {
        // Two lengths may have to be written that are not there yet.
        let lengths = 2 * uvarint_len(unit as u64);
        let used = self.len_with(frame).saturating_add(body).saturating_add(lengths);
        used.saturating_add(len) <= unit
    }

    /// Takes the data of the last frame in, so that another can follow.
    pub(super) fn join(&mut self, body: &[u8]) {
        if let Some(first) = self.buf.first_mut() {
            *first = (*first & LIMIT) | BUNDLE;
        }
        let len = (self.buf.len() - self.frame_at + body.len()) as u64;
        let prefix = Uvarint::new(len);
        self.buf.splice(self.frame_at..self.frame_at, prefix.as_bytes().iter().copied());
        self.bytes(body);
    }

    /// The message, `body` being the data of the last frame; and the room for the next.
    pub(super) fn finish(mut self, body: Bytes) -> (Payload, Vec<u8>) {
        let payload = if self.parts > 1 {
            self.join(&body);
            Payload::new(Bytes::copy_from_slice(&self.buf))
        } else {
            let mut payload = Payload::new(body);
            payload.prepend(&self.buf);
            payload
        };
        (payload, self.buf)
    }

    fn u8(&mut self, byte: u8) {
        self.buf.push(byte);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }
}

/// Bytes of a number as LEB128.
const fn uvarint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}
