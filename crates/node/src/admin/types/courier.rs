//! Logs by hand, as JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to write into a courier file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourierExport {
    /// Channels, `<accord>/<channel>`.
    pub channels: Vec<String>,
    /// Codes of the members that it is for; each must be in force in every channel.
    pub to: Vec<String>,
    /// From which entry on (a number), or from which time (RFC 3339, or a date); absent: all.
    #[serde(default)]
    pub since: Option<String>,
    /// The file to write, as an absolute path; nothing is overwritten. Parts get `.1`, `.2` and so on.
    pub out: String,
    /// Whether only those members can read it.
    #[serde(default)]
    pub encrypt: bool,
    /// Bytes that a part may have at most.
    #[serde(default)]
    pub split: Option<u64>,
    /// Who exports, for the audit log.
    #[serde(default)]
    pub who: String,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierExported {
    /// The files.
    pub files: Vec<CourierFile>,
    /// The logs in them.
    pub logs: Vec<CourierLog>,
    /// Receipts that go with them: members' logs whose checkpoints this member holds and cosigned.
    pub receipts: usize,
}

/// A file that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierFile {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// The name (CID) of its root, before encryption.
    pub root: String,
}

/// What was written of a log, in all files together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierLog {
    /// The channel.
    pub channel: String,
    /// The first entry.
    pub first: u64,
    /// Entries of the log.
    pub size: u64,
    /// Objects.
    pub objects: u64,
}

/// Files to take in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourierImport {
    /// The files, as absolute paths, in any order.
    pub files: Vec<String>,
    /// Who imports, for the audit log.
    #[serde(default)]
    pub who: String,
}

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierImported {
    /// Each file.
    pub files: Vec<CourierRead>,
    /// Each log that was in them.
    pub logs: Vec<CourierTaken>,
    /// What members say they hold of this member's logs, in words.
    pub receipts: Vec<String>,
    /// Whether everything in the files is held now.
    pub whole: bool,
}

/// What one file turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierRead {
    /// Its path.
    pub path: String,
    /// Why nothing of it could be read, if so.
    pub error: Option<String>,
    /// The member that wrote it, as it says.
    pub from: Option<String>,
    /// Which part it is, as it says.
    pub part: Option<u64>,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// Blocks that are damaged.
    pub damaged: u64,
    /// The byte after which it could not be read, if so.
    pub cut: Option<u64>,
}

/// What was taken of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierTaken {
    /// The member whose log it is.
    pub origin: String,
    /// The channel.
    pub channel: String,
    /// Entries held before.
    pub from: u64,
    /// Entries held after.
    pub to: u64,
    /// Objects that are newly shown.
    pub shown: u64,
    /// Entries whose object is not shown because the accord or its form does not allow it.
    pub refused: u64,
    /// Whether everything that the files have of it is held.
    pub whole: bool,
    /// How it ended, in one sentence; empty if all is well.
    pub result: String,
}

/// Which courier key: this member's own, to be made where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourierKey {
    /// The root key's secret file, as an absolute path, where it is not in the keys folder.
    #[serde(default)]
    pub root: Option<String>,
    /// Another member's key note, to be believed from now on.
    #[serde(default)]
    pub note: Option<String>,
    /// Who does it, for the audit log.
    #[serde(default)]
    pub who: String,
}

/// A courier key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierKeyInfo {
    /// The member's domain.
    pub domain: String,
    /// `age1…`
    pub key: String,
    /// When it was certified.
    pub at: String,
    /// The note that says so, signed by the member's root key.
    pub note: String,
}

/// Objects to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourierPublish {
    /// The channel into which they were released, `<accord>/<channel>`.
    pub channel: String,
    /// Their ids; none: all that may be published.
    #[serde(default)]
    pub ids: Vec<String>,
    /// The file to write, as an absolute path; nothing is overwritten.
    pub out: String,
    /// Who publishes, for the audit log.
    #[serde(default)]
    pub who: String,
}

/// What was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourierPublished {
    /// The name (CID) of the root.
    pub root: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Objects in it.
    pub objects: u64,
    /// Why others were left out, each reason once; at most 20.
    pub left_out: Vec<String>,
}
