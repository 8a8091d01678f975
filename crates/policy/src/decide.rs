//! Whether a release that the hard rule allows happens now, waits for a person, or not at all.
//!
//! This is the seam for a nation's own policy. Today it knows one mode for each channel: by hand,
//! or automatic for named kinds up to a level. A policy engine, approvals by several people and
//! redaction take this function's place behind the same [`Decision`]; they come after the hard
//! rule's answer, which is an argument here, and so can never overrule it.

use model::Tlp;

use crate::accord::Kinds;
use crate::release::{Subject, Withheld};

/// How a member releases into one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReleaseMode {
    /// Only a person releases.
    #[default]
    Manual,
    /// The node releases by itself what is of these kinds and not above this level; a person
    /// releases the rest.
    Auto {
        /// The kinds.
        kinds: Kinds,
        /// The highest level.
        ceiling: Tlp,
    },
}

impl ReleaseMode {
    /// Why automation may not release this, in words; absent when it is within the bounds.
    pub(crate) fn outside(&self, subject: &Subject<'_>) -> Option<String> {
        match self {
            ReleaseMode::Manual => {
                Some("the channel is in manual mode, so a person has to release".to_owned())
            }
            ReleaseMode::Auto { kinds, .. } if !kinds.allows(subject.kind) => Some(format!(
                "automatic release does not cover {}, so a person has to release",
                subject.kind
            )),
            ReleaseMode::Auto { ceiling, .. } if subject.label.tlp > *ceiling => Some(format!(
                "automatic release ends at {} and the object is {}, \
                 so a person has to release",
                ceiling, subject.label.tlp
            )),
            ReleaseMode::Auto { .. } => None,
        }
    }
}

/// Who asks for the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A person, by the name under which the node knows them.
    Person(String),
    /// The node itself.
    Automation,
}

/// The answer, with the rule that decided in words for the explanation and the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Release it.
    Permit {
        /// The rule that permits.
        rule: String,
    },
    /// Not by automation; a person may still release it.
    Wait {
        /// The rule that makes it wait.
        rule: String,
    },
    /// It must not be released.
    Refuse {
        /// Every reason against.
        reasons: Vec<Withheld>,
    },
}

/// Decides a release. `hard` is the answer of [`releasable`](crate::releasable) for the same
/// subject; what it refuses stays refused.
pub fn decide(
    hard: Result<(), Vec<Withheld>>,
    mode: &ReleaseMode,
    subject: &Subject<'_>,
    trigger: &Trigger,
) -> Decision {
    if let Err(reasons) = hard {
        return Decision::Refuse { reasons };
    }
    match (trigger, mode) {
        (Trigger::Person(name), _) => Decision::Permit {
            rule: format!("{name} releases by hand"),
        },
        (Trigger::Automation, ReleaseMode::Manual) => Decision::Wait {
            rule: "the channel is in manual mode, so a person has to release".to_owned(),
        },
        (Trigger::Automation, ReleaseMode::Auto { kinds, ceiling }) => {
            let kind = subject.kind;
            if !kinds.allows(kind) {
                Decision::Wait {
                    rule: format!(
                        "automatic release does not cover {kind}, so a person has to release"
                    ),
                }
            } else if subject.label.tlp > *ceiling {
                Decision::Wait {
                    rule: format!(
                        "automatic release ends at {} and the object is {}, \
                         so a person has to release",
                        ceiling, subject.label.tlp
                    ),
                }
            } else {
                Decision::Permit {
                    rule: format!("automatic release covers {kind} up to {}", ceiling),
                }
            }
        }
    }
}
