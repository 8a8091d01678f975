//! Requests for information over the admin API; see `crate::requests` for what they do.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::{Json, response::IntoResponse};
use policy::Duty;
use schemars::JsonSchema;
use serde::Deserialize;

use super::types::{
    AnswerRequest, AskRequest, PostReport, RequestInfo, RequestThread, RequestsPage, RequestsQuery,
    RouteRequest, RouteRule,
};
use super::{As, Shared, json, query};
use crate::auth::Scope;
use crate::problem::Fault;

/// Whoever writes to partners in the nation's name.
const WRITERS: [Duty; 2] = [Duty::DeskOfficer, Duty::Analyst];

pub(super) async fn list(
    State(node): Shared,
    Extension(caller): As,
    wanted: Result<Query<RequestsQuery>, QueryRejection>,
) -> Result<Json<RequestsPage>, Fault> {
    Ok(Json(node.request_list(&query(wanted)?, &caller).await?))
}

pub(super) async fn ask(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<PostReport>, Fault> {
    caller.require_one_of(&WRITERS)?;
    caller.require_scope(Scope::Requests)?;
    let request: AskRequest = json(&body)?;
    caller.require_reading(&request.channel)?;
    Ok(Json(node.ask(&request, &caller).await?))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThreadQuery {
    channel: Option<String>,
}

pub(super) async fn thread(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
    wanted: Result<Query<ThreadQuery>, QueryRejection>,
) -> Result<Json<RequestThread>, Fault> {
    let channel = query(wanted)?.channel;
    Ok(Json(
        node.request_thread(&id, channel.as_deref(), &caller)
            .await?,
    ))
}

pub(super) async fn answer(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<PostReport>, Fault> {
    caller.require_one_of(&WRITERS)?;
    caller.require_scope(Scope::Requests)?;
    let request: AnswerRequest = json(&body)?;
    Ok(Json(node.answer(&id, &request, &caller).await?))
}

pub(super) async fn route(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<RequestInfo>, Fault> {
    caller.require(Duty::DeskOfficer)?;
    caller.require_scope(Scope::Requests)?;
    let request: RouteRequest = json(&body)?;
    Ok(Json(node.route_request(&id, &request, &caller).await?))
}

pub(super) async fn rules(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<RouteRule>>, Fault> {
    caller.require_one_of(&WRITERS)?;
    caller.require_scope(Scope::Requests)?;
    Ok(Json(node.request_rules().await?))
}

pub(super) async fn rule(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<RouteRule>, Fault> {
    caller.require(Duty::DeskOfficer)?;
    caller.require_scope(Scope::Requests)?;
    let rule: RouteRule = json(&body)?;
    Ok(Json(node.put_request_rule(&rule, &caller).await?))
}

pub(super) async fn remove_rule(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Fault> {
    caller.require(Duty::DeskOfficer)?;
    caller.require_scope(Scope::Requests)?;
    node.remove_request_rule(&name, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
