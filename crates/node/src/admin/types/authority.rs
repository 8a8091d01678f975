//! The national policy and approvals, as JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One proposal at a glance: a release that waits for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalInfo {
    /// Its name.
    pub id: String,
    /// What an approval must name; it changes with anything that would leave.
    pub digest: String,
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Who asked for the release.
    pub author: String,
    /// When.
    pub created: String,
    /// When it lapses.
    pub expires: String,
    /// `open`, `released`, `declined`, `expired` or `void`.
    pub state: String,
    /// Why it was declined or is void.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Who must approve, in words.
    pub needs: String,
    /// Who is still missing, in words; empty when nobody is.
    pub missing: String,
    /// Who has approved.
    pub approvals: Vec<String>,
    /// How many objects it is about.
    pub objects: usize,
    /// The accord and the national policy under which it was decided.
    pub policy: String,
}

/// `GET /approvals/{id}`: what an approver looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalView {
    /// The proposal.
    #[serde(flatten)]
    pub info: ProposalInfo,
    /// Its objects.
    pub items: Vec<ProposalItem>,
    /// Why the bytes are not shown: what has changed since it was proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
}

/// One object of a proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalItem {
    /// The original's id.
    pub id: String,
    /// SHA-256 of the original version.
    pub original: String,
    /// The label that leaves with it.
    pub label: String,
    /// Whether it comes along because another object refers to it.
    #[serde(default)]
    pub companion: bool,
    /// The rules that decided, in words.
    #[serde(default)]
    pub why: Vec<String>,
    /// Their ids.
    #[serde(default)]
    pub rules: Vec<String>,
    /// What redaction does, by JSON pointer into the original.
    #[serde(default)]
    pub redacted: Vec<String>,
    /// What the leak check found.
    #[serde(default)]
    pub findings: Vec<String>,
    /// What leaves, byte for byte.
    #[serde(default)]
    pub outgoing: Vec<OutgoingInfo>,
}

/// One outgoing object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutgoingInfo {
    /// Its id outside.
    pub id: String,
    /// SHA-256 of the bytes.
    pub hash: String,
    /// The canonical bytes.
    pub bytes: String,
    /// How they differ from the original.
    pub diff: Vec<DiffInfo>,
}

/// One difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffInfo {
    /// Where (RFC 6901).
    pub pointer: String,
    /// What the original has there.
    pub before: Option<String>,
    /// What leaves.
    pub after: Option<String>,
}

/// `POST /approvals/{id}/approve` and `…/decline`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// What was looked at; an approval must name it.
    #[serde(default)]
    pub digest: String,
    /// Why not, for a decline.
    #[serde(default)]
    pub why: String,
    /// Who declines, over the operator's socket.
    #[serde(default)]
    pub who: String,
}

/// `GET /policy`: what is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyInfo {
    /// The set's number; 0 is the one that ships with the program.
    pub number: u64,
    /// SHA-256 over its files, in hex.
    pub hash: String,
    /// When it was activated, and by whom; absent for the shipped set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<Activation>,
    /// Its rules in order.
    pub rules: Vec<RuleInfo>,
    /// Its files: path to SHA-256, in hex.
    pub files: BTreeMap<String, String>,
    /// The verifier key that must have signed a manifest; absent: this node has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleInfo {
    /// Its id.
    pub id: String,
    /// What it says, in words.
    pub words: String,
    /// Where it is written.
    pub place: String,
}

/// One activation of a policy set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activation {
    /// The set's number.
    pub number: u64,
    /// SHA-256 over its files, in hex.
    pub hash: String,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// What it changed, in short.
    pub summary: String,
}

/// A policy set on its way: the signed manifest (where there is one) and the files, path to text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFiles {
    /// The signed manifest.
    #[serde(default)]
    pub manifest: String,
    /// The files.
    pub files: BTreeMap<String, String>,
    /// Who activates, over the operator's socket.
    #[serde(default)]
    pub who: String,
}

/// `POST /policy/what-if`: what would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfRequest {
    /// With this policy set instead of the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyFiles>,
    /// With this accord (a note, or its text) instead of the version in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accord: Option<String>,
    /// With other labels: each assigned label to what it would be.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// List ids of this `<accord>/<channel>` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// List ids after this position (`next` of the answer before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// List at most so many ids; 0: none.
    #[serde(default)]
    pub limit: usize,
}

/// What a change would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhatIfReport {
    /// Objects looked at.
    pub objects: u64,
    /// Channels looked at, before and after.
    pub channels: usize,
    /// Each change: channel, class and outcomes.
    pub changes: Vec<WhatIfChange>,
    /// The objects concerned, where ids were asked for.
    #[serde(default)]
    pub ids: Vec<WhatIfObject>,
    /// Where the next page of ids starts, when there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// Objects of one class whose way into one channel would change.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct WhatIfChange {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// How the objects get there, as it is: `not at all`, `after approval`, `by hand`, `by itself`.
    pub before: String,
    /// The same, as it would be.
    pub after: String,
    /// The effective label of the class.
    pub label: String,
    /// The STIX type.
    pub kind: String,
    /// How many objects.
    pub objects: u64,
}

/// One object whose way into one channel would change.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct WhatIfObject {
    /// The object.
    pub id: String,
    /// `<accord>/<channel>`.
    pub channel: String,
    /// As it is.
    pub before: String,
    /// As it would be.
    pub after: String,
    /// Whether this member's log shows it there now.
    pub shown: bool,
}
