//! The shipped policy set: it loads, and decides as its own words say.

mod support;

use std::collections::BTreeSet;

use model::{Label, Timestamp, Tlp};
use policy::authority::{
    Action, Authority, Circumstances, Decision, Duty, Facts, Originator, Outcome, Person,
    Principal, Reason,
};
use policy::{InForce, Kinds, PolicySet, ReleaseMode};
use support::{SIX, accord, label, ratified};

fn shipped() -> Authority {
    PolicySet::shipped()
        .expect("the shipped set loads")
        .authority(0)
}

fn person(duties: &[Duty]) -> Person {
    Person {
        name: "anna".to_owned(),
        duties: duties.iter().copied().collect(),
        clearance: Tlp::Red,
        proven: true,
    }
}

fn at(now: &str) -> Circumstances {
    Circumstances {
        now: Timestamp::parse(now).expect("a time"),
        utc_offset_minutes: Some(300),
        objects: 1,
        delegated: false,
    }
}

fn indicator(label: &Label) -> Facts<'_> {
    Facts {
        label,
        kind: "indicator",
        about_person: false,
        originator: Originator::Own,
    }
}

fn auto() -> ReleaseMode {
    ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Amber,
    }
}

/// Asks about a label in the channel `all`.
fn decide(facts: &Facts<'_>, principal: &Principal<'_>, circumstances: &Circumstances) -> Decision {
    let signed = ratified(accord(&SIX), &SIX);
    let in_force: InForce<'_> = signed.channel_in_force("all").expect("a channel in force");
    shipped().decide(facts, &in_force, principal, circumstances)
}

#[test]
fn indicators_leave_by_themselves_and_releasers_release_by_hand() {
    let now = at("2026-03-02T08:00:00Z");
    let green = label(Tlp::Green, None);
    let decision = decide(&indicator(&green), &Principal::Automation(&auto()), &now);
    assert!(
        decision.rule_ids().contains(&"indicators-automatically"),
        "{decision:?}"
    );
    assert_eq!(decision.outcome(), Outcome::Permit);
    let manual = decide(
        &indicator(&green),
        &Principal::Automation(&ReleaseMode::Manual),
        &now,
    );
    assert_eq!(manual.outcome(), Outcome::Wait);
    let releaser = person(&[Duty::Releaser]);
    let by_hand = decide(&indicator(&green), &Principal::Person(&releaser), &now);
    assert_eq!(by_hand.rule_ids(), ["by-hand"]);
    let analyst = person(&[Duty::Analyst]);
    let refused = decide(&indicator(&green), &Principal::Person(&analyst), &now);
    let Decision::Refuse { reasons } = &refused else {
        panic!("{refused:?}");
    };
    let [Reason::NotPermitted { nearest }] = &reasons[..] else {
        panic!("{reasons:?}");
    };
    assert_eq!(nearest[0].rule.id, "by-hand");
    assert_eq!(
        nearest[0].unmet,
        ["principal.duties.contains(Duty::\"releaser\")"]
    );
}

#[test]
fn what_people_may_do_besides() {
    let now = at("2026-03-02T08:00:00Z");
    let authority = shipped();
    let mut anna = person(&[Duty::Approver]);
    let green = label(Tlp::Green, None);
    let facts = indicator(&green);
    let may = |person: &Person, action: Action, facts: Option<&Facts<'_>>| {
        authority
            .allows(action, &Principal::Person(person), facts, &now)
            .is_ok()
    };
    assert!(may(&anna, Action::Approve, Some(&facts)));
    assert!(!may(&anna, Action::ManageUsers, None));
    assert!(!may(&anna, Action::Withdraw, Some(&facts)));
    anna.proven = false;
    assert!(!may(&anna, Action::Approve, Some(&facts)));
    anna.duties = BTreeSet::from([Duty::Operator]);
    assert!(may(&anna, Action::Withdraw, Some(&facts)));
    assert!(!may(&anna, Action::ActivatePolicy, None));
    anna.proven = true;
    assert!(may(&anna, Action::ActivatePolicy, None));
    anna.clearance = Tlp::Clear;
    assert!(!may(&anna, Action::Read, Some(&facts)));
}

#[test]
fn the_shipped_cases_come_out_and_reach_every_shipped_rule() {
    let set = PolicySet::shipped().expect("the shipped set loads");
    let authority = set.authority(0);
    let mut reached = BTreeSet::new();
    let mut cases = 0;
    for (file, text) in set.cases() {
        let report = policy::authority::test(&authority, file, text).expect("a file of cases");
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{failures:#?}");
        cases += report.cases;
        reached.extend(report.reached);
    }
    assert!(cases >= 30, "only {cases} cases");
    assert_eq!(policy::authority::unreached(&authority, &reached), []);
}
