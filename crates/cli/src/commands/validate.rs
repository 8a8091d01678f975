//! `kurultai validate`: holds STIX files up to the standard, without a node.

mod locate;
mod sarif;

use std::path::PathBuf;

use clap::Args;
use model::validate::{Finding, Mode, Severity, Validator};
use serde::Serialize;

use crate::exit::Failure;
use crate::input::{self, Input};
use crate::show;

/// Checks STIX 2.1 files: bundles, TAXII envelopes, arrays or single objects, as JSON or zstd.
///
/// Each finding names its file, the place (RFC 6901), the rule and the section of the standard.
/// Strict mode reports what the standard says MUST as errors; lenient mode reports them as
/// warnings, and as errors only what no node takes in.
///
/// Exit codes: 0 clean or notes only, 4 warnings, 1 errors, 2 a text that is no JSON, 3 a file
/// that could not be read; of several the first in the order 3, 2, 1, 4.
#[derive(Args)]
pub(crate) struct Validate {
    /// Files, folders (their .json and .zst files), or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,
    /// What the standard says MUST is an error (the default)
    #[arg(long, conflicts_with = "lenient")]
    strict: bool,
    /// What the standard says MUST is a warning; only what no node takes in is an error
    #[arg(long)]
    lenient: bool,
    /// List at most this many findings, the worst of each file first; all are counted
    #[arg(long, value_name = "N", default_value_t = 200)]
    max: usize,
    /// Answer as JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Answer as SARIF 2.1.0
    #[arg(long)]
    sarif: bool,
}

/// What was found in all files.
#[derive(Debug, Serialize)]
struct Answer {
    /// `strict` or `lenient`.
    mode: &'static str,
    /// Each file.
    files: Vec<Checked>,
    #[serde(flatten)]
    counts: Counts,
    /// Findings that are counted and not listed.
    omitted: u64,
}

/// Numbers of one file, or of all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    objects: u64,
    errors: u64,
    warnings: u64,
    notes: u64,
}

/// What was found in one file.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    #[serde(flatten)]
    counts: Counts,
    findings: Vec<Found>,
    /// Why the file could not be read or is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// One finding.
#[derive(Debug, Serialize)]
struct Found {
    severity: &'static str,
    pointer: String,
    /// From 1; of the nearest place that is there, where something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    rule: &'static str,
    section: &'static str,
    sentence: String,
}

impl Validate {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mode = if self.lenient {
            Mode::Lenient
        } else {
            Mode::Strict
        };
        let mut answer = Answer {
            mode: if self.lenient { "lenient" } else { "strict" },
            files: Vec::new(),
            counts: Counts::default(),
            omitted: 0,
        };
        let mut failures: Vec<Failure> = Vec::new();
        let mut room = self.max;
        for input in &input::inputs(&self.paths)? {
            let checked = check(input, mode, room, &mut failures);
            room -= checked.findings.len();
            let sum = &mut answer.counts;
            let counts = checked.counts;
            sum.objects += counts.objects;
            sum.errors += counts.errors;
            sum.warnings += counts.warnings;
            sum.notes += counts.notes;
            answer.omitted += (counts.errors + counts.warnings + counts.notes)
                .saturating_sub(checked.findings.len() as u64);
            if !self.json && !self.sarif {
                list(&checked);
            }
            answer.files.push(checked);
        }
        if self.sarif {
            show::json(&sarif::log(&answer))?;
        } else if self.json {
            show::json(&answer)?;
        } else {
            summary(&answer);
        }
        end(&answer, failures)
    }
}

/// Checks one input and lists at most `room` of its findings.
fn check(input: &Input, mode: Mode, room: usize, failures: &mut Vec<Failure>) -> Checked {
    let mut checked = Checked {
        file: input.name(),
        counts: Counts::default(),
        findings: Vec::new(),
        failure: None,
    };
    let report = input.read().and_then(|text| {
        let report = Validator::new(mode).text(&text).map_err(|refusal| {
            Failure::usage(format!(
                "{} is no STIX: {refusal}; correct it first",
                input.name()
            ))
        })?;
        Ok((text, report))
    });
    let (text, mut report) = match report {
        Ok(read) => read,
        Err(failure) => {
            checked.failure = Some(failure.to_string());
            failures.push(failure);
            return checked;
        }
    };
    checked.counts = Counts {
        objects: report.objects as u64,
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        notes: report.count(Severity::Note),
    };
    // The worst first, each kind in the order of the file.
    report
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    report.findings.truncate(room);
    let pointers: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.pointer.as_str())
        .collect();
    let places = locate::locate(&text, &pointers);
    checked.findings = report
        .findings
        .iter()
        .zip(places)
        .map(|(finding, place)| found(finding, place))
        .collect();
    checked
}

fn found(finding: &Finding, place: Option<(usize, usize)>) -> Found {
    Found {
        severity: finding.severity.as_str(),
        pointer: finding.pointer.clone(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        rule: finding.rule.id,
        section: finding.section,
        sentence: finding.sentence.clone(),
    }
}

fn list(checked: &Checked) {
    if let Some(failure) = &checked.failure {
        show::line(failure);
    }
    for found in &checked.findings {
        let place = match (found.line, found.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        let pointer = if found.pointer.is_empty() {
            "the whole"
        } else {
            &found.pointer
        };
        show::line(format!(
            "{}{place}: {}: {pointer}: {} [{}, STIX 2.1 section {}]",
            checked.file, found.severity, found.sentence, found.rule, found.section
        ));
    }
}

fn summary(answer: &Answer) {
    let counts = answer.counts;
    show::line(format!(
        "{} in {}, {}: {}, {}, {}",
        show::count(counts.objects, "object"),
        show::count(answer.files.len() as u64, "file"),
        answer.mode,
        show::count(counts.errors, "error"),
        show::count(counts.warnings, "warning"),
        show::count(counts.notes, "note"),
    ));
    if answer.omitted > 0 {
        show::line(format!(
            "{} not listed; --max N lists more",
            show::count(answer.omitted, "finding")
        ));
    }
}

/// The worst of everything, as an exit code.
fn end(answer: &Answer, failures: Vec<Failure>) -> Result<(), Failure> {
    if let Some(worst) = failures.into_iter().max_by_key(Failure::code) {
        return Err(worst);
    }
    let counts = answer.counts;
    if counts.errors > 0 {
        return Err(Failure::refused(format!(
            "{}; see the rules in docs/validation.md",
            show::count(counts.errors, "error")
        )));
    }
    if counts.warnings > 0 {
        return Err(Failure::Warned(show::count(counts.warnings, "warning")));
    }
    Ok(())
}
