//! The world: members with keys and stores under one accord, and what they do to each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use log::note::{KeyKind, SigningKey};
use log::{Action, Checkpoint, Entry};
use model::{Groups, Hash, Label, Object, Releasable, Timestamp, Tlp};
use policy::{
    Accord, Attribution, Channel, Group, Kinds, Member, Obligations, Role, SignedAccord, Subject,
    Withheld, releasable,
};
use store::{
    Change, Collection, Command, LogName, Options, Outcome, Query, Record, Reply, Signer, Store,
};
use sync::{Progress, PullError, View};
use tempfile::TempDir;

use crate::draw;
use crate::rng::Rng;
use crate::wire::{Faults, Wire};

/// The members that accords here are made of.
pub const SIX: [&str; 6] = ["KG", "KZ", "PK", "TJ", "US", "UZ"];

/// The STIX types that are drawn here.
pub const KINDS: [&str; 4] = ["indicator", "malware", "report", "x-relief-need"];

/// 2026-01-01T00:00:00Z in microseconds: when every world begins.
const START: i64 = 1_767_225_600_000_000;

/// One member.
pub struct Party {
    /// Its code.
    pub code: String,
    /// What it holds.
    pub store: Store,
}

/// Members under an accord, with the seed that decides what they do.
pub struct World {
    /// The accord, ratified.
    pub accord: Arc<SignedAccord>,
    /// The members that have ratified it, by code.
    pub parties: BTreeMap<String, Party>,
    /// Where choices come from.
    pub rng: Rng,
    /// What each object that was added may be used for, as its origin sees it.
    truth: BTreeMap<Hash, (String, Label)>,
    seed: u64,
    clock: Arc<AtomicI64>,
    runtime: RefCell<tokio::runtime::Runtime>,
    folder: TempDir,
}

/// The key that a member has for a role; the code decides it.
pub fn key(code: &str, role: Role) -> SigningKey {
    let kind = match role {
        Role::Root | Role::Log => KeyKind::Ed25519,
        Role::LogPq => KeyKind::MlDsa44,
        Role::Witness => KeyKind::CosignatureV1,
    };
    let seed = Hash::of(format!("{code} {}", role.word()).as_bytes()).0;
    let name = role.key_name(&format!("{}.example", code.to_lowercase()));
    SigningKey::from_seed(kind, &name, seed).expect("the name is a key name")
}

/// A channel with wide rules, to be narrowed by the test.
pub fn channel(name: &str, members: &[&str]) -> Channel {
    Channel {
        name: name.to_owned(),
        title: name.to_owned(),
        members: members.iter().map(|code| (*code).to_owned()).collect(),
        kinds: Kinds::Any,
        ceiling: Tlp::AmberStrict,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    }
}

/// An accord of these members with these channels. The first member also signs with ML-DSA.
pub fn accord(codes: &[&str], channels: Vec<Channel>) -> Accord {
    let member = |code: &&str| {
        let lower = code.to_lowercase();
        let pq = (*code == codes[0]).then(|| key(code, Role::LogPq).verifier().clone());
        Member {
            code: (*code).to_owned(),
            name: (*code).to_owned(),
            domain: format!("{lower}.example"),
            url: format!("https://{lower}.example:7443"),
            root: key(code, Role::Root).verifier().clone(),
            log: key(code, Role::Log).verifier().clone(),
            log_pq: pq,
            witness: key(code, Role::Witness).verifier().clone(),
            tls: Hash::of(format!("{code} tls").as_bytes()).0,
        }
    };
    Accord {
        name: "steppe".to_owned(),
        version: 1,
        previous: None,
        members: codes.iter().map(member).collect(),
        groups: Vec::new(),
        channels,
        obligations: Obligations::default(),
    }
}

/// An accord of three to six members with three to five channels of any shape, the last one for
/// exercises among all.
pub fn random_accord(rng: &mut Rng) -> Accord {
    let codes = &SIX[..3 + rng.below(4)];
    let mut channels = Vec::new();
    for number in 0..2 + rng.below(3) {
        let mut members = rng.some(codes);
        while members.len() < 2 {
            members = rng.some(codes);
        }
        let members: Vec<&str> = members.into_iter().copied().collect();
        let mut one = channel(&format!("c{number}"), &members);
        one.ceiling = *rng.pick(&[Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red]);
        one.exercise = rng.one_in(4);
        if rng.one_in(3) {
            one.kinds = Kinds::Only(KINDS[..2].iter().map(|kind| (*kind).to_owned()).collect());
        }
        channels.push(one);
    }
    let mut drill = channel("drill", codes);
    drill.exercise = true;
    channels.push(drill);
    let mut accord = accord(codes, channels);
    for name in ["east", "west"] {
        let mut members = rng.some(codes);
        if members.is_empty() {
            members = vec![&codes[0]];
        }
        accord.groups.push(Group {
            name: name.to_owned(),
            members: members.into_iter().map(|code| (*code).to_owned()).collect(),
        });
    }
    accord
}

/// I1 and I9 in other words than `policy` has for them: whether an object of this label and kind
/// may be in the channel.
pub fn label_allows(label: &Label, kind: &str, channel: &Channel, groups: &Groups) -> bool {
    let mut fits = label.exercise == channel.exercise && label.tlp <= channel.ceiling;
    // Worked out from the clauses, not asked of the label.
    for code in &channel.members {
        let named = |clause: &BTreeSet<String>| {
            clause.iter().any(|one| match groups.get(one) {
                Some(group) => group.contains(code),
                None => one == code,
            })
        };
        let excluded = label
            .not_releasable_to
            .iter()
            .any(|one| match groups.get(one) {
                Some(group) => group.is_empty() || group.contains(code),
                None => one == code || one.starts_with('@'),
            });
        let cleared = match &label.releasable_to {
            Releasable::Everyone => true,
            Releasable::Members(clause) => named(clause),
            Releasable::AllOf(clauses) => !clauses.is_empty() && clauses.iter().all(named),
        };
        fits &= cleared && !excluded;
    }
    if let Kinds::Only(kinds) = &channel.kinds {
        fits &= kinds.iter().any(|allowed| allowed == kind);
    }
    fits
}

impl World {
    /// All members of the accord, each of whom has ratified it.
    pub fn new(seed: u64, accord: Accord) -> World {
        let codes: Vec<String> = accord.members.iter().map(|m| m.code.clone()).collect();
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        World::ratified_by(seed, accord, &codes)
    }

    /// The members that have ratified; the others are not there.
    pub fn ratified_by(seed: u64, accord: Accord, codes: &[&str]) -> World {
        let mut signed = SignedAccord::new(accord).expect("the draft is well-formed");
        for code in codes {
            signed
                .ratify(&key(code, Role::Root))
                .expect("its root key ratifies");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime starts");
        let mut world = World {
            accord: Arc::new(signed),
            parties: BTreeMap::new(),
            rng: Rng::seeded(seed),
            truth: BTreeMap::new(),
            seed,
            clock: Arc::new(AtomicI64::new(START)),
            runtime: RefCell::new(runtime),
            folder: TempDir::with_prefix("kurultai-world-").expect("a temporary folder"),
        };
        for code in codes {
            let store = world.open(code, "first");
            let code = (*code).to_owned();
            world.parties.insert(code.clone(), Party { code, store });
        }
        world
    }

    /// Opens a store of a member under a name of its own, empty unless that name was opened before
    /// and dropped since.
    pub fn open(&self, code: &str, name: &str) -> Store {
        let dir = self.folder.path().join(format!("{code}-{name}"));
        Store::open(&dir, self.options()).expect("the store opens")
    }

    /// Options with the world's clock.
    pub fn options(&self) -> Options {
        let clock = self.clock.clone();
        Options::new(Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)))
    }

    /// Drops the member's store and opens it again: a restart.
    pub fn restart(&mut self, code: &str) {
        self.parties.remove(code);
        let store = self.open(code, "first");
        let code = code.to_owned();
        self.parties.insert(code.clone(), Party { code, store });
    }

    /// The time; each look at it is a microsecond later.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// A line for every message of a failing test.
    pub fn place(&self) -> String {
        format!("seed {:#x}", self.seed)
    }

    /// The codes of all parties.
    pub fn codes(&self) -> Vec<String> {
        self.parties.keys().cloned().collect()
    }

    /// The member's store.
    pub fn store(&self, code: &str) -> &Store {
        &self.parties[code].store
    }

    /// The origin's own view of an object: who added it and its effective label.
    pub fn truth(&self, hash: &Hash) -> Option<&(String, Label)> {
        self.truth.get(hash)
    }

    /// The log of a member in a channel.
    pub fn log(&self, origin: &str, channel: &str) -> LogName {
        LogName::new(&self.accord.accord().name, channel, origin)
    }

    /// The channel's collection.
    pub fn collection(&self, channel: &str) -> Collection {
        self.log("", channel).collection()
    }

    /// Every log that the accord allows: channel and origin.
    pub fn logs(&self) -> Vec<(String, String)> {
        let mut logs = Vec::new();
        for channel in &self.accord.accord().channels {
            let Some(in_force) = self.accord.channel_in_force(&channel.name) else {
                continue;
            };
            for origin in &in_force.members {
                logs.push((channel.name.clone(), origin.clone()));
            }
        }
        logs
    }

    /// Adds objects at a member; answers with those that are new, as records.
    pub fn add(&mut self, code: &str, objects: Vec<Object>, label: &Label) -> Vec<Record> {
        let hashes: BTreeSet<Hash> = objects.iter().map(Object::hash).collect();
        let store = self.store(code).clone();
        let command = Command::Add {
            objects,
            label: label.clone(),
            into: Collection::National,
        };
        let Ok(Reply::Added(outcomes)) = store.execute(command) else {
            panic!("{}: {code} takes objects", self.place());
        };
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Added(_))),
            "{}: drawn objects are new: {outcomes:?}",
            self.place()
        );
        let mut new = self.records(code, &Collection::National);
        new.retain(|record| hashes.contains(&record.hash));
        for record in &new {
            let label = store.label(record).expect("its label reads");
            self.truth
                .insert(record.hash, (code.to_owned(), (*label).clone()));
        }
        new
    }

    /// Adds so many drawn objects under one drawn label.
    pub fn add_drawn(&mut self, code: &str, count: usize) -> Vec<Record> {
        let members = self.codes();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let label = draw::label(&mut self.rng, &members);
        self.add_labelled(code, count, &label)
    }

    /// Adds so many drawn objects under this label.
    pub fn add_labelled(&mut self, code: &str, count: usize, label: &Label) -> Vec<Record> {
        let objects = (0..count)
            .map(|_| {
                let now = self.now();
                draw::object(&mut self.rng, now)
            })
            .collect();
        self.add(code, objects, label)
    }

    /// Releases as an honest member does: what the hard rule refuses does not go out.
    ///
    /// # Errors
    /// The reasons of the hard rule.
    pub fn release(
        &mut self,
        code: &str,
        channel: &str,
        record: &Record,
    ) -> Result<(), Vec<Withheld>> {
        let label = self.store(code).label(record).expect("its label reads");
        let accord = self.accord.clone();
        let in_force = accord
            .channel_in_force(channel)
            .expect("the channel is in force");
        let subject = Subject {
            label: &label,
            kind: record.id.type_name(),
            now: self.now(),
        };
        releasable(&subject, &in_force)?;
        self.force(code, channel, record, &label);
        Ok(())
    }

    /// Releases without asking any rule, under this label, as a careless or hostile member could.
    pub fn force(&mut self, code: &str, channel: &str, record: &Record, label: &Label) {
        let entry = self.entry(Action::Release, record, label);
        let change = Change {
            entry,
            object: Some(record.object),
        };
        self.append(code, channel, vec![change]);
    }

    /// Releases many objects in one append, each under its true label, without asking any rule.
    pub fn force_all(&mut self, code: &str, channel: &str, records: &[Record]) {
        let mut changes = Vec::new();
        for record in records {
            let label = self.store(code).label(record).expect("its label reads");
            changes.push(Change {
                entry: self.entry(Action::Release, record, &label),
                object: Some(record.object),
            });
        }
        self.append(code, channel, changes);
    }

    /// Takes a record of the channel's collection back.
    pub fn withdraw(&mut self, code: &str, channel: &str, record: &Record) {
        let label = self.store(code).label(record).expect("its label reads");
        let entry = self.entry(Action::Withdraw, record, &label);
        self.append(
            code,
            channel,
            vec![Change {
                entry,
                object: None,
            }],
        );
    }

    /// An entry of a record, now.
    pub fn entry(&mut self, action: Action, record: &Record, label: &Label) -> Entry {
        Entry {
            action,
            hash: record.hash.0,
            id: record.id.as_str().to_owned(),
            modified: record.version.map(|version| version.to_string()),
            kind: record.id.type_name().to_owned(),
            label: label.to_string(),
            attribution: String::new(),
            salt: self.rng.bytes(),
            time: self.now().to_string(),
        }
    }

    /// Appends to a member's own log and signs it.
    pub fn append(&self, code: &str, channel: &str, changes: Vec<Change>) {
        let command = Command::Append {
            log: self.log(code, channel),
            changes,
            signer: self.signer(code, channel),
        };
        let reply = self.store(code).execute(command);
        assert!(
            matches!(reply, Ok(Reply::Logged { .. })),
            "{}: {reply:?}",
            self.place()
        );
    }

    /// What signs the checkpoints of a member's log.
    pub fn signer(&self, code: &str, channel: &str) -> Signer {
        let keys = self
            .accord
            .log_keys(code, channel)
            .expect("it is a log of the accord");
        let mut signing = vec![key(code, Role::Log)];
        if keys.pq.is_some() {
            signing.push(key(code, Role::LogPq));
        }
        let origin = keys.origin;
        let signing: Vec<SigningKey> = signing
            .iter()
            .map(|key| key.renamed(&origin).expect("an origin is a key name"))
            .collect();
        Arc::new(move |size, root| {
            let checkpoint = Checkpoint::new(&origin, size, root).expect("a log of ours");
            checkpoint
                .sign(&signing.iter().collect::<Vec<_>>())
                .expect("our keys sign")
        })
    }

    /// The network between a reader and an origin's log.
    pub fn wire<'a>(&'a self, reader: &str, origin: &str, channel: &str) -> Wire<'a> {
        Wire::new(
            self.store(origin),
            self.log(origin, channel),
            &self.accord,
            reader,
        )
    }

    /// Pulls an origin's log over a wire into the reader's store.
    ///
    /// # Errors
    /// As [`sync::pull`].
    pub fn pull_over(
        &self,
        wire: &Wire<'_>,
        reader: &str,
        origin: &str,
        channel: &str,
    ) -> Result<Progress, PullError> {
        self.pull_into(self.store(reader), wire, reader, origin, channel)
    }

    /// Pulls an origin's log over a wire into any store.
    ///
    /// # Errors
    /// As [`sync::pull`].
    pub fn pull_into(
        &self,
        store: &Store,
        wire: &Wire<'_>,
        reader: &str,
        origin: &str,
        channel: &str,
    ) -> Result<Progress, PullError> {
        let cosigners = vec![key(reader, Role::Witness)];
        let view = View::new(self.accord.clone(), channel, origin, cosigners)?;
        let time = self.clock.clone();
        let clock: sync::Clock =
            Arc::new(move || Timestamp::from_unix_micros(time.fetch_add(1, Ordering::Relaxed)));
        self.runtime
            .borrow_mut()
            .block_on(sync::pull(wire, store, &view, &clock))
    }

    /// Pulls an origin's log over a network with these faults.
    ///
    /// # Errors
    /// As [`sync::pull`].
    pub fn pull(
        &self,
        reader: &str,
        origin: &str,
        channel: &str,
        faults: Faults,
    ) -> Result<Progress, PullError> {
        let wire = self.wire(reader, origin, channel).with(faults);
        self.pull_over(&wire, reader, origin, channel)
    }

    /// Everybody pulls everything that the accord lets them, over a good network.
    pub fn settle(&self) {
        for (channel, origin) in self.logs() {
            for (_, reader) in self.logs().iter().filter(|(name, _)| *name == channel) {
                if *reader == origin {
                    continue;
                }
                match self.pull(reader, &origin, &channel, Faults::None) {
                    // An origin that has released nothing yet has no checkpoint.
                    Ok(_)
                    | Err(PullError::Fetch {
                        error: sync::FetchError::NotFound,
                        ..
                    }) => {}
                    Err(error) => panic!(
                        "{}: {reader} pulls {origin}'s {channel}: {error}",
                        self.place()
                    ),
                }
            }
        }
    }

    /// All records of a collection at a member, every version.
    pub fn records(&self, code: &str, collection: &Collection) -> Vec<Record> {
        all_records(self.store(code), collection)
    }
}

/// All records of a collection, every version.
pub(crate) fn all_records(store: &Store, collection: &Collection) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let query = Query {
            after: records.last().map(|record| record.seq),
            all_versions: true,
            limit: 1_000,
            ..Query::default()
        };
        let page = store.page(collection, &query).expect("the index reads");
        records.extend(page.records);
        if !page.more {
            return records;
        }
    }
}
