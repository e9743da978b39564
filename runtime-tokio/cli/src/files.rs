//! Files that are read and written whole.

use crate::failure::Failure;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// All of a file, which has at most `limit` bytes.
pub(crate) fn whole(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let unread =
        |why: &dyn std::fmt::Display| Failure::bad_input(format!("{}: {why}", path.display()));
    let mut all = Vec::new();
    let mut file = File::open(path).map_err(|error| unread(&error))?.take(limit as u64 + 1);
    file.read_to_end(&mut all).map_err(|error| unread(&error))?;
    if all.len() > limit {
        return Err(unread(&format_args!("over the limit of {limit} bytes")));
    }
    Ok(all)
}
