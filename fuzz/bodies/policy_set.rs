//! Files of a policy set and its signed manifest, from outside.
//!
//! A file of rules either loads, with every rule named and explained, or is refused with a place
//! inside it; whatever loads cannot let anything past the hard rule.

use std::collections::BTreeMap;

use log::note::{KeyKind, SigningKey};
use model::{Label, Timestamp, Tlp};
use policy::authority::{Authority, Circumstances, Facts, Originator, Outcome, Principal, Version};
use policy::{
    Attribution, Channel, InForce, Kinds, Manifest, PolicySet, ReleaseMode, SignedPolicy,
};

/// Checks one input.
pub fn run(data: &[u8]) {
    let file = BTreeMap::from([("a.cedar".to_owned(), data.to_vec())]);
    let read = PolicySet::read(file.clone());
    if let Err(fault) = &read {
        let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
        assert!((1..=lines).contains(&fault.line), "{fault}");
        assert!(!fault.why.is_empty());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        rules(text);
        if let Ok(manifest) = Manifest::parse(text) {
            assert_eq!(manifest.to_text(), text);
        }
    }
    let key = key();
    if let Ok(signed) = SignedPolicy::open(data, file, key.verifier()) {
        panic!("an input cannot name its own hash: {:?}", signed.manifest());
    }
}

fn rules(text: &str) {
    let version = Version {
        number: 1,
        hash: [0; 32],
    };
    let Ok(authority) = Authority::of_rules(&BTreeMap::from([("a.cedar", text)]), version) else {
        return;
    };
    for rule in authority.rules() {
        assert!(!rule.id.is_empty() && !rule.words.is_empty());
    }
    let channel = Channel {
        name: "c".to_owned(),
        title: "C".to_owned(),
        members: ["KG", "KZ"].map(str::to_owned).into(),
        kinds: Kinds::Any,
        ceiling: Tlp::Amber,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    };
    let in_force = InForce::new("a", &channel, channel.members.clone());
    let circumstances = Circumstances {
        now: Timestamp::parse("2026-03-02T20:30:00Z").expect("a time"),
        utc_offset_minutes: Some(300),
        objects: 3,
        delegated: false,
    };
    let mode = ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Red,
    };
    for (label, hard) in [("TLP:GREEN//REL *", true), ("TLP:RED//REL *", false)] {
        let label = Label::parse(label).expect("a label");
        let facts = Facts {
            label: &label,
            kind: "indicator",
            about_person: false,
            originator: Originator::Own,
        };
        let principal = Principal::Automation(&mode);
        let decision = authority.decide(&facts, &in_force, &principal, &circumstances);
        assert!(hard || decision.outcome() == Outcome::Refuse);
        assert!(!decision.explain().is_empty());
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(KeyKind::Ed25519, "kz.example/policy", [7; 32]).expect("a key name")
}

/// The shipped rules, one rule with every annotation, a manifest and a signed one.
pub fn seeds() -> Vec<Vec<u8>> {
    let set = PolicySet::shipped().expect("the shipped set loads");
    let mut seeds: Vec<Vec<u8>> = set
        .files()
        .iter()
        .filter(|(path, _)| path.ends_with(".cedar"))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    seeds.push(
        b"@id(\"a\") @explain(\"b\") @change(\"c\") @needs(\"2 of approver, 1 of releaser\")\n\
          permit (principal, action == Action::\"release\", resource)\n\
          when { context.objects * 2 < 9 } unless { resource has originator || resource.own };\n"
            .to_vec(),
    );
    seeds.push(
        Manifest::of(&set, "kz.example", None)
            .to_text()
            .into_bytes(),
    );
    let signed = SignedPolicy::sign(set, None, &key()).expect("signed");
    seeds.push(signed.note().into_bytes());
    seeds
}
