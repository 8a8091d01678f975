//! What the tests share: an accord of three, origins made by hand or by a real store, a source that
//! can be tampered with, and a receiver.
#![allow(dead_code, unreachable_pub)] // each test file uses its own part

pub mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kurultai_sync as sync;
use log::note::{KeyKind, SigningKey};
use log::tile::{Kind, TILE_WIDTH, TilePath};
use log::{Action, Checkpoint, Entry, merkle};
use model::{Object, Timestamp};
use policy::{
    Accord, Attribution, Channel, Kinds, Member, Obligations, Role, SignedAccord, Transfer,
};
use store::{Change, Collection, Command, LogName, Options, Outcome, Query, Reply, Store};
use sync::{Clock, FetchError, Progress, PullError, Source, View, pull};

/// 2026-11-24T05:00:00Z.
pub const NOW: i64 = 1_795_496_400;

/// A clock that moves on by a microsecond at each look.
pub fn micros() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    let now = AtomicI64::new(NOW * 1_000_000);
    Arc::new(move || now.fetch_add(1, Ordering::Relaxed))
}

pub fn clock() -> Clock {
    let micros = micros();
    Arc::new(move || Timestamp::from_unix_micros(micros()))
}

pub fn key(code: &str, role: Role) -> SigningKey {
    let kind = match role {
        Role::Root | Role::Log => KeyKind::Ed25519,
        Role::LogPq => KeyKind::MlDsa44,
        Role::Witness => KeyKind::CosignatureV1,
    };
    let domain = format!("{}.example", code.to_lowercase());
    let seed = model::Hash::of(format!("{code} {}", role.word()).as_bytes()).0;
    SigningKey::from_seed(kind, &role.key_name(&domain), seed).expect("a test key")
}

/// KG's second cosigning key.
pub fn witness_pq() -> SigningKey {
    SigningKey::from_seed(KeyKind::CosignatureMlDsa44, "kg.example/witness", [9; 32])
        .expect("a test key")
}

fn member(code: &str) -> Member {
    let domain = format!("{}.example", code.to_lowercase());
    Member {
        code: code.to_owned(),
        name: format!("Member {code}"),
        url: format!("https://{domain}:7443"),
        domain,
        root: key(code, Role::Root).verifier().clone(),
        log: key(code, Role::Log).verifier().clone(),
        log_pq: (code == "KZ").then(|| key(code, Role::LogPq).verifier().clone()),
        witness: key(code, Role::Witness).verifier().clone(),
        tls: model::Hash::of(format!("{code} tls").as_bytes()).0,
    }
}

fn channel(name: &str, members: &[&str], exercise: bool) -> Channel {
    Channel {
        name: name.to_owned(),
        title: name.to_owned(),
        members: members.iter().map(|code| (*code).to_owned()).collect(),
        kinds: Kinds::Only(BTreeSet::from(
            ["indicator", "identity", "marking-definition"].map(str::to_owned),
        )),
        ceiling: model::Tlp::Amber,
        exercise,
        retention_days: Some(3650),
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    }
}

/// KZ, KG and UZ; `alerts` and `drill` for all, `pair` for the first two. UZ has not ratified.
pub fn accord() -> Arc<SignedAccord> {
    let all = ["KZ", "KG", "UZ"];
    let draft = Accord {
        name: "steppe".to_owned(),
        version: 1,
        previous: None,
        members: all.iter().map(|code| member(code)).collect(),
        groups: Vec::new(),
        channels: vec![
            channel("alerts", &all, false),
            channel("drill", &all, true),
            channel("pair", &all[..2], false),
        ],
        obligations: Obligations {
            retention_days: None,
            third_party: Transfer::Never,
            purposes: BTreeSet::new(),
            non_attribution: false,
        },
    };
    let mut signed = SignedAccord::new(draft).expect("a good draft");
    for code in ["KZ", "KG"] {
        signed.ratify(&key(code, Role::Root)).expect("its root key");
    }
    Arc::new(signed)
}

pub const LABEL: &str = "TLP:GREEN//REL KG,KZ,UZ";

pub fn json(n: u64, text: &str) -> String {
    format!(
        r#"{{"created":"2026-01-01T00:00:00.000Z","id":"indicator--00000000-0000-4000-8000-{n:012x}","modified":"2026-01-01T00:00:00.000Z","name":"{text}","pattern":"[ipv4-addr:value = '198.51.100.{}']","pattern_type":"stix","spec_version":"2.1","type":"indicator","valid_from":"2026-01-01T00:00:00Z"}}"#,
        n % 256
    )
}

pub fn indicator(n: u64) -> Object {
    let object = Object::parse(json(n, &format!("number {n}")).as_bytes()).expect("a good object");
    assert_eq!(
        object.bytes(),
        json(n, &format!("number {n}")).as_bytes(),
        "written canonically"
    );
    object
}

pub fn entry(object: &Object, action: Action, label: &str) -> Entry {
    Entry {
        action,
        hash: object.hash().0,
        id: object.id().to_string(),
        modified: object.modified().map(|time| time.to_string()),
        kind: object.kind().to_owned(),
        label: label.to_owned(),
        attribution: "KZ".to_owned(),
        salt: [7; 16],
        time: "2026-11-01T00:00:00.000Z".to_owned(),
    }
}

type Signed = BTreeMap<(String, u64, log::Hash), String>;

/// A checkpoint signed with both log keys of KZ. Remembered, because signing is slow in a debug
/// build and tests ask for the same ones over and over.
pub fn sign(channel: &str, size: u64, root: log::Hash) -> String {
    static SIGNED: Mutex<Signed> = Mutex::new(BTreeMap::new());
    let mut signed = SIGNED.lock().expect("unpoisoned");
    let statement = (channel.to_owned(), size, root);
    signed
        .entry(statement)
        .or_insert_with(|| sign_now(channel, size, root))
        .clone()
}

fn sign_now(channel: &str, size: u64, root: log::Hash) -> String {
    let keys = accord()
        .log_keys("KZ", channel)
        .expect("KZ has the channel");
    let ed = key("KZ", Role::Log).renamed(&keys.origin).expect("a name");
    let pq = key("KZ", Role::LogPq)
        .renamed(&keys.origin)
        .expect("a name");
    Checkpoint::new(&keys.origin, size, root)
        .and_then(|checkpoint| Ok(checkpoint.sign(&[&ed, &pq])?))
        .expect("a good checkpoint")
}

/// Serves a log's resources by path.
pub trait Serve: Send + Sync {
    fn serve(&self, path: &str) -> Option<Vec<u8>>;
}

/// KZ's log of a channel, put together record by record, so that it can hold anything.
#[derive(Clone)]
pub struct Handmade {
    pub channel: &'static str,
    pub entries: Vec<Vec<u8>>,
    pub bodies: Vec<Vec<u8>>,
}

impl Handmade {
    pub fn new(channel: &'static str) -> Handmade {
        Handmade {
            channel,
            entries: Vec::new(),
            bodies: Vec::new(),
        }
    }

    /// Indicators `0..size`.
    pub fn of(size: u64) -> Handmade {
        let mut log = Handmade::new("alerts");
        log.grow(size);
        log
    }

    /// Goes on with indicators up to `size`.
    pub fn grow(&mut self, size: u64) {
        for n in self.size()..size {
            self.release(&indicator(n), LABEL);
        }
    }

    pub fn release(&mut self, object: &Object, label: &str) {
        self.push(&entry(object, Action::Release, label), object.bytes());
    }

    pub fn push(&mut self, entry: &Entry, body: &[u8]) {
        self.entries.push(entry.encode().expect("a good entry"));
        self.bodies.push(body.to_vec());
    }

    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn leaves(&self, size: u64) -> Vec<log::Hash> {
        self.entries[..size as usize]
            .iter()
            .map(|entry| merkle::leaf_hash(entry))
            .collect()
    }

    pub fn root(&self, size: u64) -> log::Hash {
        merkle::root_of(&self.leaves(size))
    }

    /// The signed checkpoint of the first `size` entries.
    pub fn checkpoint(&self, size: u64) -> String {
        sign(self.channel, size, self.root(size))
    }
}

impl Serve for Handmade {
    fn serve(&self, path: &str) -> Option<Vec<u8>> {
        if path == "checkpoint" {
            return Some(self.checkpoint(self.size()).into_bytes());
        }
        let (path, skip) = match path.split_once("?skip=") {
            Some((path, skip)) => (path, skip.parse().ok()?),
            None => (path, 0),
        };
        let path = TilePath::parse(path).ok()?;
        let start = (path.index * TILE_WIDTH) as usize;
        let range = start..start + usize::from(path.width);
        fn slices(records: &[Vec<u8>]) -> Vec<&[u8]> {
            records.iter().map(Vec::as_slice).collect()
        }
        match path.kind {
            Kind::Entries => Some(log::entries::encode(&slices(self.entries.get(range)?))),
            Kind::Objects => {
                let mut bodies = slices(self.bodies.get(range)?);
                bodies[..skip].fill(&[]);
                Some(log::bodies::encode(&bodies))
            }
            Kind::Hashes(level) => {
                let mut row = self.leaves(self.size());
                for _ in 0..level {
                    row = row.chunks_exact(256).map(merkle::root_of).collect();
                }
                Some(row.get(range)?.iter().flat_map(|hash| hash.0).collect())
            }
        }
    }
}

/// KZ's node: a real store that releases into `alerts`.
pub struct Origin {
    pub store: Store,
    pub log: LogName,
    _dir: tempfile::TempDir,
}

impl Origin {
    pub fn new() -> Origin {
        let (store, dir) = open();
        Origin {
            store,
            log: LogName::new("steppe", "alerts", "KZ"),
            _dir: dir,
        }
    }

    pub fn append(&self, objects: &[Object], action: Action) {
        let label = model::Label::parse(LABEL).expect("a label");
        let add = Command::Add {
            objects: objects.to_vec(),
            label,
            into: Collection::National,
        };
        let Ok(Reply::Added(outcomes)) = self.store.execute(add) else {
            panic!("not added")
        };
        let changes = objects
            .iter()
            .zip(outcomes)
            .map(|(object, outcome)| match outcome {
                Outcome::Added(seq) | Outcome::Duplicate(seq) => Change {
                    entry: entry(object, action, LABEL),
                    object: Some(seq),
                },
                other => panic!("{other:?}"),
            });
        let append = Command::Append {
            log: self.log.clone(),
            changes: changes.collect(),
            signer: Arc::new(|size, root| sign("alerts", size, root)),
        };
        self.store.execute(append).expect("appended");
    }

    pub fn release(&self, numbers: std::ops::Range<u64>) {
        let objects: Vec<Object> = numbers.map(indicator).collect();
        self.append(&objects, Action::Release);
    }
}

impl Serve for Origin {
    fn serve(&self, path: &str) -> Option<Vec<u8>> {
        if path == "checkpoint" {
            return self
                .store
                .checkpoint(&self.log)
                .expect("readable")
                .map(String::into_bytes);
        }
        let (path, skip) = match path.split_once("?skip=") {
            Some((path, skip)) => (path, skip.parse().ok()?),
            None => (path, 0),
        };
        let path = TilePath::parse(path).ok()?;
        match path.kind {
            Kind::Objects => self.store.objects(&self.log, path.index, path.width, skip),
            _ => self.store.tile(&self.log, &path),
        }
        .expect("readable")
    }
}

type Tamper = Box<dyn Fn(&str, Vec<u8>) -> Result<Vec<u8>, FetchError> + Send + Sync>;

/// What stands between a receiver and an origin.
pub struct Wire {
    serve: Box<dyn Serve>,
    tamper: Tamper,
    pub requests: Mutex<Vec<String>>,
    pub cosigned: Mutex<Vec<String>>,
}

impl Wire {
    pub fn honest(serve: impl Serve + 'static) -> Wire {
        Wire::tampered(serve, |_, bytes| Ok(bytes))
    }

    pub fn tampered(
        serve: impl Serve + 'static,
        tamper: impl Fn(&str, Vec<u8>) -> Result<Vec<u8>, FetchError> + Send + Sync + 'static,
    ) -> Wire {
        Wire {
            serve: Box::new(serve),
            tamper: Box::new(tamper),
            requests: Mutex::default(),
            cosigned: Mutex::default(),
        }
    }

    /// Puts `bytes` in the place of one resource.
    pub fn replaced(serve: impl Serve + 'static, path: &str, bytes: Vec<u8>) -> Wire {
        let path = path.to_owned();
        Wire::tampered(serve, move |asked, honest| {
            Ok(if asked == path { bytes.clone() } else { honest })
        })
    }
}

impl Source for Wire {
    async fn fetch(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        self.requests
            .lock()
            .expect("unpoisoned")
            .push(path.to_owned());
        let bytes = self.serve.serve(path).ok_or(FetchError::NotFound)?;
        let bytes = (self.tamper)(path, bytes)?;
        if bytes.len() > limit {
            return Err(FetchError::TooLarge { limit });
        }
        Ok(bytes.into())
    }

    async fn cosign(&self, lines: String) -> Result<(), FetchError> {
        self.cosigned.lock().expect("unpoisoned").push(lines);
        Ok(())
    }
}

/// KG's node, which pulls KZ's log.
pub struct Receiver {
    pub store: Store,
    pub view: View,
    _dir: tempfile::TempDir,
}

/// Everything of a receiver that a pull can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub size: u64,
    pub root: log::Hash,
    pub refused: Option<String>,
    /// What the channel shows: entry position and hash.
    pub shown: BTreeMap<u64, model::Hash>,
    pub evidence: usize,
}

impl Receiver {
    pub fn new() -> Receiver {
        Receiver::of("alerts")
    }

    pub fn of(channel: &str) -> Receiver {
        let (store, dir) = open();
        let cosigners = vec![key("KG", Role::Witness), witness_pq()];
        let view = View::new(accord(), channel, "KZ", cosigners).expect("in force");
        Receiver {
            store,
            view,
            _dir: dir,
        }
    }

    pub async fn pull(&self, source: &Wire) -> Result<Progress, PullError> {
        pull(source, &self.store, &self.view, &clock()).await
    }

    pub async fn pulled(&self, serve: impl Serve + 'static) -> Progress {
        self.pull(&Wire::honest(serve))
            .await
            .expect("an honest log is pulled")
    }

    pub fn state(&self) -> State {
        let log = self.view.log();
        let head = self.store.head(log).expect("readable");
        let query = Query {
            all_versions: true,
            limit: 1_000,
            ..Query::default()
        };
        let mut shown = BTreeMap::new();
        let mut after = None;
        loop {
            let query = Query {
                after,
                ..query.clone()
            };
            let page = self
                .store
                .page(&log.collection(), &query)
                .expect("readable");
            let bodies = self.store.bodies(&page.records).expect("readable");
            for (record, body) in page.records.iter().zip(bodies) {
                assert_eq!(
                    model::Hash::of(&body),
                    record.hash,
                    "shown as it was verified"
                );
                let entry = record.entry.expect("it came by an entry");
                assert!(shown.insert(entry, record.hash).is_none(), "shown once");
            }
            after = page.records.last().map(|record| record.seq);
            if !page.more {
                break;
            }
        }
        State {
            size: head.as_ref().map_or(0, |head| head.size),
            root: head.as_ref().map_or(merkle::empty_root(), |head| head.root),
            refused: head.and_then(|head| head.refused),
            shown,
            evidence: self.store.evidence().expect("readable").len(),
        }
    }

    /// That what is held is the honest log's first part and nothing else.
    pub fn assert_prefix_of(&self, honest: &Handmade) -> State {
        let state = self.state();
        assert_eq!(
            state.root,
            honest.root(state.size),
            "a prefix of the honest log"
        );
        assert_eq!(state.refused, None);
        for (entry, hash) in &state.shown {
            assert!(*entry < state.size);
            assert_eq!(*hash, model::Hash::of(&honest.bodies[*entry as usize]));
        }
        state
    }

    /// The same node after its index was made anew from the journal.
    pub fn rebuilt(self) -> Receiver {
        let Receiver { store, view, _dir } = self;
        drop(store);
        store::rebuild(_dir.path(), Options::new(micros())).expect("rebuilt");
        let store = Store::open(_dir.path(), Options::new(micros())).expect("opened again");
        Receiver { store, view, _dir }
    }

    pub fn national(&self) -> u64 {
        self.store
            .count(&Collection::National)
            .expect("readable")
            .versions
    }
}

fn open() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(dir.path(), Options::new(micros())).expect("a fresh store");
    (store, dir)
}
