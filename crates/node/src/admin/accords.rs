//! Accords over the admin API: what is installed, what members said since, and this member's own
//! notices.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use policy::{Act, Duty};
use schemars::JsonSchema;
use serde::Deserialize;

use super::types::{self, AccordReport, HeedReport, NoticeInfo, NoticeReport, NoticeRequest};
use super::{As, Shared, json, query};
use crate::error::NodeError;
use crate::node::Node;
use crate::problem::Fault;

/// The routes of accords.
pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/accords", get(list).post(install))
        .route("/accords/{name}", get(note))
        .route("/accords/{name}/notices", post(give))
        .route("/notices", post(heed))
}

/// Signs a notice of this member and hands it to the others.
async fn give(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<NoticeReport>, Fault> {
    caller.require(Duty::Operator)?;
    let request: NoticeRequest = json(&body)?;
    let act = Act::new(&request.notice, request.channel)
        .map_err(|error| Fault::request(error.to_string()))?;
    let who = caller.recorded(&request.who);
    let (signed, told) = node.give_notice(&name, act, &request.reason, &who).await?;
    Ok(Json(NoticeReport {
        notice: NoticeInfo::of(&signed),
        note: signed.to_string(),
        reached: told.reached.into_iter().collect(),
        missed: told.missed.into_iter().collect(),
    }))
}

/// Takes a notice that came by hand.
async fn heed(
    State(node): Shared,
    Extension(caller): As,
    wanted: Result<Query<By>, QueryRejection>,
    body: Bytes,
) -> Result<Json<HeedReport>, Fault> {
    caller.require(Duty::Operator)?;
    let who = caller.recorded(&query(wanted)?.who);
    let news = node.heed_notice(&body, &who).await?;
    Ok(Json(HeedReport { news }))
}

/// Who asks, where the connection does not prove it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct By {
    who: String,
}

async fn list(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<types::AccordInfo>>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    let accords = node.accords();
    Ok(Json(
        accords
            .all()
            .map(|signed| types::AccordInfo::of(signed))
            .collect(),
    ))
}

async fn note(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Response, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    let accords = node.accords();
    // The waiting version, if there is one, is what an operator has to sign.
    let signed = accords
        .all()
        .filter(|signed| signed.accord().name == name)
        .last();
    let signed = signed.ok_or_else(|| NodeError::Unknown {
        what: format!("accord {name:?}"),
    })?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, signed.to_string()).into_response())
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Install {
    ratify: bool,
    who: String,
}

async fn install(
    State(node): Shared,
    Extension(caller): As,
    wanted: Result<Query<Install>, QueryRejection>,
    body: Bytes,
) -> Result<Json<AccordReport>, Fault> {
    caller.require(Duty::Operator)?;
    let wanted = query(wanted)?;
    let who = caller.recorded(&wanted.who);
    let offered = match node.offer_accord(body.to_vec(), wanted.ratify, &who).await {
        Ok(offered) => offered,
        Err(error) => {
            node.audit(vec![types::AuditRecord {
                what: "refuse".into(),
                who,
                count: 1,
                why: format!("installation of an accord: {error}"),
                ..node.record()
            }])
            .await?;
            return Err(error.into());
        }
    };
    Ok(Json(AccordReport {
        accord: types::AccordInfo::of(&offered.accord),
        new_signatures: offered.new_signatures,
        note: offered.accord.to_string(),
    }))
}
