//! One attempt: the objects that it is about, how it was answered, and the book of all of them.

use std::collections::BTreeSet;

use hyper::StatusCode;
use node::admin::types::Problem;

/// What became of all attempts.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) names: BTreeSet<&'static str>,
    pub(crate) failures: Vec<String>,
    pub(crate) accounted: usize,
    /// What must not be anywhere outside, with the attempt that it belongs to.
    pub(crate) protected: Vec<(String, &'static str)>,
}

/// How an attempt was answered: the kind of answer, and its words.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) kind: String,
    pub(crate) words: String,
}

/// One attempt, from its beginning.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    /// The size of the audit log when it began.
    pub(crate) audit: u64,
}

impl Case {
    /// The UUID part of ids that belong to this attempt.
    pub(crate) fn id(&self, kind: &str) -> String {
        format!("{kind}--00000000-0000-4000-8000-{:012}", self.number)
    }

    /// Words that only the object under protection holds.
    pub(crate) fn secret(&self) -> String {
        format!("protected-{:04}-words", self.number)
    }

    /// An indicator that holds the secret.
    pub(crate) fn indicator(&self, extra: &str) -> String {
        self.version(0, &format!(r#","description":"{}"{extra}"#, self.secret()))
    }

    /// A version of the indicator with only this added.
    pub(crate) fn version(&self, minute: u32, extra: &str) -> String {
        self.object("indicator", minute, &format!(r#","name":"host","pattern":"[domain-name:value = 'a.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"{extra}"#))
    }

    /// A person, by the name of the secret.
    pub(crate) fn person(&self, minute: u32) -> String {
        self.object(
            "identity",
            minute,
            &format!(
                r#","name":"{} {minute}","identity_class":"individual""#,
                self.secret()
            ),
        )
    }

    pub(crate) fn object(&self, kind: &str, minute: u32, extra: &str) -> String {
        format!(
            r#"{{"type":"{kind}","spec_version":"2.1","id":"{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:{minute:02}:00.000Z"{extra}}}"#,
            self.id(kind)
        )
    }
}

/// The header of somebody whom [`crate::world::Running::person`] made.
pub(crate) fn password_of(name: &str) -> String {
    use base64::Engine;
    let pair = format!("{name}:{}", crate::world::PERSON_PASSWORD);
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {pair}")
}

impl Answer {
    pub(crate) fn of(status: StatusCode, body: &[u8]) -> Answer {
        let words = match serde_json::from_slice::<Problem>(body) {
            Ok(problem) if !problem.detail.is_empty() => problem.detail,
            _ => String::from_utf8_lossy(body).into_owned(),
        };
        Answer {
            kind: status.as_str().to_owned(),
            words,
        }
    }
}
