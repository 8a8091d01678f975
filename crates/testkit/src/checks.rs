//! What must hold in every world, looked at from outside: by what stores show, not by what they
//! were told.

use std::collections::BTreeMap;

use model::Hash;
use store::{Collection, Store};

use crate::world::{World, all_records, label_allows};

/// Everything that a store shows, as lines that can be compared and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Vec<String>);

/// Everything that a store shows: every record with its bytes' hash, every log's head and every
/// piece of evidence. Checks on the way that bytes hash to what the record says (I8).
pub fn state(store: &Store) -> State {
    let mut lines = Vec::new();
    for (collection, count) in store.counts().expect("the index reads") {
        lines.push(format!("{collection:?}: {count:?}"));
        let records = all_records(store, &collection);
        let bodies = store.bodies(&records).expect("what is shown has bytes");
        for (record, body) in records.iter().zip(bodies) {
            assert_eq!(
                Hash::of(&body),
                record.hash,
                "{} has other bytes than its hash",
                record.id
            );
            lines.push(format!("  {record:?}"));
        }
    }
    for (log, head) in store.heads().expect("the index reads") {
        lines.push(format!("{log}: {head:?}"));
    }
    for kept in store.evidence().expect("the index reads") {
        lines.push(format!(
            "kept: {} {:?}",
            kept.reason,
            Hash::of(&kept.content)
        ));
    }
    State(lines)
}

/// Two nodes that hold a log to the same size hold the same log (I3), and one object version has
/// one content everywhere (I8).
pub fn assert_converged(world: &World) {
    let mut roots = BTreeMap::new();
    let mut versions = BTreeMap::new();
    for (code, party) in &world.parties {
        for (log, head) in party.store.heads().expect("the index reads") {
            let root = roots.entry((log.clone(), head.size)).or_insert(head.root);
            assert_eq!(
                *root,
                head.root,
                "{}: {code} has another {log} of {} entries",
                world.place(),
                head.size
            );
        }
        for (collection, _) in party.store.counts().expect("the index reads") {
            for record in all_records(&party.store, &collection) {
                if record.version.is_none() {
                    continue;
                }
                let hash = *versions
                    .entry((record.id.clone(), record.version))
                    .or_insert(record.hash);
                assert_eq!(
                    hash,
                    record.hash,
                    "{}: {code} has another {}",
                    world.place(),
                    record.id
                );
            }
        }
        state(&party.store);
    }
}

/// Nobody holds what is not meant for it (I1), and exercise and real do not mix (I9). Judged by
/// the label that the object has at its origin, whatever the entry said on the way.
pub fn assert_releasable(world: &World) {
    for (code, party) in &world.parties {
        for (collection, _) in party.store.counts().expect("the index reads") {
            for record in all_records(&party.store, &collection) {
                let place = format!(
                    "{}: {code} holds {} in {collection:?}",
                    world.place(),
                    record.id
                );
                let Some((origin, label)) = world.truth(&record.hash) else {
                    panic!("{place}, which nobody added");
                };
                if origin == code {
                    continue;
                }
                let Collection::Channel { channel, .. } = &collection else {
                    panic!("{place}, which is {origin}'s");
                };
                let accord = world.accord.accord();
                let channel = accord.channel(channel).expect("a channel of the accord");
                assert!(channel.members.contains(code), "{place} and is no member");
                assert!(
                    label_allows(
                        label,
                        record.id.type_name(),
                        channel,
                        &accord.named_groups()
                    ),
                    "{place} in spite of its label {label}"
                );
                let mark = party.store.label(&record).expect("its label reads");
                assert_eq!(
                    mark.exercise, channel.exercise,
                    "{place} without its exercise mark"
                );
            }
        }
    }
}
