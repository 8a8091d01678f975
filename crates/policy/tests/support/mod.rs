//! Small worlds for the tests of this crate: members whose keys follow from their codes, and
//! accords among them.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeSet;

use log::note::{KeyKind, SigningKey};
use model::{Hash, Label, Releasable, Tlp};
use policy::{
    Accord, Attribution, Channel, Kinds, Member, Obligations, Role, SignedAccord, Transfer,
};

pub(crate) const SIX: [&str; 6] = ["KG", "KZ", "PK", "TJ", "US", "UZ"];

/// A stream of numbers that one seed decides (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }
}

pub(crate) fn domain(code: &str) -> String {
    format!("{}.example", code.to_lowercase())
}

/// The key that a member of this code has for a role.
pub(crate) fn key(code: &str, role: Role) -> SigningKey {
    let kind = match role {
        Role::Root | Role::Log => KeyKind::Ed25519,
        Role::LogPq => KeyKind::MlDsa44,
        Role::Witness => KeyKind::CosignatureV1,
    };
    let seed = Hash::of(format!("{code} {}", role.word()).as_bytes()).0;
    SigningKey::from_seed(kind, &role.key_name(&domain(code)), seed).expect("a test key")
}

pub(crate) fn root(code: &str) -> SigningKey {
    key(code, Role::Root)
}

pub(crate) fn member(code: &str) -> Member {
    Member {
        code: code.to_owned(),
        name: format!("Member {code}"),
        domain: domain(code),
        url: format!("https://{}:7443", domain(code)),
        root: key(code, Role::Root).verifier().clone(),
        log: key(code, Role::Log).verifier().clone(),
        log_pq: (code == "KZ").then(|| key(code, Role::LogPq).verifier().clone()),
        witness: key(code, Role::Witness).verifier().clone(),
        tls: Hash::of(format!("{code} tls").as_bytes()).0,
    }
}

pub(crate) fn codes(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|code| (*code).to_owned()).collect()
}

pub(crate) fn channel(name: &str, members: &[&str]) -> Channel {
    Channel {
        name: name.to_owned(),
        title: format!("Channel {name}"),
        members: codes(members),
        kinds: Kinds::Any,
        ceiling: Tlp::Amber,
        exercise: false,
        retention_days: None,
        attribution: Attribution::Origin,
        hide: None,
        delegate: None,
    }
}

/// An accord of these members with the channels `all`, `pair` (the first two) and `drill`.
pub(crate) fn accord(members: &[&str]) -> Accord {
    let mut drill = channel("drill", members);
    drill.exercise = true;
    drill.kinds = Kinds::Only(codes(&["indicator", "report"]));
    drill.retention_days = Some(30);
    drill.attribution = Attribution::Member;
    Accord {
        name: "steppe".to_owned(),
        version: 1,
        previous: None,
        members: members.iter().map(|code| member(code)).collect(),
        groups: Vec::new(),
        channels: vec![
            channel("all", members),
            channel("pair", &members[..2]),
            drill,
        ],
        obligations: Obligations {
            retention_days: Some(365),
            third_party: Transfer::WithConsent,
            purposes: codes(&["relief", "threat-intelligence"]),
            non_attribution: true,
        },
    }
}

pub(crate) fn ratified(accord: Accord, by: &[&str]) -> SignedAccord {
    let mut signed = SignedAccord::new(accord).expect("the draft is well-formed");
    for code in by {
        signed.ratify(&root(code)).expect("the root key ratifies");
    }
    signed
}

pub(crate) fn label(tlp: Tlp, releasable_to: Option<&[&str]>) -> Label {
    let releasable_to = match releasable_to {
        Some(list) => Releasable::Members(codes(list)),
        None => Releasable::Everyone,
    };
    Label::new(tlp, releasable_to)
}
