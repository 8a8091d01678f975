//! Entries from a partner's log, as a receiver judges them.
//!
//! Nothing that an entry claims may panic the judge, and what it lets in obeys the hard rule, here
//! stated once more in other words.

use std::collections::BTreeSet;

use log::{Action, Entry};
use model::{Label, Releasable, Timestamp, Tlp};
use policy::{Attribution, Channel, InForce, Kinds, admissible};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(entry) = Entry::decode(data) else {
        return;
    };
    let members: BTreeSet<String> = ["KG", "KZ"].map(String::from).into();
    let channel = Channel {
        name: "c".to_owned(),
        title: "C".to_owned(),
        members: members.clone(),
        kinds: Kinds::Only(["indicator".to_owned()].into()),
        ceiling: Tlp::Amber,
        exercise: false,
        retention_days: Some(30),
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    };
    let mut in_force = InForce::new("pact", &channel, members);
    in_force.retention_days = Some(30);
    in_force.groups.insert("@pact/both", ["KG", "KZ"].map(String::from).into());
    in_force.groups.insert("@pact/kz", ["KZ".to_owned()].into());
    let now = Timestamp::from_unix_micros(1_770_000_000_000_000);
    assert!(admissible(&entry, None, "UZ", &in_force, now).is_err());
    let admitted = admissible(&entry, None, "KZ", &in_force, now).is_ok();
    if admitted && matches!(entry.action, Action::Release | Action::Revise) {
        let label = Label::parse(&entry.label).expect("an admitted label reads");
        // Both are named by code or by the only group that holds both, and neither is excluded.
        let named = |clause: &BTreeSet<String>| {
            let has = |one: &str| clause.contains(one);
            has("@pact/both") || (has("KG") && (has("KZ") || has("@pact/kz")))
        };
        let cleared = match &label.releasable_to {
            Releasable::Everyone => true,
            Releasable::Members(clause) => named(clause),
            Releasable::AllOf(clauses) => !clauses.is_empty() && clauses.iter().all(named),
        };
        let harmless = |one: &String| !one.starts_with('@') && one != "KG" && one != "KZ";
        assert!(label.not_releasable_to.iter().all(harmless));
        assert!(label.expires.is_none_or(|at| at > now));
        assert!(cleared && !label.exercise && label.tlp <= Tlp::Amber);
        assert_eq!(entry.kind, "indicator");
    }
}

/// A release that is admitted, and a withdrawal.
pub fn seeds() -> Vec<Vec<u8>> {
    let entry = |action, label: &str| Entry {
        action,
        hash: [7; 32],
        id: "indicator--5b2f3c0e-7d4b-4e58-9a0b-0d6c2d0f1a11".to_owned(),
        modified: Some("2026-02-01T00:00:00.000Z".to_owned()),
        kind: "indicator".to_owned(),
        label: label.to_owned(),
        attribution: "KZ".to_owned(),
        salt: [1; 16],
        time: "2026-02-01T00:00:00.000Z".to_owned(),
    };
    [
        entry(Action::Release, "TLP:GREEN//REL KG,KZ"),
        entry(Action::Release, "TLP:CLEAR"),
        entry(
            Action::Release,
            "TLP:GREEN//PAP:RED//REL @pact/both & KG,@pact/kz//NOT UZ//LEGAL act//EXPIRES 2027-01-01T00:00:00Z",
        ),
        entry(Action::Release, "TLP:CLEAR//NOT @pact/none"),
        entry(Action::Withdraw, "TLP:AMBER//REL *//EXERCISE"),
    ]
    .iter()
    .map(|entry| entry.encode().expect("an entry of ours encodes"))
    .collect()
}
