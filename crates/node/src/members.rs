//! The member-facing server: what partners may read, over mutual TLS.
//!
//! | resource | answer |
//! |---|---|
//! | `GET /log/<accord>/<channel>/checkpoint` | the own log's note with its cosignatures |
//! | `GET /log/<accord>/<channel>/tile/…` | hash tiles and entry bundles |
//! | `GET /log/<accord>/<channel>/objects/…?skip=k` | compressed bodies |
//! | `POST /log/<accord>/<channel>/cosignatures` | keeps the caller's cosignatures |
//! | `GET /events` | server-sent events: `data: <accord>/<channel> <size>` |
//! | `GET /accords/<name>` | the accord as this member holds it |
//! | `GET`, `POST /notices` | what members say between versions of an accord, see `notices.rs` |
//! | `POST /add-checkpoint`, `GET /witnessed/<origin>` | see `audit/witness.rs` |
//!
//! INVARIANT (I2): a request can read own logs, leave cosignatures of what they say, bring notices
//! (which bind only the member that signed them), and have the caller's own audit log witnessed; it
//! can change nothing else. A member that is away or excluded is told so in words. Who asks is the TLS key, looked up anew for every request. A member
//! outside a channel gets the same 404 as for a channel that does not exist.

mod apart;
mod events;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::service::service_fn;
use log::cosign;
use log::{Kind, Note, SignatureLine, TilePath};
use policy::{Member, SignedAccord};
use store::Command;
use sync::tls::Pin;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::accords::Channel;
use crate::error::NodeError;
use crate::http::{self, Shares};
use crate::limits::{
    COSIGNATURES_BYTES_MAX, COSIGNATURES_MAX, HANDSHAKE_SECS_MAX, HANDSHAKES_EACH_MAX,
    HANDSHAKES_MAX, HEADER_SECS_MAX, MEMBER_CONNECTIONS_EACH_MAX, MEMBER_CONNECTIONS_MAX,
};
use crate::node::{Node, stopped};
use crate::notices;
use crate::problem::Fault;

/// Full tiles never change, but only members may have them.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// Everything else may change with the next entry or withdrawal.
pub(crate) const FRESH: HeaderValue = HeaderValue::from_static("no-cache");

/// Accepts partners until shutdown.
///
/// # Errors
/// When this node's TLS identity cannot be used.
pub(crate) async fn listen(node: Arc<Node>, listener: TcpListener) -> Result<(), NodeError> {
    let tls =
        sync::tls::server_config(node.keys().tls(), node.pins().clone()).map_err(|error| {
            NodeError::Config {
                place: "the node's TLS key".into(),
                why: error.to_string(),
            }
        })?;
    let doors = Doors {
        node: Arc::clone(&node),
        acceptor: TlsAcceptor::from(Arc::new(tls)),
        handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
        places: Arc::new(Semaphore::new(MEMBER_CONNECTIONS_MAX)),
        strangers: Shares::default(),
        partners: Shares::default(),
    };
    let mut shutdown = node.shutdown();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut shutdown) => {
                return http::finished(&doors.places, MEMBER_CONNECTIONS_MAX).await;
            }
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            // Out of file descriptors, most likely: let open connections end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        doors.let_in(stream, from.ip());
    }
}

/// Who may come in, in two steps: until a caller has proved its key it is a stranger and takes
/// none of the partners' places, so strangers who open connections and say nothing keep no partner
/// out.
#[derive(Clone)]
struct Doors {
    node: Arc<Node>,
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
    places: Arc<Semaphore>,
    strangers: Shares,
    partners: Shares,
}

impl Doors {
    fn let_in(&self, stream: TcpStream, from: IpAddr) {
        let turn = Arc::clone(&self.handshakes).try_acquire_owned();
        let share = self.strangers.take(&from.to_string(), HANDSHAKES_EACH_MAX);
        let (Ok(turn), Some(share)) = (turn, share) else {
            return tracing::debug!(%from, "too many TLS handshakes at once; one was turned away");
        };
        let doors = self.clone();
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            let patience = Duration::from_secs(HANDSHAKE_SECS_MAX);
            let accepting = tokio::time::timeout(patience, doors.acceptor.accept(stream));
            let mut shutdown = doors.node.shutdown();
            let accepted = tokio::select! {
                () = stopped(&mut shutdown) => return,
                accepted = accepting => accepted,
            };
            let stream = match accepted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%from, %error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!(%from, "a TLS handshake took too long"),
            };
            drop((turn, share));
            doors.serve(stream).await;
        });
    }

    async fn serve(self, stream: TlsStream<TcpStream>) {
        let node = self.node;
        let Some(pin) = sync::tls::pin_of(stream.get_ref().1) else {
            return;
        };
        let Some(code) = node.pins().member(&pin) else {
            return;
        };
        let share = self.partners.take(&code, MEMBER_CONNECTIONS_EACH_MAX);
        let (Ok(place), Some(share)) = (self.places.try_acquire_owned(), share) else {
            return tracing::warn!(peer = code, "too many connections; one was turned away");
        };
        node.metrics().connections("members", 1);
        let shared = Arc::clone(&node);
        let service = service_fn(move |request| {
            let node = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(answer(node, pin, request).await) }
        });
        http::serve(stream, service, node.shutdown()).await;
        node.metrics().connections("members", -1);
        drop((node, share, place));
    }
}

async fn answer(node: Arc<Node>, pin: Pin, request: Request<Body>) -> Response {
    // An accord may have dropped the caller since it connected.
    let response = match node.pins().member(&pin) {
        Some(code) => {
            node.metrics().partner_read(&code);
            let path = request.uri().path().to_owned();
            let reads = request.method() == Method::GET;
            let caller = Caller { code, pin };
            let answered = route(&node, &caller, request).await;
            let (peer, ok) = (caller.code, answered.is_ok());
            tracing::debug!(peer, path, ok, "partner request");
            let response = answered.unwrap_or_else(|fault| fault.for_partner().into_response());
            // What partners may look for and not find is of no account; what they try to do is.
            if !ok && !reads {
                let status = response.status().as_u16();
                node.reads()
                    .denied(&peer, status, &format!("a request to {path}"));
            }
            response
        }
        None => Fault::not_found().into_response(),
    };
    node.metrics()
        .answered("members", response.status().as_u16());
    response
}

/// Who asks. A code means something only within one accord: another accord may give the same code
/// to somebody else, so each resource is for the member *and* the key that its own accord names.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) code: String,
    pin: Pin,
}

impl Caller {
    /// The caller's entry in an accord, if the accord gives the code this very key.
    pub(crate) fn within<'a>(&self, signed: &'a SignedAccord) -> Option<&'a Member> {
        let member = signed.accord().member(&self.code);
        member.filter(|member| member.tls == self.pin)
    }
}

async fn route(
    node: &Arc<Node>,
    caller: &Caller,
    request: Request<Body>,
) -> Result<Response, Fault> {
    let path = request.uri().path().to_owned();
    if path == "/events" {
        only(&request, &Method::GET)?;
        return Ok(events::stream(Arc::clone(node), caller.clone()));
    }
    if let Some(name) = path.strip_prefix("/accords/") {
        only(&request, &Method::GET)?;
        return accord(node, caller, name);
    }
    if path == notices::PATH {
        return match *request.method() {
            Method::GET => Ok(notices::given(node, caller)),
            Method::POST => notices::taken(node, caller, request).await,
            _ => Err(Fault::method()),
        };
    }
    if path == "/add-checkpoint" {
        only(&request, &Method::POST)?;
        return crate::audit::add_checkpoint(node, caller, request).await;
    }
    if let Some(origin) = path.strip_prefix("/witnessed/") {
        only(&request, &Method::GET)?;
        return crate::audit::witnessed(node, caller, origin).await;
    }
    let rest = path.strip_prefix("/log/").ok_or_else(Fault::not_found)?;
    let mut parts = rest.splitn(3, '/');
    let (Some(accord), Some(name), Some(resource)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::not_found());
    };
    let channel = readable(node, caller, accord, name)
        .ok_or_else(|| apart::why(node, caller, accord, name))?;
    match resource {
        "checkpoint" => {
            only(&request, &Method::GET)?;
            checkpoint(node, &caller.code, &channel).await
        }
        "cosignatures" => {
            only(&request, &Method::POST)?;
            cosignatures(node, caller, &channel, request).await
        }
        tile => {
            let tile = TilePath::parse(tile).map_err(|_| Fault::not_found())?;
            only(&request, &Method::GET)?;
            let skip = skip(request.uri().query())?;
            bytes(node, &caller.code, &channel, tile, skip).await
        }
    }
}

/// The channel, if both this member and the caller are members in force.
fn readable(node: &Node, caller: &Caller, accord: &str, channel: &str) -> Option<Channel> {
    let channel = node
        .accords()
        .channel(accord, channel, &node.config().code)?;
    let member = caller.within(&channel.accord)?;
    serves(&channel, &member.code).then_some(channel)
}

/// Whether the own log of a channel is for this member: over its connection and in courier files.
pub(crate) fn serves(channel: &Channel, code: &str) -> bool {
    channel
        .in_force()
        .is_some_and(|in_force| in_force.members.contains(code))
}

fn only(request: &Request<Body>, method: &Method) -> Result<(), Fault> {
    if request.method() == method {
        Ok(())
    } else {
        Err(Fault::method())
    }
}

async fn checkpoint(node: &Node, caller: &str, channel: &Channel) -> Result<Response, Fault> {
    let log = channel.log(&node.config().code);
    let of = log.clone();
    let (head, note) = node
        .read(move |store| Ok((store.head(&of)?, store.checkpoint(&of)?)))
        .await?;
    let note = note
        .filter(|note| !note.is_empty())
        .ok_or_else(Fault::not_found)?;
    node.reads()
        .note(caller, &log, head.map_or(0, |head| head.size));
    Ok(reply("text/plain; charset=utf-8", FRESH, note.into_bytes()))
}

async fn bytes(
    node: &Node,
    caller: &str,
    channel: &Channel,
    tile: TilePath,
    skip: usize,
) -> Result<Response, Fault> {
    let log = channel.log(&node.config().code);
    node.reads().note(caller, &log, 0);
    let found = node
        .read(move |store| match tile.kind {
            Kind::Objects => store.objects(&log, tile.index, tile.width, skip),
            Kind::Hashes(_) | Kind::Entries => store.tile(&log, &tile),
        })
        .await?
        .ok_or_else(Fault::not_found)?;
    // Bodies vanish on withdrawal, so no cache may keep them (I6).
    let cache = if tile.is_full() && tile.kind != Kind::Objects {
        IMMUTABLE
    } else {
        FRESH
    };
    Ok(reply("application/octet-stream", cache, found))
}

/// An accord that names the caller, with the ratifications known here.
fn accord(node: &Node, caller: &Caller, name: &str) -> Result<Response, Fault> {
    let accords = node.accords();
    let signed = accords
        .get(name)
        .filter(|signed| caller.within(signed).is_some());
    let signed = signed.ok_or_else(Fault::not_found)?;
    Ok(reply(
        "text/plain; charset=utf-8",
        FRESH,
        signed.to_string().into_bytes(),
    ))
}

/// Keeps the caller's cosignatures of the present checkpoint; each line is verified first.
async fn cosignatures(
    node: &Node,
    caller: &Caller,
    channel: &Channel,
    request: Request<Body>,
) -> Result<Response, Fault> {
    let body = body(request, COSIGNATURES_BYTES_MAX).await?;
    let text =
        std::str::from_utf8(&body).map_err(|_| Fault::request("The lines are not UTF-8."))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > COSIGNATURES_MAX {
        return Err(Fault::request(format!(
            "Send 1 to {COSIGNATURES_MAX} signature lines."
        )));
    }
    let member = caller
        .within(&channel.accord)
        .ok_or_else(Fault::not_found)?;
    let log = channel.log(&node.config().code);
    let of = log.clone();
    let head = node.read(move |store| store.head(&of)).await?;
    let head = head
        .filter(|head| !head.checkpoint.is_empty())
        .ok_or_else(Fault::not_found)?;
    let note = Note::parse(head.checkpoint.as_bytes()).map_err(|error| {
        tracing::error!(%log, %error, "the own checkpoint cannot be read");
        Fault::not_found()
    })?;
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        let parsed = SignatureLine::parse(line)
            .map_err(|error| Fault::request(format!("A line is no signature: {error}.")))?;
        if !parsed.is_of(&member.witness) {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "not-your-key",
                "The signature is not by your witness key",
                format!("Cosign with {}.", member.witness.name()),
            ));
        }
        // A line over an older checkpoint looks like a bad one; the size tells the caller where
        // this log stands, and it will cosign that when it has pulled it.
        cosign::verify(note.text(), &parsed, &member.witness).map_err(|_| {
            Fault::new(
                StatusCode::CONFLICT,
                "stale",
                "The cosignature is not of the present checkpoint",
                format!("The log's size is {}.", head.size),
            )
        })?;
        // What is there already costs nothing a second time, however often it is sent.
        let name = parsed.name().to_owned();
        if !head.cosignatures.iter().any(|(held, _)| *held == name) {
            kept.push((name, line.to_owned()));
        }
    }
    if kept.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    node.execute(Command::Cosigned {
        log,
        size: head.size,
        lines: kept,
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The request's body, of at most `max` bytes and in good time.
pub(crate) async fn body(request: Request<Body>, max: usize) -> Result<Bytes, Fault> {
    let body = Limited::new(request.into_body(), max).collect();
    let body = tokio::time::timeout(Duration::from_secs(HEADER_SECS_MAX), body)
        .await
        .map_err(|_| {
            Fault::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow",
                "The request came too slowly",
                "Send it again.",
            )
        })?
        .map_err(|_| Fault::too_large(max))?;
    Ok(body.to_bytes())
}

fn skip(query: Option<&str>) -> Result<usize, Fault> {
    match query {
        None | Some("") => Ok(0),
        Some(query) => query
            .strip_prefix("skip=")
            .and_then(|number| number.parse::<u16>().ok())
            .map(usize::from)
            .ok_or_else(|| Fault::request("The only query is skip=<number below 256>.")),
    }
}

pub(crate) fn reply(kind: &'static str, cache: HeaderValue, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, cache);
    response
}
