//! How a command ends: the documented exit codes and the one sentence that goes with each.
//!
//! Every command returns `Result<(), Failure>`. A [`Failure`] is one sentence that says what is
//! wrong and what to do next; its kind is the exit code that scripts can rely on (docs/cli.md).
//! Nothing here prints: `main` does, once.

use std::fmt;

/// Why a command did not succeed. The variants are the exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Exit code 1: the node, a rule or a check said no. Trying again changes nothing.
    Refused(String),
    /// Exit code 2: the command line, an input's form or the configuration is wrong.
    Usage(String),
    /// Exit code 3: a file, the disk, a server or a partner could not be used just now.
    Unavailable(String),
    /// Exit code 4: nothing is wrong that would be refused, and something should be put right.
    Warned(String),
}

impl Failure {
    /// A [`Failure::Refused`] from anything printable.
    pub(crate) fn refused(sentence: impl fmt::Display) -> Failure {
        Failure::Refused(sentence.to_string())
    }

    /// A [`Failure::Usage`] from anything printable.
    pub(crate) fn usage(sentence: impl fmt::Display) -> Failure {
        Failure::Usage(sentence.to_string())
    }

    /// A [`Failure::Unavailable`] from anything printable.
    pub(crate) fn unavailable(sentence: impl fmt::Display) -> Failure {
        Failure::Unavailable(sentence.to_string())
    }

    /// A file that could not be used: `what` is the verb, such as "read".
    pub(crate) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::Unavailable(format!(
            "could not {what} {}: {error}; check the path, its rights and the free space",
            path.display()
        ))
    }

    /// The process exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Refused(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unavailable(_) => 3,
            Failure::Warned(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(text)
            | Failure::Usage(text)
            | Failure::Unavailable(text)
            | Failure::Warned(text) => f.write_str(text),
        }
    }
}
