//! The node at work: three listeners, the background tasks, and an orderly end.
//!
//! Members speak mutual TLS on one port; national tools speak TAXII on another, with `/healthz`,
//! `/readyz` and `/metrics` beside it; the operator speaks to the unix socket. A full disk closes
//! none of them: reads go on, writes answer 503, `/readyz` and `/status` say so.

mod answers;
mod files;
mod host;
mod national;
mod source;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::Request;
use hyper::service::service_fn;
use store::{Command, Event};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::admin::types::AuditRecord;
use crate::auth::{self, AuthError, Source};
use crate::config::{Config, LogFormat};
use crate::error::NodeError;
use crate::http;
use crate::limits::{ADMIN_CONNECTIONS_MAX, PROBE_SECS, READS_FLUSH_SECS, SHUTDOWN_SECS_MAX};
use crate::node::{Node, blocking, stopped};
use crate::problem::Fault;
use crate::{admin, audit, console, feeds, members, openapi, pull, release, taxii};

/// The admin socket's file name in the data folder.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// The sockets of a node, bound and not yet served.
pub struct Listeners {
    /// For partners.
    pub members: TcpListener,
    /// For national tools.
    pub national: TcpListener,
    /// For the operator.
    pub admin: UnixListener,
}

impl Listeners {
    /// Binds where the configuration says.
    ///
    /// # Errors
    /// When an address is taken or may not be used.
    pub async fn bind(config: &Config) -> Result<Listeners, NodeError> {
        let tcp = async |key: &str, address: std::net::SocketAddr| {
            TcpListener::bind(address).await.map_err(|error| {
                NodeError::io(format!("the address {address} cannot be listened on; change listen.{key} or stop what uses it"), error)
            })
        };
        let path = config.data.join(ADMIN_SOCKET);
        let io = |error| {
            NodeError::io(
                format!("the socket {} cannot be made", path.display()),
                error,
            )
        };
        // The store's lock says that no other process serves this folder, so a socket that lies
        // here was left by one that was killed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let admin = UnixListener::bind(&path).map_err(io)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        Ok(Listeners {
            members: tcp("members", config.listen_members).await?,
            national: tcp("national", config.listen_national).await?,
            admin,
        })
    }
}

/// Serves until [`Node::shut_down`] or a signal (TERM, INT), then lets open requests finish.
///
/// # Errors
/// When TLS keys cannot be used or a server stops by itself.
pub async fn run(node: Arc<Node>, listeners: Listeners) -> Result<(), NodeError> {
    let address = |listener: &TcpListener| {
        listener
            .local_addr()
            .map(|at| at.to_string())
            .unwrap_or_default()
    };
    files::allow();
    node.set_listening(address(&listeners.members), address(&listeners.national));
    let national_tls = national::tls(node.config())?;
    let console = console::router(&node)?;
    let auth = Arc::clone(node.auth());
    let host = Arc::new(host::TaxiiHost(Arc::clone(&node)));
    let taxii = blocking(move || taxii::router(host, auth)).await?;
    node.audit(vec![AuditRecord {
        what: "start".into(),
        who: node.config().code.clone(),
        why: format!("version {}", env!("CARGO_PKG_VERSION")),
        ..node.record()
    }])
    .await
    // A full disk must not keep a node from serving what it has.
    .unwrap_or_else(|error| tracing::error!(%error, "the start could not be accounted for"));
    tracing::info!(
        member = node.config().code,
        members = address(&listeners.members),
        national = address(&listeners.national),
        "serving"
    );
    let mut tasks: JoinSet<Result<(), NodeError>> = JoinSet::new();
    tasks.spawn(members::listen(Arc::clone(&node), listeners.members));
    tasks.spawn(national::listen(
        Arc::clone(&node),
        listeners.national,
        surface(&node, taxii).merge(console),
        national_tls,
    ));
    tasks.spawn(operator(Arc::clone(&node), listeners.admin));
    for task in [
        tokio::spawn(release::automate(Arc::clone(&node))),
        tokio::spawn(pull::follow(Arc::clone(&node))),
        tokio::spawn(keep_accounts(Arc::clone(&node))),
        tokio::spawn(audit::keep_witnessed(Arc::clone(&node))),
        tokio::spawn(feeds::follow(Arc::clone(&node))),
    ] {
        tasks.spawn(async move {
            task.await.map_err(|error| NodeError::Stopped {
                what: format!("a background task ({error})"),
            })
        });
    }
    let mut shutdown = node.shutdown();
    let mut ended = Ok(());
    tokio::select! {
        () = stopped(&mut shutdown) => {}
        signal = signalled() => tracing::info!(signal, "shutting down"),
        Some(first) = tasks.join_next() => {
            ended = first.unwrap_or_else(|error| Err(NodeError::Stopped { what: error.to_string() }));
        }
    }
    node.shut_down();
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECS_MAX), finish)
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
    tasks.shutdown().await;
    if let Err(error) = node.account_reads().await {
        tracing::warn!(%error, "what partners read could not be accounted for");
    }
    let stop = AuditRecord {
        what: "stop".into(),
        who: node.config().code.clone(),
        ..node.record()
    };
    if let Err(error) = node.audit(vec![stop]).await {
        tracing::warn!(%error, "the stop could not be accounted for");
    }
    node.last_witness_round().await;
    drop(std::fs::remove_file(node.config().data.join(ADMIN_SOCKET)));
    ended
}

/// Sends log lines to standard error in the configured form. `KURULTAI_LOG` sets what is shown
/// (`info` unless said otherwise). Only the first call counts.
pub fn log_to_stderr(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("KURULTAI_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error means that the process logs already, which is what was asked for.
    drop(match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    });
}

async fn signalled() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind: SignalKind, name: &'static str| match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
            name
        }
        Err(error) => {
            tracing::error!(%error, name, "the signal cannot be heard");
            std::future::pending().await
        }
    };
    tokio::select! {
        name = wait(SignalKind::terminate(), "TERM") => name,
        name = wait(SignalKind::interrupt(), "INT") => name,
    }
}

/// Everything on the national port.
fn surface(node: &Arc<Node>, taxii: Router) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi::served))
        .with_state(Arc::clone(node))
        .nest("/api", admin::api(Arc::clone(node)))
        .nest("/auth", auth::routes::router(Arc::clone(node.auth())))
        .merge(taxii)
        .fallback(|| async { Fault::not_found() })
}

async fn ready(State(node): State<Arc<Node>>) -> Response {
    let health = node.store().health();
    if node.ready() {
        return "ready\n".into_response();
    }
    let why = health
        .reason
        .unwrap_or_else(|| "the node is shutting down".into());
    Fault::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "The node accepts nothing at present",
        why,
    )
    .into_response()
}

/// Metrics name partners and channels, so beyond this machine they take a user's credentials.
async fn metrics(
    State(node): State<Arc<Node>>,
    Extension(source): Extension<Source>,
    Extension(hop): Extension<source::Hop>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !source::is_at_home(node.config(), hop, &headers)
        && node
            .auth()
            .authenticate(headers.get(header::AUTHORIZATION), &source)
            .await
            .is_err()
    {
        return Err(AuthError::Missing.into());
    }
    let (heads, health, disk) = node
        .read(|store| Ok((store.heads()?, store.health(), store.bytes_on_disk())))
        .await?;
    node.metrics().feeds(&node.feeds().await?);
    let text = node
        .metrics()
        .render(&heads, health.writable, disk)
        .map_err(|_| NodeError::Stopped {
            what: "the metrics writer".into(),
        })?;
    let kind = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    Ok((kind, text).into_response())
}

async fn operator(node: Arc<Node>, listener: UnixListener) -> Result<(), NodeError> {
    let router = admin::router(Arc::clone(&node));
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    let mut shutdown = node.shutdown();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            () = stopped(&mut shutdown) => {
                drop(place);
                return http::finished(&places, ADMIN_CONNECTIONS_MAX).await;
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (shutdown, router) = (node.shutdown(), router.clone());
        tokio::spawn(async move {
            // The admin router counts its own answers, because it also runs without a socket.
            let service = service_fn(move |request: Request<Body>| router.clone().oneshot(request));
            http::serve(stream, service, shutdown).await;
            drop(place);
        });
    }
}

/// Tries a small write while the store does not accept: callers that were told to come back later
/// look at `/readyz`, so without this nobody would find out that there is space again.
async fn recover(node: &Node) {
    if node.store().health().writable {
        return;
    }
    let key = "health/written".to_owned();
    let command = Command::Put {
        key,
        value: Some(node.now().to_string().into_bytes()),
    };
    if node.execute(command).await.is_ok() {
        tracing::info!("the store accepts again");
    }
}

/// Writes down what happens without a request: refused logs at once, partners' reads in a while.
async fn keep_accounts(node: Arc<Node>) {
    let mut events = node.events();
    let mut shutdown = node.shutdown();
    let every = |secs| {
        let period = Duration::from_secs(secs);
        tokio::time::interval_at(tokio::time::Instant::now() + period, period)
    };
    let mut flush = every(READS_FLUSH_SECS);
    let mut probe = every(PROBE_SECS);
    loop {
        let written = tokio::select! {
            () = stopped(&mut shutdown) => return,
            _ = flush.tick() => node.account_reads().await,
            _ = probe.tick() => {
                recover(&node).await;
                Ok(())
            }
            event = events.recv() => match event {
                Ok(Event::Refused(log)) => {
                    tracing::error!(%log, "this log is refused from now on; look at the evidence");
                    node.audit(vec![AuditRecord {
                        what: "log-refused".into(),
                        who: log.origin.clone(),
                        channel: format!("{}/{}", log.accord, log.channel),
                        why: "what the log shows contradicts what it signed before or is malformed; see the evidence".into(),
                        ..node.record()
                    }]).await
                }
                Ok(_) | Err(RecvError::Lagged(_)) => Ok(()),
                Err(RecvError::Closed) => return,
            },
        };
        if let Err(error) = written {
            tracing::error!(%error, "an audit record could not be written");
        }
    }
}
