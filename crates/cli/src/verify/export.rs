//! The check of an audit export: every record is proved to be in the log that the checkpoint
//! states, and the checkpoint to be the one of the member whose keys the reader brings.
//!
//! The file is read line by line, so its size does not matter. It may leave records out: the
//! report says which positions it has.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use log::limits::EXPORT_LINE_BYTES_MAX;
use log::{Checkpoint, ExportHead, ExportLine, cosign};
use node::audit::RecordOrder;
use serde::Serialize;

use super::ring::{Known, Ring};
use crate::exit::Failure;
use crate::limits::FINDINGS_MAX;
use crate::show;

/// The check of one export.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ExportReport {
    /// The file.
    pub(crate) place: String,
    /// Whether everything in it is proved.
    pub(crate) holds: bool,
    /// The log.
    pub(crate) origin: String,
    /// The member whose log it is, where an accord says so.
    pub(crate) member: Option<String>,
    /// Records under the checkpoint.
    pub(crate) size: u64,
    /// Records in the file.
    pub(crate) records: u64,
    /// Whether every record of the log is in the file.
    pub(crate) complete: bool,
    /// What is proved, sentence by sentence.
    pub(crate) statements: Vec<String>,
    /// What is wrong, up to a bound.
    pub(crate) findings: Vec<String>,
}

impl ExportReport {
    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// The report in words.
    pub(crate) fn print(&self) {
        let whose = match &self.member {
            Some(code) => format!(" of {code}"),
            None => String::new(),
        };
        show::line(format!(
            "{} of {}{whose} in {}",
            show::count(self.records, "record"),
            self.origin,
            self.place
        ));
        for statement in &self.statements {
            show::line(format!("  {statement}"));
        }
        for finding in &self.findings {
            show::line(format!("  WRONG: {finding}"));
        }
        show::line(if self.holds {
            "  holds"
        } else {
            "  DOES NOT HOLD"
        });
    }
}

/// Checks the file with keys from accords and single ones.
pub(crate) fn check(
    file: &Path,
    accords: &[PathBuf],
    keys: &[String],
) -> Result<ExportReport, Failure> {
    let ring = Ring::load(accords, keys)?;
    let cannot = |error: std::io::Error| Failure::file("read", file, &error);
    let mut lines = BufReader::new(File::open(file).map_err(cannot)?);
    let mut report = ExportReport {
        place: file.display().to_string(),
        ..ExportReport::default()
    };
    let first = line(&mut lines).map_err(cannot)?.unwrap_or_default();
    let head = ExportHead::parse(&first)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    report.origin = head.keys.origin.clone();
    let opened = opened(&head, &ring, &mut report);
    records(&mut lines, opened.as_ref(), &mut report).map_err(cannot)?;
    report.holds = opened.is_some() && report.findings.is_empty();
    Ok(report)
}

/// One line without its end; a longer one than any of an export is cut, and so refused.
fn line(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    lines
        .by_ref()
        .take(EXPORT_LINE_BYTES_MAX as u64 + 2)
        .read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Some(bytes))
}

/// The checkpoint, if it is signed by keys that the reader named.
fn opened(head: &ExportHead, ring: &Ring, report: &mut ExportReport) -> Option<Checkpoint> {
    let Some(known) = ring.log(&head.keys.origin) else {
        report.find(format!(
            "no key for {} is known; name the accord with --accord, or its key with --key (the file \
             says that it is {})",
            head.keys.origin, head.keys.ed25519
        ));
        return None;
    };
    report.member.clone_from(&known.member);
    let (checkpoint, note) = match head.open(&known.keys) {
        Ok(opened) => opened,
        Err(error) => {
            report.find(error.to_string());
            return None;
        }
    };
    report.size = checkpoint.size();
    report.statements.push(format!(
        "the log had {} with root {}, signed by {}",
        show::count(checkpoint.size(), "record"),
        checkpoint.root(),
        if known.keys.pq.is_some() {
            "both its keys"
        } else {
            "its key"
        }
    ));
    cosigned(&note, &known, report, "that state");
    for earlier in &head.witnessed {
        match earlier.verify(&known.keys, &checkpoint) {
            Ok((older, note)) if older.size() < checkpoint.size() => {
                let state = format!("its first {}", show::count(older.size(), "record"));
                cosigned(&note, &known, report, &state);
            }
            Ok(_) => {}
            Err(error) => report.find(error.to_string()),
        }
    }
    report.statements.push(format!("asked for: {}", head.query));
    Some(checkpoint)
}

/// Says which witnesses that the reader knows cosigned this.
fn cosigned(note: &log::Note, known: &Known, report: &mut ExportReport, state: &str) {
    for key in &known.witnesses {
        for line in note.lines_of(key) {
            match cosign::verify(note.text(), line, key) {
                Ok(secs) => {
                    let micros = i64::try_from(secs).unwrap_or(0).saturating_mul(1_000_000);
                    report.statements.push(format!(
                        "{} witnessed {state} at {}",
                        key.name(),
                        model::Timestamp::from_unix_micros(micros)
                    ));
                }
                Err(error) => report.find(error.to_string()),
            }
        }
    }
}

fn records(
    lines: &mut impl BufRead,
    checkpoint: Option<&Checkpoint>,
    report: &mut ExportReport,
) -> std::io::Result<()> {
    let mut order = RecordOrder::default();
    let mut last: Option<u64> = None;
    let mut counted = None;
    while let Some(bytes) = line(lines)? {
        if counted.is_some() {
            report.find("the file goes on after its end".into());
            return Ok(());
        }
        match ExportLine::parse(&bytes) {
            Ok(ExportLine::Record(proved)) => {
                report.records += 1;
                if last.is_some_and(|last| proved.index <= last) {
                    report.find(format!("record {} is out of its order", proved.index));
                }
                last = Some(proved.index);
                if let Some(checkpoint) = checkpoint
                    && let Err(error) = proved.verify(checkpoint)
                {
                    report.find(error.to_string());
                }
                if let Err(problem) = order.check(proved.record) {
                    report.find(format!("record {} {problem}", proved.index));
                }
            }
            Ok(ExportLine::End { records }) => counted = Some(records),
            Err(error) => report.find(error.to_string()),
        }
    }
    match counted {
        Some(records) if records == report.records => {}
        Some(records) => report.find(format!(
            "the file says that it has {records} records and has {}",
            report.records
        )),
        None => report.find("the file was cut: its end is missing".into()),
    }
    report.complete = report.size > 0 && report.records == report.size;
    report.statements.push(if report.complete {
        "it has every record of the log at that state".to_owned()
    } else {
        format!(
            "it has {} of {}; what it leaves out it does not show",
            show::thousands(report.records),
            show::count(report.size, "record")
        )
    });
    Ok(())
}
