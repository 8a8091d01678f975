//! National users, for the operator: a thin layer over `auth`, which keeps the rules and accounts
//! for each act.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use model::Tlp;
use policy::Duty;
use schemars::JsonSchema;
use serde::Deserialize;

use super::types::{
    InviteReply, InviteRequest, RotateRequest, SessionInfo, TokenInfo, TokenReply, TokenRequest,
    UserInfo, UserRequest,
};
use super::{As, Shared, json, query};
use crate::auth::{Auth, AuthError, UserChange};
use crate::error::NodeError;
use crate::node::{Node, blocking};
use crate::problem::Fault;

/// Whether to go on although no operator is left afterwards.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Force {
    force: bool,
}

type Forced = Result<Query<Force>, QueryRejection>;

pub(super) async fn list(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<UserInfo>>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor])?;
    Ok(Json(with(&node, |auth| auth.users()).await?))
}

pub(super) async fn put(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<UserInfo>, Fault> {
    caller.require(Duty::Operator)?;
    let request: UserRequest = json(&body)?;
    let change = UserChange {
        password: request.password,
        duties: request.duties,
        clearance: level(request.clearance.as_deref())?,
        collections: request.collections,
        force: request.force,
    };
    let name = request.name;
    let user = with(&node, move |auth| {
        let generated_password = auth.put_user(&caller, &name, &change)?;
        let user = auth.users()?.into_iter().find(|user| user.name == name);
        let user = user.ok_or(AuthError::UnknownUser { name })?;
        Ok(UserInfo {
            generated_password,
            ..user
        })
    });
    Ok(Json(user.await?))
}

pub(super) async fn invite(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<InviteReply>, Fault> {
    caller.require(Duty::Operator)?;
    let request: InviteRequest = optional(&body)?;
    let change = UserChange {
        duties: request.duties,
        clearance: level(request.clearance.as_deref())?,
        collections: request.collections,
        ..UserChange::default()
    };
    let reply = with(&node, move |auth| {
        auth.invite(&caller, &name, &change, request.hours)
    });
    Ok(Json(reply.await?))
}

pub(super) async fn remove(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    forced: Forced,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    let force = query(forced)?.force;
    let of = name.clone();
    if with(&node, move |auth| auth.remove_user(&caller, &of, force)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NodeError::Unknown {
            what: format!("user {name:?}"),
        }
        .into())
    }
}

pub(super) async fn lock(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    forced: Forced,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    let force = query(forced)?.force;
    with(&node, move |auth| {
        auth.lock_user(&caller, &name, true, force)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unlock(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    with(&node, move |auth| {
        auth.lock_user(&caller, &name, false, false)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn token(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<TokenReply>, Fault> {
    caller.require(Duty::Operator)?;
    let request: TokenRequest = optional(&body)?;
    let made = with(&node, move |auth| {
        auth.issue_token(&caller, &name, &request)
    });
    Ok(Json(made.await?))
}

pub(super) async fn tokens(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<Vec<TokenInfo>>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor])?;
    Ok(Json(with(&node, move |auth| auth.tokens(&name)).await?))
}

pub(super) async fn revoke(
    State(node): Shared,
    Extension(caller): As,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    with(&node, move |auth| auth.revoke_token(&caller, &name, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate(
    State(node): Shared,
    Extension(caller): As,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<TokenReply>, Fault> {
    caller.require(Duty::Operator)?;
    let request: RotateRequest = optional(&body)?;
    let made = with(&node, move |auth| {
        auth.rotate_token(&caller, &name, &id, request.grace_hours)
    });
    Ok(Json(made.await?))
}

pub(super) async fn sessions(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<Vec<SessionInfo>>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor])?;
    Ok(Json(with(&node, move |auth| auth.sessions(&name)).await?))
}

pub(super) async fn end_sessions(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    with(&node, move |auth| auth.end_sessions(&caller, &name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A body that may be left out.
fn optional<T: serde::de::DeserializeOwned + Default>(body: &Bytes) -> Result<T, Fault> {
    if body.is_empty() {
        Ok(T::default())
    } else {
        json(body)
    }
}

fn level(text: Option<&str>) -> Result<Option<Tlp>, Fault> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error| Fault::request(format!("{text:?}: {error}.")))
    };
    text.map(parse).transpose()
}

async fn with<T: Send + 'static>(
    node: &Node,
    work: impl FnOnce(&Auth) -> Result<T, AuthError> + Send + 'static,
) -> Result<T, Fault> {
    let auth = Arc::clone(node.auth());
    Ok(blocking(move || work(&auth)).await?)
}
