//! Asking the SQLite index.

use model::{Hash, Id, Timestamp};
use rusqlite::{OptionalExtension, Row as SqlRow, params};

use super::names::collection_of;
use super::sqlite::Reader;
use super::{Held, Judged, Key, Location, Shown, State};
use crate::error::StoreError;
use crate::limits::PAGE_RECORDS_MAX;
use crate::types::{Collection, Head, Kept, LogName, Page, Query, Record, Seq};

/// The columns of a record, `s` being `shown` and `o` being `object`.
const COLUMNS: &str = "SELECT s.seq, s.object, o.uuid, s.kind, o.version, o.hash, s.log, s.entry, s.label, o.marks, o.person, s.state";

/// The versions of an object.
const OBJECTS_SQL: &str =
    "SELECT seq, kind, version, hash, marks, person FROM object WHERE uuid = ?1";

/// Where a collection shows one of them.
const SHOWING_SQL: &str = "SELECT seq, log, entry, label, class FROM shown INDEXED BY shown_object
    WHERE object = ?1 AND collection = ?2 AND seq > ?3 AND state BETWEEN ?4 AND ?5";

impl Reader {
    pub(super) fn held(&mut self, keys: &[Key]) -> Result<Vec<Vec<Held>>, StoreError> {
        keys.iter().map(|key| self.held_of(key)).collect()
    }

    fn held_of(&mut self, key: &Key) -> Result<Vec<Held>, StoreError> {
        let mut versions = Vec::new();
        for object in self.objects_of(key.uuid, &key.kind)? {
            versions.push(Held {
                object: object.object,
                version: object.version,
                hash: Hash(object.hash),
                shown: self.shown(object.object)?,
            });
        }
        Ok(versions)
    }

    /// The versions held of an object, as records that are shown nowhere yet.
    ///
    /// Whoever wants to know where they are shown asks in a second query. One join would do, but a
    /// join in a cached statement is planned anew at every use (SQLite with STAT4, and bindings
    /// cleared in between), which costs more than it finds.
    pub(super) fn objects_of(
        &mut self,
        uuid: [u8; 16],
        kind: &str,
    ) -> Result<Vec<RawRecord>, StoreError> {
        let mut objects = Vec::new();
        {
            let mut find = self.db.prepare_cached(OBJECTS_SQL)?;
            let mut rows = find.query([uuid])?;
            while let Some(row) = rows.next()? {
                objects.push(RawRecord {
                    object: row.get(0)?,
                    kind: row.get(1)?,
                    version: row.get(2)?,
                    hash: row.get(3)?,
                    marks: row.get(4)?,
                    person: row.get(5)?,
                    uuid,
                    ..RawRecord::default()
                });
            }
        }
        let mut named = Vec::with_capacity(objects.len());
        for object in objects {
            if *self.name_text(object.kind)? == *kind {
                named.push(object);
            }
        }
        Ok(named)
    }

    fn shown(&mut self, object: Seq) -> Result<Vec<Shown>, StoreError> {
        let mut raw = Vec::new();
        {
            let mut find = self.db.prepare_cached(
                "SELECT collection, seq, log, entry, state FROM shown WHERE object = ?1",
            )?;
            let mut rows = find.query([object])?;
            while let Some(row) = rows.next()? {
                let log: Option<(i64, i64)> = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?);
                raw.push((row.get(0)?, row.get(1)?, log, state_of(row.get(4)?)?));
            }
        }
        raw.sort_unstable_by_key(|(collection, seq, _, _): &(i64, Seq, _, _)| (*collection, *seq));
        raw.into_iter()
            .map(|(collection, seq, log, state)| {
                let log = match log {
                    Some((log, entry)) => Some((self.log_name(log)?, entry as u64)),
                    None => None,
                };
                let collection = self.collection_name(collection)?;
                Ok(Shown {
                    collection,
                    seq,
                    log,
                    state,
                })
            })
            .collect()
    }

    pub(super) fn page(
        &mut self,
        collection: &Collection,
        query: &Query,
    ) -> Result<Page, StoreError> {
        let Some(number) = self.collection_number(collection)? else {
            return Ok(Page::default());
        };
        let limit = query.limit.min(PAGE_RECORDS_MAX);
        let after = query.after.unwrap_or(i64::MIN);
        let lowest = if query.all_versions {
            State::Older as i64
        } else {
            State::Latest as i64
        };
        let mut records = if !query.ids.is_empty() {
            self.records_of(number, query, after, (lowest, State::Latest as i64), None)?
        } else if query.kinds.is_empty() {
            self.records(
                &page_sql(),
                params![number, after, lowest, limit as i64 + 1],
            )?
        } else {
            let sql = kind_sql();
            let mut found = Vec::new();
            for kind in unique(&query.kinds) {
                let Some(kind) = self.name_number(kind)? else {
                    continue;
                };
                found.append(
                    &mut self
                        .records(&sql, params![number, after, lowest, limit as i64 + 1, kind])?,
                );
            }
            found.sort_by_key(|record| record.seq);
            found
        };
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page { records, more })
    }

    pub(super) fn shown_at(
        &mut self,
        collection: &Collection,
        at: &[Seq],
    ) -> Result<Vec<bool>, StoreError> {
        let Some(number) = self.collection_number(collection)? else {
            return Ok(vec![false; at.len()]);
        };
        let mut find = self
            .db
            .prepare_cached("SELECT 1 FROM shown WHERE collection = ?1 AND seq = ?2")?;
        let shown = at.iter().map(|seq| find.exists(params![number, seq]));
        Ok(shown.collect::<Result<_, _>>()?)
    }

    /// The records of named objects, found by way of the objects themselves; of some classes only,
    /// if `judged` tells which.
    pub(super) fn records_of(
        &mut self,
        collection: i64,
        query: &Query,
        after: Seq,
        states: (i64, i64),
        judged: Option<&Judged>,
    ) -> Result<Vec<Record>, StoreError> {
        let mut ids: Vec<&Id> = query
            .ids
            .iter()
            .filter(|id| {
                let kinds = &query.kinds;
                kinds.is_empty() || kinds.iter().any(|kind| kind == id.type_name())
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        for id in ids {
            for object in self.objects_of(id.uuid(), id.type_name())? {
                let mut showings = Vec::new();
                {
                    let mut find = self.db.prepare_cached(SHOWING_SQL)?;
                    let mut rows = find.query(params![
                        object.object,
                        collection,
                        after,
                        states.0,
                        states.1
                    ])?;
                    while let Some(row) = rows.next()? {
                        let class: i64 = row.get(4)?;
                        if judged.is_some_and(|judged| judged.get(&class) != Some(&true)) {
                            continue;
                        }
                        showings.push(RawRecord {
                            seq: row.get(0)?,
                            log: row.get(1)?,
                            entry: row.get(2)?,
                            label: row.get(3)?,
                            ..object
                        });
                    }
                }
                for raw in showings {
                    found.push(self.record(raw)?);
                }
            }
        }
        found.sort_by_key(|record| record.seq);
        Ok(found)
    }

    pub(super) fn brought(&mut self, log: &LogName, ids: &[Id]) -> Result<Vec<Record>, StoreError> {
        let Some(collection) = self.collection_number(&log.collection())? else {
            return Ok(Vec::new());
        };
        let query = Query {
            ids: ids.to_vec(),
            ..Query::default()
        };
        let states = (State::Older as i64, State::Standby as i64);
        let mut records = self.records_of(collection, &query, i64::MIN, states, None)?;
        records.retain(|record| record.log.as_ref() == Some(log));
        Ok(records)
    }

    fn records(
        &mut self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Record>, StoreError> {
        let mut raw = Vec::new();
        {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                raw.push(RawRecord::read(row)?);
            }
        }
        raw.into_iter().map(|raw| self.record(raw)).collect()
    }

    pub(super) fn record(&mut self, raw: RawRecord) -> Result<Record, StoreError> {
        let kind = self.name_text(raw.kind)?;
        Ok(Record {
            seq: raw.seq,
            object: raw.object,
            id: Id::from_parts(&kind, raw.uuid).map_err(|error| {
                StoreError::corrupt(format!("the index row at {}", raw.seq), error.to_string())
            })?,
            version: raw
                .version
                .map(|nanos| Timestamp::from_unix_nanos(i128::from(nanos))),
            hash: Hash(raw.hash),
            log: raw.log.map(|log| self.log_name(log)).transpose()?,
            entry: raw.entry.map(|entry| entry as u64),
            assigned: self.name_text(raw.label)?,
            marks: self.name_text(raw.marks)?,
            about_person: raw.person,
        })
    }

    pub(super) fn locate(&mut self, objects: &[Seq]) -> Result<Vec<Location>, StoreError> {
        let mut find = self.db.prepare_cached(
            "SELECT first, count, skip, segment, offset, length FROM bundle WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
        )?;
        let mut places = Vec::with_capacity(objects.len());
        let mut last: Option<(Seq, i64, i64, i64, i64, i64)> = None;
        for seq in objects {
            let covers = |bundle: &(Seq, i64, i64, i64, i64, i64)| {
                (bundle.0..bundle.0 + bundle.1).contains(seq)
            };
            if !last.as_ref().is_some_and(covers) {
                last = find
                    .query_row([seq], |row| {
                        Ok((
                            row.get(0)?,
                            row.get(1)?,
                            row.get(2)?,
                            row.get(3)?,
                            row.get(4)?,
                            row.get(5)?,
                        ))
                    })
                    .optional()?;
            }
            let Some((first, count, skip, segment, offset, length)) = last.filter(covers) else {
                return Err(StoreError::UnknownObject { seq: *seq });
            };
            places.push(Location {
                at: (segment as u64, offset as u64),
                length: length as usize,
                body: (seq - first + skip) as usize,
                bodies: (skip + count) as usize,
            });
        }
        Ok(places)
    }

    pub(super) fn entry_objects(
        &mut self,
        log: &LogName,
        from: u64,
        to: u64,
    ) -> Result<Vec<Option<Seq>>, StoreError> {
        let mut objects = vec![None; to.saturating_sub(from) as usize];
        let Some(log) = self.log_number(log)? else {
            return Ok(objects);
        };
        let mut find = self.db.prepare_cached(
            "SELECT entry, object FROM entry WHERE log = ?1 AND entry >= ?2 AND entry < ?3",
        )?;
        let mut rows = find.query(params![log, from as i64, to as i64])?;
        while let Some(row) = rows.next()? {
            let entry: i64 = row.get(0)?;
            objects[(entry as u64 - from) as usize] = row.get(1)?;
        }
        Ok(objects)
    }

    pub(super) fn blanked(
        &mut self,
        log: &LogName,
        from: u64,
        to: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let Some(log) = self.log_number(log)? else {
            return Ok(Vec::new());
        };
        let mut find = self.db.prepare_cached(
            "SELECT entry FROM blank WHERE log = ?1 AND entry >= ?2 AND entry < ?3",
        )?;
        let entries = find.query_map(params![log, from as i64, to as i64], |row| {
            Ok(row.get::<_, i64>(0)? as u64)
        })?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    pub(super) fn heads(
        &mut self,
        log: Option<&LogName>,
    ) -> Result<Vec<(LogName, Head)>, StoreError> {
        let all = "SELECT id, accord, channel, origin, own, size, root, checkpoint, checkpoint_size, refused FROM log";
        let mut heads = Vec::new();
        {
            let read = |row: &SqlRow<'_>| -> rusqlite::Result<(i64, LogName, Head)> {
                let name = LogName {
                    accord: row.get(1)?,
                    channel: row.get(2)?,
                    origin: row.get(3)?,
                };
                let head = Head {
                    own: row.get(4)?,
                    size: row.get::<_, i64>(5)? as u64,
                    root: log::Hash(row.get(6)?),
                    checkpoint: row.get(7)?,
                    checkpoint_size: row.get::<_, i64>(8)? as u64,
                    refused: row.get(9)?,
                    cosignatures: Vec::new(),
                };
                Ok((row.get(0)?, name, head))
            };
            match log {
                Some(name) => {
                    let sql = format!("{all} WHERE accord = ?1 AND channel = ?2 AND origin = ?3");
                    let key = [&name.accord, &name.channel, &name.origin];
                    heads.extend(
                        self.db
                            .prepare_cached(&sql)?
                            .query_row(key, read)
                            .optional()?,
                    );
                }
                None => {
                    let sql = format!("{all} ORDER BY accord, channel, origin");
                    for head in self.db.prepare_cached(&sql)?.query_map([], read)? {
                        heads.push(head?);
                    }
                }
            }
        }
        for (id, _, head) in &mut heads {
            head.cosignatures = self
                .db
                .prepare_cached(
                    "SELECT key, line FROM cosignature WHERE log = ?1 AND size = ?2 ORDER BY key",
                )?
                .query_map(params![*id, head.checkpoint_size as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<_, _>>()?;
        }
        Ok(heads
            .into_iter()
            .map(|(_, name, head)| (name, head))
            .collect())
    }

    pub(super) fn settings(
        &mut self,
        prefix: &str,
        exact: bool,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let read = |row: &SqlRow<'_>| Ok((row.get(0)?, row.get(1)?));
        if exact {
            let mut find = self
                .db
                .prepare_cached("SELECT key, value FROM setting WHERE key = ?1")?;
            return Ok(find.query_map([prefix], read)?.collect::<Result<_, _>>()?);
        }
        let mut find = self.db.prepare_cached(
            "SELECT key, value FROM setting WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key",
        )?;
        Ok(find.query_map([prefix], read)?.collect::<Result<_, _>>()?)
    }

    pub(super) fn kept(&mut self) -> Result<Vec<Kept>, StoreError> {
        let rows: Vec<(Seq, Option<i64>, String, Vec<u8>)> = self
            .db
            .prepare_cached("SELECT at, log, reason, content FROM kept ORDER BY at")?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|(at, log, reason, content)| {
                Ok(Kept {
                    at,
                    log: log.map(|log| self.log_name(log)).transpose()?,
                    reason,
                    content,
                })
            })
            .collect()
    }

    pub(super) fn collections(&mut self) -> Result<Vec<(Collection, u64, u64)>, StoreError> {
        let mut find = self.db.prepare_cached(
            "SELECT accord, channel, latest, versions FROM collection ORDER BY accord, channel",
        )?;
        let rows = find.query_map([], |row| {
            let collection = collection_of(row.get(0)?, row.get(1)?);
            Ok((
                collection,
                row.get::<_, i64>(2)? as u64,
                row.get::<_, i64>(3)? as u64,
            ))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

// The planner knows no counts, so each query names the way: a scan of a whole collection would
// answer as well, only slower the more is held.

fn page_sql() -> String {
    format!(
        "{COLUMNS} FROM shown s CROSS JOIN object o ON o.seq = s.object
         WHERE s.collection = ?1 AND s.seq > ?2 AND s.state BETWEEN ?3 AND 1
         ORDER BY s.seq LIMIT ?4"
    )
}

fn kind_sql() -> String {
    format!(
        "{COLUMNS} FROM shown s INDEXED BY shown_kind CROSS JOIN object o ON o.seq = s.object
         WHERE s.collection = ?1 AND s.kind = ?5 AND s.seq > ?2 AND s.state BETWEEN ?3 AND 1
         ORDER BY s.seq LIMIT ?4"
    )
}

/// A record as the row has it, names still being numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct RawRecord {
    pub(super) seq: Seq,
    pub(super) object: Seq,
    pub(super) uuid: [u8; 16],
    pub(super) kind: i64,
    pub(super) version: Option<i64>,
    pub(super) hash: [u8; 32],
    pub(super) log: Option<i64>,
    pub(super) entry: Option<i64>,
    pub(super) label: i64,
    pub(super) marks: i64,
    pub(super) person: bool,
}

impl RawRecord {
    fn read(row: &SqlRow<'_>) -> rusqlite::Result<RawRecord> {
        Ok(RawRecord {
            seq: row.get(0)?,
            object: row.get(1)?,
            uuid: row.get(2)?,
            kind: row.get(3)?,
            version: row.get(4)?,
            hash: row.get(5)?,
            log: row.get(6)?,
            entry: row.get(7)?,
            label: row.get(8)?,
            marks: row.get(9)?,
            person: row.get(10)?,
        })
    }
}

fn state_of(number: i64) -> Result<State, StoreError> {
    [State::Older, State::Latest, State::Standby]
        .into_iter()
        .find(|state| *state as i64 == number)
        .ok_or_else(|| {
            StoreError::corrupt(
                "the index",
                format!("a record has the unknown state {number}"),
            )
        })
}

pub(super) fn unique(kinds: &[String]) -> Vec<&str> {
    let mut kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::SqliteIndex;

    #[test]
    fn no_page_reads_a_whole_collection() {
        let dir = tempfile::tempdir().expect("a folder");
        let index = SqliteIndex::open(&dir.path().join("index.sqlite")).expect("opened");
        for (sql, way) in [
            (
                page_sql(),
                "SEARCH s USING PRIMARY KEY (collection=? AND seq>?)",
            ),
            (
                kind_sql(),
                "SEARCH s USING INDEX shown_kind (collection=? AND kind=? AND seq>?)",
            ),
            (
                OBJECTS_SQL.to_owned(),
                "SEARCH object USING INDEX object_uuid (uuid=?)",
            ),
            (
                SHOWING_SQL.to_owned(),
                "SEARCH shown USING INDEX shown_object (object=? AND collection=? AND seq>?)",
            ),
        ] {
            let plan = index.plan(&sql).expect("a plan");
            assert!(plan.contains(way), "{plan}");
            assert!(
                !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
                "{plan}"
            );
        }
    }
}
