//! Key files on disk, in a folder of their own that is removed at the end.

use super::super::{file::*, *};
use super::key;
use crate::seed::{Rng, Seed};
use alloc::{format, string::ToString as _};
use core::sync::atomic::{AtomicU32, Ordering};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

/// A folder for one test, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tellask-key-{}-{count}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rng() -> Rng {
    Seed::from_u64(8).rng("files")
}

fn create_pkcs8(path: &Path, key: &SecretKey) -> Result<(), CreateKeyError> {
    create(path, key, KeyFormat::Pkcs8, None, &mut rng())
}

/// The error, since a [`SecretKey`] compares with nothing.
#[track_caller]
fn refused(path: &Path) -> LoadKeyError {
    load(path, None, None).expect_err("this should not have been loaded")
}

#[test]
fn a_key_comes_back_from_its_file() {
    let folder = Folder::new();
    let (path, secret) = (folder.path("key"), key(21));
    create_pkcs8(&path, &secret).unwrap();
    assert_eq!(load(&path, None, None).unwrap().id(), secret.id());
    let format = Some(KeyFormat::Pkcs8);
    assert_eq!(load(&path, format, None).unwrap().id(), secret.id());
}

#[cfg(feature = "openssh")]
#[test]
fn a_key_comes_back_from_an_encrypted_file() {
    let folder = Folder::new();
    let (path, secret) = (folder.path("key"), key(22));
    create(&path, &secret, KeyFormat::OpenSsh, Some(b"word"), &mut rng()).unwrap();
    assert_eq!(load(&path, None, Some(b"word")).unwrap().id(), secret.id());
    let error = refused(&path);
    assert!(error.to_string().ends_with("give its passphrase"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_new_file_and_the_folders_above_it_are_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.path("one/two/key");
    create_pkcs8(&path, &key(23)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path("one/two")), 0o700);
    assert_eq!(mode(&folder.path("one")), 0o700);
}

#[test]
fn no_file_is_ever_overwritten() {
    let folder = Folder::new();
    let path = folder.path("key");
    fs::write(&path, "precious").unwrap();
    let error = create_pkcs8(&path, &key(24)).unwrap_err();
    assert_eq!(error, CreateKeyError::Exists(path.clone()));
    assert!(error.to_string().contains("never overwritten"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_not_followed() {
    let folder = Folder::new();
    let path = folder.path("key");
    std::os::unix::fs::symlink(folder.path("target"), &path).unwrap();
    let error = create_pkcs8(&path, &key(24)).unwrap_err();
    assert_eq!(error, CreateKeyError::Exists(path));
    assert!(!folder.path("target").exists());
}

#[test]
fn a_key_that_cannot_be_written_leaves_no_file() {
    let folder = Folder::new();
    let path = folder.path("new/key");
    let created = create(&path, &key(25), KeyFormat::GoP2p, None, &mut rng());
    assert_eq!(created, Err(CreateKeyError::Key(WriteKeyError::ReadOnly)));
    assert!(!folder.path("new").exists());
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    let folder = Folder::new();
    let file = folder.path("file");
    fs::write(&file, "").unwrap();
    let error = create_pkcs8(&file.join("key"), &key(26)).unwrap_err();
    assert!(matches!(&error, CreateKeyError::Folder { path, .. } if *path == file), "{error:?}");
    assert!(error.to_string().ends_with("choose another path"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.path("it's a key");
    create_pkcs8(&path, &key(27)).unwrap();
    for mode in [0o640, 0o604, 0o644, 0o660, 0o601, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(&path);
        assert_eq!(error, LoadKeyError::OpenToOthers { path: path.clone(), mode });
        let text = error.to_string();
        let (_, command) = text.split_once("run: ").unwrap();
        let status = process::Command::new("sh").args(["-c", command]).status();
        assert!(status.unwrap().success(), "{command}");
        assert!(load(&path, None, None).is_ok(), "{command}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(load(&path, None, None).is_ok(), "stricter is fine");
}

#[test]
fn what_is_missing_or_no_file_or_too_large_is_said() {
    let folder = Folder::new();
    let missing = folder.path("missing");
    let error = refused(&missing).to_string();
    assert!(error.starts_with("there is no key file"), "{error}");
    assert_eq!(refused(&folder.0), LoadKeyError::NotAFile(folder.0.clone()));
    let large = folder.path("large");
    create_pkcs8(&large, &key(28)).unwrap();
    fs::write(&large, [b'\n'; 16 * 1024 + 1]).unwrap();
    assert_eq!(refused(&large), LoadKeyError::TooLarge(large.clone()));
    fs::write(&large, [b'\n'; 16 * 1024]).unwrap();
    let error = KeyError::Unrecognised;
    assert_eq!(refused(&large), LoadKeyError::Key { path: large, error });
}

#[test]
fn a_public_key_may_be_open_to_all_but_must_not_be_a_secret_one() {
    let folder = Folder::new();
    let path = folder.path("key.pub");
    fs::write(&path, include_bytes!("../fixtures/ssh_keygen.pub")).unwrap();
    assert!(load_public(&path).is_ok());
    let secret = folder.path("key");
    create_pkcs8(&secret, &key(29)).unwrap();
    assert_eq!(
        load_public(&secret),
        Err(LoadKeyError::Key { path: secret, error: KeyError::SecretGiven })
    );
}
