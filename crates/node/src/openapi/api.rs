//! The operations below `/api`, one line each; their shapes come from `admin::types`.

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::{path_parameters, query_parameters};
use crate::admin::accords::{By, Install};
use crate::admin::types as t;
use crate::admin::{objects::AddQuery, requests::ThreadQuery, users::Force};

/// A shape by its type.
type Shape = fn(&mut SchemaGenerator) -> Schema;
/// Query parameters by their type.
type Parameters = fn(&mut SchemaGenerator) -> Vec<Value>;

/// What a request brings.
#[derive(Clone, Copy)]
enum Body {
    None,
    Json(Shape),
    /// STIX in any of its wrappings.
    Stix,
    /// A signed note.
    Note,
}

/// What a good answer brings.
#[derive(Clone, Copy)]
enum Reply {
    Json(Shape),
    Note,
    Nothing,
}

fn of<T: JsonSchema>(shapes: &mut SchemaGenerator) -> Schema {
    shapes.subschema_for::<T>()
}

fn query<T: JsonSchema>(shapes: &mut SchemaGenerator) -> Vec<Value> {
    query_parameters::<T>(shapes)
}

fn no_query(_: &mut SchemaGenerator) -> Vec<Value> {
    Vec::new()
}

fn give<T: JsonSchema>() -> Reply {
    Reply::Json(of::<T>)
}

fn take<T: JsonSchema>() -> Body {
    Body::Json(of::<T>)
}

/// Adds the paths below `/api`.
pub(super) fn paths(shapes: &mut SchemaGenerator, paths: &mut Map<String, Value>) {
    let mut at = |method: &str,
                  path: &str,
                  about: &str,
                  parameters: Parameters,
                  body: Body,
                  reply: Reply| {
        let path = format!("/api{path}");
        let mut all = path_parameters(&path);
        all.extend(parameters(shapes));
        let mut operation = json!({
            "tags": ["api"],
            "summary": about,
            "operationId": format!("{method} {path}"),
            "parameters": all,
            "responses": {
                "default": {
                    "description": "What is wrong and what to do (RFC 9457).",
                    "content": {"application/problem+json": {"schema": shapes.subschema_for::<t::Problem>()}},
                },
            },
        });
        let (status, good) = match reply {
            Reply::Json(shape) => (
                "200",
                json!({"description": about, "content": {"application/json": {"schema": shape(shapes)}}}),
            ),
            Reply::Note => (
                "200",
                json!({"description": about, "content": {"text/plain": {"schema": {"type": "string"}}}}),
            ),
            Reply::Nothing => ("204", json!({"description": "Done, durably."})),
        };
        operation["responses"][status] = good;
        let brought = match body {
            Body::None => None,
            Body::Json(shape) => Some(json!({"application/json": {"schema": shape(shapes)}})),
            Body::Stix => Some(json!({
                "application/json": {"schema": {"type": ["object", "array"]}},
                "application/zstd": {},
            })),
            Body::Note => Some(json!({"text/plain": {"schema": {"type": "string"}}})),
        };
        if let Some(content) = brought {
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        paths.entry(path).or_insert_with(|| json!({}))[method] = operation;
    };

    let none = no_query as Parameters;
    at(
        "get",
        "/status",
        "How the node stands",
        none,
        Body::None,
        give::<t::Status>(),
    );
    at(
        "get",
        "/member",
        "Who this node is",
        none,
        Body::None,
        give::<t::MemberInfo>(),
    );
    at(
        "get",
        "/peers",
        "The partners",
        none,
        Body::None,
        give::<Vec<t::PeerInfo>>(),
    );
    at(
        "get",
        "/evidence",
        "What is kept as evidence",
        none,
        Body::None,
        give::<Vec<t::EvidenceInfo>>(),
    );
    at(
        "get",
        "/objects",
        "Objects of a collection, up to the clearance",
        query::<t::ObjectsQuery>,
        Body::None,
        give::<t::ObjectsPage>(),
    );
    at(
        "post",
        "/objects",
        "Take objects in",
        query::<AddQuery>,
        Body::Stix,
        give::<t::AddReport>(),
    );
    at(
        "post",
        "/release",
        "Release objects into a channel",
        none,
        take::<t::ReleaseRequest>(),
        give::<t::ReleaseReport>(),
    );
    at(
        "post",
        "/withdraw",
        "Withdraw objects from a channel",
        none,
        take::<t::WithdrawRequest>(),
        give::<t::WithdrawReport>(),
    );
    at(
        "get",
        "/approvals",
        "Proposals",
        none,
        Body::None,
        give::<Vec<t::ProposalInfo>>(),
    );
    at(
        "get",
        "/approvals/{id}",
        "A proposal and what would leave",
        none,
        Body::None,
        give::<t::ProposalView>(),
    );
    at(
        "post",
        "/approvals/{id}/approve",
        "Approve a proposal",
        none,
        take::<t::ApprovalRequest>(),
        give::<t::ProposalInfo>(),
    );
    at(
        "post",
        "/approvals/{id}/decline",
        "Decline a proposal",
        none,
        take::<t::ApprovalRequest>(),
        give::<t::ProposalInfo>(),
    );
    at(
        "get",
        "/policy",
        "The national policy in force",
        none,
        Body::None,
        give::<t::PolicyInfo>(),
    );
    at(
        "get",
        "/policy/files",
        "Its files",
        none,
        Body::None,
        give::<t::PolicyFiles>(),
    );
    at(
        "get",
        "/policy/history",
        "The policies that were in force",
        none,
        Body::None,
        give::<Vec<t::Activation>>(),
    );
    at(
        "post",
        "/policy/activate",
        "Put a signed policy into force",
        none,
        take::<t::PolicyFiles>(),
        give::<t::PolicyInfo>(),
    );
    at(
        "post",
        "/policy/what-if",
        "What another policy would change",
        none,
        take::<t::WhatIfRequest>(),
        give::<t::WhatIfReport>(),
    );
    at(
        "post",
        "/pull",
        "Pull from the partners now",
        none,
        take::<t::PullRequest>(),
        give::<t::PullReport>(),
    );
    at(
        "get",
        "/accords",
        "The accords",
        none,
        Body::None,
        give::<Vec<t::AccordInfo>>(),
    );
    at(
        "post",
        "/accords",
        "Install or ratify an accord",
        query::<Install>,
        Body::Note,
        give::<t::AccordReport>(),
    );
    at(
        "get",
        "/accords/{name}",
        "An accord's signed note",
        none,
        Body::None,
        Reply::Note,
    );
    at(
        "get",
        "/accords/{name}/status",
        "Where an accord stands, member by member",
        none,
        Body::None,
        give::<t::AccordStatus>(),
    );
    for (path, about) in [
        (
            "/accords/{name}/exclusions",
            "Exclude a member from an accord at this node",
        ),
        (
            "/accords/{name}/exclusions/end",
            "Readmit a member that this node excluded",
        ),
    ] {
        at(
            "post",
            path,
            about,
            none,
            take::<t::ExclusionRequest>(),
            give::<t::AccordStatus>(),
        );
    }
    at(
        "post",
        "/accords/{name}/notices",
        "Leave an accord, return, suspend a channel or resume it, for this member",
        none,
        take::<t::NoticeRequest>(),
        give::<t::NoticeReport>(),
    );
    at(
        "post",
        "/notices",
        "Take a member's signed notice that came by hand",
        query::<By>,
        Body::Note,
        give::<t::HeedReport>(),
    );
    at(
        "get",
        "/audit",
        "Search the audit log",
        query::<t::AuditQuery>,
        Body::None,
        give::<t::AuditPage>(),
    );
    at(
        "get",
        "/audit/export",
        "Export the audit log",
        query::<t::AuditQuery>,
        Body::None,
        give::<t::AuditExportPage>(),
    );
    at(
        "post",
        "/audit/verify",
        "Check the audit log",
        none,
        Body::None,
        give::<t::AuditCheck>(),
    );
    at(
        "get",
        "/requests",
        "Requests for information",
        query::<t::RequestsQuery>,
        Body::None,
        give::<t::RequestsPage>(),
    );
    at(
        "post",
        "/requests",
        "Ask the members of a channel",
        none,
        take::<t::AskRequest>(),
        give::<t::PostReport>(),
    );
    at(
        "get",
        "/requests/{id}",
        "A request and its answers",
        query::<ThreadQuery>,
        Body::None,
        give::<t::RequestThread>(),
    );
    at(
        "post",
        "/requests/{id}/answers",
        "Answer a request",
        none,
        take::<t::AnswerRequest>(),
        give::<t::PostReport>(),
    );
    at(
        "post",
        "/requests/{id}/route",
        "Give a request to a desk",
        none,
        take::<t::RouteRequest>(),
        give::<t::RequestInfo>(),
    );
    at(
        "get",
        "/request-rules",
        "Which desk requests go to",
        none,
        Body::None,
        give::<Vec<t::RouteRule>>(),
    );
    at(
        "post",
        "/request-rules",
        "Set such a rule",
        none,
        take::<t::RouteRule>(),
        give::<t::RouteRule>(),
    );
    at(
        "delete",
        "/request-rules/{name}",
        "Remove such a rule",
        none,
        Body::None,
        Reply::Nothing,
    );
    at(
        "get",
        "/feeds",
        "The feeds and how they do",
        none,
        Body::None,
        give::<Vec<t::FeedInfo>>(),
    );
    at(
        "post",
        "/feeds",
        "Add a feed",
        none,
        take::<t::FeedSpec>(),
        give::<t::FeedInfo>(),
    );
    at(
        "get",
        "/feeds/{name}",
        "One feed and how it does",
        none,
        Body::None,
        give::<t::FeedInfo>(),
    );
    at(
        "delete",
        "/feeds/{name}",
        "Remove a feed; what it brought stays",
        query::<t::FeedRemove>,
        Body::None,
        Reply::Nothing,
    );
    at(
        "post",
        "/feeds/{name}/run",
        "Run a feed now",
        none,
        Body::None,
        give::<t::FeedInfo>(),
    );
    at(
        "post",
        "/feeds/{name}/pause",
        "Stop a feed from running",
        none,
        Body::None,
        give::<t::FeedInfo>(),
    );
    at(
        "post",
        "/feeds/{name}/resume",
        "Let a feed run",
        none,
        Body::None,
        give::<t::FeedInfo>(),
    );
    at(
        "get",
        "/feeds/{name}/quarantine",
        "What a feed brought and was refused",
        none,
        Body::None,
        give::<t::FeedQuarantine>(),
    );
    at(
        "get",
        "/users",
        "The users",
        none,
        Body::None,
        give::<Vec<t::UserInfo>>(),
    );
    at(
        "post",
        "/users",
        "Make or change a user",
        none,
        take::<t::UserRequest>(),
        give::<t::UserInfo>(),
    );
    at(
        "delete",
        "/users/{name}",
        "Remove a user",
        query::<Force>,
        Body::None,
        Reply::Nothing,
    );
    at(
        "post",
        "/users/{name}/invite",
        "Invite a person to enrol",
        none,
        take::<t::InviteRequest>(),
        give::<t::InviteReply>(),
    );
    at(
        "post",
        "/users/{name}/lock",
        "Lock a user",
        query::<Force>,
        Body::None,
        Reply::Nothing,
    );
    at(
        "post",
        "/users/{name}/unlock",
        "Unlock a user",
        none,
        Body::None,
        Reply::Nothing,
    );
    at(
        "post",
        "/users/{name}/token",
        "Make a token",
        none,
        take::<t::TokenRequest>(),
        give::<t::TokenReply>(),
    );
    at(
        "get",
        "/users/{name}/tokens",
        "A user's tokens",
        none,
        Body::None,
        give::<Vec<t::TokenInfo>>(),
    );
    at(
        "delete",
        "/users/{name}/tokens/{id}",
        "Revoke a token",
        none,
        Body::None,
        Reply::Nothing,
    );
    at(
        "post",
        "/users/{name}/tokens/{id}/rotate",
        "Replace a token",
        none,
        take::<t::RotateRequest>(),
        give::<t::TokenReply>(),
    );
    at(
        "get",
        "/users/{name}/sessions",
        "A user's sessions",
        none,
        Body::None,
        give::<Vec<t::SessionInfo>>(),
    );
    at(
        "delete",
        "/users/{name}/sessions",
        "End a user's sessions",
        none,
        Body::None,
        Reply::Nothing,
    );
}
