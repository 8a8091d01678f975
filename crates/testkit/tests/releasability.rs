//! I1 and I9: nobody holds what is not meant for it, whatever careless members release.

use policy::authority::{Circumstances, Facts, Originator, Outcome, Person, Principal};
use store::Collection;
use testkit::{
    Faults, Rng, World, assert_converged, assert_releasable, label_allows, random_accord,
};

/// Random accords, labels and objects. Honest members ask the rule; in each world one member
/// releases whatever it likes under the true label, and its partners must keep out of it what the
/// rule forbids and nothing else.
#[test]
fn what_a_label_forbids_reaches_nobody() {
    let (mut kept, mut withheld) = (0, 0);
    for seed in 0..12 {
        let mut world = World::new(seed, random_accord(&mut Rng::seeded(seed)));
        let codes = world.codes();
        let careless = world.rng.pick(&codes).clone();
        let logs = world.logs();
        for code in &codes {
            for _ in 0..6 {
                let records = world.add_drawn(code, 4);
                for record in &records {
                    let own: Vec<&(String, String)> =
                        logs.iter().filter(|(_, origin)| origin == code).collect();
                    if own.is_empty() {
                        continue;
                    }
                    let channel = world.rng.pick(&own).0.clone();
                    let (_, label) = world.truth(&record.hash).expect("it was added").clone();
                    let rules = world
                        .accord
                        .accord()
                        .channel(&channel)
                        .expect("a channel")
                        .clone();
                    let groups = world.accord.accord().named_groups();
                    let allowed = label_allows(&label, record.id.type_name(), &rules, &groups);
                    if *code == careless {
                        world.force(code, &channel, record, &label);
                    } else {
                        let released = world.release(code, &channel, record);
                        assert_eq!(released.is_ok(), allowed, "{}: {label}", world.place());
                    }
                    if allowed { kept += 1 } else { withheld += 1 }
                }
            }
        }
        world.settle();
        assert_releasable(&world);
        assert_converged(&world);
        // What was allowed has arrived at every member of its channel.
        for (channel, origin) in &logs {
            let rules = world
                .accord
                .accord()
                .channel(channel)
                .expect("a channel")
                .clone();
            let sent: Vec<_> = world
                .records(origin, &world.collection(channel))
                .into_iter()
                .filter(|record| record.log.as_ref() == Some(&world.log(origin, channel)))
                .filter(|record| {
                    let (_, label) = world.truth(&record.hash).expect("it was added");
                    let groups = world.accord.accord().named_groups();
                    label_allows(label, record.id.type_name(), &rules, &groups)
                })
                .collect();
            for reader in rules.members.iter().filter(|code| *code != origin) {
                let held = world.records(reader, &world.collection(channel));
                for record in &sent {
                    let arrived = held.iter().any(|have| have.hash == record.hash);
                    assert!(arrived, "{}: {reader} lacks {}", world.place(), record.id);
                }
            }
        }
    }
    assert!(
        kept > 100 && withheld > 100,
        "{kept} allowed, {withheld} forbidden: no test"
    );
}

#[test]
fn who_is_not_in_a_channel_is_served_nothing_of_it() {
    let accord = testkit::accord(
        &testkit::SIX,
        vec![
            testkit::channel("all", &testkit::SIX),
            testkit::channel("pair", &["KG", "KZ"]),
        ],
    );
    let mut world = World::new(1, accord);
    let everyone = model::Label::parse("TLP:GREEN//REL *").expect("a label");
    for record in world.add_labelled("KZ", 5, &everyone) {
        // Markings of their own may be above the ceiling.
        let _ = world.release("KZ", "pair", &record);
    }
    for outsider in ["PK", "TJ", "US", "UZ"] {
        let pulled = world.pull(outsider, "KZ", "pair", Faults::None);
        assert!(pulled.is_err(), "{outsider} is no member of the pair");
        assert!(
            world
                .records(outsider, &world.collection("pair"))
                .is_empty()
        );
    }
    world.pull("KG", "KZ", "pair", Faults::None).expect("KG is");
    assert!(!world.records("KG", &world.collection("pair")).is_empty());
}

#[test]
fn a_member_that_has_not_ratified_keeps_everybody_to_what_it_may_see() {
    // UZ is named but has not signed: what it may not see stays out of the channel already.
    let accord = testkit::accord(&testkit::SIX, vec![testkit::channel("all", &testkit::SIX)]);
    let mut world = World::ratified_by(2, accord, &testkit::SIX[..5]);
    let five = model::Label::parse("TLP:CLEAR//REL KG,KZ,PK,TJ,US").expect("a label");
    let signed = world.accord.clone();
    let set = policy::PolicySet::shipped().expect("the shipped rules load");
    let authority = set.authority(0);
    let aigul = Person {
        name: "Aigul".to_owned(),
        duties: [policy::Duty::Releaser].into(),
        clearance: model::Tlp::Red,
        proven: true,
    };
    for record in world.add_labelled("KZ", 5, &five) {
        world
            .release("KZ", "all", &record)
            .expect_err("UZ is not cleared");
        // Nor by a releaser's hand, under the shipped rules.
        let facts = Facts {
            label: &five,
            kind: record.id.type_name(),
            about_person: false,
            originator: Originator::Own,
        };
        let circumstances = Circumstances {
            now: world.now(),
            utc_offset_minutes: None,
            objects: 1,
            delegated: false,
        };
        let in_force = signed.channel_in_force("all").expect("five have ratified");
        let principal = Principal::Person(&aigul);
        let outcome = authority.outcome(&facts, &in_force, &principal, &circumstances);
        assert_eq!(outcome, Outcome::Refuse);
    }
    world.settle();
    for code in world.codes() {
        let counts = world.store(&code).counts().expect("the index reads");
        assert!(
            counts
                .iter()
                .all(|(place, count)| *place == Collection::National || count.objects == 0)
        );
    }
}

#[test]
fn exercise_and_real_do_not_mix() {
    let mut drill = testkit::channel("drill", &testkit::SIX);
    drill.exercise = true;
    let accord = testkit::accord(
        &testkit::SIX,
        vec![testkit::channel("real", &testkit::SIX), drill],
    );
    let mut world = World::new(3, accord);
    let real = model::Label::parse("TLP:CLEAR").expect("a label");
    let play = model::Label::parse("TLP:CLEAR//EXERCISE").expect("a label");
    for (label, wrong) in [(&real, "drill"), (&play, "real")] {
        for record in world.add_labelled("US", 8, label) {
            let reasons = world
                .release("US", wrong, &record)
                .expect_err("it does not mix");
            let mixes =
                |w: &policy::Withheld| matches!(w, policy::Withheld::ExerciseMismatch { .. });
            assert!(reasons.iter().any(mixes));
            world.force("US", wrong, &record, label);
        }
    }
    world.settle();
    assert_releasable(&world);
    for reader in ["KG", "KZ", "PK", "TJ", "UZ"] {
        for channel in ["real", "drill"] {
            assert!(
                world.records(reader, &world.collection(channel)).is_empty(),
                "{reader} {channel}"
            );
            let head = world
                .store(reader)
                .head(&world.log("US", channel))
                .expect("it reads");
            assert_eq!(
                head.expect("the log is held").size,
                8,
                "the log itself goes on"
            );
        }
    }
}
