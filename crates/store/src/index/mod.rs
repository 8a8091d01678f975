//! The index: what the journal means, ready to be asked.
//!
//! [`Index`] is the second of the store's two seams. Its verbs are the store's own questions and
//! one `apply`, which takes plain [`Row`]s in one transaction; so a second back end (PostgreSQL)
//! has the same rows to keep and nothing else to know. Everything in it can be rebuilt from the
//! journal.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Hash, Id};

use crate::error::StoreError;
use crate::journal::Position;
use crate::types::{ClassCount, Collection, Head, Heard, Kept, LogName, Page, Query, Record, Seq};

mod class;
mod gone;
mod heard;
mod names;
mod read;
mod sqlite;
mod write;

pub(crate) use sqlite::SqliteIndex;

/// Which object: its UUID and STIX type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) uuid: [u8; 16],
    pub(crate) kind: Arc<str>,
}

impl Key {
    pub(crate) fn of(id: &Id) -> Key {
        Key {
            uuid: id.uuid(),
            kind: id.type_name().into(),
        }
    }

    pub(crate) fn id(&self) -> Result<Id, StoreError> {
        Id::from_parts(&self.kind, self.uuid).map_err(|error| StoreError::Entry {
            problem: error.to_string(),
        })
    }
}

/// One version of an object that is held, and where it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) object: Seq,
    /// Nanoseconds since 1970, if the object has a version.
    pub(crate) version: Option<i64>,
    pub(crate) hash: Hash,
    pub(crate) shown: Vec<Shown>,
}

/// One showing of an object in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) collection: Collection,
    pub(crate) seq: Seq,
    /// The log and the entry that brought it; `None` in the national collection.
    pub(crate) log: Option<(LogName, u64)>,
    pub(crate) state: State,
}

/// How a collection shows a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// An older version: only where all versions are asked for.
    Older = 0,
    /// The latest version.
    Latest = 1,
    /// The same bytes are shown already by another log's entry; this one stands by in case that
    /// one is withdrawn.
    Standby = 2,
}

/// One change to the index.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    /// A new object, its bytes in the bundle that covers `seq`.
    Object {
        seq: Seq,
        key: Key,
        version: Option<i64>,
        hash: Hash,
        marks: Arc<str>,
        about_person: bool,
    },
    /// Where the bodies of `count` objects from `first` on are; `skip` bodies precede them.
    Bundle {
        first: Seq,
        count: usize,
        skip: usize,
        at: Position,
        length: usize,
    },
    /// Show an object in a collection.
    Show {
        collection: Collection,
        seq: Seq,
        object: Seq,
        kind: Arc<str>,
        label: Arc<str>,
        log: Option<(LogName, u64)>,
        state: State,
    },
    /// Change how a record is shown; `None` removes it.
    State {
        collection: Collection,
        seq: Seq,
        kind: Arc<str>,
        before: State,
        after: Option<State>,
    },
    /// The nation and a partner's log both have, or had, versions of this object.
    Met { key: Key },
    /// Advance a log. Fails as a whole if the held size is not `old_size`.
    Head {
        log: LogName,
        old_size: u64,
        size: u64,
        root: log::Hash,
        checkpoint: String,
        checkpoint_size: u64,
        own: bool,
    },
    /// Begin the copy of a partner's log anew. Fails as a whole if the held size is not `from`.
    Restart { log: LogName, from: u64 },
    /// Remember where the object of an own log's entry is, for its body bundle.
    Entry {
        log: LogName,
        index: u64,
        object: Option<Seq>,
    },
    /// An own log's earlier entry was withdrawn: its body leaves the body bundles.
    Blank { log: LogName, index: u64 },
    /// Keep a cosignature of a checkpoint at `size`.
    Cosignature {
        log: LogName,
        size: u64,
        key: String,
        line: String,
    },
    /// Refuse a log from now on.
    Refuse { log: LogName, reason: String },
    /// Keep something as evidence.
    Kept(Kept),
    /// Set or remove a setting.
    Setting { key: String, value: Option<Vec<u8>> },
    /// The journal is applied up to here and `last` is the last position given out.
    Applied { at: Position, last: Seq },
}

/// Where the bytes of one object are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// The bundle's place and length.
    pub(crate) at: (u64, u64),
    pub(crate) length: usize,
    /// Which of the bundle's bodies.
    pub(crate) body: usize,
    /// How many bodies the bundle has.
    pub(crate) bodies: usize,
}

/// Records of one collection that share a type, an assigned label and markings, and so the label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) number: i64,
    pub(crate) assigned: Arc<str>,
    pub(crate) marks: Arc<str>,
}

/// Which of a collection's classes may be shown, by their numbers.
pub(crate) type Judged = HashMap<i64, bool>;

/// An answer to a question for some classes only.
pub(crate) enum Paged {
    /// The page.
    Page(Page),
    /// These classes must be judged first.
    Unjudged(Vec<Class>),
}

/// The journal's meaning, in whatever database.
pub(crate) trait Index: Send + Sync {
    /// Applies all rows in one transaction, durable on return; on error nothing is changed.
    fn apply(&self, rows: &[Row]) -> Result<(), StoreError>;
    /// What is held of each object, in the same order.
    fn held(&self, keys: &[Key]) -> Result<Vec<Vec<Held>>, StoreError>;
    /// One page of a collection; of some of its label classes only, if `judged` tells which.
    fn page(
        &self,
        collection: &Collection,
        query: &Query,
        judged: Option<&Judged>,
    ) -> Result<Paged, StoreError>;
    /// Whether a collection shows anything at each of these positions.
    fn shown_at(&self, collection: &Collection, at: &[Seq]) -> Result<Vec<bool>, StoreError>;
    /// A log that had brought this object and took it back.
    fn gone(&self, object: Seq) -> Result<Option<LogName>, StoreError>;
    /// What a log has brought of these objects and not taken back, whether it is shown or stands by.
    fn brought(&self, log: &LogName, ids: &[Id]) -> Result<Vec<Record>, StoreError>;
    /// All that a log has brought and not taken back, whether it is shown or stands by.
    fn brought_by(&self, log: &LogName) -> Result<Vec<(Key, Hash)>, StoreError>;
    /// What partners' logs ever brought of those of these objects that the nation has, too.
    fn heard(&self, ids: &[Id]) -> Result<Vec<Heard>, StoreError>;
    /// What partners' logs ever brought of an object, whether the nation has it or not.
    fn told(&self, id: &Id) -> Result<Vec<Record>, StoreError>;
    /// For each object the log that took it back last, if no log shows any version any more.
    fn taken_back(&self, ids: &[Id]) -> Result<Vec<Option<LogName>>, StoreError>;
    /// The objects that the nation and a partner's log both have or had, in an order of its own.
    fn met(&self, after: Option<&Id>, limit: usize) -> Result<Vec<Id>, StoreError>;
    /// The label classes and types of a collection's latest versions.
    fn classes(&self, collection: &Collection) -> Result<Vec<ClassCount>, StoreError>;
    /// Where the bytes of objects are, in order.
    fn locate(&self, objects: &[Seq]) -> Result<Vec<Location>, StoreError>;
    /// The objects of an own log's entries `from..to`, in order; `None` where there is no body.
    fn entry_objects(
        &self,
        log: &LogName,
        from: u64,
        to: u64,
    ) -> Result<Vec<Option<Seq>>, StoreError>;
    /// The state of the logs: of one, or of all.
    fn heads(&self, log: Option<&LogName>) -> Result<Vec<(LogName, Head)>, StoreError>;
    /// Which of an own log's entries `from..to` have been withdrawn from its body bundles.
    fn blanked(&self, log: &LogName, from: u64, to: u64) -> Result<Vec<u64>, StoreError>;
    /// The settings whose key begins with `prefix`, ascending.
    fn settings(&self, prefix: &str, exact: bool) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// All that is kept as evidence, oldest first.
    fn kept(&self) -> Result<Vec<Kept>, StoreError>;
    /// Every collection with its counts: (latest, all versions).
    fn collections(&self) -> Result<Vec<(Collection, u64, u64)>, StoreError>;
    /// How far the journal is applied, and the last position given out.
    fn applied(&self) -> Result<(Position, Seq), StoreError>;
}
