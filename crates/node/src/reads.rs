//! What partners read of the own logs, counted until it is accounted for (I10).
//!
//! A partner that catches up asks for thousands of tiles, so one audit record stands for all
//! requests of one partner to one log since the last record: how many there were and up to which
//! size the log stood when it read. Records are written every ten minutes, when the operator reads
//! the audit log, and at shutdown. A crash loses the counts of at most ten minutes, never the fact
//! of a release.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use store::LogName;

use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::node::Node;

/// Requests by partner and log.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<BTreeMap<(String, LogName), Read>>);

#[derive(Clone, Copy, Debug, Default)]
struct Read {
    requests: u64,
    size: u64,
}

impl Reads {
    /// Partner `peer` was answered about `log`, whose size was at least `size`.
    pub(crate) fn note(&self, peer: &str, log: &LogName, size: u64) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = reads.entry((peer.to_owned(), log.clone())).or_default();
        read.requests += 1;
        read.size = read.size.max(size);
    }

    fn take(&self) -> BTreeMap<(String, LogName), Read> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, taken: BTreeMap<(String, LogName), Read>) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, read) in taken {
            let held = reads.entry(key).or_default();
            held.requests += read.requests;
            held.size = held.size.max(read.size);
        }
    }
}

impl Node {
    /// Writes what partners have read to the audit log.
    ///
    /// # Errors
    /// What the store said; the counts are kept for the next time.
    pub(crate) async fn account_reads(&self) -> Result<(), NodeError> {
        let taken = self.reads().take();
        let records = taken
            .iter()
            .map(|((peer, log), read)| AuditRecord {
                what: "partner-read".into(),
                who: peer.clone(),
                channel: format!("{}/{}", log.accord, log.channel),
                count: read.requests,
                why: format!("read this member's log up to size {}", read.size),
                ..self.record()
            })
            .collect();
        let written = self.audit(records).await;
        if written.is_err() {
            self.reads().put_back(taken);
        }
        written
    }
}
