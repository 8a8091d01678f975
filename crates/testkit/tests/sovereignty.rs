//! I2: whatever partners publish, they change nothing that a member originated: they cannot take
//! it back, replace it or outdate it in its own national collection.

use model::{Label, Object};
use store::{Collection, Command, Outcome, Record, Reply};
use testkit::{World, assert_converged, state};

/// Three members, all settled; KG has released one object.
fn world(seed: u64) -> (World, Record) {
    let three = &testkit::SIX[..3];
    let accord = testkit::accord(three, vec![testkit::channel("c", three)]);
    let mut world = World::new(seed, accord);
    let open = label();
    let now = world.now();
    let mut object = testkit::object(&mut world.rng, now);
    while !object.marking_refs().is_empty() {
        object = testkit::object(&mut world.rng, now);
    }
    let record = world.add("KG", vec![object], &open).remove(0);
    world.release("KG", "c", &record).expect("it is open");
    world.settle();
    (world, record)
}

fn label() -> Label {
    Label::parse("TLP:CLEAR").expect("a label")
}

/// The object behind a record, as KG holds it.
fn object(world: &World, record: &Record) -> Object {
    let bytes = world.store("KG").bodies(std::slice::from_ref(record));
    Object::parse(&bytes.expect("it reads")[0]).expect("an object")
}

/// KZ takes the object as its own and gives the record.
fn adopt(world: &World, object: Object) -> Record {
    let hash = object.hash();
    let add = Command::Add {
        objects: vec![object],
        label: label(),
        into: Collection::National,
    };
    let reply = world.store("KZ").execute(add).expect("KZ takes objects");
    assert!(matches!(reply, Reply::Added(_)));
    let national = world.records("KZ", &Collection::National);
    let found = national.into_iter().find(|record| record.hash == hash);
    found.expect("it is there")
}

/// Whether KG's release shows at a member.
fn stands(world: &World, code: &str, record: &Record) -> bool {
    let own = world.log("KG", "c");
    world
        .records(code, &world.collection("c"))
        .iter()
        .any(|held| held.hash == record.hash && held.log.as_ref() == Some(&own))
}

#[test]
fn nobody_takes_back_what_another_released() {
    let (mut world, record) = world(1);
    let before = world.records("KG", &Collection::National);
    let own = adopt(&world, object(&world, &record));
    world.force("KZ", "c", &own, &label());
    world.settle();
    world.withdraw("KZ", "c", &own);
    world.settle();
    for code in world.codes() {
        assert!(
            stands(&world, &code, &record),
            "KG's release is gone at {code}"
        );
    }
    assert_eq!(world.records("KG", &Collection::National), before);
    assert_converged(&world);
}

#[test]
fn nobody_replaces_what_another_released() {
    let (mut world, record) = world(2);
    let now = object(&world, &record).modified().expect("it has versions");
    // Another content under KG's id and version, from somebody who never saw KG's.
    let forged = testkit::revision(&object(&world, &record), &mut world.rng, now);
    assert_ne!(forged.hash(), record.hash);
    let conflict = Command::Add {
        objects: vec![forged.clone()],
        label: label(),
        into: Collection::National,
    };
    let reply = world.store("KZ").execute(conflict).expect("an answer");
    assert!(
        matches!(&reply, Reply::Added(outcomes) if matches!(outcomes[0], Outcome::Conflict { .. })),
        "KZ holds KG's already: {reply:?}"
    );
    let naive = world.open("KZ", "naive");
    let add = Command::Add {
        objects: vec![forged.clone()],
        label: label(),
        into: Collection::National,
    };
    naive.execute(add).expect("an empty store takes it");
    let query = store::Query {
        limit: 10,
        ..store::Query::default()
    };
    let page = naive.page(&Collection::National, &query).expect("it reads");
    let entry = world.entry(log::Action::Release, &page.records[0], &label());
    let append = Command::Append {
        log: world.log("KZ", "c"),
        changes: vec![store::Change {
            entry,
            object: Some(page.records[0].object),
        }],
        signer: world.signer("KZ", "c"),
    };
    naive.execute(append).expect("it appends");
    for reader in ["KG", "PK"] {
        let wire = testkit::Wire::new(&naive, world.log("KZ", "c"), &world.accord, reader);
        let progress = world.pull_over(&wire, reader, "KZ", "c");
        let progress = progress.expect("the log is good, only its object is not");
        assert_eq!((progress.shown, progress.conflicts), (0, 1), "{reader}");
        assert!(stands(&world, reader, &record));
        let shown = world.records(reader, &world.collection("c"));
        assert!(shown.iter().all(|held| held.hash != forged.hash()));
        let kept = world.store(reader).evidence().expect("it reads");
        assert!(
            kept.iter().any(|kept| kept.content == forged.bytes()),
            "{reader} keeps the other content as evidence"
        );
    }
}

#[test]
fn a_newer_version_from_a_partner_leaves_the_national_collection_alone() {
    let (mut world, record) = world(3);
    let before = world.records("KG", &Collection::National);
    let now = world.now();
    let newer = testkit::revision(&object(&world, &record), &mut world.rng, now);
    let own = adopt(&world, newer);
    world.force("KZ", "c", &own, &label());
    world.settle();
    assert_eq!(world.records("KG", &Collection::National), before);
    let latest = world.store("KG").latest(&Collection::National, &record.id);
    assert_eq!(latest.expect("it reads").expect("held").hash, record.hash);
    // In the channel both are there, each under the log that brought it.
    assert!(stands(&world, "PK", &record));
    let shown = world.records("PK", &world.collection("c"));
    assert!(shown.iter().any(|held| held.hash == own.hash));
    world.withdraw("KZ", "c", &own);
    world.settle();
    assert!(stands(&world, "PK", &record), "and KG's is what is left");
    assert_converged(&world);
}

#[test]
fn the_own_log_is_pulled_from_nobody() {
    let (world, _) = world(4);
    let before = state(world.store("KG"));
    let wire = world.wire("KG", "KG", "c");
    let error = world
        .pull_over(&wire, "KG", "KG", "c")
        .expect_err("it is KG's own");
    assert!(matches!(error, sync::PullError::Own { .. }), "{error}");
    assert_eq!(state(world.store("KG")), before);
}

/// What a partner writes when it wants to give orders: rules, approvals, settings, requests.
const ORDERS: [&str; 5] = [
    r#"permit (principal, action, resource);"#,
    r#"{"approve":"all","digest":"0000","who":"KG operator"}"#,
    r#"kg.example/policy\n7\n\npermit (principal, action, resource);\n"#,
    r#"policy/active=7"#,
    r#"Please release everything about 198.51.100.7 at once."#,
];

/// An object of a partner's that carries such an order.
fn order(world: &mut World) -> Object {
    let now = world.now();
    let words = *world.rng.pick(&ORDERS);
    let kind = *world
        .rng
        .pick(&["note", "x-kurultai-policy", "x-kurultai-approval"]);
    let about = testkit::object(&mut world.rng, now).id().clone();
    let uuid = about.as_str().split_once("--").expect("an id").1;
    let words = words.replace('"', "\\\"");
    let json = format!(
        r#"{{"type":"{kind}","spec_version":"2.1","id":"{kind}--{uuid}","created":"{now}","modified":"{now}","content":"{words}","object_refs":["{about}"]}}"#
    );
    Object::parse(json.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {json}"))
}

/// All that only KG may change: its own logs, its own objects and their forms, its settings.
fn own(world: &World) -> String {
    let store = world.store("KG");
    let heads = store.heads().expect("it reads");
    // A partner may cosign KG's checkpoint; that changes neither size nor root.
    let heads = heads
        .into_iter()
        .filter(|(log, _)| log.origin == "KG")
        .map(|(log, head)| (log, head.size, head.root));
    let heads: Vec<_> = heads.collect();
    let national = world.records("KG", &Collection::National);
    let forms = world.records("KG", &Collection::Forms);
    let settings = store.scan("").expect("it reads");
    format!("{heads:?} {national:?} {forms:?} {settings:?}")
}

#[test]
fn whatever_partners_send_nothing_of_ours_changes() {
    let mut taken = 0;
    let mut refused = 0;
    for seed in 20..26 {
        let (mut world, record) = world(seed);
        for key in [
            "policy/active",
            "policy/files/hand.cedar",
            "approval/ab12",
            "user/anna",
        ] {
            let put = Command::Put {
                key: key.to_owned(),
                value: Some(key.as_bytes().to_vec()),
            };
            world.store("KG").execute(put).expect("KG keeps settings");
        }
        let before = own(&world);
        let mut sent: Vec<(String, Record)> = Vec::new();
        for round in 0..40 {
            let partner = (*world.rng.pick(&["KZ", "PK"])).to_owned();
            match world.rng.below(6) {
                0 | 1 => {
                    let order = order(&mut world);
                    let label = label();
                    let new = world.add(&partner, vec![order], &label).remove(0);
                    world.force(&partner, "c", &new, &label);
                    sent.push((partner, new));
                }
                2 => {
                    // Entries that lie about their label and their kind.
                    let new = world.add_labelled(&partner, 1, &label()).remove(0);
                    let lie = testkit::label(&mut world.rng, &["KG", "KZ", "PK"]);
                    world.force(&partner, "c", &new, &lie);
                    sent.push((partner, new));
                }
                3 => {
                    // KG's own object again, and then taken back.
                    let again = Command::Add {
                        objects: vec![object(&world, &record)],
                        label: label(),
                        into: Collection::National,
                    };
                    world.store(&partner).execute(again).expect("an answer");
                    let held = world.records(&partner, &Collection::National);
                    let held = held.into_iter().find(|held| held.hash == record.hash);
                    let held = held.expect("it is there");
                    world.force(&partner, "c", &held, &label());
                    world.withdraw(&partner, "c", &held);
                }
                4 if !sent.is_empty() => {
                    let (partner, gone) = sent.swap_remove(world.rng.below(sent.len()));
                    world.withdraw(&partner, "c", &gone);
                }
                _ => {
                    // Another log's checkpoint, or none at all, in place of the partner's.
                    let other = world.log("KG", "c");
                    let note = world.store("KG").checkpoint(&other).expect("it reads");
                    let forged = match world.rng.below(3) {
                        0 => note.expect("KG has released"),
                        1 => format!("{ORDERS:?}"),
                        _ => note
                            .expect("KG has released")
                            .replace("kg.example", "kz.example"),
                    };
                    let wire = world.wire("KG", &partner, "c").showing(forged);
                    let answer = world.pull_over(&wire, "KG", &partner, "c");
                    assert!(answer.is_err(), "{}: {answer:?}", world.place());
                    refused += 1;
                }
            }
            let faults = testkit::Faults::Random {
                seed: seed * 100 + round,
                one_in: 4,
                faults: testkit::Fault::LYING.to_vec(),
            };
            for partner in ["KZ", "PK"] {
                // Partners read KG's log and cosign it: the witness's call.
                drop(world.pull(partner, "KG", "c", faults.clone()));
                match world.pull("KG", partner, "c", faults.clone()) {
                    Ok(progress) => taken += progress.shown,
                    Err(_) => refused += 1,
                }
            }
            assert_eq!(own(&world), before, "{} round {round}", world.place());
        }
        assert!(stands(&world, "KG", &record), "{}", world.place());
    }
    assert!(
        taken > 50 && refused > 50,
        "{taken} taken, {refused} refused"
    );
}
