//! Files by ranges: what `tellask get` asks and `tellask serve --dir` answers.
//!
//! A file of any size takes as many asks as it takes; each is answered by itself, so they may be in
//! flight side by side, and neither side keeps anything in between. Numbers are big endian.
//!
//! | request | bytes |
//! |---|---|
//! | version: 1 | 1 |
//! | offset | 8 |
//! | length, [`PART`] at the most | 4 |
//! | the file's name: its path within the folder, `/` between its parts; UTF-8 | 1 to [`MAX_NAME`] |
//!
//! | answer | bytes |
//! |---|---|
//! | the file's size | 8 |
//! | stamp: another one means that the file was changed in between | 8 |
//! | what the file has from the offset on | the length, or less where the file ends |
//!
//! Refusals have a text for whoever asked, and one of the codes in this module.

use tellask::Bytes;

/// Most bytes of a file that one answer has.
pub(crate) const PART: usize = 256 * 1024;
/// Most bytes of a name.
pub(crate) const MAX_NAME: usize = 1024;

/// The request makes no sense.
pub(crate) const MALFORMED: u32 = 1;
/// There is no such file, or none that is served.
pub(crate) const NOT_FOUND: u32 = 2;
/// It cannot be read.
pub(crate) const UNREADABLE: u32 = 3;
/// It was changed while it was read.
pub(crate) const CHANGED: u32 = 4;

const VERSION: u8 = 1;

/// Which bytes of which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) name: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let Self { offset, length, name } = self;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes
    }

    /// `None` where the bytes are no request.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&VERSION, bytes) = bytes.split_first()? else { return None };
        let (offset, bytes) = bytes.split_first_chunk()?;
        let (length, name) = bytes.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        let fits = (1..=MAX_NAME).contains(&name.len()) && length as usize <= PART;
        let name = str::from_utf8(name).ok().filter(|_| fits)?;
        Some(Self { offset: u64::from_be_bytes(*offset), length, name })
    }
}

/// Some bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The whole file's.
    pub(crate) size: u64,
    pub(crate) stamp: u64,
    pub(crate) content: Bytes,
}

impl Part {
    /// What stands before the content.
    pub(crate) fn head(size: u64, stamp: u64) -> Vec<u8> {
        [size.to_be_bytes(), stamp.to_be_bytes()].concat()
    }

    /// `None` where the bytes are no answer.
    pub(crate) fn read(mut bytes: Bytes) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (size, stamp) = (u64::from_be_bytes(*size), u64::from_be_bytes(*stamp));
        let content = bytes.split_off(bytes.len() - rest.len());
        Some(Self { size, stamp, content })
    }

    /// How many bytes from `offset` on belong into one part of a file of this size.
    pub(crate) fn len_at(size: u64, offset: u64) -> usize {
        let rest = size.saturating_sub(offset);
        usize::try_from(rest).map_or(PART, |rest| rest.min(PART))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_it_was_written() {
        let request = Request { offset: u64::MAX - 1, length: 7, name: "a/b" };
        let bytes = request.write();
        assert_eq!(bytes.len(), 13 + 3);
        assert_eq!(Request::read(&bytes), Some(request));
    }

    #[test]
    fn what_is_no_request_is_not_read() {
        let whole = Request { offset: 0, length: PART as u32, name: "é" }.write();
        for len in 0..whole.len() {
            assert_eq!(Request::read(&whole[..len]), None, "{len} bytes");
        }
        assert!(Request::read(&whole).is_some());
        let mut version = whole.clone();
        version[0] = 2;
        assert_eq!(Request::read(&version), None, "of another version");
        let long = "x".repeat(MAX_NAME + 1);
        for (length, name) in [(PART as u32 + 1, "x"), (1, long.as_str())] {
            assert_eq!(Request::read(&Request { offset: 0, length, name }.write()), None);
        }
    }

    #[test]
    fn an_answer_reads_as_it_was_written() {
        let mut bytes = Part::head(300_000, 9);
        assert_eq!(Part::read(bytes.clone().into()).unwrap().content, "");
        bytes.extend_from_slice(b"content");
        let part = Part::read(bytes.clone().into()).unwrap();
        assert_eq!(part, Part { size: 300_000, stamp: 9, content: "content".into() });
        assert_eq!(Part::read(bytes[..15].to_vec().into()), None);
        assert_eq!(Part::len_at(300_000, PART as u64), 300_000 - PART);
        assert_eq!((Part::len_at(u64::MAX, 5), Part::len_at(5, 6)), (PART, 0));
    }
}
