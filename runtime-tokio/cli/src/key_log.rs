//! The secrets of QUIC's connections, in the file that `SSLKEYLOGFILE` names: only where the command was built with the
//! feature `insecure-key-log`. Whoever has the file reads everything.

use crate::failure::Failure;
use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tellask::key_log::KeyLog;

/// What names the file, as for browsers.
const VARIABLE: &str = "SSLKEYLOGFILE";

/// Where secrets go, if the user wants them; the user is told that they do. All nodes of the command write to one file, which keeps
/// what it has: each line is one write at its end.
pub(crate) fn wanted() -> Result<Option<KeyLog>, Failure> {
    static OPEN: Mutex<Option<Arc<File>>> = Mutex::new(None);
    let Some(path) = env::var_os(VARIABLE).filter(|path: &OsString| !path.is_empty()) else {
        return Ok(None);
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match &*open {
        Some(file) => Arc::clone(file),
        None => {
            let path = Path::new(&path);
            let file = create(path).map_err(|error| {
                let path = path.display();
                Failure::bad_input(format_args!(
                    "{VARIABLE} names {path}, which is no file to write to: {error}"
                ))
            })?;
            // Whoever does not hear of it is not to be recorded for it.
            let path = path.display();
            let warning = format!(
                "tellask: secrets are written to {path}: whoever has that file reads everything"
            );
            writeln!(io::stderr(), "{warning}").map_err(Failure::failed)?;
            Arc::clone(open.insert(Arc::new(file)))
        }
    };
    Ok(Some(KeyLog::new(move |entry| {
        // A secret that is not written is missing in the file, no more.
        let _ = (&*file).write_all(format!("{entry}\n").as_bytes());
    })))
}

/// To be added to; where it is new, for the user's eyes only.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
