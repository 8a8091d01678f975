//! A feed over HTTPS: only a server for which an authority vouches by its name is spoken to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::outside::of_kind;
use super::world::{bundle, indicator, indicator_id};
use super::{add, assert_failing, assert_healthy, national, node, run};

/// Accepts over TLS; a client that breaks the handshake off is passed over.
struct Tls(TcpListener, TlsAcceptor);

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            if let Ok((stream, from)) = self.0.accept().await
                && let Ok(stream) = self.1.accept(stream).await
            {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A server for this name under an authority of its own, whose certificate is put into a file; gives
/// its port.
async fn serve(name: &str, authority: &Path) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("signed");
    std::fs::write(authority, certificate.pem()).expect("written");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let answer =
        || async { of_kind("application/json", bundle(&[indicator(1, "")])).into_response() };
    let tls = Tls(listener, TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        axum::serve(tls, Router::new().fallback(answer))
            .await
            .expect("serving");
    });
    port
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_its_name() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    let (own, other) = (
        folder.path().join("own.pem"),
        folder.path().join("other.pem"),
    );
    let port = serve("localhost", &own).await;
    let elsewhere = serve("elsewhere.example", &other).await;
    let url = format!("https://localhost:{port}/bundle.json");
    for (name, url, authorities) in [
        ("system", url.clone(), None),
        ("other", url.clone(), Some(&other)),
        (
            "name",
            format!("https://localhost:{elsewhere}/"),
            Some(&other),
        ),
    ] {
        let mut source = json!({"kind": "http-json", "url": url});
        if let Some(file) = authorities {
            source["access"] = json!({"authorities": file});
        }
        add(&at, name, source).await;
        assert_failing(&run(&at, name).await, "certificate");
    }
    assert!(national(&at).await.is_empty());
    let source = json!({"kind": "http-json", "url": url, "access": {"authorities": own}});
    add(&at, "own", source).await;
    assert_healthy(&run(&at, "own").await);
    assert_eq!(national(&at).await, [indicator_id(1)]);
    // A file without certificates, or none, is said.
    std::fs::write(&own, "nothing").unwrap();
    assert_failing(&run(&at, "own").await, "no certificate of an authority");
    std::fs::remove_file(&own).unwrap();
    assert_failing(&run(&at, "own").await, "cannot be read");
}
