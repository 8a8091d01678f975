//! From the rows of a table to STIX objects that stay the same while the rows do.
//!
//! An indicator's id follows from the feed's name and the pattern, so a row that comes again is
//! known. What a row says now is compared with what is held: nothing changed is nothing new,
//! anything else is a newer version of the same object. What the nation revoked stays revoked.

use std::collections::HashSet;

use model::{Hash, Id, Object, Timestamp};
use serde_json::{Map, Value as Json, json};
use store::{Collection, Query};
use uuid::Uuid;

use super::intake::Intake;
use super::limits::ROWS_MAX;
use super::mapping::{Makes, Mapping, Row};
use super::state::Failure;
use crate::limits::ADD_BATCH_OBJECTS;
use crate::node::blocking;

/// The namespace of ids that feeds give.
const NAMESPACE: Uuid = Uuid::from_u128(0x1f86_0d2c_7d0e_4d3b_9d4e_52c1_6a8b_7e90);

/// The namespace of observables' ids (STIX 2.1 §2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

const DAY_MICROS: i64 = 86_400 * 1_000_000;

/// A row with its number.
type Numbered = (u64, Result<Row, String>);

/// Reads the rows of a table, in batches.
pub(super) struct Rows {
    reader: csv::Reader<std::io::Cursor<Vec<u8>>>,
    mapping: Mapping,
    header: Vec<String>,
    count: u64,
}

impl Rows {
    /// Begins to read a table.
    ///
    /// # Errors
    /// When its header does not have what the mapping names.
    pub(super) fn new(mapping: Mapping, mut bytes: Vec<u8>) -> Result<Rows, String> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        let reader = csv::ReaderBuilder::new()
            .delimiter(mapping.delimiter as u8)
            .quote(mapping.quote as u8)
            .comment(mapping.comment.map(|c| c as u8))
            .has_headers(false)
            .flexible(true)
            .from_reader(std::io::Cursor::new(bytes));
        let mut rows = Rows {
            reader,
            mapping,
            header: Vec::new(),
            count: 0,
        };
        if rows.mapping.header {
            let mut record = csv::ByteRecord::new();
            if rows.read(&mut record)? {
                rows.header = record
                    .iter()
                    .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
                    .collect();
                rows.mapping.check_header(&rows.header)?;
            }
        }
        Ok(rows)
    }

    fn read(&mut self, record: &mut csv::ByteRecord) -> Result<bool, String> {
        self.reader
            .read_byte_record(record)
            .map_err(|error| format!("the table cannot be read: {error}"))
    }

    /// The next rows, at most `most`; none at the end.
    ///
    /// # Errors
    /// When there are too many rows.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Numbered>, String> {
        let mut rows = Vec::new();
        let mut record = csv::ByteRecord::new();
        while rows.len() < most && self.read(&mut record)? {
            self.count += 1;
            if self.count > ROWS_MAX {
                return Err(format!("the table has more than {ROWS_MAX} rows; split it"));
            }
            let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
            let row = match cells {
                Err(_) => Err("the row is not UTF-8".to_owned()),
                Ok(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => continue,
                Ok(cells) => match self.mapping.row(&self.header, &cells) {
                    Ok(None) => continue,
                    Ok(Some(row)) => Ok(row),
                    Err(why) => Err(why),
                },
            };
            rows.push((self.count, row));
        }
        Ok(rows)
    }
}

/// Takes a table in.
///
/// # Errors
/// When it cannot be read or the store fails; batches before that count.
pub(super) async fn take(
    intake: &mut Intake<'_>,
    mapping: Mapping,
    bytes: Vec<u8>,
    since: Timestamp,
) -> Result<(), Failure> {
    let source = source(intake.feed(), since).map_err(Failure::of)?;
    let author = source.id().clone();
    intake
        .take(vec![("the feed's own identity".into(), source)])
        .await?;
    let makes = mapping.makes;
    let days = mapping.valid_days;
    let types = mapping.indicator_types.clone();
    let mut rows = Rows::new(mapping, bytes).map_err(Failure::of)?;
    let mut seen: HashSet<[u8; 16]> = HashSet::new();
    loop {
        let (batch, back) = blocking(move || (rows.next(ADD_BATCH_OBJECTS), rows)).await;
        rows = back;
        let batch = batch.map_err(Failure::of)?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        for (number, row) in batch {
            let place = format!("row {number}");
            let row = match row {
                Ok(row) => row,
                Err(why) => {
                    intake.refuse(&place, None, &Hash::of(why.as_bytes()), why.clone());
                    continue;
                }
            };
            match id_of(intake.feed(), makes, &row) {
                Ok(id) if seen.insert(id.uuid()) => wanted.push((place, id, row)),
                Ok(_) => intake.known += 1,
                Err(why) => intake.refuse(&place, None, &Hash::of(why.as_bytes()), why),
            }
        }
        let ids: Vec<Id> = wanted.iter().map(|(_, id, _)| id.clone()).collect();
        let held = match makes {
            Makes::Observable => Vec::new(),
            Makes::Indicator => held(intake, ids).await?,
        };
        let now = intake.node().now();
        let mut objects = Vec::new();
        for (place, id, row) in wanted {
            let made = match makes {
                Makes::Observable => observable(&id, &row).map(Some),
                Makes::Indicator => {
                    let before = held.iter().find(|one| one["id"] == id.as_str());
                    let row = Wanted {
                        id: &id,
                        author: &author,
                        types: &types,
                        days,
                        row: &row,
                    };
                    row.indicator(before, now)
                }
            };
            match made {
                Ok(Some(object)) => objects.push((place, object)),
                Ok(None) => intake.known += 1,
                Err(why) => {
                    let hash = Hash::of(format!("{id} {why}").as_bytes());
                    intake.refuse(&place, Some(id.to_string()), &hash, why);
                }
            }
        }
        intake.take(objects).await?;
    }
}

/// The newest national versions of these objects.
async fn held(intake: &Intake<'_>, ids: Vec<Id>) -> Result<Vec<Json>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let bodies = intake
        .node()
        .read(move |store| {
            let query = Query {
                limit: ids.len(),
                ids,
                ..Query::default()
            };
            let page = store.page(&Collection::National, &query)?;
            store.bodies(&page.records)
        })
        .await?;
    Ok(bodies
        .iter()
        .filter_map(|body| serde_json::from_slice(body).ok())
        .collect())
}

fn id_of(feed: &str, makes: Makes, row: &Row) -> Result<Id, String> {
    let (kind, namespace, name) = match makes {
        Makes::Indicator => {
            let name = format!("{feed}\0{}", row.value.pattern());
            ("indicator", NAMESPACE, name.into_bytes())
        }
        Makes::Observable => {
            let (kind, properties) = row
                .value
                .observable()
                .ok_or("an address with a port is no single observable; make indicators of it")?;
            let name = model::canonicalise(properties.to_string().as_bytes())
                .map_err(|refusal| refusal.reason.to_string())?;
            (kind, OBSERVABLES, name)
        }
    };
    let uuid = Uuid::new_v5(&namespace, &name);
    Id::from_parts(kind, *uuid.as_bytes()).map_err(|error| error.to_string())
}

/// Who a table's objects are from: the feed.
fn source(feed: &str, since: Timestamp) -> Result<Object, String> {
    let uuid = Uuid::new_v5(&NAMESPACE, format!("identity\0{feed}").as_bytes());
    let time = since.to_string();
    object(&json!({
        "type": "identity", "spec_version": "2.1", "id": format!("identity--{uuid}"),
        "created": time, "modified": time, "identity_class": "system",
        "name": format!("Feed {feed}"),
    }))
}

fn observable(id: &Id, row: &Row) -> Result<Object, String> {
    let (kind, mut properties) = row
        .value
        .observable()
        .ok_or("an address with a port is no single observable; make indicators of it")?;
    properties["type"] = kind.into();
    properties["spec_version"] = "2.1".into();
    properties["id"] = id.as_str().into();
    object(&properties)
}

fn object(json: &Json) -> Result<Object, String> {
    Object::parse(json.to_string().as_bytes())
        .map_err(|refusal| format!("{} (at {})", refusal.reason, refusal.pointer))
}

/// An indicator in the making.
struct Wanted<'a> {
    id: &'a Id,
    author: &'a Id,
    types: &'a [String],
    days: Option<u32>,
    row: &'a Row,
}

impl Wanted<'_> {
    /// The indicator as the row says it now; `None`: just that is held.
    fn indicator(&self, before: Option<&Json>, now: Timestamp) -> Result<Option<Object>, String> {
        if before.is_some_and(|held| held["revoked"] == true) {
            return Err("the nation revoked this indicator, and the table still lists it".into());
        }
        let held = |name: &str| {
            let text = before?.get(name)?.as_str()?;
            Timestamp::parse(text).ok()
        };
        let from = self
            .row
            .valid_from
            .or_else(|| held("valid_from"))
            .unwrap_or(now);
        let until = self
            .row
            .valid_until
            .or_else(|| self.until(held("valid_until"), from, now));
        if until.is_some_and(|until| until <= from) {
            return Err("it stops counting before it begins to".into());
        }
        let mut said = Map::new();
        let mut put = |name: &str, value: Json| drop(said.insert(name.to_owned(), value));
        put("type", "indicator".into());
        put("spec_version", "2.1".into());
        put("id", self.id.as_str().into());
        put("created_by_ref", self.author.as_str().into());
        put(
            "name",
            self.row
                .name
                .clone()
                .unwrap_or_else(|| self.row.value.text())
                .into(),
        );
        put("pattern", self.row.value.pattern().into());
        put("pattern_type", "stix".into());
        put("valid_from", from.to_string().into());
        if let Some(until) = until {
            put("valid_until", until.to_string().into());
        }
        if let Some(confidence) = self.row.confidence {
            put("confidence", confidence.into());
        }
        if let Some(description) = &self.row.description {
            put("description", description.as_str().into());
        }
        if !self.row.labels.is_empty() {
            put("labels", json!(self.row.labels));
        }
        if !self.types.is_empty() {
            put("indicator_types", json!(self.types));
        }
        if let Some(Json::Object(before)) = before {
            let content = |map: &Map<String, Json>| {
                let mut map = map.clone();
                map.remove("created");
                map.remove("modified");
                map
            };
            if content(before) == said {
                return Ok(None);
            }
        }
        let created = held("created").unwrap_or(now);
        let modified = match held("modified") {
            // A clock that was set back must not hide what changed.
            Some(modified) if modified >= now => {
                Timestamp::from_unix_micros(modified.unix_micros().saturating_add(1_000))
            }
            _ => now,
        };
        said.insert("created".into(), created.to_string().into());
        said.insert("modified".into(), modified.to_string().into());
        object(&Json::Object(said)).map(Some)
    }

    /// Until when a row counts that is listed now: renewed when less than half of its days is left.
    fn until(&self, held: Option<Timestamp>, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let span = i64::from(self.days?) * DAY_MICROS;
        let fresh = from.max(now).unix_micros().saturating_add(span);
        match held {
            Some(held) if held.unix_micros().saturating_sub(now.unix_micros()) >= span / 2 => {
                Some(held)
            }
            _ => Some(Timestamp::from_unix_micros(fresh)),
        }
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
