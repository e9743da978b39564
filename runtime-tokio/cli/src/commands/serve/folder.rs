//! Files of one folder, by their names. The format is that of [`ranges`](crate::ranges).
//!
//! A name is a path within the folder. Refused are absolute ones, those with `..`, `.` or an empty
//! part, symbolic links that lead out of the folder, and whatever is no regular file. Who may write
//! into the folder is trusted: a link that is put there between the check and the opening may lead out.

use crate::failure::Failure;
use crate::ranges::{CHANGED, MALFORMED, NOT_FOUND, Part, Request, UNREADABLE};
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};
use tellask::swarm::Refusal;

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let unread = |why: io::Error| Failure::bad_input(format!("{}: {why}", path.display()));
        let root = path.canonicalize().map_err(unread)?;
        // Whether it can be read is known before anybody asks.
        root.read_dir().map_err(unread)?;
        Ok(Self { root })
    }

    /// The part that a request asks for. Blocks while the file is read.
    pub(super) fn answer(&self, request: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Some(Request { offset, length, name }) = Request::read(request) else {
            return Err(Refusal::new(
                MALFORMED,
                "files are served here: tellask get asks for them",
            ));
        };
        let unread = |error: io::Error| refuse(UNREADABLE, name, reason(&error));
        let mut file = self.open(name)?;
        let before = file.metadata().map_err(unread)?;
        let size = before.len();
        let mut answer = Part::head(size, stamp(&before));
        let head = answer.len();
        let length = u64::from(length).min(size.saturating_sub(offset));
        if length > 0 {
            file.seek(SeekFrom::Start(offset)).map_err(unread)?;
            (&mut file).take(length).read_to_end(&mut answer).map_err(unread)?;
        }
        let after = file.metadata().map_err(unread)?;
        if stamp(&after) != stamp(&before) || (answer.len() - head) as u64 != length {
            return Err(refuse(CHANGED, name, "it was changed while it was read"));
        }
        Ok(answer)
    }

    fn open(&self, name: &str) -> Result<File, Refusal> {
        let path = self.locate(name)?;
        let missing = |error: io::Error| {
            if error.kind() == ErrorKind::NotFound {
                refuse(NOT_FOUND, name, NO_FILE)
            } else {
                refuse(UNREADABLE, name, reason(&error))
            }
        };
        // Before it is opened: that alone does something to some devices.
        if !path.symlink_metadata().map_err(missing)?.is_file() {
            return Err(refuse(NOT_FOUND, name, "not a file"));
        }
        let file = options().open(path).map_err(missing)?;
        if !file.metadata().map_err(missing)?.is_file() {
            return Err(refuse(NOT_FOUND, name, "not a file"));
        }
        Ok(file)
    }

    /// Where the file of this name is, without links.
    fn locate(&self, name: &str) -> Result<PathBuf, Refusal> {
        let normal = |part| matches!(part, Component::Normal(_));
        let parts = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let foreign = name.contains(['\0', '\\']) || (cfg!(windows) && name.contains(':'));
        if !parts || foreign || !Path::new(name).components().all(normal) {
            return Err(refuse(
                NOT_FOUND,
                name,
                "a name is a path within the folder, without `.`, `..` or empty parts",
            ));
        }
        let path = self.root.join(name).canonicalize();
        // What is outside is not even known to be there.
        path.ok()
            .filter(|path| path.starts_with(&self.root))
            .ok_or_else(|| refuse(NOT_FOUND, name, NO_FILE))
    }
}

const NO_FILE: &str = "no such file here";

fn refuse(code: u32, name: &str, why: &str) -> Refusal {
    Refusal::new(code, format!("{name}: {why}"))
}

/// Why a file cannot be read, without the words of this machine's system.
fn reason(error: &io::Error) -> &'static str {
    if error.kind() == ErrorKind::PermissionDenied {
        "it may not be read"
    } else {
        "it cannot be read"
    }
}

#[cfg(unix)]
fn options() -> OpenOptions {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    // No link that was put there since, and no wait for whoever writes into a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits() as i32);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

/// Another one where a file was changed, or replaced by another.
fn stamp(metadata: &Metadata) -> u64 {
    let mut hash = Sha256::new();
    hash.update(metadata.len().to_be_bytes());
    let modified = metadata.modified().ok();
    let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    hash.update(modified.unwrap_or_default().as_nanos().to_be_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        for value in [metadata.dev(), metadata.ino()] {
            hash.update(value.to_be_bytes());
        }
        for value in [metadata.ctime(), metadata.ctime_nsec()] {
            hash.update(value.to_be_bytes());
        }
    }
    let digest = hash.finalize();
    let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(folder: &Folder, offset: u64, name: &str) -> Part {
        let request = Request { offset, length: 4, name }.write();
        Part::read(folder.answer(&request).expect("a part").into()).expect("an answer")
    }

    #[test]
    fn ranges_of_a_file_have_its_bytes_and_one_stamp_until_it_changes() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path()).unwrap();
        std::fs::create_dir(place.path().join("in")).unwrap();
        let path = place.path().join("in/file");
        std::fs::write(&path, "0123456").unwrap();
        let parts = [0, 4, 7, u64::MAX].map(|offset| part(&folder, offset, "in/file"));
        assert_eq!(
            parts.each_ref().map(|part| &part.content[..]),
            [&b"0123"[..], b"456", b"", b""]
        );
        assert!(parts.iter().all(|part| (part.size, part.stamp) == (7, parts[0].stamp)));
        std::fs::write(&path, "01234567").unwrap();
        assert_ne!(part(&folder, 0, "in/file").stamp, parts[0].stamp);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path()).unwrap();
        for bytes in [&b""[..], b"hello", &[0; 40]] {
            assert_eq!(folder.answer(bytes).map_err(|refusal| refusal.code), Err(MALFORMED));
        }
    }
}
