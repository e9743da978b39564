//! TLS 1.3 (RFC 8446) as QUIC uses it here: both sides prove an Ed25519 key, and nothing else counts.
//!
//! Each side presents one self-signed certificate. Of the other's only the SubjectPublicKeyInfo is read: no
//! chain, name, date or extension is looked at, nor the certificate's own signature; the CertificateVerify message
//! proves the key, and is verified as strictly as all signatures here. Sessions are never resumed, so there are no
//! tickets and no early data, and each connection proves its keys anew.

use super::Setup;
use super::clock::Date;
use super::random::{Lent, X25519};
use crate::identity::{PublicKey, SecretKey};
use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, KeyProvider, SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureAlgorithm,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The largest certificate that is looked at, in bytes.
pub(super) const CERTIFICATE_MAX: usize = 4_096;

/// The cipher suites of TLS 1.3 by whichever library there is, with our own key exchange and randomness.
fn provider(kx_groups: Vec<&'static dyn SupportedKxGroup>) -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc")]
    let library = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc")))]
    let library = rustls::crypto::ring::default_provider();
    let tls13 = |suite: &rustls::SupportedCipherSuite| suite.tls13().is_some();
    Arc::new(CryptoProvider {
        cipher_suites: library.cipher_suites.into_iter().filter(tls13).collect(),
        kx_groups,
        signature_verification_algorithms: NO_CHAINS,
        secure_random: &Lent,
        key_provider: &NoFiles,
    })
}

/// How keys are agreed on, the preferred first.
fn kx_groups(setup: &Setup<'_>) -> Vec<&'static dyn SupportedKxGroup> {
    #[cfg(feature = "ml-kem")]
    if setup.ml_kem {
        return vec![&super::hybrid::X25519MlKem768, &X25519];
    }
    let _ = setup;
    vec![&X25519]
}

/// Chains of certificates are never built.
const NO_CHAINS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms { all: &[], mapping: &[] };

/// Keys come from the node, never from files.
#[derive(Debug)]
struct NoFiles;

impl KeyProvider for NoFiles {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("keys are not loaded here".to_string()))
    }
}

/// What both sides of TLS are configured with: the dialler's, and the other's.
pub(super) fn configs(
    setup: &Setup<'_>,
    date: Date,
    protocols: &[&[u8]],
) -> Result<(Arc<rustls::ClientConfig>, Arc<rustls::ServerConfig>), Error> {
    let key = &setup.key;
    let (provider, date) = (provider(kx_groups(setup)), Arc::new(date));
    let certified = CertifiedKey::new(vec![certificate(key)?], Arc::new(NodeKey(key.clone())));
    let identity = Arc::new(SingleCertAndKey::from(certified));
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|name| name.to_vec()).collect();
    let versions = &[&rustls::version::TLS13];

    let details = (Arc::clone(&provider), Arc::clone(&date));
    let mut client = rustls::ClientConfig::builder_with_details(details.0, details.1)
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByKey))
        .with_client_cert_resolver(identity.clone());
    client.alpn_protocols.clone_from(&protocols);
    client.enable_sni = false;
    client.resumption = rustls::client::Resumption::disabled();

    let mut server = rustls::ServerConfig::builder_with_details(provider, date)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(ByKey))
        .with_cert_resolver(identity);
    server.alpn_protocols = protocols;
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    #[cfg(feature = "insecure-key-log")]
    if let Some(log) = &setup.diagnostics.insecure_key_log {
        let log = Arc::new(Secrets(log.clone()));
        client.key_log = log.clone();
        server.key_log = log;
    }
    Ok((Arc::new(client), Arc::new(server)))
}

/// Takes the secrets of TLS to the application's sink. Without one, rustls has one that keeps none.
#[cfg(feature = "insecure-key-log")]
#[derive(Debug)]
struct Secrets(crate::key_log::KeyLog);

#[cfg(feature = "insecure-key-log")]
impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, identifier: &[u8], secret: &[u8]) {
        self.0.log(&crate::key_log::Entry { label, identifier, secret });
    }
}

/// The key that a peer has proven, of what quinn-proto says of its identity.
pub(super) fn proven_key(identity: Option<Box<dyn Any>>) -> Option<PublicKey> {
    let chain = identity?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let [leaf] = chain.as_slice() else { return None };
    key_of(leaf).ok()
}

/// A self-signed certificate of this key. The same key has one.
pub(super) fn certificate(key: &SecretKey) -> Result<CertificateDer<'static>, Error> {
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, key.id().to_string());
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = name;
    params.serial_number = Some(rcgen::SerialNumber::from(vec![1]));
    let certificate = params.self_signed(&NodeKey(key.clone()));
    certificate.map(CertificateDer::from).map_err(|error| Error::General(error.to_string()))
}

/// The key in a certificate, where that is an Ed25519 key.
pub(super) fn key_of(certificate: &[u8]) -> Result<PublicKey, Error> {
    let bad = Error::InvalidCertificate(CertificateError::BadEncoding);
    if certificate.len() > CERTIFICATE_MAX {
        return Err(bad);
    }
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => {
            let spki = parsed.tbs_certificate.subject_pki.raw;
            PublicKey::from_spki(spki).map_err(|_| bad)
        }
        _ => Err(bad),
    }
}

/// A node's key, which signs for TLS and for its own certificate.
#[derive(Clone, Debug)]
struct NodeKey(SecretKey);

impl rcgen::PublicKeyData for NodeKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public().as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for NodeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_vec())
    }
}

impl SigningKey for NodeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for NodeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Takes one certificate with an Ed25519 key whose owner signs the handshake. Who that is, is looked at later.
#[derive(Debug)]
struct ByKey;

impl ByKey {
    fn look_at(leaf: &[u8], others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        key_of(leaf).map(|_| ())
    }

    fn verify(
        message: &[u8],
        leaf: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = Error::InvalidCertificate(CertificateError::BadSignature);
        let (SignatureScheme::ED25519, Ok(signature)) =
            (signed.scheme, signed.signature().try_into())
        else {
            return Err(bad);
        };
        key_of(leaf)?.verify(message, signature).map_err(|_| bad)?;
        Ok(HandshakeSignatureValid::assertion())
    }
}

/// What rustls wants of a verifier, whichever side it is on.
macro_rules! signatures_by_key {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            // There is no TLS 1.2 here.
            Err(Error::General("no older version than TLS 1.3 is spoken".to_string()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Self::verify(message, leaf, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    };
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::look_at(leaf, others).map(|()| ServerCertVerified::assertion())
    }

    signatures_by_key!();
}

impl ClientCertVerifier for ByKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::look_at(leaf, others).map(|()| ClientCertVerified::assertion())
    }

    signatures_by_key!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Vec<u8> {
        let key = NodeKey(SecretKey::from_seed(&[1; 32]));
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.serial_number = Some(rcgen::SerialNumber::from(vec![1]));
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_over_its_limit_is_not_looked_at() {
        let key = *SecretKey::from_seed(&[1; 32]).public();
        let rest = named("").len();
        // The name is in it twice.
        assert_eq!(key_of(&named(&"n".repeat((CERTIFICATE_MAX - rest) / 2 - 20))), Ok(key));
        assert!(key_of(&named(&"n".repeat(CERTIFICATE_MAX))).is_err());
    }
}
