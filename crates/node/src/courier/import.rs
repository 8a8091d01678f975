//! Taking courier files in.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use log::{Checkpoint, Note, cosign};
use store::{Command, LogName};
use sync::View;
use sync::courier::limits::RECEIPT_BYTES_MAX;
use sync::courier::seal::{self, Identity};
use sync::courier::{Imported, Outcome, Shelf, ShelfError};

use super::absolute;
use crate::accords::Channel;
use crate::admin::types::{AuditRecord, CourierImport, CourierImported, CourierRead, CourierTaken};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::node::{Node, blocking};

pub(super) async fn run(
    node: &Arc<Node>,
    caller: &Caller,
    request: CourierImport,
) -> Result<CourierImported, NodeError> {
    if request.files.is_empty() {
        return Err(NodeError::request("name at least one file"));
    }
    let mut paths = Vec::with_capacity(request.files.len());
    for path in &request.files {
        paths.push(absolute(path)?.to_owned());
    }
    let identity = super::key::identity(node.config())?;
    let (shelf, files) = blocking(move || {
        let mut shelf = Shelf::default();
        let read = |path: &std::path::PathBuf| take(&mut shelf, path, identity.as_ref());
        let files: Vec<CourierRead> = paths.iter().map(read).collect();
        (Arc::new(shelf.finish()), files)
    })
    .await;
    let mut report = CourierImported {
        whole: files
            .iter()
            .all(|file| file.error.is_none() && file.damaged == 0 && file.cut.is_none()),
        files,
        ..CourierImported::default()
    };
    let me = &node.config().code;
    let parts = shelf.parts().iter();
    let logs: BTreeSet<_> = parts
        .map(|part| LogName::new(&part.accord, &part.channel, &part.origin))
        .filter(|log| log.origin != *me)
        .collect();
    for log in logs {
        let taken = match node.accords().channel(&log.accord, &log.channel, me) {
            Some(channel) => one(node, &shelf, &channel, &log).await,
            None => not_ours(&log),
        };
        report.whole &= taken.whole;
        report.logs.push(taken);
    }
    report.receipts = receipts(node, &shelf).await?;
    let records = report.logs.iter().map(|log| AuditRecord {
        what: "courier".into(),
        who: caller.recorded(&request.who),
        channel: log.channel.clone(),
        count: log.shown,
        why: format!(
            "{}'s log taken from files: entries {} to {}{}{}",
            log.origin,
            log.from,
            log.to,
            if log.result.is_empty() { "" } else { "; " },
            log.result
        ),
        ..node.record()
    });
    node.audit(records.collect()).await?;
    Ok(report)
}

/// Puts one file on the shelf.
fn take(shelf: &mut Shelf, path: &Path, identity: Option<&Identity>) -> CourierRead {
    let mut read = CourierRead {
        path: path.display().to_string(),
        ..CourierRead::default()
    };
    let fails = |error: &dyn std::fmt::Display| Some(error.to_string());
    // A pipe or a device would keep the node waiting.
    let file = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => File::open(path),
        Ok(_) => Err(std::io::Error::other("it is no plain file")),
        Err(error) => Err(error),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            read.error = fails(&ShelfError::Io(error));
            return read;
        }
    };
    let medium = match seal::open(file, identity) {
        Ok((medium, encrypted)) => {
            read.encrypted = encrypted;
            medium
        }
        Err(error) => {
            read.encrypted = true;
            read.error = fails(&error);
            return read;
        }
    };
    match shelf.add(medium) {
        Ok(file) => {
            read.from = file.root.as_ref().map(|root| root.from.clone());
            read.part = file.root.as_ref().map(|root| root.part);
            (read.damaged, read.cut) = (file.damaged, file.cut);
        }
        Err(error) => read.error = fails(&error),
    }
    read
}

fn not_ours(log: &LogName) -> CourierTaken {
    CourierTaken {
        origin: log.origin.clone(),
        channel: format!("{}/{}", log.accord, log.channel),
        result:
            "this channel is not in force here: install and ratify the accord that defines it, \
                 then import again"
                .into(),
        ..CourierTaken::default()
    }
}

async fn one(
    node: &Arc<Node>,
    shelf: &Arc<Shelf>,
    channel: &Channel,
    log: &LogName,
) -> CourierTaken {
    let accord = Arc::clone(&channel.accord);
    let cosigners = node.keys().cosigners();
    let view = match View::new(accord, &channel.name, &log.origin, cosigners) {
        Ok(view) => view,
        Err(error) => {
            return CourierTaken {
                result: error.to_string(),
                ..not_ours(log)
            };
        }
    };
    let clock = node.clock().clone();
    let clock: sync::Clock = Arc::new(move || clock.now());
    let turn = node.pull_turns().of(log);
    let _turn = turn.lock().await;
    let done = sync::courier::import(shelf, node.store(), &view, &clock).await;
    for (entry, reason) in &done.progress.refused {
        tracing::warn!(%log, entry, reason, "an entry's object is not shown");
    }
    told(done)
}

/// The outcome in words.
fn told(done: Imported) -> CourierTaken {
    let (whole, result) = match &done.outcome {
        Outcome::Whole => (true, String::new()),
        Outcome::Older { size } => (
            true,
            format!(
                "nothing new: the file knows {} entries, this node more",
                thousands(*size)
            ),
        ),
        Outcome::Missing { entries, .. } => (
            false,
            format!(
                "bring entries {}–{} of {}/{} (accord {})",
                thousands(*entries.start()),
                thousands(*entries.end()),
                done.log.origin,
                done.log.channel,
                done.log.accord
            ),
        ),
        Outcome::Failed(error) => (false, error.to_string()),
    };
    CourierTaken {
        origin: done.log.origin.clone(),
        channel: format!("{}/{}", done.log.accord, done.log.channel),
        from: done.from,
        to: done.to,
        shown: done.progress.shown as u64,
        refused: done.progress.refused_count,
        whole,
        result,
    }
}

/// A number as people read it.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Keeps what members say they hold of own logs, as `POST …/cosignatures` does.
async fn receipts(node: &Arc<Node>, shelf: &Arc<Shelf>) -> Result<Vec<String>, NodeError> {
    let found: Vec<Vec<u8>> = {
        let shelf = Arc::clone(shelf);
        blocking(move || {
            let blocks = shelf.receipts().iter();
            blocks
                .filter_map(|cid| shelf.block(cid, RECEIPT_BYTES_MAX))
                .collect()
        })
        .await
    };
    let me = &node.config().code;
    let mut told = Vec::new();
    for note in found {
        let Ok(parsed) = Note::parse(&note) else {
            continue;
        };
        for channel in node.accords().channels(me) {
            let Some(keys) = channel.accord.log_keys(me, &channel.name) else {
                continue;
            };
            // Under this member's own signature, so that a cosigned invention is no receipt.
            let Ok((checkpoint, _)) = Checkpoint::open(&note, &keys) else {
                continue;
            };
            told.extend(keep(node, &channel, &parsed, checkpoint.size()).await?);
        }
    }
    Ok(told)
}

/// Keeps the cosignatures of one checkpoint of an own log; says who holds what.
async fn keep(
    node: &Arc<Node>,
    channel: &Channel,
    note: &Note,
    size: u64,
) -> Result<Vec<String>, NodeError> {
    let Some(in_force) = channel.in_force() else {
        return Ok(Vec::new());
    };
    let log = channel.log(&node.config().code);
    let head = {
        let log = log.clone();
        node.read(move |store| store.head(&log)).await?
    };
    let Some(head) = head else {
        return Ok(Vec::new());
    };
    let present = Note::parse(head.checkpoint.as_bytes());
    let present = present.is_ok_and(|present| present.text() == note.text());
    let mut told = Vec::new();
    for code in &in_force.members {
        let Some(member) = channel.accord.accord().member(code) else {
            continue;
        };
        let genuine =
            |line: &&log::SignatureLine| cosign::verify(note.text(), line, &member.witness).is_ok();
        let Some(line) = note.lines_of(&member.witness).find(genuine) else {
            continue;
        };
        let name = line.name().to_owned();
        let held = head.cosignatures.iter().any(|(held, _)| *held == name);
        if present && !held {
            let command = Command::Cosigned {
                log: log.clone(),
                size,
                lines: vec![(name, line.to_string())],
            };
            node.execute(command).await?;
        }
        told.push(format!(
            "{code} holds {}'s first {} entries{}",
            channel.full_name(),
            thousands(size),
            if present { ", all there are" } else { "" }
        ));
    }
    Ok(told)
}
