//! What partners and national tools read, and what people and tools were denied, counted until it
//! is accounted for (I10).
//!
//! A partner that catches up asks for thousands of tiles and a tool polls all day, so one audit
//! record stands for all requests of one reader about one log or collection since the last record:
//! how many there were and, for a partner, up to which size the log stood when it read. Records are
//! written every ten minutes, when somebody reads the audit log, and at shutdown. A crash loses the
//! counts of at most ten minutes, never the fact of a release.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::LogName;

use crate::admin::types::AuditRecord;
use crate::error::NodeError;
use crate::limits::{DENIED_CHARS_MAX, READERS_MAX};
use crate::node::Node;

/// Requests by reader and what it read.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<BTreeMap<Reader, Read>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    /// A partner, of an own log.
    Partner(String, LogName),
    /// A user over TAXII, of a collection.
    Tool(String, String),
    /// Somebody who was not let in, or not there: who, the answer's status, and what was tried.
    Denied(String, u16, String),
}

#[derive(Clone, Copy, Debug, Default)]
struct Read {
    requests: u64,
    size: u64,
}

impl Reads {
    /// Partner `peer` was answered about `log`, whose size was at least `size`.
    pub(crate) fn note(&self, peer: &str, log: &LogName, size: u64) {
        self.count(Reader::Partner(peer.to_owned(), log.clone()), size);
    }

    /// `user` was answered over TAXII with a page of `collection`.
    pub(crate) fn tool(&self, user: &str, collection: &str) {
        self.count(Reader::Tool(user.to_owned(), collection.to_owned()), 0);
    }

    /// `who` was refused what `tried` says: 401 (then nobody knows who it was), 403 or 404.
    pub(crate) fn denied(&self, who: &str, status: u16, tried: &str) {
        let tried: String = tried.chars().take(DENIED_CHARS_MAX).collect();
        let denied = Reader::Denied(who.to_owned(), status, tried);
        if self.lock().len() < READERS_MAX {
            self.count(denied, 0);
        } else {
            self.count(Reader::Denied(who.to_owned(), status, String::new()), 0);
        }
    }

    fn count(&self, reader: Reader, size: u64) {
        let mut reads = self.lock();
        let read = reads.entry(reader).or_default();
        read.requests += 1;
        read.size = read.size.max(size);
    }

    fn take(&self) -> BTreeMap<Reader, Read> {
        std::mem::take(&mut *self.lock())
    }

    fn put_back(&self, taken: BTreeMap<Reader, Read>) {
        let mut reads = self.lock();
        for (reader, read) in taken {
            let held = reads.entry(reader).or_default();
            held.requests += read.requests;
            held.size = held.size.max(read.size);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Reader, Read>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Writes what was read to the audit log.
    ///
    /// # Errors
    /// What the store said; the counts are kept for the next time.
    pub(crate) async fn account_reads(&self) -> Result<(), NodeError> {
        let taken = self.reads().take();
        let records = taken
            .iter()
            .map(|(reader, read)| {
                let (what, who, channel, why) = match reader {
                    Reader::Partner(peer, log) => (
                        "partner-read",
                        peer,
                        format!("{}/{}", log.accord, log.channel),
                        format!("read this member's log up to size {}", read.size),
                    ),
                    Reader::Tool(user, collection) => (
                        "tool-read",
                        user,
                        collection.clone(),
                        "pages read over TAXII".to_owned(),
                    ),
                    Reader::Denied(who, status, tried) => (
                        "denied",
                        who,
                        String::new(),
                        format!("{tried} was answered {status}"),
                    ),
                };
                AuditRecord {
                    what: what.into(),
                    who: who.clone(),
                    channel,
                    count: read.requests,
                    why,
                    ..self.record()
                }
            })
            .collect();
        let written = self.audit(records).await;
        if written.is_err() {
            self.reads().put_back(taken);
        }
        written
    }
}
