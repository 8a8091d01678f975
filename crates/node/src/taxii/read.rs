//! Pages: envelopes of objects, manifests and lists of versions.
//!
//! The cost of a page is that of its records and bytes, whatever the size of the collection: one
//! indexed range of records, then each object's stored canonical bytes copied once into the buffer
//! that is sent. Nothing is parsed or serialised again on the way (I8).

use std::io::Write;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use model::Id;
use store::{Record, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::coding::Coding;
use super::fault::Fault;
use super::limits::{PACKED_BODY_BYTES_MIN, PAGE_ATTEMPTS_MAX, PAGE_BYTES_MAX, PAGE_STEP_OBJECTS};
use super::media::STIX;
use super::pick::{Picked, exists, pick, version};
use super::query::Wanted;
use super::reply;
use super::shelf::{Kept, Question};
use super::tag::Tag;
use super::{Api, Listing, blocking};

/// What a page tells of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// The objects (section 3.7).
    Envelope,
    /// When each came and which version it is (section 5.3.1).
    Manifest,
    /// The versions of one object (section 5.8.1).
    Versions,
}

/// What a request says of the page beside what it is to show.
pub(super) struct Asked {
    /// The page.
    pub(super) wanted: Wanted,
    /// How the client likes it packed.
    pub(super) coding: Coding,
    /// The request's headers, for the tags that the client holds.
    pub(super) headers: HeaderMap,
}

/// The page of `listing` that is asked for; of one object only, if `object` is given.
pub(super) async fn page(
    api: &Arc<Api>,
    listing: Listing,
    object: Option<Id>,
    shape: Shape,
    asked: Asked,
) -> Result<Response, Fault> {
    // Before anything is read: what a page is kept under must not be newer than the page.
    let reshaped = api.host.store().reshaped();
    let question = match object {
        None => Question::of(listing.id(), shape, &asked.wanted),
        Some(_) => None,
    };
    let known = question.as_ref();
    if let Some(tag) = known.and_then(|question| api.shelf.tag(question, reshaped))
        && let Some(response) = at_hand(api, &tag, &asked.headers, asked.coding)
    {
        return Ok(response);
    }
    let slow = matches!(asked.wanted.versions, super::query::Versions::Chosen { .. })
        && object.is_none()
        && asked.wanted.ids.is_empty();
    let few = match slow {
        true => Some(turn_of(&api.chosen).await?),
        false => None,
    };
    let turn = (turn_of(&api.pages).await?, few);
    let api = api.clone();
    blocking(move || {
        // Held by the work, so that clients that hang up do not let more pages be made at once.
        let _turn = turn;
        let Asked {
            mut wanted,
            coding,
            headers,
        } = asked;
        let (store, collection) = (api.host.store(), listing.collection());
        if let Some(id) = object {
            wanted.ids = vec![id];
            wanted.kinds.clear();
            if shape == Shape::Versions {
                wanted.versions = super::query::Versions::All;
            }
            if !exists(store, collection, &wanted)? {
                return Err(Fault::missing("object"));
            }
        }
        let mut attempts = 0;
        loop {
            let mut picked = pick(store, collection, &wanted)?;
            let tag = tag(shape, &listing, &picked);
            if let (Some(_), Some(question)) = (picked.resume, &question) {
                api.shelf.answer(question.clone(), reshaped, tag.clone());
            }
            if let Some(response) = at_hand(&api, &tag, &headers, coding) {
                return Ok(response);
            }
            attempts += 1;
            let bodies = match shape {
                Shape::Envelope => bodies(store, &mut picked),
                _ => Ok(Vec::new()),
            };
            let bodies = match bodies {
                Ok(bodies) => bodies,
                // Between the two reads a record can be withdrawn and its bytes erased (I6). The
                // page is then gathered anew, without it; only what fails again and again is a
                // failure.
                Err(StoreError::UnknownObject { .. } | StoreError::Corrupt { .. })
                    if attempts < PAGE_ATTEMPTS_MAX =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let next = picked
                .resume
                .map(|seq| api.cursors.seal(listing.id().as_bytes(), seq));
            let body = match shape {
                Shape::Envelope => envelope(next.as_deref(), &bodies),
                Shape::Manifest => manifest(store, next.as_deref(), &picked.records)?,
                Shape::Versions => versions(store, next.as_deref(), &picked.records)?,
            };
            drop(bodies);
            return finished(&api, &picked, body, &tag, coding);
        }
    })
    .await
}

/// The answer with the page of this tag, if nothing has to be read for it: the client has the page
/// already, or it is kept.
fn at_hand(api: &Api, tag: &Tag, headers: &HeaderMap, coding: Coding) -> Option<Response> {
    if let Some(held) = tag.held(headers, coding) {
        return Some(reply::unchanged(held));
    }
    let page = api.shelf.get(tag, coding)?;
    Some(reply::page(page.ends, page.body, tag, coding))
}

/// The tag of a page that shows what was picked. How much of it fits a page follows from the same
/// records, so it need not be known.
fn tag(shape: Shape, listing: &Listing, picked: &Picked) -> Tag {
    Tag::of(|feed| {
        feed(&[b'1', shape as u8, u8::from(picked.resume.is_some())]);
        feed(listing.id().as_bytes());
        feed(&picked.resume.unwrap_or_default().to_be_bytes());
        for record in &picked.records {
            feed(&record.seq.to_be_bytes());
            feed(&record.hash.0);
        }
    })
}

/// The answer with a page in the coding that the client likes. A page that another one follows
/// stays as it is unless something is taken out of it, so it is kept.
fn finished(
    api: &Api,
    picked: &Picked,
    body: Vec<u8>,
    tag: &Tag,
    mut coding: Coding,
) -> Result<Response, Fault> {
    let first = picked.records.first().map(|record| record.seq);
    let ends = first.zip(picked.records.last().map(|record| record.seq));
    if body.len() < PACKED_BODY_BYTES_MIN {
        coding = Coding::Identity;
    }
    let body = match coding {
        Coding::Identity => body,
        _ => coding
            .pack(body)
            .map_err(|cause| Fault::ours(format!("compressing a page: {cause}")))?,
    };
    let body = Bytes::from(body);
    if picked.resume.is_some() {
        let page = Kept {
            body: body.clone(),
            ends,
        };
        api.shelf.put(tag.clone(), coding, page);
    }
    Ok(reply::page(ends, body, tag, coding))
}

/// One of the places for pages in the making.
async fn turn_of(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Fault> {
    let turn = Arc::clone(places).acquire_owned().await;
    turn.map_err(|cause| Fault::ours(cause.to_string()))
}

/// The bytes of the picked records, of as many as fit a page.
fn bodies(store: &Store, picked: &mut Picked) -> Result<Vec<Bytes>, StoreError> {
    let mut bodies: Vec<Bytes> = Vec::with_capacity(picked.records.len());
    let mut total = 0;
    for step in picked.records.chunks(PAGE_STEP_OBJECTS) {
        for body in store.bodies(step)? {
            total += body.len();
            // The first object is sent whatever its size, or the client would never get past it.
            if total > PAGE_BYTES_MAX && !bodies.is_empty() {
                picked.cut(bodies.len());
                return Ok(bodies);
            }
            bodies.push(body);
        }
    }
    Ok(bodies)
}

/// `{"more":…,"next":…,"objects":[…]}`; an empty page is an empty object, as the standard has it.
fn envelope(next: Option<&str>, bodies: &[Bytes]) -> Vec<u8> {
    let mut page = Vec::with_capacity(bodies.iter().map(|body| body.len() + 1).sum::<usize>() + 96);
    open(&mut page, next, "objects", bodies.is_empty());
    for (at, body) in bodies.iter().enumerate() {
        if at > 0 {
            page.push(b',');
        }
        page.extend_from_slice(body);
    }
    close(&mut page, bodies.is_empty());
    page
}

fn manifest(store: &Store, next: Option<&str>, records: &[Record]) -> Result<Vec<u8>, StoreError> {
    // LIMIT: an entry is the id (at most 300 bytes by the model's limits, typically 50) and some
    // 130 bytes of frame; the capacity is only a first guess.
    let mut page = Vec::with_capacity(records.len() * 192 + 96);
    open(&mut page, next, "objects", records.is_empty());
    for (at, record) in records.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // Ids and times have no character that JSON would escape; writing to a Vec cannot fail.
        let _ = write!(
            page,
            r#"{comma}{{"date_added":"{}","id":"{}","media_type":"{STIX}","version":"{}"}}"#,
            reply::date_added(record.seq),
            record.id,
            version(store, record)?,
        );
    }
    close(&mut page, records.is_empty());
    Ok(page)
}

fn versions(store: &Store, next: Option<&str>, records: &[Record]) -> Result<Vec<u8>, StoreError> {
    let mut page = Vec::with_capacity(records.len() * 40 + 96);
    open(&mut page, next, "versions", records.is_empty());
    for (at, record) in records.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(page, r#"{comma}"{}""#, version(store, record)?);
    }
    close(&mut page, records.is_empty());
    Ok(page)
}

/// Begins a page. `next` is base64url, so it needs no escaping.
fn open(page: &mut Vec<u8>, next: Option<&str>, list: &str, empty: bool) {
    let _ = match (next, empty) {
        (None, true) => write!(page, "{{"),
        (None, false) => write!(page, r#"{{"more":false,"{list}":["#),
        (Some(next), true) => write!(page, r#"{{"more":true,"next":"{next}""#),
        (Some(next), false) => write!(page, r#"{{"more":true,"next":"{next}","{list}":["#),
    };
}

fn close(page: &mut Vec<u8>, empty: bool) {
    page.extend_from_slice(if empty { b"}" } else { b"]}" });
}
