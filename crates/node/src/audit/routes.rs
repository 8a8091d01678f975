//! The audit log for the operator: search, export, check.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use policy::Duty;

use crate::admin::As;
use crate::admin::types::{AuditCheck, AuditExportPage, AuditPage, AuditQuery};
use crate::node::Node;
use crate::problem::Fault;

/// The routes below `/audit`.
pub(crate) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/audit", get(search))
        .route("/audit/export", get(export))
        .route("/audit/verify", post(verify))
}

/// Who may look at the audit log.
const READERS: [Duty; 2] = [Duty::Auditor, Duty::Operator];

type Wanted = Result<Query<AuditQuery>, QueryRejection>;

async fn search(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    wanted: Wanted,
) -> Result<Json<AuditPage>, Fault> {
    caller.require_one_of(&READERS)?;
    let wanted = crate::admin::query(wanted)?;
    counted(&node).await;
    Ok(Json(node.audit_search(&wanted).await?))
}

async fn export(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
    wanted: Wanted,
) -> Result<Json<AuditExportPage>, Fault> {
    caller.require_one_of(&READERS)?;
    let wanted = crate::admin::query(wanted)?;
    if wanted.size.is_none() {
        counted(&node).await;
    }
    let who = caller.recorded(wanted.by.as_deref().unwrap_or_default());
    Ok(Json(node.audit_export(&wanted, &who).await?))
}

async fn verify(
    State(node): State<Arc<Node>>,
    Extension(caller): As,
) -> Result<Json<AuditCheck>, Fault> {
    caller.require_one_of(&READERS)?;
    Ok(Json(node.audit_verify().await?))
}

/// Writes down what was only counted so far. A full disk must not keep anybody from reading what is
/// there.
async fn counted(node: &Node) {
    if let Err(error) = node.account_reads().await {
        tracing::warn!(%error, "what was read could not be accounted for yet");
    }
}
