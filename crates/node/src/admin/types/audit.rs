//! What the admin API says about the audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which records: `GET /audit?…` and `GET /audit/export?…`. All conditions must hold; texts are
/// compared without regard to case where "part of" is said, else whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// By whom: the whole name, also as somebody whom the operator's socket named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What happened, comma separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The channel, collection or log; an accord's name stands for all its channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The id of an object concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Part of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The id of a rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Part of the policy in force, such as `v3` or the beginning of a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Part of the purpose of a query about persons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// From this time on (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// From this position on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Newest first, below this position: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Newest first, from the end of the log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub newest: bool,
    /// At most this many records (default and most: 1024).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// For an export: who asks, where the way in does not prove it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For an export: the size of the log that it is of, as its first page said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Part of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// Records in the log.
    pub size: u64,
    /// The signed checkpoint over them.
    pub checkpoint: String,
    /// The records in the order asked for.
    pub records: Vec<AuditLine>,
    /// Where to go on, as `from` or (newest first) `before`; absent at the end. A page may be empty
    /// and not the last: one request reads a bounded part of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One record and its position in the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLine {
    /// Its position, from 0.
    pub index: u64,
    /// The record.
    #[serde(flatten)]
    pub record: AuditRecord,
}

/// One act that is accounted for. Its canonical JSON is the audit log's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// When, by the node's clock.
    pub at: String,
    /// What: `release`, `refuse`, `wait`, `withdraw`, `accord`, `user`, `token`, `add`, `remove`,
    /// `query`,
    /// `partner-read`, `tool-read`, `denied`, `export`, `courier`, `log-refused`, `witness-refused`, `audit-rewritten`,
    /// `clock`, `start`, `stop`.
    pub what: String,
    /// Who: a person's name, `automation`, or a member's code.
    pub who: String,
    /// The channel or log concerned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// Ids of the objects concerned, at most 40 a record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many objects (or requests, for `partner-read`) are concerned.
    #[serde(default)]
    pub count: u64,
    /// Why: the rule, the reasons, the person's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The policy in force: the accord's name, version and digest, and the national policy's
    /// version: `pact v1 ab12…; national v3 9f01…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// Ids of the policy rules that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// For what purpose a person asked about a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
}

/// Part of an export; the file is `head`, the lines of all pages, and `{"records":N}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditExportPage {
    /// The file's first line; only in the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The size of the log that the export is of.
    pub size: u64,
    /// One line a record, with its position and proof.
    pub lines: Vec<String>,
    /// Where to go on, as `from`; absent at the end.
    pub next: Option<u64>,
}

/// The check of the own audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditCheck {
    /// Whether nothing is wrong.
    pub holds: bool,
    /// The log's name.
    pub origin: String,
    /// Records under the checkpoint.
    pub size: u64,
    /// The root over them, in hex.
    pub root: String,
    /// Everything that is wrong, in sentences.
    pub findings: Vec<String>,
    /// How many more problems there are.
    pub findings_omitted: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// What each partner has witnessed.
    pub witnesses: Vec<WitnessInfo>,
}

/// The audit log in the node's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditStatus {
    /// Records in it.
    pub size: u64,
    /// Each partner that could witness it.
    pub witnesses: Vec<WitnessInfo>,
}

/// What one partner has witnessed of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessInfo {
    /// The partner's code.
    pub code: String,
    /// Records under the newest checkpoint that it cosigned; absent if there is none.
    pub size: Option<u64>,
    /// When it did, by its own clock.
    pub at: Option<String>,
    /// Whether it said so just now, rather than what is kept here from an earlier time.
    pub asked: bool,
    /// Why it did not answer or cosign, if so.
    pub error: Option<String>,
}
