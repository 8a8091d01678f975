//! The way out, as JSON: objects taken in, released and withdrawn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the objects of one `POST /objects`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddReport {
    /// Objects in the body.
    pub total: usize,
    /// New here.
    pub added: usize,
    /// Held already, byte for byte.
    pub duplicates: usize,
    /// Refused because other content is held under the same id and version.
    pub conflicts: usize,
    /// Refused for their form.
    pub refused: usize,
    /// Warnings about the objects' STIX, where `intake.validation` asks for them.
    #[serde(default)]
    pub warnings: u64,
    /// Each refused or conflicting object, in order; at most `ADMIN_ITEMS_MAX` of them.
    pub refusals: Vec<ObjectRefusal>,
    /// How many more there are.
    pub refusals_omitted: usize,
    /// Channels in `auto` mode that will now consider the new objects.
    pub automatic: Vec<String>,
}

/// Why one object was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRefusal {
    /// Its place among the body's objects, from 0.
    pub index: usize,
    /// Its id, where it could be read.
    pub id: Option<String>,
    /// The place of the fault in the object (RFC 6901; empty: the object itself).
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

/// Which objects of the national collection: the union of what is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Objects of these ids (latest versions).
    #[serde(default)]
    pub ids: Vec<String>,
    /// Objects of these STIX types (latest versions).
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Objects of these hashes (any version), in hex.
    #[serde(default)]
    pub hashes: Vec<String>,
    /// Every object (latest versions).
    #[serde(default)]
    pub all: bool,
}

/// `POST /release`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// What to release.
    #[serde(default)]
    pub selection: Selection,
    /// Who asks; goes to the audit log.
    #[serde(default)]
    pub who: String,
    /// Only say what would happen; change nothing.
    #[serde(default)]
    pub explain: bool,
}

/// The answer to a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReport {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Whether this is only an explanation.
    pub explain: bool,
    /// Objects that entered the channel (or would).
    pub released: usize,
    /// Objects that the channel showed already.
    pub already: usize,
    /// Objects that policy refuses.
    pub refused: usize,
    /// Objects that wait for a person.
    pub waiting: usize,
    /// Objects that leave once people have approved.
    #[serde(default)]
    pub proposed: usize,
    /// The proposals in which those wait, see `GET /approvals`.
    #[serde(default)]
    pub proposals: Vec<String>,
    /// Objects that leave at the end of the window of a channel that hides sources.
    #[serde(default)]
    pub queued: usize,
    /// Selected objects that this node does not hold.
    pub unknown: usize,
    /// How many of `released` came along because a selected object refers to them.
    pub companions: usize,
    /// The log's size afterwards.
    pub size: u64,
    /// What became of each object, refusals first; at most `ADMIN_ITEMS_MAX` of them.
    pub results: Vec<ObjectResult>,
    /// How many more there are.
    pub results_omitted: usize,
}

/// What became of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectResult {
    /// The object's id (or the hash that was asked for, when nothing of that hash is held).
    pub id: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Its effective label.
    pub label: Option<String>,
    /// What became of it.
    pub outcome: ReleaseOutcome,
    /// Which rule decided, and for refusals each reason, in words.
    pub why: Vec<String>,
    /// Whether it came along because a selected object refers to it.
    #[serde(default)]
    pub companion: bool,
    /// The partner whose object it is, if it is not the nation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator: Option<String>,
    /// The proposal in which it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
    /// The ids of the rules that decided (only when explaining; so are the following).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Who must approve, such as `2 of approver`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// What redaction does, by JSON pointer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<String>,
    /// What the leak check found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The ids under which it leaves, where those are not its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outgoing: Vec<String>,
}

/// What became of one object.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseOutcome {
    /// Policy refuses it.
    #[default]
    Refused,
    /// It is not held here.
    Unknown,
    /// A person must decide.
    Waiting,
    /// It leaves once people have approved.
    Proposed,
    /// It leaves at the end of the channel's window.
    Queued,
    /// It entered the channel (or would).
    Released,
    /// The channel shows it already.
    Already,
}

/// `POST /withdraw`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// The objects; every version of each is withdrawn.
    pub ids: Vec<String>,
    /// Why; goes to the own audit log, not to the partners.
    pub reason: String,
    /// Who asks; goes to the audit log.
    #[serde(default)]
    pub who: String,
}

/// The answer to a withdrawal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawReport {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Versions withdrawn.
    pub withdrawn: usize,
    /// Versions that waited for the end of a window and now do not leave.
    #[serde(default)]
    pub unqueued: usize,
    /// Ids of which this member shows nothing in the channel.
    pub unknown: Vec<String>,
    /// The log's size afterwards.
    pub size: u64,
}
