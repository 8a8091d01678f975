//! Identities, and a node's member-facing side in a few lines: mutual TLS on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kurultai_sync as sync;
use sync::tls::{Identity, Pins, peer_of, server_config};
use tokio::net::TcpListener;

use super::Serve;

/// A fresh certificate and its private key, in PEM.
pub fn pem(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
    let names = vec!["node.example".to_owned()];
    let params = rcgen::CertificateParams::new(names).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

pub fn identity() -> Identity {
    let (certificate, key) = pem(&rcgen::PKCS_ECDSA_P256_SHA256);
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("an identity")
}

type Body = BoxBody<Bytes, Infallible>;

fn stream(chunks: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(
        chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))),
    ))
}

fn answer(log: &dyn Serve, path: &str, member: &str) -> (StatusCode, Body) {
    let whole = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).boxed();
    let ok = |body| (StatusCode::OK, body);
    let text = Bytes::from_static;
    match path {
        "/who" => ok(whole(member.as_bytes().to_vec())),
        "/endless" => ok(stream(stream::repeat(Bytes::from(vec![b'x'; 1000])))),
        "/stall" => ok(stream(
            stream::once(async { Bytes::from_static(b"a") }).chain(stream::pending()),
        )),
        "/trickle" => {
            let every = tokio::time::interval(Duration::from_millis(5));
            ok(stream(stream::unfold(every, |mut every| async {
                every.tick().await;
                Some((Bytes::from_static(b"a"), every))
            })))
        }
        "/events" => {
            let events = [
                text(b": hello\n\nda"),
                text(b"ta: steppe/alerts 17\n\n"),
                text(b"data: steppe/pair 3\n\n"),
            ];
            ok(stream(stream::iter(events).chain(stream::pending())))
        }
        "/refused" => (StatusCode::FORBIDDEN, whole(b"no".to_vec())),
        _ => match path
            .strip_prefix("/log/steppe/alerts/")
            .and_then(|path| log.serve(path))
        {
            Some(bytes) => ok(whole(bytes)),
            None => (StatusCode::NOT_FOUND, whole(Vec::new())),
        },
    }
}

/// Serves a log to the members in `pins` for as long as the runtime lives.
pub async fn serve(
    identity: &Identity,
    pins: Pins,
    log: impl Serve + 'static,
    alpn: &[&str],
) -> SocketAddr {
    let mut config = server_config(identity, pins.clone()).expect("a configuration");
    if !alpn.is_empty() {
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    }
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let log: Arc<dyn Serve> = Arc::new(log);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tcp.set_nodelay(true).expect("a socket");
            let (acceptor, log, pins) = (acceptor.clone(), Arc::clone(&log), pins.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let member = peer_of(tls.get_ref().1, &pins).unwrap_or_default();
                let service = service_fn(move |request: Request<Incoming>| {
                    let path = request
                        .uri()
                        .path_and_query()
                        .map_or("/", |path| path.as_str());
                    let (status, body) = answer(&*log, path, &member);
                    let mut response = Response::new(body);
                    *response.status_mut() = status;
                    async { Ok::<_, Infallible>(response) }
                });
                let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(tls), service).await;
            });
        }
    });
    address
}
