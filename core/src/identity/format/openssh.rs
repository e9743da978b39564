//! OpenSSH private key files (PROTOCOL.key of OpenSSH), by way of the crate `ssh-key`.

use super::{KeyError, KeyFormat, SecretKey, WriteKeyError};
use crate::seed::Rng;
use alloc::string::String;
use ssh_key::{
    Cipher, Error, Kdf, LineEnding, PrivateKey,
    private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData},
    public::Ed25519PublicKey,
};
use zeroize::Zeroizing;

/// Rounds of bcrypt for new files; each costs a few milliseconds, here and for a guesser.
const ROUNDS: u32 = 24;

/// Most rounds that are run for a file: the file chooses, and each takes milliseconds.
const MAX_ROUNDS: u32 = 1024;

const MALFORMED: KeyError = KeyError::Malformed(KeyFormat::OpenSsh);

pub(super) fn read(pem: &[u8], passphrase: Option<&[u8]>) -> Result<SecretKey, KeyError> {
    let mut file = PrivateKey::from_openssh(pem).map_err(refusal)?;
    if file.is_encrypted() {
        if let Kdf::Bcrypt { rounds, .. } = file.kdf()
            && *rounds > MAX_ROUNDS
        {
            return Err(KeyError::TooManyRounds(*rounds));
        }
        if !matches!(
            file.cipher(),
            Cipher::Aes128Ctr
                | Cipher::Aes192Ctr
                | Cipher::Aes256Ctr
                | Cipher::Aes128Gcm
                | Cipher::Aes256Gcm
                | Cipher::ChaCha20Poly1305
        ) {
            return Err(KeyError::UnsupportedCipher);
        }
        // Without it a wrong passphrase could not be told from another algorithm's key.
        if !file.algorithm().is_ed25519() {
            return Err(KeyError::OtherAlgorithm);
        }
        let passphrase = passphrase.ok_or(KeyError::PassphraseNeeded)?;
        file = file.decrypt(passphrase).map_err(|error| match error {
            Error::Encoding(_) | Error::AlgorithmUnsupported { .. } => refusal(error),
            _ => KeyError::WrongPassphrase,
        })?;
    }
    let KeypairData::Ed25519(pair) = file.key_data() else {
        return Err(KeyError::OtherAlgorithm);
    };
    let key = SecretKey::from_seed(pair.private.as_ref());
    if pair.public.0 == *key.public().as_bytes() { Ok(key) } else { Err(KeyError::HalvesDiffer) }
}

pub(super) fn write(
    key: &SecretKey,
    passphrase: Option<&[u8]>,
    rng: &mut Rng,
) -> Result<Zeroizing<String>, WriteKeyError> {
    let pair = Ed25519Keypair {
        public: Ed25519PublicKey(*key.public().as_bytes()),
        private: Ed25519PrivateKey::from_bytes(key.seed()),
    };
    let encoding = |_| WriteKeyError::Encoding;
    let mut file = PrivateKey::new(KeypairData::Ed25519(pair), "").map_err(encoding)?;
    match passphrase {
        None => {}
        Some([]) => return Err(WriteKeyError::EmptyPassphrase),
        Some(passphrase) => {
            let kdf = Kdf::Bcrypt { salt: rng.bytes::<16>().to_vec(), rounds: ROUNDS };
            file = file
                .encrypt_with(Cipher::Aes256Ctr, kdf, rng.u32(), passphrase)
                .map_err(encoding)?;
        }
    }
    file.to_openssh(LineEnding::LF).map_err(encoding)
}

fn refusal(error: Error) -> KeyError {
    match error {
        Error::AlgorithmUnknown | Error::AlgorithmUnsupported { .. } => KeyError::OtherAlgorithm,
        Error::PublicKey => KeyError::HalvesDiffer,
        _ => MALFORMED,
    }
}
