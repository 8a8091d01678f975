//! TLS between members: both sides are known by their key, nothing else counts.
//!
//! An accord lists for each member the SHA-256 of its node certificate's SubjectPublicKeyInfo. A
//! server admits a client whose key is in [`Pins`] and a client talks to the one key it expects.
//! There is no certificate authority, so names and dates in certificates are not read: the accord
//! says whose key it is and until when. Possession of the key is proved by the handshake
//! signature, which the crypto provider verifies as in any TLS.
//!
//! Only TLS 1.3, X25519MLKEM768 first. Sessions are never resumed: a resumed handshake shows no
//! certificate, so it would let a member in after an accord has dropped it.
//!
//! The SubjectPublicKeyInfo comes from `rustls::server::ParsedCertificate`, which wraps the webpki
//! parser that verifies the handshake signature with that very key; so no further X.509 crate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, ServerConnection, SignatureScheme,
};

/// SHA-256 of a DER SubjectPublicKeyInfo.
pub type Pin = [u8; 32];

/// The node's certificate and its private key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pin: Pin,
}

/// The keys that may connect, each with its member's code. Clones share one set; [`Pins::replace`]
/// takes effect for the next handshake and for every later [`Pins::member`] on open connections.
#[derive(Clone, Debug, Default)]
pub struct Pins(Arc<RwLock<BTreeMap<Pin, String>>>);

/// What is wrong with this node's own certificate or key.
#[derive(Debug)]
pub struct IdentityError {
    why: String,
}

impl Identity {
    /// The identity from a PEM certificate and a PEM private key (PKCS #8, SEC 1 or PKCS #1).
    ///
    /// # Errors
    /// When either cannot be read; whether they belong together shows in [`server_config`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let certificate = CertificateDer::from_pem_slice(certificate)
            .map_err(|error| IdentityError::new("the node certificate", &error))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| IdentityError::new("the node's private key", &error))?;
        let pin = pin_of_certificate(&certificate)
            .map_err(|error| IdentityError::new("the node certificate", &error))?;
        Ok(Identity {
            certificate,
            key,
            pin,
        })
    }

    /// What an accord lists for this certificate.
    pub fn pin(&self) -> Pin {
        self.pin
    }
}

impl Pins {
    /// The set with these keys and member codes.
    pub fn new(members: impl IntoIterator<Item = (Pin, String)>) -> Pins {
        Pins(Arc::new(RwLock::new(members.into_iter().collect())))
    }

    /// Puts another set in the place of the present one.
    pub fn replace(&self, members: impl IntoIterator<Item = (Pin, String)>) {
        let members = members.into_iter().collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    /// The code of the member that holds this key now.
    pub fn member(&self, pin: &Pin) -> Option<String> {
        let members = self.0.read().unwrap_or_else(PoisonError::into_inner);
        members.get(pin).cloned()
    }
}

/// The server side: clients must prove a key in `pins`. Offers HTTP/2 and HTTP/1.1.
///
/// # Errors
/// When the identity's certificate and key do not belong together or cannot sign TLS 1.3.
pub fn server_config(identity: &Identity, pins: Pins) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(PinnedClient {
        pins,
        provider: Arc::clone(&provider),
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(IdentityError::of_tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .map_err(IdentityError::of_tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// The client side: the server must prove the key `pin`. ALPN is left to the HTTP connector.
///
/// # Errors
/// When the identity's certificate and key do not belong together or cannot sign TLS 1.3.
pub fn client_config(identity: &Identity, pin: Pin) -> Result<ClientConfig, IdentityError> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(PinnedServer {
        pin,
        provider: Arc::clone(&provider),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(IdentityError::of_tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .map_err(IdentityError::of_tls)?;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The key that the client of an accepted connection proved. Ask [`Pins::member`] with it on every
/// request, so that a member dropped by an accord is refused on connections that are still open.
pub fn pin_of(connection: &ServerConnection) -> Option<Pin> {
    pin_of_certificate(connection.peer_certificates()?.first()?).ok()
}

/// The code of the member at the other end of an accepted connection, as of now.
pub fn peer_of(connection: &ServerConnection, pins: &Pins) -> Option<String> {
    pins.member(&pin_of(connection)?)
}

/// aws-lc-rs, narrowed to what TLS 1.3 between members needs, in our order of preference.
pub fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

fn pin_of_certificate(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(model::Hash::of(parsed.subject_public_key_info().as_ref()).0)
}

/// Admits clients whose key is pinned.
#[derive(Debug)]
struct PinnedClient {
    pins: Pins,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.pins.member(&pin_of_certificate(end_entity)?) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(not_pinned()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes(&self.provider)
    }
}

/// Admits the one server whose key is expected.
#[derive(Debug)]
struct PinnedServer {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if pin_of_certificate(end_entity)? == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(not_pinned())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes(&self.provider)
    }
}

fn schemes(provider: &CryptoProvider) -> Vec<SignatureScheme> {
    provider
        .signature_verification_algorithms
        .supported_schemes()
}

/// The other end is told `access_denied` and nothing more.
fn not_pinned() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

impl IdentityError {
    fn new(what: &str, error: &dyn fmt::Display) -> IdentityError {
        IdentityError {
            why: format!("{what} cannot be read: {error}"),
        }
    }

    fn of_tls(error: Error) -> IdentityError {
        IdentityError {
            why: format!("the node certificate and its private key cannot be used: {error}"),
        }
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for IdentityError {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
