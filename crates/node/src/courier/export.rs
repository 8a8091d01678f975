//! Writing courier files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::tile::{Kind, TILE_WIDTH, TilePath};
use log::{Entry, Note, cosign};
use model::Timestamp;
use store::{LogName, Store, StoreError};
use sync::courier::seal::{self, Recipient};
use sync::courier::{Order, OrderedLog, PackError, pack};

use super::{absolute, cannot, write_new};
use crate::accords::Channel;
use crate::admin::types::{AuditRecord, CourierExport, CourierExported, CourierFile, CourierLog};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::node::{Node, blocking};

pub(super) async fn run(
    node: &Arc<Node>,
    caller: &Caller,
    request: CourierExport,
) -> Result<CourierExported, NodeError> {
    let out = absolute(&request.out)?.to_owned();
    if request.channels.is_empty() || request.to.is_empty() {
        return Err(NodeError::request(
            "name at least one channel and one member; nothing is for nobody in particular",
        ));
    }
    let mut to = request.to.clone();
    to.sort_unstable();
    to.dedup();
    let mut channels = BTreeMap::new();
    for name in &request.channels {
        channels.insert(name.clone(), for_all(node, name, &to)?);
    }
    let since = request.since.as_deref().map(Since::parse).transpose()?;
    let readers = match request.encrypt {
        true => Some(readers(node, &channels, &to).await?),
        false => None,
    };
    let receipts = receipts(node, &channels, &to).await?;
    let me = node.config().code.clone();
    let mut logs = Vec::with_capacity(channels.len());
    for channel in channels.values() {
        let log = channel.log(&me);
        let since = match &since {
            None => 0,
            Some(Since::Entry(entry)) => *entry,
            Some(Since::Time(time)) => {
                let (log, time) = (log.clone(), *time);
                node.read(move |store| first_since(store, &log, time))
                    .await?
            }
        };
        logs.push(OrderedLog {
            log,
            digest: channel.accord.digest(),
            since,
        });
    }
    let overhead = |part: u64| match &readers {
        Some(readers) => part.saturating_sub(seal::overhead(readers.len(), part)),
        None => part,
    };
    let order = Order {
        from: me,
        to: to.clone(),
        logs,
        receipts,
        part_bytes: request.split.map(overhead),
    };
    account(node, caller, &request, &channels, &to).await?;
    let report = {
        let (store, receipts) = (node.store().clone(), order.receipts.len());
        let (spool, split) = (store.dir().to_owned(), request.split.is_some());
        blocking(move || {
            let mut report = CourierExported {
                receipts,
                ..CourierExported::default()
            };
            let summaries = write(&store, &order, &spool, &out, split, readers, &mut report)?;
            report.logs = summaries;
            Ok::<_, NodeError>(report)
        })
        .await?
    };
    Ok(report)
}

/// The channel, if it may go to each of these members: they read this node's log of it over their
/// connections, too.
fn for_all(node: &Node, name: &str, to: &[String]) -> Result<Channel, NodeError> {
    let channel = node.channel(name).ok_or_else(|| NodeError::Unknown {
        what: format!("channel {name:?} in force"),
    })?;
    for code in to {
        if *code == node.config().code {
            return Err(NodeError::request("a courier file is for other members"));
        }
        if !crate::members::serves(&channel, code) {
            return Err(NodeError::Denied {
                why: format!(
                    "{code} is not in force in {name}: what it cannot read over its connection \
                     goes into no file for it"
                ),
            });
        }
    }
    Ok(channel)
}

/// I10: before anything is written.
async fn account(
    node: &Node,
    caller: &Caller,
    request: &CourierExport,
    channels: &BTreeMap<String, Channel>,
    to: &[String],
) -> Result<(), NodeError> {
    let records = channels.iter().map(|(name, channel)| AuditRecord {
        what: "courier".into(),
        who: caller.recorded(&request.who),
        channel: name.clone(),
        why: format!(
            "written to {} for {}{}{}",
            request.out,
            to.join(", "),
            if request.encrypt { ", encrypted" } else { "" },
            match &request.since {
                Some(since) => format!(", since {since}"),
                None => String::new(),
            }
        ),
        policy: channel.policy(),
        ..node.record()
    });
    node.audit(records.collect()).await
}

fn write(
    store: &Store,
    order: &Order,
    spool: &Path,
    out: &Path,
    split: bool,
    readers: Option<Vec<Recipient>>,
    report: &mut CourierExported,
) -> Result<Vec<CourierLog>, NodeError> {
    let mut failed = None;
    let packed = pack(store, order, spool, |part| {
        let path = match split {
            true => numbered(out, part.part),
            false if part.part == 1 => out.to_owned(),
            // More blocks than one import takes.
            false => numbered(out, part.part),
        };
        let written = write_new(&path, |file| match &readers {
            Some(readers) => seal::seal(readers, file, |sealed| part.write_to(sealed)).map(drop),
            None => part.write_to(file),
        });
        match written {
            Ok(bytes) => {
                report.files.push(CourierFile {
                    path: path.display().to_string(),
                    bytes,
                    root: part.root.to_string(),
                });
                Ok(())
            }
            Err(error) => {
                let kind = error.kind();
                failed = Some(cannot(&path, error));
                Err(kind.into())
            }
        }
    });
    match (packed, failed) {
        (_, Some(error)) => Err(error),
        (Ok(summaries), None) => Ok(summaries
            .into_iter()
            .map(|log| CourierLog {
                channel: format!("{}/{}", log.log.accord, log.log.channel),
                first: log.first,
                size: log.size,
                objects: log.objects,
            })
            .collect()),
        (Err(PackError::Store(error)), None) => Err(error.into()),
        (Err(PackError::Io(error)), None) => Err(NodeError::io(
            format!("the spool in {} cannot be written", spool.display()),
            error,
        )),
        (Err(error), None) => Err(NodeError::request(error.to_string())),
    }
}

fn numbered(out: &Path, part: u64) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{part}"));
    name.into()
}

/// From where on.
enum Since {
    Entry(u64),
    Time(Timestamp),
}

impl Since {
    fn parse(text: &str) -> Result<Since, NodeError> {
        if let Ok(entry) = text.parse() {
            return Ok(Since::Entry(entry));
        }
        let time = Timestamp::parse(text)
            .or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")))
            .map_err(|_| {
                NodeError::request(format!(
                    "{text:?} is neither a number of entries nor a time such as 2026-01-31 or \
                     2026-01-31T12:00:00Z"
                ))
            })?;
        Ok(Since::Time(time))
    }
}

/// The first entry of a log that is not older than `time`; its size if there is none.
fn first_since(store: &Store, log: &LogName, time: Timestamp) -> Result<u64, StoreError> {
    let size = store.head(log)?.map_or(0, |head| head.size);
    for path in TilePath::range(Kind::Entries, 0, size, size) {
        let damaged = || StoreError::Corrupt {
            place: format!("{log}, {path}"),
            problem: "its entries cannot be read".into(),
        };
        let raw = store.tile(log, &path)?.ok_or_else(damaged)?;
        let entries = log::entries::decode(&raw, path.width).map_err(|_| damaged())?;
        for (place, raw) in entries.into_iter().enumerate() {
            let entry = Entry::decode(raw).map_err(|_| damaged())?;
            if Timestamp::parse(&entry.time).is_ok_and(|at| at >= time) {
                return Ok(path.index * TILE_WIDTH + place as u64);
            }
        }
    }
    Ok(size)
}

/// The courier keys of the members, each certified by its root key.
async fn readers(
    node: &Node,
    channels: &BTreeMap<String, Channel>,
    to: &[String],
) -> Result<Vec<Recipient>, NodeError> {
    let mut readers = Vec::with_capacity(to.len());
    for code in to {
        // Two accords may give the code to two members: then it must be sealed for both, or neither.
        let mut known: Vec<&policy::Member> = Vec::new();
        for channel in channels.values() {
            let member = channel.accord.accord().member(code);
            let member = member.ok_or_else(|| NodeError::Unknown {
                what: format!("member {code}"),
            })?;
            if !known.iter().any(|other| other.root == member.root) {
                known.push(member);
            }
        }
        for member in known {
            readers.push(super::key::of(node, member).await?);
        }
    }
    Ok(readers)
}

/// What this member holds of the recipients' own logs, cosigned: the way back of a receipt.
async fn receipts(
    node: &Node,
    channels: &BTreeMap<String, Channel>,
    to: &[String],
) -> Result<Vec<Vec<u8>>, NodeError> {
    let seconds = u64::try_from(node.now().unix_nanos() / 1_000_000_000).unwrap_or_default();
    let mut notes = Vec::new();
    for channel in channels.values() {
        for code in to {
            let log = channel.log(code);
            let head = node.read(move |store| store.head(&log)).await?;
            // Only what is held whole, and from a log that is still believed.
            let head = head.filter(|head| {
                head.size > 0 && head.size == head.checkpoint_size && head.refused.is_none()
            });
            let Some(head) = head else { continue };
            let Ok(note) = Note::parse(head.checkpoint.as_bytes()) else {
                continue;
            };
            let mut receipt = head.checkpoint.clone();
            for key in node.keys().cosigners().iter() {
                match cosign::cosign(note.text(), key, seconds) {
                    Ok(line) => receipt += &format!("{line}\n"),
                    Err(error) => tracing::error!(%error, "cannot cosign"),
                }
            }
            notes.push(receipt.into_bytes());
        }
    }
    Ok(notes)
}
