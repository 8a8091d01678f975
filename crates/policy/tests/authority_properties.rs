//! What must hold for every set of rules that a nation may write: decisions under random rules,
//! labels, channels and actors, against a model of the same rules in plain Rust.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use model::{Label, Releasable, Timestamp, Tlp};
use policy::authority::{
    Authority, Circumstances, Decision, Duty, Facts, Originator, Outcome, Person, Principal,
    Reason, Version,
};
use policy::{Channel, InForce, Kinds, ReleaseMode, Subject, releasable};
use support::{Rng, SIX, channel, codes};

const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];
const KINDS: [&str; 4] = ["indicator", "malware", "report", "x-relief-need"];
const NOW: &str = "2026-03-02T20:30:00Z";

/// Everything that one question is about, owned.
#[derive(Clone, Debug)]
struct Question {
    label: Label,
    kind: &'static str,
    about_person: bool,
    partner: bool,
    channel: Channel,
    ratified: BTreeSet<String>,
    mode: ReleaseMode,
    /// Absent: automation.
    person: Option<Person>,
    objects: u64,
    offset: Option<i32>,
    delegated: bool,
}

/// What a condition is for a question: true, false, or not to be evaluated.
type Truth = Option<bool>;
type Condition = (&'static str, fn(&Question) -> Truth);

fn held(question: &Question, test: impl Fn(&Person) -> bool) -> Truth {
    Some(question.person.as_ref().is_some_and(test))
}

/// Conditions in the rules' language and in Rust.
const CONDITIONS: [Condition; 17] = [
    ("true", |_| Some(true)),
    ("resource.about_person", |q| Some(q.about_person)),
    ("!resource.about_person", |q| Some(!q.about_person)),
    ("resource.level <= 2", |q| Some(q.label.tlp <= Tlp::Amber)),
    ("resource.tlp == Tlp::\"GREEN\"", |q| {
        Some(q.label.tlp == Tlp::Green)
    }),
    ("resource.own", |q| Some(!q.partner)),
    ("resource.caveats.contains(\"ORCON\")", |q| {
        Some(q.label.caveats.contains("ORCON"))
    }),
    ("resource.legal_basis.isEmpty()", |q| {
        Some(q.label.legal_basis.is_empty())
    }),
    ("resource.kind == \"report\"", |q| Some(q.kind == "report")),
    ("context.objects < 100", |q| Some(q.objects < 100)),
    // 20:30 UTC is 01:30 at +05:00.
    ("context has hour && context.hour < 6", |q| {
        Some(q.offset == Some(300))
    }),
    // Overflows for 2 objects and more: a rule that cannot be evaluated.
    ("context.objects * 9223372036854775807 > 0", |q| {
        (q.objects < 2).then_some(q.objects > 0)
    }),
    ("context.channel.exercise || context.delegated", |q| {
        Some(q.channel.exercise || q.delegated)
    }),
    ("principal is Automation", |q| Some(q.person.is_none())),
    ("principal is Person && principal.proven", |q| {
        held(q, |person| person.proven)
    }),
    ("principal is Person && !principal.proven", |q| {
        held(q, |person| !person.proven)
    }),
    (
        "principal is Person && principal.clearance >= resource.level",
        |q| held(q, |person| person.clearance >= q.label.tlp),
    ),
];

/// A random rule: its conditions, and what it demands.
#[derive(Clone, Debug)]
struct Drawn {
    forbid: bool,
    conditions: Vec<usize>,
    needs: Option<(u32, Duty)>,
    redact: Option<&'static str>,
}

impl Drawn {
    fn draw(rng: &mut Rng, forbid_in_four: usize) -> Drawn {
        let forbid = rng.below(4) < forbid_in_four;
        Drawn {
            forbid,
            conditions: (0..1 + rng.below(2))
                .map(|_| rng.below(CONDITIONS.len()))
                .collect(),
            needs: (!forbid && rng.below(2) == 0).then(|| {
                let count = 1 + rng.below(4) as u32;
                (count, [Duty::Approver, Duty::Releaser][rng.below(2)])
            }),
            redact: (!forbid && rng.below(3) == 0).then(|| ["coarse", "faceless"][rng.below(2)]),
        }
    }

    fn text(&self, at: usize) -> String {
        let conditions: Vec<String> = self
            .conditions
            .iter()
            .map(|at| format!("({})", CONDITIONS[*at].0))
            .collect();
        let needs = self.needs.map_or(String::new(), |(count, duty)| {
            format!("@needs(\"{count} of {duty}\")\n")
        });
        let redact = self
            .redact
            .map_or(String::new(), |profile| format!("@redact(\"{profile}\")\n"));
        format!(
            "@id(\"r{at}\")\n@explain(\"rule {at}\")\n{needs}{redact}{} (principal, \
             action == Action::\"release\", resource)\nwhen {{ {} }};\n",
            if self.forbid { "forbid" } else { "permit" },
            conditions.join(" && ")
        )
    }

    /// Left to right, as the language says: a false condition hides what follows.
    fn truth(&self, question: &Question) -> Truth {
        for at in &self.conditions {
            if !CONDITIONS[*at].1(question)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

fn load(rules: &[Drawn]) -> Option<Authority> {
    let text: String = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| rule.text(at))
        .collect();
    let version = Version {
        number: 1,
        hash: [0; 32],
    };
    match Authority::of_rules(&BTreeMap::from([("r.cedar", text.as_str())]), version) {
        Ok(authority) => Some(authority),
        // Drawn conditions may contradict each other, which strict validation refuses.
        Err(error) => {
            assert!(error.why.contains("impossible"), "{error}\n{text}");
            None
        }
    }
}

fn subset(rng: &mut Rng, full_in_four: usize) -> BTreeSet<String> {
    if rng.below(4) < full_in_four {
        return codes(&SIX);
    }
    let some: Vec<&str> = SIX.into_iter().filter(|_| rng.below(2) == 0).collect();
    codes(&some)
}

fn question(rng: &mut Rng) -> Question {
    let mut label = Label::new(
        LEVELS[rng.below(5)],
        match rng.below(2) {
            0 => Releasable::Everyone,
            _ => Releasable::Members(subset(rng, 3)),
        },
    );
    if rng.below(3) == 0 {
        label.caveats.insert("ORCON".to_owned());
    }
    if rng.below(3) == 0 {
        label.legal_basis.insert("treaty".to_owned());
    }
    if rng.below(5) == 0 {
        let day = 1 + rng.below(4);
        let expires = format!("2026-03-0{day}T00:00:00Z");
        label.expires = Some(Timestamp::parse(&expires).expect("a time"));
    }
    label.exercise = rng.below(4) == 0;
    let mut channel = channel("c", &[]);
    channel.members = subset(rng, 2);
    channel.ceiling = LEVELS[1 + rng.below(4)];
    channel.exercise = label.exercise ^ (rng.below(5) == 0);
    if rng.below(4) == 0 {
        channel.kinds = Kinds::Only(codes(&KINDS[..1 + rng.below(4)]));
    }
    let mut ratified = subset(rng, 3);
    ratified.retain(|code| channel.members.contains(code));
    let duties = Duty::ALL.into_iter().filter(|_| rng.below(2) == 0);
    let duties: BTreeSet<Duty> = duties.collect();
    let person = Person {
        name: "anna".to_owned(),
        duties,
        clearance: LEVELS[rng.below(5)],
        proven: rng.below(3) > 0,
    };
    Question {
        label,
        kind: KINDS[rng.below(4)],
        about_person: rng.below(3) == 0,
        partner: rng.below(3) == 0,
        channel,
        ratified,
        mode: match rng.below(4) {
            0 => ReleaseMode::Manual,
            _ => ReleaseMode::Auto {
                kinds: Kinds::Any,
                ceiling: LEVELS[1 + rng.below(4)],
            },
        },
        person: (rng.below(3) > 0).then_some(person),
        objects: [1, 2, 99, 100, 5_000][rng.below(5)],
        offset: [None, Some(0), Some(300)][rng.below(3)],
        delegated: rng.below(4) == 0,
    }
}

impl Question {
    fn circumstances(&self) -> Circumstances {
        Circumstances {
            now: Timestamp::parse(NOW).expect("a time"),
            utc_offset_minutes: self.offset,
            objects: self.objects,
            delegated: self.delegated,
        }
    }

    fn in_force(&self) -> InForce<'_> {
        InForce::new("pact", &self.channel, self.ratified.clone())
    }

    fn hard(&self) -> bool {
        let subject = Subject {
            label: &self.label,
            kind: self.kind,
            now: self.circumstances().now,
        };
        releasable(&subject, &self.in_force()).is_ok()
    }

    fn within_bounds(&self) -> bool {
        match (&self.person, &self.mode) {
            (Some(_), _) => true,
            (None, ReleaseMode::Manual) => false,
            (None, ReleaseMode::Auto { kinds, ceiling }) => {
                kinds.allows(self.kind) && self.label.tlp <= *ceiling
            }
        }
    }

    fn ask(&self, authority: &Authority) -> Decision {
        let facts = Facts {
            label: &self.label,
            kind: self.kind,
            about_person: self.about_person,
            originator: match self.partner {
                false => Originator::Own,
                true => Originator::Member("US"),
            },
        };
        let principal = match &self.person {
            Some(person) => Principal::Person(person),
            None => Principal::Automation(&self.mode),
        };
        let circumstances = self.circumstances();
        let decision = authority.decide(&facts, &self.in_force(), &principal, &circumstances);
        let outcome = authority.outcome(&facts, &self.in_force(), &principal, &circumstances);
        assert_eq!(outcome, decision.outcome());
        decision
    }
}

/// What a decision demands; absent when it does not let anything out.
fn demands(decision: &Decision) -> Option<(BTreeMap<Duty, u32>, BTreeSet<String>)> {
    match decision {
        Decision::Permit { redact, .. } => Some((BTreeMap::new(), redact.clone())),
        Decision::NeedsApproval { needs, redact, .. } => {
            let needs = needs.iter().map(|need| (need.duty, need.count)).collect();
            Some((needs, redact.clone()))
        }
        Decision::Wait { .. } | Decision::Refuse { .. } => None,
    }
}

/// Whether `strict` lets nothing out that `open` does not, and demands all that it does.
fn no_more_than(strict: &Decision, open: &Decision) -> bool {
    match (demands(strict), demands(open)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((needs, redact)), Some((fewer, less))) => {
            redact.is_superset(&less)
                && fewer
                    .iter()
                    .all(|(duty, count)| needs.get(duty).is_some_and(|held| held >= count))
        }
    }
}

/// Whether the rules let it out, by the model: some permit, no forbid, nothing that fails.
fn let_out(rules: &[Drawn], question: &Question) -> bool {
    let truths: Vec<(bool, Truth)> = rules
        .iter()
        .map(|rule| (rule.forbid, rule.truth(question)))
        .collect();
    truths.iter().all(|(_, truth)| truth.is_some())
        && truths.contains(&(false, Some(true)))
        && !truths.contains(&(true, Some(true)))
}

fn proven(question: &Question) -> Question {
    let mut question = question.clone();
    if let Some(person) = &mut question.person {
        person.proven = true;
    }
    question
}

#[test]
fn decisions_are_those_of_the_model_and_never_beyond_the_hard_rule() {
    let mut rng = Rng(7);
    let (mut asked, mut open, mut hard, mut failed, mut forbidden) = (0, 0, 0, 0, 0);
    while asked < 12_000 {
        let count = 1 + rng.below(5);
        let rules: Vec<Drawn> = (0..count).map(|_| Drawn::draw(&mut rng, 1)).collect();
        let Some(authority) = load(&rules) else {
            continue;
        };
        for _ in 0..60 {
            let question = question(&mut rng);
            let decision = question.ask(&authority);
            asked += 1;
            let duty = question
                .person
                .as_ref()
                .is_none_or(|p| !p.duties.is_empty());
            let expected = question.hard()
                && duty
                && question.within_bounds()
                && let_out(&rules, &question)
                && let_out(&rules, &proven(&question));
            let demanded = demands(&decision);
            assert_eq!(
                demanded.is_some(),
                expected,
                "{rules:?} {question:?} {decision:?}"
            );
            match &decision {
                Decision::Refuse { reasons } => {
                    assert!(!reasons.is_empty());
                    let all_hard = reasons.iter().all(|r| matches!(r, Reason::Hard(_)));
                    assert_eq!(all_hard, !question.hard(), "{decision:?}");
                    let any = |test: fn(&Reason) -> bool| u64::from(reasons.iter().any(test));
                    failed += any(|reason| matches!(reason, Reason::Failed { .. }));
                    forbidden += any(|reason| matches!(reason, Reason::Forbidden(_)));
                }
                Decision::Wait { .. } => assert!(question.person.is_none() && question.hard()),
                _ => {}
            }
            if let Some((needs, redact)) = demanded {
                open += 1;
                for rule in rules.iter().filter(|rule| !rule.forbid) {
                    if rule.truth(&question) == Some(true) {
                        let met = rule.needs.is_none_or(|(count, duty)| {
                            needs.get(&duty).is_some_and(|held| *held >= count)
                        });
                        assert!(met, "{rule:?} {decision:?}");
                        assert!(rule.redact.is_none_or(|profile| redact.contains(profile)));
                    }
                }
            }
            hard += u64::from(!question.hard());
        }
    }
    for seen in [open, hard, failed, forbidden] {
        assert!(seen > 300, "{open} {hard} {failed} {forbidden}");
    }
}

#[test]
fn adding_a_permit_never_lowers_what_another_demands() {
    let mut rng = Rng(11);
    let (mut asked, mut open, mut raised) = (0, 0, 0);
    while asked < 8_000 {
        let mut rules: Vec<Drawn> = (0..1 + rng.below(3))
            .map(|_| Drawn::draw(&mut rng, 1))
            .collect();
        let Some(before) = load(&rules) else {
            continue;
        };
        rules.push(Drawn::draw(&mut rng, 0));
        let Some(after) = load(&rules) else {
            continue;
        };
        for _ in 0..60 {
            let question = question(&mut rng);
            let (was, now) = (question.ask(&before), question.ask(&after));
            asked += 1;
            if demands(&was).is_some() {
                open += 1;
                assert!(no_more_than(&now, &was), "{rules:?} {was:?} {now:?}");
                raised += usize::from(demands(&now) != demands(&was));
            }
        }
    }
    assert!(open > 500 && raised > 50, "{open} {raised}");
}

#[test]
fn a_forbid_wins_over_any_number_of_permits() {
    let mut rng = Rng(13);
    let (mut asked, mut stopped) = (0, 0);
    while asked < 8_000 {
        let permits: Vec<Drawn> = (0..1 + rng.below(4))
            .map(|_| Drawn::draw(&mut rng, 0))
            .collect();
        let mut forbid = Drawn::draw(&mut rng, 4);
        forbid.conditions.truncate(1);
        let mut rules = permits.clone();
        rules.insert(rng.below(permits.len() + 1), forbid.clone());
        let (Some(without), Some(with)) = (load(&permits), load(&rules)) else {
            continue;
        };
        for _ in 0..60 {
            let question = question(&mut rng);
            let (was, now) = (question.ask(&without), question.ask(&with));
            asked += 1;
            assert!(now.outcome() <= was.outcome(), "{rules:?} {was:?} {now:?}");
            if forbid.truth(&question) == Some(true) {
                assert!(demands(&now).is_none(), "{rules:?} {now:?}");
                stopped += usize::from(demands(&was).is_some());
            }
        }
    }
    assert!(stopped > 300, "{stopped}");
}

#[test]
fn without_proof_or_duty_nobody_gets_more() {
    let mut rng = Rng(17);
    let (mut asked, mut open, mut less) = (0, 0, 0);
    while asked < 8_000 {
        let rules: Vec<Drawn> = (0..1 + rng.below(4))
            .map(|_| Drawn::draw(&mut rng, 1))
            .collect();
        let Some(authority) = load(&rules) else {
            continue;
        };
        for _ in 0..60 {
            let mut question = question(&mut rng);
            let Some(person) = &mut question.person else {
                continue;
            };
            person.proven = false;
            let unproven = question.ask(&authority);
            let sure = proven(&question).ask(&authority);
            asked += 1;
            assert!(
                no_more_than(&unproven, &sure),
                "{rules:?} {unproven:?} {sure:?}"
            );
            assert!(unproven.outcome() <= sure.outcome());
            open += usize::from(demands(&sure).is_some());
            less += usize::from(unproven.outcome() < sure.outcome());
            let mut bare = proven(&question);
            if let Some(person) = &mut bare.person {
                person.duties.clear();
            }
            assert_eq!(bare.ask(&authority).outcome(), Outcome::Refuse);
        }
    }
    assert!(open > 500 && less > 50, "{open} {less}");
}
