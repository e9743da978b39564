//! Files that are read and written whole.

use crate::failure::Failure;
use crate::key;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// All of a file, which has at most `limit` bytes.
pub(crate) fn whole(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let unread = |why: &dyn Display| Failure::bad_input(format!("{}: {why}", path.display()));
    let mut all = Vec::new();
    let mut file = File::open(path).map_err(|error| unread(&error))?.take(limit as u64 + 1);
    file.read_to_end(&mut all).map_err(|error| unread(&error))?;
    if all.len() > limit {
        return Err(unread(&format_args!("over the limit of {limit} bytes")));
    }
    Ok(all)
}

/// A file that is being written beside the one that it replaces at the end. Removed where it does not
/// come to that. What is no file, such as a pipe or `/dev/null`, is written to and not replaced, and a
/// link stays one.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    /// What takes the place of `path` once it is whole.
    draft: Option<PathBuf>,
    path: PathBuf,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let unmade = |why: &dyn Display| Failure::bad_input(format!("{}: {why}", path.display()));
        let known = fs::metadata(path);
        if known.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(unmade(&"a folder, where a file is to be written"));
        }
        let place = match known {
            Ok(known) if !known.is_file() => {
                let file =
                    File::options().write(true).open(path).map_err(|error| unmade(&error))?;
                return Ok(Self { file, draft: None, path: path.into() });
            }
            Ok(_) => path.canonicalize().map_err(|error| unmade(&error))?,
            // What is wrong with it shows when the draft is made.
            Err(_) => path.into(),
        };
        let name = place.file_name().ok_or_else(|| unmade(&"no file name"))?;
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{:08x}.part", key::rng()?.u64()));
        let draft = place.with_file_name(beside);
        let file = File::create_new(&draft).map_err(|error| unmade(&error))?;
        Ok(Self { file, draft: Some(draft), path: place })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| self.unwritten(&error))
    }

    /// The file is whole.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if let Some(draft) = &self.draft {
            fs::rename(draft, &self.path).map_err(|error| self.unwritten(&error))?;
            self.draft = None;
        }
        Ok(())
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        Failure::failed(format_args!("{}: {error}", self.path.display()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            // What cannot be removed either is left to the user.
            let _ = fs::remove_file(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_once_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "old").unwrap();
        let mut half = NewFile::create(&path).unwrap();
        half.write(b"ha").unwrap();
        drop(half);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut whole = NewFile::create(&path).unwrap();
        whole.write(b"new").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(place.path().read_dir().unwrap().count(), 1, "no draft is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_is_no_file_is_written_to() {
        let place = tempfile::tempdir().unwrap();
        let (path, link) = (place.path().join("file"), place.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = NewFile::create(&link).unwrap();
        file.write(b"new").unwrap();
        file.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let pipe = place.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let mut file = NewFile::create(&pipe).unwrap();
        file.write(b"through").unwrap();
        file.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert_eq!(place.path().read_dir().unwrap().count(), 3);
    }
}
