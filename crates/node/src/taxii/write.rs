//! Adding objects (TAXII 2.1 section 5.5).
//!
//! The envelope is read in one pass into canonical objects, all of which that are good go to the
//! store in one command, and the answer is given when they are durable (I5): so its status is
//! always `complete`. An object that is refused, or that contradicts what is held, fails alone; an
//! exact duplicate is a success. An envelope that is broken as a whole changes nothing.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::{Object, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::Outcome;

use super::fault::Fault;
use super::limits::{FAILURES_MAX, STATUS_TEXT_CHARS_MAX};
use super::status::Failure;
use super::{Api, blocking, media, reply};
use crate::auth::Caller;
use crate::intake::Validation;

/// Takes the objects in `body`. The caller may add them: that has been decided.
pub(super) async fn add(
    api: &Arc<Api>,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    media::sent(headers)?;
    let at = api.host.now();
    let upload = api.uploads.read(headers, body).await?;
    let bytes = upload.bytes.clone();
    let validation = api.host.validation();
    let Parsed {
        objects,
        places,
        total,
        mut faults,
    } = blocking(move || parse(&bytes, validation)).await?;
    if !objects.is_empty() {
        let outcomes = api.host.add(objects, &caller.name).await?;
        for (outcome, place) in outcomes.iter().zip(places) {
            // Which content that is stays unsaid: it may be in a channel that the caller may not see.
            if let Outcome::Conflict { .. } = outcome {
                faults.push((place, "Other content is held under the same id and version: give a changed object a newer modified time.".to_owned()));
            }
        }
    }
    let status = if faults.is_empty() {
        // Nothing is written then, so this does not block.
        api.statuses.make(&caller.name, at, total, Vec::new())?
    } else {
        let (api, user) = (api.clone(), caller.name.clone());
        blocking(move || {
            Ok(api
                .statuses
                .make(&user, at, total, name(&upload.bytes, faults))?)
        })
        .await?
    };
    Ok(reply::json(StatusCode::ACCEPTED, &status))
}

/// What an envelope holds.
struct Parsed {
    objects: Vec<Object>,
    /// The place of each of `objects` in the envelope.
    places: Vec<usize>,
    /// How many objects the envelope has, good or not.
    total: usize,
    /// The places of those that are not good, and why.
    faults: Vec<(usize, String)>,
}

fn parse(bytes: &[u8], validation: Validation) -> Result<Parsed, Fault> {
    let mut parsed = Parsed {
        objects: Vec::new(),
        places: Vec::new(),
        total: 0,
        faults: Vec::new(),
    };
    let mut refused = 0;
    let each = |place: usize, object: Result<Object, Refusal>| {
        let judged = match object {
            Ok(object) => match validation.refuses(&object) {
                None => Ok(object),
                Some(why) => Err(why),
            },
            Err(refusal) => Err(refusal.to_string()),
        };
        match judged {
            Ok(object) => {
                parsed.objects.push(object);
                parsed.places.push(place);
            }
            Err(why) => {
                refused += 1;
                if refused <= FAILURES_MAX {
                    parsed.faults.push((place, why));
                }
            }
        }
    };
    let total = model::bundle(bytes, each).map_err(|refusal| {
        Fault::unprocessable(format!(
            "The body is no TAXII envelope of STIX objects: {refusal}."
        ))
    })?;
    parsed.total = total;
    if refused > FAILURES_MAX {
        let (_, first) = &parsed.faults[0];
        return Err(Fault::unprocessable(format!(
            "{refused} of the {total} objects cannot be taken, so none was; at most {FAILURES_MAX} may fail one by one. The first: {first}."
        )));
    }
    Ok(parsed)
}

/// Finds out what to call the objects that failed. Only failing envelopes are read this second time.
fn name(bytes: &[u8], mut faults: Vec<(usize, String)>) -> Vec<Failure> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        objects: Vec<&'a RawValue>,
    }
    #[derive(Default, Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        modified: Option<Cow<'a, str>>,
        #[serde(borrow)]
        created: Option<Cow<'a, str>>,
    }
    faults.sort_by_key(|(place, _)| *place);
    let objects: Vec<&RawValue> = serde_json::from_slice::<Envelope<'_>>(bytes)
        .map(|envelope| envelope.objects)
        .or_else(|_| serde_json::from_slice(bytes))
        .or_else(|_| serde_json::from_slice(bytes).map(|object| vec![object]))
        .unwrap_or_default();
    let failure = |(place, message): (usize, String)| {
        let object = objects.get(place).map_or("null", |object| object.get());
        let names: Names<'_> = serde_json::from_str(object).unwrap_or_default();
        let version = names.modified.or(names.created);
        Failure {
            id: names
                .id
                .map_or_else(|| format!("/objects/{place}"), |id| short(&id)),
            version: version.map_or_else(|| "unknown".into(), |version| short(&version)),
            message: short(&message),
        }
    };
    faults.into_iter().map(failure).collect()
}

fn short(text: &str) -> String {
    text.chars().take(STATUS_TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_called_by_their_ids_where_these_can_be_read() {
        let envelope = br#"{"more":false,"objects":[{"id":"a--1","modified":"m","created":"c"},{"id":"b--2","created":"c"},
            {"type":"x"},7,{"id":1},{"id":"c--3","id":"c--4"},{"id":"d\u00e9--5"}]}"#;
        let faults = (0..8).rev().map(|place| (place, "why".into())).collect();
        let failures = name(envelope, faults);
        let got: Vec<(&str, &str)> = failures
            .iter()
            .map(|failure| (failure.id.as_str(), failure.version.as_str()))
            .collect();
        assert_eq!(
            got,
            [
                ("a--1", "m"),
                ("b--2", "c"),
                ("/objects/2", "unknown"),
                ("/objects/3", "unknown"),
                ("/objects/4", "unknown"),
                ("/objects/5", "unknown"),
                ("dé--5", "unknown"),
                ("/objects/7", "unknown"),
            ]
        );
        assert_eq!(
            name(br#"[{"id":"a--1"}]"#, vec![(0, "why".into())])[0].id,
            "a--1"
        );
        assert_eq!(
            name(br#"{"id":"a--1"}"#, vec![(0, "why".into())])[0].id,
            "a--1"
        );
        assert_eq!(name(b"\xff", vec![(0, "why".into())])[0].id, "/objects/0");
        assert_eq!(
            name(b"[]", vec![(0, "\u{1F600}".repeat(1000))])[0]
                .message
                .chars()
                .count(),
            STATUS_TEXT_CHARS_MAX
        );
    }
}
