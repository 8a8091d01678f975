//! Deleting an object (TAXII 2.1 section 5.7): a withdrawal from the national collection.
//!
//! Without `match[version]` every version goes: if only the latest did, an older one would stand in
//! its place, and nobody who deletes an object means that. What was released is in a log that
//! forgets nothing, and what waits for a release is about to be; both are refused with the reason.
//! So is a request that names versions above the caller's clearance: an answer that all of it is
//! gone must be true.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use model::{Id, Tlp};
use store::{Collection, LogName, Record, Store, StoreError};

use super::fault::Fault;
use super::pick::pick;
use super::query::Wanted;
use super::{Api, Listing, blocking, reply};
use crate::auth::Caller;

/// Why objects were not removed.
#[derive(Debug)]
pub enum NotRemoved {
    /// One of them must stay.
    Kept(Kept),
    /// The store failed.
    Store(StoreError),
}

/// An object that must stay, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The object.
    pub id: String,
    /// The channel it has to do with, `<accord>/<channel>`.
    pub channel: String,
    /// What it has to do with it.
    pub why: Stays,
}

/// What an object that must stay has to do with a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It is in this member's own log.
    Shared,
    /// It is in the log of this other member.
    Brought(String),
    /// It left in a form of its own, or is about to.
    Form,
    /// It waits to leave.
    Waits,
}

impl Kept {
    /// What a log brought; `me` is this member's code.
    pub fn logged(id: String, log: &LogName, me: &str) -> Kept {
        Kept {
            id,
            channel: format!("{}/{}", log.accord, log.channel),
            why: match log.origin == me {
                true => Stays::Shared,
                false => Stays::Brought(log.origin.clone()),
            },
        }
    }

    /// The reason in a sentence, for somebody who sees the channel or does not.
    fn words(&self, sees: bool) -> String {
        let id = &self.id;
        let at = match sees {
            true => format!("the channel {}", self.channel),
            false => "a channel that you do not see".to_owned(),
        };
        match &self.why {
            Stays::Shared => format!(
                "{id} is in this member's log of {at}, which forgets nothing, so it stays: withdraw it from there instead (kurultai withdraw, or the console)."
            ),
            Stays::Brought(by) => {
                let by = if sees { by } else { "a partner" };
                format!(
                    "{id} is in the log of {by} in {at}, which forgets nothing, so it stays: only {by} can withdraw it from there."
                )
            }
            Stays::Form => format!(
                "{id} left for {at} in a form of its own, or is about to: withdraw it from there instead."
            ),
            Stays::Waits => format!("{id} waits to leave for {at}: withdraw it from there first."),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(true))
    }
}

/// Removes the versions of `id` that `wanted` names; refused if the caller may not read all of them.
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
    let (records, whole) = blocking(move || {
        let (store, collection) = (reader.host.store(), listing.collection());
        let clearance = std::mem::replace(&mut wanted.clearance, Tlp::Red);
        let all = named(store, collection, &mut wanted)?;
        wanted.clearance = clearance;
        let records = named(store, collection, &mut wanted)?;
        let readable: HashSet<_> = records.iter().map(|record| record.seq).collect();
        let whole = all.iter().all(|record| readable.contains(&record.seq));
        Ok((records, whole))
    })
    .await?;
    if records.is_empty() {
        return Err(Fault::missing("object or version"));
    }
    if !whole {
        return Err(Fault::forbidden(
            "You may not delete every version that this names: name those that you read with match[version], or ask somebody with a higher clearance.",
        ));
    }
    match api.host.remove(records, &caller.name).await {
        Ok(()) => Ok(reply::bytes(StatusCode::OK, Vec::new())),
        Err(NotRemoved::Kept(kept)) => {
            Err(Fault::forbidden(kept.words(caller.sees(&kept.channel))))
        }
        Err(NotRemoved::Store(error)) => Err(error.into()),
    }
}

/// Every version that `wanted` names.
fn named(
    store: &Store,
    collection: &Collection,
    wanted: &mut Wanted,
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    wanted.after = None;
    loop {
        let picked = pick(store, collection, wanted)?;
        records.extend(picked.records);
        match picked.resume {
            Some(seq) => wanted.after = Some(seq),
            None => return Ok(records),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_take_something_back_is_said_and_no_channel_that_is_not_seen() {
        let log = LogName::new("steppe", "cyber", "KG");
        let theirs = Kept::logged("indicator--1".into(), &log, "KZ");
        assert!(theirs.to_string().contains("only KG can withdraw it"));
        assert!(theirs.to_string().contains("steppe/cyber"));
        let ours = Kept::logged("indicator--1".into(), &log, "KG");
        assert!(ours.to_string().contains("kurultai withdraw"));
        for why in [ours.why, theirs.why, Stays::Form, Stays::Waits] {
            let (id, channel) = ("indicator--1".into(), "steppe/cyber".into());
            let words = Kept { id, channel, why }.words(false);
            assert!(
                !words.contains("steppe") && !words.contains("KG"),
                "{words}"
            );
        }
    }
}
