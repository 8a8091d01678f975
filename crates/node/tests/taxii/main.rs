//! The TAXII surface as a client meets it: requests into the router, a real store behind it.
//!
//! Each file is one behaviour: `surface` (who is answered, and where), `reading`, `versions`,
//! `writing`, `removing`, `traps` (the list in docs/taxii.md names tests that there are), `labels` (only what may be read), `coding` (compression and tags), `paging`
//! (nothing lost or repeated while a writer works), `hostile` (nothing breaks) and `client`
//! (unmodified client libraries from PyPI over a real connection).

mod client;
mod coding;
mod hostile;
mod kept;
mod labels;
mod paging;
mod reading;
mod removing;
mod surface;
mod traps;
mod versions;
mod writing;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use kurultai_node::admin::types::TokenRequest;
use kurultai_node::auth::{Auth, Caller, Proof, Scope, UserChange};
use kurultai_node::taxii::{Host, Kept, Listing, NotRemoved};
use kurultai_node::{Clock, Validation};
use model::{Label, Object};
use policy::Duty;
use serde_json::Value;
use store::{
    Change, Collection, Command, LogName, Options, Outcome, Record, Reply, Seq, Store, StoreError,
};
use tower::ServiceExt;

/// The media type of TAXII 2.1.
const TAXII: &str = "application/taxii+json;version=2.1";

/// The channel that every world has.
const CHANNEL: &str = "/taxii2/kurultai/collections/steppe.cyber";
/// The national collection.
const NATIONAL: &str = "/taxii2/kurultai/collections/national";

/// A store with a TAXII surface, and one user of each kind.
struct World {
    router: Router,
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    reader: String,
    writer: String,
    operator: String,
    _dir: Option<tempfile::TempDir>,
}

struct TestHost {
    store: Store,
    clock: Clock,
    collections: Arc<[Listing]>,
    validation: Validation,
}

impl Host for TestHost {
    fn read_by(&self, _user: &str, _collection: &str) {}

    fn denied(&self, _user: Option<&str>, _status: u16, _tried: &str) {}

    fn title(&self) -> String {
        "Kurultai of Kazakhstan".into()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn now(&self) -> Seq {
        self.clock.micros()
    }

    fn collections(&self) -> Arc<[Listing]> {
        self.collections.clone()
    }

    fn validation(&self) -> Validation {
        self.validation
    }

    fn add(
        &self,
        objects: Vec<Object>,
        _by: &str,
    ) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let store = self.store.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || add(&store, objects))
                .await
                .unwrap()
        })
    }

    fn remove(
        &self,
        records: Vec<Record>,
        _by: &str,
    ) -> BoxFuture<'static, Result<(), NotRemoved>> {
        let store = self.store.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || remove(&store, records))
                .await
                .unwrap()
        })
    }
}

/// Removes objects from the national collection.
fn remove(store: &Store, records: Vec<Record>) -> Result<(), NotRemoved> {
    let objects = records.into_iter().map(|record| (record.id, record.hash));
    let objects = objects.collect();
    match store.execute(Command::Remove { objects }) {
        Ok(_) => Ok(()),
        Err(StoreError::Logged { id, log }) => Err(NotRemoved::Kept(Kept::logged(id, &log, "KZ"))),
        Err(error) => Err(NotRemoved::Store(error)),
    }
}

/// Adds objects to the national collection.
fn add(store: &Store, objects: Vec<Object>) -> Result<Vec<Outcome>, StoreError> {
    match store.execute(Command::Add {
        objects,
        label: label(),
        into: Collection::National,
    })? {
        Reply::Added(outcomes) => Ok(outcomes),
        other => panic!("{other:?}"),
    }
}

fn label() -> Label {
    Label::parse("TLP:GREEN//REL KZ,KG").unwrap()
}

/// A clock that moves on by a millisecond at every look.
fn ticking() -> Clock {
    let now = AtomicI64::new(1_795_000_000_000_000);
    Clock::from_fn(move || now.fetch_add(1000, Ordering::Relaxed))
}

impl World {
    /// A new store and its surface.
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::open(dir.path(), ticking());
        world._dir = Some(dir);
        for (name, duties) in [
            ("reader", &[][..]),
            ("writer", &[Duty::Analyst]),
            ("operator", &[Duty::Analyst, Duty::Operator]),
        ] {
            world.user(name, duties, &[]);
        }
        world.reader = world.token("reader");
        world.writer = world.token("writer");
        world.operator = world.token("operator");
        world
    }

    /// The surface of the store in `dir`.
    fn open(dir: &Path, clock: Clock) -> World {
        let store = Store::open(dir, Options::new(clock.as_fn())).unwrap();
        let auth = Arc::new(Auth::new(
            store.clone(),
            clock.clone(),
            &[7; 32],
            Arc::new(|_| Ok(())),
        ));
        let router = router(&store, &clock, &auth, Validation::Off);
        let (reader, writer, operator) = Default::default();
        World {
            router,
            store,
            auth,
            clock,
            reader,
            writer,
            operator,
            _dir: None,
        }
    }

    /// The same store under a surface that has just started.
    fn restarted(&self) -> Router {
        router(&self.store, &self.clock, &self.auth, Validation::Off)
    }

    /// The same store under a surface that holds objects up to the standard.
    fn strict(&self) -> Router {
        router(&self.store, &self.clock, &self.auth, Validation::Strict)
    }

    fn user(&self, name: &str, duties: &[Duty], collections: &[&str]) {
        let collections = collections.iter().map(|name| (*name).into()).collect();
        let change = UserChange {
            password: Some("correct horse".into()),
            duties: Some(duties.iter().copied().collect()),
            collections: Some(collections),
            ..UserChange::default()
        };
        self.auth
            .put_user(&Caller::socket(), name, &change)
            .unwrap();
    }

    /// A reader who is cleared up to this level, by a token.
    fn cleared(&self, level: model::Tlp) -> String {
        let name = format!("reader-{}", level as u8);
        self.user(&name, &[], &[]);
        let change = UserChange {
            clearance: Some(level),
            ..UserChange::default()
        };
        let socket = Caller::socket();
        self.auth.put_user(&socket, &name, &change).unwrap();
        self.token(&name)
    }

    fn token(&self, name: &str) -> String {
        // As the person, who alone can make a token of every duty they have.
        let person = self.auth.caller(name, Proof::Passkey).unwrap();
        let duties = person.duties.clone();
        let all = Scope::ALL.into_iter();
        let held = all.filter(|scope| scope.is_open_to(&duties));
        let request = TokenRequest {
            scopes: Some(held.collect()),
            ..TokenRequest::default()
        };
        self.auth
            .issue_token(&person, name, &request)
            .unwrap()
            .token
    }

    /// A GET by the reader.
    async fn get(&self, path: &str) -> Answer {
        self.get_as(&self.reader, path).await
    }

    async fn get_as(&self, token: &str, path: &str) -> Answer {
        call(
            &self.router,
            request("GET", path, token).body(Body::empty()).unwrap(),
        )
        .await
    }

    /// A POST of an envelope by the writer.
    async fn post(&self, envelope: impl Into<Body>) -> Answer {
        self.post_as(&self.writer, NATIONAL, envelope).await
    }

    async fn post_as(&self, token: &str, collection: &str, envelope: impl Into<Body>) -> Answer {
        let request =
            request("POST", &format!("{collection}/objects/"), token).header("content-type", TAXII);
        call(&self.router, request.body(envelope.into()).unwrap()).await
    }

    /// Adds objects and gives their positions.
    fn add(&self, objects: &[String]) -> Vec<Seq> {
        let objects = objects
            .iter()
            .map(|text| Object::parse(text.as_bytes()).unwrap())
            .collect();
        let position = |outcome| match outcome {
            Outcome::Added(seq) => seq,
            other => panic!("{other:?}"),
        };
        add(&self.store, objects)
            .unwrap()
            .into_iter()
            .map(position)
            .collect()
    }

    /// Releases objects, given by their positions, into the channel.
    fn release(&self, positions: &[Seq]) {
        self.append(log::Action::Release, positions);
    }

    /// Takes them back out of it.
    fn withdraw(&self, positions: &[Seq]) {
        self.append(log::Action::Withdraw, positions);
    }

    fn append(&self, action: log::Action, positions: &[Seq]) {
        let query = store::Query {
            all_versions: true,
            limit: usize::MAX / 2,
            ..store::Query::default()
        };
        let records = self
            .store
            .page(&Collection::National, &query)
            .unwrap()
            .records;
        let change = |seq: &Seq| {
            let record = records.iter().find(|record| record.object == *seq).unwrap();
            let entry = log::Entry {
                action,
                hash: record.hash.0,
                id: record.id.to_string(),
                modified: record.version.map(|version| version.to_string()),
                kind: record.id.type_name().into(),
                label: label().to_string(),
                attribution: "KZ".into(),
                salt: [7; 16],
                time: "2026-11-24T06:00:00.000Z".into(),
            };
            Change {
                entry,
                object: (action == log::Action::Release).then_some(*seq),
            }
        };
        let command = Command::Append {
            log: LogName::new("steppe", "cyber", "KZ"),
            changes: positions.iter().map(change).collect(),
            signer: Arc::new(|size, root| format!("kz.example/steppe/cyber\n{size}\n{root}\n")),
        };
        self.store.execute(command).unwrap();
    }
}

fn router(store: &Store, clock: &Clock, auth: &Arc<Auth>, validation: Validation) -> Router {
    let collections = [
        Listing::national("Kazakhstan", "What this member holds."),
        Listing::channel("steppe", "cyber", "Cyber", "Shared by all."),
    ];
    let host = TestHost {
        store: store.clone(),
        clock: clock.clone(),
        collections: Arc::new(collections),
        validation,
    };
    kurultai_node::taxii::router(Arc::new(host), auth.clone()).unwrap()
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some(TAXII));
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body of an answer of this status.
    #[track_caller]
    fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let json = self.json();
        if status >= 400 {
            assert_eq!(json["http_status"], status.to_string());
            assert!(
                json["title"].is_string()
                    && json["description"].is_string()
                    && json["error_id"].is_string(),
                "{json}"
            );
        }
        json
    }

    /// The ids of the objects of a page.
    #[track_caller]
    fn ids(&self) -> Vec<String> {
        let page = self.expect(200);
        let objects = page["objects"].as_array().cloned().unwrap_or_default();
        objects
            .iter()
            .map(|object| object["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn request(method: &str, path: &str, token: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("accept", TAXII)
        .header("authorization", format!("Bearer {token}"))
}

async fn call(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// The id of the indicator of this number.
fn id(number: usize) -> String {
    format!("indicator--{number:08x}-0000-4000-8000-000000000000")
}

/// An indicator; `version` counts seconds of its `modified`.
fn indicator(number: usize, version: u32) -> String {
    named(number, version, "An indicator")
}

/// An indicator of this name, in canonical form.
fn named(number: usize, version: u32, name: &str) -> String {
    format!(
        r#"{{"created":"2026-01-01T00:00:00.000Z","id":"{}","modified":"2026-01-01T00:00:{version:02}.000Z","name":"{name}","pattern":"[ipv4-addr:value = '192.0.2.1']","pattern_type":"stix","spec_version":"2.1","type":"indicator","valid_from":"2026-01-01T00:00:00Z"}}"#,
        id(number)
    )
}

/// An IPv4 address: an object without any time.
fn address(number: u8) -> String {
    format!(
        r#"{{"id":"ipv4-addr--{number:08x}-0000-5000-8000-000000000000","spec_version":"2.1","type":"ipv4-addr","value":"192.0.2.{number}"}}"#
    )
}

/// An envelope of these objects.
fn envelope(objects: &[String]) -> String {
    format!(r#"{{"objects":[{}]}}"#, objects.join(","))
}
