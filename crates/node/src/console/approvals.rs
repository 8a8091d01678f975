//! Approvals: what waits for people, and one proposal with the exact bytes that would leave.
//!
//! A decision names the digest that was on the page, so it is about those bytes or about nothing;
//! whether it counts is for [`crate::approvals`] to say.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Console;
use super::pages::{ApprovalPage, ApprovalsPage, answer};
use super::visit::{Member, Visit};
use crate::admin::approvals::{READERS, may_see};
use crate::admin::types::ProposalInfo;
use crate::auth::Caller;
use crate::error::{ErrorClass, NodeError};

type Shared = State<Arc<Console>>;

#[derive(Deserialize)]
pub(super) struct DecisionForm {
    token: String,
    digest: String,
    decision: String,
    #[serde(default)]
    why: String,
}

pub(super) async fn list(State(console): Shared, member: Member) -> Response {
    let Member { visit, caller } = member;
    if let Err(denied) = caller.require_one_of(&READERS) {
        return console.refused(&visit, StatusCode::FORBIDDEN, &denied.why);
    }
    let now = console.node.now();
    match console.node.proposals().await {
        Ok(proposals) => {
            // What is open first, then the newest.
            let mut proposals: Vec<ProposalInfo> = proposals
                .iter()
                .map(|held| ProposalInfo::of(held, now))
                .collect();
            proposals.reverse();
            proposals.sort_by_key(|info| info.state != "open");
            let page = ApprovalsPage {
                page: console.frame(&visit, "approvals"),
                proposals,
            };
            answer(StatusCode::OK, &page)
        }
        Err(error) => console.unable(&visit, &error),
    }
}

pub(super) async fn show(
    State(console): Shared,
    member: Member,
    Path(id): Path<String>,
) -> Response {
    let Member { visit, caller } = member;
    console
        .proposal(&visit, &caller, &id, StatusCode::OK, None)
        .await
}

pub(super) async fn decide(
    State(console): Shared,
    member: Member,
    Path(id): Path<String>,
    Form(form): Form<DecisionForm>,
) -> Response {
    let Member { visit, caller } = member;
    if let Err(stale) = visit.check(&console, &form.token) {
        return stale.into_response();
    }
    let why = form.why.trim();
    let decided = match (form.decision.as_str(), why) {
        ("approve", _) => console.node.approve(&id, &form.digest, &caller).await,
        ("decline", "") => Err(NodeError::request(
            "To decline takes a reason: the author reads it.",
        )),
        ("decline", why) => console.node.decline(&id, why, &caller, "").await,
        _ => Err(NodeError::request("Approve or decline.")),
    };
    match decided {
        Ok(_) => Redirect::to(&format!("/console/approvals/{id}")).into_response(),
        Err(error) => {
            let why = Some(error.to_string());
            console
                .proposal(&visit, &caller, &id, class(&error), why)
                .await
        }
    }
}

impl Console {
    async fn proposal(
        &self,
        visit: &Visit,
        caller: &Caller,
        id: &str,
        status: StatusCode,
        problem: Option<String>,
    ) -> Response {
        if let Err(denied) = caller.require_one_of(&READERS) {
            return self.refused(visit, StatusCode::FORBIDDEN, &denied.why);
        }
        if let Err(error) = may_see(&self.node, caller, id).await {
            return self.unable(visit, &error);
        }
        let view = match self.node.show_proposal(id).await {
            Ok(view) => view,
            Err(error) => return self.unable(visit, &error),
        };
        let cannot = if view.info.state != "open" || view.changed.is_some() {
            Some("There is nothing to decide any more.")
        } else if view.info.author == caller.name {
            Some("You asked for this release: others decide about it.")
        } else {
            None
        };
        let mut page = self.frame(visit, "approvals");
        page.problem = problem;
        let page = ApprovalPage { page, view, cannot };
        answer(status, &page)
    }

    fn unable(&self, visit: &Visit, error: &NodeError) -> Response {
        if error.class() == ErrorClass::Internal {
            tracing::error!(%error, "a page could not be answered");
            let text = "The node cannot do this at present; its log says why.";
            return self.refused(visit, class(error), text);
        }
        self.refused(visit, class(error), &error.to_string())
    }

    fn refused(&self, visit: &Visit, status: StatusCode, why: &str) -> Response {
        let back = ("/console/approvals", "All approvals");
        let account = ("/console/account", "Back to the account");
        let link = if status == StatusCode::FORBIDDEN {
            account
        } else {
            back
        };
        self.message(visit, status, "That did not work", why, link)
    }
}

fn class(error: &NodeError) -> StatusCode {
    match error.class() {
        ErrorClass::Request => StatusCode::BAD_REQUEST,
        ErrorClass::Unknown => StatusCode::NOT_FOUND,
        ErrorClass::Denied => StatusCode::FORBIDDEN,
        ErrorClass::Conflict => StatusCode::CONFLICT,
        ErrorClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
