//! An outside TAXII 2.1 server: which collection is meant, and what its answers say.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::fetch::{Answer, Ask, Client, FetchError};
use super::limits::{COLLECTIONS_MAX, ROOTS_MAX, SMALL_BYTES_MAX};
use super::said;
use super::state::Failure;

/// The media type of TAXII 2.1.
pub(super) const TAXII: &str = "application/taxii+json;version=2.1";

/// A collection of an outside server.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// The API root, with a slash at its end.
    pub(super) root: Url,
    /// The collection, with a slash at its end.
    pub(super) collection: Url,
    /// The most bytes of one request, if the server says so.
    pub(super) max_content_length: Option<u64>,
}

/// Discovery, API root, collection or list of collections: whichever the URL is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    default: Option<String>,
    api_roots: Option<Vec<String>>,
    versions: Option<serde_json::Value>,
    max_content_length: Option<u64>,
    #[serde(flatten)]
    collection: Listed,
    collections: Option<Vec<Listed>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    id: Option<String>,
    title: Option<String>,
    alias: Option<String>,
    can_read: Option<bool>,
    can_write: Option<bool>,
}

/// What is to be done with a collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Read,
    Write,
}

impl Listed {
    fn serves(&self, need: Need) -> bool {
        let may = match need {
            Need::Read => self.can_read,
            Need::Write => self.can_write,
        };
        may.unwrap_or(false)
    }

    fn is(&self, wanted: &str) -> bool {
        [&self.id, &self.alias, &self.title]
            .into_iter()
            .flatten()
            .any(|name| name.eq_ignore_ascii_case(wanted))
    }

    fn name(&self) -> String {
        let id = self.id.as_deref().unwrap_or("?");
        match &self.title {
            Some(title) => format!("{} ({})", said(title), said(id)),
            None => said(id),
        }
    }
}

/// Finds the collection that is meant.
///
/// # Errors
/// Why none is found, with those that are there.
pub(super) async fn resolve(
    client: &Client,
    url: &Url,
    wanted: Option<&str>,
    need: Need,
) -> Result<Remote, Failure> {
    let url = folder(url.clone());
    let document: Document = get(client, &url).await?;
    if let Some(roots) = &document.api_roots {
        let first = document.default.iter();
        let mut all: Vec<Url> = Vec::new();
        for text in first.chain(roots).take(ROOTS_MAX) {
            let root = url.join(text).map_err(|_| {
                Failure::of(format!(
                    "the server names an API root that is no URL: {:?}",
                    said(text)
                ))
            })?;
            let root = folder(root);
            if !all.contains(&root) {
                all.push(root);
            }
        }
        let mut found = Vec::new();
        let mut failed = None;
        for root in all {
            match in_root(client, &root, None).await {
                Ok(some) => found.extend(some),
                // One root of several may be closed to us.
                Err(failure) => failed = Some(failure),
            }
        }
        return match choose(found, wanted, need) {
            Err(why) => Err(failed.unwrap_or(why)),
            chosen => chosen,
        };
    }
    if document.collection.can_read.is_some() || document.collection.can_write.is_some() {
        let root = url
            .join("../../")
            .map_err(|_| Failure::of("the URL is no collection"))?;
        // How much a request may hold is said by the root; a server that hides it still takes them.
        let about: Document = get(client, &root).await.unwrap_or_default();
        let found = (root, about.max_content_length, url, document.collection);
        return choose(vec![found], wanted, need);
    }
    if document.versions.is_some() || document.max_content_length.is_some() {
        let found = in_root(client, &url, Some(document)).await?;
        return choose(found, wanted, need);
    }
    Err(Failure::of(
        "the URL is neither discovery nor an API root nor a collection of a TAXII 2.1 server; check it",
    ))
}

type Found = (Url, Option<u64>, Url, Listed);

async fn in_root(
    client: &Client,
    root: &Url,
    about: Option<Document>,
) -> Result<Vec<Found>, Failure> {
    let about = match about {
        Some(about) => about,
        None => get(client, root).await?,
    };
    let list = root
        .join("collections/")
        .map_err(|_| Failure::of("the API root is no URL"))?;
    let document: Document = get(client, &list).await?;
    let listed = document.collections.unwrap_or_default();
    let mut found = Vec::new();
    for one in listed.into_iter().take(COLLECTIONS_MAX) {
        let Some(id) = one.id.clone().filter(|id| is_segment(id)) else {
            continue;
        };
        if let Ok(url) = list.join(&format!("{id}/")) {
            found.push((root.clone(), about.max_content_length, url, one));
        }
    }
    Ok(found)
}

/// Whether a name can be part of a path without leading elsewhere.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn choose(found: Vec<Found>, wanted: Option<&str>, need: Need) -> Result<Remote, Failure> {
    let what = match need {
        Need::Read => "read",
        Need::Write => "written",
    };
    let names = |found: &[Found]| {
        let names: Vec<String> = found.iter().take(10).map(|one| one.3.name()).collect();
        names.join(", ")
    };
    let mut fit: Vec<Found> = found
        .iter()
        .filter(|one| wanted.is_none_or(|wanted| one.3.is(wanted)))
        .cloned()
        .collect();
    if fit.is_empty() {
        return Err(Failure::of(match wanted {
            Some(wanted) if !found.is_empty() => format!(
                "the server shows no collection {:?}; it shows {}",
                said(wanted),
                names(&found)
            ),
            _ => "the server shows this node no collection; check the URL and the rights there"
                .into(),
        }));
    }
    fit.retain(|one| one.3.serves(need));
    match fit.len() {
        0 => Err(Failure::of(format!(
            "the collection may not be {what} by this node; ask the server's operator for that right"
        ))),
        1 => {
            let (root, max_content_length, collection, _) = fit.remove(0);
            Ok(Remote {
                root,
                collection,
                max_content_length,
            })
        }
        _ => Err(Failure::of(format!(
            "several collections may be {what}; name one by its id: {}",
            names(&fit)
        ))),
    }
}

/// The same URL with a slash at the end of its path.
fn folder(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

async fn get<T: for<'de> Deserialize<'de>>(client: &Client, url: &Url) -> Result<T, Failure> {
    let answer = client
        .ask(Ask::get(url.clone(), TAXII, SMALL_BYTES_MAX))
        .await?;
    read(&answer)
}

/// Reads a TAXII document.
///
/// # Errors
/// When the answer is none.
pub(super) fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Failure> {
    is_taxii(answer)?;
    serde_json::from_slice(&answer.body).map_err(|error| {
        Failure::of(format!(
            "the answer cannot be read: {}",
            said(&error.to_string())
        ))
    })
}

/// Refuses what is no TAXII by its media type: proxies and portals answer in HTML.
pub(super) fn is_taxii(answer: &Answer) -> Result<(), Failure> {
    let kind = answer.kind();
    if matches!(
        kind.as_str(),
        "application/taxii+json" | "application/json" | "application/stix+json"
    ) || kind.starts_with("application/vnd.oasis.")
    {
        return Ok(());
    }
    Err(Failure::of(format!(
        "the server answered with {}, which is no TAXII; check the URL and what is in between",
        if kind.is_empty() {
            "no media type".into()
        } else {
            said(&kind)
        }
    )))
}

/// A page of objects, each as it was sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(default)]
    pub(super) more: Option<bool>,
    #[serde(default)]
    pub(super) next: Option<serde_json::Value>,
    #[serde(default, borrow)]
    pub(super) objects: Option<Vec<&'a RawValue>>,
}

impl Envelope<'_> {
    /// Where the server is to go on.
    pub(super) fn next(&self) -> Option<String> {
        match self.next.as_ref()? {
            serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// What a server says about a request that wrote.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcome {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) failures: Vec<Detail>,
    pub(super) pendings: Vec<Detail>,
    pub(super) failure_count: u64,
    pub(super) pending_count: u64,
}

/// One object of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) message: String,
}

/// Whether the server no longer knows where a reader was.
pub(super) fn forgot(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Status { status, .. } if matches!(
            *status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY
        )
    )
}
