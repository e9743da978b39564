//! Two nodes at the ends of a serial line: what somebody does who has a UART and no network.
//!
//! A line carries bytes, one after the other, and garbles or loses some. Frames are those of SLIP (RFC 1055):
//! a datagram between two `END`s, in which `END` and `ESC` are written as two bytes each. A frame has no checksum:
//! p2pke refuses what was garbled, as it refuses what was forged.

use crate::{Secure, node};
use alloc::collections::VecDeque;
use alloc::vec;
use core::time::Duration;
use tellask::seed::Rng;
use tellask::{BytesMut, Datagram, DatagramInput, Event, Instant, MemoryAddr, PeerAddr, Seed};

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// The longest frame that is taken; a longer one is noise, in which an `END` was lost.
const LONGEST: usize = 512;

/// Bytes of a millisecond, at 115,200 baud.
const BYTES: usize = 11;

/// One byte in so many is garbled, and one is lost.
const GARBLED: u64 = 2_000;

/// Messages that are told, ten a second.
const MESSAGES: u8 = 50;

/// One direction of the line.
struct Line {
    bytes: VecDeque<u8>,
    frame: BytesMut,
    escaped: bool,
    noise: Rng,
    garbled: u32,
}

impl Line {
    fn new(seed: &Seed) -> Self {
        Self {
            bytes: VecDeque::new(),
            frame: BytesMut::new(),
            escaped: false,
            noise: seed.rng("noise"),
            garbled: 0,
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.bytes.push_back(END);
        for byte in datagram {
            match *byte {
                END => self.bytes.extend([ESC, ESC_END]),
                ESC => self.bytes.extend([ESC, ESC_ESC]),
                byte => self.bytes.push_back(byte),
            }
        }
        self.bytes.push_back(END);
    }

    /// Receives a byte, and returns the frame that it ends.
    fn receive(&mut self) -> Option<BytesMut> {
        let mut byte = self.bytes.pop_front()?;
        let fault = self.noise.u64() % GARBLED;
        if fault == 0 {
            self.garbled += 1;
            return None;
        }
        if fault == 1 {
            self.garbled += 1;
            byte ^= 0x10;
        }
        let escaped = core::mem::take(&mut self.escaped);
        match byte {
            END => return Some(self.frame.split()).filter(|frame| !frame.is_empty()),
            ESC => self.escaped = true,
            _ if self.frame.len() == LONGEST => self.frame.clear(),
            ESC_END if escaped => self.frame.extend_from_slice(&[END]),
            ESC_ESC if escaped => self.frame.extend_from_slice(&[ESC]),
            byte => self.frame.extend_from_slice(&[byte]),
        }
        None
    }
}

/// One end of the line.
struct End {
    node: Secure,
    addr: PeerAddr<MemoryAddr>,
    peer: MemoryAddr,
}

impl End {
    fn send(&mut self, now: Instant, line: &mut Line) {
        self.node.handle_timeout(now);
        while let Some(Datagram { payload, .. }) = self.node.poll_transmit() {
            line.send(&payload.into_bytes());
        }
    }

    fn receive(&mut self, now: Instant, line: &mut Line) {
        for _ in 0..BYTES {
            if let Some(payload) = line.receive() {
                let (src, dst) = (self.peer, self.addr.addr);
                self.node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
            }
        }
    }
}

/// One end tells, the other echoes, over a line that garbles bytes both ways.
pub(crate) fn run() -> Result<(), &'static str> {
    let [mut near, mut far] = [1, 2].map(|number| {
        let (node, addr) = node(number);
        End { node, addr, peer: MemoryAddr(3 - number) }
    });
    let seed = Seed::from_u64(7);
    let (mut to_far, mut to_near) =
        (Line::new(&seed.child("there")), Line::new(&seed.child("back")));
    let (mut now, mut told, mut echoed) = (Instant::ZERO, 0, 0);
    for millisecond in 0..10_000 {
        now = now + Duration::from_millis(1);
        if millisecond % 100 == 0 && told < MESSAGES {
            let accepted = near.node.tell(now, far.addr, vec![told; 40]);
            accepted.map_err(|_| "a message was not accepted at the near end\n")?;
            told += 1;
        }
        near.send(now, &mut to_far);
        far.send(now, &mut to_near);
        near.receive(now, &mut to_near);
        far.receive(now, &mut to_far);
        while let Some(event) = far.node.poll_event() {
            let Event::Told(message) = event else { continue };
            let accepted = far.node.tell(now, message.src, message.payload.freeze());
            accepted.map_err(|_| "a message was not accepted at the far end\n")?;
        }
        while let Some(event) = near.node.poll_event() {
            let Event::Told(message) = event else { continue };
            let whole = message.payload.len() == 40;
            if message.src != far.addr
                || !whole
                || message.payload.iter().any(|byte| *byte != message.payload[0])
            {
                return Err("something else came back over the line\n");
            }
            echoed += 1;
        }
    }
    if to_far.garbled + to_near.garbled == 0 {
        return Err("the line was too good\n");
    }
    if echoed < MESSAGES / 2 || echoed > MESSAGES {
        return Err("too few messages came back over the line, or too many\n");
    }
    Ok(())
}
