//! One group of changes in the making: rows for the index, frames for the journal, files of logs.
//!
//! [`Work`] gathers; [`crate::writer`] writes it out in the order that the safety argument needs.
//! The methods named after journal frames take what a frame says, whether it is being written now
//! or read back after a crash.

use std::collections::HashMap;
use std::sync::Arc;

use log::tile::{Kind, TILE_WIDTH, TilePath};
use log::{Action, Tree, merkle};
use model::{Hash, Id, Object};

use crate::error::StoreError;
use crate::index::{Key, Row};
use crate::journal::{Frame, Header, Position};
use crate::plan::{Facts, Plan, Standing};
use crate::shared::Shared;
use crate::types::{Collection, Event, Kept, LogName, Seq};

/// A log as the writer holds it.
#[derive(Clone)]
pub(crate) struct LogState {
    pub(crate) tree: Tree,
    pub(crate) own: bool,
    pub(crate) refused: Option<String>,
    /// The entries of the unfinished entry bundle.
    tail: Vec<Vec<u8>>,
    /// Where the objects of those entries are (own logs only).
    tail_objects: Vec<Option<Seq>>,
    pub(crate) checkpoint: String,
    pub(crate) checkpoint_size: u64,
}

impl LogState {
    fn new(own: bool) -> LogState {
        LogState {
            tree: Tree::new(),
            own,
            refused: None,
            tail: Vec::new(),
            tail_objects: Vec::new(),
            checkpoint: String::new(),
            checkpoint_size: 0,
        }
    }

    /// Reads a log's right edge back from its files.
    fn load(shared: &Shared, name: &LogName) -> Result<Option<LogState>, StoreError> {
        let Some((_, head)) = shared.index.heads(Some(name))?.pop() else {
            return Ok(None);
        };
        let fetch = |path: &TilePath| {
            shared
                .tile_of(name, path, head.size)?
                .ok_or_else(|| StoreError::corrupt(log_key(name, path), "the file is missing"))
        };
        let tree = Tree::load(head.size, fetch).map_err(|error| {
            StoreError::corrupt(format!("the tiles of {name}"), error.to_string())
        })?;
        if tree.root() != head.root {
            return Err(StoreError::corrupt(
                format!("the tiles of {name}"),
                "they do not give the root of its head",
            ));
        }
        let whole = head.size / TILE_WIDTH;
        let mut state = LogState {
            tree,
            refused: head.refused,
            ..LogState::new(head.own)
        };
        if let Some(path) = TilePath::at(Kind::Entries, whole, head.size) {
            let bundle = fetch(&path)?;
            let entries = log::entries::decode(&bundle, path.width)
                .map_err(|error| StoreError::corrupt(log_key(name, &path), error.to_string()))?;
            state.tail = entries.into_iter().map(<[u8]>::to_vec).collect();
        }
        if head.own {
            state.tail_objects = shared
                .index
                .entry_objects(name, whole * TILE_WIDTH, head.size)?;
        }
        (state.checkpoint, state.checkpoint_size) = (head.checkpoint, head.checkpoint_size);
        Ok(Some(state))
    }
}

/// The key of a log's file.
pub(crate) fn log_key(log: &LogName, path: &TilePath) -> String {
    format!("{}/{path}", log_folder(log))
}

/// The folder of a log's files.
pub(crate) fn log_folder(log: &LogName) -> String {
    format!("logs/{}/{}/{}", log.accord, log.channel, log.origin)
}

/// One group in the making.
pub(crate) struct Work<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) plan: Plan<'a>,
    /// The logs that change, with their sizes before.
    pub(crate) logs: HashMap<LogName, (u64, LogState)>,
    /// Files to write: finished bundles so far; [`Work::files`] adds the unfinished ones.
    files: Vec<(String, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    /// Own bundles that hold a body which is withdrawn now.
    pub(crate) blanked: Vec<(LogName, u64)>,
    pub(crate) last: Seq,
}

impl<'a> Work<'a> {
    pub(crate) fn new(shared: &'a Shared, last: Seq) -> Work<'a> {
        Work {
            shared,
            plan: Plan::new(&*shared.index),
            logs: HashMap::new(),
            files: Vec::new(),
            events: Vec::new(),
            blanked: Vec::new(),
            last,
        }
    }

    /// The log as this group has it so far; loaded from `cache` or disk at first use.
    pub(crate) fn log(
        &mut self,
        name: &LogName,
        cache: &HashMap<LogName, LogState>,
        own: bool,
    ) -> Result<&mut LogState, StoreError> {
        if !self.logs.contains_key(name) {
            let state = match cache.get(name) {
                Some(state) => state.clone(),
                None => LogState::load(self.shared, name)?.unwrap_or_else(|| LogState::new(own)),
            };
            self.logs.insert(name.clone(), (state.tree.size(), state));
        }
        let Some((_, state)) = self.logs.get_mut(name) else {
            unreachable!("inserted just above")
        };
        Ok(state)
    }

    fn touched(&mut self, name: &LogName) -> &mut LogState {
        let Some((_, state)) = self.logs.get_mut(name) else {
            unreachable!("every caller has asked `log` for it first")
        };
        state
    }

    fn event(&mut self, event: Event) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// `count` objects into the national collection, from `first` on; their bodies are at `at`.
    pub(crate) fn objects(
        &mut self,
        first: Seq,
        facts: &[Facts],
        label: &str,
        at: Position,
        length: usize,
    ) -> Result<(), StoreError> {
        let label: Arc<str> = label.into();
        self.plan.rows.push(Row::Bundle {
            first,
            count: facts.len(),
            skip: 0,
            at,
            length,
        });
        for (seq, facts) in (first..).zip(facts) {
            self.plan.object(seq, facts)?;
            self.plan
                .show(&Collection::National, seq, seq, &facts.key, &label, None)?;
        }
        self.last = self.last.max(first + facts.len() as Seq - 1);
        self.event(Event::Changed(Collection::National));
        Ok(())
    }

    /// An object that is held already, into the national collection.
    pub(crate) fn adopted(
        &mut self,
        seq: Seq,
        object: Seq,
        key: &Key,
        label: &str,
    ) -> Result<(), StoreError> {
        self.plan
            .show(&Collection::National, seq, object, key, &label.into(), None)?;
        self.last = self.last.max(seq);
        self.event(Event::Changed(Collection::National));
        Ok(())
    }

    /// Adds entries to a log's tree and bundles.
    pub(crate) fn grow(
        &mut self,
        name: &LogName,
        raw: &[Vec<u8>],
        objects: Option<&[Option<Seq>]>,
    ) -> Result<(), StoreError> {
        for (i, entry) in raw.iter().enumerate() {
            let state = self.touched(name);
            state.tree.append(merkle::leaf_hash(entry));
            state.tail.push(entry.clone());
            if let Some(objects) = objects {
                state.tail_objects.push(objects[i]);
            }
            if (state.tail.len() as u64) < TILE_WIDTH {
                continue;
            }
            let whole = std::mem::take(&mut state.tail);
            let bodies_of = std::mem::take(&mut state.tail_objects);
            let index = state.tree.size() / TILE_WIDTH - 1;
            let path = |kind| TilePath {
                kind,
                index,
                width: TILE_WIDTH as u16,
            };
            self.files
                .push((log_key(name, &path(Kind::Entries)), entry_bundle(&whole)));
            if objects.is_some() {
                let bundle = self.shared.body_bundle(&bodies_of)?;
                self.files
                    .push((log_key(name, &path(Kind::Objects)), bundle));
            }
        }
        Ok(())
    }

    /// Own entries from `from` on, already in the tree; `objects` are the positions of their objects.
    pub(crate) fn appended(
        &mut self,
        name: &LogName,
        from: u64,
        first: Seq,
        entries: &[log::Entry],
        objects: &[Option<Seq>],
        checkpoint: &str,
    ) -> Result<(), StoreError> {
        let collection = name.collection();
        for (i, (entry, object)) in entries.iter().zip(objects).enumerate() {
            let index = from + i as u64;
            let key = key_of(entry)?;
            match (entry.action, object) {
                (Action::Release | Action::Revise, Some(object)) => {
                    let label = entry.label.as_str().into();
                    self.plan.show(
                        &collection,
                        first + i as Seq,
                        *object,
                        &key,
                        &label,
                        Some((name.clone(), index)),
                    )?;
                }
                (Action::Release | Action::Revise, None) => {}
                (Action::Withdraw | Action::Expire, _) => {
                    for gone in self.plan.hide(&collection, &key, &Hash(entry.hash), name)? {
                        self.blank(name, gone);
                    }
                }
            }
            self.plan.rows.push(Row::Entry {
                log: name.clone(),
                index,
                object: *object,
            });
        }
        // A release and its withdrawal within one command leave the entry's row behind blanked.
        self.last = self.last.max(first + entries.len() as Seq - 1);
        self.head(name, from, checkpoint, None);
        self.event(Event::Changed(collection));
        Ok(())
    }

    fn blank(&mut self, name: &LogName, index: u64) {
        let state = self.touched(name);
        let tail_start = state.tree.size() - state.tail.len() as u64;
        if let Some(slot) = index.checked_sub(tail_start) {
            if let Some(object) = state.tail_objects.get_mut(slot as usize) {
                *object = None;
            }
        } else {
            self.blanked.push((name.clone(), index / TILE_WIDTH));
        }
        self.plan.rows.push(Row::Blank {
            log: name.clone(),
            index,
        });
    }

    /// Records of an own log that shows nothing, already in the tree.
    pub(crate) fn audited(
        &mut self,
        name: &LogName,
        from: u64,
        first: Seq,
        count: usize,
        checkpoint: &str,
    ) {
        self.last = self.last.max(first + count as Seq - 1);
        self.head(name, from, checkpoint, None);
    }

    /// Entries of a partner's log, already in the tree. `facts` has the objects that are held
    /// because of them. Gives how many are newly shown.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are one journal frame's fields"
    )]
    pub(crate) fn received(
        &mut self,
        name: &LogName,
        from: u64,
        first: Seq,
        entries: &[log::Entry],
        facts: &[Option<Facts>],
        bodies: (Position, usize, usize),
        checkpoint: (&str, u64),
    ) -> Result<usize, StoreError> {
        let collection = name.collection();
        let (at, length, skip) = bodies;
        self.plan.rows.push(Row::Bundle {
            first,
            count: entries.len(),
            skip,
            at,
            length,
        });
        let mut shown = 0;
        for (i, (entry, facts)) in entries.iter().zip(facts).enumerate() {
            let seq = first + i as Seq;
            if let Some(facts) = facts {
                let object = match self.plan.standing(facts)? {
                    Standing::Same(object) => object,
                    Standing::New | Standing::Conflict(_) => {
                        self.plan.object(seq, facts)?;
                        seq
                    }
                };
                let label = entry.label.as_str().into();
                self.plan.show(
                    &collection,
                    seq,
                    object,
                    &facts.key,
                    &label,
                    Some((name.clone(), from + i as u64)),
                )?;
                shown += 1;
            }
            if matches!(entry.action, Action::Withdraw | Action::Expire) {
                self.plan
                    .hide(&collection, &key_of(entry)?, &Hash(entry.hash), name)?;
            }
        }
        self.last = self.last.max(first + entries.len() as Seq - 1);
        self.head(name, from, checkpoint.0, Some(checkpoint.1));
        self.event(Event::Changed(collection));
        Ok(shown)
    }

    fn head(
        &mut self,
        name: &LogName,
        old_size: u64,
        checkpoint: &str,
        checkpoint_size: Option<u64>,
    ) {
        let state = self.touched(name);
        let (size, root, own) = (state.tree.size(), state.tree.root(), state.own);
        let checkpoint_size = checkpoint_size.unwrap_or(size);
        state.checkpoint = checkpoint.to_owned();
        state.checkpoint_size = checkpoint_size;
        let (log, checkpoint) = (name.clone(), checkpoint.to_owned());
        self.plan.rows.push(Row::Head {
            log: log.clone(),
            old_size,
            size,
            root,
            checkpoint,
            checkpoint_size,
            own,
        });
        self.events
            .retain(|event| !matches!(event, Event::Head { log: known, .. } if *known == log));
        self.events.push(Event::Head { log, size });
    }

    /// Applies a frame that is in the journal already.
    pub(crate) fn replay(
        &mut self,
        frame: &Frame,
        cache: &HashMap<LogName, LogState>,
    ) -> Result<(), StoreError> {
        let broken = |problem: String| {
            StoreError::corrupt(format!("the journal at {:?}", frame.data_at), problem)
        };
        match &frame.header {
            Header::Objects {
                first,
                count,
                label,
            } => {
                let bodies = log::bodies::decode(&frame.data, *count)
                    .map_err(|error| broken(error.to_string()))?;
                let facts = bodies
                    .iter()
                    .map(|body| facts_of(body))
                    .collect::<Result<Vec<_>, _>>()?;
                self.objects(*first, &facts, label, frame.data_at, frame.data.len())
            }
            Header::Adopted {
                seq,
                object,
                id,
                label,
            } => {
                let id = Id::parse(id).map_err(|error| broken(error.to_string()))?;
                self.adopted(*seq, *object, &Key::of(&id), label)
            }
            Header::Appended {
                log,
                from,
                count,
                first,
                checkpoint,
                objects,
            } => {
                let name = LogName::from_parts(log);
                let (raw, entries) = entries_of(&frame.data, *count)?;
                self.log(&name, cache, true)?;
                self.grow(&name, &raw, Some(objects))?;
                self.appended(&name, *from, *first, &entries, objects, checkpoint)
            }
            Header::Audited {
                log,
                from,
                count,
                first,
                checkpoint,
            } => {
                let name = LogName::from_parts(log);
                let raw = raw_entries(&frame.data, *count)?;
                self.log(&name, cache, true)?;
                self.grow(&name, &raw, None)?;
                self.audited(&name, *from, *first, *count, checkpoint);
                Ok(())
            }
            Header::Received {
                log,
                from,
                count,
                first,
                checkpoint,
                checkpoint_size,
                entries_bytes,
                skip,
                conflicts,
            } => {
                let name = LogName::from_parts(log);
                let (raw, entries) = entries_of(&frame.data[..*entries_bytes], *count)?;
                let bundle = &frame.data[*entries_bytes..];
                let mut facts = vec![None; *count];
                let mut parsed = Ok(());
                log::bodies::for_each(bundle, skip + count, |i, body| {
                    if parsed.is_ok()
                        && i >= *skip
                        && !body.is_empty()
                        && !conflicts.contains(&(i - skip))
                    {
                        parsed = facts_of(body).map(|found| facts[i - skip] = Some(found));
                    }
                    Ok::<(), log::bodies::BodiesError>(())
                })
                .map_err(|error| broken(error.to_string()))?;
                parsed?;
                let at = Position {
                    offset: frame.data_at.offset + *entries_bytes as u64,
                    ..frame.data_at
                };
                self.log(&name, cache, false)?;
                self.grow(&name, &raw, None)?;
                let bodies = (at, bundle.len(), *skip);
                self.received(
                    &name,
                    *from,
                    *first,
                    &entries,
                    &facts,
                    bodies,
                    (checkpoint, *checkpoint_size),
                )?;
                Ok(())
            }
            Header::Cosigned { log, size, lines } => {
                self.cosigned(&LogName::from_parts(log), *size, lines);
                Ok(())
            }
            Header::Refused { log, at, reason } => {
                let name = LogName::from_parts(log);
                self.log(&name, cache, false)?;
                self.refused(&name, *at, reason, &frame.data);
                Ok(())
            }
            Header::Kept { log, at, reason } => {
                self.kept(
                    log.as_ref().map(LogName::from_parts),
                    *at,
                    reason,
                    &frame.data,
                );
                Ok(())
            }
            Header::Setting { key, removed } => {
                let value = (!removed).then(|| frame.data.clone());
                self.plan.rows.push(Row::Setting {
                    key: key.clone(),
                    value,
                });
                Ok(())
            }
        }
    }

    pub(crate) fn cosigned(&mut self, name: &LogName, size: u64, lines: &[(String, String)]) {
        for (key, line) in lines {
            self.plan.rows.push(Row::Cosignature {
                log: name.clone(),
                size,
                key: key.clone(),
                line: line.clone(),
            });
        }
        self.event(Event::Head {
            log: name.clone(),
            size,
        });
    }

    pub(crate) fn refused(&mut self, name: &LogName, at: Seq, reason: &str, evidence: &[u8]) {
        self.touched(name).refused = Some(reason.to_owned());
        self.plan.rows.push(Row::Refuse {
            log: name.clone(),
            reason: reason.to_owned(),
        });
        self.kept(Some(name.clone()), at, reason, evidence);
        self.event(Event::Refused(name.clone()));
    }

    pub(crate) fn kept(&mut self, log: Option<LogName>, at: Seq, reason: &str, content: &[u8]) {
        self.last = self.last.max(at);
        self.plan.rows.push(Row::Kept(Kept {
            at,
            log,
            reason: reason.to_owned(),
            content: content.to_vec(),
        }));
    }

    /// The log files of this group: finished bundles and tiles, and the unfinished ones at the
    /// right edge. `stale` gets the keys of the unfinished ones that they replace.
    pub(crate) fn files(
        &mut self,
        stale: &mut Vec<String>,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut files = std::mem::take(&mut self.files);
        for (name, (before, state)) in &mut self.logs {
            let size = state.tree.size();
            if size == *before {
                continue;
            }
            files.extend(
                state
                    .tree
                    .take_tiles()
                    .into_iter()
                    .map(|(path, bytes)| (log_key(name, &path), bytes)),
            );
            let whole = size / TILE_WIDTH;
            if let Some(path) = TilePath::at(Kind::Entries, whole, size) {
                files.push((log_key(name, &path), entry_bundle(&state.tail)));
            }
            stale.extend(
                edge(*before)
                    .into_iter()
                    .filter(|path| !edge(size).contains(path))
                    .map(|path| log_key(name, &path)),
            );
        }
        Ok(files)
    }
}

/// The unfinished tiles and entry bundle of a tree of this size.
fn edge(size: u64) -> Vec<TilePath> {
    let mut paths = Vec::new();
    paths.extend(TilePath::at(Kind::Entries, size / TILE_WIDTH, size));
    let mut level = 0u8;
    let mut nodes = size;
    while nodes > 0 {
        paths.extend(TilePath::at(Kind::Hashes(level), nodes / TILE_WIDTH, size));
        nodes /= TILE_WIDTH;
        level += 1;
    }
    paths.retain(|path| !path.is_full());
    paths
}

pub(crate) fn entry_bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let slices: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    log::entries::encode(&slices)
}

fn key_of(entry: &log::Entry) -> Result<Key, StoreError> {
    let id = Id::parse(&entry.id).map_err(|error| StoreError::Entry {
        problem: error.to_string(),
    })?;
    Ok(Key::of(&id))
}

fn facts_of(body: &[u8]) -> Result<Facts, StoreError> {
    let object = Object::parse(body)
        .map_err(|refusal| StoreError::corrupt("an object in the journal", refusal.to_string()))?;
    Ok(Facts::of(&object))
}

fn raw_entries(bundle: &[u8], count: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let width = u16::try_from(count).unwrap_or(u16::MAX);
    let entries = log::entries::decode(bundle, width).map_err(|error| {
        StoreError::corrupt("an entry bundle in the journal", error.to_string())
    })?;
    Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
}

fn entries_of(bundle: &[u8], count: usize) -> Result<(Vec<Vec<u8>>, Vec<log::Entry>), StoreError> {
    let raw = raw_entries(bundle, count)?;
    let entries = raw
        .iter()
        .map(|entry| log::Entry::decode(entry))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::corrupt("an entry in the journal", error.to_string()))?;
    Ok((raw, entries))
}
