//! The folder of a user: where the key and the names of peers are.
//!
//! `$XDG_CONFIG_HOME/tellask` where that is set; else `%APPDATA%\tellask` on Windows and
//! `~/.config/tellask` elsewhere.

use crate::failure::Failure;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The user's key, where no other is named.
pub(crate) fn key_file() -> Result<PathBuf, Failure> {
    Ok(folder()?.join("key.pem"))
}

/// The names of peers.
pub(crate) fn peers_file() -> Result<PathBuf, Failure> {
    Ok(folder()?.join("peers"))
}

fn folder() -> Result<PathBuf, Failure> {
    // A relative path is to be ignored (XDG base directory specification).
    let absolute = |name| {
        let path = env::var_os(name).filter(|value: &OsString| !value.is_empty());
        path.map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CONFIG_HOME").or_else(|| {
        if cfg!(windows) {
            absolute("APPDATA")
        } else {
            env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config"))
        }
    });
    base.map(|base| base.join("tellask")).ok_or_else(|| {
        Failure::bad_input("there is no home folder to keep keys and names in: set XDG_CONFIG_HOME")
    })
}
