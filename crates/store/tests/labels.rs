//! Pages under a level: exactly what may be read, in full pages, whatever else is held.

mod common;

use std::collections::BTreeMap;

use common::{add, append, entry, id, indicator, label, log, open, signer, uuid};
use kurultai_store as store;
use model::{MarkingMeaning, Object, PartialLabel, Tlp};
use proptest::prelude::*;
use store::{Change, Collection, Command, Query, Reading, Record, Seq, Store};

const NATIONAL: Collection = Collection::National;
const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];

/// An indicator or a campaign that states a level, and of course a version.
fn marked(number: u64, version: u32, level: Option<Tlp>, campaign: bool) -> Object {
    let marks = level.map_or(String::new(), |level| {
        format!(
            r#","object_marking_refs":["{}"]"#,
            model::tlp_marking(level)
        )
    });
    let rest = match campaign {
        true => r#""type":"campaign","name":"c""#.to_owned(),
        false => r#""type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z""#.to_owned(),
    };
    let kind = if campaign { "campaign" } else { "indicator" };
    let json = format!(
        r#"{{{rest},"spec_version":"2.1","id":"{kind}--{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:{version:02}:00.000Z"{marks}}}"#,
        uuid(number)
    );
    Object::parse(json.as_bytes()).expect("a valid object")
}

fn put(store: &Store, object: Object, assigned: Tlp) {
    store
        .execute(Command::Add {
            objects: vec![object],
            label: label(&format!("{assigned}//REL KZ")),
            into: NATIONAL,
        })
        .expect("added");
}

/// Reads page after page and checks each: full unless it is the last, `more` exact.
fn read_all(store: &Store, collection: &Collection, query: &Query) -> Vec<Record> {
    let (mut query, mut all) = (query.clone(), Vec::new());
    loop {
        let page = store.page(collection, &query).expect("a page");
        assert!(page.records.len() <= query.limit);
        assert!(
            !page.more || page.records.len() == query.limit,
            "a page with a next one is full"
        );
        query.after = page.records.last().map(|record| record.seq).or(query.after);
        let more = page.more;
        all.extend(page.records);
        if !more {
            return all;
        }
        assert!(query.after.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 14, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_is_what_filtering_everything_would_give(
        objects in prop::collection::vec((0u64..40, 0u32..4, prop::option::of(0usize..5), any::<bool>(), 0usize..5), 1..120),
        limit in 1usize..30,
        level in 0usize..5,
        after in 0usize..120,
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        for (number, version, stated, campaign, assigned) in &objects {
            put(&store, marked(*number, *version, stated.map(|at| LEVELS[at]), *campaign), LEVELS[*assigned]);
        }
        let everything = |all_versions| Query { all_versions, limit: 10_000, ..Query::default() };
        let level = LEVELS[level];
        for all_versions in [false, true] {
            let held = store.page(&NATIONAL, &everything(all_versions)).expect("a page").records;
            let readable: Vec<Record> = held
                .iter()
                .filter(|record| store.label(record).expect("a label").tlp <= level)
                .cloned()
                .collect();
            let query = Query { up_to: Some(level), limit, ..everything(all_versions) };
            prop_assert_eq!(&read_all(&store, &NATIONAL, &query), &readable);
            for kinds in [vec!["campaign"], vec!["indicator", "campaign", "indicator"], vec!["malware"]] {
                let kinds: Vec<String> = kinds.into_iter().map(Into::into).collect();
                let of_kinds: Vec<Record> =
                    readable.iter().filter(|record| kinds.iter().any(|kind| kind == record.id.type_name())).cloned().collect();
                prop_assert_eq!(read_all(&store, &NATIONAL, &Query { kinds, ..query.clone() }), of_kinds);
            }
            if let Some(from) = held.get(after % held.len()) {
                let rest: Vec<Record> = readable.iter().filter(|record| record.seq > from.seq).cloned().collect();
                prop_assert_eq!(read_all(&store, &NATIONAL, &Query { after: Some(from.seq), ..query.clone() }), rest);
                let one: Vec<Record> = readable.iter().filter(|record| record.id == from.id).cloned().collect();
                prop_assert_eq!(read_all(&store, &NATIONAL, &Query { ids: vec![from.id.clone()], ..query.clone() }), one);
            }
        }
    }
}

/// More classes than a page merges: nothing is hidden for it, and pages stay full and exact.
#[test]
fn every_class_is_shown_however_many_there_are() {
    const CLASSES: u64 = 10_050;
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    // Each is of a type of its own; every third may be read, the last among them.
    let object = |number: u64| {
        let object = marked(
            number,
            0,
            (number.is_multiple_of(3)).then_some(Tlp::Green),
            true,
        );
        let text = String::from_utf8(object.bytes().to_vec()).expect("text");
        let text = text.replace("campaign", &format!("x-own-{number}"));
        Object::parse(text.as_bytes()).expect("a valid object")
    };
    store
        .execute(Command::Add {
            objects: (1..=CLASSES).map(object).collect(),
            label: label("TLP:AMBER//REL KZ"),
            into: NATIONAL,
        })
        .expect("added");
    let expected = |step: usize| {
        let readable = (1..=CLASSES)
            .filter(|number| number.is_multiple_of(3))
            .step_by(step);
        readable.map(|number| object(number).id().clone())
    };
    let query = Query {
        up_to: Some(Tlp::Green),
        limit: 1_000,
        ..Query::default()
    };
    let ids = |query: &Query| {
        let read = read_all(&store, &NATIONAL, query).into_iter();
        read.map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&query), expected(1).collect::<Vec<_>>());
    let kinds = expected(100).map(|id| id.type_name().to_owned());
    let of_kinds = Query {
        kinds: kinds.collect(),
        limit: 7,
        ..query.clone()
    };
    assert_eq!(ids(&of_kinds), expected(100).collect::<Vec<_>>());
    let named = Query {
        ids: [1, 2, 3, CLASSES - 1, CLASSES]
            .map(|number| object(number).id().clone())
            .to_vec(),
        ..query
    };
    assert_eq!(
        ids(&named),
        [3, CLASSES].map(|number| object(number).id().clone())
    );
}

#[test]
fn what_a_channel_shows_is_read_by_the_label_that_travelled() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, (1..=4).map(|n| indicator(n, 0, "")).collect());
    let query = Query {
        limit: 10,
        ..Query::default()
    };
    let records = store.page(&NATIONAL, &query).expect("a page").records;
    let travelled = ["TLP:RED", "TLP:CLEAR", "TLP:AMBER", "TLP:GREEN"];
    let changes = records
        .iter()
        .zip(travelled)
        .map(|(record, level)| {
            let mut entry = entry(record, log::Action::Release);
            entry.label = format!("{level}//REL KZ,KG");
            Change {
                entry,
                object: Some(record.object),
            }
        })
        .collect();
    let own = common::log("KZ");
    store
        .execute(Command::Append {
            log: own.clone(),
            changes,
            signer: signer(),
        })
        .expect("appended");
    let ids = |up_to| {
        let query = Query {
            up_to: Some(up_to),
            ..query.clone()
        };
        read_all(&store, &own.collection(), &query)
            .into_iter()
            .map(|record| record.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(Tlp::Clear), [id(2)]);
    assert_eq!(ids(Tlp::Green), [id(2), id(4)]);
    assert_eq!(ids(Tlp::AmberStrict), [id(2), id(3), id(4)]);
    assert_eq!(ids(Tlp::Red).len(), 4);
}

#[test]
fn a_definition_that_comes_later_counts_from_then_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let marking = "marking-definition--00000001-0000-4000-8000-000000000000";
    let object = String::from_utf8(indicator(1, 0, "").bytes().to_vec()).expect("text");
    let object = object.replacen(
        '{',
        &format!(r#"{{"object_marking_refs":["{marking}"],"#),
        1,
    );
    add(
        &store,
        vec![Object::parse(object.as_bytes()).expect("valid")],
    );
    let reads = |level| {
        let query = Query {
            up_to: Some(level),
            kinds: vec!["indicator".into()],
            limit: 9,
            ..Query::default()
        };
        store.page(&NATIONAL, &query).expect("a page").records.len()
    };
    assert_eq!(
        (reads(Tlp::AmberStrict), reads(Tlp::Red)),
        (0, 1),
        "what an unknown marking means is for the highest clearance to find out"
    );
    let definition = format!(
        r#"{{"created":"2025-05-05T05:05:05.555Z","definition":{{"statement":"SECRET"}},"definition_type":"statement","id":"{marking}","spec_version":"2.1","type":"marking-definition"}}"#
    );
    let reading = || {
        Reading::new(|_| {
            MarkingMeaning::Label(PartialLabel {
                tlp: Some(Tlp::Red),
                ..PartialLabel::default()
            })
        })
    };
    add(
        &store,
        vec![Object::parse(definition.as_bytes()).expect("valid")],
    );
    assert_eq!(
        (reads(Tlp::Clear), reads(Tlp::Green)),
        (0, 1),
        "a statement restricts nobody: the label assigned at intake counts"
    );
    store.read_markings(reading());
    assert_eq!((reads(Tlp::AmberStrict), reads(Tlp::Red)), (0, 1));
    store.read_markings(Reading::new(MarkingMeaning::of));
    assert_eq!(reads(Tlp::Green), 1);
}

#[test]
fn few_among_many_are_found_without_reading_the_many() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    for batch in 0..40u64 {
        let objects = (0..500)
            .map(|n| {
                let number = batch * 500 + n;
                let level = if number % 5_000 == 4_999 {
                    Tlp::Clear
                } else {
                    Tlp::Red
                };
                marked(number, 0, Some(level), false)
            })
            .collect();
        add(&store, objects);
    }
    let query = Query {
        up_to: Some(Tlp::Amber),
        limit: 3,
        ..Query::default()
    };
    let page = store.page(&NATIONAL, &query).expect("a page");
    let ids: Vec<_> = page
        .records
        .iter()
        .map(|record| record.id.clone())
        .collect();
    assert_eq!(ids, [id(4_999), id(9_999), id(14_999)]);
    assert!(page.more);
    let last: Option<Seq> = page.records.last().map(|record| record.seq);
    let page = store
        .page(
            &NATIONAL,
            &Query {
                after: last,
                ..query
            },
        )
        .expect("a page");
    assert_eq!((page.records.len(), page.more), (1, false));
}

/// Everything that a collection shows, for comparing.
fn shown(store: &Store, collection: &Collection) -> BTreeMap<Seq, String> {
    let query = Query {
        all_versions: true,
        limit: 1_000,
        ..Query::default()
    };
    let page = store.page(collection, &query).expect("a page");
    let text = |record: &Record| format!("{} {}", record.id, record.hash);
    page.records
        .iter()
        .map(|record| (record.seq, text(record)))
        .collect()
}

fn remove(store: &Store, records: &[&Record]) -> Result<store::Reply, store::StoreError> {
    let objects = records
        .iter()
        .map(|record| (record.id.clone(), record.hash))
        .collect();
    store.execute(Command::Remove { objects })
}

#[test]
fn what_is_removed_stays_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let before = {
        let store = open(dir.path());
        add(&store, vec![indicator(1, 1, "a"), indicator(2, 1, "b")]);
        add(&store, vec![indicator(1, 2, "a")]);
        let versions = store.versions(&NATIONAL, &id(1)).expect("versions");
        let reply = remove(&store, &[&versions[1], &versions[1]]).expect("removed");
        assert_eq!(reply, store::Reply::Removed(1));
        assert_eq!(
            remove(&store, &[&versions[1]]).expect("nothing to do"),
            store::Reply::Removed(0)
        );
        let latest = store.latest(&NATIONAL, &id(1)).expect("read");
        assert_eq!(
            latest.map(|record| record.hash),
            Some(versions[0].hash),
            "the older version is the latest now"
        );
        assert_eq!(store.count(&NATIONAL).expect("a count").versions, 2);
        remove(&store, &[&versions[0]]).expect("removed");
        assert_eq!(store.latest(&NATIONAL, &id(1)).expect("read"), None);
        add(&store, vec![indicator(1, 3, "a")]);
        assert_eq!(
            store.versions(&NATIONAL, &id(1)).expect("versions").len(),
            1,
            "a later version brings no earlier one back"
        );
        // To add the very bytes is to ask for them.
        add(&store, vec![indicator(1, 2, "a")]);
        let back = store.versions(&NATIONAL, &id(1)).expect("versions");
        assert_eq!(back.len(), 2);
        assert!(back[0].seq > back[1].seq && back[0].hash == versions[1].hash);
        shown(&store, &NATIONAL)
    };
    {
        let store = open(dir.path());
        assert_eq!(shown(&store, &NATIONAL), before, "after a restart");
    }
    store::rebuild(dir.path(), store::Options::new(common::clock())).expect("rebuilt");
    assert_eq!(
        shown(&open(dir.path()), &NATIONAL),
        before,
        "after a rebuild of the index"
    );
}

#[test]
fn what_a_log_brought_cannot_be_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    add(&store, (1..=3).map(|n| indicator(n, 0, "")).collect());
    let query = Query {
        limit: 10,
        ..Query::default()
    };
    let records = store.page(&NATIONAL, &query).expect("a page").records;
    let own = log("KZ");
    append(&store, &own, &records[..2], log::Action::Release);
    append(&store, &own, &records[1..2], log::Action::Withdraw);
    let held = shown(&store, &NATIONAL);
    for logged in &records[..2] {
        let refusal = remove(&store, &[&records[2], logged]).expect_err("it is logged");
        assert!(
            matches!(refusal, store::StoreError::Logged { .. }),
            "{refusal}"
        );
    }
    assert_eq!(
        shown(&store, &NATIONAL),
        held,
        "a refused command changes nothing"
    );
    remove(&store, &[&records[2]]).expect("removed");
    // What was decided about before it was removed does not leave any more.
    let changes = vec![Change {
        entry: entry(&records[2], log::Action::Release),
        object: Some(records[2].object),
    }];
    let refusal = store.execute(Command::Append {
        log: own,
        changes,
        signer: signer(),
    });
    assert!(matches!(
        refusal,
        Err(store::StoreError::UnknownObject { .. })
    ));
}

#[test]
fn what_was_removed_stands_in_the_way_of_nothing_but_comes_back_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let before = {
        let store = open(dir.path());
        let still_shown = |records: &[Record]| {
            let shown = store.still_shown(&NATIONAL, records);
            shown.expect("read")
        };
        add(&store, vec![indicator(1, 1, "a")]);
        let first = store.versions(&NATIONAL, &id(1)).expect("versions");
        assert_eq!(still_shown(&first), [true]);
        remove(&store, &[&first[0]]).expect("removed");
        assert_eq!(still_shown(&first), [false]);
        // Other bytes of the same version: nobody can see what they would contradict.
        let outcomes = add(&store, vec![indicator(1, 1, "b")]);
        assert!(
            matches!(outcomes[..], [store::Outcome::Added(_)]),
            "{outcomes:?}"
        );
        let second = store.versions(&NATIONAL, &id(1)).expect("versions");
        assert_eq!(second.len(), 1);
        // Now the first bytes contradict something.
        let outcomes = add(&store, vec![indicator(1, 1, "a")]);
        let held = second[0].hash;
        assert_eq!(outcomes, [store::Outcome::Conflict { held }]);
        remove(&store, &[&second[0]]).expect("removed");
        add(&store, vec![indicator(1, 1, "a")]);
        let back = store.versions(&NATIONAL, &id(1)).expect("versions");
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].hash, first[0].hash);
        assert_eq!(still_shown(&first), [false]);
        // A later version, and all of that without any partner.
        add(&store, vec![indicator(1, 2, "a")]);
        assert!(store.met(None, 10).expect("read").is_empty());
        // What a log brought and took back still counts.
        add(&store, vec![indicator(2, 1, "a")]);
        let logged = store.versions(&NATIONAL, &id(2)).expect("versions");
        let own = log("KZ");
        append(&store, &own, &logged, log::Action::Release);
        append(&store, &own, &logged, log::Action::Withdraw);
        let outcomes = add(&store, vec![indicator(2, 1, "b")]);
        let held = logged[0].hash;
        assert_eq!(outcomes, [store::Outcome::Conflict { held }]);
        shown(&store, &NATIONAL)
    };
    assert_eq!(
        shown(&open(dir.path()), &NATIONAL),
        before,
        "after a restart"
    );
    store::rebuild(dir.path(), store::Options::new(common::clock())).expect("rebuilt");
    let store = open(dir.path());
    assert_eq!(shown(&store, &NATIONAL), before, "after a rebuild");
}
