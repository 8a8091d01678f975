//! Ids of cyber observables that follow from their content (STIX 2.1, section 3.4).

use serde_json::{Map, Value};

use super::shape::Shape;
use super::tables;
use super::walk::Members;
use crate::id::Id;
use crate::json;

/// The namespace that the standard fixes for such ids.
const NAMESPACE: uuid::Uuid = uuid::uuid!("00abedb4-aa42-466c-9c01-fed23315a9b7");

/// The id that a cyber observable's id-contributing properties make: UUIDv5 in the standard's
/// namespace over their RFC 8785 form. Of several hashes the first in the order MD5, SHA-1,
/// SHA-256, SHA-512 counts, else the first by name.
///
/// `None` where STIX 2.1 defines no such id: for other types, and for objects that have none of
/// these properties (they get a UUIDv4).
pub fn deterministic_id(object: &Value) -> Option<Id> {
    let map = object.as_object()?;
    let shape = tables::shape(map.get("type")?.as_str()?)?;
    of(shape, map)
}

pub(super) fn of(shape: &Shape, map: &Members) -> Option<Id> {
    let mut parts = Map::new();
    for name in shape.identity {
        match map.get(*name) {
            None => {}
            Some(Value::Object(hashes)) if *name == "hashes" => {
                let (algorithm, value) = chosen(hashes)?;
                let hash = Map::from_iter([(algorithm.to_owned(), value.clone())]);
                parts.insert("hashes".to_owned(), Value::Object(hash));
            }
            Some(value) => {
                parts.insert((*name).to_owned(), value.clone());
            }
        }
    }
    if parts.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(&parts).ok()?;
    let canonical = json::canonicalise(&text).ok()?;
    let uuid = uuid::Uuid::new_v5(&NAMESPACE, &canonical);
    Id::from_parts(shape.name, uuid.into_bytes()).ok()
}

fn chosen(hashes: &Members) -> Option<(&str, &Value)> {
    ["MD5", "SHA-1", "SHA-256", "SHA-512"]
        .into_iter()
        .find_map(|name| hashes.get_key_value(name))
        .or_else(|| hashes.iter().min_by_key(|(name, _)| *name))
        .map(|(name, value)| (name.as_str(), value))
}
