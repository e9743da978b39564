//! The wire format above QUIC's own; the table is in the [module documentation](super).

use crate::swarm::{AskError, Refusal};
use alloc::vec::Vec;
use core::time::Duration;
use quinn_proto::VarInt;

/// The protocol that the Go implementation speaks too.
pub(super) const P2P: &[u8] = b"p2p";
/// Ours: the same, but requests say how long their asker waits, and refusals what the application says.
pub(super) const OURS: &[u8] = b"tellask/1";

/// The largest message there is, in bytes: the Go implementation takes no more.
pub(super) const MESSAGE_MAX: usize = 1 << 20;

/// Set in the length of an answer that is a refusal.
const REFUSAL: u32 = 1 << 31;

/// Codes of streams that are reset or stopped, and of connections that are closed.
pub(super) mod code {
    use super::VarInt;

    /// Nothing is wrong.
    pub(in super::super) const DONE: VarInt = VarInt::from_u32(0);
    /// Nobody waits for it any more.
    pub(in super::super) const CANCELLED: VarInt = VarInt::from_u32(1);
    /// There is too much to do.
    pub(in super::super) const BUSY: VarInt = VarInt::from_u32(2);
    /// The message is over the limit.
    pub(in super::super) const TOO_LARGE: VarInt = VarInt::from_u32(3);
    /// It is not a message of the protocol.
    pub(in super::super) const MALFORMED: VarInt = VarInt::from_u32(4);
    /// The policy excludes the peer.
    pub(in super::super) const DENIED: VarInt = VarInt::from_u32(5);
    /// Somebody else was expected.
    pub(in super::super) const WRONG_PEER: VarInt = VarInt::from_u32(6);
}

/// What stands above the codes of refusals by applications, of which the low half is the application's.
const APPLICATION: u64 = 1 << 32;

/// The code by which an application's refusal is told to whoever understands no more.
pub(super) fn refused(refusal: &Refusal) -> VarInt {
    VarInt::from_u64(APPLICATION | u64::from(refusal.code)).unwrap_or(code::DONE)
}

/// Why there is no answer, by the code that its stream was reset with.
pub(super) fn reset(code: VarInt) -> AskError {
    let number = code.into_inner();
    if code == code::BUSY {
        AskError::Busy
    } else if code == code::TOO_LARGE {
        AskError::TooLarge { limit: MESSAGE_MAX }
    } else if number & !u64::from(u32::MAX) == APPLICATION {
        // Cut to the half that is the application's.
        AskError::Refused(Refusal::new(number as u32, Vec::new()))
    } else {
        AskError::Refused(Refusal::unanswered())
    }
}

/// What stands in front of a request.
pub(super) fn request_head(len: usize, remaining: Option<Duration>) -> Vec<u8> {
    let mut head = Vec::with_capacity(8);
    head.extend_from_slice(&length(len).to_be_bytes());
    if let Some(remaining) = remaining {
        // Rounded up, so that nothing ends before its time; a longer time than can be said is as long as can be.
        let millis = remaining.as_nanos().div_ceil(1_000_000);
        head.extend_from_slice(&u32::try_from(millis).unwrap_or(u32::MAX).to_be_bytes());
    }
    head
}

/// What stands in front of an answer.
pub(super) fn answer_head(len: usize) -> [u8; 4] {
    length(len).to_be_bytes()
}

/// A refusal, for whoever speaks our protocol. What does not fit of its detail is left out.
pub(super) fn refusal(refusal: &Refusal) -> Vec<u8> {
    let detail = refusal.detail.get(..MESSAGE_MAX - 4).unwrap_or(&refusal.detail);
    let mut frame = Vec::with_capacity(8 + detail.len());
    frame.extend_from_slice(&(REFUSAL | length(4 + detail.len())).to_be_bytes());
    frame.extend_from_slice(&refusal.code.to_be_bytes());
    frame.extend_from_slice(detail);
    frame
}

/// Messages are below [`MESSAGE_MAX`], which was seen to.
fn length(len: usize) -> u32 {
    u32::try_from(len.min(MESSAGE_MAX)).unwrap_or_default()
}

/// The beginning of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) len: usize,
    pub(super) remaining: Option<Duration>,
}

/// What there is of a request's head, once all of it is there, and how long it is.
pub(super) fn read_request_head(bytes: &[u8], ours: bool) -> Option<(RequestHead, usize)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let len = u32::from_be_bytes(*len) as usize;
    if !ours {
        return Some((RequestHead { len, remaining: None }, 4));
    }
    let millis = u32::from_be_bytes(*rest.first_chunk()?);
    let remaining = Some(Duration::from_millis(millis.into()));
    Some((RequestHead { len, remaining }, 8))
}

/// The beginning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) len: usize,
    pub(super) refusal: bool,
}

/// What there is of an answer's head, once all of it is there; it has 4 bytes.
pub(super) fn read_answer_head(bytes: &[u8], ours: bool) -> Option<(AnswerHead, usize)> {
    let len = u32::from_be_bytes(*bytes.first_chunk()?);
    let refusal = ours && len & REFUSAL != 0;
    let len = if refusal { len & !REFUSAL } else { len };
    Some((AnswerHead { len: len as usize, refusal }, 4))
}

/// A refusal, of what follows its head.
pub(super) fn read_refusal(bytes: &[u8]) -> Refusal {
    match bytes.split_first_chunk() {
        Some((code, detail)) => Refusal::new(u32::from_be_bytes(*code), detail),
        None => Refusal::unanswered(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written_and_not_before_they_are_whole() {
        let wait = Duration::from_millis(1_500);
        let head = request_head(300, Some(wait));
        for cut in 0..head.len() {
            assert_eq!(read_request_head(&head[..cut], true), None);
        }
        let whole = RequestHead { len: 300, remaining: Some(wait) };
        assert_eq!(read_request_head(&head, true), Some((whole, 8)));
        assert_eq!(request_head(300, None), head[..4]);
        let plain = RequestHead { len: 300, remaining: None };
        assert_eq!(read_request_head(&head, false), Some((plain, 4)));
        assert_eq!(
            read_answer_head(&answer_head(7), true),
            Some((AnswerHead { len: 7, refusal: false }, 4))
        );
    }

    #[test]
    fn times_are_rounded_up_and_as_long_as_can_be_said() {
        for (time, said) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(7), 7),
            (Duration::MAX, u32::MAX),
        ] {
            let (head, _) = read_request_head(&request_head(0, Some(time)), true).unwrap();
            assert_eq!(head.remaining, Some(Duration::from_millis(said.into())));
        }
    }

    #[test]
    fn a_refusal_comes_with_its_detail_or_with_its_code_alone() {
        let said = Refusal::new(70_000, *b"no such thing");
        let frame = refusal(&said);
        let (head, at) = read_answer_head(&frame, true).unwrap();
        assert_eq!((head.refusal, head.len), (true, frame.len() - 4));
        assert_eq!(read_refusal(&frame[at..]), said);
        // To others it is an answer of 2 GiB, which is an error.
        let (head, _) = read_answer_head(&frame, false).unwrap();
        assert!(head.len > MESSAGE_MAX);

        let bare = Refusal::new(70_000, Vec::new());
        assert_eq!(reset(refused(&said)), AskError::Refused(bare));
        assert_eq!(reset(code::BUSY), AskError::Busy);
        assert_eq!(reset(code::TOO_LARGE), AskError::TooLarge { limit: MESSAGE_MAX });
        assert_eq!(reset(VarInt::MAX), AskError::Refused(Refusal::unanswered()));
        assert_eq!(read_refusal(&[1, 2]), Refusal::unanswered());
    }
}
