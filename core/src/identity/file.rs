//! Key files on disk (feature `std`).
//!
//! The only IO in this crate, and no machine: blocking calls for a program to make before its
//! node starts. A secret key file is created with mode 0600 in folders made with mode 0700,
//! and never overwrites anything. One that others could have read is refused with the command
//! that mends it. Files of more than 16 KiB, and what is no file, are not read.

use super::{KeyError, KeyFormat, PublicKey, SecretKey, WriteKeyError};
use crate::seed::Rng;
use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};
use core::fmt;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Most bytes of a file that are read; key files have a few hundred.
const MAX_LEN: usize = 16 * 1024;

/// Reads the secret key in the file at `path`; `format` and `passphrase` as in
/// [`SecretKey::read`]. Blocks.
///
/// # Errors
/// [`LoadKeyError`]; on Unix also where the file's mode lets anybody but its owner at it.
pub fn load(
    path: &Path,
    format: Option<KeyFormat>,
    passphrase: Option<&[u8]>,
) -> Result<SecretKey, LoadKeyError> {
    let content = content(path, refuse_open_to_others)?;
    SecretKey::read(&content, format, passphrase)
        .map_err(|error| LoadKeyError::Key { path: path.to_owned(), error })
}

/// Reads the public key in the file at `path`, as in [`PublicKey::read`]. Blocks.
///
/// # Errors
/// [`LoadKeyError`].
pub fn load_public(path: &Path) -> Result<PublicKey, LoadKeyError> {
    let content = content(path, |_, _| Ok(()))?;
    PublicKey::read(&content).map_err(|error| LoadKeyError::Key { path: path.to_owned(), error })
}

/// Writes `key` to a new file at `path`, readable by its owner only, and the folders above it
/// where there are none; `format`, `passphrase` and `rng` as in [`SecretKey::write`]. Blocks
/// until the file is on disk.
///
/// # Errors
/// [`CreateKeyError`]; where anything is at `path` already, that is left as it is.
pub fn create(
    path: &Path,
    key: &SecretKey,
    format: KeyFormat,
    passphrase: Option<&[u8]>,
    rng: &mut Rng,
) -> Result<(), CreateKeyError> {
    let text = key.write(format, passphrase, rng).map_err(CreateKeyError::Key)?;
    let failed = |error: io::Error| CreateKeyError::failed(path, error.kind());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folders().create(folder).map_err(|error| CreateKeyError::Folder {
            path: folder.to_owned(),
            kind: error.kind(),
        })?;
    }
    let mut file = private_file().open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        drop(file);
        // Half a key helps nobody, and would be in the way of the next attempt. Where even
        // this fails, the error to report is still the first.
        let _ = fs::remove_file(path);
        return Err(failed(error));
    }
    Ok(())
}

/// The file's content, after `check` has seen the opened file.
fn content(
    path: &Path,
    check: impl FnOnce(&Path, &File) -> Result<(), LoadKeyError>,
) -> Result<Zeroizing<Vec<u8>>, LoadKeyError> {
    let failed =
        |error: io::Error| LoadKeyError::Read { path: path.to_owned(), kind: error.kind() };
    // Before it is opened: to open a pipe is to wait for its other end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(LoadKeyError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(failed)?;
    check(path, &file)?;
    // Room for all of it at once: a growing vector leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
    file.take(MAX_LEN as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() > MAX_LEN {
        return Err(LoadKeyError::TooLarge(path.to_owned()));
    }
    Ok(content)
}

#[cfg(unix)]
fn refuse_open_to_others(path: &Path, file: &File) -> Result<(), LoadKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file
        .metadata()
        .map_err(|error| LoadKeyError::Read { path: path.to_owned(), kind: error.kind() })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(LoadKeyError::OpenToOthers { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: &File) -> Result<(), LoadKeyError> {
    Ok(())
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Why a key was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The operating system did not let it be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What it said.
        kind: ErrorKind,
    },
    /// A folder, a pipe or a device.
    NotAFile(PathBuf),
    /// More than 16 KiB.
    TooLarge(PathBuf),
    /// Others than its owner may read, change or run it.
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode, the lower twelve bits.
        mode: u32,
    },
    /// Its content is not the key that is wanted.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        error: KeyError,
    },
}

impl fmt::Display for LoadKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, kind } => {
                let path = path.display();
                match kind {
                    ErrorKind::NotFound => {
                        write!(f, "there is no key file {path}, make one or give another path")
                    }
                    ErrorKind::PermissionDenied => write!(
                        f,
                        "the key file {path} may not be read by this user, run as its owner or give another path"
                    ),
                    kind => write!(f, "the key file {path} cannot be read: {kind}"),
                }
            }
            Self::NotAFile(path) => {
                write!(f, "{} is not a file, give the path of a key file", path.display())
            }
            Self::TooLarge(path) => write!(
                f,
                "{} is larger than any key file (16 KiB), give the path of a key file",
                path.display()
            ),
            Self::OpenToOthers { path, mode } => write!(
                f,
                "the key file {} is open to others than its owner (mode {mode:04o}), run: chmod 600 {}",
                path.display(),
                shell_word(path)
            ),
            Self::Key { path, error } => write!(f, "the key file {}: {error}", path.display()),
        }
    }
}

impl core::error::Error for LoadKeyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Key { error, .. } => Some(error),
            Self::Read { .. }
            | Self::NotAFile(_)
            | Self::TooLarge(_)
            | Self::OpenToOthers { .. } => None,
        }
    }
}

/// Why a key file was not created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateKeyError {
    /// Something is there already.
    Exists(PathBuf),
    /// A folder above it could not be made.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        kind: ErrorKind,
    },
    /// The file could not be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        kind: ErrorKind,
    },
    /// The key cannot be written in this way.
    Key(WriteKeyError),
}

impl CreateKeyError {
    fn failed(path: &Path, kind: ErrorKind) -> Self {
        let path = path.to_owned();
        match kind {
            ErrorKind::AlreadyExists => Self::Exists(path),
            kind => Self::Write { path, kind },
        }
    }
}

impl fmt::Display for CreateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "{} exists and is never overwritten, choose another path or move it away",
                path.display()
            ),
            Self::Folder { path, kind } => write!(
                f,
                "the folder {} cannot be made ({kind}), choose another path",
                path.display()
            ),
            Self::Write { path, kind } => write!(
                f,
                "the key file {} cannot be written ({kind}), choose another path",
                path.display()
            ),
            Self::Key(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for CreateKeyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Key(error) => Some(error),
            Self::Exists(_) | Self::Folder { .. } | Self::Write { .. } => None,
        }
    }
}

/// The path as one word of a POSIX shell, and no option.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
