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
/// come to that.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    beside: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let unmade = |why: &dyn Display| Failure::bad_input(format!("{}: {why}", path.display()));
        if path.is_dir() {
            return Err(unmade(&"a folder, where a file is to be written"));
        }
        let name = path.file_name().ok_or_else(|| unmade(&"no file name"))?;
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{:08x}.part", key::rng()?.u64()));
        let beside = path.with_file_name(beside);
        let file = File::create_new(&beside).map_err(|error| unmade(&error))?;
        Ok(Self { file, beside, path: path.into(), finished: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| self.unwritten(&error))
    }

    /// The file is whole.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        fs::rename(&self.beside, &self.path).map_err(|error| self.unwritten(&error))?;
        self.finished = true;
        Ok(())
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        Failure::failed(format_args!("{}: {error}", self.path.display()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed either is left to the user.
            let _ = fs::remove_file(&self.beside);
        }
    }
}
