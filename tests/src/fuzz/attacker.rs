//! An attacker on the path between two nodes, who does to each datagram what a list of bytes says.

use core::iter::Copied;
use core::slice::Iter;
use tellask::BytesMut;

/// Someone on the path of two nodes. Each datagram takes a byte that says what is done to it, and the bytes
/// that are put in.
pub(super) struct Attacker<'a> {
    deeds: Copied<Iter<'a, u8>>,
    kept: Vec<BytesMut>,
}

/// What comes of a datagram: what goes on to where it was bound for, and what goes back.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) forward: Vec<BytesMut>,
    pub(super) back: Vec<BytesMut>,
}

impl<'a> Attacker<'a> {
    pub(super) fn new(deeds: &'a [u8]) -> Self {
        Self { deeds: deeds.iter().copied(), kept: Vec::new() }
    }

    /// Whether it has anything left to do.
    pub(super) fn is_here(&self) -> bool {
        self.deeds.len() > 0
    }

    /// A byte of the list, for what is not its own deed.
    pub(super) fn byte(&mut self) -> u8 {
        self.deeds.next().unwrap_or(0)
    }

    pub(super) fn pass(&mut self, mut datagram: BytesMut) -> Passed {
        let mut passed = Passed::default();
        match self.byte() % 9 {
            1 => datagram.clear(),
            2 => flip(&mut datagram, &mut self.deeds),
            3 => datagram.truncate(usize::from(self.byte())),
            4 => passed.forward.push(datagram.clone()),
            5 => self.kept.push(datagram.clone()),
            6 => passed.forward.push(self.kept.pop().unwrap_or_default()),
            // Its own words, thrown back at it.
            7 => passed.back.push(datagram.clone()),
            8 => {
                let len = usize::from(self.byte());
                passed.forward.push(self.deeds.by_ref().take(len).collect());
            }
            _ => {}
        }
        passed.forward.push(datagram);
        passed
    }
}

/// Flips a bit, at a place that two bytes say.
fn flip(datagram: &mut [u8], deeds: &mut impl Iterator<Item = u8>) {
    let place = u16::from_be_bytes([deeds.next().unwrap_or(0), deeds.next().unwrap_or(0)]);
    let len = datagram.len().max(1);
    if let Some(byte) = datagram.get_mut(usize::from(place) / 8 % len) {
        *byte ^= 1 << (place % 8);
    }
}

/// Cuts `data` into datagrams, each after two bytes that say how long it is, or as long as the
/// rest.
pub(super) fn datagrams(mut data: &[u8]) -> impl Iterator<Item = BytesMut> {
    core::iter::from_fn(move || {
        let (len, rest) = data.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (datagram, rest) = rest.split_at(len);
        data = rest;
        Some(BytesMut::from(datagram))
    })
}
