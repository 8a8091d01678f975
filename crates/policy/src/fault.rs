//! Where a file of the policy set is wrong, and why.
//!
//! Every reader of such a file (rules, redaction profiles, leak rules, equivalences, cases)
//! answers with this one type, so that a person always gets file, line, column and one sentence.

use std::fmt;

/// A fault in one file of a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Path inside the policy set's folder (`persons.cedar`).
    pub file: String,
    /// Line of the fault, counted from 1.
    pub line: usize,
    /// Column of the fault in characters, counted from 1.
    pub column: usize,
    /// What is wrong and what to do about it, in one sentence.
    pub why: String,
}

impl PolicyError {
    /// A fault at byte `at` of `text`; beyond its end means at its end.
    pub fn at(file: &str, text: &str, at: usize, why: impl Into<String>) -> PolicyError {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        PolicyError {
            file: file.to_owned(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            why: why.into(),
        }
    }

    /// A fault that is not at one place of a file, such as its size.
    pub fn whole(file: &str, why: impl Into<String>) -> PolicyError {
        PolicyError::at(file, "", 0, why)
    }

    /// A fault that the TOML reader found in `text`.
    pub fn toml(file: &str, text: &str, error: &toml::de::Error) -> PolicyError {
        let at = error.span().map_or(0, |span| span.start);
        PolicyError::at(file, text, at, error.message().replace('\n', " "))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.why
        )
    }
}

impl std::error::Error for PolicyError {}
