//! Handshakes in memory: who gets in, who does not, and with which keys.

mod common;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use common::node::{identity, pem};
use kurultai_sync as sync;
use rcgen::PublicKeyData as _;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind,
    NamedGroup, ProtocolVersion, ServerConfig, ServerConnection, SignatureScheme,
};
use sync::tls::{Identity, Pins, client_config, peer_of, pin_of, provider, server_config};

/// How a handshake ended, for the client and for the server.
struct Ended {
    client: Result<ClientConnection, Error>,
    server: Result<ServerConnection, Error>,
}

/// Runs a handshake to its end, or until both sides have failed.
fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Ended {
    let name = ServerName::try_from("node.example").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
    let mut server = ServerConnection::new(Arc::clone(server)).expect("a server");
    let (mut client_error, mut server_error) = (None, None);
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && server_error.is_none() {
            server.read_tls(&mut rest).expect("from memory");
            server_error = server.process_new_packets().err();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && client_error.is_none() {
            client.read_tls(&mut rest).expect("from memory");
            client_error = client.process_new_packets().err();
        }
    }
    Ended {
        client: client_error.map_or(Ok(client), Err),
        server: server_error.map_or(Ok(server), Err),
    }
}

struct Two {
    client: Identity,
    server: Identity,
    pins: Pins,
}

impl Two {
    fn new() -> Two {
        let (client, server) = (identity(), identity());
        let pins = Pins::new([(client.pin(), "KG".to_owned())]);
        Two {
            client,
            server,
            pins,
        }
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(&self.client, self.server.pin()).expect("a configuration"))
    }

    fn server_config(&self) -> Arc<ServerConfig> {
        Arc::new(server_config(&self.server, self.pins.clone()).expect("a configuration"))
    }
}

#[test]
fn members_meet_in_tls_13_with_a_hybrid_exchange() {
    let two = Two::new();
    let ended = handshake(&two.client_config(), &two.server_config());
    let (mut client, mut server) = (ended.client.expect("in"), ended.server.expect("in"));
    assert!(!client.is_handshaking() && !server.is_handshaking());
    for (version, group) in [
        (
            client.protocol_version(),
            client.negotiated_key_exchange_group(),
        ),
        (
            server.protocol_version(),
            server.negotiated_key_exchange_group(),
        ),
    ] {
        assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
        assert_eq!(
            group.map(|group| group.name()),
            Some(NamedGroup::X25519MLKEM768)
        );
    }
    assert_eq!(pin_of(&server), Some(two.client.pin()));
    assert_eq!(peer_of(&server, &two.pins).as_deref(), Some("KG"));

    client.writer().write_all(b"hello").expect("written");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    server.read_tls(&mut bytes.as_slice()).expect("from memory");
    server.process_new_packets().expect("decrypted");
    let mut got = [0; 5];
    server.reader().read_exact(&mut got).expect("read");
    assert_eq!(&got, b"hello");

    // The accord drops the member while the connection is open.
    two.pins.replace([]);
    assert_eq!(peer_of(&server, &two.pins), None);
}

#[test]
fn the_pin_is_of_the_key_and_not_of_the_certificate() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let identity = |name: &str| {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
    };
    let first = identity("one.example").expect("an identity");
    let second = identity("two.example").expect("an identity");
    assert_eq!(first.pin(), second.pin());
    // What `openssl pkey -pubout -outform DER | sha256sum` prints for this key.
    assert_eq!(
        first.pin(),
        model::Hash::of(&key.subject_public_key_info()).0
    );

    let mut two = Two::new();
    two.pins.replace([(first.pin(), "KG".to_owned())]);
    two.client = second;
    let ended = handshake(&two.client_config(), &two.server_config());
    assert!(
        ended.client.is_ok() && ended.server.is_ok(),
        "Ed25519 keys do as well"
    );
}

#[test]
fn a_client_that_is_not_pinned_is_refused() {
    let mut two = Two::new();
    two.client = identity();
    let ended = handshake(&two.client_config(), &two.server_config());
    assert!(ended.server.is_err());
    assert_eq!(
        ended.client.err(),
        Some(Error::AlertReceived(AlertDescription::AccessDenied))
    );
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let two = Two::new();
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_no_client_auth();
    let ended = handshake(&Arc::new(config), &two.server_config());
    assert!(matches!(
        ended.server.err(),
        Some(Error::NoCertificatesPresented)
    ));
    assert_eq!(
        ended.client.err(),
        Some(Error::AlertReceived(AlertDescription::CertificateRequired))
    );
}

#[test]
fn a_server_that_is_not_the_pinned_one_is_refused() {
    let mut two = Two::new();
    let client = two.client_config();
    two.server = identity();
    let ended = handshake(&client, &two.server_config());
    assert!(matches!(
        ended.client.err(),
        Some(Error::InvalidCertificate(_))
    ));
    assert_eq!(
        ended.server.err(),
        Some(Error::AlertReceived(AlertDescription::AccessDenied))
    );
}

/// Showing a member's certificate is not enough: its key must sign the handshake.
#[test]
fn a_stolen_certificate_is_refused() {
    let (victim, victims_key) = pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, thiefs_key) = pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    let victims = Identity::from_pem(victim.as_bytes(), victims_key.as_bytes()).expect("good");
    let certificate = CertificateDer::from_pem_slice(victim.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(thiefs_key.as_bytes()).expect("PEM");
    let key = provider()
        .key_provider
        .load_private_key(key)
        .expect("a key");
    let stolen = Stolen(Arc::new(CertifiedKey::new(vec![certificate], key)));

    let two = Two::new();
    two.pins.replace([(victims.pin(), "KZ".to_owned())]);
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_client_cert_resolver(Arc::new(stolen.clone()));
    let ended = handshake(&Arc::new(config), &two.server_config());
    assert!(ended.server.is_err(), "the server saw no proof of the key");
    assert!(matches!(ended.client.err(), Some(Error::AlertReceived(_))));

    let mut config = ServerConfig::clone(&two.server_config());
    config.cert_resolver = Arc::new(stolen);
    let client = client_config(&two.client, victims.pin()).expect("a configuration");
    let ended = handshake(&Arc::new(client), &Arc::new(config));
    assert!(matches!(
        ended.client.err(),
        Some(Error::InvalidCertificate(_))
    ));

    // A key that does not belong to the certificate is no identity to begin with.
    let mixed = Identity::from_pem(victim.as_bytes(), thiefs_key.as_bytes()).expect("parses");
    assert!(server_config(&mixed, Pins::default()).is_err());
    assert!(client_config(&mixed, victims.pin()).is_err());
}

#[test]
fn tls_12_is_refused() {
    let two = Two::new();
    let (certificate, key) = pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("good");
    two.pins.replace([(identity.pin(), "KZ".to_owned())]);
    let old = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&old))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("TLS 1.2")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
        )
        .expect("a configuration");
    let ended = handshake(&Arc::new(config), &two.server_config());
    assert!(matches!(
        ended.server.err(),
        Some(Error::PeerIncompatible(_))
    ));
    assert_eq!(
        ended.client.err(),
        Some(Error::AlertReceived(AlertDescription::ProtocolVersion))
    );

    let config = ServerConfig::builder_with_provider(old)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("TLS 1.2")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
        )
        .expect("a configuration");
    let client = client_config(&two.client, identity.pin()).expect("a configuration");
    let ended = handshake(&Arc::new(client), &Arc::new(config));
    assert!(ended.client.is_err() && ended.server.is_err());
}

/// A client that would resume gets a full handshake each time, so that a dropped member is out.
#[test]
fn sessions_are_never_resumed() {
    let two = Two::new();
    let mut config = ClientConfig::clone(&two.client_config());
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let (client, server) = (Arc::new(config), two.server_config());
    for _ in 0..2 {
        let ended = handshake(&client, &server);
        let kind = ended.server.expect("in").handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Full));
    }
    two.pins.replace([]);
    assert!(handshake(&client, &server).server.is_err());
}

#[test]
fn nonsense_is_no_identity() {
    let (certificate, key) = pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (certificate, key) in [("", key.as_str()), (&certificate, ""), (&key, &certificate)] {
        let error = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
        assert!(
            error
                .expect_err("refused")
                .to_string()
                .contains("cannot be read")
        );
    }
}

#[derive(Clone, Debug)]
struct Stolen(Arc<CertifiedKey>);

impl ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Stolen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Believes every server; only so that a test's client gets far enough to be refused.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
