//! The bytes of a message on their way down.
//!
//! A [`Payload`] is a short inline head and a shared body. Every layer prepends its header to the
//! head without touching the body, so a fragmenter can slice a body it never copies and a message
//! crosses the whole stack with the one copy that its seal makes. Upward, messages are plain
//! `BytesMut`, so that they are opened in place.
//!
//! Bounds: the head holds [`Payload::HEAD`] bytes inline. A header that does not fit spills: head
//! and body are joined in a new body, which costs one allocation and one copy.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};
use core::fmt;
use core::hash::{Hash, Hasher};

/// A message on its way down: headers in front, the application's bytes behind.
#[derive(Clone)]
pub struct Payload {
    head: Head,
    body: Bytes,
}

/// Filled from the end, so that a prepended header needs no move: the head is `buf[start..]`. Of
/// three words of 16 bytes, because payloads are moved often.
#[derive(Clone)]
#[repr(align(16))]
struct Head {
    buf: [u8; Payload::HEAD],
    start: u8,
}

impl Payload {
    /// Bytes of headers that fit inline. Five layers have been seen to use 37.
    pub const HEAD: usize = 47;

    /// A payload without headers.
    #[must_use]
    pub const fn new(body: Bytes) -> Self {
        Self { head: Head { buf: [0; Self::HEAD], start: Self::HEAD as u8 }, body }
    }

    /// Length in bytes, headers included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head().len() + self.body.len()
    }

    /// Whether there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The headers so far, outermost first.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.head.buf.get(usize::from(self.head.start)..).unwrap_or(&[])
    }

    /// What follows the head.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Puts `header` in front of everything.
    pub fn prepend(&mut self, header: &[u8]) {
        let end = usize::from(self.head.start);
        if let Some(start) = end.checked_sub(header.len()) {
            if let Some(room) = self.head.buf.get_mut(start..end) {
                room.copy_from_slice(header);
                // `start` is below `HEAD`, which fits.
                self.head.start = start as u8;
            }
            return;
        }
        let mut joined = BytesMut::with_capacity(header.len() + self.len());
        joined.put_slice(header);
        self.write_to(&mut joined);
        *self = Self::new(joined.freeze());
    }

    /// Appends head and body to `out`: the copy that a seal or a socket makes.
    pub fn write_to(&self, out: &mut impl BufMut) {
        out.put_slice(self.head());
        out.put_slice(&self.body);
    }

    /// The bytes as a receiver gets them. No copy where there is no head and nobody else holds the body.
    #[must_use]
    pub fn into_mut(self) -> BytesMut {
        if self.head().is_empty() {
            match self.body.try_into_mut() {
                Ok(body) => return body,
                Err(shared) => return BytesMut::from(&shared[..]),
            }
        }
        let mut out = BytesMut::with_capacity(self.len());
        self.write_to(&mut out);
        out
    }

    /// The bytes in one piece. No copy where there is no head.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.head().is_empty() { self.body } else { self.into_mut().freeze() }
    }

    /// Cuts the payload into pieces of at most `size` bytes, which share the body. A head is
    /// joined to the body first. An empty payload is one empty piece; `size` zero counts as one.
    pub fn pieces(self, size: usize) -> impl ExactSizeIterator<Item = Bytes> {
        let size = size.max(1);
        let whole = self.into_bytes();
        let count = whole.len().div_ceil(size).max(1);
        (0..count).map(move |index| {
            let from = index * size;
            whole.slice(from..whole.len().min(from.saturating_add(size)))
        })
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::new(Bytes::new())
    }
}

/// Says the length only: payloads are nobody's business but the application's.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .head()
                .iter()
                .chain(&self.body[..])
                .eq(other.head().iter().chain(&other.body[..]))
    }
}

impl Eq for Payload {}

/// Like equality, of the bytes alone: where the head ends does not matter.
impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        for byte in self.head().iter().chain(&self.body[..]) {
            state.write_u8(*byte);
        }
    }
}

impl From<Bytes> for Payload {
    fn from(body: Bytes) -> Self {
        Self::new(body)
    }
}

impl From<BytesMut> for Payload {
    fn from(body: BytesMut) -> Self {
        Self::new(body.freeze())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(body: Vec<u8>) -> Self {
        Self::new(body.into())
    }
}

impl From<String> for Payload {
    fn from(body: String) -> Self {
        Self::new(body.into())
    }
}

impl From<&'static [u8]> for Payload {
    fn from(body: &'static [u8]) -> Self {
        Self::new(Bytes::from_static(body))
    }
}

impl<const N: usize> From<&'static [u8; N]> for Payload {
    fn from(body: &'static [u8; N]) -> Self {
        Self::new(Bytes::from_static(body))
    }
}

impl From<&'static str> for Payload {
    fn from(body: &'static str) -> Self {
        Self::new(Bytes::from_static(body.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn headers_stand_in_front_in_the_order_they_were_put() {
        let mut payload = Payload::from("body");
        payload.prepend(b"inner ");
        payload.prepend(b"outer ");
        assert_eq!(payload.head(), b"outer inner ");
        assert_eq!(&payload.into_bytes()[..], b"outer inner body");
    }

    #[test]
    fn a_header_that_does_not_fit_spills_and_nothing_is_lost() {
        let mut payload = Payload::from("body");
        payload.prepend(&[1; 40]);
        payload.prepend(&[2; 40]);
        payload.prepend(&[3; 4]);
        let mut expected = vec![3; 4];
        expected.extend_from_slice(&[2; 40]);
        expected.extend_from_slice(&[1; 40]);
        expected.extend_from_slice(b"body");
        assert_eq!(payload.len(), expected.len());
        assert_eq!(&payload.into_mut()[..], &expected[..]);
    }

    #[test]
    fn a_head_of_exactly_the_inline_size_does_not_spill() {
        let mut payload = Payload::from("x");
        payload.prepend(&[7; Payload::HEAD]);
        assert_eq!(payload.head().len(), Payload::HEAD);
        assert_eq!(payload.body().len(), 1);
    }

    #[test]
    fn a_body_that_nobody_else_holds_is_not_copied_upward() {
        let body = Bytes::from(vec![9; 100]);
        let at = body.as_ptr();
        assert_eq!(Payload::new(body).into_mut().as_ptr(), at);
    }

    #[test]
    fn pieces_share_the_body_and_cover_it() {
        let body = Bytes::from(vec![5; 10]);
        let at = body.as_ptr();
        let pieces: Vec<Bytes> = Payload::new(body).pieces(4).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(pieces[0].as_ptr(), at);
        assert_eq!(Payload::default().pieces(4).len(), 1);
    }
}
