//! A TAXII 2.1 client as `demo` and `bench` need it: whole collections as raw bytes.
//!
//! It stands where a national tool stands and knows nothing of the node but its URL. Objects are
//! kept as the bytes that were served, so that hashes of two nodes' answers can be compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::admin::escape;
use crate::exit::Failure;
use crate::http::{Answer, Http};

/// TAXII's media type.
pub(crate) const MEDIA: &str = "application/taxii+json;version=2.1";

/// A connection to the TAXII server of a node.
pub(crate) struct Taxii {
    http: Http,
    root: String,
}

/// One served object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Served {
    /// Its id.
    pub(crate) id: String,
    /// Its version, where it has one.
    pub(crate) modified: Option<String>,
    /// SHA-256 of the bytes that were served, in hex.
    pub(crate) hash: String,
}

/// One page of objects.
#[derive(Debug)]
pub(crate) struct Page {
    /// The whole answer.
    pub(crate) body: Bytes,
    /// Where the next page starts.
    pub(crate) next: Option<String>,
    /// TAXII's `date_added` of the last object.
    pub(crate) last: Option<String>,
}

#[derive(Deserialize)]
struct Discovery {
    default: Option<String>,
    #[serde(default)]
    api_roots: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    more: bool,
    next: Option<String>,
    #[serde(default, borrow)]
    objects: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    modified: Option<String>,
}

/// Basic credentials as the value of an Authorization header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl Taxii {
    /// Connects to the server at `authority` and finds its API root.
    pub(crate) async fn connect(authority: &str, authorization: String) -> Result<Taxii, Failure> {
        let mut http = Http::tcp(authority).await?.authorize(authorization);
        let answer = expect(authority, 200, http.get("/taxii2/", MEDIA).await?)?;
        let discovery: Discovery = read(authority, &answer.body)?;
        let root = discovery
            .default
            .or_else(|| discovery.api_roots.into_iter().next())
            .ok_or_else(|| {
                Failure::unavailable(format!(
                    "{authority} names no TAXII API root; check that a kurultai node runs there"
                ))
            })?;
        // The root may be given as a URL or as a path.
        let path = match root.split_once("://") {
            Some((_, rest)) => rest
                .split_once('/')
                .map_or(String::new(), |(_, path)| format!("/{path}")),
            None => root,
        };
        Ok(Taxii {
            http,
            root: path.trim_end_matches('/').to_owned(),
        })
    }

    /// Connects to an API root whose path is known.
    pub(crate) async fn at_root(
        authority: &str,
        root: &str,
        authorization: String,
    ) -> Result<Taxii, Failure> {
        Ok(Taxii {
            http: Http::tcp(authority).await?.authorize(authorization),
            root: root.trim_end_matches('/').to_owned(),
        })
    }

    /// The path of a collection's resource.
    pub(crate) fn path(&self, collection: &str, resource: &str) -> String {
        format!(
            "{}/collections/{}/{resource}",
            self.root,
            escape(collection)
        )
    }

    /// One page of a collection; `query` is appended as it is.
    pub(crate) async fn page(&mut self, collection: &str, query: &str) -> Result<Page, Failure> {
        self.get(collection, &format!("objects/?{query}")).await
    }

    /// The envelope at a path below a collection, which is asked for as it is.
    pub(crate) async fn get(&mut self, collection: &str, path: &str) -> Result<Page, Failure> {
        let path = self.path(collection, path);
        let answer = expect(&path, 200, self.http.get(&path, MEDIA).await?)?;
        let last = answer
            .headers
            .get("x-taxii-date-added-last")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let next = next_of(&path, &answer.body)?;
        Ok(Page {
            body: answer.body,
            next,
            last,
        })
    }

    /// Every object of a collection, each version.
    pub(crate) async fn everything(&mut self, collection: &str) -> Result<Vec<Served>, Failure> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = "limit=1000&match[version]=all".to_owned();
            if let Some(next) = &next {
                query.push_str(&format!("&next={}", escape(next)));
            }
            let page = self.page(collection, &query).await?;
            all.extend(page.served(collection)?);
            match page.next {
                Some(more) => next = Some(more),
                None => return Ok(all),
            }
        }
    }

    /// The object of this id as the collection serves it, or `None` where it is not there.
    pub(crate) async fn object(
        &mut self,
        collection: &str,
        id: &str,
    ) -> Result<Option<Served>, Failure> {
        let path = self.path(collection, &format!("objects/{}/", escape(id)));
        let answer = self.http.get(&path, MEDIA).await?;
        match answer.status.as_u16() {
            404 => Ok(None),
            200 => Ok(Page {
                body: answer.body,
                next: None,
                last: None,
            }
            .served(collection)?
            .into_iter()
            .next()),
            _ => Err(unexpected(&path, &answer)),
        }
    }

    /// The status code that a GET of `resource` of a collection gets.
    pub(crate) async fn status_of(
        &mut self,
        collection: &str,
        resource: &str,
    ) -> Result<u16, Failure> {
        let path = self.path(collection, resource);
        Ok(self.http.get(&path, MEDIA).await?.status.as_u16())
    }

    /// Adds an envelope to a collection. Success is 202, and means durable.
    pub(crate) async fn add(
        &mut self,
        collection: &str,
        envelope: Bytes,
    ) -> Result<Bytes, Failure> {
        let path = self.path(collection, "objects/");
        let headers = [("accept", MEDIA), ("content-type", MEDIA)];
        let answer = self
            .http
            .send(Method::POST, &path, &headers, envelope)
            .await?;
        Ok(expect(&path, 202, answer)?.body)
    }
}

impl Page {
    /// The objects of the page.
    pub(crate) fn served(&self, name: &str) -> Result<Vec<Served>, Failure> {
        let envelope: Envelope<'_> = read(name, &self.body)?;
        envelope
            .objects
            .into_iter()
            .map(|object| {
                let text = object.get();
                let named: Named = read(name, text.as_bytes())?;
                Ok(Served {
                    id: named.id,
                    modified: named.modified,
                    hash: model::Hash::of(text.as_bytes()).to_string(),
                })
            })
            .collect()
    }
}

/// The page's `next`, looked for without reading the objects: our nodes write it before them, and
/// where it is not there the whole envelope is read.
fn next_of(path: &str, body: &[u8]) -> Result<Option<String>, Failure> {
    let head = body.split(|byte| *byte == b'[').next().unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    if let Some(bare) = head.trim_end().strip_suffix("\"objects\":") {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            more: bool,
            next: Option<String>,
        }
        let closed = format!("{}}}", bare.trim_end().trim_end_matches(','));
        if let Ok(head) = serde_json::from_str::<Head>(&closed)
            && head.more
            && head.next.is_some()
        {
            return Ok(head.next);
        }
    }
    let envelope: Envelope<'_> = read(path, body)?;
    Ok(envelope.next.filter(|_| envelope.more))
}

fn expect(path: &str, wanted: u16, answer: Answer) -> Result<Answer, Failure> {
    if answer.status.as_u16() == wanted {
        Ok(answer)
    } else {
        Err(unexpected(path, &answer))
    }
}

fn unexpected(path: &str, answer: &Answer) -> Failure {
    let text: String = String::from_utf8_lossy(&answer.body)
        .chars()
        .take(300)
        .collect();
    Failure::unavailable(format!(
        "{path} was answered with {}: {text}; look at the node's log",
        answer.status
    ))
}

fn read<'a, T: Deserialize<'a>>(name: &str, body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::unavailable(format!(
            "the answer of {name} is not TAXII ({error}); look at the node's log"
        ))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Page, next_of};

    #[test]
    fn next_is_found_before_and_behind_the_objects() {
        for body in [
            &br#"{"more":true,"next":"a[b","objects":[{"id":"x--1","next":"no"}]}"#[..],
            br#"{"objects":[{"id":"x--1","next":"no"}],"more":true,"next":"a[b"}"#,
            br#"{"more":true,"next":"a[b"}"#,
        ] {
            assert_eq!(
                next_of("p", body).unwrap().as_deref(),
                Some("a[b"),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        assert_eq!(
            next_of("p", br#"{"more":false,"objects":[]}"#).unwrap(),
            None
        );
        assert_eq!(next_of("p", b"{}").unwrap(), None);
    }

    #[test]
    fn hashes_are_of_the_served_bytes() {
        let page = Page {
            body: Bytes::from_static(br#"{"objects":[{"id":"x--1","b":1}]}"#),
            next: None,
            last: None,
        };
        let served = page.served("c").unwrap();
        assert_eq!(
            served[0].hash,
            model::Hash::of(br#"{"id":"x--1","b":1}"#).to_string()
        );
    }
}
