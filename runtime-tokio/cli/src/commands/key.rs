//! `tellask key`: make, show, import.

use crate::args::{KeyCommand, KeyImportArgs, KeyNewArgs, KeyShowArgs, ReadFormat, WriteFormat};
use crate::config;
use crate::failure::Failure;
use crate::json::Record;
use crate::key::{self, Passphrase, PassphraseArgs};
use crate::output::Output;
use base64ct::{Base64, Base64Unpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use tellask::identity::{KeyFormat, PublicKey, SecretKey, file};

pub(super) fn run(command: KeyCommand, out: &Output) -> Result<(), Failure> {
    match command {
        KeyCommand::New(args) => new(args, out),
        KeyCommand::Show(args) => show(&args, out),
        KeyCommand::Import(args) => import(&args, out),
    }
}

fn new(args: KeyNewArgs, out: &Output) -> Result<(), Failure> {
    let args = args.out;
    let path = or_default(args.out)?;
    // Before anybody types a passphrase for nothing.
    refuse_existing(&path)?;
    let passphrase = if args.passphrase {
        Some(key::ask_new()?)
    } else {
        PassphraseArgs { passphrase_file: args.passphrase_file }.read()?
    };
    let key = SecretKey::generate(&mut key::rng()?);
    write(&path, &key, args.format, passphrase.as_ref())?;
    written(&path, &key, out)
}

fn show(args: &KeyShowArgs, out: &Output) -> Result<(), Failure> {
    let key = args.key.load()?;
    let path = args.key.path()?;
    let public = key.public();
    let spki = Base64::encode_string(&public.to_spki());
    let record = Record::new("key")
        .text("id", key.id())
        .text("spki", &spki)
        .text("ssh", ssh_line(public))
        .text("ssh_fingerprint", ssh_fingerprint(public))
        .text("file", path.display());
    let id = key.id();
    let fingerprint = ssh_fingerprint(public);
    out.say(
        record,
        format_args!(
            "{}\n{} {spki}\n{} {}\n{} {fingerprint}\n{} {}",
            format_args!("{} {}", out.dim("id         "), out.bold(id)),
            out.dim("spki       "),
            out.dim("ssh        "),
            ssh_line(public),
            out.dim("fingerprint"),
            out.dim("file       "),
            path.display()
        ),
    )
}

fn import(args: &KeyImportArgs, out: &Output) -> Result<(), Failure> {
    let path = or_default(args.out.clone())?;
    refuse_existing(&path)?;
    let format = args.format.map(|format| match format {
        ReadFormat::Pkcs8 => KeyFormat::Pkcs8,
        ReadFormat::Openssh => KeyFormat::OpenSsh,
        ReadFormat::GoP2p => KeyFormat::GoP2p,
    });
    let (key, passphrase) = args.passphrase.load(&args.file, format)?;
    // Whoever asks for a format without a passphrase gets that.
    let kept = passphrase.filter(|_| args.out_format != Some(WriteFormat::Pkcs8));
    write(&path, &key, args.out_format, kept.as_ref())?;
    written(&path, &key, out)
}

fn or_default(path: Option<PathBuf>) -> Result<PathBuf, Failure> {
    path.map_or_else(config::key_file, Ok)
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::bad_input(file::CreateKeyError::Exists(path.into())));
    }
    Ok(())
}

fn write(
    path: &Path,
    key: &SecretKey,
    format: Option<WriteFormat>,
    passphrase: Option<&Passphrase>,
) -> Result<(), Failure> {
    let format = match format {
        Some(WriteFormat::Pkcs8) => KeyFormat::Pkcs8,
        Some(WriteFormat::Openssh) => KeyFormat::OpenSsh,
        None if passphrase.is_some() => KeyFormat::OpenSsh,
        None => KeyFormat::Pkcs8,
    };
    let passphrase = passphrase.map(|passphrase| passphrase.as_bytes());
    file::create(path, key, format, passphrase, &mut key::rng()?).map_err(Failure::bad_input)
}

fn written(path: &Path, key: &SecretKey, out: &Output) -> Result<(), Failure> {
    let record = Record::new("key_written").text("id", key.id()).text("file", path.display());
    out.say(record, format_args!("{} {}", out.bold(key.id()), out.dim(path.display())))
}

/// The public key as SSH sends it (RFC 4253 section 6.6, RFC 8709 section 4).
fn ssh_blob(key: &PublicKey) -> Vec<u8> {
    let mut blob = Vec::new();
    for part in [&b"ssh-ed25519"[..], key.as_bytes()] {
        // Both parts have a few bytes.
        blob.extend_from_slice(&(part.len() as u32).to_be_bytes());
        blob.extend_from_slice(part);
    }
    blob
}

/// The public key as a line of `authorized_keys`.
fn ssh_line(key: &PublicKey) -> String {
    format!("ssh-ed25519 {}", Base64::encode_string(&ssh_blob(key)))
}

/// The public key as `ssh-keygen -l` names it.
fn ssh_fingerprint(key: &PublicKey) -> String {
    format!("SHA256:{}", Base64Unpadded::encode_string(&Sha256::digest(ssh_blob(key))))
}
