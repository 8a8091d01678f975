//! The answer to a question of release, and how it explains itself.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::authority::duty::Duty;
use crate::release::Withheld;

/// One rule of the nation's policy, as people meet it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@explain`: what it says, in words.
    pub words: String,
    /// Its `@change`: what would have to change for it to answer otherwise.
    pub change: Option<String>,
    /// Where it is written: `file:line`.
    pub place: String,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.words, self.id, self.place)
    }
}

/// Approvals that a release takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    /// By whom.
    pub duty: Duty,
    /// By how many different people; at least 1.
    pub count: u32,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.count, self.duty)
    }
}

/// A rule that would permit if more of its conditions held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its conditions that do not hold, as they are written. Empty: it is for other actors.
    pub unmet: Vec<String>,
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The hard rule (I1), before any policy.
    Hard(Withheld),
    /// The person holds no duty at all on this node.
    NoDuty {
        /// Who.
        name: String,
    },
    /// A rule forbids it.
    Forbidden(Arc<Rule>),
    /// No rule permits it.
    NotPermitted {
        /// The rules that come nearest to permitting, nearest first.
        nearest: Vec<Near>,
    },
    /// A rule could not be evaluated; what cannot be judged is not released.
    Failed {
        /// The rule, where it is known.
        rule: Option<Arc<Rule>>,
        /// What the engine said.
        why: String,
    },
}

/// The decision on one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Release it.
    Permit {
        /// Every rule that permits.
        rules: Vec<Arc<Rule>>,
        /// Redaction profiles that it must pass first, by name.
        redact: BTreeSet<String>,
    },
    /// Release it once these people have approved.
    NeedsApproval {
        /// Every rule that permits.
        rules: Vec<Arc<Rule>>,
        /// At most one for each duty; never empty.
        needs: Vec<Need>,
        /// Redaction profiles that it must pass first, by name.
        redact: BTreeSet<String>,
    },
    /// Automation may not; a person may.
    Wait {
        /// Why automation may not.
        why: Vec<Reason>,
        /// Set when the channel's configured bounds already stop automation: in words.
        bounds: Option<String>,
    },
    /// It must not be released.
    Refuse {
        /// Every reason against; never empty.
        reasons: Vec<Reason>,
    },
}

/// A decision without its explanation, ordered from closed to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Must not be released.
    Refuse,
    /// Automation may not; a person may.
    Wait,
    /// After approvals.
    Approval,
    /// Now.
    Permit,
}

impl Outcome {
    /// The word in test cases and tables.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Refuse => "refuse",
            Outcome::Wait => "wait",
            Outcome::Approval => "approval",
            Outcome::Permit => "permit",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Decision {
    /// The decision without its explanation.
    pub fn outcome(&self) -> Outcome {
        match self {
            Decision::Permit { .. } => Outcome::Permit,
            Decision::NeedsApproval { .. } => Outcome::Approval,
            Decision::Wait { .. } => Outcome::Wait,
            Decision::Refuse { .. } => Outcome::Refuse,
        }
    }

    /// The ids of the rules that decided, for the audit record. Rules that only came near are not
    /// among them.
    pub fn rule_ids(&self) -> Vec<&str> {
        match self {
            Decision::Permit { rules, .. } | Decision::NeedsApproval { rules, .. } => {
                rules.iter().map(|rule| rule.id.as_str()).collect()
            }
            Decision::Wait { why: reasons, .. } | Decision::Refuse { reasons } => {
                reasons.iter().filter_map(Reason::rule_id).collect()
            }
        }
    }

    /// The whole explanation, one line for each thing that a person should know: the rules that
    /// decided, and for a refusal what would have to change.
    pub fn explain(&self) -> Vec<String> {
        match self {
            Decision::Permit { rules, redact } => {
                let mut lines: Vec<String> = rules.iter().map(|rule| rule.to_string()).collect();
                lines.extend(redaction(redact));
                lines
            }
            Decision::NeedsApproval {
                rules,
                needs,
                redact,
            } => {
                let needs: Vec<String> = needs.iter().map(Need::to_string).collect();
                let mut lines = vec![format!(
                    "needs approval by {}, none of them the author",
                    needs.join(" and ")
                )];
                lines.extend(rules.iter().map(|rule| rule.to_string()));
                lines.extend(redaction(redact));
                lines
            }
            Decision::Wait { why, bounds } => {
                let mut lines: Vec<String> = bounds.iter().cloned().collect();
                lines.extend(why.iter().map(Reason::to_string));
                lines.push("a person with the duty may still release it by hand".to_owned());
                lines
            }
            Decision::Refuse { reasons } => reasons.iter().map(Reason::to_string).collect(),
        }
    }
}

fn redaction(profiles: &BTreeSet<String>) -> Option<String> {
    let names: Vec<&str> = profiles.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("redacted by {}", names.join(", ")))
}

impl Reason {
    /// The id of the rule that this reason is about.
    pub fn rule_id(&self) -> Option<&str> {
        match self {
            Reason::Forbidden(rule) => Some(&rule.id),
            Reason::Failed { rule, .. } => rule.as_ref().map(|rule| rule.id.as_str()),
            Reason::Hard(_) | Reason::NoDuty { .. } | Reason::NotPermitted { .. } => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Hard(withheld) => write!(f, "{withheld}"),
            Reason::NoDuty { name } => write!(
                f,
                "{name} holds no duty on this node; a user manager has to appoint them first"
            ),
            Reason::Forbidden(rule) => {
                write!(f, "{rule}")?;
                match &rule.change {
                    Some(change) => write!(f, "; to change that: {change}"),
                    None => Ok(()),
                }
            }
            Reason::NotPermitted { nearest } => {
                f.write_str("no rule of the national policy permits it")?;
                for (at, near) in nearest.iter().enumerate() {
                    f.write_str(if at == 0 { "; nearest: " } else { "; then: " })?;
                    write!(f, "{near}")?;
                }
                Ok(())
            }
            Reason::Failed { rule, why } => {
                let rule = rule
                    .as_ref()
                    .map_or("the policy".to_owned(), |rule| rule.to_string());
                write!(
                    f,
                    "{rule} could not be evaluated, and what cannot be judged is not released: {why}"
                )
            }
        }
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        match (&self.rule.change, self.unmet.is_empty()) {
            (Some(change), _) => write!(f, ", which would take: {change}"),
            (None, true) => f.write_str(", which is for other actors"),
            (None, false) => write!(f, ", which would take {}", self.unmet.join(" and ")),
        }
    }
}
