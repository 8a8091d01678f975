//! The node as a value: what every task and every handler shares.
//!
//! Holds the store, the configuration, the keys, the installed accords and the signals between
//! tasks. The store is synchronous; [`Node::read`] and [`Node::execute`] are the only way from
//! async code to it, so no handler blocks a runtime thread.
//!
//! INVARIANT: what [`Node::accords`] answers is durable; a change is stored before it is shown.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::{Label, Object, Timestamp};
use policy::Member;
use store::{Command, Event, Options, Outcome, Reply, Store, StoreError};
use sync::tls::Pins;
use tokio::sync::{Mutex, RwLock as Steady, RwLockReadGuard, RwLockWriteGuard, broadcast, watch};

use crate::accords::{Accords, Channel, Offered, newly_shown, write_note};
use crate::admin::types::AuditRecord;
use crate::audit::{Allowance, Ledger};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::NodeError;
use crate::feeds::Feeds;
use crate::keys::Keys;
use crate::limits::EVENTS_KEPT;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::policies::InForce;
use crate::pull::Turns;
use crate::reads::Reads;
use crate::release::pace::Pace;
use crate::requests::Requests;
use crate::taxii::Listing;

/// One member's node.
pub struct Node {
    config: Config,
    keys: Keys,
    me: Member,
    clock: Clock,
    started: Timestamp,
    store: Store,
    accords: RwLock<Arc<Accords>>,
    policy: RwLock<Arc<InForce>>,
    /// The key of the ids of outgoing forms.
    forms_key: [u8; 32],
    /// Read while objects are taken in; written to while what was approved is released.
    intake: Steady<()>,
    /// One approval at a time.
    approvals_turn: Mutex<()>,
    /// Held from deciding what leaves to its durable entries (batch by batch, or a whole window),
    /// and while something is withdrawn; taken before `steady`.
    pub(crate) leaving: Mutex<()>,
    /// What comes in from outside servers and files, and goes out to them.
    pub(crate) feeds: Feeds,
    collections: RwLock<Arc<[Listing]>>,
    /// Written to while the accords change; read for as long as they must not.
    accords_change: Steady<()>,
    accords_changed: watch::Sender<u64>,
    pins: Pins,
    auth: Arc<Auth>,
    metrics: Metrics,
    peers: Peers,
    reads: Reads,
    ledger: Ledger,
    requests: Arc<Requests>,
    /// How many notices of each member partners may still bring just now.
    pub(crate) notices_left: std::sync::Mutex<Allowance>,
    pull_turns: Turns,
    pace: Pace,
    automation: AtomicBool,
    automation_from: AtomicU64,
    events: broadcast::Sender<Event>,
    shutdown: watch::Sender<bool>,
    listening: RwLock<(Option<String>, Option<String>)>,
}

impl Node {
    /// Opens the node in its data folder. Reads and writes files, so not for async code.
    ///
    /// # Errors
    /// When a key file or the store cannot be opened, or another process has the folder.
    pub fn open(config: Config, clock: Clock) -> Result<Arc<Node>, NodeError> {
        Node::open_with(config, clock, |options| options)
    }

    /// As [`Node::open`], with changed options of the store, such as a meter between it and its
    /// files.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_with(
        config: Config,
        clock: Clock,
        change: impl FnOnce(Options) -> Options,
    ) -> Result<Arc<Node>, NodeError> {
        let keys = Keys::load(&config)?;
        let options = change(Options::new(clock.as_fn()).cache_bytes(config.limits.cache_bytes));
        let store = Store::open(&config.data, options)?;
        let accords = Accords::load(&store)?;
        let policy = InForce::load(&store, keys.policy_public())?;
        store.read_markings(policy.reading().clone());
        let forms_key = crate::release::forms::load_key(&store)?;
        let me = keys.member_entry(&config);
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let sender = events.clone();
        // No receiver is no error: nobody listens yet.
        store.watch(move |event: &Event| drop(sender.send(event.clone())));
        let ledger = Ledger::default();
        let node = Node {
            collections: RwLock::new(listings(&accords, &config)),
            pins: Pins::new(accords.pins(&config.code)),
            accords: RwLock::new(Arc::new(accords)),
            policy: RwLock::new(Arc::new(policy)),
            forms_key,
            intake: Steady::new(()),
            approvals_turn: Mutex::new(()),
            leaving: Mutex::new(()),
            feeds: Feeds::default(),
            accords_change: Steady::new(()),
            accords_changed: watch::Sender::new(0),
            auth: Arc::new(Auth::new(
                store.clone(),
                clock.clone(),
                keys.seal(),
                ledger.book(&store, &clock, &keys, &config)?,
            )),
            metrics: Metrics::new(),
            peers: Peers::default(),
            reads: Reads::default(),
            ledger,
            requests: Arc::default(),
            notices_left: std::sync::Mutex::default(),
            pull_turns: Turns::default(),
            pace: Pace::default(),
            automation: AtomicBool::new(false),
            automation_from: AtomicU64::new(u64::MAX),
            started: clock.now(),
            shutdown: watch::Sender::new(false),
            listening: RwLock::new((None, None)),
            events,
            config,
            keys,
            me,
            clock,
            store,
        };
        Ok(Arc::new(node))
    }

    /// Opens the node whose configuration is in `data`, with the system's clock.
    ///
    /// # Errors
    /// As [`Config::load`] and [`Node::open`].
    pub fn open_folder(data: &Path) -> Result<Arc<Node>, NodeError> {
        Node::open(Config::load(data)?, Clock::system())
    }

    /// Applies a command to the store; when this returns it is durable.
    ///
    /// # Errors
    /// What the store said; then nothing has changed.
    pub async fn execute(&self, command: Command) -> Result<Reply, StoreError> {
        let store = self.store.clone();
        blocking(move || store.execute(command)).await
    }

    /// Reads from the store on a thread that may block.
    ///
    /// # Errors
    /// What the store said.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        blocking(move || read(&store)).await
    }

    /// Takes objects into the national collection under `label` for what they do not state, and
    /// wakes the automation. This member itself may always have what it takes in. `who` is the name
    /// for the audit log.
    ///
    /// # Errors
    /// What the store said; then nothing counts as taken in.
    pub async fn add(
        &self,
        objects: Vec<Object>,
        label: Label,
        who: &str,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.begin_automation().await?;
        let label = self.with_own_code(label);
        let _open = self.intake.read().await;
        let record = AuditRecord {
            what: "add".into(),
            who: who.to_owned(),
            channel: "national".into(),
            count: objects.len() as u64,
            why: format!("under {label} for what the objects do not state"),
            ..self.record()
        };
        let add = Command::Add {
            objects,
            label,
            into: store::Collection::National,
        };
        let done = self.account_for(vec![record], Some(add)).await;
        match done.map_err(NodeError::into_store)? {
            Some(Reply::Added(outcomes)) => {
                let added = outcomes
                    .iter()
                    .filter(|outcome| matches!(outcome, Outcome::Added(_)))
                    .count();
                self.metrics.added(added);
                Ok(outcomes)
            }
            reply => Err(unexpected(&reply.unwrap_or(Reply::Done))),
        }
    }

    /// Makes sure that automatic channels begin before what is added next, once for each state of
    /// the accords.
    pub(crate) async fn begin_automation(&self) -> Result<(), StoreError> {
        let generation = *self.accords_changed.borrow();
        if self.automation_from.load(Ordering::Acquire) != generation {
            for channel in self.automatic() {
                self.automation_cursor(&channel).await?;
            }
            self.automation_from.store(generation, Ordering::Release);
        }
        Ok(())
    }

    /// Whether a task releases automatically in this process.
    pub(crate) fn automation_runs(&self) -> bool {
        self.automation.load(Ordering::Acquire)
    }

    pub(crate) fn set_automation_runs(&self, runs: bool) {
        self.automation.store(runs, Ordering::Release);
    }

    /// Takes an accord from the operator; see [`Accords::offer`]. With `ratify`, this member's
    /// root key signs it first.
    ///
    /// # Errors
    /// Why it cannot be installed, or that the root key is not here.
    pub async fn offer_accord(
        &self,
        note: Vec<u8>,
        ratify: bool,
        who: &str,
    ) -> Result<Offered, NodeError> {
        let _alone = self.accords_change.write().await;
        let root = match (ratify, self.keys.root()) {
            (true, None) => {
                return Err(NodeError::accord(
                    "the root key is not on this machine; sign the accord where it is kept and install the signed note",
                ));
            }
            (true, root) => root,
            (false, _) => None,
        };
        let mut accords = Accords::clone(&self.accords());
        let offered = accords.offer(&note, &self.me, root)?;
        if offered.changed {
            self.may_show(&accords, &offered.accord.accord().name)
                .await?;
            let accord = offered.accord.accord();
            self.audit(vec![AuditRecord {
                what: "accord".into(),
                who: who.to_owned(),
                count: offered.new_signatures as u64,
                why: format!(
                    "version {}, ratified by {}",
                    accord.version,
                    joined(offered.accord.ratified().iter())
                ),
                policy: accord.name.clone(),
                ..self.record()
            }])
            .await?;
            let name = accord.name.clone();
            self.adopt(accords, &name).await?;
        }
        Ok(offered)
    }

    /// Refuses a version of an accord that would show somebody what was not released to it.
    async fn may_show(&self, accords: &Accords, name: &str) -> Result<(), NodeError> {
        let (before, Some(after)) = (self.accords().get(name).cloned(), accords.get(name)) else {
            return Ok(());
        };
        if before.as_ref().is_some_and(|b| b.text() == after.text()) {
            return Ok(());
        }
        let (after, own) = (Arc::clone(after), self.config.code.clone());
        let reason = self
            .read(move |store| newly_shown(store, before.as_deref(), &after, &own))
            .await?;
        reason.map_or(Ok(()), |reason| Err(NodeError::accord(reason)))
    }

    /// Held while what decides is changed.
    pub(crate) async fn changing(&self) -> RwLockWriteGuard<'_, ()> {
        self.accords_change.write().await
    }

    /// The intake, to be stopped for the moment of an approved release.
    pub(crate) fn intake(&self) -> &Steady<()> {
        &self.intake
    }

    /// The turn of approvals; taken after [`Node::steady`], never before.
    pub(crate) fn approvals_turn(&self) -> &Mutex<()> {
        &self.approvals_turn
    }

    /// The key of the ids of outgoing forms.
    pub(crate) fn forms_key(&self) -> &[u8; 32] {
        &self.forms_key
    }

    /// The national policy in force.
    pub fn policy(&self) -> Arc<InForce> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets another policy decide, which is durable already.
    pub(crate) fn set_policy(&self, next: Arc<InForce>) {
        // A label that is worked out in between is of the new reading or the old one, and who
        // decides under the guard of changes sees neither the one nor the other half-way.
        self.store.read_markings(next.reading().clone());
        *write(&self.policy) = next;
    }

    /// Keeps the accords and the policy as they are until the guard is dropped.
    pub(crate) async fn steady(&self) -> RwLockReadGuard<'_, ()> {
        self.accords_change.read().await
    }

    /// Adds ratifications that a partner's copy of an installed text carries. Never brings a text.
    ///
    /// # Errors
    /// What the store said.
    pub(crate) async fn merge_ratifications(
        &self,
        note: &[u8],
        from: &str,
    ) -> Result<(), NodeError> {
        let _alone = self.accords_change.write().await;
        let mut accords = Accords::clone(&self.accords());
        let Some(accord) = accords.merge_known(note) else {
            return Ok(());
        };
        let name = accord.accord().name.clone();
        self.audit(vec![AuditRecord {
            what: "accord".into(),
            who: from.to_owned(),
            why: format!(
                "ratifications heard; now ratified by {}",
                joined(accord.ratified().iter())
            ),
            policy: name.clone(),
            ..self.record()
        }])
        .await?;
        self.adopt(accords, &name).await
    }

    /// Makes a changed set of accords durable, then shows it.
    async fn adopt(&self, accords: Accords, name: &str) -> Result<(), NodeError> {
        for command in accords.persist(name) {
            self.execute(command).await?;
        }
        if let Some(held) = accords.get(name) {
            write_note(&self.config, name, &held.to_string());
        }
        self.show_accords(accords);
        Ok(())
    }

    /// Lets another state of the accords count, which is durable already. Only under the guard of
    /// changes.
    pub(crate) fn show_accords(&self, accords: Accords) {
        self.pins.replace(accords.pins(&self.config.code));
        *write(&self.collections) = listings(&accords, &self.config);
        *write(&self.accords) = Arc::new(accords);
        self.accords_changed
            .send_modify(|generation| *generation += 1);
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// This member as accords name it.
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When the node was opened.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The store, for code that may block.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The accords as they stand.
    pub fn accords(&self) -> Arc<Accords> {
        Arc::clone(&self.accords.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The channel `<accord>/<channel>`, if it is in force for this member.
    pub fn channel(&self, full_name: &str) -> Option<Channel> {
        let (accord, channel) = full_name.split_once('/')?;
        self.accords().channel(accord, channel, &self.config.code)
    }

    /// Announces each change of the accords by a new number.
    pub fn accords_changed(&self) -> watch::Receiver<u64> {
        self.accords_changed.subscribe()
    }

    /// The collections that national tools see: `national`, then every channel in force.
    pub fn collections(&self) -> Arc<[Listing]> {
        Arc::clone(
            &self
                .collections
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The TLS keys that may connect.
    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The national users.
    pub fn auth(&self) -> &Arc<Auth> {
        &self.auth
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The state of the partners.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Who may pull which log at present.
    pub(crate) fn pull_turns(&self) -> &Turns {
        &self.pull_turns
    }

    /// What decisions must know of the time before them.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What partners have read since it was last accounted for.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What the process remembers about the audit log.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is known of the requests that channels show.
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Hears every event of the store from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Whether the node accepts new objects and releases.
    pub fn ready(&self) -> bool {
        self.store.health().writable && !*self.shutdown.borrow()
    }

    /// The label of added objects for what they do not state.
    pub fn intake_label(&self) -> Label {
        self.with_own_code(self.config.intake_label.clone())
    }

    /// Tells every task to finish.
    pub fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }

    /// Becomes true when every task should finish.
    pub fn shutdown(&self) -> watch::Receiver<bool> {
        self.shutdown.subscribe()
    }

    /// Where the servers listen (members, national), once they do.
    pub fn listening(&self) -> (Option<String>, Option<String>) {
        self.listening
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_listening(&self, members: String, national: String) {
        *write(&self.listening) = (Some(members), Some(national));
    }

    /// A label with this member in its releasable-to set.
    pub(crate) fn with_own_code(&self, mut label: Label) -> Label {
        label.releasable_to = label.releasable_to.including(&self.config.code);
        label
    }
}

/// Runs blocking work beside the runtime. A panic in it is our own fault and goes on as one.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels; nobody is left to hear an answer.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Ends when the node shuts down (or is gone).
pub(crate) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|down| *down).await);
}

pub(crate) fn unexpected(reply: &Reply) -> StoreError {
    StoreError::Stopped {
        cause: format!("it answered {reply:?} to another question"),
    }
}

pub(crate) fn joined<'a>(codes: impl Iterator<Item = &'a String>) -> String {
    codes.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn listings(accords: &Accords, config: &Config) -> Arc<[Listing]> {
    let mut listings = vec![Listing::national(
        &format!("{}: national", config.name),
        "This member's own objects, whether released or not.",
    )];
    // What came before members left a channel stays under it, so it stays in sight (without them).
    for (accord, channel) in accords.agreed(&config.code) {
        let in_force = accord.standing(&channel);
        let accord = &accord.accord().name;
        let description = format!(
            "Shared under the accord {accord} among {}.",
            joined(in_force.members.iter())
        );
        listings.push(Listing::channel(
            accord,
            &channel.name,
            &channel.title,
            &description,
        ));
    }
    listings.into()
}
