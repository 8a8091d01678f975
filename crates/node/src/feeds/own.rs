//! What an own log says, for pushing it: its entries in order, and what its channel still shows of
//! them.

use std::sync::Arc;

use bytes::Bytes;
use log::Entry;
use log::tile::{Kind, TILE_WIDTH, TilePath};
use model::{Id, Label, Object};
use store::{Collection, LogName, Record, Store, StoreError};

use super::limits::PUSH_ENTRIES;

/// Entries of an own log from `from` on, at most those of one bundle.
pub(crate) fn entries(
    store: &Store,
    log: &LogName,
    from: u64,
    size: u64,
) -> Result<Vec<Entry>, StoreError> {
    let index = from / TILE_WIDTH;
    let Some(path) = TilePath::at(Kind::Entries, index, size) else {
        return Ok(Vec::new());
    };
    let damaged = |problem: String| StoreError::Corrupt {
        place: format!("{log}, {path}"),
        problem,
    };
    let Some(bytes) = store.tile(log, &path)? else {
        return Ok(Vec::new());
    };
    let raw =
        log::entries::decode(&bytes, path.width).map_err(|error| damaged(error.to_string()))?;
    let skip = usize::try_from(from % TILE_WIDTH).unwrap_or(usize::MAX);
    raw.iter()
        .skip(skip)
        .take(PUSH_ENTRIES as usize)
        .map(|raw| Entry::decode(raw).map_err(|error| damaged(error.to_string())))
        .collect()
}

/// What the channel still shows of what these entries released, with label and bytes.
pub(crate) fn shown(
    store: &Store,
    own: &LogName,
    entries: &[Entry],
) -> Result<Vec<(Record, Arc<Label>, Bytes)>, StoreError> {
    let ids: Vec<Id> = entries
        .iter()
        .filter_map(|entry| Id::parse(&entry.id).ok())
        .collect();
    let held = store.brought(own, &ids)?;
    let mut records: Vec<Record> = Vec::new();
    for entry in entries {
        let record = held
            .iter()
            .find(|record| record.hash.0 == entry.hash && record.id.as_str() == entry.id);
        if let Some(record) = record
            && !records.contains(record)
        {
            records.push(record.clone());
        }
    }
    let bodies = store.bodies(&records)?;
    let mut shown = Vec::with_capacity(records.len());
    for (record, bytes) in records.into_iter().zip(bodies) {
        let mut label = store.label(&record)?;
        // The channel says under what the object was released; the nation's own word since counts.
        if let Some(ours) = store.latest(&Collection::National, &record.id)? {
            label = Arc::new(label.combine(&*store.label(&ours)?));
        }
        let person = record.about_person
            || Object::parse(&bytes).is_ok_and(|object| model::about_person(&object));
        let record = Record {
            about_person: person,
            ..record
        };
        shown.push((record, label, bytes));
    }
    Ok(shown)
}
