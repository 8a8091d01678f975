//! The check of single files: accords, evidence of a forked log, and checkpoints.
//!
//! Each answers in sentences: what the file says, and which of it is proved by which keys. What a
//! file proves about keys that it brings itself is said to be only that.

use log::{Checkpoint, Evidence, Note, Verdict};
use policy::SignedAccord;

use super::report::PaperReport;
use super::ring::Ring;
use crate::exit::Failure;

/// Checks one file.
pub(crate) fn check(place: &str, bytes: &[u8], ring: &Ring) -> Result<PaperReport, Failure> {
    if bytes.starts_with(b"kurultai-evidence/") {
        return Ok(evidence(place, bytes, ring));
    }
    let Ok(note) = Note::parse(bytes) else {
        // A draft has no signature yet and so is no note.
        if SignedAccord::parse(bytes).is_ok() {
            return Ok(accord(place, bytes));
        }
        return Err(Failure::usage(format!(
            "{place} is no log, accord, checkpoint or evidence; give `kurultai verify` one of these"
        )));
    };
    Ok(match Checkpoint::parse_text(note.text()) {
        Ok(checkpoint) => statement(place, bytes, &checkpoint, ring),
        Err(_) => accord(place, bytes),
    })
}

fn accord(place: &str, bytes: &[u8]) -> PaperReport {
    let mut report = PaperReport {
        place: place.to_owned(),
        kind: "accord",
        holds: false,
        statements: Vec::new(),
    };
    let signed = match SignedAccord::parse(bytes) {
        Ok(signed) => signed,
        Err(error) => {
            report
                .statements
                .push(format!("it is no well-formed accord: {error}"));
            return report;
        }
    };
    let accord = signed.accord();
    let digest: String = signed
        .digest()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    report.statements.push(format!(
        "{} version {}, text SHA-256 {digest}",
        accord.name, accord.version
    ));
    let ratified = signed.ratified();
    let waiting: Vec<&str> = accord
        .members
        .iter()
        .map(|member| member.code.as_str())
        .filter(|code| !ratified.contains(*code))
        .collect();
    report.statements.push(format!(
        "ratified by {}",
        list(ratified.iter().map(String::as_str))
    ));
    if !waiting.is_empty() {
        report
            .statements
            .push(format!("not ratified by {}", list(waiting.iter().copied())));
    }
    for channel in &accord.channels {
        report
            .statements
            .push(match signed.channel_in_force(&channel.name) {
                Some(in_force) => {
                    format!(
                        "channel {} is in force among {}",
                        channel.name,
                        list(in_force.members.iter().map(String::as_str))
                    )
                }
                None => format!(
                    "channel {} is not in force: fewer than two of its members ratified",
                    channel.name
                ),
            });
    }
    report.statements.push("a ratification proves that the root key in the text signed it; compare root keys with the members by another way".to_owned());
    report.holds = waiting.is_empty();
    report
}

fn evidence(place: &str, bytes: &[u8], ring: &Ring) -> PaperReport {
    let mut report = PaperReport {
        place: place.to_owned(),
        kind: "evidence",
        holds: false,
        statements: Vec::new(),
    };
    let evidence = match Evidence::parse(bytes) {
        Ok(evidence) => evidence,
        Err(error) => {
            report
                .statements
                .push(format!("it proves nothing: {error}"));
            return report;
        }
    };
    let known = ring.log(&evidence.keys().origin);
    let keys = known.as_ref().map_or(evidence.keys(), |known| &known.keys);
    match evidence.verify(keys) {
        Ok(verdict) => {
            report.statements.push(words(&verdict));
            report.statements.push(match known.as_ref().and_then(|known| known.member.as_deref()) {
                Some(member) => format!("both statements are signed by the keys that the accord names for {member}"),
                None if known.is_some() => "both statements are signed by the key that you named".to_owned(),
                None => "both statements are signed by the key in the file; name the accord with --accord to see whose it is".to_owned(),
            });
            report.holds = true;
        }
        Err(error) => report.statements.push(format!(
            "it proves nothing against the keys of the accord: {error}"
        )),
    }
    report
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::TwoRoots {
            origin,
            size,
            roots,
        } => format!(
            "the owner of {origin} signed two different histories of {size} entries: root {} and root {}",
            roots[0], roots[1]
        ),
        Verdict::Rewritten {
            origin,
            older_size,
            older_root,
            newer_size,
            root_at_older,
        } => format!(
            "the owner of {origin} rewrote history: it signed {older_size} entries with root {older_root}, and later \
             {newer_size} entries of which the first {older_size} have root {root_at_older}"
        ),
    }
}

fn statement(place: &str, bytes: &[u8], checkpoint: &Checkpoint, ring: &Ring) -> PaperReport {
    let mut report = PaperReport {
        place: place.to_owned(),
        kind: "checkpoint",
        holds: false,
        statements: Vec::new(),
    };
    report.statements.push(format!(
        "{} has {} entries and root {}",
        checkpoint.origin(),
        checkpoint.size(),
        checkpoint.root()
    ));
    match ring.log(checkpoint.origin()) {
        None => report.statements.push(
            "no key for this log is known; name the accord with --accord, or its key with --key"
                .to_owned(),
        ),
        Some(known) => match Checkpoint::open(bytes, &known.keys) {
            Ok(_) => {
                report
                    .statements
                    .push("signed by the log's keys".to_owned());
                report.holds = true;
            }
            Err(error) => report
                .statements
                .push(format!("the signature does not hold: {error}")),
        },
    }
    report
}

fn list<'a>(codes: impl Iterator<Item = &'a str>) -> String {
    let codes: Vec<&str> = codes.collect();
    if codes.is_empty() {
        "nobody".to_owned()
    } else {
        codes.join(", ")
    }
}
