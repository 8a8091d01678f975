//! TLS towards servers outside that are no members: whom feeds and single sign-on believe.
//!
//! Members are pinned by their accord instead (`sync`).

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::feeds::open;

/// LIMIT: bytes of a file with authorities' certificates; a system's has a few hundred thousand.
const AUTHORITIES_BYTES_MAX: usize = 8 << 20;

/// TLS that believes the authorities in a PEM file; without one nobody, for what is not encrypted.
///
/// # Errors
/// Why the file is none, in words.
pub(crate) fn tls(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = authorities {
        let shown = file.display();
        let pem = open::plain(&open::real(file)?)
            .map_err(|why| why.to_string())
            .and_then(|file| file.read(AUTHORITIES_BYTES_MAX))
            .map_err(|why| format!("{shown}: {why}"))?;
        let list: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{shown} cannot be read ({error})"))?;
        let (added, _) = roots.add_parsable_certificates(list);
        if added == 0 {
            return Err(format!("{shown} has no certificate of an authority"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
