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

use super::types::{
    AccordInfo, AccordReport, AccordStatus, AuditRecord, ExclusionInfo, ExclusionRequest,
    HeedReport, MemberStanding, NoticeInfo, NoticeReport, NoticeRequest,
};
use super::{As, Shared, json, query};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::problem::Fault;

/// The routes of accords.
pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/accords", get(list).post(install))
        .route("/accords/{name}", get(note))
        .route("/accords/{name}/status", get(standing))
        .route("/accords/{name}/notices", post(give))
        .route("/accords/{name}/exclusions", post(exclude))
        .route("/accords/{name}/exclusions/end", post(readmit))
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

async fn exclude(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<AccordStatus>, Fault> {
    excluded(&node, &caller, &name, true, &body).await
}

async fn readmit(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<AccordStatus>, Fault> {
    excluded(&node, &caller, &name, false, &body).await
}

async fn excluded(
    node: &Arc<Node>,
    caller: &Caller,
    name: &str,
    exclude: bool,
    body: &Bytes,
) -> Result<Json<AccordStatus>, Fault> {
    caller.require(Duty::Operator)?;
    let request: ExclusionRequest = json(body)?;
    let who = caller.recorded(&request.who);
    node.exclude(name, &request.member, exclude, &request.reason, &who)
        .await?;
    Ok(Json(status_of(node, name)?))
}

async fn standing(
    State(node): Shared,
    Extension(caller): As,
    Path(name): Path<String>,
) -> Result<Json<AccordStatus>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    Ok(Json(status_of(&node, &name)?))
}

/// Where the accord `name` stands.
fn status_of(node: &Node, name: &str) -> Result<AccordStatus, NodeError> {
    let accords = node.accords();
    let (held, next) = (accords.get(name), accords.next(name));
    let mut members: Vec<MemberStanding> = Vec::new();
    for member in [held, next]
        .into_iter()
        .flatten()
        .flat_map(|signed| &signed.accord().members)
    {
        let code = &member.code;
        if members.iter().any(|known| known.code == *code) {
            continue;
        }
        let notices = accords.notices().of(name);
        let channels = held
            .into_iter()
            .flat_map(|signed| &signed.accord().channels);
        let takes_part = channels.filter(|channel| {
            held.and_then(|signed| signed.channel_in_force(&channel.name))
                .is_some_and(|in_force| in_force.members.contains(code))
        });
        members.push(MemberStanding {
            ratified: held.is_some_and(|signed| signed.ratified().contains(code)),
            ratified_next: next.map(|signed| signed.ratified().contains(code)),
            takes_part: takes_part.map(|channel| channel.name.clone()).collect(),
            notices: notices
                .filter(|signed| signed.notice().member == *code)
                .map(NoticeInfo::of)
                .collect(),
            excluded: accords
                .exclusion(name, code)
                .map(|exclusion| ExclusionInfo {
                    since: exclusion.since.clone(),
                    who: exclusion.who.clone(),
                    reason: exclusion.reason.clone(),
                }),
            name: member.name.clone(),
            code: code.clone(),
        });
    }
    if members.is_empty() {
        return Err(NodeError::Unknown {
            what: format!("accord {name:?}"),
        });
    }
    Ok(AccordStatus {
        held: held.map(|signed| AccordInfo::of(signed)),
        next: next.map(|signed| AccordInfo::of(signed)),
        members,
    })
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

async fn list(State(node): Shared, Extension(caller): As) -> Result<Json<Vec<AccordInfo>>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    let accords = node.accords();
    Ok(Json(
        accords.all().map(|signed| AccordInfo::of(signed)).collect(),
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
            node.audit(vec![AuditRecord {
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
        accord: AccordInfo::of(&offered.accord),
        new_signatures: offered.new_signatures,
        note: offered.accord.to_string(),
    }))
}
