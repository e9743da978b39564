//! What the command writes: to standard output, to people, and to files.

use crate::Failure;
use core::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::path::Path;

/// Writes to standard output. Whoever has closed it wants no more of it, and that is no failure.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Usage(format!("standard output: {why}")))
        }
        _ => Ok(()),
    }
}

/// Tells whoever looks on. Where nobody can, that changes nothing.
pub(crate) fn tell(text: impl Display) {
    let _ = write!(stderr().lock(), "{text}");
}

/// Writes a whole file, and makes the folder that it is to be in.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), String> {
    make_folder_of(file).and_then(|()| fs::write(file, text)).map_err(said_of(file))
}

/// Sees to it that a file can be written to, before the work that it is for. What is in it stays.
pub(crate) fn ready(file: &Path) -> Result<File, String> {
    let open = || OpenOptions::new().create(true).truncate(false).write(true).open(file);
    make_folder_of(file).and_then(|()| open()).map_err(said_of(file))
}

/// Opens an empty file to write to, and makes the folder that it is to be in.
pub(crate) fn create(file: &Path) -> Result<File, String> {
    make_folder_of(file).and_then(|()| File::create(file)).map_err(said_of(file))
}

pub(crate) fn said_of(file: &Path) -> impl Fn(std::io::Error) -> String {
    move |why| format!("{}: {why}", file.display())
}

fn make_folder_of(file: &Path) -> std::io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)
}
