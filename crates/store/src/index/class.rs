//! Pages for somebody who may not read everything.
//!
//! Records of one collection fall into few label classes, and all of a class are readable or none.
//! So a page under a clearance is the merge, by position, of the index ranges of the readable
//! classes: its cost grows with the page and the number of classes, not with what is passed over,
//! and it is full whenever enough is readable.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use rusqlite::{OptionalExtension, params};

use super::read::{RawRecord, unique};
use super::sqlite::Reader;
use super::{Class, Judged, Paged, State};
use crate::error::StoreError;
use crate::limits::{CLASSES_READ_MAX, PAGE_RECORDS_MAX};
use crate::types::{Collection, LogName, Page, Query, Record, Seq};

/// The classes of a collection, oldest first.
const CLASSES_SQL: &str =
    "SELECT id, kind, label, marks FROM class WHERE collection = ?1 ORDER BY id LIMIT ?2";

/// Where a class is shown.
const RUN_SQL: &str = "SELECT seq FROM shown INDEXED BY shown_class
    WHERE class = ?1 AND seq > ?2 AND state BETWEEN ?3 AND 1 ORDER BY seq LIMIT ?4";

/// What a collection shows, by position, with its type and class.
const WALK_SQL: &str = "SELECT seq, kind, class FROM shown
    WHERE collection = ?1 AND seq > ?2 AND state BETWEEN ?3 AND 1 ORDER BY seq";

/// The classes in which a collection shows an object's version.
const CLASSES_OF_SQL: &str =
    "SELECT class FROM shown INDEXED BY shown_object WHERE object = ?1 AND collection = ?2";

/// What is shown at a position; see `Reader::objects_of` for why this is no join.
const SHOWN_SQL: &str =
    "SELECT object, kind, log, entry, label FROM shown WHERE collection = ?1 AND seq = ?2";

/// The object behind it.
const OBJECT_SQL: &str = "SELECT uuid, version, hash, marks, person FROM object WHERE seq = ?1";

/// LIMIT: positions read at once from the index range of one class, at least.
const RUN_POSITIONS_MIN: usize = 8;

/// LIMIT: classes that a walk asks for a word on at one time; it begins anew after each such answer.
const WALK_UNJUDGED_MAX: usize = 1_000;

/// The next positions of one class.
struct Run {
    class: i64,
    /// Read ahead, the nearest last.
    ahead: Vec<Seq>,
    /// Whether the index has none beyond those.
    whole: bool,
}

impl Reader {
    /// One page of the classes that `judged` says may be shown, if it has a word on all of them.
    pub(super) fn page_of(
        &mut self,
        collection: &Collection,
        query: &Query,
        judged: &Judged,
    ) -> Result<Paged, StoreError> {
        let Some(number) = self.collection_number(collection)? else {
            return Ok(Paged::Page(Page::default()));
        };
        let mut classes = Vec::new();
        {
            let mut find = self.db.prepare_cached(CLASSES_SQL)?;
            let mut rows = find.query(params![number, CLASSES_READ_MAX as i64 + 1])?;
            while let Some(row) = rows.next()? {
                let class: (i64, i64, i64, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                classes.push(class);
            }
        }
        if classes.len() > CLASSES_READ_MAX {
            return self.walked(number, query, judged);
        }
        let mut unjudged = Vec::new();
        for (class, _, label, marks) in &classes {
            if !judged.contains_key(class) {
                unjudged.push(Class {
                    number: *class,
                    assigned: self.name_text(*label)?,
                    marks: self.name_text(*marks)?,
                });
            }
        }
        if !unjudged.is_empty() {
            return Ok(Paged::Unjudged(unjudged));
        }
        let readable = |class: &i64| judged.get(class) == Some(&true);
        if classes.iter().all(|(class, ..)| readable(class)) {
            return Ok(Paged::Page(self.page(collection, query)?));
        }

        let limit = query.limit.min(PAGE_RECORDS_MAX);
        let after = query.after.unwrap_or(i64::MIN);
        let lowest = match query.all_versions {
            true => State::Older as i64,
            false => State::Latest as i64,
        };
        let mut records = if query.ids.is_empty() {
            let mut kinds = Vec::new();
            for kind in unique(&query.kinds) {
                kinds.extend(self.name_number(kind)?);
            }
            let wanted: Vec<i64> = classes
                .iter()
                .filter(|(_, kind, ..)| query.kinds.is_empty() || kinds.contains(kind))
                .map(|(class, ..)| *class)
                .filter(readable)
                .collect();
            let positions = self.merged(&wanted, after, lowest, limit + 1)?;
            self.records_at(number, &positions)?
        } else {
            let states = (lowest, State::Latest as i64);
            self.records_of(number, query, after, states, Some(judged))?
        };
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Paged::Page(Page { records, more }))
    }

    /// As `page_of` in a collection of so many classes that merging their ranges would cost more than
    /// passing over what may not be read: by position, asking for a word on the classes that are met.
    /// The page is as exact; it costs what it passes over.
    fn walked(
        &mut self,
        collection: i64,
        query: &Query,
        judged: &Judged,
    ) -> Result<Paged, StoreError> {
        let limit = query.limit.min(PAGE_RECORDS_MAX);
        let after = query.after.unwrap_or(i64::MIN);
        let lowest = match query.all_versions {
            true => State::Older as i64,
            false => State::Latest as i64,
        };
        let mut unjudged = BTreeSet::new();
        let mut positions = Vec::new();
        if query.ids.is_empty() {
            let mut kinds = Vec::new();
            for kind in unique(&query.kinds) {
                kinds.extend(self.name_number(kind)?);
            }
            let mut walk = self.db.prepare_cached(WALK_SQL)?;
            let mut rows = walk.query(params![collection, after, lowest])?;
            while let Some(row) = rows.next()? {
                if !query.kinds.is_empty() && !kinds.contains(&row.get(1)?) {
                    continue;
                }
                let class: i64 = row.get(2)?;
                match judged.get(&class) {
                    Some(true) => positions.push(row.get(0)?),
                    Some(false) => {}
                    None => drop(unjudged.insert(class)),
                }
                if positions.len() > limit || unjudged.len() >= WALK_UNJUDGED_MAX {
                    break;
                }
            }
        } else {
            for id in &query.ids {
                for object in self.objects_of(id.uuid(), id.type_name())? {
                    let mut find = self.db.prepare_cached(CLASSES_OF_SQL)?;
                    let classes = find.query_map([object.object, collection], |row| row.get(0))?;
                    for class in classes {
                        let class: i64 = class?;
                        if !judged.contains_key(&class) {
                            unjudged.insert(class);
                        }
                    }
                }
            }
        }
        if !unjudged.is_empty() {
            let classes = unjudged.into_iter().map(|class| self.class_of(class));
            return Ok(Paged::Unjudged(classes.collect::<Result<_, _>>()?));
        }
        let mut records = if query.ids.is_empty() {
            self.records_at(collection, &positions)?
        } else {
            let states = (lowest, State::Latest as i64);
            self.records_of(collection, query, after, states, Some(judged))?
        };
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Paged::Page(Page { records, more }))
    }

    /// A class by its number.
    fn class_of(&mut self, number: i64) -> Result<Class, StoreError> {
        let (label, marks) = self
            .db
            .prepare_cached("SELECT label, marks FROM class WHERE id = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Class {
            number,
            assigned: self.name_text(label)?,
            marks: self.name_text(marks)?,
        })
    }

    /// The first `limit` positions after `after` at which any of these classes is shown.
    fn merged(
        &self,
        classes: &[i64],
        after: Seq,
        lowest: i64,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        // What is read ahead in vain is at most twice the page, or a few positions a class.
        let step = (2 * limit / classes.len().max(1)).clamp(RUN_POSITIONS_MIN, limit.max(8));
        let mut find = self.db.prepare_cached(RUN_SQL)?;
        let mut read = |run: &mut Run, after: Seq| -> Result<(), StoreError> {
            let rows = find.query_map(params![run.class, after, lowest, step as i64], |row| {
                row.get(0)
            })?;
            run.ahead = rows.collect::<Result<_, _>>()?;
            run.whole = run.ahead.len() < step;
            run.ahead.reverse();
            Ok(())
        };
        let mut runs = Vec::with_capacity(classes.len());
        let mut nearest = BinaryHeap::with_capacity(classes.len());
        for class in classes {
            let (ahead, whole) = (Vec::new(), false);
            let class = *class;
            let mut run = Run {
                class,
                ahead,
                whole,
            };
            read(&mut run, after)?;
            if let Some(seq) = run.ahead.pop() {
                nearest.push(Reverse((seq, runs.len())));
                runs.push(run);
            }
        }
        let mut positions = Vec::with_capacity(limit);
        while let Some(Reverse((seq, at))) = nearest.pop() {
            positions.push(seq);
            if positions.len() == limit {
                break;
            }
            let run = &mut runs[at];
            if run.ahead.is_empty() && !run.whole {
                read(run, seq)?;
            }
            if let Some(next) = run.ahead.pop() {
                nearest.push(Reverse((next, at)));
            }
        }
        Ok(positions)
    }

    /// The records at these positions, which this collection shows.
    fn records_at(
        &mut self,
        collection: i64,
        positions: &[Seq],
    ) -> Result<Vec<Record>, StoreError> {
        let mut raw = Vec::with_capacity(positions.len());
        {
            let mut shown = self.db.prepare_cached(SHOWN_SQL)?;
            let mut object = self.db.prepare_cached(OBJECT_SQL)?;
            for seq in positions {
                let shown = shown.query_row(params![collection, seq], |row| {
                    Ok(RawRecord {
                        seq: *seq,
                        object: row.get(0)?,
                        kind: row.get(1)?,
                        log: row.get(2)?,
                        entry: row.get(3)?,
                        label: row.get(4)?,
                        ..RawRecord::default()
                    })
                })?;
                raw.push(object.query_row([shown.object], |row| {
                    Ok(RawRecord {
                        uuid: row.get(0)?,
                        version: row.get(1)?,
                        hash: row.get(2)?,
                        marks: row.get(3)?,
                        person: row.get(4)?,
                        ..shown
                    })
                })?);
            }
        }
        raw.into_iter().map(|raw| self.record(raw)).collect()
    }

    /// A log that had brought this object and took it back.
    pub(super) fn gone(&mut self, object: Seq) -> Result<Option<LogName>, StoreError> {
        let log: Option<i64> = self
            .db
            .prepare_cached("SELECT log FROM gone WHERE object = ?1 LIMIT 1")?
            .query_row([object], |row| row.get(0))
            .optional()?;
        log.map(|log| self.log_name(log)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::SqliteIndex;

    #[test]
    fn no_page_under_a_clearance_reads_what_it_does_not_show() {
        let dir = tempfile::tempdir().expect("a folder");
        let index = SqliteIndex::open(&dir.path().join("index.sqlite")).expect("opened");
        for (sql, way) in [
            (
                CLASSES_SQL,
                "SEARCH class USING INDEX class_collection (collection=?)",
            ),
            (
                RUN_SQL,
                "SEARCH shown USING COVERING INDEX shown_class (class=? AND seq>?)",
            ),
            (
                SHOWN_SQL,
                "SEARCH shown USING PRIMARY KEY (collection=? AND seq=?)",
            ),
            (
                WALK_SQL,
                "SEARCH shown USING PRIMARY KEY (collection=? AND seq>?)",
            ),
            (
                CLASSES_OF_SQL,
                "SEARCH shown USING INDEX shown_object (object=? AND collection=?)",
            ),
            (
                OBJECT_SQL,
                "SEARCH object USING INTEGER PRIMARY KEY (rowid=?)",
            ),
        ] {
            let plan = index.plan(sql).expect("a plan");
            assert!(plan.contains(way), "{plan}");
            assert!(
                !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
                "{plan}"
            );
        }
    }
}
