//! The one writer: takes commands, commits them in groups, answers.
//!
//! A thread of its own owns the journal's end and the right edge of every log. It takes what has
//! queued up, up to a bound, works out what each command means, writes all of it in one go and
//! only then answers each. So the cost of durability is shared by whoever is waiting, and two
//! commands can never disagree about where a log ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use log::tile::TILE_WIDTH;
use log::{Action, merkle};
use model::{Hash, Id, Object};

use crate::error::StoreError;
use crate::index::{Key, Row};
use crate::journal::{self, Frames, Header, Position};
use crate::limits::{BUNDLE_OBJECTS_MAX, GROUP_BYTES_MAX, GROUP_OBJECTS_MAX, SEGMENT_BYTES_MAX};
use crate::plan::{Facts, Standing};
use crate::shared::Shared;
use crate::types::{Change, Command, LogName, Outcome, Receive, Reply, Seq, Signer};
use crate::work::{LogState, Work, entry_bundle, log_folder, log_key};

/// Called once with the answer.
pub(crate) type Done = Box<dyn FnOnce(Result<Reply, StoreError>) + Send>;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Fn() -> Seq + Send + Sync>,
    pub(crate) logs: HashMap<LogName, LogState>,
    /// Where the next frame goes.
    pub(crate) end: Position,
    /// The last position given out.
    pub(crate) last: Seq,
}

impl Writer {
    /// Works until every sender is gone.
    pub(crate) fn run(mut self, queue: &Receiver<(Command, Done)>) {
        while let Ok(first) = queue.recv() {
            let (mut objects, mut bytes) = weight(&first.0);
            let mut group = vec![first];
            while objects < GROUP_OBJECTS_MAX && bytes < GROUP_BYTES_MAX {
                match queue.try_recv() {
                    Ok(next) => {
                        let (more_objects, more_bytes) = weight(&next.0);
                        objects += more_objects;
                        bytes += more_bytes;
                        group.push(next);
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<(Command, Done)>) {
        let shared = self.shared.clone();
        let mut work = Work::new(&shared, self.last);
        let mut frames = Frames::new(self.end);
        let mut answers = Vec::with_capacity(group.len());
        for (command, done) in group {
            answers.push((self.prepare(&mut work, &mut frames, command), done));
        }
        let written = if frames.bytes().is_empty() {
            Ok(())
        } else {
            self.write(work, &frames)
        };
        if let Err(error) = &written {
            tracing::error!(%error, "nothing of this group was accepted");
        }
        shared.set_health(written.as_ref().map(|()| ()));
        for (answer, done) in answers {
            done(written.clone().and(answer));
        }
    }

    /// Makes a group durable, then visible.
    ///
    /// The order is the argument (I3, I5). A crash
    /// - during 1 leaves a torn frame, which recovery ignores: nothing was acknowledged;
    /// - after 1 leaves whole frames that hold the bodies, the entries and the signed checkpoint,
    ///   from which recovery does 2 and 3 again: the same bytes to the same files, the same rows;
    /// - after 2 leaves files beyond the head, which no reader asks for before the head says so;
    /// - after 3 loses only answers, the best-effort copy of the checkpoint and the removal of
    ///   files that nobody reads any more.
    ///
    /// A checkpoint is shown to nobody before 3, so no partner can hold one that recovery does not
    /// also arrive at. If 2 or 3 fails while the process lives on (a full disk), the journal is cut
    /// back and the group is as if it had never been.
    pub(crate) fn write(&mut self, mut work: Work<'_>, frames: &Frames) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let mut stale = Vec::new();
        let files = work.files(&mut stale)?;
        work.plan.rows.push(Row::Applied {
            at: frames.end(),
            last: work.last,
        });

        let segment = journal::segment_key(frames.start().segment);
        shared
            .blobs
            .append(&segment, frames.start().offset, frames.bytes())?; // 1: bodies, entries
        let rest = shared
            .blobs
            .put_all(&files)
            .and_then(|()| shared.index.apply(&work.plan.rows)); // 2: tiles, 3: heads and rows
        if let Err(error) = rest {
            shared.blobs.truncate(&segment, frames.start().offset)?;
            return Err(error);
        }
        self.settle(work, frames.end(), &stale);
        Ok(())
    }

    /// After the commit: what others may see now, and what nobody needs any more.
    pub(crate) fn settle(&mut self, work: Work<'_>, end: Position, stale: &[String]) {
        self.last = work.last;
        self.end = end;
        if self.end.offset >= SEGMENT_BYTES_MAX {
            self.end = Position {
                segment: self.end.segment + 1,
                offset: 0,
            };
        }
        let (blanked, events) = (work.blanked, work.events);
        let mut notes = Vec::new();
        for (name, (before, state)) in work.logs {
            if state.tree.size() != before {
                notes.push((
                    format!("{}/checkpoint", log_folder(&name)),
                    state.checkpoint.clone().into_bytes(),
                ));
            }
            self.logs.insert(name, state);
        }
        self.erase(&blanked);
        // Best effort, as the comment on `write` says: the index has the checkpoint.
        if let Err(error) = self
            .shared
            .blobs
            .put_all(&notes)
            .and_then(|()| self.shared.blobs.delete(stale))
        {
            tracing::warn!(%error, "left-over files of logs");
        }
        self.shared.tell(&events);
    }

    /// Takes withdrawn bodies out of stored body bundles. Until that is done, and if it fails,
    /// readers leave them out because the index names them.
    fn erase(&self, blanked: &[(LogName, u64)]) {
        for (name, index) in blanked {
            let path = log::tile::TilePath {
                kind: log::tile::Kind::Objects,
                index: *index,
                width: TILE_WIDTH as u16,
            };
            let key = log_key(name, &path);
            let rewritten = self.shared.blobs.get(&key).and_then(|bundle| {
                let Some(bundle) = bundle else { return Ok(()) };
                let from = index * TILE_WIDTH;
                let gone = self.shared.index.blanked(name, from, from + TILE_WIDTH)?;
                let kept = log::bodies::blank(&bundle, &|i| gone.contains(&(from + i as u64)))
                    .map_err(|error| StoreError::corrupt(key.clone(), error.to_string()))?;
                self.shared.blobs.put_all(&[(key.clone(), kept)])
            });
            if let Err(error) = rewritten {
                tracing::warn!(%error, "a withdrawn body is still on disk");
            }
        }
    }

    /// Positions for `count` things, in order.
    fn positions(&self, work: &mut Work<'_>, count: usize) -> Seq {
        let first = (self.clock)().max(work.last + 1);
        work.last = first + count.max(1) as Seq - 1;
        first
    }

    /// Works out one command. On error the work is as it was.
    fn prepare(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        command: Command,
    ) -> Result<Reply, StoreError> {
        match command {
            Command::Add { objects, label } => self.add(work, frames, &objects, &label.to_string()),
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
            Command::Put { key, value } => {
                let header = Header::Setting {
                    key: key.clone(),
                    removed: value.is_none(),
                };
                frames.push(&header, &[value.as_deref().unwrap_or_default()])?;
                work.plan.rows.push(Row::Setting { key, value });
                Ok(Reply::Done)
            }
        }
    }

    fn add(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        objects: &[Object],
        label: &str,
    ) -> Result<Reply, StoreError> {
        let facts: Vec<Facts> = objects.iter().map(Facts::of).collect();
        work.plan.prefetch(facts.iter().map(|facts| &facts.key))?;
        let mut outcomes = vec![Outcome::Duplicate(0); objects.len()];
        let mut seen: HashMap<(&Key, Hash), usize> = HashMap::new();
        let mut repeats = Vec::new();
        let mut fresh: Vec<usize> = Vec::new();
        // A bundle is planned before the next is judged, so that a repeat within one command is
        // seen for what it is.
        for (i, facts_of) in facts.iter().enumerate() {
            if let Some(first) = seen.insert((&facts_of.key, facts_of.hash), i) {
                seen.insert((&facts_of.key, facts_of.hash), first);
                repeats.push((i, first));
                continue;
            }
            let clash = fresh.iter().any(|&j| facts[j].key == facts_of.key);
            if clash || fresh.len() == BUNDLE_OBJECTS_MAX {
                self.add_bundle(work, frames, objects, &facts, &fresh, label, &mut outcomes)?;
                fresh.clear();
            }
            match work.plan.standing(facts_of)? {
                Standing::New => fresh.push(i),
                Standing::Same(seq) => {
                    outcomes[i] = Outcome::Duplicate(seq);
                    self.show_national(work, frames, seq, facts_of, label)?;
                }
                Standing::Conflict(held) => {
                    outcomes[i] = Outcome::Conflict { held };
                    self.keep_conflict(work, frames, None, &objects[i], held)?;
                }
            }
        }
        self.add_bundle(work, frames, objects, &facts, &fresh, label, &mut outcomes)?;
        for (i, first) in repeats {
            outcomes[i] = match outcomes[first] {
                Outcome::Added(seq) => Outcome::Duplicate(seq),
                ref other => other.clone(),
            };
        }
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
        label: &str,
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
        };
        let places = frames.push(&header, &[&bundle])?;
        let chosen: Vec<Facts> = fresh.iter().map(|&i| facts[i].clone()).collect();
        work.objects(first, &chosen, label, places[0], bundle.len())?;
        for (seq, &i) in (first..).zip(fresh) {
            outcomes[i] = Outcome::Added(seq);
        }
        Ok(())
    }

    /// An object that a partner's log brought earlier becomes the member's own to handle, too.
    fn show_national(
        &self,
        work: &mut Work<'_>,
        frames: &mut Frames,
        object: Seq,
        facts: &Facts,
        label: &str,
    ) -> Result<(), StoreError> {
        if work.plan.is_national(facts)? {
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
            },
            &[],
        )?;
        work.adopted(seq, object, &facts.key, label)
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
        let mut shown: HashMap<(Key, Hash), bool> = HashMap::new();
        for Change { mut entry, object } in changes {
            let id = Id::parse(&entry.id).map_err(|error| StoreError::Entry {
                problem: error.to_string(),
            })?;
            let (key, hash) = (Key::of(&id), Hash(entry.hash));
            let is_shown = match shown.get(&(key.clone(), hash)) {
                Some(is_shown) => *is_shown,
                None => work.plan.is_shown(&key, &hash, &collection, &name)?,
            };
            let brings = matches!(entry.action, Action::Release | Action::Revise);
            if brings == is_shown {
                continue;
            }
            if brings {
                let Some(object) = object else {
                    return Err(StoreError::Entry {
                        problem: format!("the release of {id} names no object"),
                    });
                };
                if work.plan.hash_at(&key, object)? != Some(hash) {
                    return Err(StoreError::UnknownObject { seq: object });
                }
                let earlier = shown
                    .iter()
                    .any(|((known, _), is_shown)| *known == key && *is_shown);
                let revises = earlier || work.plan.shows_any(&key, &collection, &name)?;
                entry.action = if revises {
                    Action::Revise
                } else {
                    Action::Release
                };
            }
            shown.insert((key, hash), brings);
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
            for (i, slot) in facts.iter_mut().enumerate() {
                let Some(found) = slot else { continue };
                if let Standing::Conflict(held) = work.plan.standing(found)? {
                    if let Some(object) = &bundle.objects[i] {
                        self.keep_conflict(work, frames, Some(&name), object, held)?;
                    }
                    conflicts.push(i);
                    *slot = None;
                }
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

/// How many objects and bytes a command brings.
fn weight(command: &Command) -> (usize, usize) {
    match command {
        Command::Add { objects, .. } => (
            objects.len(),
            objects.iter().map(|object| object.bytes().len()).sum(),
        ),
        Command::Append { changes, .. } => (changes.len(), changes.len() * 256),
        Command::Receive(receive) => {
            let count = receive.bundles.iter().map(|bundle| bundle.raw.len()).sum();
            (
                count,
                receive
                    .bundles
                    .iter()
                    .map(|bundle| bundle.bodies.len())
                    .sum(),
            )
        }
        _ => (1, 0),
    }
}
