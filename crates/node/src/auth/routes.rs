//! Signing in and one's own account, as JSON: `/auth` of the national listener and of the socket.
//!
//! | resource | takes | gives |
//! |---|---|---|
//! | `POST /auth/session` | [`SignInRequest`] | [`SignInReply`] |
//! | `POST /auth/totp` | [`CodeRequest`] | [`SignInReply`] |
//! | `DELETE /auth/session` | the session | 204 |
//! | `POST /auth/enrol` | [`EnrolRequest`] | 204 |
//! | `POST /auth/password` | [`PasswordRequest`] | 204 |
//! | `GET /auth/me` | a proof | [`Me`] |
//! | `GET`, `DELETE /auth/sessions` | a proof | `Vec<SessionInfo>`, 204 |
//! | `POST /auth/totp/new`, `/confirm`, `/remove` | a proof, [`ConfirmRequest`] (for the first `new` none) | [`TotpReply`], [`RecoveryReply`], 204 |
//! | `GET`, `POST /auth/tokens` | a proof, [`TokenRequest`] | `Vec<TokenInfo>`, [`TokenReply`] |
//! | `DELETE /auth/tokens/{id}`, `POST …/rotate` | a proof, [`RotateRequest`] | 204, [`TokenReply`] |
//!
//! A proof is an `Authorization` header; no cookie is read or set here, so no other site's page can
//! speak for somebody. A token proves no person: it ends and makes no credentials.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;

use super::limits::AUTH_BODY_BYTES_MAX;
use super::sessions::SESSION_PREFIX;
use super::{Auth, AuthError, Caller, SignIn, Source};
use crate::admin::types::{
    CodeRequest, ConfirmRequest, EnrolRequest, Me, PasswordRequest, RecoveryReply, RotateRequest,
    SessionInfo, SignInReply, SignInRequest, TokenInfo, TokenReply, TokenRequest, TotpReply,
};
use crate::node::blocking;
use crate::problem::Fault;

type Shared = State<Arc<Auth>>;
type From = Option<Extension<Source>>;

/// The resources below `/auth`.
pub(crate) fn router(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/session", post(sign_in).delete(sign_out))
        .route("/totp", post(second_factor))
        .route("/enrol", post(enrol))
        .route("/password", post(change_password))
        .route("/me", get(me))
        .route("/sessions", get(sessions).delete(end_sessions))
        .route("/totp/new", post(new_totp))
        .route("/totp/confirm", post(confirm_totp))
        .route("/totp/remove", post(remove_totp))
        .route("/tokens", get(tokens).post(make_token))
        .route("/tokens/{id}", delete(revoke_token))
        .route("/tokens/{id}/rotate", post(rotate_token))
        .layer(DefaultBodyLimit::max(AUTH_BODY_BYTES_MAX))
        .fallback(|| async { Fault::not_found() })
        .method_not_allowed_fallback(|| async { Fault::method() })
        .with_state(auth)
}

fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    // What serde says could repeat what was sent, so only the place is told.
    serde_json::from_slice(body).map_err(|error| {
        Fault::request(format!(
            "The JSON body cannot be read at line {}, column {}: send what this resource takes.",
            error.line(),
            error.column()
        ))
    })
}

fn source(from: From) -> Source {
    from.map_or_else(Source::local, |Extension(source)| source)
}

async fn proven(auth: &Arc<Auth>, headers: &HeaderMap, from: From) -> Result<Arc<Caller>, Fault> {
    let header = headers.get(header::AUTHORIZATION);
    Ok(auth.authenticate(header, &source(from)).await?)
}

async fn sign_in(State(auth): Shared, from: From, body: Bytes) -> Result<Json<SignInReply>, Fault> {
    let request: SignInRequest = json(&body)?;
    let password = request.password.as_bytes();
    match auth.sign_in(&request.name, password, &source(from)).await? {
        SignIn::Proved(proof) => begin(auth, request.name, proof).await,
        SignIn::CodeNeeded { ticket } => Ok(Json(SignInReply {
            code_needed: Some(ticket),
            ..SignInReply::default()
        })),
    }
}

async fn second_factor(
    State(auth): Shared,
    from: From,
    body: Bytes,
) -> Result<Json<SignInReply>, Fault> {
    let request: CodeRequest = json(&body)?;
    let from = source(from);
    let (name, proof) = auth
        .second_factor(&request.ticket, &request.code, &from)
        .await?;
    begin(auth, name, proof).await
}

async fn begin(
    auth: Arc<Auth>,
    name: String,
    proof: super::Proof,
) -> Result<Json<SignInReply>, Fault> {
    let started = blocking(move || auth.start_session(&name, proof, &BTreeSet::new())).await?;
    Ok(Json(SignInReply {
        session: Some(started.value),
        expires: Some(started.expires),
        code_needed: None,
    }))
}

async fn sign_out(State(auth): Shared, headers: HeaderMap) -> Result<StatusCode, Fault> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once(' '))
        .map(|(_, value)| value.trim().to_owned())
        .filter(|value| value.starts_with(SESSION_PREFIX))
        .ok_or(AuthError::Missing)?;
    if blocking(move || auth.end_session(&value)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(AuthError::Wrong.into())
    }
}

async fn enrol(State(auth): Shared, from: From, body: Bytes) -> Result<StatusCode, Fault> {
    let request: EnrolRequest = json(&body)?;
    auth.enrol(
        &request.name,
        &request.code,
        &request.password,
        &source(from),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change_password(
    State(auth): Shared,
    from: From,
    body: Bytes,
) -> Result<StatusCode, Fault> {
    let request: PasswordRequest = json(&body)?;
    let code = request.code.as_deref();
    let from = source(from);
    auth.change_password(&request.name, &request.password, code, &request.new, &from)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(auth): Shared, headers: HeaderMap, from: From) -> Result<Json<Me>, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    Ok(Json(Me {
        name: caller.name.clone(),
        duties: caller.duties.clone(),
        clearance: caller.clearance.to_string(),
        collections: caller.collections.clone(),
        proof: caller.proof,
        held_back: caller.held_back.map(str::to_owned),
    }))
}

async fn sessions(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
) -> Result<Json<Vec<SessionInfo>>, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    Ok(Json(blocking(move || auth.sessions(&caller.name)).await?))
}

async fn end_sessions(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
) -> Result<StatusCode, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    blocking(move || auth.end_sessions(&caller, &caller.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn new_totp(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    body: Bytes,
) -> Result<Json<TotpReply>, Fault> {
    let from = source(from);
    let header = headers.get(header::AUTHORIZATION);
    let caller = auth.authenticate(header, &from).await?;
    let request: Option<ConfirmRequest> = match body.is_empty() {
        true => None,
        false => json(&body)?,
    };
    let code = request.map(|request| request.code);
    let new = auth.new_totp(&caller, code.as_deref(), &from).await?;
    Ok(Json(new))
}

async fn confirm_totp(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    body: Bytes,
) -> Result<Json<RecoveryReply>, Fault> {
    let from = source(from);
    let caller = auth
        .authenticate(headers.get(header::AUTHORIZATION), &from)
        .await?;
    let request: ConfirmRequest = json(&body)?;
    let recovery_codes = auth.confirm_totp(&caller, &request.code, &from).await?;
    Ok(Json(RecoveryReply { recovery_codes }))
}

async fn remove_totp(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    body: Bytes,
) -> Result<StatusCode, Fault> {
    let from = source(from);
    let caller = auth
        .authenticate(headers.get(header::AUTHORIZATION), &from)
        .await?;
    let request: ConfirmRequest = json(&body)?;
    auth.remove_totp(&caller, &request.code, &from).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tokens(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
) -> Result<Json<Vec<TokenInfo>>, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    Ok(Json(blocking(move || auth.tokens(&caller.name)).await?))
}

async fn make_token(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    body: Bytes,
) -> Result<Json<TokenReply>, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    let request: TokenRequest = json(&body)?;
    let made = blocking(move || auth.issue_token(&caller, &caller.name, &request)).await?;
    Ok(Json(made))
}

async fn revoke_token(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    blocking(move || auth.revoke_token(&caller, &caller.name, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate_token(
    State(auth): Shared,
    headers: HeaderMap,
    from: From,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<TokenReply>, Fault> {
    let caller = proven(&auth, &headers, from).await?;
    let request: RotateRequest = if body.is_empty() {
        RotateRequest::default()
    } else {
        json(&body)?
    };
    let made = blocking(move || auth.rotate_token(&caller, &caller.name, &id, request.grace_hours));
    Ok(Json(made.await?))
}
