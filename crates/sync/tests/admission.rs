//! Objects that must not be shown although their log is honest: the log goes on without them, and
//! no byte of theirs is kept (I1, I4, I8, I9).

mod common;

use common::{Handmade, LABEL, Receiver, accord, entry, indicator, json};
use kurultai_sync as sync;
use log::Action;
use model::{Object, PartialLabel, Timestamp};
use sync::{PullError, View};

const MARK: &str = "0123456789-do-not-keep-9876543210";

/// Pulls a log of four entries whose third is `bad`; only the other three may be shown, and the
/// report must name the reason.
async fn withheld(channel: &'static str, label: &str, object: &Object, bad: &str, why: &str) {
    let mut log = Handmade::new(channel);
    log.release(&indicator(1), label);
    log.release(&indicator(2), label);
    log.push(&entry(object, Action::Release, bad), object.bytes());
    log.release(&indicator(3), label);
    shows_all_but_the_third(channel, log, why).await;
}

async fn shows_all_but_the_third(channel: &'static str, log: Handmade, why: &str) {
    let receiver = Receiver::of(channel);
    let progress = receiver.pulled(log.clone()).await;
    assert_eq!(
        (progress.to, progress.shown, progress.refused_count),
        (4, 3, 1),
        "{why}"
    );
    let (index, reason) = &progress.refused[0];
    assert_eq!(*index, 2);
    assert!(reason.contains(why), "{reason:?} should say {why:?}");
    let state = receiver.assert_prefix_of(&log);
    assert_eq!(state.shown.keys().copied().collect::<Vec<_>>(), [0, 1, 3]);
    assert!(progress.cosigned, "the log itself is consistent");
    assert!(
        !kept_on_disk(&receiver),
        "a refused object left bytes behind"
    );
}

/// Whether the mark is in any file of the store, packed or not.
fn kept_on_disk(receiver: &Receiver) -> bool {
    let mut folders = vec![receiver.store.dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let path = file.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            let found = |bytes: &[u8]| {
                bytes
                    .windows(MARK.len())
                    .any(|part| part == MARK.as_bytes())
            };
            // Packed bundles begin with zstd's magic number, wherever they are in a file.
            let frames = bytes
                .windows(4)
                .enumerate()
                .filter(|(_, four)| *four == [0x28, 0xb5, 0x2f, 0xfd]);
            let packed = frames.map(|(at, _)| at).any(|at| {
                let mut plain = Vec::new();
                let decoder =
                    zstd::stream::Decoder::new(&bytes[at..]).map(|decoder| decoder.single_frame());
                let read = decoder.and_then(|mut decoder| std::io::copy(&mut decoder, &mut plain));
                read.is_ok() && found(&plain)
            });
            if found(&bytes) || packed {
                return true;
            }
        }
    }
    false
}

fn marked(n: u64) -> Object {
    Object::parse(json(n, MARK).as_bytes()).expect("an object")
}

fn with_markings(n: u64, markings: &[&str]) -> Object {
    let refs: Vec<String> = markings.iter().map(|id| format!("\"{id}\"")).collect();
    let text = json(n, MARK).replace(
        "\"pattern\":",
        &format!("\"object_marking_refs\":[{}],\"pattern\":", refs.join(",")),
    );
    Object::parse(text.as_bytes()).expect("an object")
}

#[tokio::test]
async fn the_mark_is_found_when_it_is_kept() {
    let mut log = Handmade::new("alerts");
    log.release(&marked(1), LABEL);
    let receiver = Receiver::new();
    receiver.pulled(log).await;
    assert!(
        kept_on_disk(&receiver),
        "else the other tests of this file prove nothing"
    );
}

#[tokio::test]
async fn labels_that_the_channel_does_not_allow() {
    let object = marked(9);
    withheld("alerts", LABEL, &object, "TLP:RED//REL KG,KZ,UZ", "TLP:RED").await;
    withheld("alerts", LABEL, &object, "TLP:GREEN//REL KG,KZ", "UZ").await;
    withheld("alerts", LABEL, &object, "TLP:GREEN", "releasable-to").await;
    withheld("alerts", LABEL, &object, "no label at all", "label").await;
}

#[tokio::test]
async fn exercise_and_real_never_mix() {
    let object = marked(9);
    let exercise = "TLP:GREEN//REL KG,KZ,UZ//EXERCISE";
    withheld("alerts", LABEL, &object, exercise, "exercise").await;
    withheld("drill", exercise, &object, LABEL, "exercise").await;
}

#[tokio::test]
async fn kinds_that_the_channel_does_not_carry() {
    let tool = json(9, MARK).replace("indicator", "tool").replace(
        "\"pattern\":\"[ipv4-addr:value = '198.51.100.9']\",\"pattern_type\":\"stix\",",
        "",
    );
    let tool = Object::parse(tool.as_bytes()).expect("a tool");
    withheld("alerts", LABEL, &tool, LABEL, "tool").await;
}

/// The object's own TLP marking is stricter than what its entry claims.
#[tokio::test]
async fn the_objects_own_level() {
    let red = with_markings(9, &[model::tlp_marking(model::Tlp::Red)]);
    withheld("alerts", LABEL, &red, LABEL, "TLP:RED").await;
}

/// The object's own marking is a definition that came along in the log.
#[tokio::test]
async fn the_objects_own_markings() {
    let only_us = PartialLabel {
        releasable_to: Some(model::Releasable::Members(
            ["KG", "KZ"].map(str::to_owned).into(),
        )),
        ..PartialLabel::default()
    };
    let exercise = PartialLabel {
        exercise: Some(true),
        ..PartialLabel::default()
    };
    for (stated, why) in [(only_us, "UZ"), (exercise, "exercise")] {
        let created = Timestamp::parse("2026-01-01T00:00:00.000Z").expect("a time");
        let definition = model::marking_object(&stated, created).expect("a marking");
        let object = with_markings(9, &[definition.id().as_str()]);
        let mut log = Handmade::new("alerts");
        log.release(&definition, LABEL);
        log.release(&indicator(2), LABEL);
        log.release(&object, LABEL);
        log.release(&indicator(3), LABEL);
        shows_all_but_the_third("alerts", log.clone(), why).await;

        // The definition came in an earlier pull: it is found in the store.
        let receiver = Receiver::new();
        let mut start = log.clone();
        start.entries.truncate(1);
        start.bodies.truncate(1);
        receiver.pulled(start).await;
        let progress = receiver.pulled(log).await;
        assert_eq!((progress.shown, progress.refused_count), (2, 1));
        assert!(!kept_on_disk(&receiver));
    }
}

/// Entries that say something else about the object than the object itself.
#[tokio::test]
async fn entries_that_do_not_fit_their_object() {
    type Change = fn(&mut log::Entry);
    let changes: [(Change, &str); 5] = [
        (|entry| entry.id = indicator(8).id().to_string(), "id"),
        (|entry| entry.kind = "identity".to_owned(), "kind"),
        (
            |entry| entry.modified = Some("2026-01-01T00:00:01.000Z".to_owned()),
            "modified",
        ),
        (|entry| entry.modified = None, "modified"),
        (
            |entry| entry.time = "2099-01-01T00:00:00.000Z".to_owned(),
            "2099",
        ),
    ];
    for (change, why) in changes {
        let mut wrong = entry(&marked(9), Action::Release, LABEL);
        change(&mut wrong);
        let mut log = Handmade::of(2);
        log.push(&wrong, marked(9).bytes());
        log.grow(4);
        shows_all_but_the_third("alerts", log, why).await;
    }
}

/// Bytes that hash to what the entry names but are no object in canonical form.
#[tokio::test]
async fn released_bytes_that_are_no_canonical_object() {
    let canonical = json(9, MARK);
    for (body, why) in [
        (canonical.replacen('{', "{ ", 1), "canonical"),
        (
            canonical.replace(
                "\"type\":\"indicator\"",
                "\"type\":\"indicator\",\"type\":\"indicator\"",
            ),
            "type",
        ),
        (format!("[\"{MARK}\"]"), "no object"),
        (format!("{MARK}\u{0}"), "no object"),
    ] {
        let mut named = entry(&marked(9), Action::Release, LABEL);
        named.hash = model::Hash::of(body.as_bytes()).0;
        let mut log = Handmade::of(2);
        log.push(&named, body.as_bytes());
        log.grow(4);
        shows_all_but_the_third("alerts", log, why).await;
    }
}

/// A later object with other content under the same id and version: the first one stands.
#[tokio::test]
async fn conflicting_content() {
    let mut log = Handmade::of(2);
    let conflict = Object::parse(json(1, "something else").as_bytes()).expect("an object");
    log.release(&conflict, LABEL);
    let receiver = Receiver::new();
    let progress = receiver.pulled(log).await;
    assert_eq!((progress.to, progress.shown, progress.conflicts), (3, 2, 1));
    let state = receiver.state();
    assert_eq!(state.shown.get(&1), Some(&indicator(1).hash()));
    assert_eq!((state.shown.len(), state.evidence), (2, 1));
}

#[tokio::test]
async fn logs_that_the_accord_does_not_give_us() {
    // UZ has not ratified; `nothing` is no channel; XX is no member.
    for (channel, origin) in [
        ("alerts", "UZ"),
        ("pair", "UZ"),
        ("nothing", "KZ"),
        ("alerts", "XX"),
    ] {
        let view = View::new(accord(), channel, origin, Vec::new());
        assert!(
            matches!(view, Err(PullError::NotInForce { .. })),
            "{channel}/{origin}"
        );
    }
    // Nor is a node's own log pulled from anybody.
    let origin = common::Origin::new();
    origin.release(0..1);
    let view = View::new(accord(), "alerts", "KZ", Vec::new()).expect("in force");
    let wire = common::Wire::honest(Handmade::of(2));
    let error = sync::pull(&wire, &origin.store, &view, &common::clock()).await;
    assert!(matches!(error, Err(PullError::Own { .. })), "{error:?}");
}
