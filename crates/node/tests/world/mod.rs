//! Whole nodes on loopback in one process: made, joined by an accord, driven through their admin
//! API and their real sockets, stopped and started again. Nothing here waits for a span of time:
//! every wait is for an event, under one generous deadline that only a broken build reaches.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod disk;

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode};
use node::admin::types::{
    AddReport, EnrolRequest, InviteReply, ReleaseReport, ReleaseRequest, Selection, Status,
    UserInfo,
};
use node::serve::{ADMIN_SOCKET, Listeners};
use node::{Clock, Config, Node};
use policy::{Accord, Attribution, Channel, Kinds, Member, Obligations, SignedAccord};
use serde::de::DeserializeOwned;
use store::{Collection, LogName, Options, Query, Record};
use sync::https::Peer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// Reached only when something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How long [`Running::until`] rests without an event before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) const ACCORD: &str = "steppe";

/// The password of everybody that [`Running::person`] makes.
pub(crate) const PERSON_PASSWORD: &str = "five blue horses graze";

/// One member's node, serving or not.
pub(crate) struct Running {
    pub(crate) code: String,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) node: Arc<Node>,
    pub(crate) members: SocketAddr,
    pub(crate) national: SocketAddr,
    task: Option<JoinHandle<Result<(), node::NodeError>>>,
}

/// A node that has keys and sockets but does not serve yet.
pub(crate) struct Prepared {
    pub(crate) member: Member,
    code: String,
    folder: Arc<TempDir>,
    listeners: Listeners,
}

/// A clock that is ahead of the system's by what `ahead` says in microseconds.
fn ahead_by(ahead: Arc<AtomicI64>) -> Clock {
    Clock::from_fn(move || {
        Clock::system().micros() + ahead.load(std::sync::atomic::Ordering::Relaxed)
    })
}

pub(crate) fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let waited = tokio::time::timeout(DEADLINE, future);
    async move { waited.await.expect("the event came before the deadline") }
}

/// What the admin API of a node answers: status, content type and body.
pub(crate) async fn answered(
    node: &Arc<Node>,
    request: Request<Body>,
) -> (StatusCode, String, Vec<u8>) {
    let router = node::admin::router(Arc::clone(node));
    let response = within(router.oneshot(request)).await.expect("infallible");
    let status = response.status();
    let kind = response
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().expect("ascii").to_owned());
    let body = response.into_body().collect().await.expect("body");
    (status, kind.unwrap_or_default(), body.to_bytes().to_vec())
}

/// KZ, KG and UZ, running, with these channels in force.
pub(crate) async fn three(channels: Vec<Channel>) -> [Running; 3] {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let note = ratified(&[&kz, &kg, &uz], channels);
    let (kz, kg, uz) = tokio::join!(
        kz.start(Some(&note)),
        kg.start(Some(&note)),
        uz.start(Some(&note))
    );
    [kz, kg, uz]
}

/// Makes a node; `extra` goes to the end of its configuration.
pub(crate) async fn prepare(code: &str, extra: &str) -> Prepared {
    let folder = Arc::new(tempfile::tempdir().expect("temporary folder"));
    let members = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let national = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let domain = format!("{}.example", code.to_lowercase());
    let text = Config::template(
        code,
        code,
        &domain,
        &members.local_addr().expect("address").to_string(),
        &national.local_addr().expect("address").to_string(),
    );
    // Quiet polls: what arrives quickly in these tests was woken.
    let text = format!("{text}\n[limits]\npoll_secs = 3600\n{extra}");
    let member = node::init(&data(&folder), &text).expect("init");
    let admin = UnixListener::bind(data(&folder).join(ADMIN_SOCKET)).expect("socket");
    Prepared {
        member,
        code: code.to_owned(),
        folder,
        listeners: Listeners {
            members,
            national,
            admin,
        },
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

impl Prepared {
    /// Where the node's data is. The folder goes when this does, unless it is kept here.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Opens and serves the node, with an accord installed and ratified first.
    pub(crate) async fn start(self, accord: Option<&str>) -> Running {
        self.start_with(accord, |options| options).await
    }

    /// The same, by a clock that is ahead of the system's by what `ahead` says in microseconds.
    pub(crate) async fn start_at(self, accord: Option<&str>, ahead: Arc<AtomicI64>) -> Running {
        let config = Config::load(&data(&self.folder)).expect("config");
        let node = Node::open(config, ahead_by(ahead)).expect("open");
        if let Some(note) = accord {
            node.offer_accord(note.as_bytes().to_vec(), true, "test")
                .await
                .expect("the accord is installed");
        }
        Running::serve(self.code, self.folder, node, self.listeners)
    }

    /// The same, with changed options of the store.
    pub(crate) async fn start_with(
        self,
        accord: Option<&str>,
        change: impl FnOnce(Options) -> Options,
    ) -> Running {
        let config = Config::load(&data(&self.folder)).expect("config");
        let node = Node::open_with(config, Clock::system(), change).expect("open");
        if let Some(note) = accord {
            node.offer_accord(note.as_bytes().to_vec(), true, "test")
                .await
                .expect("the accord is installed");
        }
        Running::serve(self.code, self.folder, node, self.listeners)
    }
}

impl Running {
    fn serve(code: String, folder: Arc<TempDir>, node: Arc<Node>, listeners: Listeners) -> Running {
        let members = listeners.members.local_addr().expect("address");
        let national = listeners.national.local_addr().expect("address");
        let task = tokio::spawn(node::serve::run(Arc::clone(&node), listeners));
        Running {
            code,
            folder,
            node,
            members,
            national,
            task: Some(task),
        }
    }

    /// Stops the node in order and starts it anew from its folder.
    pub(crate) async fn restart(self) -> Running {
        self.restart_after(|_| ()).await
    }

    /// The same, by a clock that is ahead of the system's, see [`Prepared::start_at`].
    pub(crate) async fn restart_at(self, ahead: Arc<AtomicI64>) -> Running {
        self.restart_by(ahead_by(ahead), |_| ()).await
    }

    /// The same, with something done to the data folder in between.
    pub(crate) async fn restart_after(self, meanwhile: impl FnOnce(&Path)) -> Running {
        self.restart_by(Clock::system(), meanwhile).await
    }

    async fn restart_by(mut self, clock: Clock, meanwhile: impl FnOnce(&Path)) -> Running {
        let (code, folder) = (self.code.clone(), Arc::clone(&self.folder));
        self.node.shut_down();
        let task = self.task.take().expect("serving");
        within(task)
            .await
            .expect("no panic")
            .expect("an orderly end");
        drop(self);
        meanwhile(&data(&folder));
        let config = Config::load(&data(&folder)).expect("config");
        // Connections of partners end on their own, and hold the node until they have.
        let opened = async {
            loop {
                match Node::open(config.clone(), clock.clone()) {
                    Err(node::NodeError::Store(store::StoreError::Locked { .. })) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    opened => return opened,
                }
            }
        };
        let node = within(opened).await.expect("the folder opens again");
        let listeners = Listeners::bind(node.config())
            .await
            .expect("the ports are free again");
        Running::serve(code, folder, node, listeners)
    }

    /// One request to the admin API; answers with status, content type and body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, String, Vec<u8>) {
        let request = Request::builder().method(method).uri(path);
        answered(&self.node, request.body(body.into()).expect("request")).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, _, body) = self.ask(Method::GET, path, Body::empty()).await;
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).expect("the answer's type")
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> T {
        let (status, _, body) = self
            .ask(Method::POST, path, serde_json::to_vec(body).expect("json"))
            .await;
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).expect("the answer's type")
    }

    pub(crate) async fn status(&self) -> Status {
        self.get("/status").await
    }

    /// Adds a bundle under a label.
    pub(crate) async fn add(&self, bundle: &str, label: &str) -> AddReport {
        let path = format!(
            "/objects?label={}",
            label
                .replace('/', "%2F")
                .replace(' ', "%20")
                .replace('+', "%2B")
        );
        let (status, _, body) = self.ask(Method::POST, &path, bundle.to_owned()).await;
        assert!(
            status.is_success(),
            "{status} {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).expect("report")
    }

    pub(crate) async fn release(&self, channel: &str, ids: &[&str]) -> ReleaseReport {
        let selection = Selection {
            ids: ids.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        };
        let request = ReleaseRequest {
            channel: channel.into(),
            selection,
            who: "aida".into(),
            explain: false,
        };
        self.post("/release", &request).await
    }

    /// The records that a collection shows, every version.
    pub(crate) async fn shown(&self, collection: &Collection) -> Vec<Record> {
        let collection = collection.clone();
        let read = self.node.read(move |store| {
            let mut records = Vec::new();
            let mut query = Query {
                all_versions: true,
                limit: 1000,
                ..Query::default()
            };
            loop {
                let page = store.page(&collection, &query)?;
                query.after = page.records.last().map(|record| record.seq);
                records.extend(page.records);
                if !page.more {
                    return Ok(records);
                }
            }
        });
        read.await.expect("pages")
    }

    /// Waits until the channel shows exactly these ids (each once).
    pub(crate) async fn until_shown(&self, channel: &str, ids: &[&str]) {
        let wanted: BTreeSet<&str> = ids.iter().copied().collect();
        let collection = collection(channel);
        self.until(async || {
            let records = self.shown(&collection).await;
            records
                .iter()
                .map(|record| record.id.as_str().to_owned())
                .collect::<BTreeSet<_>>()
                == wanted.iter().map(|id| (*id).to_owned()).collect()
        })
        .await;
    }

    /// Waits until a condition holds, looking again after each event of the store, and
    /// now and then without one: what a listener or a task does is no event of the store.
    pub(crate) async fn until(&self, condition: impl AsyncFn() -> bool) {
        let mut events = self.node.events();
        within(async {
            while !condition().await {
                // Lagging means that there is news, too.
                drop(tokio::time::timeout(LOOK_AGAIN, events.recv()).await);
            }
        })
        .await;
    }

    /// The origin's log as this node holds it.
    pub(crate) async fn held(&self, channel: &str, origin: &str) -> Option<store::Head> {
        let (accord, channel) = channel.split_once('/').expect("full name");
        let log = LogName::new(accord, channel, origin);
        self.node
            .read(move |store| store.head(&log))
            .await
            .expect("head")
    }

    /// This node as another one's partner reaches it.
    pub(crate) fn peer_of(&self, other: &Running) -> Peer {
        let me = other.node.me();
        Peer::new(self.node.keys().tls(), &me.url, me.tls).expect("peer")
    }

    /// Makes a user; answers with the Authorization header's value.
    pub(crate) async fn user(&self, name: &str) -> String {
        use base64::Engine;
        let request = serde_json::json!({"name": name, "password": "correct horse battery", "duties": ["analyst"]});
        let _: UserInfo = self.post("/users", &request).await;
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD
                .encode(format!("{name}:correct horse battery"))
        )
    }

    /// Makes a person with these duties, who enrols with a password of their own; answers with the
    /// Authorization header's value.
    pub(crate) async fn person(&self, name: &str, duties: &[&str]) -> String {
        use base64::Engine;
        let path = format!("/users/{name}/invite");
        let request = serde_json::json!({"duties": duties});
        let invited: InviteReply = self.post(&path, &request).await;
        let enrol = EnrolRequest {
            name: name.into(),
            code: invited.code,
            password: PERSON_PASSWORD.into(),
        };
        let body = serde_json::to_vec(&enrol).expect("json");
        let (status, _, body) = self.ask(Method::POST, "/auth/enrol", body).await;
        assert!(
            status.is_success(),
            "{status} {}",
            String::from_utf8_lossy(&body)
        );
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(format!("{name}:{PERSON_PASSWORD}"))
        )
    }

    /// As [`Running::ask`], in the name of whoever this Authorization header proves.
    pub(crate) async fn ask_as(
        &self,
        authorization: &str,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", authorization)
            .body(body.into())
            .expect("request");
        let (status, _, body) = answered(&self.node, request).await;
        (status, body)
    }

    /// One plain HTTP request to the national port.
    pub(crate) async fn national(&self, path: &str, authorization: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(self.national).await.expect("connect");
        let authorization = authorization
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json;version=2.1\r\n{authorization}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.expect("read");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("status line");
        (status, answer)
    }
}

pub(crate) fn collection(channel: &str) -> Collection {
    let (accord, channel) = channel.split_once('/').expect("full name");
    Collection::Channel {
        accord: accord.into(),
        channel: channel.into(),
    }
}

/// A channel among these members, of every kind, up to TLP:AMBER.
pub(crate) fn channel(name: &str, members: &[&str]) -> Channel {
    Channel {
        name: name.into(),
        title: format!("The {name} channel"),
        members: members.iter().map(ToString::to_string).collect(),
        kinds: Kinds::Any,
        ceiling: model::Tlp::Amber,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    }
}

/// The accord of these members with these channels, not ratified by anybody.
pub(crate) fn accord(members: &[&Member], channels: Vec<Channel>) -> SignedAccord {
    let accord = Accord {
        name: ACCORD.into(),
        version: 1,
        previous: None,
        members: members.iter().map(|member| (*member).clone()).collect(),
        groups: Vec::new(),
        channels,
        obligations: Obligations::default(),
    };
    SignedAccord::new(accord).expect("a well-formed accord")
}

/// The accord ratified by every prepared node.
pub(crate) fn ratified(nodes: &[&Prepared], channels: Vec<Channel>) -> String {
    let members: Vec<&Member> = nodes.iter().map(|node| &node.member).collect();
    ratified_text(nodes, accord(&members, channels).accord().clone())
}

/// The same for an accord of one's own making.
pub(crate) fn ratified_text(nodes: &[&Prepared], accord: Accord) -> String {
    let mut signed = SignedAccord::new(accord).expect("a well-formed accord");
    for node in nodes {
        let config = Config::load(&data(&node.folder)).expect("config");
        let keys = node::keys::Keys::load(&config).expect("keys");
        signed
            .ratify(keys.root().expect("root key"))
            .expect("ratified");
    }
    signed.to_string()
}

/// An indicator whose UUID ends in `number`.
pub(crate) fn indicator_id(number: u32) -> String {
    format!("indicator--00000000-0000-4000-8000-{number:012}")
}

pub(crate) fn indicator(number: u32, extra: &str) -> String {
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"phishing host {number}","pattern":"[domain-name:value = 'mail-{number}.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"{extra}}}"#,
        indicator_id(number)
    )
}

pub(crate) fn bundle(objects: &[String]) -> String {
    format!(
        r#"{{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[{}]}}"#,
        objects.join(",")
    )
}
