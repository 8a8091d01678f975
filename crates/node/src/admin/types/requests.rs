//! Requests for information, as the admin API says and hears them.
//!
//! `GET /requests?…` ([`RequestsQuery`]) → [`RequestsPage`]; `POST /requests` ([`AskRequest`]) →
//! [`PostReport`]; `GET /requests/{id}?channel=…` → [`RequestThread`]; `POST
//! /requests/{id}/answers` ([`AnswerRequest`]) → [`PostReport`]; `POST /requests/{id}/route`
//! ([`RouteRequest`]) → [`RequestInfo`]; `GET /request-rules` → `Vec<RouteRule>`; `POST
//! /request-rules` ([`RouteRule`]) → [`RouteRule`]; `DELETE /request-rules/{name}` → 204.
//!
//! Reading takes the right to read the channel; asking and answering the duty desk-officer or
//! analyst; that a post is sent at once takes the duty releaser, as any release does; routing and
//! its rules take the duty desk-officer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReleaseReport;

/// `GET /requests?…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestsQuery {
    /// Only this `<accord>/<channel>`.
    pub channel: Option<String>,
    /// Only what others ask of this member.
    pub inbox: bool,
    /// Only what this member asks of others.
    pub outbox: bool,
    /// Only where somebody still owes an answer.
    pub open: bool,
    /// Only what is routed to this desk, duty or person.
    pub routed_to: Option<String>,
}

/// The requests that the channels show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestsPage {
    /// The requests, oldest first.
    pub requests: Vec<RequestInfo>,
    /// Own requests and answers that are in no channel: not released yet, or withdrawn.
    pub drafts: Vec<DraftInfo>,
    /// Notes that claim to be requests or answers and count for nobody, at most 100.
    pub strays: Vec<StrayInfo>,
    /// Posts beyond what is kept of one member in one channel; the newest are kept.
    pub omitted: usize,
}

/// One request at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestInfo {
    /// The id of its note.
    pub id: String,
    /// The channel in which it is asked.
    pub channel: String,
    /// The code of the member that asks.
    pub from: String,
    /// When, as that member says.
    pub at: String,
    /// What it is about.
    pub subject: String,
    /// `routine`, `priority` or `immediate`.
    pub urgency: String,
    /// When the answer is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// STIX types that would answer it.
    pub kinds: Vec<String>,
    /// Keywords.
    pub topics: Vec<String>,
    /// Objects that it is about.
    pub about: Vec<String>,
    /// The answer that it follows up, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The members that are asked and how each has answered.
    pub asked: Vec<Standing>,
    /// Whether this member is one of them and still owes its answer.
    pub owed_by_us: bool,
    /// Whether nobody owes an answer any more.
    pub closed: bool,
    /// Whether the deadline has passed and somebody still owes an answer.
    pub overdue: bool,
    /// Whether the asking member has taken it back.
    pub revoked: bool,
    /// Whether another member has posted under the same id.
    pub contested: bool,
    /// Who in this nation is to answer.
    pub routed: Vec<Routed>,
}

/// How one member that was asked has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// The member's code.
    pub member: String,
    /// `partial`, `final`, `declined`; absent: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Who in this nation is to answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routed {
    /// The desk, duty or person.
    pub to: String,
    /// The rule's name, or who routed it, when and with what words.
    pub why: String,
}

/// One request with what was said to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestThread {
    /// The request.
    pub request: RequestInfo,
    /// The question.
    pub text: String,
    /// The answers, oldest first.
    pub answers: Vec<AnswerInfo>,
    /// This member's answers that are in no channel: not released yet, or withdrawn.
    pub drafts: Vec<DraftInfo>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerInfo {
    /// The id of its note.
    pub id: String,
    /// The code of the member that answers.
    pub from: String,
    /// When, as that member says.
    pub at: String,
    /// `partial`, `final` or `declined`.
    pub status: String,
    /// The answer in words.
    pub text: String,
    /// The objects that it gives.
    pub objects: Vec<String>,
    /// The answer of this thread to which it refers back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Whether its author was not asked; then it settles nothing.
    pub unsolicited: bool,
    /// Whether its author has taken it back.
    pub revoked: bool,
}

/// A post of this member that is in no channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DraftInfo {
    /// The id of its note.
    pub id: String,
    /// The channel for which it was written.
    pub channel: String,
    /// The request that it answers; absent for a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// The subject, or the answer's words.
    pub text: String,
}

/// A note that claims to be a request or an answer and counts for nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrayInfo {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The code of the member whose log brought it.
    pub from: String,
    /// Why it does not count.
    pub why: String,
}

/// `POST /requests`: ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AskRequest {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Codes of the members that are asked.
    pub to: Vec<String>,
    /// What it is about, in one line.
    pub subject: String,
    /// The question.
    pub text: String,
    /// When the answer is needed: a time, or `+12h`, `+3d` from now.
    pub deadline: Option<String>,
    /// `routine` (the default), `priority` or `immediate`.
    pub urgency: Option<String>,
    /// STIX types that would answer it.
    pub kinds: Vec<String>,
    /// Keywords.
    pub topics: Vec<String>,
    /// Ids of objects, shown in the channel already, that it is about.
    pub about: Vec<String>,
    /// The answer that it follows up.
    pub in_reply_to: Option<String>,
    /// The note's label; by default the channel's members, up to TLP:AMBER.
    pub label: Option<String>,
    /// Who asks, for the audit log.
    pub who: String,
}

/// `POST /requests/{id}/answers`: answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerRequest {
    /// The channel, where the request is in several.
    pub channel: Option<String>,
    /// `partial`, `final` or `declined`.
    pub status: String,
    /// The answer in words; may be left out beside objects, and when declining.
    pub text: Option<String>,
    /// Ids of objects held here that are the answer; they are released with it.
    pub objects: Vec<String>,
    /// The answer of the thread to which this refers back.
    pub in_reply_to: Option<String>,
    /// The note's label; by default the channel's members, up to TLP:AMBER.
    pub label: Option<String>,
    /// Who answers, for the audit log.
    pub who: String,
}

/// What became of a request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostReport {
    /// The id of its note, which is in the national collection.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The label under which the note was taken in.
    pub label: String,
    /// What the release authority decided: of an answer's objects first, then of the note.
    pub releases: Vec<ReleaseReport>,
    /// Whether the note is in the channel.
    pub sent: bool,
    /// What is left to do when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether this member answers without having been asked.
    #[serde(default)]
    pub unsolicited: bool,
}

/// `POST /requests/{id}/route`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteRequest {
    /// The channel, where the request is in several.
    pub channel: Option<String>,
    /// The desk, duty or person that is to answer.
    pub to: String,
    /// A word to them.
    pub note: String,
    /// Who routes, for the audit log.
    pub who: String,
}

/// Who answers what, as long as nobody routes a request by hand. A rule applies when each of its
/// lists that is not empty has something in common with the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteRule {
    /// The rule's name.
    pub name: String,
    /// The desk, duty or person that answers.
    pub to: String,
    /// Channels, `<accord>/<channel>`.
    pub channels: Vec<String>,
    /// Codes of asking members.
    pub from: Vec<String>,
    /// STIX types that are asked for or about.
    pub kinds: Vec<String>,
    /// Keywords, in any case of letters.
    pub topics: Vec<String>,
    /// Who made the rule, for the audit log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
}
