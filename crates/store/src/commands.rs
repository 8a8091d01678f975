//! What each command means, worked out against what is held.
//!
//! Nothing here writes: frames and rows are gathered, and a command that is refused has gathered
//! none.

use std::collections::{HashMap, HashSet};

use log::{Action, merkle};
use model::{Hash, Id, Object};

use crate::error::StoreError;
use crate::index::Key;
use crate::journal::{Frames, Header};
use crate::labels::AT_LEAST;
use crate::limits::BUNDLE_OBJECTS_MAX;
use crate::logstate::log_folder;
use crate::plan::{Facts, Standing, Together};
use crate::types::{Change, Collection, Command, LogName, Outcome, Receive, Reply, Seq, Signer};
use crate::work::{Work, entry_bundle};

use crate::writer::Writer;

impl Writer {
    /// Positions for `count` things, in order.
    pub(crate) fn positions(&self, work: &mut Work<'_>, count: usize) -> Seq {
        let first = (self.clock)().max(work.last + 1);
        work.last = first + count.max(1) as Seq - 1;
        first
    }

    /// Works out one command. On error the work is as it was, unless it says that the command
    /// got only halfway: a read that it needed failed. Then the work must not be written.
    pub(crate) fn prepare(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        command: Command,
    ) -> Result<Reply, StoreError> {
        match command {
            Command::Add {
                objects,
                label,
                into,
            } => self.add(work, frames, &objects, (&label.to_string(), &into), false),
            Command::Remove { objects } => self.remove(work, frames, &objects),
            Command::AddAtLeast { objects, label } => {
                let label = format!("{AT_LEAST}{label}");
                self.add(
                    work,
                    frames,
                    &objects,
                    (&label, &Collection::National),
                    true,
                )
            }
            Command::Append {
                log,
                changes,
                signer,
            } => self.append(work, frames, log, changes, &signer),
            Command::Audit {
                log,
                records,
                signer,
            } => self.audit(work, frames, &log, records, &signer),
            Command::Receive(receive) => self.receive(work, frames, receive),
            Command::Cosigned { log, size, lines } => {
                frames.push(
                    &Header::Cosigned {
                        log: log.to_parts(),
                        size,
                        lines: lines.clone(),
                    },
                    &[],
                )?;
                work.cosigned(&log, size, &lines);
                Ok(Reply::Done)
            }
            Command::Refuse {
                log,
                reason,
                evidence,
            } => {
                if work.log(&log, &self.logs, false)?.refused.is_some() {
                    return Ok(Reply::Done);
                }
                let at = self.positions(work, 1);
                frames.push(
                    &Header::Refused {
                        log: log.to_parts(),
                        at,
                        reason: reason.clone(),
                    },
                    &[evidence.as_bytes()],
                )?;
                work.refused(&log, at, &reason, evidence.as_bytes());
                Ok(Reply::Done)
            }
            Command::Resign { log, signer } => self.resign(work, frames, &log, &signer),
            Command::Restart {
                log,
                from,
                reason,
                evidence,
            } => self.restart(work, frames, &log, from, (&reason, &evidence)),
            Command::Put { key, value } => work.put(frames, key, value),
            Command::PutAll { settings } => {
                work.halfway = true;
                for (key, value) in settings {
                    work.put(frames, key, value)?;
                }
                work.halfway = false;
                Ok(Reply::Done)
            }
        }
    }

    fn add(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        objects: &[Object],
        (label, into): (&str, &Collection),
        stops: bool,
    ) -> Result<Reply, StoreError> {
        if matches!(into, Collection::Channel { .. }) {
            return Err(StoreError::Entry {
                problem: "only a log brings objects into a channel".into(),
            });
        }
        let target = (label, into);
        let facts: Vec<Facts> = objects.iter().map(Facts::of).collect();
        work.plan.prefetch(facts.iter().map(|facts| &facts.key))?;
        work.halfway = true;
        let mut outcomes = vec![Outcome::Duplicate(0); objects.len()];
        let mut seen: HashMap<(&Key, Hash), usize> = HashMap::new();
        let mut repeats = Vec::new();
        let mut fresh: Vec<usize> = Vec::new();
        let mut fresh_keys: HashSet<&Key> = HashSet::new();
        // A bundle is planned before the next is judged, so that a repeat within one command is
        // seen for what it is.
        for (i, facts_of) in facts.iter().enumerate() {
            if let Some(first) = seen.insert((&facts_of.key, facts_of.hash), i) {
                seen.insert((&facts_of.key, facts_of.hash), first);
                repeats.push((i, first));
                continue;
            }
            let clash = fresh_keys.contains(&facts_of.key);
            if clash || fresh.len() == BUNDLE_OBJECTS_MAX {
                self.add_bundle(work, frames, objects, &facts, &fresh, target, &mut outcomes)?;
                fresh.clear();
                fresh_keys.clear();
            }
            let standing = work.plan.standing(facts_of)?;
            if stops && let Some(why) = work.plan.stops(standing, facts_of, objects[i].id())? {
                outcomes[i] = Outcome::Stopped(why);
                continue;
            }
            match standing {
                Standing::New => {
                    fresh.push(i);
                    fresh_keys.insert(&facts_of.key);
                }
                Standing::Same(seq) => {
                    outcomes[i] = Outcome::Duplicate(seq);
                    self.show_also(work, frames, seq, facts_of, target)?;
                }
                Standing::Conflict(held) => {
                    outcomes[i] = Outcome::Conflict { held };
                    self.keep_conflict(work, frames, None, &objects[i], held)?;
                }
            }
        }
        self.add_bundle(work, frames, objects, &facts, &fresh, target, &mut outcomes)?;
        for (i, first) in repeats {
            outcomes[i] = match outcomes[first] {
                Outcome::Added(seq) => Outcome::Duplicate(seq),
                ref other => other.clone(),
            };
        }
        work.halfway = false;
        Ok(Reply::Added(outcomes))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `add`, split off for its length"
    )]
    fn add_bundle(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        objects: &[Object],
        facts: &[Facts],
        fresh: &[usize],
        (label, into): (&str, &Collection),
        outcomes: &mut [Outcome],
    ) -> Result<(), StoreError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let first = self.positions(work, fresh.len());
        let bodies: Vec<&[u8]> = fresh.iter().map(|&i| objects[i].bytes()).collect();
        let bundle = log::bodies::encode(&bodies);
        let header = Header::Objects {
            first,
            count: fresh.len(),
            label: label.to_owned(),
            forms: *into == Collection::Forms,
        };
        let places = frames.push(&header, &[&bundle])?;
        let chosen: Vec<Facts> = fresh.iter().map(|&i| facts[i].clone()).collect();
        work.objects(into, first, &chosen, label, places[0], bundle.len())?;
        for (seq, &i) in (first..).zip(fresh) {
            outcomes[i] = Outcome::Added(seq);
        }
        Ok(())
    }

    /// An object that a partner's log brought earlier becomes the member's own to handle, too.
    fn show_also(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        object: Seq,
        facts: &Facts,
        (label, into): (&str, &Collection),
    ) -> Result<(), StoreError> {
        if work.plan.has(facts, into)? {
            return Ok(());
        }
        let seq = self.positions(work, 1);
        let id = facts.key.id()?.to_string();
        frames.push(
            &Header::Adopted {
                seq,
                object,
                id,
                label: label.to_owned(),
                forms: *into == Collection::Forms,
            },
            &[],
        )?;
        work.adopted(into, seq, object, &facts.key, label)
    }

    fn keep_conflict(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        log: Option<&LogName>,
        object: &Object,
        held: Hash,
    ) -> Result<(), StoreError> {
        let reason = format!(
            "{} has other content under the same version than what is held ({held})",
            object.id()
        );
        let at = self.positions(work, 1);
        frames.push(
            &Header::Kept {
                log: log.map(LogName::to_parts),
                at,
                reason: reason.clone(),
            },
            &[object.bytes()],
        )?;
        work.kept(log.cloned(), at, &reason, object.bytes());
        Ok(())
    }

    fn remove(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        objects: &[(Id, Hash)],
    ) -> Result<Reply, StoreError> {
        let keys: Vec<Key> = objects.iter().map(|(id, _)| Key::of(id)).collect();
        work.plan.prefetch(keys.iter())?;
        let mut held = Vec::with_capacity(objects.len());
        for (key, (id, hash)) in keys.iter().zip(objects) {
            if let Some(log) = work.plan.logged(key, hash)? {
                let id = id.to_string();
                return Err(StoreError::Logged { id, log });
            }
            if work.plan.national(key, hash)? && !held.contains(&(key, hash)) {
                held.push((key, hash));
            }
        }
        work.halfway = true;
        for batch in held.chunks(BUNDLE_OBJECTS_MAX) {
            let mut named = Vec::with_capacity(batch.len());
            for (key, hash) in batch {
                named.push((key.id()?.to_string(), hash.to_string()));
                work.removed(key, hash)?;
            }
            frames.push(&Header::Removed { objects: named }, &[])?;
        }
        work.halfway = false;
        Ok(Reply::Removed(held.len()))
    }

    fn append(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        name: LogName,
        changes: Vec<Change>,
        signer: &Signer,
    ) -> Result<Reply, StoreError> {
        let collection = name.collection();
        let from = self.own_log(work, &name)?;
        let given = changes.len();
        let mut entries: Vec<log::Entry> = Vec::with_capacity(given);
        let mut objects = Vec::with_capacity(given);
        // What this command itself shows and hides, for judging its later changes.
        let mut shown: HashMap<Key, HashMap<Hash, bool>> = HashMap::new();
        let keys = changes
            .iter()
            .map(|change| Id::parse(&change.entry.id).map(|id| Key::of(&id)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::Entry {
                problem: error.to_string(),
            })?;
        work.plan.prefetch(keys.iter())?;
        for (Change { mut entry, object }, key) in changes.into_iter().zip(keys) {
            let hash = Hash(entry.hash);
            let versions = shown.entry(key.clone()).or_default();
            let is_shown = match versions.get(&hash) {
                Some(is_shown) => *is_shown,
                None => work.plan.shows(&key, Some(&hash), &collection, &name)?,
            };
            let brings = matches!(entry.action, Action::Release | Action::Revise);
            if brings == is_shown {
                continue;
            }
            if brings {
                let Some(object) = object else {
                    return Err(StoreError::Entry {
                        problem: format!("the release of {} names no object", entry.id),
                    });
                };
                // Also not what was removed or withdrawn since it was decided about.
                if work.plan.hash_shown(&key, object)? != Some(hash) {
                    return Err(StoreError::UnknownObject { seq: object });
                }
                let earlier = versions.values().any(|is_shown| *is_shown);
                let revises = earlier || work.plan.shows(&key, None, &collection, &name)?;
                entry.action = if revises {
                    Action::Revise
                } else {
                    Action::Release
                };
            }
            versions.insert(hash, brings);
            objects.push(if brings { object } else { None });
            entries.push(entry);
        }
        let already = given - entries.len();
        let raw = entries
            .iter()
            .map(log::Entry::encode)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::Entry {
                problem: error.to_string(),
            })?;
        work.halfway = true;
        // One frame has at most a bundle's worth of entries, so that recovery reads in small steps.
        let mut at = from;
        for ((raw, entries), objects) in raw
            .chunks(BUNDLE_OBJECTS_MAX)
            .zip(entries.chunks(BUNDLE_OBJECTS_MAX))
            .zip(objects.chunks(BUNDLE_OBJECTS_MAX))
        {
            let first = self.positions(work, raw.len());
            work.grow(&name, raw, Some(objects))?;
            let checkpoint = sign(work, &name, signer);
            let (log, count) = (name.to_parts(), raw.len());
            let header = Header::Appended {
                log,
                from: at,
                count,
                first,
                checkpoint: checkpoint.clone(),
                objects: objects.to_vec(),
            };
            frames.push(&header, &[&entry_bundle(raw)])?;
            work.appended(&name, at, first, entries, objects, &checkpoint)?;
            at += raw.len() as u64;
        }
        work.halfway = false;
        Ok(Reply::Logged {
            from,
            to: at,
            already,
        })
    }

    fn audit(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        name: &LogName,
        records: Vec<Vec<u8>>,
        signer: &Signer,
    ) -> Result<Reply, StoreError> {
        let from = self.own_log(work, name)?;
        if let Some(record) = records
            .iter()
            .find(|record| record.len() > log::limits::ENTRY_BYTES_MAX)
        {
            return Err(StoreError::Entry {
                problem: format!("an audit record has {} bytes", record.len()),
            });
        }
        work.halfway = true;
        let mut at = from;
        for raw in records.chunks(BUNDLE_OBJECTS_MAX) {
            let first = self.positions(work, raw.len());
            work.grow(name, raw, None)?;
            let checkpoint = sign(work, name, signer);
            let (log, count) = (name.to_parts(), raw.len());
            frames.push(
                &Header::Audited {
                    log,
                    from: at,
                    count,
                    first,
                    checkpoint: checkpoint.clone(),
                },
                &[&entry_bundle(raw)],
            )?;
            work.audited(name, at, first, count, &checkpoint);
            at += count as u64;
        }
        work.halfway = false;
        Ok(Reply::Logged {
            from,
            to: at,
            already: 0,
        })
    }

    /// The size of an own log, which is created by its first use.
    fn own_log(&self, work: &mut Work<'_>, name: &LogName) -> Result<u64, StoreError> {
        let state = work.log(name, &self.logs, true)?;
        if state.tree.size() == 0 {
            state.own = true;
            // As in `recover`: what was published must not begin anew.
            let copy = format!("{}/checkpoint", log_folder(name));
            if self.shared.blobs.get(&copy)?.is_some() {
                return Err(StoreError::corrupt(
                    "the journal",
                    format!("the log {name} was published and nothing of it is left"),
                ));
            }
        }
        if !state.own {
            return Err(StoreError::NotOwn { log: name.clone() });
        }
        Ok(state.tree.size())
    }

    fn receive(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        receive: Receive,
    ) -> Result<Reply, StoreError> {
        let Receive {
            log: name,
            from,
            bundles,
            checkpoint,
            checkpoint_size,
            checkpoint_root,
        } = receive;
        let state = work.log(&name, &self.logs, false)?;
        if let Some(reason) = &state.refused {
            return Err(StoreError::Refused {
                log: name,
                reason: reason.clone(),
            });
        }
        if state.own && state.tree.size() > 0 {
            return Err(StoreError::IsOwn { log: name });
        }
        if state.tree.size() != from {
            return Err(StoreError::WrongSize {
                log: name,
                held: state.tree.size(),
                given: from,
            });
        }
        // Tried on a copy first: entries that do not lead to the signed root change nothing.
        let mut tree = state.tree.clone();
        bundles
            .iter()
            .flat_map(|bundle| &bundle.raw)
            .for_each(|entry| tree.append(merkle::leaf_hash(entry)));
        let size = tree.size();
        if size > checkpoint_size || (size == checkpoint_size && tree.root() != checkpoint_root) {
            return Err(StoreError::WrongRoot { log: name, size });
        }
        for bundle in &bundles {
            let count = bundle.raw.len();
            if count == 0
                || count > BUNDLE_OBJECTS_MAX
                || bundle.entries.len() != count
                || bundle.objects.len() != count
            {
                return Err(StoreError::Entry {
                    problem: "a received bundle's parts do not match".into(),
                });
            }
        }
        work.halfway = true;
        let (mut shown, mut conflicts_all) = (0, 0);
        let mut at = from;
        for bundle in bundles {
            let count = bundle.raw.len();
            let mut facts: Vec<Option<Facts>> = bundle
                .objects
                .iter()
                .map(|object| object.as_ref().map(Facts::of))
                .collect();
            work.plan
                .prefetch(facts.iter().flatten().map(|facts| &facts.key))?;
            let mut conflicts = Vec::new();
            let mut together = Together::default();
            for (i, found) in facts.iter().enumerate() {
                let (Some(found), Some(object)) = (found, &bundle.objects[i]) else {
                    continue;
                };
                let held = match work.plan.standing(found)? {
                    Standing::Conflict(held) => Some(held),
                    Standing::New | Standing::Same(_) => together.conflict(found),
                };
                if let Some(held) = held {
                    self.keep_conflict(work, frames, Some(&name), object, held)?;
                    conflicts.push(i);
                }
            }
            for i in &conflicts {
                facts[*i] = None;
            }
            let first = self.positions(work, count);
            let entries = entry_bundle(&bundle.raw);
            let header = Header::Received {
                log: name.to_parts(),
                from: at,
                count,
                first,
                checkpoint: checkpoint.clone(),
                checkpoint_size,
                entries_bytes: entries.len(),
                skip: bundle.skip,
                conflicts: conflicts.clone(),
            };
            let places = frames.push(&header, &[&entries, &bundle.bodies])?;
            work.grow(&name, &bundle.raw, None)?;
            let bodies = (places[1], bundle.bodies.len(), bundle.skip);
            shown += work.received(
                &name,
                at,
                first,
                &bundle.entries,
                &facts,
                bodies,
                (&checkpoint, checkpoint_size),
            )?;
            conflicts_all += conflicts.len();
            at += count as u64;
        }
        work.halfway = false;
        Ok(Reply::Received {
            size,
            shown,
            conflicts: conflicts_all,
        })
    }
}

/// The signed checkpoint of a log as it now stands.
fn sign(work: &Work<'_>, name: &LogName, signer: &Signer) -> String {
    let Some((_, state)) = work.logs.get(name) else {
        return String::new();
    };
    signer(state.tree.size(), state.tree.root())
}
