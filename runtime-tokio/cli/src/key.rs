//! The key that a node proves itself with: from a file, made at first use.

use crate::config;
use crate::failure::Failure;
use crate::output::Output;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use tellask::identity::{KeyError, KeyFormat, SecretKey, file};
use tellask::seed::{Rng, Seed};
use zeroize::Zeroizing;

/// Most bytes of a passphrase file.
const MAX_PASSPHRASE: u64 = 1024;

/// Which key to use, and how to open it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeyArgs {
    /// The secret key to use [default: key.pem in your configuration folder, made at first use]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// How to open an encrypted key.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// Read the key's passphrase from the first line of FILE, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// A passphrase, wiped on drop.
pub(crate) type Passphrase = Zeroizing<String>;

impl KeyArgs {
    /// The file that is meant.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        self.key.clone().map_or_else(config::key_file, Ok)
    }

    /// The key: the one that was named, or the user's own, which is made where there is none.
    pub(crate) fn load_or_create(&self, out: &Output) -> Result<SecretKey, Failure> {
        let path = self.path()?;
        let first_use = self.key.is_none() && matches!(path.try_exists(), Ok(false));
        if !first_use {
            return self.load();
        }
        let mut rng = rng()?;
        let key = SecretKey::generate(&mut rng);
        match file::create(&path, &key, KeyFormat::Pkcs8, None, &mut rng) {
            Ok(()) => {}
            // Another process had its first use at the same time.
            Err(file::CreateKeyError::Exists(_)) => return self.load(),
            Err(error) => return Err(Failure::bad_input(error)),
        }
        out.note(format_args!("made your key {}: you are {}", path.display(), key.id()));
        Ok(key)
    }

    /// The key, which must be there.
    pub(crate) fn load(&self) -> Result<SecretKey, Failure> {
        let path = self.path()?;
        if self.key.is_none() && matches!(path.try_exists(), Ok(false)) {
            return Err(Failure::bad_input(format_args!(
                "you have no key yet: make {} with: tellask key new",
                path.display()
            )));
        }
        Ok(self.passphrase.load(&path, None)?.0)
    }
}

impl PassphraseArgs {
    /// The key in this file, and the passphrase that it took to open it.
    pub(crate) fn load(
        &self,
        path: &Path,
        format: Option<KeyFormat>,
    ) -> Result<(SecretKey, Option<Passphrase>), Failure> {
        match file::load(path, format, None) {
            Ok(key) => Ok((key, None)),
            Err(file::LoadKeyError::Key { error: KeyError::PassphraseNeeded, .. }) => {
                let passphrase = match self.read()? {
                    Some(passphrase) => passphrase,
                    None => ask(&format!("passphrase of {}: ", path.display()))?,
                };
                file::load(path, format, Some(passphrase.as_bytes()))
                    .map(|key| (key, Some(passphrase)))
                    .map_err(Failure::bad_input)
            }
            Err(error) => Err(Failure::bad_input(error)),
        }
    }

    /// The passphrase in the file that was named, if one was.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>, Failure> {
        let Some(path) = &self.passphrase_file else { return Ok(None) };
        let failed = |why: &dyn std::fmt::Display| {
            Failure::bad_input(format!("the passphrase file {}: {why}", path.display()))
        };
        let file = fs::File::open(path).map_err(|error| failed(&error))?;
        let mut text = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE as usize + 1));
        file.take(MAX_PASSPHRASE + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
        if text.len() as u64 > MAX_PASSPHRASE {
            return Err(failed(&"a passphrase has at most 1024 bytes"));
        }
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Some(Zeroizing::new(line.into()))),
            _ => Err(failed(&"its first line is empty, and should be the passphrase")),
        }
    }
}

/// A new passphrase, asked for twice.
pub(crate) fn ask_new() -> Result<Passphrase, Failure> {
    let first = ask("new passphrase: ")?;
    if first.is_empty() {
        return Err(Failure::bad_input("the passphrase is empty: leave out --passphrase for none"));
    }
    if *first != *ask("the same again: ")? {
        return Err(Failure::bad_input("the two passphrases differ: try again"));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    let unasked = "nobody can be asked for the passphrase here: give --passphrase-file FILE";
    if !io::stdin().is_terminal() {
        return Err(Failure::bad_input(unasked));
    }
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| Failure::bad_input(unasked))
}

/// 32 bytes from the operating system's generator.
pub(crate) fn os_seed() -> Result<Seed, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| {
        Failure::failed(format_args!("the operating system gives no random numbers: {error}"))
    })?;
    Ok(Seed::new(*bytes))
}

/// A generator for keys and salts.
pub(crate) fn rng() -> Result<Rng, Failure> {
    Ok(os_seed()?.rng("tellask-cli"))
}
