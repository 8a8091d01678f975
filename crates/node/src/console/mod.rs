//! The console: pages for people, on the national listener under `/console`.
//!
//! Pages are made here from templates and read without JavaScript; the one script is for passkeys,
//! which browsers offer to scripts only. Nothing is loaded from elsewhere, and the policy that goes
//! with each page (`default-src 'none'`) says so to the browser. Texts stand in the template of
//! their page.
//!
//! INVARIANT: every request that changes something carries a token that only this node's own pages
//! have ([`visit`]), and comes from one of them. INVARIANT: a session's value is made at sign-in and
//! never taken from a request.

mod account;
mod approvals;
mod pages;
mod passkeys;
mod sign_in;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::auth::oidc::{CALLBACK_PATH, SingleSignOn};
use crate::auth::passkey::Passkeys;
use crate::auth::secret;
use crate::error::NodeError;
use crate::limits::CONSOLE_BODY_BYTES_MAX;
use crate::node::Node;

/// What a browser may do with a page: show it, with this node's own style and script.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HOME: &str = "/console/";

/// What the pages work with.
pub(crate) struct Console {
    node: Arc<Node>,
    passkeys: Arc<Passkeys>,
    sso: Option<SingleSignOn>,
    /// Whether browsers reach this node by HTTPS, so that cookies can insist on it.
    secure: bool,
    /// Makes the tokens of forms; new at every start.
    key: secret::Key,
}

/// The console of a node, to be merged into the national listener's router.
///
/// # Errors
/// When the configuration of single sign-on cannot be used.
pub(crate) fn router(node: &Arc<Node>) -> Result<Router, NodeError> {
    let people = &node.config().people;
    let sso = match (&people.oidc, &people.origin) {
        (Some(oidc), Some(origin)) => Some(SingleSignOn::new(oidc, origin, node.clock().clone())?),
        _ => None,
    };
    let https = people
        .origin
        .as_ref()
        .is_some_and(|origin| origin.scheme() == "https");
    let console = Arc::new(Console {
        passkeys: Arc::new(Passkeys::new(
            node.store().clone(),
            node.clock().clone(),
            people.origin.as_ref(),
            &format!("Kurultai of {}", node.config().name),
        )),
        sso,
        secure: https || node.config().national_tls.is_some(),
        key: secret::random(),
        node: Arc::clone(node),
    });
    let pages = Router::new()
        .route("/console/", get(home))
        .route(
            "/console/sign-in",
            get(sign_in::page).post(sign_in::password),
        )
        .route("/console/code", post(sign_in::code))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/certificate", post(sign_in::certificate))
        .route("/console/oidc", get(sign_in::depart))
        .route(CALLBACK_PATH, get(sign_in::arrive))
        .route(
            "/console/enrol",
            get(sign_in::enrol_page).post(sign_in::enrol),
        )
        .route("/console/passkey/sign-in", post(passkeys::ask))
        .route("/console/passkey/sign-in/answer", post(passkeys::sign_in))
        .route("/console/passkey/add", post(passkeys::offer))
        .route("/console/passkey/add/answer", post(passkeys::add))
        .route("/console/passkey/enrol", post(passkeys::invite))
        .route("/console/passkey/enrol/answer", post(passkeys::enrol))
        .route("/console/account", get(account::page))
        .route("/console/account/password", post(account::password))
        .route("/console/account/totp", post(account::new_totp))
        .route("/console/account/totp/confirm", post(account::confirm_totp))
        .route("/console/account/totp/remove", post(account::remove_totp))
        .route(
            "/console/account/passkey/remove",
            post(account::remove_passkey),
        )
        .route("/console/account/sessions/end", post(account::end_sessions))
        .route("/console/account/token", post(account::new_token))
        .route("/console/account/token/revoke", post(account::revoke_token))
        .route("/console/approvals", get(approvals::list))
        .route(
            "/console/approvals/{id}",
            get(approvals::show).post(approvals::decide),
        )
        .route("/console/{*path}", get(nothing))
        .layer(DefaultBodyLimit::max(CONSOLE_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&console),
            visit::meet,
        ))
        .with_state(console);
    Ok(Router::new()
        .route("/", get(|| async { Redirect::to(HOME) }))
        .route("/console", get(|| async { Redirect::to(HOME) }))
        .route("/console/static/console.css", get(style))
        .route("/console/static/passkey.js", get(script))
        .route("/console/static/icon.svg", get(icon))
        .merge(pages)
        .layer(middleware::from_fn(guard)))
}

/// Sends people where their work is.
async fn home(visit: visit::Guest) -> Redirect {
    Redirect::to(match &visit.session {
        Some(_) => "/console/account",
        None => "/console/sign-in",
    })
}

async fn nothing(
    axum::extract::State(console): axum::extract::State<Arc<Console>>,
    visit: visit::Guest,
) -> Response {
    console.message(
        &visit,
        StatusCode::NOT_FOUND,
        "There is nothing here",
        "The page does not exist, or not any more.",
        (HOME, "Go to the beginning"),
    )
}

/// Puts the policy on every answer.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: browsers then hide where a form comes from, which is asked for below.
    set(header::REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn style() -> Response {
    file(
        include_str!("static/console.css"),
        "text/css; charset=utf-8",
    )
}

async fn script() -> Response {
    file(
        include_str!("static/passkey.js"),
        "text/javascript; charset=utf-8",
    )
}

async fn icon() -> Response {
    file(include_str!("static/icon.svg"), "image/svg+xml")
}

/// A file that is the same until the node is replaced.
fn file(text: &'static str, kind: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    (headers, text).into_response()
}
