//! Findings: what a rule has to say about a place.

use std::collections::HashMap;
use std::fmt;

use super::rules::{self, Rule, Weight};
use crate::limits::{FINDINGS_MAX, REPORT_FINDINGS_MAX};
use crate::refusal::Refusal;

/// How the standard is held up to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What the standard says MUST is an error.
    Strict,
    /// What the standard says MUST is a warning; only what no node takes in is an error.
    Lenient,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Accepted, and should be put right at its source.
    Warning,
    /// Refused.
    Error,
}

impl Severity {
    /// The word for it: `note`, `warning`, `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is not as the standard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is in the mode that was asked for.
    pub severity: Severity,
    /// RFC 6901 pointer to the value in question; for what is missing, to where it should be.
    pub pointer: String,
    /// The rule.
    pub rule: &'static Rule,
    /// The section of STIX 2.1 that says so.
    pub section: &'static str,
    /// One sentence.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        write!(
            f,
            "{} [{}, STIX 2.1 section {}]",
            self.sentence, self.rule.id, self.section
        )
    }
}

/// What was found in one text or object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings, in the order in which they were made: at most `FINDINGS_MAX` an object, then a
    /// note that it has more, and at most `REPORT_FINDINGS_MAX` in all.
    pub findings: Vec<Finding>,
    /// Objects looked at.
    pub objects: usize,
    /// Findings by severity, those beyond the limit included: notes, warnings, errors.
    pub counts: [u64; 3],
}

impl Report {
    /// How many findings of this severity there are, listed or not.
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts[severity as usize]
    }

    /// The worst severity, if anything was found.
    pub fn worst(&self) -> Option<Severity> {
        [Severity::Error, Severity::Warning, Severity::Note]
            .into_iter()
            .find(|severity| self.count(*severity) > 0)
    }

    /// The first error.
    pub fn first_error(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.severity == Severity::Error)
    }
}

/// A place on the way down from the top of a text, kept on the stack and written only when needed.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Top(&'a str),
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    pub(super) fn key(&'a self, name: &'a str) -> Place<'a> {
        Place::Key(self, name)
    }

    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place::Index(self, index)
    }

    fn write(&self, out: &mut String) {
        match self {
            Place::Top(prefix) => out.push_str(prefix),
            Place::Key(above, name) => {
                above.write(out);
                out.push('/');
                out.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Place::Index(above, index) => {
                above.write(out);
                out.push('/');
                out.push_str(&index.to_string());
            }
        }
    }

    pub(super) fn pointer(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// Where the checks put what they find.
pub(super) struct Findings {
    mode: Mode,
    report: Report,
    /// Findings listed for the object at hand.
    here: usize,
    /// It has been said that the text has more findings than are listed.
    full: bool,
}

impl Findings {
    pub(super) fn new(mode: Mode) -> Findings {
        Findings {
            mode,
            report: Report::default(),
            here: 0,
            full: false,
        }
    }

    /// The next object begins.
    pub(super) fn object(&mut self) {
        self.report.objects += 1;
        self.here = 0;
    }

    pub(super) fn add(
        &mut self,
        rule: &'static Rule,
        place: &Place<'_>,
        sentence: impl Into<String>,
    ) {
        self.add_in(rule, rule.section, place, sentence);
    }

    /// As `add`, in the section of an object's own table.
    pub(super) fn add_in(
        &mut self,
        rule: &'static Rule,
        section: &'static str,
        place: &Place<'_>,
        sentence: impl Into<String>,
    ) {
        let severity = match (rule.weight, self.mode) {
            (Weight::Note, _) => Severity::Note,
            (Weight::Should, _) | (Weight::Must, Mode::Lenient) => Severity::Warning,
            (Weight::Must, Mode::Strict) | (Weight::Intake, _) => Severity::Error,
        };
        self.report.counts[severity as usize] += 1;
        // An error is always listed once, so that a refusal can name it.
        let first_error =
            severity == Severity::Error && self.report.counts[Severity::Error as usize] == 1;
        // Two places are kept: for the first error, and for the word that the text has more.
        let room = self.report.findings.len() < REPORT_FINDINGS_MAX - 2;
        if first_error || (room && self.here < FINDINGS_MAX) {
            self.report.findings.push(Finding {
                severity,
                pointer: place.pointer(),
                rule,
                section,
                sentence: sentence.into(),
            });
        } else if !room && !self.full {
            self.full = true;
            self.more(REPORT_FINDINGS_MAX, "text");
        } else if room && self.here == FINDINGS_MAX {
            self.more(FINDINGS_MAX, "object");
        }
        self.here += 1;
    }

    /// Says that findings are left out.
    fn more(&mut self, most: usize, of: &str) {
        self.report.findings.push(Finding {
            severity: Severity::Note,
            pointer: String::new(),
            rule: &rules::MORE,
            section: rules::MORE.section,
            sentence: format!("one {of} lists at most {most} findings; the rest is counted only"),
        });
    }

    /// A node does not take in what stands at the places of these refusals: errors in both modes.
    /// Where a rule has been broken at that very place, its finding becomes that error.
    pub(super) fn refuse(&mut self, refusals: &[Refusal]) {
        if refusals.is_empty() {
            return;
        }
        // The first of each place.
        let mut broken: HashMap<String, usize> = HashMap::new();
        for (at, finding) in self.report.findings.iter().enumerate() {
            #[cfg(test)]
            super::steps::count();
            if finding.rule.weight == Weight::Must {
                broken.entry(finding.pointer.clone()).or_insert(at);
            }
        }
        for refusal in refusals {
            let same = broken.get(&refusal.pointer);
            if let Some(finding) = same.and_then(|at| self.report.findings.get_mut(*at)) {
                self.report.counts[finding.severity as usize] -= 1;
                self.report.counts[Severity::Error as usize] += 1;
                finding.severity = Severity::Error;
            } else {
                self.here = 0;
                self.add(
                    &rules::INTAKE,
                    &Place::Top(&refusal.pointer),
                    refusal.reason.to_string(),
                );
            }
        }
    }

    pub(super) fn finish(self) -> Report {
        self.report
    }
}

/// Outside text for a sentence: short, and on one line.
pub(super) fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
