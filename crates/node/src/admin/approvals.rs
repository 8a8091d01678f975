//! Proposals over the admin API: looking at what would leave, agreeing, saying no.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use policy::Duty;

use super::types::{ApprovalRequest, ProposalInfo, ProposalView};
use super::{As, Shared, json};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::problem::Fault;

/// Who may look at proposals: who makes them, who decides about them, who answers for the node.
pub(crate) const READERS: [Duty; 4] = [
    Duty::Releaser,
    Duty::Approver,
    Duty::Operator,
    Duty::Auditor,
];

pub(super) async fn list(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<ProposalInfo>>, Fault> {
    caller.require_one_of(&READERS)?;
    let now = node.now();
    let proposals = node.proposals().await?;
    let infos = proposals.iter().map(|held| ProposalInfo::of(held, now));
    Ok(Json(infos.collect()))
}

pub(super) async fn show(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
) -> Result<Json<ProposalView>, Fault> {
    caller.require_one_of(&READERS)?;
    may_see(&node, &caller, &id).await?;
    Ok(Json(node.show_proposal(&id).await?))
}

pub(super) async fn approve(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<ProposalInfo>, Fault> {
    let request: ApprovalRequest = json(&body)?;
    let proposal = node.approve(&id, &request.digest, &caller).await?;
    Ok(Json(ProposalInfo::of(&proposal, node.now())))
}

pub(super) async fn decline(
    State(node): Shared,
    Extension(caller): As,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<ProposalInfo>, Fault> {
    let request: ApprovalRequest = json(&body)?;
    let why = request.why.trim();
    if why.is_empty() {
        return Err(NodeError::Request {
            why: "a no needs a reason; the author reads it".into(),
            pointer: Some("/why".into()),
        }
        .into());
    }
    let proposal = node.decline(&id, why, &caller, request.who.trim()).await?;
    Ok(Json(ProposalInfo::of(&proposal, node.now())))
}

/// The bytes of a proposal are for those whose clearance reaches them.
pub(crate) async fn may_see(node: &Arc<Node>, caller: &Caller, id: &str) -> Result<(), NodeError> {
    let proposal = node.proposal(id).await?;
    let level = crate::approvals::show::level(node, &proposal).await?;
    if caller.clearance >= level {
        return Ok(());
    }
    Err(NodeError::Denied {
        why: format!(
            "the proposal holds objects of {}, above the clearance of {}",
            crate::config::tlp_word(level),
            caller.name
        ),
    })
}
