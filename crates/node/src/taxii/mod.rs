//! TAXII 2.1 (OASIS Standard, 10 June 2021) for national tools: collections are the member's own
//! objects (`national`) and the channels that the member takes part in.
//!
//! | path | methods |
//! |---|---|
//! | `/taxii2/` | GET: discovery |
//! | `/taxii2/kurultai/` | GET: the only API root |
//! | `/taxii2/kurultai/status/{id}/` | GET |
//! | `/taxii2/kurultai/collections/` | GET |
//! | `/taxii2/kurultai/collections/{id or alias}/` | GET |
//! | `…/manifest/` | GET |
//! | `…/objects/` | GET, POST (`national` only) |
//! | `…/objects/{object id}/` | GET, DELETE (`national` only, unreleased objects) |
//! | `…/objects/{object id}/versions/` | GET |
//!
//! HEAD works wherever GET does; the trailing slash may be left out. Reading is `read`, adding is
//! `write`; this file says who is answered at all and by which of the two.
//!
//! INVARIANT (I4, I6 as seen from here): every byte of an object in an answer comes from the one
//! collection that the path names, at the time of the request, and the caller may see that
//! collection. Collections that the caller may not see do not exist for it.

mod address;
mod coding;
mod cursor;
mod fault;
mod limits;
mod listing;
mod media;
mod pick;
mod query;
mod read;
mod remove;
mod reply;
mod shelf;
mod status;
mod tag;
mod upload;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::future::BoxFuture;
use model::{Id, Object};
use serde::Serialize;
use store::{Command, Outcome, Record, Seq, Store, StoreError};
use tokio::sync::Semaphore;

use crate::auth::{Auth, Caller, Source, secret};
use crate::intake::Validation;
pub use address::OverTls;
use coding::Coding;
use cursor::Cursors;
use fault::Fault;
use limits::{CHOSEN_PAGES_AT_ONCE, CONTENT_BYTES_MAX, PAGES_AT_ONCE};
pub use listing::Listing;
use media::TAXII;
use query::{Versions, Wanted};
pub use remove::{Kept, NotRemoved, Stays};
use shelf::Shelf;
use status::Statuses;
use upload::Uploads;

/// The only API root, as discovery names it.
pub const API_ROOT: &str = "/taxii2/kurultai/";

/// Where the key of cursors and status ids is kept.
const SECRET: &str = "secret/taxii";

/// What TAXII needs of the node behind it.
pub trait Host: Send + Sync + 'static {
    /// What clients are told that they reached.
    fn title(&self) -> String;

    /// The origin (scheme, host, port) under which clients reach this surface, if it is configured.
    fn origin(&self) -> Option<String> {
        None
    }

    /// Where objects are read.
    fn store(&self) -> &Store;

    /// The node's clock.
    fn now(&self) -> Seq;

    /// Every collection, in an order that does not change while the accords do not.
    fn collections(&self) -> Arc<[Listing]>;

    /// Takes objects into the national collection under the node's intake label. The answer comes
    /// when they are durable, one outcome an object.
    fn add(
        &self,
        objects: Vec<Object>,
        by: &str,
    ) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>>;

    /// How much of STIX 2.1 added objects are held to.
    fn validation(&self) -> Validation {
        Validation::Off
    }

    /// Takes records out of the national collection again, all of them or none. The answer comes
    /// when that is durable and accounted for.
    fn remove(&self, records: Vec<Record>, by: &str) -> BoxFuture<'static, Result<(), NotRemoved>>;

    /// Counts a page of a collection that a user was answered with, for the node's accounts.
    fn read_by(&self, user: &str, collection: &str);

    /// Counts a request that a user (absent: somebody who proved nothing) was denied.
    fn denied(&self, user: Option<&str>, status: u16, tried: &str);
}

/// The TAXII surface under `/taxii2/`. Blocks: it reads, and the first time makes, the key that
/// cursors are sealed with.
///
/// # Errors
/// When the store cannot be read or written.
pub fn router(host: Arc<dyn Host>, auth: Arc<Auth>) -> Result<Router, StoreError> {
    let key = key(host.store())?;
    let api = Api {
        cursors: Cursors::new(key),
        statuses: Statuses::load(host.store().clone(), key)?,
        uploads: Uploads::new(),
        pages: Arc::new(Semaphore::new(PAGES_AT_ONCE)),
        chosen: Arc::new(Semaphore::new(CHOSEN_PAGES_AT_ONCE)),
        shelf: Shelf::default(),
        host,
        auth,
    };
    let api = Arc::new(api);
    let routes = ["/taxii2", "/taxii2/", "/taxii2/{*rest}"];
    Ok(routes
        .into_iter()
        .fold(Router::new(), |router, path| {
            router.route(path, any(answer))
        })
        .with_state(api))
}

/// The state behind every request.
struct Api {
    host: Arc<dyn Host>,
    auth: Arc<Auth>,
    cursors: Cursors,
    statuses: Arc<Statuses>,
    uploads: Uploads,
    pages: Arc<Semaphore>,
    /// Of those, pages of chosen versions of whole collections.
    chosen: Arc<Semaphore>,
    shelf: Shelf,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Resource<'a> {
    Discovery,
    Root,
    Status(&'a str),
    Collections,
    Collection(&'a str),
    Manifest(&'a str),
    Objects(&'a str),
    Object(&'a str, &'a str),
    Versions(&'a str, &'a str),
}

impl<'a> Resource<'a> {
    /// The resource of a path below `/taxii2`, cut at its slashes.
    fn find(path: &[&'a str]) -> Option<Resource<'a>> {
        let path = path.strip_suffix(&[""]).unwrap_or(path);
        let Some((root, rest)) = path.split_first() else {
            return Some(Resource::Discovery);
        };
        if *root != "kurultai" {
            return None;
        }
        Some(match rest {
            [] => Resource::Root,
            ["status", id] => Resource::Status(id),
            ["collections"] => Resource::Collections,
            ["collections", id] => Resource::Collection(id),
            ["collections", id, "manifest"] => Resource::Manifest(id),
            ["collections", id, "objects"] => Resource::Objects(id),
            ["collections", id, "objects", object] => Resource::Object(id, object),
            ["collections", id, "objects", object, "versions"] => Resource::Versions(id, object),
            _ => return None,
        })
    }

    /// The methods that the resource knows.
    fn methods(&self) -> &'static str {
        match self {
            Resource::Objects(_) => "GET, HEAD, POST",
            Resource::Object(..) => "GET, HEAD, DELETE",
            _ => "GET, HEAD",
        }
    }
}

/// The discovery resource (section 4.1.1).
#[derive(Serialize)]
struct Discovery {
    title: String,
    default: String,
    api_roots: [String; 1],
}

/// The API root resource (section 4.2.1).
#[derive(Serialize)]
struct Root {
    title: String,
    versions: [&'static str; 1],
    max_content_length: usize,
}

/// The collections resource (section 5.1.1).
#[derive(Serialize)]
struct Collections<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    collections: Vec<listing::Resource<'a>>,
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    api.answer(&parts, body)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

impl Api {
    async fn answer(self: &Arc<Self>, parts: &Parts, body: Body) -> Result<Response, Fault> {
        let source = parts.extensions.get::<Source>();
        let source = source.cloned().unwrap_or_else(Source::local);
        // Who asks comes first, so that a stranger cannot tell paths, types or methods apart.
        let caller = match (
            parts.headers.get(header::AUTHORIZATION),
            parts.extensions.get::<Arc<Caller>>(),
        ) {
            // Proved by the connection itself, with a client certificate.
            (None, Some(caller)) => Ok(Arc::clone(caller)),
            (header, _) => self.auth.authenticate(header, &source).await,
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => {
                let tried = format!("{} taxii2", parts.method);
                self.host.denied(None, 401, &tried);
                return Err(error.into());
            }
        };
        let answer = self.answer_to(&caller, parts, body).await;
        if let Err(fault) = &answer
            && matches!(
                fault.status(),
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
            )
        {
            let tried = format!("{} {}", parts.method, parts.uri.path());
            let status = fault.status().as_u16();
            self.host.denied(Some(&caller.name), status, &tried);
        }
        answer
    }

    /// The answer to somebody who is known.
    async fn answer_to(
        self: &Arc<Self>,
        caller: &Caller,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Fault> {
        let path = parts.uri.path().strip_prefix("/taxii2").unwrap_or_default();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path: Option<Vec<String>> = path.split('/').map(query::percent_decode).collect();
        let path = path.ok_or_else(|| Fault::missing("resource"))?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let resource = Resource::find(&path).ok_or_else(|| Fault::missing("resource"))?;
        media::accepted(&parts.headers)?;
        match (&parts.method, &resource) {
            (&Method::GET | &Method::HEAD, _) => self.read(caller, resource, parts).await,
            (&Method::POST, Resource::Objects(collection)) => {
                let listing = self.listing(caller, collection)?;
                if let Some(reason) = listing.closed_to(caller) {
                    return Err(Fault::forbidden(reason));
                }
                write::add(self, caller, &parts.headers, body).await
            }
            (&Method::DELETE, Resource::Object(collection, object)) => {
                let listing = self.listing(caller, collection)?;
                if let Some(reason) = listing.keeps(caller) {
                    return Err(Fault::forbidden(reason));
                }
                let wanted = self.wanted(caller, &listing, parts.uri.query(), Versions::All)?;
                let id = Id::parse(object).map_err(|_| Fault::missing("object"))?;
                remove::remove(self, caller, listing, id, wanted).await
            }
            _ => Err(Fault::method(resource.methods())),
        }
    }

    async fn read(
        self: &Arc<Self>,
        caller: &Caller,
        resource: Resource<'_>,
        parts: &Parts,
    ) -> Result<Response, Fault> {
        let shape = match resource {
            Resource::Discovery => {
                let root = address::api_root(parts, self.host.origin().as_deref());
                let discovery = Discovery {
                    title: self.host.title(),
                    default: root.clone(),
                    api_roots: [root],
                };
                return Ok(reply::json(StatusCode::OK, &discovery));
            }
            Resource::Root => {
                let root = Root {
                    title: self.host.title(),
                    versions: [TAXII],
                    max_content_length: CONTENT_BYTES_MAX,
                };
                return Ok(reply::json(StatusCode::OK, &root));
            }
            Resource::Status(id) => return self.statuses.show(caller, id).await,
            Resource::Collections => {
                let listings = self.host.collections();
                let seen = listings
                    .iter()
                    .filter(|listing| caller.sees(listing.name()));
                let collections = Collections {
                    collections: seen.map(|listing| listing.resource(caller)).collect(),
                };
                return Ok(reply::json(StatusCode::OK, &collections));
            }
            Resource::Collection(id) => {
                let listing = self.listing(caller, id)?;
                return Ok(reply::json(StatusCode::OK, &listing.resource(caller)));
            }
            Resource::Manifest(id) => (id, None, read::Shape::Manifest),
            Resource::Objects(id) => (id, None, read::Shape::Envelope),
            Resource::Object(id, object) => (id, Some(object), read::Shape::Envelope),
            Resource::Versions(id, object) => (id, Some(object), read::Shape::Versions),
        };
        let (collection, object, shape) = shape;
        let listing = self.listing(caller, collection)?;
        if !caller.reads() {
            return Err(Fault::forbidden(
                "Your token may not read: make one with the scope read.",
            ));
        }
        let asked = read::Asked {
            wanted: self.wanted(caller, &listing, parts.uri.query(), Versions::Last)?,
            coding: Coding::wanted(&parts.headers),
            headers: parts.headers.clone(),
        };
        let object = object
            .map(|text| Id::parse(text).map_err(|_| Fault::missing("object")))
            .transpose()?;
        let name = listing.name().to_owned();
        let page = read::page(self, listing, object, shape, asked).await?;
        self.host.read_by(&caller.name, &name);
        Ok(page)
    }

    /// What a query asks for, as far as the caller may read.
    fn wanted(
        &self,
        caller: &Caller,
        listing: &Listing,
        query: Option<&str>,
        versions: Versions,
    ) -> Result<Wanted, Fault> {
        let mut wanted = Wanted::parse(query, versions, listing.id().as_bytes(), &self.cursors)?;
        wanted.clearance = caller.clearance;
        Ok(wanted)
    }

    /// The collection that a path names, if this caller may know of it.
    fn listing(&self, caller: &Caller, segment: &str) -> Result<Listing, Fault> {
        let listings = self.host.collections();
        let named = listings.iter().find(|listing| listing.answers_to(segment));
        named
            .filter(|listing| caller.sees(listing.name()))
            .cloned()
            .ok_or_else(|| Fault::missing("collection"))
    }
}

/// The key of this node's cursors and status ids, made when there is none.
fn key(store: &Store) -> Result<secret::Key, StoreError> {
    if let Some(held) = store.get(SECRET)? {
        return held.try_into().map_err(|_| StoreError::Corrupt {
            place: format!("The setting {SECRET}"),
            problem: "it does not have 32 bytes".into(),
        });
    }
    let key: secret::Key = secret::random();
    store.execute(Command::Put {
        key: SECRET.into(),
        value: Some(key.to_vec()),
    })?;
    Ok(key)
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Fault::ours(cause.to_string()))?
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_has_the_resources_and_methods_and_no_others() {
        let document = crate::openapi::document();
        let paths = document["paths"].as_object().expect("paths");
        let mut found = BTreeSet::new();
        for (path, item) in paths {
            let Some(path) = path.strip_prefix("/taxii2/") else {
                continue;
            };
            let segments: Vec<&str> = path.split('/').collect();
            let resource = Resource::find(&segments).expect("a resource");
            let mut described: Vec<String> = item
                .as_object()
                .expect("a path")
                .keys()
                .map(|method| method.to_ascii_uppercase())
                .collect();
            described.sort_unstable();
            let mut methods: Vec<&str> = resource.methods().split(", ").collect();
            methods.retain(|method| *method != "HEAD");
            methods.sort_unstable();
            assert_eq!(described, methods, "{path}");
            found.insert(match resource {
                Resource::Discovery => 0,
                Resource::Root => 1,
                Resource::Status(_) => 2,
                Resource::Collections => 3,
                Resource::Collection(_) => 4,
                Resource::Manifest(_) => 5,
                Resource::Objects(_) => 6,
                Resource::Object(..) => 7,
                Resource::Versions(..) => 8,
            });
        }
        assert_eq!(found.len(), 9, "each resource is described");
    }
}
