//! Key statements: only a member's root key changes its node keys, the highest serial counts, and
//! nothing but node keys can change.

mod support;

use std::sync::Arc;

use log::note::{KeyKind, SigningKey};
use model::{Hash, Timestamp};
use policy::{
    Fate, Former, KeyRole, KeyStatement, KeysError, Member, NodeKey, NodeKeys, Role, SignedAccord,
    SignedKeys, Stand,
};
use proptest::prelude::*;
use support::{SIX, accord, domain, key, member, ratified, root};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_unix_micros(secs * 1_000_000)
}

/// A key for a role that no accord lists.
fn fresh(code: &str, role: Role, seed: u64) -> SigningKey {
    let kind = match role {
        Role::Root | Role::Log => KeyKind::Ed25519,
        Role::LogPq => KeyKind::MlDsa44,
        Role::Witness => KeyKind::CosignatureV1,
    };
    let seed = Hash::of(format!("{code} {} {seed}", role.word()).as_bytes()).0;
    SigningKey::from_seed(kind, &role.key_name(&domain(code)), seed).expect("a test key")
}

fn statement(code: &str, serial: u64) -> KeyStatement {
    let old = member(code);
    KeyStatement {
        member: code.to_owned(),
        domain: domain(code),
        serial,
        at: at(1_795_496_400),
        keys: NodeKeys {
            log: fresh(code, Role::Log, serial).verifier().clone(),
            log_pq: Some(fresh(code, Role::LogPq, serial).verifier().clone()),
            witness: fresh(code, Role::Witness, serial).verifier().clone(),
            tls: Hash::of(format!("{code} tls {serial}").as_bytes()).0,
        },
        former: vec![
            Former {
                key: NodeKey::Signs(KeyRole::Log, old.log.clone()),
                since: at(1_795_490_000),
                fate: Fate::Revoked {
                    reason: "украден ноутбук \"7\"".to_owned(),
                },
            },
            Former {
                key: NodeKey::Tls(old.tls),
                since: at(1_795_490_000),
                fate: Fate::Retired,
            },
        ],
        stands: vec![Stand {
            log: format!("{}/steppe/all", domain(code)),
            size: 12,
            root: log::merkle::empty_root(),
        }],
    }
}

fn signed(code: &str, serial: u64) -> Arc<SignedKeys> {
    Arc::new(SignedKeys::sign(statement(code, serial), &root(code)).expect("a good statement"))
}

fn six() -> SignedAccord {
    ratified(accord(&SIX), &SIX)
}

fn entry<'a>(signed: &'a SignedAccord, code: &str) -> &'a Member {
    signed.accord().member(code).expect("a member")
}

#[test]
fn a_statement_reads_back_and_the_root_key_is_asked_for() {
    let keys = signed("KZ", 3);
    let note = keys.to_string();
    assert_eq!(
        KeyStatement::parse_text(&statement("KZ", 3).to_text()),
        Ok(statement("KZ", 3))
    );
    let read = SignedKeys::open(note.as_bytes(), root("KZ").verifier()).expect("it is signed");
    assert_eq!(read, *keys);
    assert_eq!(SignedKeys::claimed(note.as_bytes()), Ok(statement("KZ", 3)));
    for other in [root("KG"), key("KZ", Role::Log)] {
        assert_eq!(
            SignedKeys::open(note.as_bytes(), other.verifier()),
            Err(KeysError::NotSigned {
                member: "KZ".to_owned()
            })
        );
    }
}

#[test]
fn the_accord_takes_the_keys_and_nothing_else() {
    let before = six();
    let after = before.with_keys([&signed("KZ", 2)]);
    assert_eq!(after.text(), before.text());
    assert_eq!(after.digest(), before.digest());
    assert_eq!(after.ratified(), before.ratified());
    let (old, new) = (entry(&before, "KZ"), entry(&after, "KZ"));
    assert_eq!(NodeKeys::of(new), statement("KZ", 2).keys);
    let mut same = new.clone();
    (same.log, same.log_pq, same.witness, same.tls) = (
        old.log.clone(),
        old.log_pq.clone(),
        old.witness.clone(),
        old.tls,
    );
    assert_eq!(same, *old, "name, domain, url and root key stay");
    assert_eq!(after.written("KZ"), Some(old));
    for code in SIX.iter().filter(|code| **code != "KZ") {
        assert_eq!(entry(&after, code), entry(&before, code));
    }
    // Taken back to the text by no statement at all.
    assert_eq!(after.with_keys([]).accord(), before.accord());
    assert_eq!(
        SignedAccord::parse(after.to_string().as_bytes())
            .expect("a note")
            .accord(),
        before.accord()
    );
}

#[test]
fn nobody_takes_another_members_key() {
    let kg = member("KG");
    let mut greedy = statement("KZ", 2);
    greedy.keys.tls = kg.tls;
    let greedy = Arc::new(SignedKeys::sign(greedy, &root("KZ")).expect("well-formed"));
    assert_eq!(six().with_keys([&greedy]).accord(), six().accord());
    let mut own_root = statement("KZ", 2);
    own_root.keys.log = root("KZ")
        .verifier()
        .renamed("kz.example/log")
        .expect("a name");
    assert!(matches!(
        SignedKeys::sign(own_root, &root("KZ")),
        Err(KeysError::NotItsKey { .. })
    ));
}

#[test]
fn what_is_malformed_is_refused() {
    let refused = |change: fn(&mut KeyStatement)| {
        let mut wrong = statement("KZ", 2);
        change(&mut wrong);
        let text = wrong.to_text();
        assert!(
            matches!(KeyStatement::parse_text(&text), Err(KeysError::Form { .. })),
            "{text}"
        );
        assert!(SignedKeys::sign(wrong, &root("KZ")).is_err());
    };
    refused(|it| it.serial = 0);
    refused(|it| it.member = "kz".to_owned());
    refused(|it| it.domain = "KZ.example".to_owned());
    refused(|it| it.keys.log = key("KG", Role::Log).verifier().clone());
    refused(|it| it.keys.witness = key("KZ", Role::Log).verifier().clone());
    // A former key never comes back, and nothing is there twice.
    refused(|it| it.keys.log = member("KZ").log);
    refused(|it| it.former.push(it.former[0].clone()));
    refused(|it| it.stands.push(it.stands[0].clone()));
    refused(|it| it.stands[0].log = "kg.example/steppe/all".to_owned());
    refused(|it| {
        it.former[0].fate = Fate::Revoked {
            reason: "hid\u{202e}den".to_owned(),
        };
    });
    let text = statement("KZ", 2).to_text();
    for wrong in [
        text.replace("kurultai-keys/1", "kurultai-keys/2"),
        text.replace("serial", "root = \"x\"\nserial"),
        text.replace("state = \"retired\"", "state = \"lost\""),
    ] {
        assert!(KeyStatement::parse_text(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn former_keys_are_known_for_what_they_signed() {
    let before = six();
    let after = before.with_keys([&signed("KZ", 2)]);
    let origin = "kz.example/steppe/all";
    let now = after.log_keys("KZ", "all").expect("its keys");
    let keys = signed("KZ", 2);
    let ever = keys.log_keys_ever(origin);
    let name = after.log_origin(entry(&after, "KZ"), "all");
    assert_eq!(signed("KZ", 2).log_keys_ever(&name)[0], (now, None));
    assert!(ever.iter().any(|(keys, fate)| {
        keys.ed25519.public() == member("KZ").log.public() && fate.is_some_and(Former::is_revoked)
    }));
    let sign = |key: &SigningKey| {
        let key = key.renamed(&name).expect("a name");
        let checkpoint = log::Checkpoint::new(&name, 0, log::merkle::empty_root()).expect("one");
        let note = checkpoint.sign(&[&key]).expect("signed");
        log::Note::parse(note.as_bytes()).expect("a note")
    };
    let fate = after.former_signer("KZ", "all", &sign(&key("KZ", Role::Log)));
    assert!(fate.is_some_and(Former::is_revoked));
    assert!(
        after
            .former_signer("KZ", "all", &sign(&fresh("KZ", Role::Log, 2)))
            .is_none()
    );
    assert!(
        before
            .former_signer("KZ", "all", &sign(&key("KZ", Role::Log)))
            .is_none()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Whatever statements come, in whatever order and however often: the accord ends with each
    /// member's highest one, and one that its root key has not signed counts for nothing.
    #[test]
    fn the_highest_of_each_member_counts_in_any_order(
        told in proptest::collection::vec((0_usize..3, 1_u64..5), 0..8),
        forged in proptest::collection::vec((0_usize..3, 5_u64..9, 0_usize..3), 0..3),
    ) {
        let mut all: Vec<Arc<SignedKeys>> = told.iter().map(|(who, n)| signed(SIX[*who], *n)).collect();
        for (who, serial, by) in forged {
            if who == by {
                continue;
            }
            // The root key of another member, under the right name and under its own.
            let foreign = root(SIX[by]);
            let note = SignedKeys::sign(statement(SIX[who], serial), &foreign);
            prop_assert!(note.is_err());
            let named = foreign.renamed(&Role::Root.key_name(&domain(SIX[who]))).expect("a name");
            let forged = SignedKeys::sign(statement(SIX[who], serial), &named).expect("well-formed");
            prop_assert!(SignedKeys::open(forged.to_string().as_bytes(), root(SIX[who]).verifier()).is_err());
            all.push(Arc::new(forged));
        }
        let forwards = six().with_keys(&all);
        let backwards = six().with_keys(all.iter().rev());
        prop_assert_eq!(forwards.accord(), backwards.accord());
        let base = six();
        for code in SIX {
            let highest = told.iter().filter(|(who, _)| SIX[*who] == code).map(|(_, n)| *n).max();
            let wanted = highest.map_or(NodeKeys::of(entry(&base, code)), |n| statement(code, n).keys);
            prop_assert_eq!(NodeKeys::of(entry(&forwards, code)), wanted);
            prop_assert_eq!(&entry(&forwards, code).root, &entry(&base, code).root);
        }
    }

    /// No byte of a note can be changed without being noticed, and none makes the reader panic.
    #[test]
    fn a_changed_note_is_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let note = signed("KG", 1).to_string().into_bytes();
        let mut changed = note.clone();
        let at = at.index(changed.len());
        changed[at] = to;
        let read = SignedKeys::open(&changed, root("KG").verifier());
        // A second form of the base64 or a space could still be read, but as the same statement.
        prop_assert!(changed == note || read.is_err() || read.is_ok_and(|read| *read.statement() == statement("KG", 1)));
    }
}
