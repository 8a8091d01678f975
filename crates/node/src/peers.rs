//! What is known about each partner's connection: for `/peers`, `/status` and alarms.
//!
//! Written by the pull tasks, read by the admin surface. It is a memory of the running process
//! only; what is held of a log is the store's to say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Timestamp;
use store::LogName;
use sync::Spent;

/// The state of all partners.
#[derive(Debug, Default)]
pub struct Peers(Mutex<BTreeMap<String, Peer>>);

/// The state of one partner.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Whether wake-ups from it are being heard.
    pub listening: bool,
    /// Each log that is pulled from it.
    pub logs: BTreeMap<LogName, Pulled>,
}

/// How pulling one log goes.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    /// When a pull last succeeded.
    pub last_success: Option<Timestamp>,
    /// When a pull last failed.
    pub last_failure: Option<Timestamp>,
    /// Why, until one succeeds.
    pub last_error: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Where the time of all pulls went.
    pub spent: Spent,
}

impl Peers {
    /// The state of partner `code`.
    pub fn peer(&self, code: &str) -> Peer {
        self.lock().get(code).cloned().unwrap_or_default()
    }

    pub(crate) fn listening(&self, code: &str, listening: bool) {
        self.lock().entry(code.to_owned()).or_default().listening = listening;
    }

    pub(crate) fn succeeded(&self, log: &LogName, at: Timestamp) {
        let mut peers = self.lock();
        let pulled = peers
            .entry(log.origin.clone())
            .or_default()
            .logs
            .entry(log.clone())
            .or_default();
        pulled.last_success = Some(at);
        pulled.last_error = None;
        pulled.failures = 0;
    }

    /// Adds up where the time of a pull went.
    pub(crate) fn spent(&self, log: &LogName, more: &Spent) {
        let mut peers = self.lock();
        let peer = peers.entry(log.origin.clone()).or_default();
        let spent = &mut peer.logs.entry(log.clone()).or_default().spent;
        spent.fetch += more.fetch;
        spent.decompress += more.decompress;
        spent.check += more.check;
        spent.store += more.store;
    }

    /// Remembers a failure; answers with the number of failures in a row.
    pub(crate) fn failed(&self, log: &LogName, at: Timestamp, why: String) -> u32 {
        let mut peers = self.lock();
        let pulled = peers
            .entry(log.origin.clone())
            .or_default()
            .logs
            .entry(log.clone())
            .or_default();
        pulled.last_failure = Some(at);
        pulled.last_error = Some(why);
        pulled.failures = pulled.failures.saturating_add(1);
        pulled.failures
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
