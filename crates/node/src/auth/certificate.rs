//! Client certificates on the national listener: which are accepted, and whom each stands for.
//!
//! The handshake (rustls and webpki) decides whether a certificate is good: issued by one of the
//! configured authorities, within its dates, meant for clients, not revoked. A client without one
//! is let through and proves itself in another way. Here is who a good certificate stands for: the
//! user that the configuration names for its public key or its subject.
//!
//! INVARIANT: a good certificate that stands for nobody opens nothing, also not together with a
//! password: its holder is somebody the operator has not allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use model::Hash;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConnection};
use x509_cert::der::Decode;

use crate::config::{CertificateName, Certificates};
use crate::error::NodeError;

/// Whom client certificates stand for.
#[derive(Clone, Debug, Default)]
pub struct Holders(Arc<BTreeMap<CertificateName, String>>);

/// The client certificate of a connection; an extension of each of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It stands for this user (whether there still is one is for the caller to ask).
    User(String),
    /// It is good but stands for nobody here.
    Stranger {
        /// Its subject, as RFC 4514 writes it.
        subject: String,
        /// SHA-256 of its public key.
        key: Hash,
    },
}

impl Holders {
    /// The users that the configuration names.
    pub fn new(config: &Certificates) -> Holders {
        Holders(Arc::new(config.users.clone()))
    }

    /// What the client at the other end of an accepted connection showed; `None` when nothing.
    pub fn shown(&self, connection: &ServerConnection) -> Option<Shown> {
        let certificate = connection.peer_certificates()?.first()?;
        Some(self.of(certificate))
    }

    /// Whom a certificate stands for. Its key is asked for first: it is the narrower name.
    fn of(&self, certificate: &CertificateDer<'_>) -> Shown {
        // Both parsers have to agree with the handshake's; where one does not, the certificate
        // has no such name and can stand for nobody by it.
        let key = ParsedCertificate::try_from(certificate)
            .map(|parsed| Hash::of(parsed.subject_public_key_info().as_ref()));
        let subject = x509_cert::Certificate::from_der(certificate)
            .map(|parsed| parsed.tbs_certificate().subject().to_string());
        let by_key = key
            .as_ref()
            .ok()
            .and_then(|key| self.0.get(&CertificateName::Key(*key)));
        let by_subject = || {
            let subject = subject.as_ref().ok().filter(|text| !text.is_empty())?;
            self.0.get(&CertificateName::Subject(subject.clone()))
        };
        match by_key.or_else(by_subject) {
            Some(user) => Shown::User(user.clone()),
            None => Shown::Stranger {
                subject: subject.unwrap_or_default(),
                key: key.unwrap_or(Hash([0; 32])),
            },
        }
    }
}

/// Judges client certificates in handshakes; a client may also show none.
///
/// # Errors
/// When a file cannot be read or has no certificate of an authority.
pub fn verifier(config: &Certificates) -> Result<Arc<dyn ClientCertVerifier>, NodeError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::<CertificateDer<'static>>("authorities", &config.authorities)? {
        roots
            .add(certificate)
            .map_err(|error| wrong("authorities", &config.authorities, &error))?;
    }
    let revoked = match &config.revoked {
        Some(path) => pem::<CertificateRevocationListDer<'static>>("revoked", path)?,
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // The lists are those of the configured authorities; an intermediate authority without a list
    // of its own must not lock everybody out, so only the holder's certificate is looked up.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .with_crls(revoked)
        .only_check_end_entity_revocation()
        .build()
        .map_err(|error| wrong("authorities", &config.authorities, &error))
}

fn pem<T: PemObject>(key: &str, path: &Path) -> Result<Vec<T>, NodeError> {
    let list = T::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<T>, _>>)
        .map_err(|error| wrong(key, path, &error))?;
    if list.is_empty() {
        return Err(wrong(key, path, &"holds nothing of the kind, in PEM"));
    }
    Ok(list)
}

fn wrong(key: &str, path: &Path, why: &dyn fmt::Display) -> NodeError {
    NodeError::Config {
        place: format!("people.certificates.{key}"),
        why: format!("{}: {why}", path.display()),
    }
}

impl fmt::Display for Shown {
    /// What a stranger's operator has to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::User(user) => write!(f, "The client certificate stands for {user}."),
            Shown::Stranger { subject, key } => write!(
                f,
                "The client certificate stands for nobody here: ask the operator to add \
                 \"sha256:{key}\" (or {subject:?}) under [people.certificates.users]."
            ),
        }
    }
}
