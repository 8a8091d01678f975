//! The national policy over the admin API: what is in force, what another would change, activation.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use policy::Duty;

use super::types::{Activation, PolicyFiles, PolicyInfo, WhatIfReport, WhatIfRequest};
use super::{As, Shared, json};
use crate::problem::Fault;

pub(super) async fn info(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<PolicyInfo>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    Ok(Json(node.policy_info()))
}

pub(super) async fn files(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<PolicyFiles>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor, Duty::Releaser])?;
    Ok(Json(node.policy_files().await?))
}

pub(super) async fn history(
    State(node): Shared,
    Extension(caller): As,
) -> Result<Json<Vec<Activation>>, Fault> {
    caller.require_one_of(&Duty::ALL)?;
    Ok(Json(node.policy_history().await?))
}

pub(super) async fn activate(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<PolicyInfo>, Fault> {
    let given: PolicyFiles = json(&body)?;
    Ok(Json(node.activate_policy(&caller, given).await?))
}

pub(super) async fn what_if(
    State(node): Shared,
    Extension(caller): As,
    body: Bytes,
) -> Result<Json<WhatIfReport>, Fault> {
    caller.require_one_of(&[Duty::Operator, Duty::Auditor, Duty::Releaser])?;
    let request: WhatIfRequest = json(&body)?;
    Ok(Json(node.what_if(&request).await?))
}
