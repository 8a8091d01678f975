//! Tests of a policy set: cases in TOML, each with the decision and the deciding rule that are
//! expected.
//!
//! A case states everything that the decision depends on, so a file of cases reads like a table of
//! what the nation wants. Whoever changes a rule runs them, and learns which rules no case
//! reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::{Groups, Label, Timestamp, Tlp};
use serde::Deserialize;
use toml::Spanned;

use crate::accord::{Attribution, Channel, Kinds};
use crate::authority::limits::CASES_MAX;
use crate::authority::{
    Action, Authority, Circumstances, Decision, Duty, Facts, Need, Originator, Outcome, Person,
    Principal, Reason, Rule,
};
use crate::bounds::ReleaseMode;
use crate::fault::PolicyError;
use crate::release::InForce;

/// The words for what decides besides a nation's rules.
const HARD: &str = "hard-rule";
const NO_RULE: &str = "no-rule";
const NO_DUTY: &str = "no-duty";
const BOUNDS: &str = "bounds";

/// A case that did not come out as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case's name.
    pub case: String,
    /// `file:line` of the case.
    pub place: String,
    /// What was expected, what came, and why, in words.
    pub words: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.case, self.words)
    }
}

/// How a file of cases came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases there are.
    pub cases: usize,
    /// Those that did not come out.
    pub failures: Vec<Failure>,
    /// Ids of the rules that decided some case.
    pub reached: BTreeSet<String>,
}

/// The rules of an authority that no case reached.
pub fn unreached(authority: &Authority, reached: &BTreeSet<String>) -> Vec<Arc<Rule>> {
    let missed = |rule: &&Arc<Rule>| !reached.contains(&rule.id);
    authority.rules().filter(missed).cloned().collect()
}

/// Runs a file of cases.
///
/// # Errors
/// When the file is no file of cases: the first fault with its place.
pub fn test(authority: &Authority, file: &str, text: &str) -> Result<Report, PolicyError> {
    let raw: RawFile =
        toml::from_str(text).map_err(|error| PolicyError::toml(file, text, &error))?;
    if raw.case.len() > CASES_MAX {
        let why = format!("more than {CASES_MAX} cases in one file");
        return Err(PolicyError::whole(file, why));
    }
    let mut channels = BTreeMap::new();
    for one in &raw.channel {
        let fault = |why: String| PolicyError::at(file, text, one.span().start, why);
        let channel = one.get_ref().read().map_err(fault)?;
        let name = channel.channel.name.clone();
        if channels.insert(name.clone(), channel).is_some() {
            return Err(fault(format!("the channel {name} is there twice")));
        }
    }
    let mut report = Report::default();
    for one in &raw.case {
        let at = one.span().start;
        let fault = |why: String| PolicyError::at(file, text, at, why);
        let case = one.get_ref();
        let line = PolicyError::at(file, text, at, "").line;
        let (rules, failure) = case.run(authority, &channels).map_err(fault)?;
        report.cases += 1;
        report.reached.extend(rules);
        report.failures.extend(failure.map(|words| Failure {
            case: case.name.clone(),
            place: format!("{file}:{line}"),
            words,
        }));
    }
    Ok(report)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    channel: Vec<Spanned<RawChannel>>,
    #[serde(default)]
    case: Vec<Spanned<RawCase>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    name: String,
    #[serde(default)]
    accord: Option<String>,
    members: BTreeSet<String>,
    ratified: Option<BTreeSet<String>>,
    kinds: Option<BTreeSet<String>>,
    ceiling: String,
    #[serde(default)]
    exercise: bool,
    #[serde(default)]
    hides_source: bool,
    #[serde(default)]
    purposes: BTreeSet<String>,
    #[serde(default)]
    groups: BTreeMap<String, BTreeSet<String>>,
    auto: Option<RawBounds>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBounds {
    kinds: Option<BTreeSet<String>>,
    ceiling: String,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum RawPrincipal {
    Automation(String),
    Person {
        #[serde(default)]
        name: Option<String>,
        duties: BTreeSet<Duty>,
        clearance: String,
        #[serde(default = "yes")]
        proven: bool,
    },
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    #[serde(default)]
    action: Option<String>,
    channel: Option<String>,
    label: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    about_person: bool,
    originator: Option<String>,
    principal: RawPrincipal,
    now: Option<String>,
    utc_offset_minutes: Option<i32>,
    objects: Option<u64>,
    #[serde(default)]
    delegated: bool,
    expect: String,
    rule: String,
    #[serde(default)]
    needs: Option<String>,
    #[serde(default)]
    redact: Option<BTreeSet<String>>,
}

/// A channel of a file of cases.
struct Known {
    channel: Channel,
    accord: String,
    ratified: BTreeSet<String>,
    purposes: BTreeSet<String>,
    groups: Groups,
    mode: ReleaseMode,
}

impl RawChannel {
    fn read(&self) -> Result<Known, String> {
        let kinds = |kinds: &Option<BTreeSet<String>>| match kinds {
            None => Kinds::Any,
            Some(kinds) => Kinds::Only(kinds.clone()),
        };
        let mut groups = Groups::default();
        for (name, members) in &self.groups {
            groups.insert(name.clone(), members.clone());
        }
        Ok(Known {
            channel: Channel {
                name: self.name.clone(),
                title: self.name.clone(),
                members: self.members.clone(),
                kinds: kinds(&self.kinds),
                ceiling: level(&self.ceiling)?,
                exercise: self.exercise,
                retention_days: None,
                attribution: match self.hides_source {
                    true => Attribution::Member,
                    false => Attribution::Origin,
                },
                hide: None,
                delegate: None,
            },
            accord: self.accord.clone().unwrap_or_default(),
            ratified: self.ratified.clone().unwrap_or(self.members.clone()),
            purposes: self.purposes.clone(),
            groups,
            mode: match &self.auto {
                None => ReleaseMode::Manual,
                Some(bounds) => ReleaseMode::Auto {
                    kinds: kinds(&bounds.kinds),
                    ceiling: level(&bounds.ceiling)?,
                },
            },
        })
    }
}

impl Known {
    fn in_force(&self) -> InForce<'_> {
        InForce {
            accord: &self.accord,
            channel: &self.channel,
            members: self.ratified.clone(),
            retention_days: None,
            groups: self.groups.clone(),
            purposes: self.purposes.clone(),
        }
    }
}

impl RawCase {
    /// The rules that decided, and what differs from what was expected.
    fn run(
        &self,
        authority: &Authority,
        channels: &BTreeMap<String, Known>,
    ) -> Result<(Vec<String>, Option<String>), String> {
        let expected = [
            Outcome::Refuse,
            Outcome::Wait,
            Outcome::Approval,
            Outcome::Permit,
        ];
        let expected = expected
            .into_iter()
            .find(|outcome| outcome.word() == self.expect)
            .ok_or("expect is permit, approval, wait or refuse")?;
        let action = match &self.action {
            None => Action::Release,
            Some(word) => Action::ALL
                .into_iter()
                .find(|action| action.word() == word)
                .ok_or_else(|| format!("{word} is no action"))?,
        };
        let label = match &self.label {
            Some(text) => Label::parse(text).map_err(|error| format!("label: {error}"))?,
            None => Label::parse("TLP:CLEAR").map_err(|error| error.to_string())?,
        };
        let facts = Facts {
            label: &label,
            kind: self.kind.as_deref().unwrap_or("indicator"),
            about_person: self.about_person,
            originator: match &self.originator {
                None => Originator::Own,
                Some(code) => Originator::Member(code),
            },
        };
        let now = self.now.as_deref().unwrap_or("2026-01-05T09:00:00Z");
        let circumstances = Circumstances {
            now: Timestamp::parse(now).map_err(|error| format!("now: {error}"))?,
            utc_offset_minutes: self.utc_offset_minutes,
            objects: self.objects.unwrap_or(1),
            delegated: self.delegated,
        };
        let channel = match &self.channel {
            None if action == Action::Release => {
                return Err("a case of a release names its channel".to_owned());
            }
            None => None,
            Some(name) => {
                let known = channels.get(name);
                Some(known.ok_or_else(|| format!("there is no [[channel]] named {name}"))?)
            }
        };
        let person = self.principal.person()?;
        let mode = channel.map_or(ReleaseMode::Manual, |channel| channel.mode.clone());
        let principal = match &person {
            Some(person) => Principal::Person(person),
            None => Principal::Automation(&mode),
        };
        let decision = match channel {
            Some(channel) if action == Action::Release => {
                authority.decide(&facts, &channel.in_force(), &principal, &circumstances)
            }
            _ => {
                let about = action.is_about_object().then_some(&facts);
                match authority.allows(action, &principal, about, &circumstances) {
                    Ok(rules) => Decision::Permit {
                        rules,
                        redact: BTreeSet::new(),
                    },
                    Err(reasons) => Decision::Refuse { reasons },
                }
            }
        };
        let rules = decision.rule_ids().into_iter().map(str::to_owned).collect();
        Ok((rules, self.differs(expected, &decision)))
    }

    fn differs(&self, expected: Outcome, decision: &Decision) -> Option<String> {
        let outcome = decision.outcome();
        let deciders = deciders(decision);
        let why = || decision.explain().join("; ");
        if outcome != expected {
            return Some(format!("expected {expected}, came {outcome}: {}", why()));
        }
        if !deciders.contains(&self.rule.as_str()) {
            return Some(format!(
                "{outcome} as expected, but not by {}; decided by {}: {}",
                self.rule,
                deciders.join(", "),
                why()
            ));
        }
        let (needs, redact) = match decision {
            Decision::NeedsApproval { needs, redact, .. } => (needs.as_slice(), Some(redact)),
            Decision::Permit { redact, .. } => (&[][..], Some(redact)),
            Decision::Wait { .. } | Decision::Refuse { .. } => (&[][..], None),
        };
        let needs: Vec<String> = needs.iter().map(Need::to_string).collect();
        let needs = needs.join(", ");
        if let Some(wanted) = &self.needs
            && *wanted != needs
        {
            return Some(format!(
                "expected approval by {wanted}, came {needs:?}: {}",
                why()
            ));
        }
        if let Some(wanted) = &self.redact
            && redact != Some(wanted)
        {
            let came = redact.into_iter().flatten().cloned().collect::<Vec<_>>();
            return Some(format!(
                "expected other redaction than {:?}: {}",
                came.join(", "),
                why()
            ));
        }
        None
    }
}

/// What decided: ids of rules, or the words for what decides besides them.
fn deciders(decision: &Decision) -> Vec<&str> {
    let mut deciders = decision.rule_ids();
    let reasons = match decision {
        Decision::Wait { why, bounds } => {
            deciders.extend(bounds.iter().map(|_| BOUNDS));
            why
        }
        Decision::Refuse { reasons } => reasons,
        Decision::Permit { .. } | Decision::NeedsApproval { .. } => return deciders,
    };
    deciders.extend(reasons.iter().filter_map(|reason| match reason {
        Reason::Hard(_) => Some(HARD),
        Reason::NoDuty { .. } => Some(NO_DUTY),
        Reason::NotPermitted { .. } => Some(NO_RULE),
        Reason::Forbidden(_) | Reason::Failed { .. } => None,
    }));
    deciders
}

impl RawPrincipal {
    /// The person; absent for automation.
    fn person(&self) -> Result<Option<Person>, String> {
        match self {
            RawPrincipal::Automation(word) if word == "automation" => Ok(None),
            RawPrincipal::Automation(word) => Err(format!(
                "principal is \"automation\" or {{ duties, clearance }}, not {word:?}"
            )),
            RawPrincipal::Person {
                name,
                duties,
                clearance,
                proven,
            } => Ok(Some(Person {
                name: name.clone().unwrap_or_else(|| "somebody".to_owned()),
                duties: duties.clone(),
                clearance: level(clearance)?,
                proven: *proven,
            })),
        }
    }
}

fn level(text: &str) -> Result<Tlp, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no level; write TLP:GREEN, for instance"))
}
