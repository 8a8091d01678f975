//! Which records a page shows.
//!
//! The store knows two views of a collection: the latest version of every object, and every
//! version. What the standard adds, the earliest version and versions of certain instants, is
//! picked here from the second view, passing over the rest; `read` lets few such pages be made at
//! one time.
//!
//! INVARIANT: records come in order of their position without gap; a page is full if there are
//! enough, and `more` is true exactly when `resume` is where further ones begin.

use std::collections::HashMap;

use model::{Object, Timestamp};
use store::{Collection, Page, Query, Record, Seq, Store, StoreError};

use super::limits::{ENDS_KNOWN_MAX, PAGE_OBJECTS_DEFAULT};
use super::query::{Versions, Wanted};

/// The records of one page.
#[derive(Debug, Default)]
pub(super) struct Picked {
    /// The records, ascending by position.
    pub(super) records: Vec<Record>,
    /// After which position the next page begins, if there is one.
    pub(super) resume: Option<Seq>,
}

impl Picked {
    /// Leaves out what follows the first `count` records.
    pub(super) fn cut(&mut self, count: usize) {
        if count < self.records.len() {
            self.records.truncate(count);
            self.resume = self.records.last().map(|record| record.seq);
        }
    }
}

/// The records that `wanted` asks for.
pub(super) fn pick(
    store: &Store,
    collection: &Collection,
    wanted: &Wanted,
) -> Result<Picked, StoreError> {
    if !wanted.stix_21 {
        return Ok(Picked::default());
    }
    let mut query = Query {
        after: wanted.after,
        ids: wanted.ids.clone(),
        kinds: wanted.kinds.clone(),
        all_versions: wanted.versions != Versions::Last,
        up_to: Some(wanted.clearance),
        limit: wanted.limit,
    };
    let Versions::Chosen { first, last, at } = &wanted.versions else {
        let Page { records, more } = store.page(collection, &query)?;
        let last = records.last().map(|record| record.seq);
        let resume = last.filter(|_| more);
        return Ok(Picked { records, resume });
    };
    let choice = Choice {
        store,
        collection,
        first: *first,
        last: *last,
        at,
    };
    let mut ends = HashMap::new();
    let mut picked = Picked::default();
    query.limit = PAGE_OBJECTS_DEFAULT;
    loop {
        let page = store.page(collection, &query)?;
        for record in page.records {
            query.after = Some(record.seq);
            let chosen = choice.takes(&record, &mut ends)?;
            if chosen && picked.records.len() == wanted.limit {
                picked.resume = picked.records.last().map(|record| record.seq);
                return Ok(picked);
            }
            if chosen {
                picked.records.push(record);
            }
        }
        if !page.more {
            return Ok(picked);
        }
    }
}

/// Whether somebody with the clearance of `wanted` may read the one object that it names: its
/// latest version, or where others are asked for any of them.
pub(super) fn exists(
    store: &Store,
    collection: &Collection,
    wanted: &Wanted,
) -> Result<bool, StoreError> {
    let query = Query {
        ids: wanted.ids.clone(),
        all_versions: wanted.versions != Versions::Last,
        up_to: Some(wanted.clearance),
        limit: 1,
        ..Query::default()
    };
    Ok(!store.page(collection, &query)?.records.is_empty())
}

/// Which versions are chosen.
struct Choice<'a> {
    store: &'a Store,
    collection: &'a Collection,
    first: bool,
    last: bool,
    at: &'a [Timestamp],
}

/// The positions of the earliest and the latest version of an object.
type Ends = (Option<Seq>, Option<Seq>);

impl Choice<'_> {
    fn takes(
        &self,
        record: &Record,
        known: &mut HashMap<model::Id, Ends>,
    ) -> Result<bool, StoreError> {
        if !self.at.is_empty() && self.at.contains(&version(self.store, record)?) {
            return Ok(true);
        }
        if !self.first && !self.last {
            return Ok(false);
        }
        let ends = match known.get(&record.id) {
            Some(ends) => *ends,
            None => {
                let mut ends = (None, None);
                if self.first {
                    let versions = self.store.versions(self.collection, &record.id)?;
                    let first = versions
                        .iter()
                        .min_by_key(|record| (record.version, record.seq));
                    ends.0 = first.map(|record| record.seq);
                }
                if self.last {
                    let last = self.store.latest(self.collection, &record.id)?;
                    ends.1 = last.map(|record| record.seq);
                }
                if known.len() >= ENDS_KNOWN_MAX {
                    known.clear();
                }
                known.insert(record.id.clone(), ends);
                ends
            }
        };
        Ok((self.first && ends.0 == Some(record.seq)) || (self.last && ends.1 == Some(record.seq)))
    }
}

/// An object's version as TAXII has it (section 3.4.1): `modified`; without it `created`; without
/// either, when the object came into the collection, which never changes for the same bytes.
pub(super) fn version(store: &Store, record: &Record) -> Result<Timestamp, StoreError> {
    if let Some(version) = record.version {
        return Ok(version);
    }
    let added = Timestamp::from_unix_micros(record.seq);
    // Of the types without `modified` only markings have `created`, and only their bytes tell it.
    if record.id.type_name() != "marking-definition" {
        return Ok(added);
    }
    let bodies = store.bodies(std::slice::from_ref(record))?;
    let created = bodies
        .first()
        .and_then(|bytes| Object::parse(bytes).ok())
        .and_then(|object| object.created());
    Ok(created.unwrap_or(added))
}
