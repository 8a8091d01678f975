//! The national listener: connections of the nation's own tools and people, in plain HTTP or TLS,
//! with whatever client certificate they show.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::service::service_fn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::answers::{Answers, Held};
use super::source::{self, Hop};
use crate::auth::certificate::{self, Holders, Shown};
use crate::auth::{Proof, Source};
use crate::config::{Config, TlsFiles};
use crate::error::NodeError;
use crate::http::{self, Shares};
use crate::limits::{
    HANDSHAKE_SECS_MAX, NATIONAL_CONNECTIONS_EACH_MAX, NATIONAL_CONNECTIONS_MAX,
    NATIONAL_REQUESTS_EACH_MAX, REFUSAL_SECS_MAX, REFUSALS_AT_ONCE_MAX,
};
use crate::node::{Node, blocking, stopped};
use crate::problem::Fault;

/// How TLS connections are accepted, and whom their client certificates stand for.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    holders: Holders,
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
    let router = match tls {
        Some(_) => router.layer(axum::Extension(crate::taxii::OverTls)),
        None => router,
    };
    let door = Door {
        node: Arc::clone(&node),
        router,
        tls,
        places: Arc::new(Semaphore::new(NATIONAL_CONNECTIONS_MAX)),
        connections: Shares::default(),
        requests: Shares::default(),
        answers: Answers::new(),
        refusals: Arc::new(Semaphore::new(REFUSALS_AT_ONCE_MAX)),
    };
    let mut shutdown = node.shutdown();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut shutdown) => {
                return http::finished(&door.places, NATIONAL_CONNECTIONS_MAX).await;
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            // Out of file descriptors, most likely: let open connections end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        door.let_in(stream, address.ip());
    }
}

/// Who comes in, and what each may have open.
#[derive(Clone)]
struct Door {
    node: Arc<Node>,
    router: Router,
    tls: Option<Tls>,
    places: Arc<Semaphore>,
    connections: Shares,
    requests: Shares,
    answers: Answers,
    refusals: Arc<Semaphore>,
}

impl Door {
    /// Everybody is accepted at once and those beyond the bounds turned away: whoever waited in the
    /// system's queue would wait behind a flood.
    fn let_in(&self, stream: TcpStream, peer: IpAddr) {
        let hop = Hop::of(peer, self.node.config());
        let most = match hop {
            Hop::Client(_) => NATIONAL_CONNECTIONS_EACH_MAX,
            Hop::Proxy(_) => NATIONAL_CONNECTIONS_MAX,
        };
        let share = self.connections.take(&Source::of(peer).to_string(), most);
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Some(share), Ok(place)) = (share, place) else {
            return self.turn_away(stream, peer);
        };
        let door = self.clone();
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            door.node.metrics().connections("national", 1);
            door.serve(stream, hop).await;
            door.node.metrics().connections("national", -1);
            drop((door, share, place));
        });
    }

    async fn serve(&self, stream: TcpStream, hop: Hop) {
        let Some(Tls { acceptor, holders }) = &self.tls else {
            return http::serve(stream, self.answering(hop, None), self.node.shutdown()).await;
        };
        let patience = Duration::from_secs(HANDSHAKE_SECS_MAX);
        if let Ok(Ok(stream)) = tokio::time::timeout(patience, acceptor.accept(stream)).await {
            let shown = holders.shown(stream.get_ref().1);
            http::serve(stream, self.answering(hop, shown), self.node.shutdown()).await;
        }
    }

    /// Tells a client that there is no place, as far as that takes neither memory nor time.
    fn turn_away(&self, stream: TcpStream, peer: IpAddr) {
        self.node.metrics().turned_away("national");
        tracing::debug!(%peer, "too many connections; one was turned away");
        if self.tls.is_some() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let patience = Duration::from_secs(REFUSAL_SECS_MAX);
            drop(tokio::time::timeout(patience, refuse(stream)).await);
            drop(turn);
        });
    }

    /// The router as one connection's service, its answers counted.
    fn answering(
        &self,
        hop: Hop,
        shown: Option<Shown>,
    ) -> impl hyper::service::Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    > + Send
    + 'static {
        let door = self.clone();
        service_fn(move |request: Request<Body>| {
            let (door, shown) = (door.clone(), shown.clone());
            async move {
                let source = source::of(hop, request.headers(), door.node.config());
                let most = NATIONAL_REQUESTS_EACH_MAX;
                let Some(share) = door.requests.take(&source.to_string(), most) else {
                    return Ok(door.counted(Fault::crowded().into_response()));
                };
                // A task of its own: whoever hangs up, or takes a stream back, and asks anew must
                // not have more work under way than those who wait for their answers.
                let answer = tokio::spawn(async move {
                    let whose = source.to_string();
                    let mut response = door.answer(source, hop, shown, request).await;
                    let bytes = response.body().size_hint().lower();
                    let room = match door.answers.room(&whose, bytes).await {
                        Some(room) => room,
                        None => {
                            response = Fault::untaken().into_response();
                            None
                        }
                    };
                    // Until the client has taken it, or gone.
                    let response = response.map(|body| Body::new(Held::new(body, (share, room))));
                    door.counted(response)
                });
                Ok(answer.await.unwrap_or_else(|error| {
                    tracing::error!(%error, "a request could not be answered");
                    let what = "the answer to this request".into();
                    Fault::from(NodeError::Stopped { what }).into_response()
                }))
            }
        })
    }

    async fn answer(
        &self,
        source: Source,
        hop: Hop,
        shown: Option<Shown>,
        mut request: Request<Body>,
    ) -> Response<Body> {
        request.extensions_mut().insert(source);
        request.extensions_mut().insert(hop);
        match introduce(&self.node, shown, &mut request).await {
            Ok(()) => {
                let Ok(response) = self.router.clone().oneshot(request).await;
                response
            }
            Err(fault) => fault.into_response(),
        }
    }

    fn counted(&self, response: Response<Body>) -> Response<Body> {
        let status = response.status().as_u16();
        self.node.metrics().answered("taxii", status);
        response
    }
}

/// What a client is told for which there is no place, without looking at what it wants.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 76\r\n\
    retry-after: 5\r\n\
    connection: close\r\n\r\n\
    Too many connections are open here: close those not needed, try again later\n";

async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    // What the client has sent is taken off the line: a close with bytes unread would take the
    // answer back.
    let mut sent = [0; 1024];
    while stream.read(&mut sent).await? > 0 {}
    Ok(())
}

/// Tells the surfaces from whom a request comes where a client certificate says so. The user is
/// looked up each time: one removed or locked since the handshake is refused on a connection that
/// is still open.
async fn introduce(
    node: &Arc<Node>,
    shown: Option<Shown>,
    request: &mut Request<Body>,
) -> Result<(), Fault> {
    let refused = |why: String| {
        Fault::new(
            StatusCode::FORBIDDEN,
            "certificate",
            "The client certificate opens nothing here",
            why,
        )
    };
    let user = match shown {
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
