//! What comes along with a released object: its markings and its author.
//!
//! A partner that gets an object without them can neither tell what it may do with it nor whom to
//! ask. They are found in the national collection by following `object_marking_refs`, granular
//! markings and `created_by_ref`; those of a companion count as well. What this member does not
//! hold (the well-known TLP markings, a foreign author) is passed over in silence.

use std::collections::HashSet;

use model::{Id, Object};
use store::{Collection, Record, Store, StoreError};

use crate::limits::COMPANION_ROUNDS_MAX;

/// The latest versions of the companions of `objects` that are neither `present` already nor in
/// `seen`, which they join.
pub(super) fn of<'a>(
    store: &Store,
    objects: impl Iterator<Item = &'a Object>,
    present: &HashSet<&Id>,
    seen: &mut HashSet<Id>,
) -> Result<Vec<Record>, StoreError> {
    let mut companions = Vec::new();
    let mut found = Vec::new();
    for object in objects {
        follow(store, object, present, seen, &mut found)?;
    }
    for _ in 0..COMPANION_ROUNDS_MAX {
        if found.is_empty() {
            break;
        }
        let wave = std::mem::take(&mut found);
        for (record, bytes) in wave.iter().zip(store.bodies(&wave)?) {
            // Held bytes were accepted once; should they ever fail to read, the object still goes.
            match Object::parse(&bytes) {
                Ok(object) => follow(store, &object, present, seen, &mut found)?,
                Err(_) => tracing::error!(object = %record.id, "a held object cannot be read"),
            }
        }
        companions.extend(wave);
    }
    Ok(companions)
}

fn follow(
    store: &Store,
    object: &Object,
    present: &HashSet<&Id>,
    seen: &mut HashSet<Id>,
    found: &mut Vec<Record>,
) -> Result<(), StoreError> {
    for id in object.marking_refs().iter().chain(object.created_by()) {
        if !present.contains(id) && seen.insert(id.clone()) {
            found.extend(store.latest(&Collection::National, id)?);
        }
    }
    Ok(())
}
