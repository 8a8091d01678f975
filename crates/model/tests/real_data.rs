//! Real STIX: both ATT&CK for ICS releases read without a refusal, canonical as another
//! implementation says, with the version history that the releases have.

#[path = "common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use kurultai_model as model;
use model::{Class, Hash, Label, MarkingMeaning, Object, Succession, bundle, label_of, succession};

fn objects(release: &[u8]) -> Vec<Object> {
    let mut objects = Vec::new();
    let count = bundle(release, |index, object| {
        assert_eq!(index, objects.len());
        objects.push(object.unwrap_or_else(|refusal| panic!("object {index}: {refusal}")));
    });
    assert_eq!(count, Ok(objects.len()));
    objects
}

#[test]
fn attack_is_read_whole_and_canonical_as_the_oracle_says() {
    for release in common::attack_ics() {
        let objects = objects(&release);
        assert!(objects.len() > 1800);
        let value: serde_json::Value = serde_json::from_slice(&release).expect("JSON");
        let values = value["objects"].as_array().expect("objects");
        assert_eq!(values.len(), objects.len());
        for (object, value) in objects.iter().zip(values) {
            let oracle =
                serde_json_canonicalizer::to_vec(value).expect("the oracle writes any value");
            assert_eq!(object.bytes(), oracle, "{object:?}");
            assert_eq!(object.hash(), Hash::of(&oracle));
            assert_eq!(value["id"], object.id().as_str());
            assert_eq!(value["type"], object.kind());
            assert_eq!(
                value["revoked"].as_bool().unwrap_or(false),
                object.revoked()
            );
            // The fast path reads the same from the canonical bytes.
            let again = Object::parse(object.bytes()).expect("canonical");
            assert_eq!(again.bytes(), object.bytes());
            assert_eq!(again.refs(), object.refs());
            assert_eq!(again.version(), object.version());
            assert_eq!(
                refs_by_hand(value),
                object.refs().iter().map(|id| id.to_string()).collect()
            );
        }
        // The canonical objects as one canonical bundle take the other road through `bundle`.
        let mut canonical = b"{\"objects\":[".to_vec();
        for object in &objects {
            canonical.extend_from_slice(object.bytes());
            canonical.push(b',');
        }
        canonical.pop();
        canonical.extend_from_slice(b"]}");
        assert_eq!(model::is_canonical(&canonical), Ok(true));
        assert!(self::objects(&canonical) == objects);
        assert_eq!(model::is_canonical(&release), Ok(false));
    }
}

/// Every string under a name that ends in `_ref` or `_refs`, except markings.
fn refs_by_hand(value: &serde_json::Value) -> BTreeSet<String> {
    fn walk(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        serde_json::Value::String(id) if name.ends_with("_ref") => {
                            // One release leaves such a property empty.
                            found.extend((!id.is_empty()).then(|| id.clone()));
                        }
                        serde_json::Value::Array(ids)
                            if name.ends_with("_refs") && name != "object_marking_refs" =>
                        {
                            found
                                .extend(ids.iter().filter_map(|id| id.as_str()).map(str::to_owned));
                        }
                        _ => walk(member, found),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(value, &mut found);
    found
}

#[test]
fn two_releases_make_the_history_that_they_have() {
    let releases = common::attack_ics();
    let [old, new] = releases.as_slice() else {
        return;
    };
    let held: BTreeMap<String, Object> = objects(old)
        .into_iter()
        .map(|object| (object.id().to_string(), object))
        .collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects(new) {
        let outcome = match held.get(object.id().as_str()) {
            None => "fresh".to_owned(),
            Some(held) => {
                let (held, new) = (
                    (held.version(), held.hash()),
                    (object.version(), object.hash()),
                );
                let outcome = succession(held, new, object.class());
                if outcome == Succession::Conflict {
                    // The copyright statement changed its year and kept its id.
                    assert_eq!(object.class(), Class::Marking);
                }
                format!("{outcome:?}")
            }
        };
        *seen.entry(outcome).or_default() += 1;
    }
    assert_eq!(seen.get("Conflict"), Some(&1), "{seen:?}");
    assert_eq!(seen.get("Same"), Some(&21), "{seen:?}");
    assert!(seen["Newer"] > 1000 && seen["fresh"] > 200, "{seen:?}");
    assert_eq!(seen.get("Older"), None);
}

#[test]
fn attack_takes_the_default_label() {
    for release in common::attack_ics() {
        let objects = objects(&release);
        let markings: BTreeMap<_, _> = objects
            .iter()
            .filter(|object| object.class() == Class::Marking)
            .map(|object| (object.id().clone(), MarkingMeaning::of(object)))
            .collect();
        let default = Label::parse("TLP:GREEN//REL KG,KZ").expect("a label");
        for object in &objects {
            let lookup = |id: &model::Id| markings.get(id).cloned();
            assert_eq!(
                label_of(object.marking_refs(), &lookup, &default),
                default,
                "{object:?}"
            );
            if !object.marking_refs().is_empty() {
                assert_eq!(
                    label_of(object.marking_refs(), &|_| None, &default),
                    Label::nobody()
                );
            }
        }
    }
}
