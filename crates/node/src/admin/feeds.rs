//! Feeds over the admin API; see `crate::feeds` for what they do.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router, response::IntoResponse};
use policy::Duty;

use super::types::{FeedInfo, FeedQuarantine, FeedRemove, FeedSpec};
use super::{As, Shared, json, query};
use crate::auth::{Caller, Denied, Scope};
use crate::node::Node;
use crate::problem::Fault;

/// Whoever works with what feeds bring and take.
const READERS: [Duty; 4] = [Duty::Operator, Duty::Analyst, Duty::Releaser, Duty::Auditor];

/// The routes of feeds.
pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/feeds", get(list).post(add))
        .route("/feeds/{name}", get(show).delete(remove))
        .route("/feeds/{name}/run", post(run))
        .route("/feeds/{name}/pause", post(pause))
        .route("/feeds/{name}/resume", post(resume))
        .route("/feeds/{name}/quarantine", get(quarantine))
}

/// Feeds are made, run, paused and removed by an operator.
fn operated(caller: &Caller) -> Result<(), Denied> {
    caller.require(Duty::Operator)?;
    caller.require_scope(Scope::Admin)
}

async fn list(State(node): Shared, Extension(caller): As) -> Result<Json<Vec<FeedInfo>>, Fault> {
    caller.require_one_of(&READERS)?;
    Ok(Json(node.feeds().await?))
}

async fn show(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<FeedInfo>, Fault> {
    caller.require_one_of(&READERS)?;
    Ok(Json(node.feed(&name).await?))
}

async fn quarantine(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<FeedQuarantine>, Fault> {
    caller.require_one_of(&READERS)?;
    Ok(Json(node.feed_quarantine(&name).await?))
}

async fn add(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<FeedInfo>, Fault> {
    operated(&caller)?;
    let spec: FeedSpec = json(&body)?;
    Ok(Json(node.add_feed(spec, &caller).await?))
}

async fn remove(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    asked: Result<Query<FeedRemove>, QueryRejection>,
) -> Result<impl IntoResponse, Fault> {
    operated(&caller)?;
    let asked = query(asked)?;
    node.remove_feed(&name, asked.force, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn run(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<FeedInfo>, Fault> {
    operated(&caller)?;
    Ok(Json(node.run_feed(&name, &caller).await?))
}

async fn pause(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<FeedInfo>, Fault> {
    operated(&caller)?;
    Ok(Json(node.pause_feed(&name, true, &caller).await?))
}

/// What pushes is opened by a releaser, anything else by an operator: the node knows which it is.
async fn resume(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<FeedInfo>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Releaser])?;
    Ok(Json(node.pause_feed(&name, false, &caller).await?))
}
