//! The index in SQLite: schema, connections, names as small numbers.
//!
//! One connection writes, a few read. Write-ahead logging lets readers go on while the writer
//! commits; `synchronous=FULL` makes a commit durable. Names that repeat (types, labels, marking
//! sets, collections, logs) are kept once and known by a number. The only key in random order is
//! the object's UUID; everything else is appended, which is what keeps a commit cheap.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use model::Id;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Held, Index, Judged, Key, Location, Paged, Row};
use crate::error::StoreError;
use crate::journal::Position;
use crate::limits::READERS_MAX;
use crate::shared::lock;
use crate::types::{ClassCount, Collection, Head, Heard, Kept, LogName, Query, Record, Seq};

/// The schema's version; another one means that the index must be rebuilt.
const SCHEMA: i64 = 3;

const TABLES: &str = "
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE object (
  seq INTEGER PRIMARY KEY, uuid BLOB NOT NULL, kind INTEGER NOT NULL,
  version INTEGER, hash BLOB NOT NULL, marks INTEGER NOT NULL, person INTEGER NOT NULL);
CREATE INDEX object_uuid ON object (uuid);
CREATE TABLE bundle (
  first INTEGER PRIMARY KEY, count INTEGER NOT NULL, skip INTEGER NOT NULL,
  segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE collection (
  id INTEGER PRIMARY KEY, accord TEXT NOT NULL, channel TEXT NOT NULL,
  latest INTEGER NOT NULL DEFAULT 0, versions INTEGER NOT NULL DEFAULT 0,
  UNIQUE (accord, channel));
CREATE TABLE shown (
  collection INTEGER NOT NULL, seq INTEGER NOT NULL, object INTEGER NOT NULL,
  kind INTEGER NOT NULL, label INTEGER NOT NULL, class INTEGER NOT NULL, log INTEGER,
  entry INTEGER, state INTEGER NOT NULL, PRIMARY KEY (collection, seq)) WITHOUT ROWID;
CREATE INDEX shown_object ON shown (object);
CREATE INDEX shown_kind ON shown (collection, kind, seq);
CREATE INDEX shown_class ON shown (class, seq, state);
CREATE TABLE class (
  id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, kind INTEGER NOT NULL,
  label INTEGER NOT NULL, marks INTEGER NOT NULL, UNIQUE (collection, kind, label, marks));
CREATE INDEX class_collection ON class (collection);
CREATE TABLE gone (
  object INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, label INTEGER NOT NULL,
  log INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (object, seq)) WITHOUT ROWID;
CREATE TABLE met (
  uuid BLOB NOT NULL, kind INTEGER NOT NULL, PRIMARY KEY (uuid, kind)) WITHOUT ROWID;
CREATE TABLE log (
  id INTEGER PRIMARY KEY, accord TEXT NOT NULL, channel TEXT NOT NULL, origin TEXT NOT NULL,
  own INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, checkpoint TEXT NOT NULL,
  checkpoint_size INTEGER NOT NULL, refused TEXT, UNIQUE (accord, channel, origin));
CREATE TABLE entry (
  log INTEGER NOT NULL, entry INTEGER NOT NULL, object INTEGER,
  PRIMARY KEY (log, entry)) WITHOUT ROWID;
CREATE TABLE blank (
  log INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (log, entry)) WITHOUT ROWID;
CREATE TABLE cosignature (
  log INTEGER NOT NULL, size INTEGER NOT NULL, key TEXT NOT NULL, line TEXT NOT NULL,
  PRIMARY KEY (log, size, key)) WITHOUT ROWID;
CREATE TABLE kept (
  at INTEGER PRIMARY KEY, log INTEGER, reason TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE applied (
  one INTEGER PRIMARY KEY CHECK (one = 1), segment INTEGER NOT NULL, offset INTEGER NOT NULL,
  last INTEGER NOT NULL);
INSERT INTO applied VALUES (1, 0, 0, 0);
INSERT INTO collection (id, accord, channel) VALUES (0, '', '');
";

/// The index in one SQLite file.
pub(crate) struct SqliteIndex {
    path: std::path::PathBuf,
    pub(super) writer: Mutex<Writer>,
    readers: Mutex<Readers>,
    returned: Condvar,
}

#[derive(Default)]
struct Readers {
    idle: Vec<Reader>,
    open: usize,
}

/// The writing connection and the numbers it knows.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) names: HashMap<Arc<str>, i64>,
    pub(super) collections: HashMap<Collection, i64>,
    pub(super) logs: HashMap<LogName, i64>,
    /// Classes by collection, type, label and markings.
    pub(super) classes: HashMap<[i64; 4], i64>,
    /// The object written last and its markings: it is nearly always the one that is shown next.
    pub(super) written: Option<(Seq, i64)>,
}

/// A reading connection and the names it knows by number.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) names: HashMap<i64, Arc<str>>,
    pub(super) logs: HashMap<i64, LogName>,
    pub(super) collections: HashMap<i64, Collection>,
}

impl SqliteIndex {
    /// Opens or makes the index at `path`.
    pub(crate) fn open(path: &Path) -> Result<SqliteIndex, StoreError> {
        // No lock inside SQLite: each connection is used by one thread at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "cache_size", -40_000)?;
        db.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        db.set_prepared_statement_cache_capacity(64);
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found == 0 {
            db.execute_batch(&format!(
                "BEGIN; {TABLES} PRAGMA user_version={SCHEMA}; COMMIT;"
            ))?;
        } else if found != SCHEMA {
            return Err(StoreError::Index {
                cause: format!("its schema is version {found}, this program has {SCHEMA}"),
            });
        }
        let writer = Writer {
            db,
            names: HashMap::new(),
            collections: HashMap::new(),
            logs: HashMap::new(),
            classes: HashMap::new(),
            written: None,
        };
        Ok(SqliteIndex {
            path: path.to_path_buf(),
            writer: Mutex::new(writer),
            readers: Mutex::new(Readers::default()),
            returned: Condvar::new(),
        })
    }

    /// Runs a read on one of the reading connections; waits for one if all are busy.
    pub(super) fn read<T>(
        &self,
        f: impl FnOnce(&mut Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reader = self.take_reader()?;
        // One transaction: one snapshot for all that is asked, and one lock instead of one a query.
        let answer = reader
            .db
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]))
            .map_err(StoreError::from)
            .and_then(|_| f(&mut reader));
        if !reader.db.is_autocommit() {
            reader.db.prepare_cached("COMMIT")?.execute([])?;
        }
        lock(&self.readers).idle.push(reader);
        self.returned.notify_one();
        answer
    }

    /// How SQLite would go about a query.
    #[cfg(test)]
    pub(super) fn plan(&self, sql: &str) -> Result<String, StoreError> {
        self.read(|reader| {
            let mut explain = reader.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            // The values do not matter; the number of parameters does.
            let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
            let parameters = rusqlite::params_from_iter(nulls);
            let steps = explain.query_map(parameters, |row| row.get::<_, String>(3))?;
            Ok(steps.collect::<Result<Vec<_>, _>>()?.join("\n"))
        })
    }

    fn take_reader(&self) -> Result<Reader, StoreError> {
        let mut readers = lock(&self.readers);
        loop {
            if let Some(reader) = readers.idle.pop() {
                return Ok(reader);
            }
            if readers.open < READERS_MAX {
                readers.open += 1;
                break;
            }
            readers = self
                .returned
                .wait(readers)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        drop(readers);
        self.open_reader().inspect_err(|_| {
            lock(&self.readers).open -= 1;
            self.returned.notify_one();
        })
    }

    fn open_reader(&self) -> Result<Reader, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.pragma_update(None, "cache_size", -4_000)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(Reader {
            db,
            names: HashMap::new(),
            logs: HashMap::new(),
            collections: HashMap::new(),
        })
    }
}

impl Index for SqliteIndex {
    fn apply(&self, rows: &[Row]) -> Result<(), StoreError> {
        lock(&self.writer).apply(rows)
    }

    fn held(&self, keys: &[Key]) -> Result<Vec<Vec<Held>>, StoreError> {
        self.read(|reader| reader.held(keys))
    }

    fn page(
        &self,
        collection: &Collection,
        query: &Query,
        judged: Option<&Judged>,
    ) -> Result<Paged, StoreError> {
        self.read(|reader| match judged {
            Some(judged) => reader.page_of(collection, query, judged),
            None => Ok(Paged::Page(reader.page(collection, query)?)),
        })
    }

    fn shown_at(&self, collection: &Collection, at: &[Seq]) -> Result<Vec<bool>, StoreError> {
        self.read(|reader| reader.shown_at(collection, at))
    }

    fn gone(&self, object: Seq) -> Result<Option<LogName>, StoreError> {
        self.read(|reader| reader.gone(object))
    }

    fn brought(&self, log: &LogName, ids: &[Id]) -> Result<Vec<Record>, StoreError> {
        self.read(|reader| reader.brought(log, ids))
    }

    fn brought_by(&self, log: &LogName) -> Result<Vec<(Key, model::Hash)>, StoreError> {
        self.read(|reader| reader.brought_by(log))
    }

    fn heard(&self, ids: &[Id]) -> Result<Vec<Heard>, StoreError> {
        self.read(|reader| reader.heard(ids))
    }

    fn told(&self, id: &Id) -> Result<Vec<Record>, StoreError> {
        self.read(|reader| reader.told(id))
    }

    fn taken_back(&self, ids: &[Id]) -> Result<Vec<Option<LogName>>, StoreError> {
        self.read(|reader| reader.taken_back(ids))
    }

    fn met(&self, after: Option<&Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.read(|reader| reader.met(after, limit))
    }

    fn classes(&self, collection: &Collection) -> Result<Vec<ClassCount>, StoreError> {
        self.read(|reader| reader.classes(collection))
    }

    fn locate(&self, objects: &[Seq]) -> Result<Vec<Location>, StoreError> {
        self.read(|reader| reader.locate(objects))
    }

    fn entry_objects(
        &self,
        log: &LogName,
        from: u64,
        to: u64,
    ) -> Result<Vec<Option<Seq>>, StoreError> {
        self.read(|reader| reader.entry_objects(log, from, to))
    }

    fn blanked(&self, log: &LogName, from: u64, to: u64) -> Result<Vec<u64>, StoreError> {
        self.read(|reader| reader.blanked(log, from, to))
    }

    fn heads(&self, log: Option<&LogName>) -> Result<Vec<(LogName, Head)>, StoreError> {
        self.read(|reader| reader.heads(log))
    }

    fn settings(&self, prefix: &str, exact: bool) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|reader| reader.settings(prefix, exact))
    }

    fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        self.read(Reader::kept)
    }

    fn collections(&self) -> Result<Vec<(Collection, u64, u64)>, StoreError> {
        self.read(|reader| reader.collections())
    }

    fn applied(&self) -> Result<(Position, Seq), StoreError> {
        self.read(|reader| {
            let row = reader
                .db
                .query_row("SELECT segment, offset, last FROM applied", [], |row| {
                    Ok((
                        Position {
                            segment: row.get::<_, i64>(0)? as u64,
                            offset: row.get::<_, i64>(1)? as u64,
                        },
                        row.get(2)?,
                    ))
                });
            Ok(row.optional()?.unwrap_or_default())
        })
    }
}
