//! What the admin API says and hears, as JSON.
//!
//! These types are the whole vocabulary between a running node and its operator's tools: the
//! command line uses them as they stand, over the unix socket or in process. Times are RFC 3339
//! in UTC, hashes lower-case hex, labels the text form of `model::Label`, channels
//! `<accord>/<channel>`, collections `national` or `<accord>/<channel>`.
//!
//! Resources (all under `/`):
//! `GET /status` → [`Status`]; `GET /member` → [`MemberInfo`]; `POST /objects?label=…&who=…` (body:
//! STIX bundle, envelope, array or object, raw or zstd) → [`AddReport`]; `GET /objects?…`
//! ([`ObjectsQuery`]) → [`ObjectsPage`]; `POST /release` ([`ReleaseRequest`]) → [`ReleaseReport`];
//! `POST /withdraw` ([`WithdrawRequest`]) → [`WithdrawReport`]; `GET /accords` → `Vec<AccordInfo>`;
//! `GET /accords/{name}` → the signed note; `POST /accords?ratify=true|false` (body: the note) →
//! [`AccordReport`]; `GET /peers` → `Vec<PeerInfo>`; `POST /pull` ([`PullRequest`]) →
//! [`PullReport`]; `GET /users` → `Vec<UserInfo>`; `POST /users` ([`UserRequest`]) → [`UserInfo`];
//! `DELETE /users/{name}` → 204; `POST /users/{name}/invite` ([`InviteRequest`]) → [`InviteReply`];
//! `POST /users/{name}/lock`, `/unlock` → 204; `POST /users/{name}/token` ([`TokenRequest`]) →
//! [`TokenReply`]; `GET /users/{name}/tokens` → `Vec<TokenInfo>`; `DELETE …/tokens/{id}` → 204;
//! `POST …/tokens/{id}/rotate` ([`RotateRequest`]) → [`TokenReply`]; `GET /users/{name}/sessions` →
//! `Vec<SessionInfo>`, `DELETE` → 204; `/auth/…` as in `auth::routes`;
//! `GET /evidence` → `Vec<EvidenceInfo>`; `GET /audit?…` ([`AuditQuery`]) → [`AuditPage`];
//! `GET /audit/export?…` ([`AuditQuery`]) → [`AuditExportPage`]; `POST /audit/verify` →
//! [`AuditCheck`]; `/feeds…` as in the types of feeds.
//! Duties: objects are read by anybody who sees the collection and added by an analyst; release
//! takes a releaser or analyst (policy says which) and withdraw a releaser or operator; pull, `POST /accords` and every change of users an operator; users,
//! evidence and audit are read by an operator or auditor; the rest by anybody with a duty. Over the
//! socket without a header the caller is the operator's socket, which has all duties but approver.
//! Every error is a [`Problem`] (RFC 9457) with content type `application/problem+json`.

mod accords;
mod audit;
mod authority;
mod courier;
mod feeds;
mod people;
mod requests;
mod sharing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use accords::{
    AccordInfo, AccordReport, AccordStatus, ChannelInfo, ExclusionInfo, ExclusionRequest,
    HeedReport, MemberStanding, NoticeInfo, NoticeReport, NoticeRequest,
};
pub use audit::{
    AuditCheck, AuditExportPage, AuditLine, AuditPage, AuditQuery, AuditRecord, AuditStatus,
    WitnessInfo,
};
pub use authority::{
    Activation, ApprovalRequest, DiffInfo, OutgoingInfo, PolicyFiles, PolicyInfo, ProposalInfo,
    ProposalItem, ProposalView, RuleInfo, WhatIfChange, WhatIfObject, WhatIfReport, WhatIfRequest,
};
pub use courier::{
    CourierExport, CourierExported, CourierFile, CourierImport, CourierImported, CourierKey,
    CourierKeyInfo, CourierLog, CourierPublish, CourierPublished, CourierRead, CourierTaken,
};
pub use feeds::{
    FeedAccess, FeedHealth, FeedInfo, FeedQuarantine, FeedRefusal, FeedRemove, FeedSource, FeedSpec,
};
pub use people::{
    CodeRequest, ConfirmRequest, EnrolRequest, InviteReply, InviteRequest, Me, PasswordRequest,
    RecoveryReply, RotateRequest, SessionInfo, SignInReply, SignInRequest, TokenInfo, TokenReply,
    TokenRequest, TotpReply, UserInfo, UserRequest,
};
pub use requests::{
    AnswerInfo, AnswerRequest, AskRequest, DraftInfo, PostReport, RequestInfo, RequestThread,
    RequestsPage, RequestsQuery, RouteRequest, RouteRule, Routed, Standing, StrayInfo,
};
pub use sharing::{
    AddReport, ObjectRefusal, ObjectResult, ReleaseOutcome, ReleaseReport, ReleaseRequest,
    Selection, WithdrawReport, WithdrawRequest,
};

/// An error answer (RFC 9457 problem details).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable name of the kind of problem, `urn:kurultai:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong in this case and what to do, in one sentence.
    pub detail: String,
    /// The place in the given JSON (RFC 6901), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// Who this node is: what an accord says about a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberInfo {
    /// The member's code, such as `KZ`.
    pub code: String,
    /// The member's name.
    pub name: String,
    /// The member's domain, such as `kz.example`.
    pub domain: String,
    /// Where other members reach it, `https://host:port`.
    pub url: String,
    /// The root verifier key.
    pub root: String,
    /// The log verifier key (Ed25519).
    pub log: String,
    /// The log verifier key (ML-DSA-44), if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_pq: Option<String>,
    /// The witness verifier key.
    pub witness: String,
    /// SHA-256 of the node certificate's SubjectPublicKeyInfo, in hex.
    pub tls: String,
}

/// Everything that an operator wants to see at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Who this node is.
    pub member: MemberInfo,
    /// The program's version.
    pub version: String,
    /// The node's clock.
    pub now: String,
    /// Whether new objects and releases are accepted.
    pub ready: bool,
    /// What needs a person, most urgent first; empty when all is well.
    pub alarms: Vec<Alarm>,
    /// Whether the store can accept, and why not.
    pub store: StoreInfo,
    /// Where the member-facing server listens, once it does.
    #[serde(default)]
    pub listen_members: Option<String>,
    /// Where the national server listens, once it does.
    #[serde(default)]
    pub listen_national: Option<String>,
    /// Every log that is held, own and partners'.
    pub logs: Vec<LogInfo>,
    /// Every collection that national tools see.
    pub collections: Vec<CollectionInfo>,
    /// The partners.
    pub peers: Vec<PeerInfo>,
    /// The accords that are installed.
    pub accords: Vec<AccordInfo>,
    /// The node's own audit log and who has witnessed it.
    #[serde(default)]
    pub audit: AuditStatus,
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// A stable name: `audit-rewritten`, `log-refused`, `store-full`, `peer-unreachable`, `feed`,
    /// `conflict`.
    pub kind: String,
    /// What it concerns: a log, a peer, a path.
    pub subject: String,
    /// What happened and what to do.
    pub text: String,
}

/// The state of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreInfo {
    /// Whether the last write succeeded.
    pub writable: bool,
    /// Why it did not.
    pub reason: Option<String>,
    /// Bytes on disk.
    pub bytes_on_disk: u64,
}

/// The state of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogInfo {
    /// The accord's name.
    pub accord: String,
    /// The channel's name.
    pub channel: String,
    /// The code of the member whose log it is.
    pub origin: String,
    /// Whether that is this node's member.
    pub own: bool,
    /// Entries held.
    pub size: u64,
    /// The root over them, in hex.
    pub root: String,
    /// The size that the newest checkpoint states.
    pub checkpoint_size: u64,
    /// The names of the keys that cosigned the newest checkpoint.
    pub cosigned_by: Vec<String>,
    /// Why nothing more is accepted from this log, if so.
    pub refused: Option<String>,
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionInfo {
    /// `national` or `<accord>/<channel>`.
    pub name: String,
    /// Its TAXII collection id (UUID).
    pub id: String,
    /// Its TAXII alias.
    pub alias: String,
    /// Its title.
    pub title: String,
    /// Objects shown (each counted once).
    pub objects: u64,
    /// Versions shown.
    pub versions: u64,
    /// The members among whom the channel is in force; empty for `national`.
    pub members: Vec<String>,
    /// `manual` or `auto`; empty for `national`.
    pub mode: String,
}

/// What one partner's connection looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerInfo {
    /// The partner's code.
    pub code: String,
    /// The partner's name.
    pub name: String,
    /// Where it is reached.
    pub url: String,
    /// Whether wake-ups from it are being heard.
    pub listening: bool,
    /// Each log that is pulled from it.
    pub logs: Vec<PeerLog>,
}

/// How pulling one log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerLog {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Entries held here.
    pub size: u64,
    /// Entries that the partner's newest checkpoint states beyond those.
    pub lag: u64,
    /// When a pull last succeeded.
    pub last_success: Option<String>,
    /// When a pull last failed.
    pub last_failure: Option<String>,
    /// Why, until one succeeds.
    pub last_error: Option<String>,
    /// Why nothing more is accepted from this log, if so.
    pub refused: Option<String>,
    /// Where the time of all pulls of this log went since the node started.
    #[serde(default)]
    pub spent: PullSpent,
}

/// Busy time of each stage of pulling, in milliseconds. Stages overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullSpent {
    /// Waiting for answers, summed over all requests.
    pub fetch_ms: u64,
    /// Decompressing bodies.
    pub decompress_ms: u64,
    /// Hashing, parsing and checking.
    pub check_ms: u64,
    /// From handing objects to the store until they were durable.
    pub store_ms: u64,
}

/// `GET /objects?…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectsQuery {
    /// `national` (the default) or `<accord>/<channel>`.
    #[serde(default)]
    pub collection: Option<String>,
    /// Only these ids, comma separated.
    #[serde(default)]
    pub ids: Option<String>,
    /// Only these STIX types, comma separated.
    #[serde(default)]
    pub kinds: Option<String>,
    /// Only after this position (`next` of the page before).
    #[serde(default)]
    pub after: Option<i64>,
    /// At most this many (default 100, at most 1000).
    #[serde(default)]
    pub limit: Option<usize>,
    /// Every version instead of the latest.
    #[serde(default)]
    pub all_versions: bool,
    /// With the objects themselves.
    #[serde(default)]
    pub bodies: bool,
    /// For what purpose; needed when the answer is about persons.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Who asks, where the way in does not say it.
    #[serde(default)]
    pub who: Option<String>,
}

/// One page of a collection.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ObjectsPage {
    /// The objects in order of acceptance.
    pub objects: Vec<ObjectInfo>,
    /// Where the next page starts, when there is more.
    pub next: Option<i64>,
}

/// One object as a collection shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObjectInfo {
    /// Its id.
    pub id: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// SHA-256 of its canonical bytes, in hex.
    pub hash: String,
    /// Its CIDv1.
    pub cid: String,
    /// Its effective label.
    pub label: String,
    /// When it came into the collection (TAXII's `date_added`).
    pub added: String,
    /// The member that released it; absent in `national`.
    pub origin: Option<String>,
    /// Its position in that member's log.
    pub entry: Option<u64>,
    /// The object, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<serde_json::Value>,
}

/// `POST /pull`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// Only from this member.
    #[serde(default)]
    pub peer: Option<String>,
    /// Only this `<accord>/<channel>`.
    #[serde(default)]
    pub channel: Option<String>,
}

/// The answer to a pull.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullReport {
    /// One line a log.
    pub logs: Vec<PullResult>,
}

/// How one log's pull went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullResult {
    /// The member pulled from.
    pub peer: String,
    /// `<accord>/<channel>`.
    pub channel: String,
    /// Entries held before.
    pub from: u64,
    /// Entries held now.
    pub to: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// One kept piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceInfo {
    /// When it was kept.
    pub at: String,
    /// The log concerned, `<accord>/<channel>/<origin>`.
    pub log: Option<String>,
    /// Why it was kept.
    pub reason: String,
    /// The evidence itself; `kurultai verify` checks it offline.
    pub text: String,
}
