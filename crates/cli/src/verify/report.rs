//! What a check found, for people and for programs.
//!
//! A report lists every problem with the file that it is in, up to a bound; it never stops at the
//! first, because who restores a backup needs to know all that is damaged.

use serde::Serialize;

use crate::limits::FINDINGS_MAX;
use crate::show;

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The file, relative to what was checked.
    pub(crate) file: String,
    /// What is wrong with it.
    pub(crate) problem: String,
}

/// What a key said about a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Signed {
    /// The key's name.
    pub(crate) name: String,
    /// Seconds since 1970 at which a cosignature was made; absent for the log's own keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<u64>,
}

/// The check of one log.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LogReport {
    /// The folder or URL.
    pub(crate) place: String,
    /// The log's name, as its checkpoint states it.
    pub(crate) origin: String,
    /// The member whose log it is, where an accord says so.
    pub(crate) member: Option<String>,
    /// Entries under the checkpoint.
    pub(crate) size: u64,
    /// The root that the checkpoint states, in hex.
    pub(crate) root: String,
    /// The log's own signatures that hold.
    pub(crate) signed_by: Vec<Signed>,
    /// The partners' cosignatures that hold.
    pub(crate) cosigned_by: Vec<Signed>,
    /// Entries that released or revised an object.
    pub(crate) releases: u64,
    /// Entries that withdrew one or let it expire.
    pub(crate) withdrawals: u64,
    /// Bodies that are here and match their entries.
    pub(crate) bodies: u64,
    /// Bodies that are gone because their object was withdrawn.
    pub(crate) bodies_withdrawn: u64,
    /// Bodies that are not kept here as files although nothing withdrew them.
    pub(crate) bodies_absent: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Everything that is wrong, up to a bound.
    pub(crate) findings: Vec<Finding>,
    /// How many more problems there are.
    pub(crate) findings_omitted: u64,
    /// What is worth knowing and not wrong.
    pub(crate) notes: Vec<String>,
}

impl LogReport {
    /// Adds a problem.
    pub(crate) fn find(&mut self, file: impl Into<String>, problem: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                file: file.into(),
                problem: problem.into(),
            });
        } else {
            self.findings_omitted += 1;
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report in words.
    pub(crate) fn print(&self) {
        let whose = self
            .member
            .as_ref()
            .map(|code| format!(" of {code}"))
            .unwrap_or_default();
        let name = if self.origin.is_empty() {
            "a log without a statement"
        } else {
            &self.origin
        };
        show::line(format!("{name}{whose} in {}", self.place));
        if !self.origin.is_empty() {
            self.print_facts();
        }
        for finding in &self.findings {
            show::line(format!("  WRONG {}: {}", finding.file, finding.problem));
        }
        if self.findings_omitted > 0 {
            show::line(format!(
                "  … and {} more problems",
                show::thousands(self.findings_omitted)
            ));
        }
        if self.holds() {
            show::line(format!(
                "  holds: every entry, tile, signature and body here matches; {} checked, {} withdrawn and gone",
                count(self.bodies, "body", "bodies"),
                show::thousands(self.bodies_withdrawn)
            ));
        }
    }

    fn print_facts(&self) {
        show::line(format!(
            "  {} ({} of objects, {} withdrawn), root {}",
            count(self.size, "entry", "entries"),
            show::thousands(self.releases),
            show::thousands(self.withdrawals),
            self.root
        ));
        if !self.signed_by.is_empty() {
            show::line(format!("  signed by {}", names(&self.signed_by)));
        }
        if !self.cosigned_by.is_empty() {
            show::line(format!("  cosigned by {}", names(&self.cosigned_by)));
        }
        for note in &self.notes {
            show::line(format!("  note: {note}"));
        }
    }
}

/// The check of something that is not a log: an accord, a piece of evidence, a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PaperReport {
    /// The file.
    pub(crate) place: String,
    /// What it is: `accord`, `evidence`, `checkpoint`.
    pub(crate) kind: &'static str,
    /// Whether it holds.
    pub(crate) holds: bool,
    /// What it says and whether that is proved, sentence by sentence.
    pub(crate) statements: Vec<String>,
}

impl PaperReport {
    /// The report in words.
    pub(crate) fn print(&self) {
        show::line(format!("{} in {}", self.kind, self.place));
        for statement in &self.statements {
            show::line(format!("  {statement}"));
        }
        show::line(if self.holds {
            "  holds"
        } else {
            "  DOES NOT HOLD"
        });
    }
}

fn names(signed: &[Signed]) -> String {
    signed
        .iter()
        .map(|one| one.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn count(number: u64, one: &str, more: &str) -> String {
    format!(
        "{} {}",
        show::thousands(number),
        if number == 1 { one } else { more }
    )
}
