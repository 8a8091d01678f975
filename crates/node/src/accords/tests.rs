use log::note::KeyKind;
use policy::{Accord, Attribution, Channel as Draft, Kinds, Obligations};

use super::*;

struct Party {
    member: Member,
    root: SigningKey,
}

fn party(code: &str, number: u8) -> Party {
    let domain = format!("{}.example", code.to_lowercase());
    let key = |role: Role, kind, place: u8| {
        SigningKey::from_seed(kind, &role.key_name(&domain), [number * 8 + place; 32]).unwrap()
    };
    let root = key(Role::Root, KeyKind::Ed25519, 0);
    let member = Member {
        code: code.into(),
        name: code.into(),
        url: format!("https://{domain}:8440"),
        root: root.verifier().clone(),
        log: key(Role::Log, KeyKind::Ed25519, 1).verifier().clone(),
        log_pq: None,
        witness: key(Role::Witness, KeyKind::CosignatureV1, 2)
            .verifier()
            .clone(),
        tls: [number; 32],
        domain,
    };
    Party { member, root }
}

fn draft(name: &str, parties: &[&Party], title: &str) -> Accord {
    Accord {
        name: name.into(),
        version: 1,
        previous: None,
        members: parties.iter().map(|party| party.member.clone()).collect(),
        groups: Vec::new(),
        channels: vec![Draft {
            name: "alerts".into(),
            title: title.into(),
            members: parties
                .iter()
                .map(|party| party.member.code.clone())
                .collect(),
            kinds: Kinds::Any,
            ceiling: model::Tlp::Amber,
            exercise: false,
            retention_days: None,
            attribution: Attribution::Origin,
            hide: None,
            delegate: None,
        }],
        obligations: Obligations::default(),
    }
}

fn signed(accord: Accord, by: &[&Party]) -> Vec<u8> {
    let mut signed = SignedAccord::new(accord).unwrap();
    for party in by {
        signed.ratify(&party.root).unwrap();
    }
    signed.to_string().into_bytes()
}

fn why(result: Result<Offered, NodeError>) -> String {
    match result {
        Ok(_) => panic!("was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn ratifications_join_and_bring_the_channel_into_force() {
    let (kz, kg) = (party("KZ", 1), party("KG", 2));
    let text = || draft("steppe", &[&kz, &kg], "Alerts");
    let mut accords = Accords::default();
    let offered = accords
        .offer(&signed(text(), &[]), &kz.member, Some(&kz.root))
        .unwrap();
    assert!(offered.changed);
    assert!(accords.channel("steppe", "alerts", "KZ").is_none());

    let offered = accords
        .offer(&signed(text(), &[&kg]), &kz.member, None)
        .unwrap();
    assert_eq!((offered.new_signatures, offered.changed), (1, true));
    assert!(accords.channel("steppe", "alerts", "KZ").is_some());
    assert!(accords.channel("steppe", "alerts", "UZ").is_none());

    let again = accords
        .offer(&signed(text(), &[&kg]), &kz.member, None)
        .unwrap();
    assert_eq!((again.new_signatures, again.changed), (0, false));
}

#[test]
fn a_next_version_waits_for_this_member_and_the_old_one_never_returns() {
    let (kz, kg) = (party("KZ", 1), party("KG", 2));
    let both = [&kz, &kg];
    let mut accords = Accords::default();
    let first = signed(draft("steppe", &both, "Alerts"), &both);
    accords.offer(&first, &kz.member, None).unwrap();
    let digest = accords.get("steppe").unwrap().digest();
    let second = Accord {
        version: 2,
        previous: Some(digest),
        ..draft("steppe", &both, "Other alerts")
    };

    // The partner signed it; that does not bind this member.
    accords
        .offer(&signed(second.clone(), &[&kg]), &kz.member, None)
        .unwrap();
    assert_eq!(accords.get("steppe").unwrap().accord().version, 1);
    assert_eq!(accords.all().count(), 2);

    accords
        .offer(&signed(second, &[]), &kz.member, Some(&kz.root))
        .unwrap();
    let held = accords.get("steppe").unwrap();
    assert_eq!(
        (
            held.accord().version,
            held.ratified().len(),
            accords.all().count()
        ),
        (2, 2, 1)
    );
    assert!(accords.channel("steppe", "alerts", "KZ").is_some());

    assert!(why(accords.offer(&first, &kz.member, None)).contains("does not follow"));
    assert_eq!(accords.get("steppe").unwrap().accord().version, 2);
}

#[test]
fn what_does_not_follow_or_misnames_this_member_is_refused_and_changes_nothing() {
    let (kz, kg, other) = (party("KZ", 1), party("KG", 2), party("KZ", 3));
    let mut accords = Accords::default();
    let held = signed(draft("steppe", &[&kz, &kg], "Alerts"), &[&kz, &kg]);
    accords.offer(&held, &kz.member, None).unwrap();

    let rewritten = signed(draft("steppe", &[&kz, &kg], "Rewritten"), &[&kg]);
    assert!(why(accords.offer(&rewritten, &kz.member, None)).contains("does not follow"));
    let forged = signed(draft("other", &[&other, &kg], "Alerts"), &[]);
    assert!(why(accords.offer(&forged, &kz.member, None)).contains("another TLS key"));
    let absent = signed(draft("other", &[&kg, &party("UZ", 4)], "Alerts"), &[]);
    assert!(why(accords.offer(&absent, &kz.member, None)).contains("does not name this member"));
    let mut double = party("UZ", 5);
    double.member.tls = kg.member.tls;
    let clash = signed(draft("other", &[&kz, &double], "Alerts"), &[]);
    assert!(why(accords.offer(&clash, &kz.member, None)).contains("TLS key"));
    assert_eq!(accords.all().count(), 1);
    assert_eq!(
        accords.get("steppe").unwrap().to_string().into_bytes(),
        held
    );
}

#[test]
fn a_partners_copy_adds_signatures_only() {
    let (kz, kg) = (party("KZ", 1), party("KG", 2));
    let both = [&kz, &kg];
    let mut accords = Accords::default();
    let own = signed(draft("steppe", &both, "Alerts"), &[&kz]);
    accords.offer(&own, &kz.member, None).unwrap();
    for note in [
        signed(draft("steppe", &both, "Rewritten"), &both),
        signed(draft("another", &both, "Alerts"), &both),
        b"nonsense".to_vec(),
    ] {
        assert!(accords.merge_known(&note).is_none());
    }
    assert_eq!(accords.get("steppe").unwrap().to_string().into_bytes(), own);
    let theirs = signed(draft("steppe", &both, "Alerts"), &[&kg]);
    assert_eq!(accords.merge_known(&theirs).unwrap().ratified().len(), 2);
    assert!(accords.merge_known(&theirs).is_none(), "nothing new");
}

/// A version that nobody has ratified may give a member another root key. Whoever has that key must
/// not speak for the member, nor keep its own words from counting (I2).
#[test]
fn a_waiting_version_gives_nobody_the_word_of_a_member_in_force() {
    let (kz, kg, thief) = (party("KZ", 1), party("KG", 2), party("KG", 9));
    let mut accords = Accords::default();
    let first = draft("steppe", &[&kz, &kg], "Alerts");
    accords
        .offer(&signed(first.clone(), &[&kg]), &kz.member, Some(&kz.root))
        .unwrap();
    let held = Arc::clone(accords.get("steppe").unwrap());
    let next = Accord {
        version: 2,
        previous: Some(held.digest()),
        ..draft("steppe", &[&kz, &thief], "Alerts")
    };
    let digest = SignedAccord::new(next.clone()).unwrap().digest();
    accords
        .offer(&signed(next, &[&thief]), &kz.member, None)
        .unwrap();

    let notice = |root: &SigningKey, act, serial, (version, digest)| {
        let notice = policy::Notice {
            member: "KG".into(),
            accord: "steppe".into(),
            version,
            digest,
            act,
            serial,
            at: Timestamp::from_unix_micros(1),
            reason: "a change of government".into(),
        };
        policy::SignedNotice::sign(notice, root).unwrap()
    };
    let about_held = (1, held.digest());
    for about in [about_held, (2, digest)] {
        let forged = notice(&thief.root, policy::Act::Return, 1 << 40, about);
        assert!(accords.is_news(&forged).is_err());
    }
    let left = notice(&kg.root, policy::Act::Leave, 1, about_held);
    assert_eq!(accords.is_news(&left), Ok(true));
    accords.heed(left);
    assert!(accords.channel("steppe", "alerts", "KG").is_none());
}
