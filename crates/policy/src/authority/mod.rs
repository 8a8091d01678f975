//! The release authority: the nation's own rules over what leaves, and how they decide.
//!
//! [`Authority::decide`] is the one question: may this object enter this channel, asked by this
//! person or by the node itself, now? It asks the hard rule first and then the nation's rules,
//! which can only refuse, delay or redact what the hard rule allows.
//!
//! INVARIANT: nothing is permitted that [`releasable`] refuses; a forbid wins over any permit; a
//! rule that cannot be evaluated refuses; every permit that applies adds the approvals and
//! redactions that it demands, so adding a permit never lowers what another asks for; who is not
//! proven gets at most what the same person gets when proven, and who holds no duty only reads.
//!
//! Files: `facts` and `decision` are the question and the answer, `statement` and `rules` read a
//! nation's files, `request` speaks to the engine, this file decides.

mod cases;
mod classes;
mod decision;
mod duty;
mod facts;
pub mod limits;
mod memo;
mod request;
mod rules;
mod statement;
mod whatif;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Authorizer, Decision as Answer, Effect, Entities, PolicyId, Request};
use model::Tlp;

pub use cases::{Failure, Report, test, unreached};
pub use classes::{Class, Classes};
pub use decision::{Decision, Near, Need, Outcome, Reason, Rule};
pub use duty::{Duty, NoDuty};
pub use facts::{Action, Circumstances, Facts, Originator, Person, Principal};
pub use memo::{Layer, Memo};

pub use whatif::{Changed, Move, Reach, Side, Standing, what_if};

pub(crate) use rules::Rules;

use crate::fault::PolicyError;
use crate::release::{InForce, Subject, releasable};

/// Which policy set decided: written into every audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Counted from 1 by the nation; 0 is the set that ships with the program.
    pub number: u64,
    /// SHA-256 over the names, sizes and hashes of its files.
    pub hash: [u8; 32],
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = model::Hash(self.hash).to_string();
        write!(f, "v{} {}", self.number, hash.get(..12).unwrap_or(&hash))
    }
}

/// A nation's rules in force.
#[derive(Clone, Debug)]
pub struct Authority {
    rules: Arc<Rules>,
    version: Version,
}

/// What the rules alone say.
enum Judged {
    /// Some permit, none forbids.
    Open {
        rules: Vec<Arc<Rule>>,
        needs: BTreeMap<Duty, u32>,
        redact: BTreeSet<String>,
    },
    Closed(Vec<Reason>),
}

/// Whether reasons are worked out or only the outcome matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Explain {
    Yes,
    No,
    Briefly,
}

impl Authority {
    pub(crate) fn from_rules(rules: Arc<Rules>, version: Version) -> Authority {
        Authority { rules, version }
    }

    /// An authority of rule files alone, by name, for trying out rules.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn of_rules(
        files: &BTreeMap<&str, &str>,
        version: Version,
    ) -> Result<Authority, PolicyError> {
        let rules = Rules::load(files)?;
        Ok(Authority::from_rules(Arc::new(rules), version))
    }

    /// Which policy set this is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Every rule, in the order of files and lines.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.loaded.iter().map(|loaded| &loaded.rule)
    }

    /// Whether an object may enter a channel, with everything that a person should know about why.
    pub fn decide(
        &self,
        facts: &Facts<'_>,
        in_force: &InForce<'_>,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
    ) -> Decision {
        self.answer(facts, in_force, principal, circumstances, Explain::Yes)
    }

    /// The same decision without its explanation, at a fraction of the cost when it is a refusal.
    pub fn outcome(
        &self,
        facts: &Facts<'_>,
        in_force: &InForce<'_>,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
    ) -> Outcome {
        self.answer(facts, in_force, principal, circumstances, Explain::No)
            .outcome()
    }

    /// The decision without the search for nearest rules, and for automation without asking whether
    /// a person could: what closes it is then a refusal.
    pub(crate) fn briefly(
        &self,
        facts: &Facts<'_>,
        in_force: &InForce<'_>,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
    ) -> Decision {
        self.answer(facts, in_force, principal, circumstances, Explain::Briefly)
    }

    /// Whether somebody may do something other than release: the rules that permit it. `about` is
    /// the object that the action is about, where it is about one.
    ///
    /// # Errors
    /// The reasons against; never empty.
    pub fn allows(
        &self,
        action: Action,
        principal: &Principal<'_>,
        about: Option<&Facts<'_>>,
        circumstances: &Circumstances,
    ) -> Result<Vec<Arc<Rule>>, Vec<Reason>> {
        if action == Action::Release || action.is_about_object() != about.is_some() {
            let why = format!("{} is not asked about in this way", action.word());
            return Err(vec![Reason::Failed { rule: None, why }]);
        }
        let judge = |principal: &Principal<'_>| {
            self.judge(action, principal, about, circumstances, None, Explain::Yes)
        };
        let judged = match principal {
            Principal::Person(person) if action == Action::Read && person.duties.is_empty() => {
                // Who holds no duty may read, but not more than with one.
                let all = Person {
                    duties: BTreeSet::from(Duty::ALL),
                    ..(*person).clone()
                };
                stricter(judge(principal), person_judged(&all, judge))
            }
            Principal::Person(person) => person_judged(person, judge),
            Principal::Automation(_) => judge(principal),
        };
        match judged {
            Judged::Open { rules, .. } => Ok(rules),
            Judged::Closed(reasons) => Err(reasons),
        }
    }

    fn answer(
        &self,
        facts: &Facts<'_>,
        in_force: &InForce<'_>,
        principal: &Principal<'_>,
        circumstances: &Circumstances,
        explain: Explain,
    ) -> Decision {
        let subject = Subject {
            label: facts.label,
            kind: facts.kind,
            now: circumstances.now,
        };
        if let Err(reasons) = releasable(&subject, in_force) {
            return Decision::Refuse {
                reasons: reasons.into_iter().map(Reason::Hard).collect(),
            };
        }
        let judge = |principal: &Principal<'_>, circumstances: &Circumstances| {
            let about = Some(facts);
            let channel = Some(in_force);
            self.judge(
                Action::Release,
                principal,
                about,
                circumstances,
                channel,
                explain,
            )
        };
        let mode = match principal {
            Principal::Person(person) => {
                return match person_judged(person, |who| judge(who, circumstances)) {
                    Judged::Closed(reasons) => Decision::Refuse { reasons },
                    open => opened(open),
                };
            }
            Principal::Automation(mode) => mode,
        };
        let bounds = mode.outside(&subject);
        let closed = match bounds {
            Some(_) => Vec::new(),
            None => match judge(principal, circumstances) {
                Judged::Closed(reasons) => reasons,
                open => return opened(open),
            },
        };
        if explain == Explain::Briefly {
            return Decision::Refuse { reasons: closed };
        }
        // Automation may not. Whether that is the end depends on whether a person could release
        // the object by itself.
        let alone = Circumstances {
            objects: 1,
            ..*circumstances
        };
        let mut against = None;
        for duties in [BTreeSet::from([Duty::Releaser]), BTreeSet::from(Duty::ALL)] {
            let person = Person {
                name: String::new(),
                duties,
                clearance: Tlp::Red,
                proven: true,
            };
            match judge(&Principal::Person(&person), &alone) {
                Judged::Open { .. } => {
                    return Decision::Wait {
                        why: closed,
                        bounds,
                    };
                }
                Judged::Closed(reasons) => against = against.or(Some(reasons)),
            }
        }
        let reasons = if closed.is_empty() {
            against.unwrap_or_default()
        } else {
            closed
        };
        Decision::Refuse { reasons }
    }

    /// Asks the rules.
    fn judge(
        &self,
        action: Action,
        principal: &Principal<'_>,
        about: Option<&Facts<'_>>,
        circumstances: &Circumstances,
        channel: Option<&InForce<'_>>,
        explain: Explain,
    ) -> Judged {
        let asked = self
            .rules
            .names
            .ask(action, principal, about, circumstances, channel);
        let (request, entities) = match asked {
            Ok(asked) => asked,
            Err(why) => return Judged::Closed(vec![Reason::Failed { rule: None, why }]),
        };
        let answer = Authorizer::new().is_authorized(&request, &self.rules.engine, &entities);
        let mut applied: Vec<usize> = answer
            .diagnostics()
            .reason()
            .filter_map(|id| self.rules.position(id))
            .collect();
        applied.sort_unstable();
        let applied = applied.iter().filter_map(|at| self.rules.loaded.get(*at));
        let mut failed: Vec<Reason> = answer
            .diagnostics()
            .errors()
            .map(|error| self.failed(error))
            .collect();
        failed.sort_by_key(|reason| reason.rule_id().map(str::to_owned));
        if answer.decision() == Answer::Allow && failed.is_empty() {
            let mut rules = Vec::new();
            let mut needs = BTreeMap::new();
            let mut redact = BTreeSet::new();
            for loaded in applied {
                rules.push(loaded.rule.clone());
                redact.extend(loaded.redact.iter().cloned());
                for need in &loaded.needs {
                    let count = needs.entry(need.duty).or_insert(0);
                    *count = need.count.max(*count);
                }
            }
            return Judged::Open {
                rules,
                needs,
                redact,
            };
        }
        let mut reasons: Vec<Reason> = applied
            .filter(|loaded| loaded.effect == Effect::Forbid)
            .map(|loaded| Reason::Forbidden(loaded.rule.clone()))
            .collect();
        reasons.append(&mut failed);
        if reasons.is_empty() {
            let nearest = match explain {
                Explain::Yes => self.nearest(&request, &entities),
                Explain::No | Explain::Briefly => Vec::new(),
            };
            reasons.push(Reason::NotPermitted { nearest });
        }
        Judged::Closed(reasons)
    }

    fn failed(&self, error: &cedar_policy::AuthorizationError) -> Reason {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        let at = self.rules.position(error.policy_id());
        Reason::Failed {
            rule: at
                .and_then(|at| self.rules.loaded.get(at))
                .map(|loaded| loaded.rule.clone()),
            why: error.inner().to_string(),
        }
    }

    /// The permits for this actor and action that lack the fewest conditions.
    fn nearest(&self, request: &Request, entities: &Entities) -> Vec<Near> {
        let answer = Authorizer::new().is_authorized(request, &self.rules.parts, entities);
        // Conditions are all permits here, so an answer of yes names every one that holds; on a
        // no, none does. A condition that fails alone does not hold.
        let hold: HashSet<&PolicyId> = answer.diagnostics().reason().collect();
        let mut near: Vec<Near> = self
            .rules
            .loaded
            .iter()
            .filter(|loaded| loaded.effect == Effect::Permit && hold.contains(&loaded.head))
            .map(|loaded| Near {
                rule: loaded.rule.clone(),
                unmet: loaded
                    .conditions
                    .iter()
                    .filter(|(_, id)| !hold.contains(id))
                    .map(|(text, _)| text.clone())
                    .collect(),
            })
            .collect();
        near.sort_by_key(|near| near.unmet.len());
        near.truncate(limits::NEAREST_MAX);
        near
    }
}

/// What a person gets: nothing without a duty, and without proof at most what they get with it.
fn person_judged(person: &Person, judge: impl Fn(&Principal<'_>) -> Judged) -> Judged {
    if person.duties.is_empty() {
        let name = person.name.clone();
        return Judged::Closed(vec![Reason::NoDuty { name }]);
    }
    let judged = judge(&Principal::Person(person));
    if person.proven {
        return judged;
    }
    let proven = Person {
        proven: true,
        ..person.clone()
    };
    stricter(judged, judge(&Principal::Person(&proven)))
}

/// What both allow, under the demands of both.
fn stricter(one: Judged, other: Judged) -> Judged {
    match (one, other) {
        (
            Judged::Open {
                mut rules,
                mut needs,
                mut redact,
            },
            Judged::Open {
                rules: more_rules,
                needs: more_needs,
                redact: more_redact,
            },
        ) => {
            for rule in more_rules {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
            for (duty, count) in more_needs {
                let held = needs.entry(duty).or_insert(0);
                *held = count.max(*held);
            }
            redact.extend(more_redact);
            Judged::Open {
                rules,
                needs,
                redact,
            }
        }
        (closed @ Judged::Closed(_), _) | (_, closed @ Judged::Closed(_)) => closed,
    }
}

fn opened(judged: Judged) -> Decision {
    match judged {
        Judged::Closed(reasons) => Decision::Refuse { reasons },
        Judged::Open {
            rules,
            needs,
            redact,
        } if needs.is_empty() => Decision::Permit { rules, redact },
        Judged::Open {
            rules,
            needs,
            redact,
        } => Decision::NeedsApproval {
            rules,
            needs: needs
                .into_iter()
                .map(|(duty, count)| Need { duty, count })
                .collect(),
            redact,
        },
    }
}
