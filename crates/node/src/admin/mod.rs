//! The operator's API: what the command line asks, over `<data>/admin.sock` or in process.
//!
//! The socket is mode 0600 in a folder of mode 0700: whoever can open it is the operator unless an
//! `Authorization` header proves somebody else. The same resources answer proven callers under
//! `/api` of the national listener. Handlers ask the caller for a duty, decode, call one function
//! of the node and encode; the types, and the duty that each resource takes, are in [`types`].
//!
//! INVARIANT (I5): a refused request changes nothing; a success answer is durable.

pub mod types;

pub(crate) mod accords;
pub(crate) mod approvals;
mod feeds;
pub(crate) mod objects;
mod persons;
mod policy;
pub(crate) mod requests;
mod status;
pub(crate) mod users;

use std::sync::Arc;

use ::policy::Duty;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;

use crate::auth::{self, Caller, Scope, Source};
use crate::limits::{ADMIN_BODY_BYTES_MAX, POLICY_BODY_BYTES_MAX};
use crate::node::Node;
use crate::problem::Fault;
use types::{
    PullReport, PullRequest, ReleaseReport, ReleaseRequest, WithdrawReport, WithdrawRequest,
};

type Shared = State<Arc<Node>>;

/// Who asks: on every request of this router.
pub(crate) type As = Extension<Arc<Caller>>;

/// Where a request came in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// The unix socket, or the process itself: the operator, unless a header proves somebody.
    Socket,
    /// The national listener: somebody proven, or nobody.
    National,
}

/// The admin API of a node for its own operator: on the unix socket, or in process.
pub fn router(node: Arc<Node>) -> Router {
    let auth = auth::routes::router(Arc::clone(node.auth()));
    resources(node, Door::Socket).nest("/auth", auth)
}

/// The admin API for proven callers, to be mounted as `/api` of the national listener.
pub fn api(node: Arc<Node>) -> Router {
    resources(node, Door::National)
}

fn resources(node: Arc<Node>, door: Door) -> Router {
    // They name files on this machine, which is for its operator alone.
    let by_hand = match door {
        Door::Socket => crate::courier::routes(),
        Door::National => Router::new(),
    };
    Router::new()
        .merge(by_hand)
        .route("/status", get(status::status))
        .route("/member", get(status::member))
        .route("/peers", get(status::peers))
        .route("/evidence", get(status::evidence))
        .route("/release", post(release))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/decline", post(approvals::decline))
        .route("/policy", get(policy::info))
        .route("/policy/files", get(policy::files))
        .route("/policy/history", get(policy::history))
        .route(
            "/policy/activate",
            post(policy::activate).layer(whole_sets()),
        )
        .route("/policy/what-if", post(policy::what_if).layer(whole_sets()))
        .route("/withdraw", post(withdraw))
        .route("/pull", post(pull))
        .merge(accords::routes())
        .merge(crate::audit::routes())
        .merge(feeds::routes())
        .route("/requests", get(requests::list).post(requests::ask))
        .route("/requests/{id}", get(requests::thread))
        .route("/requests/{id}/answers", post(requests::answer))
        .route("/requests/{id}/route", post(requests::route))
        .route("/request-rules", get(requests::rules).post(requests::rule))
        .route("/request-rules/{name}", delete(requests::remove_rule))
        .route("/users", get(users::list).post(users::put))
        .route("/users/{name}", delete(users::remove))
        .route("/users/{name}/invite", post(users::invite))
        .route("/users/{name}/lock", post(users::lock))
        .route("/users/{name}/unlock", post(users::unlock))
        .route("/users/{name}/token", post(users::token))
        .route("/users/{name}/tokens", get(users::tokens))
        .route("/users/{name}/tokens/{id}", delete(users::revoke))
        .route("/users/{name}/tokens/{id}/rotate", post(users::rotate))
        .route(
            "/users/{name}/sessions",
            get(users::sessions).delete(users::end_sessions),
        )
        // `add` reads its body itself, under a limit of its own.
        .route("/objects", get(objects::list).post(objects::add))
        .layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX))
        .layer(axum::Extension(objects::Turns::new()))
        .fallback(|| async { Fault::not_found() })
        .method_not_allowed_fallback(|| async { Fault::method() })
        .layer(axum::middleware::from_fn_with_state(
            (Arc::clone(&node), door),
            identify,
        ))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&node),
            finish,
        ))
        .with_state(node)
}

/// The body limit of routes that take a whole policy set.
fn whole_sets() -> DefaultBodyLimit {
    DefaultBodyLimit::max(POLICY_BODY_BYTES_MAX)
}

/// Finds out who asks, before anything else is looked at: a stranger cannot tell paths apart.
async fn identify(
    State((node, door)): State<(Arc<Node>, Door)>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    let held = request.extensions().get::<Arc<Caller>>();
    let caller = match (header, held, door) {
        (None, None, Door::Socket) => Ok(Arc::new(Caller::socket())),
        // Proved by the connection itself, such as by a client certificate.
        (None, Some(caller), _) => Ok(Arc::clone(caller)),
        (header, _, _) => {
            let source = request.extensions().get::<Source>();
            let source = source.cloned().unwrap_or_else(Source::local);
            node.auth().authenticate(header, &source).await
        }
    };
    let tried = format!("{} {}", request.method(), resource(request.uri().path()));
    let (who, response) = match caller {
        // A sensor's token puts in and takes nothing out, whatever its user's duties show.
        Ok(caller) if request.method() == Method::GET && caller.scopes == [Scope::Add].into() => {
            let denied = caller.require_scope(Scope::Read).err();
            let fault = denied.map_or_else(Fault::not_found, Fault::from);
            (caller.name.clone(), fault.into_response())
        }
        Ok(caller) => {
            request.extensions_mut().insert(Arc::clone(&caller));
            (caller.name.clone(), next.run(request).await)
        }
        Err(error) => (NOBODY.to_owned(), Fault::from(error).into_response()),
    };
    if matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    ) {
        let status = response.status().as_u16();
        node.reads().denied(&who, status, &tried);
    }
    response
}

/// Who it was that proved nothing, in the audit log.
const NOBODY: &str = "nobody";

/// The part of a path that says what is wanted, without the names in it.
fn resource(path: &str) -> &str {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let end = rest.find('/').unwrap_or(rest.len());
    &rest[..end]
}

/// Counts the answer and gives errors that the framework itself made our own form.
async fn finish(State(node): Shared, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let problem = HeaderValue::from_static("application/problem+json");
    let status = response.status();
    if (status.is_client_error() || status.is_server_error())
        && response.headers().get(header::CONTENT_TYPE) != Some(&problem)
    {
        response = match status {
            StatusCode::PAYLOAD_TOO_LARGE => Fault::too_large(ADMIN_BODY_BYTES_MAX),
            _ => Fault::new(
                status,
                "request",
                "The request is malformed",
                "The request could not be read.",
            ),
        }
        .into_response();
    }
    node.metrics().answered("admin", response.status().as_u16());
    response
}

/// Reads a JSON body; the error says where it is wrong.
pub(crate) fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::request(format!("The JSON body cannot be read: {error}.")))
}

pub(crate) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Fault> {
    query.map(|Query(query)| query).map_err(|error| {
        Fault::request(format!("The query cannot be read: {}.", error.body_text()))
    })
}

async fn release(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<ReleaseReport>, Fault> {
    // Which of them may release what is for the policy to say.
    caller.require_one_of(&[Duty::Releaser, Duty::Analyst])?;
    caller.require_scope(Scope::Release)?;
    let request: ReleaseRequest = json(&body)?;
    Ok(Json(node.release_as(&caller, &request).await?))
}

async fn withdraw(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<WithdrawReport>, Fault> {
    caller.require_one_of(&[Duty::Releaser, Duty::Operator])?;
    if !caller.has(Duty::Operator) {
        caller.require_scope(Scope::Release)?;
    }
    let request: WithdrawRequest = json(&body)?;
    Ok(Json(node.withdraw_as(&caller, &request).await?))
}

async fn pull(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<PullReport>, Fault> {
    caller.require(Duty::Operator)?;
    let request: PullRequest = if body.is_empty() {
        PullRequest::default()
    } else {
        json(&body)?
    };
    Ok(Json(crate::pull::now(&node, &request).await?))
}
