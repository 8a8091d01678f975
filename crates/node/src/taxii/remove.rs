//! Deleting an object (TAXII 2.1 section 5.7): a withdrawal from the national collection.
//!
//! Without `match[version]` every version goes: if only the latest did, an older one would stand in
//! its place, and nobody who deletes an object means that. What was released is in a log that
//! forgets nothing, and what waits for a release is about to be; both are refused with the reason.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use model::Id;
use store::Record;

use super::fault::Fault;
use super::pick::pick;
use super::query::Wanted;
use super::{Api, Listing, blocking, reply};
use crate::auth::Caller;

/// Why an object was not removed.
#[derive(Debug)]
pub enum NotRemoved {
    /// It must stay; the sentence says why and what to do instead.
    Kept(String),
    /// The store failed.
    Store(store::StoreError),
}

/// Removes the versions of `id` that `wanted` names and the caller may read.
pub(super) async fn remove(
    api: &Arc<Api>,
    caller: &Caller,
    listing: Listing,
    id: Id,
    mut wanted: Wanted,
) -> Result<Response, Fault> {
    wanted.ids = vec![id];
    wanted.kinds.clear();
    wanted.after = None;
    let reader = api.clone();
    let records: Vec<Record> = blocking(move || {
        let mut records = Vec::new();
        loop {
            let picked = pick(reader.host.store(), listing.collection(), &wanted)?;
            records.extend(picked.records);
            match picked.resume {
                Some(seq) => wanted.after = Some(seq),
                None => return Ok(records),
            }
        }
    })
    .await?;
    if records.is_empty() {
        return Err(Fault::missing("object or version"));
    }
    match api.host.remove(records, &caller.name).await {
        Ok(()) => Ok(reply::bytes(StatusCode::OK, Vec::new())),
        Err(NotRemoved::Kept(why)) => Err(Fault::forbidden(why)),
        Err(NotRemoved::Store(error)) => Err(error.into()),
    }
}
