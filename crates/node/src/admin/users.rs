//! National users, for the operator: a thin layer over `auth`, with an audit record for each act.
//! The record follows the act, because only `auth` knows whether the request is one: a refused
//! request must leave no trace of something that never was.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use model::Tlp;
use policy::Duty;

use super::types::{AuditRecord, TokenReply, TokenRequest, UserInfo, UserRequest};
use super::{As, Shared, json};
use crate::auth::{Auth, AuthError, Caller, UserChange};
use crate::error::NodeError;
use crate::node::{Node, blocking};
use crate::problem::Fault;

pub(super) async fn list(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<UserInfo>>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor])?;
    let users = with(&node, |auth| auth.users()).await?;
    Ok(Json(users.into_iter().map(info).collect()))
}

pub(super) async fn put(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<UserInfo>, Fault> {
    caller.require(Duty::Operator)?;
    let request: UserRequest = json(&body)?;
    let clearance = match &request.clearance {
        None => Tlp::Red,
        Some(text) => text
            .parse()
            .map_err(|error| Fault::request(format!("{text:?}: {error}.")))?,
    };
    let given = words(&request.duties);
    let change = UserChange {
        password: request.password,
        duties: request.duties,
        clearance,
        collections: request.collections,
    };
    let name = request.name;
    let (generated, user) = with(&node, move |auth| {
        let generated = auth.put_user(&name, &change)?;
        let user = auth.users()?.into_iter().find(|user| user.name == name);
        Ok((generated, user.ok_or(AuthError::UnknownUser { name })?))
    })
    .await?;
    account(
        &node,
        &caller,
        "user",
        format!("user {}: {given}", user.name),
    )
    .await?;
    Ok(Json(UserInfo {
        generated_password: generated,
        ..info(user)
    }))
}

pub(super) async fn remove(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    caller.require(Duty::Operator)?;
    let of = name.clone();
    if with(&node, move |auth| auth.remove_user(&of)).await? {
        account(&node, &caller, "user", format!("user {name} removed")).await?;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NodeError::Unknown {
            what: format!("user {name:?}"),
        }
        .into())
    }
}

pub(super) async fn token(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<TokenReply>, Fault> {
    caller.require(Duty::Operator)?;
    let request: TokenRequest = if body.is_empty() {
        TokenRequest::default()
    } else {
        json(&body)?
    };
    let of = name.clone();
    let token = with(&node, move |auth| auth.issue_token(&of, request.days)).await?;
    account(&node, &caller, "token", format!("a token for user {name}")).await?;
    Ok(Json(TokenReply { token }))
}

async fn account(node: &Node, caller: &Caller, what: &str, why: String) -> Result<(), NodeError> {
    let record = AuditRecord {
        what: what.to_owned(),
        who: caller.recorded(""),
        why,
        ..node.record()
    };
    node.audit(vec![record]).await
}

async fn with<T: Send + 'static>(
    node: &Node,
    work: impl FnOnce(&Auth) -> Result<T, AuthError> + Send + 'static,
) -> Result<T, NodeError> {
    let auth = Arc::clone(node.auth());
    blocking(move || work(&auth))
        .await
        .map_err(|error| match error {
            AuthError::Store(error) => NodeError::Store(error),
            AuthError::UnknownUser { name } => NodeError::Unknown {
                what: format!("user {name:?}"),
            },
            error => NodeError::request(error.to_string()),
        })
}

fn info(user: crate::auth::UserInfo) -> UserInfo {
    UserInfo {
        duties: user.duties,
        clearance: user.clearance.to_string(),
        name: user.name,
        collections: user.collections,
        password: user.password,
        tokens: user.tokens,
        generated_password: None,
    }
}

fn words(duties: &std::collections::BTreeSet<Duty>) -> String {
    if duties.is_empty() {
        return "reads only".into();
    }
    let words: Vec<&str> = duties.iter().map(|duty| duty.word()).collect();
    words.join(", ")
}
