//! Applying rows to the SQLite index, in one transaction.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::sqlite::Writer;
use super::{Row, State};
use crate::error::StoreError;
use crate::types::{Collection, LogName};

/// Changes to a collection's counts: latest, versions.
type Counts = std::collections::HashMap<i64, (i64, i64)>;

/// What a log had brought and takes back is remembered, for what its entry said of the object.
const GONE_SQL: &str = "INSERT OR REPLACE INTO gone (object, seq, kind, label, log, entry)
    SELECT object, seq, kind, label, log, entry FROM shown
    WHERE collection = ?1 AND seq = ?2 AND log IS NOT NULL";

impl Writer {
    pub(super) fn apply(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = self
            .apply_rows(rows)
            .and_then(|()| Ok(self.db.execute_batch("COMMIT")?));
        if done.is_err() {
            // Numbers given to names in this transaction are gone with it.
            self.names.clear();
            self.collections.clear();
            self.logs.clear();
            self.classes.clear();
            self.written = None;
            if !self.db.is_autocommit() {
                self.db.execute_batch("ROLLBACK")?;
            }
        }
        done
    }

    fn apply_rows(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let mut counts = Counts::new();
        for row in rows {
            self.apply_row(row, &mut counts)?;
        }
        for (collection, (latest, versions)) in counts {
            self.db
                .prepare_cached("UPDATE collection SET latest = latest + ?2, versions = versions + ?3 WHERE id = ?1")?
                .execute(params![collection, latest, versions])?;
        }
        Ok(())
    }

    fn apply_row(&mut self, row: &Row, counts: &mut Counts) -> Result<(), StoreError> {
        match row {
            Row::Object {
                seq,
                key,
                version,
                hash,
                marks,
                about_person,
            } => {
                let (kind, marks) = (self.name(&key.kind)?, self.name(marks)?);
                self.db
                    .prepare_cached("INSERT INTO object (seq, uuid, kind, version, hash, marks, person) VALUES (?1,?2,?3,?4,?5,?6,?7)")?
                    .execute(params![seq, key.uuid, kind, version, hash.0, marks, about_person])?;
                self.written = Some((*seq, marks));
            }
            Row::Bundle {
                first,
                count,
                skip,
                at,
                length,
            } => {
                self.db
                    .prepare_cached("INSERT INTO bundle (first, count, skip, segment, offset, length) VALUES (?1,?2,?3,?4,?5,?6)")?
                    .execute(params![first, *count as i64, *skip as i64, at.segment as i64, at.offset as i64, *length as i64])?;
            }
            Row::Show {
                collection,
                seq,
                object,
                kind,
                label,
                log,
                state,
            } => {
                let (kind, label, collection) = (
                    self.name(kind)?,
                    self.name(label)?,
                    self.collection(collection)?,
                );
                let (log, entry) = match log {
                    Some((log, entry)) => (Some(self.log(log)?), Some(*entry as i64)),
                    None => (None, None),
                };
                let class = self.class(collection, kind, label, *object)?;
                self.db
                    .prepare_cached("INSERT INTO shown (collection, seq, object, kind, label, class, log, entry, state) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)")?
                    .execute(params![collection, seq, object, kind, label, class, log, entry, *state as i64])?;
                count(counts, collection, None, Some(*state));
            }
            Row::State {
                collection,
                seq,
                before,
                after,
                ..
            } => {
                let collection = self.collection(collection)?;
                match after {
                    Some(state) => self
                        .db
                        .prepare_cached(
                            "UPDATE shown SET state = ?3 WHERE collection = ?1 AND seq = ?2",
                        )?
                        .execute(params![collection, seq, *state as i64])?,
                    None => {
                        self.db
                            .prepare_cached(GONE_SQL)?
                            .execute(params![collection, seq])?;
                        self.db
                            .prepare_cached("DELETE FROM shown WHERE collection = ?1 AND seq = ?2")?
                            .execute(params![collection, seq])?
                    }
                };
                count(counts, collection, Some(*before), *after);
            }
            Row::Met { key } => {
                let kind = self.name(&key.kind)?;
                self.db
                    .prepare_cached("INSERT OR IGNORE INTO met (uuid, kind) VALUES (?1,?2)")?
                    .execute(params![key.uuid, kind])?;
            }
            Row::Head {
                log,
                old_size,
                size,
                root,
                checkpoint,
                checkpoint_size,
                own,
            } => {
                let id = self.log(log)?;
                let advanced = self
                    .db
                    .prepare_cached("UPDATE log SET size = ?3, root = ?4, checkpoint = ?5, checkpoint_size = ?6, own = ?7 WHERE id = ?1 AND size = ?2")?
                    .execute(params![id, *old_size as i64, *size as i64, root.0, checkpoint, *checkpoint_size as i64, own])?;
                if advanced != 1 {
                    let held: i64 =
                        self.db
                            .query_row("SELECT size FROM log WHERE id = ?1", [id], |row| {
                                row.get(0)
                            })?;
                    return Err(StoreError::WrongSize {
                        log: log.clone(),
                        held: held as u64,
                        given: *old_size,
                    });
                }
                // Objects of finished bundles are found in the stored body bundle.
                self.db
                    .prepare_cached("DELETE FROM entry WHERE log = ?1 AND entry < ?2")?
                    .execute(params![id, (*size - *size % log::tile::TILE_WIDTH) as i64])?;
                // A newer checkpoint gathers its own cosignatures.
                self.db
                    .prepare_cached("DELETE FROM cosignature WHERE log = ?1 AND size < ?2")?
                    .execute(params![id, (*checkpoint_size).min(*size) as i64])?;
            }
            Row::Restart { log, from } => {
                let id = self.log(log)?;
                let empty = log::merkle::empty_root();
                let restarted = self
                    .db
                    .prepare_cached("UPDATE log SET size = 0, root = ?3, checkpoint = '', checkpoint_size = 0, refused = NULL WHERE id = ?1 AND size = ?2 AND own = 0")?
                    .execute(params![id, *from as i64, empty.0])?;
                if restarted != 1 {
                    return Err(StoreError::NotOwn { log: log.clone() });
                }
            }
            Row::Entry { log, index, object } => {
                let log = self.log(log)?;
                self.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO entry (log, entry, object) VALUES (?1,?2,?3)",
                    )?
                    .execute(params![log, *index as i64, object])?;
            }
            Row::Blank { log, index } => {
                let log = self.log(log)?;
                self.db
                    .prepare_cached("UPDATE entry SET object = NULL WHERE log = ?1 AND entry = ?2")?
                    .execute(params![log, *index as i64])?;
                self.db
                    .prepare_cached("INSERT OR IGNORE INTO blank (log, entry) VALUES (?1,?2)")?
                    .execute(params![log, *index as i64])?;
            }
            Row::Cosignature {
                log,
                size,
                key,
                line,
            } => {
                let log = self.log(log)?;
                self.db
                    .prepare_cached("INSERT OR REPLACE INTO cosignature (log, size, key, line) VALUES (?1,?2,?3,?4)")?
                    .execute(params![log, *size as i64, key, line])?;
            }
            Row::Refuse { log, reason } => {
                let log = self.log(log)?;
                self.db
                    .prepare_cached("UPDATE log SET refused = coalesce(refused, ?2) WHERE id = ?1")?
                    .execute(params![log, reason])?;
            }
            Row::Kept(kept) => {
                let log = kept.log.as_ref().map(|log| self.log(log)).transpose()?;
                self.db
                    .prepare_cached(
                        "INSERT INTO kept (at, log, reason, content) VALUES (?1,?2,?3,?4)",
                    )?
                    .execute(params![kept.at, log, kept.reason, kept.content])?;
            }
            Row::Setting {
                key,
                value: Some(value),
            } => {
                self.db
                    .prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?1,?2)")?
                    .execute(params![key, value])?;
            }
            Row::Setting { key, value: None } => {
                self.db
                    .prepare_cached("DELETE FROM setting WHERE key = ?1")?
                    .execute([key])?;
            }
            Row::Applied { at, last } => {
                self.db
                    .prepare_cached(
                        "UPDATE applied SET segment = ?1, offset = ?2, last = max(last, ?3)",
                    )?
                    .execute(params![at.segment as i64, at.offset as i64, last])?;
            }
        }
        Ok(())
    }

    /// The number of a repeating text.
    fn name(&mut self, text: &Arc<str>) -> Result<i64, StoreError> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        self.db
            .prepare_cached("INSERT OR IGNORE INTO name (text) VALUES (?1)")?
            .execute([text])?;
        let id = self
            .db
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?
            .query_row([text], |row| row.get(0))?;
        if self.names.len() >= crate::limits::LABEL_CLASSES_MAX {
            self.names.clear();
        }
        self.names.insert(text.clone(), id);
        Ok(id)
    }

    /// The number of the label class that an object of this type and assigned label is in.
    fn class(
        &mut self,
        collection: i64,
        kind: i64,
        label: i64,
        object: crate::types::Seq,
    ) -> Result<i64, StoreError> {
        let marks = match self.written {
            Some((written, marks)) if written == object => marks,
            _ => self
                .db
                .prepare_cached("SELECT marks FROM object WHERE seq = ?1")?
                .query_row([object], |row| row.get(0))?,
        };
        let key = [collection, kind, label, marks];
        if let Some(id) = self.classes.get(&key) {
            return Ok(*id);
        }
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO class (collection, kind, label, marks) VALUES (?1,?2,?3,?4)",
            )?
            .execute(key)?;
        let id = self
            .db
            .prepare_cached("SELECT id FROM class WHERE collection = ?1 AND kind = ?2 AND label = ?3 AND marks = ?4")?
            .query_row(key, |row| row.get(0))?;
        if self.classes.len() >= crate::limits::LABEL_CLASSES_MAX {
            self.classes.clear();
        }
        self.classes.insert(key, id);
        Ok(id)
    }

    fn collection(&mut self, collection: &Collection) -> Result<i64, StoreError> {
        if let Some(id) = self.collections.get(collection) {
            return Ok(*id);
        }
        let (accord, channel) = match collection {
            Collection::National => ("", ""),
            Collection::Forms => ("", super::names::FORMS),
            Collection::Channel { accord, channel } => (accord.as_str(), channel.as_str()),
        };
        self.db
            .prepare_cached("INSERT OR IGNORE INTO collection (accord, channel) VALUES (?1,?2)")?
            .execute([accord, channel])?;
        let id = self
            .db
            .prepare_cached("SELECT id FROM collection WHERE accord = ?1 AND channel = ?2")?
            .query_row([accord, channel], |row| row.get(0))?;
        self.collections.insert(collection.clone(), id);
        Ok(id)
    }

    fn log(&mut self, log: &LogName) -> Result<i64, StoreError> {
        if let Some(id) = self.logs.get(log) {
            return Ok(*id);
        }
        let find = "SELECT id FROM log WHERE accord = ?1 AND channel = ?2 AND origin = ?3";
        let key = [&log.accord, &log.channel, &log.origin];
        let found = self
            .db
            .prepare_cached(find)?
            .query_row(key, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.db
                    .prepare_cached("INSERT INTO log (accord, channel, origin, own, size, root, checkpoint, checkpoint_size) VALUES (?1,?2,?3,0,0,?4,'',0)")?
                    .execute(params![log.accord, log.channel, log.origin, log::merkle::empty_root().0])?;
                self.db.last_insert_rowid()
            }
        };
        self.logs.insert(log.clone(), id);
        Ok(id)
    }
}

fn count(counts: &mut Counts, collection: i64, before: Option<State>, after: Option<State>) {
    let latest = |state: Option<State>| i64::from(state == Some(State::Latest));
    let version =
        |state: Option<State>| i64::from(matches!(state, Some(State::Latest | State::Older)));
    let change = counts.entry(collection).or_default();
    change.0 += latest(after) - latest(before);
    change.1 += version(after) - version(before);
}
