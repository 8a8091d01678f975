//! The store's vocabulary: what a caller asks for and what it gets back.
//!
//! Everything here is plain data. A [`Command`] is one change, applied whole or not at all and
//! durable before its answer (I5); a [`Record`] is one object as one collection shows it. The
//! meaning of labels, entries and accords stays in `model`, `log` and `policy`.

use std::fmt;
use std::sync::Arc;

use model::{Hash, Id, Label, Object, Timestamp, Tlp};

use crate::labels::AT_LEAST;
use crate::standing::Standing;

/// A position in this node's own order: microseconds since 1970, strictly increasing over all that
/// the node ever accepts. It is TAXII's `date_added` as it stands.
pub type Seq = i64;

/// One channel log: who publishes what under which accord.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogName {
    /// The accord's name, as `policy` checked it.
    pub accord: String,
    /// The channel's name within the accord.
    pub channel: String,
    /// The code of the member whose log this is.
    pub origin: String,
}

impl LogName {
    /// The name from its three parts.
    pub fn new(accord: &str, channel: &str, origin: &str) -> LogName {
        LogName {
            accord: accord.into(),
            channel: channel.into(),
            origin: origin.into(),
        }
    }

    /// The collection that shows what this log releases.
    pub fn collection(&self) -> Collection {
        Collection::Channel {
            accord: self.accord.clone(),
            channel: self.channel.clone(),
        }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.accord, self.channel, self.origin)
    }
}

/// What a TAXII client calls a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// The member's own objects, whether released or not.
    National,
    /// The forms in which own objects leave: redacted or scrubbed. No interface shows it.
    Forms,
    /// What is shared in one channel: own releases and what partners' logs brought.
    Channel {
        /// The accord's name.
        accord: String,
        /// The channel's name.
        channel: String,
    },
}

/// Signs a checkpoint of (size, root) and gives the whole signed note.
pub type Signer = Arc<dyn Fn(u64, log::Hash) -> String + Send + Sync>;

/// One change to the store.
pub enum Command {
    /// Take objects into a collection of this node's own. Answer: [`Reply::Added`].
    Add {
        /// The objects, already validated and canonical.
        objects: Vec<Object>,
        /// The label that applies where an object does not state its own.
        label: Label,
        /// [`Collection::National`] or [`Collection::Forms`].
        into: Collection,
    },
    /// Take objects out of the national collection again, all of these or none. What any log,
    /// own or a partner's, ever brought into a channel is refused. Answer: [`Reply::Removed`].
    ///
    /// Their bytes stay in the journal. No page, version list or look-up leads to them any more, but
    /// a record that was read before the removal does: whoever acts on one later asks
    /// [`crate::Store::still_shown`] first. Other versions that come later do not bring them back;
    /// adding the very same bytes again does, at a new position.
    Remove {
        /// Which: the id, and the hash of the version.
        objects: Vec<(Id, Hash)>,
    },
    /// Set or remove settings, all in one commit. Answer: [`Reply::Done`].
    ///
    /// They are written in this order, so of a write that a loss of power tears the first ones are
    /// what is left: put what must not be lost before what is removed.
    PutAll {
        /// Keys with their values; without one a setting is removed.
        settings: Vec<(String, Option<Vec<u8>>)>,
    },
    /// Take objects into the national collection under a label that applies whatever they state
    /// themselves: what they state can only make it stricter. What a log took back or the nation
    /// removed is not brought back ([`Outcome::Stopped`]). Answer: [`Reply::Added`].
    AddAtLeast {
        /// The objects, already validated and canonical.
        objects: Vec<Object>,
        /// The least strict label that any of them has.
        label: Label,
    },
    /// Append entries to an own log. Answer: [`Reply::Logged`].
    Append {
        /// The own log.
        log: LogName,
        /// The entries in order.
        changes: Vec<Change>,
        /// Signs the checkpoint of the state after them.
        signer: Signer,
    },
    /// Append raw records to an own log that has no objects: the audit log (I10). Answer:
    /// [`Reply::Logged`].
    Audit {
        /// The own log, normally `local/audit/<own code>`.
        log: LogName,
        /// The records, each at most `log`'s entry limit.
        records: Vec<Vec<u8>>,
        /// Signs the checkpoint of the state after them.
        signer: Signer,
    },
    /// Take verified entries of a partner's log. Answer: [`Reply::Received`].
    Receive(Receive),
    /// Keep cosignatures of a checkpoint of `size` and `root`. Answer: [`Reply::Done`].
    Cosigned {
        /// The log whose checkpoint was cosigned.
        log: LogName,
        /// The tree size that was cosigned.
        size: u64,
        /// Whole signature lines, each `— name base64`, by key name.
        lines: Vec<(String, String)>,
    },
    /// Stop accepting from a log, keeping the evidence (I3). Answer: [`Reply::Done`].
    Refuse {
        /// The log that is refused from now on.
        log: LogName,
        /// Why, in one sentence.
        reason: String,
        /// The evidence as `log::Evidence` prints it, or the refused bytes' description.
        evidence: String,
    },
    /// Sign the newest checkpoint of an own log again, with another key: the same size, the same
    /// root. A log that is not there or empty has none. Answer: [`Reply::Done`].
    Resign {
        /// The own log.
        log: LogName,
        /// Signs the checkpoint.
        signer: Signer,
    },
    /// Throw away the copy of a partner's log, for it was signed by a key that is in other hands,
    /// and begin it anew (the one exception to I3, by the word of the origin's root key). What it
    /// brought is hidden, what it had refused for is forgotten, `evidence` is kept. Answer:
    /// [`Reply::Done`].
    Restart {
        /// The partner's log.
        log: LogName,
        /// The size that is thrown away; another one is refused.
        from: u64,
        /// Why, in one sentence.
        reason: String,
        /// The checkpoint that is believed no more.
        evidence: String,
    },
    /// Set or, with `None`, remove a setting. Answer: [`Reply::Done`].
    Put {
        /// The setting's key, such as `user/anna`.
        key: String,
        /// The value; opaque to the store.
        value: Option<Vec<u8>>,
    },
}

/// One entry to append to an own log.
pub struct Change {
    /// The entry. For releases the store sets `action` to `Revise` when the channel already shows
    /// another version of the same object from this log.
    pub entry: log::Entry,
    /// The position (in `Record::object`) of the object that goes out; `None` for withdrawals.
    pub object: Option<Seq>,
}

/// Verified entries of a partner's log: the machine in `sync` vouches for them.
pub struct Receive {
    /// The partner's log.
    pub log: LogName,
    /// The log size before the first entry given here; must equal the held size.
    pub from: u64,
    /// The entries, in runs that do not cross entry-bundle bounds.
    pub bundles: Vec<ReceivedBundle>,
    /// The signed checkpoint that covers them (its size is at or past the last entry).
    pub checkpoint: String,
    /// That checkpoint's size.
    pub checkpoint_size: u64,
    /// That checkpoint's root; checked when the last entry given reaches `checkpoint_size`.
    pub checkpoint_root: log::Hash,
}

/// The part of one entry bundle that is new here.
pub struct ReceivedBundle {
    /// The entries' encoded bytes.
    pub raw: Vec<Vec<u8>>,
    /// The same entries, decoded.
    pub entries: Vec<log::Entry>,
    /// The object of each entry; `None` where there is nothing to hold (withdrawn, not admitted).
    pub objects: Vec<Option<Object>>,
    /// The compressed body bundle (`log::bodies`) that holds those objects' bytes and no body of
    /// an object that is not in `objects`.
    pub bodies: Vec<u8>,
    /// How many bodies precede the first entry's in `bodies`.
    pub skip: usize,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What became of each object, in order.
    Added(Vec<Outcome>),
    /// So many of the named objects were there and are no longer.
    Removed(usize),
    /// An own log grew from `from` to `to` entries; `already` changes were left out because the
    /// channel showed just that already (releases) or no longer (withdrawals).
    Logged {
        /// The size before.
        from: u64,
        /// The size after.
        to: u64,
        /// How many of the given changes changed nothing.
        already: usize,
    },
    /// A partner's log is held to this size.
    Received {
        /// The size held now.
        size: u64,
        /// How many objects are newly shown.
        shown: usize,
        /// How many objects were refused because other bytes are held under the same version.
        conflicts: usize,
    },
    /// Done, durably.
    Done,
}

/// What became of one added object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// New here, at this position.
    Added(Seq),
    /// The very same bytes were held already, at this position.
    Duplicate(Seq),
    /// Another content is held under the same id and version; this one is kept as evidence only.
    Conflict {
        /// The hash of what is held.
        held: Hash,
    },
    /// [`Command::AddAtLeast`] does not bring it back: it was withdrawn, or the nation removed it.
    Stopped(Standing),
}

/// The state of one log as held here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Entries held (and, for an own log, published).
    pub size: u64,
    /// The root over them.
    pub root: log::Hash,
    /// The newest signed checkpoint, without cosignatures; empty while the log is empty.
    pub checkpoint: String,
    /// The size that `checkpoint` states; above `size` while a catch-up is under way.
    pub checkpoint_size: u64,
    /// Cosignatures of `checkpoint` by key name.
    pub cosignatures: Vec<(String, String)>,
    /// Whether this member is the origin.
    pub own: bool,
    /// Why nothing more is accepted from this log, if so.
    pub refused: Option<String>,
}

/// Which records of a collection, in order of `seq`.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only records after this position.
    pub after: Option<Seq>,
    /// Only these ids, if any are given.
    pub ids: Vec<Id>,
    /// Only these STIX types, if any are given.
    pub kinds: Vec<String>,
    /// Every version instead of the latest of each object.
    pub all_versions: bool,
    /// Only records labelled up to this level, if one is given. Whether an object's latest version
    /// is meant does not depend on it: where that one is above the level, no older one stands in.
    pub up_to: Option<Tlp>,
    /// At most this many records.
    pub limit: usize,
}

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, ascending by `seq`.
    pub records: Vec<Record>,
    /// Whether records follow the last one.
    pub more: bool,
}

/// One object as one collection shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position in the collection: TAXII's `date_added`.
    pub seq: Seq,
    /// Where its bytes are: the position at which the node accepted the object.
    pub object: Seq,
    /// The STIX id.
    pub id: Id,
    /// The version (`modified`); `None` for objects that have none.
    pub version: Option<Timestamp>,
    /// SHA-256 of the canonical bytes.
    pub hash: Hash,
    /// The log that brought it; `None` in this node's own collections.
    pub log: Option<LogName>,
    /// The position in that log.
    pub entry: Option<u64>,
    /// The assigned label (at intake, or in the log entry), before the object's own markings; after
    /// `>=` where those can only make it stricter.
    pub assigned: Arc<str>,
    /// The object's marking references, space separated.
    pub marks: Arc<str>,
    /// Whether it is about a person (`model::about_person`), apart from what it refers to.
    pub about_person: bool,
}

impl Record {
    /// The assigned label alone, without what says that objects can only make it stricter.
    pub fn assigned_label(&self) -> &str {
        self.assigned
            .strip_prefix(AT_LEAST)
            .unwrap_or(&self.assigned)
    }

    /// The same record as if this label had been assigned, in the same way.
    #[must_use]
    pub fn relabelled(&self, label: &str) -> Record {
        let at_least = self.assigned.starts_with(AT_LEAST);
        Record {
            assigned: match at_least {
                true => format!("{AT_LEAST}{label}").into(),
                false => label.into(),
            },
            ..self.clone()
        }
    }
}

/// What a partner's log said about an object that the nation has, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The record as the partner's entry made it.
    pub record: Record,
    /// Whether the partner has taken it back since. What it said when it brought it still counts.
    pub withdrawn: bool,
    /// The position at which the nation first had any version of this object.
    pub ours: Seq,
}

/// Objects of a collection that share a label class and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCount {
    /// The first of them.
    pub example: Record,
    /// How many there are, by their latest version.
    pub objects: u64,
}

/// One kept piece of evidence or conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was kept, as a position.
    pub at: Seq,
    /// The log concerned, if any.
    pub log: Option<LogName>,
    /// Why it was kept.
    pub reason: String,
    /// The evidence text or the conflicting object's bytes.
    pub content: Vec<u8>,
}

/// Whether the store can accept at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// False after a write failed, until one succeeds.
    pub writable: bool,
    /// What failed, in one sentence.
    pub reason: Option<String>,
}

/// Something became visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A log, own or a partner's, is now held to `size`, or has new cosignatures.
    Head {
        /// The log.
        log: LogName,
        /// Its size.
        size: u64,
    },
    /// A collection shows something new or less.
    Changed(Collection),
    /// A log is refused from now on.
    Refused(LogName),
}
