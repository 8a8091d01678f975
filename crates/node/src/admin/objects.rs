//! Objects in bulk: taking them in from files, and looking at what a collection holds.
//!
//! A body is read whole before anything is stored, because its JSON may turn out broken at the
//! last byte and a refused input must change nothing (I5). All bodies that are being read have a
//! common budget, and one at a time is unpacked and stored: the turn is taken by a body that is
//! there, so that no client makes the others wait for it.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use http_body_util::BodyExt;
use model::{Id, Label, Object, Timestamp};
use policy::Duty;
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Collection, Outcome, Query, Record, Seq, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::persons;
use super::types::{AddReport, AuditRecord, ObjectInfo, ObjectRefusal, ObjectsPage, ObjectsQuery};
use super::{As, Shared, query};
use crate::auth::Scope;
use crate::error::NodeError;
use crate::intake::Validation;
use crate::limits::{
    ADD_BATCH_OBJECTS, ADD_BYTES_HELD_MAX, ADD_PLAIN_BYTES_MAX, ADDS_AT_ONCE_MAX, ADMIN_ITEMS_MAX,
    ADMIN_PAGE_DEFAULT, ADMIN_PAGE_MAX,
};
use crate::node::{Node, blocking};
use crate::problem::Fault;

/// What intake may take of the memory.
#[derive(Clone)]
pub(super) struct Turns {
    /// Bodies that are unpacked and stored.
    adds: Arc<Semaphore>,
    /// Bytes of bodies that have come, in units of [`BUDGET_UNIT`].
    bytes: Arc<Semaphore>,
}

/// Bytes that one permit of the budget stands for; a semaphore has no four billion permits.
const BUDGET_UNIT: usize = 64 << 10;

impl Turns {
    pub(super) fn new() -> Turns {
        Turns {
            adds: Arc::new(Semaphore::new(ADDS_AT_ONCE_MAX)),
            bytes: Arc::new(Semaphore::new(ADD_BYTES_HELD_MAX / BUDGET_UNIT)),
        }
    }

    /// A whole body of at most `max` bytes, and its share of the budget.
    async fn collect(
        &self,
        mut body: Body,
        max: usize,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Fault> {
        let mut bytes = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Fault::request(format!("The body broke off: {error}.")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > max {
                return Err(Fault::too_large(max));
            }
            let units = length.div_ceil(BUDGET_UNIT) - bytes.len().div_ceil(BUDGET_UNIT);
            let more = u32::try_from(units).unwrap_or(u32::MAX);
            let more = Arc::clone(&self.bytes).try_acquire_many_owned(more);
            let more = more.map_err(|_| {
                Fault::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "Too much is being taken in at this moment",
                    "Send the body again when the others are through.",
                )
            })?;
            match &mut share {
                Some(share) => share.merge(more),
                none => *none = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, share))
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AddQuery {
    label: Option<String>,
    who: Option<String>,
}

pub(super) async fn add(
    State(node): Shared,
    Extension(caller): As,
    Extension(turns): Extension<Turns>,
    wanted: Result<UrlQuery<AddQuery>, QueryRejection>,
    body: Body,
) -> Result<Json<AddReport>, Fault> {
    caller.require(Duty::Analyst)?;
    caller.require_scope(Scope::Add)?;
    let wanted = query(wanted)?;
    let label = match &wanted.label {
        Some(text) => Label::parse(text)
            .map_err(|error| Fault::request(format!("{text:?} is not a label: {error}.")))?,
        None => node.intake_label(),
    };
    let (body, _share) = turns.collect(body, node.config().limits.add_bytes).await?;
    // Closed only with the process; then nobody waits for the answer.
    let _turn = turns
        .adds
        .acquire_owned()
        .await
        .map_err(|_| NodeError::Stopped {
            what: "the intake".into(),
        })?;
    let validation = node.config().intake_validation;
    let mut parsed = blocking(move || parse(body, validation)).await?;
    node.metrics().warned(parsed.warnings);
    let objects = std::mem::take(&mut parsed.objects);
    let mut report = AddReport {
        total: parsed.total,
        refused: parsed.refusals.len(),
        warnings: parsed.warnings,
        ..AddReport::default()
    };
    let mut refusals = parsed.refusals;
    let who = caller.recorded(wanted.who.as_deref().unwrap_or_default());
    let mut rest = objects.into_iter();
    let mut duplicates = Vec::new();
    loop {
        let (places, batch): (Vec<(usize, Id)>, Vec<Object>) = rest
            .by_ref()
            .take(ADD_BATCH_OBJECTS)
            .map(|(index, object)| ((index, object.id().clone()), object))
            .unzip();
        if batch.is_empty() {
            break;
        }
        let outcomes = node.add(batch, label.clone(), &who).await.map_err(|error| {
            let mut fault = Fault::from(NodeError::Store(error));
            if report.added > 0 {
                fault.0.detail += &format!(
                    " {} objects of this body are kept already; send it again as it is, they will count as duplicates.",
                    report.added
                );
            }
            fault
        })?;
        for ((index, id), outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Added(_) => report.added += 1,
                Outcome::Duplicate(seq) => {
                    report.duplicates += 1;
                    duplicates.push((index, id, seq));
                }
                Outcome::Conflict { held } => {
                    report.conflicts += 1;
                    refusals.push(ObjectRefusal {
                        index,
                        id: Some(id.to_string()),
                        pointer: String::new(),
                        reason: format!(
                            "other content is held under the same id and version (hash {held}); \
                             it stands, and this one is kept as evidence"
                        ),
                    });
                }
                // Only feeds are stopped by it; what a person adds is a person's word.
                Outcome::Stopped(_) => refusals.push(ObjectRefusal {
                    index,
                    id: Some(id.to_string()),
                    pointer: String::new(),
                    reason: "it was withdrawn or removed".into(),
                }),
            }
        }
    }
    refusals.extend(held_under_less(&node, &label, duplicates).await?);
    refusals.sort_by_key(|refusal| refusal.index);
    if let Some(first) = refusals.first() {
        let named = refusals.iter().filter_map(|refusal| refusal.id.clone());
        let named: Vec<String> = named.take(crate::limits::AUDIT_IDS_MAX).collect();
        node.audit(vec![AuditRecord {
            what: "refuse".into(),
            who: who.clone(),
            channel: "national".into(),
            objects: named,
            count: refusals.len() as u64,
            why: format!("intake: {}: {}", first.pointer, first.reason),
            ..node.record()
        }])
        .await?;
    }
    report.refusals_omitted = refusals.len().saturating_sub(ADMIN_ITEMS_MAX);
    refusals.truncate(ADMIN_ITEMS_MAX);
    report.refusals = refusals;
    report.automatic = node
        .automatic()
        .iter()
        .map(crate::accords::Channel::full_name)
        .collect();
    tracing::info!(
        who,
        added = report.added,
        duplicates = report.duplicates,
        conflicts = report.conflicts,
        refused = report.refused,
        "objects taken in"
    );
    if report.added > 0 && !node.automation_runs() {
        node.run_automation().await?;
    }
    Ok(Json(report))
}

/// Objects that are held already, under a label less strict than the one given now. The held label
/// stands, and nobody must believe otherwise.
async fn held_under_less(
    node: &Node,
    label: &Label,
    duplicates: Vec<(usize, Id, Seq)>,
) -> Result<Vec<ObjectRefusal>, StoreError> {
    let wanted = node.with_own_code(label.clone());
    node.read(move |store| {
        let mut found = Vec::new();
        for (index, id, seq) in duplicates {
            let versions = store.versions(&Collection::National, &id)?;
            let held = versions.iter().find(|record| record.object == seq);
            let Some(held) = held else {
                continue;
            };
            // What feeds brought has a floor and the object's own markings for a label.
            let held = store.label(held)?;
            if !held.is_as_strict_as(&wanted) {
                found.push(ObjectRefusal {
                    index,
                    id: Some(id.to_string()),
                    pointer: String::new(),
                    reason: format!(
                        "this version is held under {held} already, and that stands; \
                         to make it stricter, mark it in a newer version"
                    ),
                });
            }
        }
        Ok(found)
    })
    .await
}

#[derive(Default)]
struct Parsed {
    total: usize,
    objects: Vec<(usize, Object)>,
    refusals: Vec<ObjectRefusal>,
    warnings: u64,
}

fn parse(body: Vec<u8>, validation: Validation) -> Result<Parsed, NodeError> {
    let plain = if body.starts_with(&ZSTD_MAGIC) {
        unpack(&body)?
    } else {
        body
    };
    if plain.iter().all(u8::is_ascii_whitespace) {
        return Err(NodeError::request(
            "the body is empty; send a STIX bundle, an envelope, an array or an object",
        ));
    }
    let mut parsed = Parsed::default();
    parsed.total = model::bundle(&plain, |index, object| match object {
        Ok(object) => match validation.check(&object) {
            Ok(warnings) => {
                parsed.warnings += warnings;
                parsed.objects.push((index, object));
            }
            Err(finding) => parsed.refusals.push(ObjectRefusal {
                index,
                id: Some(object.id().to_string()),
                reason: format!(
                    "{} [{}, STIX 2.1 section {}]",
                    finding.sentence, finding.rule.id, finding.section
                ),
                pointer: finding.pointer,
            }),
        },
        Err(refusal) => parsed.refusals.push(ObjectRefusal {
            index,
            id: None,
            pointer: refusal.pointer,
            reason: refusal.reason.to_string(),
        }),
    })
    .map_err(|refusal| NodeError::Request {
        why: refusal.reason.to_string(),
        pointer: Some(refusal.pointer),
    })?;
    Ok(parsed)
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn unpack(body: &[u8]) -> Result<Vec<u8>, NodeError> {
    let broken = |error: std::io::Error| {
        NodeError::request(format!("the zstd body cannot be unpacked: {error}"))
    };
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(body)
        .map_err(broken)?
        .take(ADD_PLAIN_BYTES_MAX as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(broken)?;
    if plain.len() > ADD_PLAIN_BYTES_MAX {
        return Err(NodeError::TooLarge {
            max: ADD_PLAIN_BYTES_MAX,
        });
    }
    Ok(plain)
}

pub(super) async fn list(
    State(node): Shared,
    Extension(caller): As,
    wanted: Result<UrlQuery<ObjectsQuery>, QueryRejection>,
) -> Result<Json<ObjectsPage>, Fault> {
    let wanted = query(wanted)?;
    let name = wanted.collection.as_deref().unwrap_or("national");
    let collection = node
        .collections()
        .iter()
        .find(|listing| listing.name() == name && caller.sees(name))
        .map(|listing| listing.collection().clone())
        .ok_or_else(|| NodeError::Unknown {
            what: format!("collection {name:?}"),
        })?;
    caller.require_reading(name)?;
    let list = |text: &Option<String>| -> Vec<String> {
        let items = text
            .iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    let mut ids = Vec::new();
    for text in list(&wanted.ids) {
        ids.push(
            Id::parse(&text)
                .map_err(|error| Fault::request(format!("{text:?} is not a STIX id: {error}.")))?,
        );
    }
    let asked = Query {
        after: wanted.after,
        ids,
        kinds: list(&wanted.kinds),
        all_versions: wanted.all_versions,
        up_to: Some(caller.clearance),
        limit: wanted
            .limit
            .unwrap_or(ADMIN_PAGE_DEFAULT)
            .clamp(1, ADMIN_PAGE_MAX),
    };
    let bodies = wanted.bodies;
    let selects = persons::selects(&asked);
    let (page, found) = node
        .read(move |store| {
            let page = store.page(&collection, &asked)?;
            let next = if page.more {
                page.records.last().map(|record| record.seq)
            } else {
                None
            };
            let found = persons::among(store, &page.records, selects)?;
            let bodies = if bodies {
                store.bodies(&page.records)?
            } else {
                Vec::new()
            };
            let mut objects = Vec::with_capacity(page.records.len());
            for (place, record) in page.records.iter().enumerate() {
                let label = store.label(record)?.to_string();
                let object = bodies
                    .get(place)
                    .and_then(|bytes| serde_json::from_slice(bytes).ok());
                objects.push(info(record, label, object));
            }
            Ok((ObjectsPage { objects, next }, found))
        })
        .await?;
    if selects || !found.is_empty() {
        let who = caller.recorded(wanted.who.as_deref().unwrap_or_default());
        persons::account(&node, &who, name, &wanted, &found).await?;
    }
    Ok(Json(page))
}

fn info(record: &Record, label: String, object: Option<serde_json::Value>) -> ObjectInfo {
    ObjectInfo {
        id: record.id.to_string(),
        version: record.version.map(|version| version.to_string()),
        hash: record.hash.to_string(),
        cid: record.hash.cid(),
        label,
        added: Timestamp::from_unix_micros(record.seq).to_micros_string(),
        origin: record.log.as_ref().map(|log| log.origin.clone()),
        entry: record.entry,
        object,
    }
}
