//! One group of changes in the making: rows for the index, frames for the journal, files of logs.
//!
//! [`Work`] gathers; [`crate::writer`] writes it out in the order that the safety argument needs.
//! The methods named after journal frames take what a frame says, whether it is being written now
//! or read back after a crash.

use std::collections::HashMap;
use std::sync::Arc;

use log::tile::{Kind, TILE_WIDTH, TilePath};
use log::{Action, merkle};
use model::{Hash, Id};

use crate::error::StoreError;
use crate::index::{Key, Row};
use crate::journal::{Frames, Header, Position};
use crate::logstate::{LogState, log_key};
use crate::plan::{Facts, Plan, Standing};
use crate::shared::Shared;
use crate::types::{Collection, Event, Kept, LogName, Reply, Seq};

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
    /// Own logs whose checkpoint changed although their size did not.
    pub(crate) resigned: Vec<LogName>,
    /// Whether a command is between its first effect on this work and its last.
    pub(crate) halfway: bool,
}

impl<'a> Work<'a> {
    /// Sets or removes a setting.
    pub(crate) fn put(
        &mut self,
        frames: &mut Frames,
        key: String,
        value: Option<Vec<u8>>,
    ) -> Result<Reply, StoreError> {
        let header = Header::Setting {
            key: key.clone(),
            removed: value.is_none(),
        };
        frames.push(&header, &[value.as_deref().unwrap_or_default()])?;
        self.plan.rows.push(Row::Setting { key, value });
        Ok(Reply::Done)
    }

    pub(crate) fn new(shared: &'a Shared, last: Seq) -> Work<'a> {
        Work {
            shared,
            plan: Plan::new(&*shared.index),
            logs: HashMap::new(),
            files: Vec::new(),
            events: Vec::new(),
            blanked: Vec::new(),
            last,
            resigned: Vec::new(),
            halfway: false,
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

    /// Objects into an own collection, from `first` on; their bodies are at `at`.
    pub(crate) fn objects(
        &mut self,
        into: &Collection,
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
            self.plan.show(into, seq, seq, &facts.key, &label, None)?;
            if *into == Collection::National {
                self.plan.meet(&facts.key, false)?;
            }
        }
        self.last = self.last.max(first + facts.len() as Seq - 1);
        self.event(Event::Changed(into.clone()));
        Ok(())
    }

    /// An object that is held already, into an own collection.
    pub(crate) fn adopted(
        &mut self,
        into: &Collection,
        seq: Seq,
        object: Seq,
        key: &Key,
        label: &str,
    ) -> Result<(), StoreError> {
        // Before it is shown, so that what a log brought and took back is still seen to be that.
        if *into == Collection::National {
            self.plan.meet(key, false)?;
        }
        self.plan
            .show(into, seq, object, key, &label.into(), None)?;
        self.last = self.last.max(seq);
        self.event(Event::Changed(into.clone()));
        Ok(())
    }

    /// An object out of the national collection.
    pub(crate) fn removed(&mut self, key: &Key, hash: &Hash) -> Result<(), StoreError> {
        self.plan.hide(&Collection::National, key, hash, None)?;
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
                    let hash = Hash(entry.hash);
                    for gone in self.plan.hide(&collection, &key, &hash, Some(name))? {
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
                self.plan.meet(&facts.key, true)?;
                shown += 1;
            }
            // A partner may write what it likes as an id. What is none names nothing that is shown;
            // the entry is in the log all the same, and those after it must not wait for ever.
            if matches!(entry.action, Action::Withdraw | Action::Expire)
                && let Ok(key) = key_of(entry)
            {
                self.plan
                    .hide(&collection, &key, &Hash(entry.hash), Some(name))?;
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

    /// The checkpoint of an own log, signed anew.
    pub(crate) fn resigned(&mut self, name: &LogName, size: u64, checkpoint: &str) {
        self.head(name, size, checkpoint, None);
        self.resigned.push(name.clone());
    }

    /// A partner's log begins anew: what it brought so far is hidden.
    pub(crate) fn restarted(
        &mut self,
        name: &LogName,
        from: u64,
        at: Seq,
        reason: &str,
        evidence: &[u8],
    ) -> Result<(), StoreError> {
        let collection = name.collection();
        let brought = self.shared.index.brought_by(name)?;
        self.plan.prefetch(brought.iter().map(|(key, _)| key))?;
        for (key, hash) in &brought {
            self.plan.hide(&collection, key, hash, Some(name))?;
        }
        // Nothing that follows in this group may take the old size for the one on disk.
        self.logs.insert(name.clone(), (0, LogState::new(false)));
        self.plan.rows.push(Row::Restart {
            log: name.clone(),
            from,
        });
        self.kept(Some(name.clone()), at, reason, evidence);
        self.event(Event::Changed(collection));
        self.event(Event::Head {
            log: name.clone(),
            size: 0,
        });
        Ok(())
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
