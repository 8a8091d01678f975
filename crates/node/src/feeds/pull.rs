//! Reading from outside: a TAXII collection, a document behind a URL, a table behind a URL.

use hyper::StatusCode;
use hyper::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use model::{Hash, Object, Refusal, Timestamp};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::fetch::{Answer, Ask, FetchError, bounded};
use super::intake::Intake;
use super::limits::{FILE_BYTES_MAX, PAGE_BYTES_MAX};
use super::mapping::Mapping;
use super::remote::{self, Envelope, Need, TAXII};
use super::run::Run;
use super::state::{Failure, Micros};
use super::walk::{self, Page, Turn, Walk};
use super::{said, spec, table};
use crate::admin::types::FeedAccess;
use crate::node::blocking;

impl Run<'_> {
    /// Reads a collection to its end; with `versions` all that it has of each object, and not just
    /// the latest ones (TAXII 2.1 §3.5.1: without being asked for a server shows no others).
    ///
    /// # Errors
    /// What failed; the pages before it count, and the next run goes on after them.
    pub(super) async fn pull_taxii(
        &mut self,
        url: &str,
        collection: Option<&str>,
        mut versions: bool,
        access: &FeedAccess,
    ) -> Result<(), Failure> {
        let (client, url) = spec::client(self.node, url, access)?;
        let remote = remote::resolve(&client, &url, collection, Need::Read).await?;
        let objects = remote
            .collection
            .join("objects/")
            .map_err(|_| Failure::of("the collection is no URL"))?;
        let cursor = self.state.cursor.taxii.clone().unwrap_or_default();
        let mut walk = Walk::begin(&cursor, self.node.clock().micros());
        let ended = loop {
            let wanted = walk.wanted();
            let mut page_url = objects.clone();
            {
                let mut query = page_url.query_pairs_mut();
                query.append_pair("limit", &wanted.limit.to_string());
                if let Some(after) = wanted.added_after {
                    let after = Timestamp::from_unix_micros(after).to_micros_string();
                    query.append_pair("added_after", &after);
                }
                if let Some(next) = &wanted.next {
                    query.append_pair("next", next);
                }
                if versions {
                    query.append_pair("match[version]", "all");
                }
            }
            let ask = Ask::get(page_url, TAXII, PAGE_BYTES_MAX);
            let answer = match client.ask(ask).await {
                Ok(answer) => answer,
                Err(error) if wanted.next.is_some() && remote::forgot(&error) => {
                    if let Err(stuck) = walk.forgotten() {
                        break Err(Failure::of(stuck.to_string()));
                    }
                    continue;
                }
                // Some know no filters. Better the latest versions than none.
                Err(error) if versions && wanted.next.is_none() && remote::forgot(&error) => {
                    versions = false;
                    self.state.warn(
                        "it does not give all versions of its objects, so only the latest are read"
                            .into(),
                    );
                    continue;
                }
                Err(error) => break Err(error.into()),
            };
            let page = match self.page(&answer).await {
                Ok(page) => page,
                Err(failure) => break Err(failure),
            };
            match walk.page(&page) {
                Ok(Turn::On) => {
                    self.state.cursor.taxii = Some(walk.so_far());
                    self.checkpoint().await?;
                }
                Ok(Turn::End) => {
                    self.state.cursor.taxii = Some(walk.end());
                    break Ok(());
                }
                Err(stuck) => {
                    self.state.cursor.taxii = Some(walk.so_far());
                    break Err(Failure::of(stuck.to_string()));
                }
            }
        };
        for warning in walk.warnings() {
            self.state.warn((*warning).to_owned());
        }
        ended
    }

    /// Takes in what a page holds; says what the walk must know of it.
    async fn page(&mut self, answer: &Answer) -> Result<Page, Failure> {
        remote::is_taxii(answer)?;
        let date = |name: &str| answer.header(name).and_then(walk::date);
        let first = date("x-taxii-date-added-first");
        let last = date("x-taxii-date-added-last");
        let body = answer.body.clone();
        let read = blocking(move || page(&body, first, last)).await;
        let (page, found, refused, mended) = read?;
        if mended {
            self.state.warn(
                "it gives objects a spec_version that there is not; it is read as 2.1".into(),
            );
        }
        for (place, bytes, refusal) in &refused {
            self.intake.refuse_bytes(place, bytes, refusal);
        }
        self.intake.take(found).await?;
        Ok(page)
    }

    /// Reads a STIX document behind a URL, if it has changed.
    ///
    /// # Errors
    /// What failed.
    pub(super) async fn pull_json(
        &mut self,
        url: &str,
        access: &FeedAccess,
    ) -> Result<(), Failure> {
        let _alone = self.whole_file().await?;
        let Some(answer) = self
            .changed(
                url,
                access,
                "application/stix+json, application/json;q=0.9, */*;q=0.1",
            )
            .await?
        else {
            return Ok(());
        };
        let body = answer.body;
        let parsed = blocking(move || parse(&plain(body)?)).await?;
        take(&mut self.intake, "the document", parsed).await
    }

    /// Reads a table behind a URL, if it has changed.
    ///
    /// # Errors
    /// What failed.
    pub(super) async fn pull_csv(
        &mut self,
        url: &str,
        mapping: &str,
        access: &FeedAccess,
    ) -> Result<(), Failure> {
        let _alone = self.whole_file().await?;
        let mapping = Mapping::parse(mapping).map_err(Failure::of)?;
        let renews = mapping.valid_days.is_some();
        if renews {
            // What is still listed must be renewed though the table has not changed.
            self.state.cursor.etag = None;
            self.state.cursor.last_modified = None;
        }
        let accept = "text/csv, text/plain;q=0.9, */*;q=0.1";
        let Some(answer) = self.changed(url, access, accept).await? else {
            return Ok(());
        };
        let body = answer.body;
        let bytes = blocking(move || plain(body)).await?;
        let since = Timestamp::from_unix_micros(self.state.added);
        table::take(&mut self.intake, mapping, bytes, since).await
    }

    /// The body behind a URL; `None`: it has not changed. What the server calls it is remembered
    /// once the run has succeeded.
    async fn changed(
        &mut self,
        url: &str,
        access: &FeedAccess,
        accept: &'static str,
    ) -> Result<Option<Answer>, Failure> {
        let (client, url) = spec::client(self.node, url, access)?;
        let cursor = self.state.cursor.clone();
        let mut ask = Ask::get(url, accept, FILE_BYTES_MAX);
        if let Some(etag) = &cursor.etag {
            ask.headers.push((IF_NONE_MATCH, etag));
        }
        if let Some(date) = &cursor.last_modified {
            ask.headers.push((IF_MODIFIED_SINCE, date));
        }
        let answer = client.ask(ask).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if matches!(
            answer.kind().as_str(),
            "text/html" | "application/xhtml+xml"
        ) {
            return Err(Failure::of(
                "the server answered with a page for people (HTML); check the URL and what is in between",
            ));
        }
        let short = |name: &str| {
            let value = answer.header(name)?;
            (value.len() <= 200).then(|| value.to_owned())
        };
        self.validators = Some((short("etag"), short("last-modified")));
        Ok(Some(answer))
    }
}

type Found = Vec<(String, Object)>;
type RefusedBytes = Vec<(String, Vec<u8>, Refusal)>;

fn page(
    body: &[u8],
    first: Option<Micros>,
    last: Option<Micros>,
) -> Result<(Page, Found, RefusedBytes, bool), Failure> {
    // OpenTAXII and others answer with nothing at all where there are no objects.
    let envelope: Envelope<'_> = if body.iter().all(u8::is_ascii_whitespace) {
        Envelope::default()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Failure::of(format!(
                "the page cannot be read: {}",
                said(&error.to_string())
            ))
        })?
    };
    let raw = envelope.objects.as_deref().unwrap_or_default();
    let mut digest = Sha256::new();
    let (mut found, mut refused, mut mended) = (Vec::new(), Vec::new(), false);
    for (index, one) in raw.iter().enumerate() {
        let bytes = one.get().as_bytes();
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
        let place = match last {
            Some(last) => format!(
                "object {index} of the page up to {}",
                Timestamp::from_unix_micros(last)
            ),
            None => format!("object {index} of a page"),
        };
        match Object::parse(bytes) {
            Ok(object) => found.push((place, object)),
            Err(refusal) => match mend(one, &refusal) {
                Some(object) => {
                    mended = true;
                    found.push((place, object));
                }
                None => refused.push((place, bytes.to_vec(), refusal)),
            },
        }
    }
    let mut short = [0; 16];
    short.copy_from_slice(&digest.finalize()[..16]);
    let page = Page {
        more: envelope.more.unwrap_or(false),
        next: envelope.next(),
        first,
        last,
        objects: raw.len(),
        digest: short,
    };
    Ok((page, found, refused, mended))
}

/// OpenTAXII 0.9.3 gives the type as `spec_version`. Only that member is changed.
fn mend(raw: &RawValue, refusal: &Refusal) -> Option<Object> {
    if refusal.pointer != "/spec_version" {
        return None;
    }
    // The refusal came after all JSON was checked, so no member is there twice.
    let mut members: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).ok()?;
    if members.get("spec_version")?.get() != members.get("type")?.get() {
        return None;
    }
    let version: &RawValue = serde_json::from_str("\"2.1\"").ok()?;
    members.insert("spec_version".into(), version);
    Object::parse(&serde_json::to_vec(&members).ok()?).ok()
}

/// What a whole document holds.
pub(super) struct Parsed {
    found: Vec<(usize, Object)>,
    refused: Vec<(usize, Refusal)>,
}

/// The bytes, unpacked if they are packed.
///
/// # Errors
/// When there are too many, or they are damaged.
pub(super) fn plain(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let plain = if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let reader = zstd::stream::read::Decoder::new(&*bytes)
            .map_err(|error| FetchError::Broken(error.to_string()))?;
        bounded(reader, FILE_BYTES_MAX)?
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        bounded(flate2::read::MultiGzDecoder::new(&*bytes), FILE_BYTES_MAX)?
    } else {
        bytes
    };
    Ok(plain)
}

/// Reads a STIX document whole: if it is broken anywhere, nothing of it counts.
///
/// # Errors
/// What is broken.
pub(super) fn parse(plain: &[u8]) -> Result<Parsed, Failure> {
    if plain.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::of("it is empty"));
    }
    let mut parsed = Parsed {
        found: Vec::new(),
        refused: Vec::new(),
    };
    model::bundle(plain, |index, object| match object {
        Ok(object) => parsed.found.push((index, object)),
        Err(refusal) => parsed.refused.push((index, refusal)),
    })
    .map_err(|refusal| {
        Failure::of(format!(
            "it is no STIX document: {} (at {})",
            said(&refusal.reason.to_string()),
            said(&refusal.pointer)
        ))
    })?;
    Ok(parsed)
}

/// Takes a whole document in.
///
/// # Errors
/// What the store said.
pub(super) async fn take(
    intake: &mut Intake<'_>,
    place: &str,
    parsed: Parsed,
) -> Result<(), Failure> {
    for (index, refusal) in parsed.refused {
        let reason = refusal.reason.to_string();
        let hash = Hash::of(format!("{place} {index} {} {reason}", refusal.pointer).as_bytes());
        let place = format!("{place}, object {index}, at {}", said(&refusal.pointer));
        intake.refuse(&place, None, &hash, reason);
    }
    let found = parsed
        .found
        .into_iter()
        .map(|(index, object)| (format!("{place}, object {index}"), object))
        .collect();
    intake.take(found).await?;
    Ok(())
}

#[cfg(test)]
#[path = "pull/tests.rs"]
mod tests;
