//! The node's own account (I10): who did what, when, why, under which policy.
//!
//! The audit log is a tile log like any other, named `local/audit`; each entry is one
//! [`AuditRecord`] as canonical JSON. A decision is written down *before* it is carried out, so
//! that nothing can happen unaccounted; what then happened is in the channel log. No record ever
//! leaves for a partner: only the log's checkpoints do, and partners cosign them (`seek` asks,
//! `witness` answers), so that not even the operator can change or shorten the log unnoticed.
//!
//! Records stand in the order of their times. The time is given where the order is, and where the
//! clock was set back a record says so.
//!
//! Partners' and tools' reads are too many for one record each: they are counted by reader and
//! log or collection (`reads`) and written as one record every ten minutes.

mod export;
mod routes;
mod search;
mod seek;
mod verify;
mod witness;

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::LogKeys;
use log::tile::{Kind, TILE_WIDTH, TilePath};
use model::Timestamp;
use store::{Command, LogName, Reply, Store, StoreError};

use crate::admin::types::AuditRecord;
use crate::auth::Book;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::NodeError;
use crate::keys::Keys;
use crate::limits::{
    AUDIT_IDS_MAX, AUDIT_RECORD_BYTES_MAX, AUDIT_RULE_BYTES_MAX, AUDIT_RULES_MAX,
    AUDIT_TEXT_BYTES_MAX,
};
use crate::node::{Node, blocking, unexpected};

pub(crate) use routes::routes;
pub(crate) use seek::keep_witnessed;
pub use verify::RecordOrder;
pub(crate) use witness::{Allowance, add_checkpoint, witnessed};

/// The accord name that `policy` keeps free for the node's own logs.
pub const AUDIT_ACCORD: &str = "local";
const AUDIT_CHANNEL: &str = "audit";

/// The word of the record that says that the clock was set back.
const CLOCK: &str = "clock";

/// What the process remembers about the audit log.
#[derive(Default)]
pub(crate) struct Ledger {
    last: Arc<Mutex<Last>>,
    /// Lets one round of asking witnesses run at a time.
    seeking: tokio::sync::Mutex<()>,
    /// Why each partner did not cosign the last time, if it did not.
    failures: Mutex<BTreeMap<String, String>>,
    /// Held while a partner's checkpoint is judged and remembered.
    remembering: tokio::sync::Mutex<witness::Allowance>,
}

/// The time of the last record, once it is known.
#[derive(Default)]
enum Last {
    #[default]
    Unread,
    At(Option<Timestamp>),
}

impl Ledger {
    /// Writes single records from code that may block, such as the keeping of users.
    ///
    /// # Errors
    /// When the log's name cannot sign.
    pub(crate) fn book(
        &self,
        store: &Store,
        clock: &Clock,
        keys: &Keys,
        config: &Config,
    ) -> Result<Book, NodeError> {
        let signer = keys.signer(&audit_origin(&config.domain))?;
        let log = LogName::new(AUDIT_ACCORD, AUDIT_CHANNEL, &config.code);
        let (store, clock, code) = (store.clone(), clock.clone(), config.code.clone());
        let last = Arc::clone(&self.last);
        Ok(Arc::new(move |record| {
            let (tell, answer) = sync_channel(1);
            {
                let mut last = lock(&last);
                let records = vec![record];
                let records = stamp(&store, &log, &mut last, clock.now(), &code, records).map_err(
                    |error| StoreError::Entry {
                        problem: error.to_string(),
                    },
                )?;
                let command = Command::Audit {
                    records,
                    log: log.clone(),
                    signer: Arc::clone(&signer),
                };
                store.submit(command, move |reply| drop(tell.send(reply)));
            }
            let stopped = StoreError::Stopped {
                cause: "its writer has ended".into(),
            };
            match answer.recv().map_err(|_| stopped)?? {
                Reply::Logged { .. } => Ok(()),
                reply => Err(unexpected(&reply)),
            }
        }))
    }
}

/// The name of the audit log of the member with this domain, in its checkpoints.
pub fn audit_origin(domain: &str) -> String {
    format!("{domain}/{AUDIT_ACCORD}/{AUDIT_CHANNEL}")
}

/// The keys that sign the audit log of a member, as an accord names it.
pub fn audit_keys(member: &policy::Member) -> Option<LogKeys> {
    let origin = audit_origin(&member.domain);
    Some(LogKeys {
        ed25519: member.log.renamed(&origin).ok()?,
        pq: match &member.log_pq {
            Some(key) => Some(key.renamed(&origin).ok()?),
            None => None,
        },
        origin,
    })
}

impl Node {
    /// Writes records to the audit log, durably and in order. The time of each is the present.
    ///
    /// # Errors
    /// What the store said; then the act that was to be accounted for must not happen.
    pub async fn audit(&self, records: Vec<AuditRecord>) -> Result<(), NodeError> {
        if records.is_empty() {
            return Ok(());
        }
        self.account_for(records, None).await.map(drop)
    }

    /// Writes records and then applies `act`, mostly in one commit: the record is durable no later
    /// than what it accounts for.
    ///
    /// # Errors
    /// What the store said about either; then the act must not be acknowledged.
    pub(crate) async fn account_for(
        &self,
        records: Vec<AuditRecord>,
        act: Option<Command>,
    ) -> Result<Option<Reply>, NodeError> {
        let signer = self.keys().signer(&audit_origin(&self.config().domain))?;
        let (store, clock, log) = (self.store().clone(), self.clock().clone(), self.audit_log());
        let last = Arc::clone(&self.ledger().last);
        let code = self.config().code.clone();
        blocking(move || {
            let (tell, answer) = sync_channel(2);
            let told = tell.clone();
            let waiting = 1 + usize::from(act.is_some());
            {
                // The store's queue keeps the order, so the times are given under this lock.
                let mut last = lock(&last);
                let records = stamp(&store, &log, &mut last, clock.now(), &code, records)?;
                let command = Command::Audit {
                    records,
                    log,
                    signer,
                };
                store.submit(command, move |reply| drop(told.send((false, reply))));
                if let Some(act) = act {
                    store.submit(act, move |reply| drop(tell.send((true, reply))));
                }
            }
            let mut done = None;
            for _ in 0..waiting {
                let stopped = StoreError::Stopped {
                    cause: "its writer has ended".into(),
                };
                match answer.recv().map_err(|_| stopped)? {
                    (true, reply) => done = Some(reply?),
                    (false, reply) => match reply? {
                        Reply::Logged { .. } => {}
                        reply => return Err(unexpected(&reply).into()),
                    },
                }
            }
            Ok(done)
        })
        .await
    }

    /// A record for the rest to be filled in. Its time is given when it is written.
    pub fn record(&self) -> AuditRecord {
        AuditRecord {
            at: self.now().to_string(),
            ..AuditRecord::default()
        }
    }

    /// The audit log's name in the store.
    pub fn audit_log(&self) -> LogName {
        LogName::new(AUDIT_ACCORD, AUDIT_CHANNEL, &self.config().code)
    }
}

/// The records' bytes with the present time, after a record of the clock if it was set back.
fn stamp(
    store: &Store,
    log: &LogName,
    last: &mut Last,
    now: Timestamp,
    code: &str,
    records: Vec<AuditRecord>,
) -> Result<Vec<Vec<u8>>, NodeError> {
    let before = match last {
        Last::At(before) => *before,
        Last::Unread => last_time(store, log).unwrap_or_else(|error| {
            // What is damaged is for `audit verify` to say; new acts must be accounted for still.
            tracing::error!(%error, "the last audit record cannot be read");
            None
        }),
    };
    let set_back = before
        .filter(|before| now < *before)
        .map(|before| AuditRecord {
            what: CLOCK.into(),
            who: code.to_owned(),
            why: format!("the clock was set back from {before} to {now}"),
            ..AuditRecord::default()
        });
    let stamped = set_back
        .into_iter()
        .chain(records)
        .map(|record| {
            encode(AuditRecord {
                at: now.to_string(),
                ..record
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    *last = Last::At(Some(now));
    Ok(stamped)
}

fn last_time(store: &Store, log: &LogName) -> Result<Option<Timestamp>, StoreError> {
    let Some(head) = store.head(log)?.filter(|head| head.size > 0) else {
        return Ok(None);
    };
    let raw = bundle(store, log, (head.size - 1) / TILE_WIDTH, head.size)?;
    let record = raw.last().map(|raw| decode(log, head.size - 1, raw));
    Ok(record
        .transpose()?
        .and_then(|record| Timestamp::parse(&record.at).ok()))
}

/// The records of one entry bundle of the log at `size`, as they are stored.
fn bundle(store: &Store, log: &LogName, index: u64, size: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let Some(path) = TilePath::at(Kind::Entries, index, size) else {
        return Ok(Vec::new());
    };
    let damaged = |problem: String| StoreError::Corrupt {
        place: format!("{log}, {path}"),
        problem,
    };
    let bytes = store
        .tile(log, &path)?
        .ok_or_else(|| damaged("it is missing".into()))?;
    let entries =
        log::entries::decode(&bytes, path.width).map_err(|error| damaged(error.to_string()))?;
    Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
}

fn decode(log: &LogName, index: u64, raw: &[u8]) -> Result<AuditRecord, StoreError> {
    serde_json::from_slice(raw).map_err(|error| StoreError::Corrupt {
        place: format!("{log}, record {index}"),
        problem: error.to_string(),
    })
}

/// Splits ids over as many copies of `record` as the entry size needs; one record without ids if
/// there are none. Every copy says how many objects are concerned in all.
pub(crate) fn with_objects(record: &AuditRecord, ids: &[String]) -> Vec<AuditRecord> {
    if ids.is_empty() {
        return vec![record.clone()];
    }
    ids.chunks(AUDIT_IDS_MAX)
        .map(|chunk| AuditRecord {
            objects: chunk.to_vec(),
            count: ids.len() as u64,
            ..record.clone()
        })
        .collect()
}

fn encode(mut record: AuditRecord) -> Result<Vec<u8>, NodeError> {
    for text in [
        &mut record.why,
        &mut record.who,
        &mut record.channel,
        &mut record.policy,
        &mut record.purpose,
    ] {
        shorten(text, AUDIT_TEXT_BYTES_MAX / 2);
    }
    record.rules.truncate(AUDIT_RULES_MAX);
    for rule in &mut record.rules {
        shorten(rule, AUDIT_RULE_BYTES_MAX);
    }
    let mut bytes = canonical(&record)?;
    if bytes.len() > AUDIT_RECORD_BYTES_MAX {
        // Escapes can make a text six times as long and ids may be long: give up the list before
        // the account.
        record.objects.clear();
        record.rules.truncate(AUDIT_RULES_MAX / 4);
        for text in [
            &mut record.why,
            &mut record.who,
            &mut record.channel,
            &mut record.policy,
            &mut record.purpose,
        ] {
            shorten(text, AUDIT_TEXT_BYTES_MAX / 12);
        }
        for rule in &mut record.rules {
            shorten(rule, AUDIT_RULE_BYTES_MAX / 2);
        }
        bytes = canonical(&record)?;
    }
    Ok(bytes)
}

fn canonical(record: &AuditRecord) -> Result<Vec<u8>, NodeError> {
    let problem = |problem: String| NodeError::Store(StoreError::Entry { problem });
    let json = serde_json::to_vec(record).map_err(|error| problem(error.to_string()))?;
    model::canonicalise(&json).map_err(|refusal| problem(refusal.reason.to_string()))
}

fn shorten(text: &mut String, max: usize) {
    if text.len() > max {
        let mut end = max - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
