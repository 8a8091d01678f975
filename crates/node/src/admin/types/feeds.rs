//! Feeds, as the admin API says and hears them.
//!
//! `GET /feeds` → `Vec<FeedInfo>`; `POST /feeds` ([`FeedSpec`]) → [`FeedInfo`]; `GET /feeds/{name}`
//! → [`FeedInfo`]; `DELETE /feeds/{name}` ([`FeedRemove`]) → 204; `POST /feeds/{name}/run`, `/pause`, `/resume` →
//! [`FeedInfo`]; `GET /feeds/{name}/quarantine` → [`FeedQuarantine`].
//!
//! Reading takes the duty operator, analyst, releaser or auditor; every change the duty operator.
//! What pushes out of the node begins paused, and only a releaser resumes it: an operator makes the
//! way, a releaser opens it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a feed is and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// Its name: 1 to 40 of `[a-z0-9-]`.
    pub name: String,
    /// What it speaks to.
    pub source: FeedSource,
    /// The least strict label of what it brings [default: the node's intake label]. What objects
    /// state themselves can only make it stricter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Seconds between runs, 10 to 604800.
    #[serde(default = "hourly")]
    pub every_secs: u64,
    /// Who adds it, for the audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
}

fn hourly() -> u64 {
    3_600
}

/// What a feed speaks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FeedSource {
    /// Reads a collection of an outside TAXII 2.1 server.
    Taxii {
        /// The discovery URL, an API root or a collection.
        url: String,
        /// The collection's id, alias or title; not needed where there is only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collection: Option<String>,
        /// Only the latest version of each object that the server has at the time; absent: all.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        latest_only: bool,
        /// What proves this node to the server.
        #[serde(default)]
        access: FeedAccess,
    },
    /// Reads STIX JSON from a file or from every file of a folder, again when it changes.
    File {
        /// An absolute path: `.json`, `.json.gz`, `.json.zst`, or a folder of such.
        path: PathBuf,
    },
    /// Reads STIX JSON from a URL, again when it changes.
    HttpJson {
        /// Where it is.
        url: String,
        /// What proves this node to the server.
        #[serde(default)]
        access: FeedAccess,
    },
    /// Makes indicators or observables from the rows of a table.
    Csv {
        /// Where it is, if it is to be fetched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// Where it is, if it is a file: an absolute path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
        /// What the columns mean, as TOML; see `docs/feeds.md`.
        mapping: String,
        /// What proves this node to the server.
        #[serde(default)]
        access: FeedAccess,
    },
    /// Writes what this member released into a channel to a collection of an outside server.
    TaxiiPush {
        /// The discovery URL, an API root or a collection.
        url: String,
        /// The collection's id, alias or title; not needed where there is only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collection: Option<String>,
        /// The channel, `<accord>/<channel>`.
        channel: String,
        /// The member of the accord for which the collection stands; absent: it stands for
        /// everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stands_for: Option<String>,
        /// What proves this node to the server.
        #[serde(default)]
        access: FeedAccess,
    },
}

/// What proves this node to an outside server, and whom it believes to be that server. Secrets are
/// files in `secrets/` of the data folder, named here without the folder, never values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedAccess {
    /// The user of HTTP Basic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file with that user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The file with a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The certificates (PEM) of the authorities that may vouch for the server [default: the
    /// system's].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<PathBuf>,
}

/// How `DELETE /feeds/{name}` is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedRemove {
    /// Also where something that the feed pushed is still outside: that is then for nobody to take
    /// back, and on record.
    #[serde(default)]
    pub force: bool,
}

/// How a feed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeedHealth {
    /// It succeeded within its interval and nothing failed since.
    Healthy,
    /// It was added just now and has not run yet.
    New,
    /// Its last run failed.
    Failing,
    /// It has not succeeded for much longer than its interval, whatever the reason.
    Stale,
    /// It was paused by a person, or waits for a releaser.
    Paused,
    /// It works, but something that was pushed and since withdrawn could not be taken back.
    Unrecalled,
}

/// A feed and how it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedInfo {
    /// What it is.
    pub spec: FeedSpec,
    /// How it does, worked out from its last success and the clock.
    pub health: FeedHealth,
    /// Why, in one sentence.
    pub why: String,
    /// When it was added.
    pub added: String,
    /// When it last ran, if ever.
    pub last_run: Option<String>,
    /// When it last succeeded, if ever.
    pub last_success: Option<String>,
    /// Seconds since then, or since it was added if it never succeeded.
    pub success_age_secs: u64,
    /// How often it failed since then.
    pub failures: u32,
    /// What failed last, if it failed since.
    pub last_error: Option<String>,
    /// When it runs next, unless it is paused.
    pub next_run: Option<String>,
    /// Objects taken in (or pushed) so far.
    pub accepted: u64,
    /// Objects that were held already, whenever they came again.
    pub known: u64,
    /// Objects refused so far.
    pub refused: u64,
    /// What is odd about the server, at most a few sentences.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What was pushed and since withdrawn, and could not be taken back.
    #[serde(default)]
    pub unrecalled: Vec<FeedRefusal>,
    /// How many such there are in all.
    #[serde(default)]
    pub unrecalled_total: u64,
}

/// What a feed brought and was not taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedQuarantine {
    /// The newest refusals, oldest first.
    pub refusals: Vec<FeedRefusal>,
    /// How many older ones were dropped.
    pub dropped: u64,
}

/// One thing that was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedRefusal {
    /// When.
    pub at: String,
    /// The object's id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it was: a page, a file, a row, with a JSON pointer where that helps.
    pub place: String,
    /// Why it was refused, and what to do where something can be done.
    pub reason: String,
    /// The first bytes of SHA-256 of what was refused, by which it is known when it comes again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}
