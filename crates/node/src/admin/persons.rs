//! Queries by persons about persons: they carry a purpose, and are accounted for before they are
//! answered (I10).
//!
//! Asking for a kind of object that stands for people is a query about persons whatever it finds:
//! that nobody is known is an answer, too. A listing that asked for something else is one when it
//! would show objects that are about persons.

use axum::http::StatusCode;
use model::{Object, about_person};
use store::{Query, Record, Store, StoreError};

use super::types::{AuditRecord, ObjectsQuery};
use crate::audit::with_objects;
use crate::node::Node;
use crate::problem::Fault;

/// Kinds of object that stand for people, one by one or as those who act.
const KINDS: [&str; 4] = ["identity", "threat-actor", "user-account", "email-addr"];

fn stands_for_people(kind: &str) -> bool {
    KINDS.contains(&kind) || kind.split('-').any(|part| part == "person")
}

/// Whether a query asks for kinds, or for ids of kinds, that stand for people.
pub(super) fn selects(query: &Query) -> bool {
    let of_ids = query.ids.iter().map(model::Id::type_name);
    let mut kinds = query.kinds.iter().map(String::as_str).chain(of_ids);
    kinds.any(stands_for_people)
}

/// The ids of the objects on a page that are about persons; if the query asked for kinds that stand
/// for people, all of those.
pub(super) fn among(
    store: &Store,
    records: &[Record],
    selected: bool,
) -> Result<Vec<String>, StoreError> {
    if selected {
        let people = records
            .iter()
            .filter(|record| stands_for_people(record.id.type_name()));
        return Ok(people.map(|record| record.id.to_string()).collect());
    }
    let mut found = Vec::new();
    for (record, body) in records.iter().zip(store.bodies(records)?) {
        let object = Object::parse(&body).map_err(|refusal| StoreError::Corrupt {
            place: record.id.to_string(),
            problem: refusal.to_string(),
        })?;
        if about_person(&object) {
            found.push(record.id.to_string());
        }
    }
    Ok(found)
}

/// Writes the query down; without a purpose it is refused.
pub(super) async fn account(
    node: &Node,
    who: &str,
    collection: &str,
    query: &ObjectsQuery,
    found: &[String],
) -> Result<(), Fault> {
    let purpose = query.purpose.as_deref().map(str::trim).unwrap_or_default();
    if purpose.is_empty() {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "purpose",
            "A purpose is needed",
            "The answer is about persons: say for what purpose you ask, with `purpose=` \
             (`--purpose` on the command line). It goes into the audit log, under your name.",
        ));
    }
    let part =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let asked: Vec<String> = [part("ids", &query.ids), part("kinds", &query.kinds)]
        .into_iter()
        .flatten()
        .collect();
    let record = AuditRecord {
        what: "query".into(),
        who: who.to_owned(),
        channel: collection.to_owned(),
        why: if asked.is_empty() {
            "every object".into()
        } else {
            asked.join(", ")
        },
        purpose: purpose.to_owned(),
        ..node.record()
    };
    Ok(node.audit(with_objects(&record, found)).await?)
}
