//! Asking the SQLite index about whole collections: what partners said of objects that the nation
//! has, too, and which label classes there are.

use std::collections::{HashMap, HashSet};

use model::Id;
use rusqlite::params;

use super::read::RawRecord;
use super::sqlite::Reader;
use crate::error::StoreError;
use crate::types::{ClassCount, Collection, Heard, Record, Seq};

/// Where logs show a version, and where the nation has it.
const SHOWN_SQL: &str = "SELECT seq, collection, log, entry, label FROM shown WHERE object = ?1";

/// What logs had shown of a version and took back.
const GONE_SQL: &str = "SELECT seq, log, entry, label FROM gone WHERE object = ?1";

/// Every latest version of a collection with its class.
const CLASSES_SQL: &str = "SELECT s.label, o.marks, s.kind, o.person, s.seq
    FROM shown s CROSS JOIN object o ON o.seq = s.object WHERE s.collection = ?1 AND s.state = 1";

impl Reader {
    pub(super) fn heard(&mut self, ids: &[Id]) -> Result<Vec<Heard>, StoreError> {
        let mut heard = Vec::new();
        let own = self.own_logs()?;
        for id in ids {
            if self.has_met(id)? {
                self.heard_of(id, &own, &mut heard)?;
            }
        }
        Ok(heard)
    }

    pub(super) fn told(&mut self, id: &Id) -> Result<Vec<Record>, StoreError> {
        let (mut heard, own) = (Vec::new(), self.own_logs()?);
        self.heard_of(id, &own, &mut heard)?;
        Ok(heard.into_iter().map(|heard| heard.record).collect())
    }

    fn has_met(&mut self, id: &Id) -> Result<bool, StoreError> {
        let kinds: Vec<i64> = self
            .db
            .prepare_cached("SELECT kind FROM met WHERE uuid = ?1")?
            .query_map([id.uuid()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for kind in kinds {
            if *self.name_text(kind)? == *id.type_name() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn own_logs(&mut self) -> Result<HashSet<i64>, StoreError> {
        let mut find = self.db.prepare_cached("SELECT id FROM log WHERE own = 1")?;
        let logs = find.query_map([], |row| row.get(0))?;
        Ok(logs.collect::<Result<_, _>>()?)
    }

    fn heard_of(
        &mut self,
        id: &Id,
        own: &HashSet<i64>,
        heard: &mut Vec<Heard>,
    ) -> Result<(), StoreError> {
        let mut ours: Option<Seq> = None;
        let mut found = Vec::new();
        for object in self.objects_of(id.uuid(), id.type_name())? {
            let mut shown = self.db.prepare_cached(SHOWN_SQL)?;
            let mut rows = shown.query([object.object])?;
            while let Some(row) = rows.next()? {
                let (seq, collection): (Seq, i64) = (row.get(0)?, row.get(1)?);
                let log: Option<i64> = row.get(2)?;
                // The national collection has number 0.
                if collection == 0 {
                    ours = Some(ours.map_or(seq, |ours| ours.min(seq)));
                }
                if log.is_some_and(|log| !own.contains(&log)) {
                    let (entry, label) = (row.get(3)?, row.get(4)?);
                    found.push((
                        RawRecord {
                            seq,
                            log,
                            entry,
                            label,
                            ..object
                        },
                        false,
                    ));
                }
            }
            let mut gone = self.db.prepare_cached(GONE_SQL)?;
            let mut rows = gone.query([object.object])?;
            while let Some(row) = rows.next()? {
                let log: i64 = row.get(1)?;
                if !own.contains(&log) {
                    let (seq, entry, label) = (row.get(0)?, row.get(2)?, row.get(3)?);
                    let log = Some(log);
                    found.push((
                        RawRecord {
                            seq,
                            log,
                            entry,
                            label,
                            ..object
                        },
                        true,
                    ));
                }
            }
        }
        // Before the nation has it, whatever was said was said first.
        let ours = ours.unwrap_or(Seq::MAX);
        for (raw, withdrawn) in found {
            let record = self.record(raw)?;
            heard.push(Heard {
                record,
                withdrawn,
                ours,
            });
        }
        Ok(())
    }

    pub(super) fn met(&mut self, after: Option<&Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        let kind = match after {
            Some(id) => self.name_number(id.type_name())?,
            None => None,
        };
        let (uuid, kind) = match after {
            Some(id) => (id.uuid().to_vec(), kind.unwrap_or(i64::MAX)),
            None => (Vec::new(), i64::MIN),
        };
        let rows: Vec<([u8; 16], i64)> = self
            .db
            .prepare_cached(
                "SELECT uuid, kind FROM met WHERE (uuid, kind) > (?1, ?2) ORDER BY uuid, kind LIMIT ?3",
            )?
            .query_map(params![uuid, kind, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut ids = Vec::with_capacity(rows.len());
        for (uuid, kind) in rows {
            let kind = self.name_text(kind)?;
            ids.push(Id::from_parts(&kind, uuid).map_err(|error| {
                StoreError::corrupt("the index of objects heard of", error.to_string())
            })?);
        }
        Ok(ids)
    }

    pub(super) fn classes(
        &mut self,
        collection: &Collection,
    ) -> Result<Vec<ClassCount>, StoreError> {
        let Some(number) = self.collection_number(collection)? else {
            return Ok(Vec::new());
        };
        // Counting here costs less than sorting a million rows there.
        let mut classes: HashMap<(i64, i64, i64, bool), (Seq, u64)> = HashMap::new();
        {
            let mut scan = self.db.prepare_cached(CLASSES_SQL)?;
            let mut rows = scan.query([number])?;
            while let Some(row) = rows.next()? {
                let class = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                match classes.get_mut(&class) {
                    Some((_, objects)) => *objects += 1,
                    None => drop(classes.insert(class, (row.get(4)?, 1))),
                }
            }
        }
        let mut counted = Vec::with_capacity(classes.len());
        for (seq, objects) in classes.into_values() {
            let query = crate::types::Query {
                after: Some(seq - 1),
                limit: 1,
                ..crate::types::Query::default()
            };
            if let Some(example) = self.page(collection, &query)?.records.pop() {
                counted.push(ClassCount { example, objects });
            }
        }
        counted.sort_by_key(|class| class.example.seq);
        Ok(counted)
    }
}
