//! The national listener: connections of the nation's own tools and people, in plain HTTP or TLS,
//! with whatever client certificate they show.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::auth::certificate::{self, Holders, Shown};
use crate::auth::{Proof, Source};
use crate::config::{Config, TlsFiles};
use crate::error::NodeError;
use crate::http;
use crate::limits::{HANDSHAKE_SECS_MAX, NATIONAL_CONNECTIONS_MAX};
use crate::node::{Node, blocking, stopped};
use crate::problem::Fault;

/// How TLS connections are accepted, and whom their client certificates stand for.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    holders: Holders,
}

/// Where a connection comes from and what it showed.
#[derive(Clone)]
struct Client {
    source: Source,
    shown: Option<Shown>,
}

/// TLS as the configuration wants it; `None`: plain HTTP.
pub(super) fn tls(config: &Config) -> Result<Option<Tls>, NodeError> {
    let Some(files) = &config.national_tls else {
        return Ok(None);
    };
    let certificates = config.people.certificates.as_ref();
    let holders = certificates.map(Holders::new).unwrap_or_default();
    let verifier = certificates.map(certificate::verifier).transpose()?;
    let acceptor = acceptor(files, verifier)?;
    Ok(Some(Tls { acceptor, holders }))
}

/// Serves connections until the node shuts down.
pub(super) async fn listen(
    node: Arc<Node>,
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
) -> Result<(), NodeError> {
    let places = Arc::new(Semaphore::new(NATIONAL_CONNECTIONS_MAX));
    let mut shutdown = node.shutdown();
    loop {
        // Waiting for a place leaves further clients in the system's own queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            () = stopped(&mut shutdown) => {
                drop(place);
                return http::finished(&places, NATIONAL_CONNECTIONS_MAX).await;
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        drop(stream.set_nodelay(true));
        let mut client = Client {
            source: Source::of(address.ip()),
            shown: None,
        };
        let (node, router, tls) = (Arc::clone(&node), router.clone(), tls.clone());
        tokio::spawn(async move {
            node.metrics().connections("national", 1);
            match tls {
                None => {
                    let service = answering(&node, router, client);
                    http::serve(stream, service, node.shutdown()).await;
                }
                Some(Tls { acceptor, holders }) => {
                    let patience = Duration::from_secs(HANDSHAKE_SECS_MAX);
                    if let Ok(Ok(stream)) =
                        tokio::time::timeout(patience, acceptor.accept(stream)).await
                    {
                        client.shown = holders.shown(stream.get_ref().1);
                        let service = answering(&node, router, client);
                        http::serve(stream, service, node.shutdown()).await;
                    }
                }
            }
            node.metrics().connections("national", -1);
            drop((node, place));
        });
    }
}

/// A router as one connection's service, its answers counted.
fn answering(
    node: &Arc<Node>,
    router: Router,
    client: Client,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
> + Send
+ 'static {
    let node = Arc::clone(node);
    service_fn(move |request: Request<Incoming>| {
        let (node, router, client) = (Arc::clone(&node), router.clone(), client.clone());
        let mut request = request.map(Body::new);
        async move {
            let response = match introduce(&node, client, &mut request).await {
                Ok(()) => router.oneshot(request).await,
                Err(fault) => Ok(fault.into_response()),
            };
            if let Ok(response) = &response {
                node.metrics().answered("taxii", response.status().as_u16());
            }
            response
        }
    })
}

/// Tells the surfaces where a request comes from and, where a client certificate says so, from
/// whom. The user is looked up each time: one removed or locked since the handshake is refused on
/// a connection that is still open.
async fn introduce(
    node: &Arc<Node>,
    client: Client,
    request: &mut Request<Body>,
) -> Result<(), Fault> {
    request.extensions_mut().insert(client.source);
    let refused = |why: String| {
        Fault::new(
            StatusCode::FORBIDDEN,
            "certificate",
            "The client certificate opens nothing here",
            why,
        )
    };
    let user = match client.shown {
        None => return Ok(()),
        Some(Shown::User(user)) => user,
        Some(stranger) => return Err(refused(stranger.to_string())),
    };
    let (auth, of) = (Arc::clone(node.auth()), user.clone());
    match blocking(move || auth.caller(&of, Proof::Certificate)).await {
        Ok(caller) => {
            request.extensions_mut().insert(Arc::new(caller));
            Ok(())
        }
        Err(crate::auth::AuthError::Store(error)) => Err(NodeError::Store(error).into()),
        Err(_) => Err(refused(format!(
            "The client certificate stands for {user}, who is no user here (any more), or is \
             locked: ask the operator."
        ))),
    }
}

fn acceptor(
    files: &TlsFiles,
    verifier: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
) -> Result<TlsAcceptor, NodeError> {
    let wrong = |key: &str, error: &dyn std::fmt::Display| NodeError::Config {
        place: format!("national_tls.{key}"),
        why: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("key", &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("certificate", &error))?;
    let clients = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong("certificate", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if clients {
        // A resumed session would show a certificate that was judged long ago.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}
