//! What a change means: from accepted objects and log entries to rows of the index.
//!
//! The same code serves a live command, the roll-forward after a crash and a full rebuild, so
//! that all three give the same answers. A plan reads the index and its own pending rows, and
//! writes nothing.
//!
//! INVARIANT: within one collection, one object has exactly one `Latest` record if it has any,
//! and it is the newest version shown there.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Class, Hash, Id, Object, Succession, Timestamp};

use crate::error::StoreError;
use crate::index::{Held, Index, Key, Row, Shown, State};
use crate::types::{Collection, LogName, Seq};

/// What the index must know of an object.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) key: Key,
    version: Option<i64>,
    pub(crate) hash: Hash,
    marks: Arc<str>,
    about_person: bool,
    class: Class,
}

impl Facts {
    pub(crate) fn of(object: &Object) -> Facts {
        let marks: Vec<&str> = object.marking_refs().iter().map(|id| id.as_str()).collect();
        Facts {
            key: Key::of(object.id()),
            version: object.version().map(nanos),
            hash: object.hash(),
            marks: marks.join(" ").into(),
            about_person: model::about_person(object),
            class: object.class(),
        }
    }
}

/// A version as the index keeps it. `model` refuses versions outside the range of an `i64`.
pub(crate) fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.unix_nanos()).unwrap_or(if time.unix_nanos() < 0 {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// How an object stands to what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing of this version is held.
    New,
    /// The same bytes are held at this position.
    Same(Seq),
    /// Other bytes are held under the same id and version.
    Conflict(Hash),
}

/// Rows in the making.
pub(crate) struct Plan<'a> {
    index: &'a dyn Index,
    known: HashMap<Key, Vec<Held>>,
    /// What logs had brought and this plan takes back.
    gone: Vec<(Seq, LogName)>,
    pub(crate) rows: Vec<Row>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(index: &'a dyn Index) -> Plan<'a> {
        Plan {
            index,
            known: HashMap::new(),
            gone: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Reads in one go what is held of these objects.
    pub(crate) fn prefetch<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<(), StoreError> {
        let mut unknown: Vec<Key> = keys
            .filter(|key| !self.known.contains_key(*key))
            .cloned()
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        for (held, key) in self.index.held(&unknown)?.into_iter().zip(unknown) {
            self.known.insert(key, held);
        }
        Ok(())
    }

    fn held(&mut self, key: &Key) -> Result<&mut Vec<Held>, StoreError> {
        if !self.known.contains_key(key) {
            self.prefetch(std::iter::once(key))?;
        }
        Ok(self.known.entry(key.clone()).or_default())
    }

    /// How an object stands to what is held, this plan's own rows included. What the nation removed
    /// before anybody was given it stands in the way of nothing: nobody can see it.
    pub(crate) fn standing(&mut self, facts: &Facts) -> Result<Standing, StoreError> {
        let same = |held: &Held| (Standing::Same(held.object), held.version, held.hash);
        let silent = |held: &&Held| held.shown.is_empty();
        let held = self.held(&facts.key)?;
        if !held.iter().any(|held| silent(&held)) {
            return Ok(judge(held.iter().map(same), facts));
        }
        let mut counts = held.clone();
        let mut removed = Vec::new();
        for held in counts.iter().filter(silent) {
            if self.logged(&facts.key, &held.hash)?.is_none() {
                removed.push(held.object);
            }
        }
        counts.retain(|held| !removed.contains(&held.object));
        let standing = judge(counts.iter().map(same), facts);
        if standing != Standing::New {
            return Ok(standing);
        }
        // Its very bytes come back to where they are.
        let mut held = self.held(&facts.key)?.iter();
        let back = held.find(|held| held.hash == facts.hash);
        Ok(back.map_or(Standing::New, |held| Standing::Same(held.object)))
    }

    /// Takes a new object at `seq`.
    pub(crate) fn object(&mut self, seq: Seq, facts: &Facts) -> Result<(), StoreError> {
        let (version, hash) = (facts.version, facts.hash);
        self.held(&facts.key)?.push(Held {
            object: seq,
            version,
            hash,
            shown: Vec::new(),
        });
        self.rows.push(Row::Object {
            seq,
            key: facts.key.clone(),
            version,
            hash,
            marks: facts.marks.clone(),
            about_person: facts.about_person,
        });
        Ok(())
    }

    /// Whether `log` shows this object in the collection: exactly these bytes, or any version.
    pub(crate) fn shows(
        &mut self,
        key: &Key,
        hash: Option<&Hash>,
        collection: &Collection,
        log: &LogName,
    ) -> Result<bool, StoreError> {
        let by_log = |shown: &Shown| {
            shown.collection == *collection
                && shown.log.as_ref().is_some_and(|(name, _)| name == log)
        };
        Ok(self
            .held(key)?
            .iter()
            .filter(|held| hash.is_none_or(|hash| held.hash == *hash))
            .any(|held| held.shown.iter().any(by_log)))
    }

    /// Whether an object, or just this version of it, is held and no collection shows it.
    pub(crate) fn is_silent(&mut self, key: &Key, hash: Option<&Hash>) -> Result<bool, StoreError> {
        let held = self.held(key)?.iter();
        let meant: Vec<_> = held
            .filter(|held| hash.is_none_or(|hash| held.hash == *hash))
            .collect();
        Ok(!meant.is_empty() && meant.iter().all(|held| held.shown.is_empty()))
    }

    /// The log that took an object back last, if no log shows any version of it any more.
    pub(crate) fn taken_back(&mut self, key: &Key, id: &Id) -> Result<Option<LogName>, StoreError> {
        let held = self.held(key)?;
        let logged = |held: &Held| held.shown.iter().any(|shown| shown.log.is_some());
        if held.is_empty() || held.iter().any(logged) {
            return Ok(None);
        }
        let objects: Vec<Seq> = held.iter().map(|held| held.object).collect();
        // What this very group takes back is not in the index yet.
        let mut gone = self.gone.iter().rev();
        if let Some((_, log)) = gone.find(|(object, _)| objects.contains(object)) {
            return Ok(Some(log.clone()));
        }
        Ok(self
            .index
            .taken_back(std::slice::from_ref(id))?
            .pop()
            .flatten())
    }

    /// Whether a collection has exactly this object.
    pub(crate) fn has(&mut self, facts: &Facts, into: &Collection) -> Result<bool, StoreError> {
        let there = |shown: &Shown| shown.collection == *into;
        Ok(self
            .held(&facts.key)?
            .iter()
            .any(|held| held.hash == facts.hash && held.shown.iter().any(there)))
    }

    /// The hash of the object held at a position, if it is this object and something shows it.
    pub(crate) fn hash_shown(
        &mut self,
        key: &Key,
        object: Seq,
    ) -> Result<Option<Hash>, StoreError> {
        Ok(self
            .held(key)?
            .iter()
            .find(|held| held.object == object && !held.shown.is_empty())
            .map(|held| held.hash))
    }

    /// Whether the nation has exactly this object.
    pub(crate) fn national(&mut self, key: &Key, hash: &Hash) -> Result<bool, StoreError> {
        let national = |shown: &Shown| shown.collection == Collection::National;
        Ok(self
            .held(key)?
            .iter()
            .any(|held| held.hash == *hash && held.shown.iter().any(national)))
    }

    /// A log that ever brought exactly this object into a channel.
    pub(crate) fn logged(&mut self, key: &Key, hash: &Hash) -> Result<Option<LogName>, StoreError> {
        let mut objects = Vec::new();
        for held in self.held(key)?.iter().filter(|held| held.hash == *hash) {
            let mut logs = held.shown.iter().filter_map(|shown| shown.log.as_ref());
            if let Some((log, _)) = logs.next() {
                return Ok(Some(log.clone()));
            }
            objects.push(held.object);
        }
        for object in objects {
            // What this very group takes back is not in the index yet.
            let mut gone = self.gone.iter().filter(|(gone, _)| *gone == object);
            if let Some((_, log)) = gone.next() {
                return Ok(Some(log.clone()));
            }
            if let Some(log) = self.index.gone(object)? {
                return Ok(Some(log));
            }
        }
        Ok(None)
    }

    /// Shows the held object `object` in a collection at `seq`.
    pub(crate) fn show(
        &mut self,
        collection: &Collection,
        seq: Seq,
        object: Seq,
        key: &Key,
        label: &Arc<str>,
        log: Option<(LogName, u64)>,
    ) -> Result<(), StoreError> {
        let mut demoted = None;
        let versions = self.held(key)?;
        let Some(mine) = versions.iter().position(|held| held.object == object) else {
            return Err(StoreError::UnknownObject { seq: object });
        };
        let visible =
            |shown: &&mut Shown| shown.collection == *collection && shown.state != State::Standby;
        let state = if versions[mine].shown.iter_mut().any(|shown| visible(&shown)) {
            State::Standby
        } else {
            let version = versions[mine].version;
            let latest = versions.iter_mut().find_map(|held| {
                let newest = held.version;
                let shown = held.shown.iter_mut().find(|shown| {
                    shown.collection == *collection && shown.state == State::Latest
                })?;
                Some((newest, shown))
            });
            match latest {
                Some((newest, _)) if newest > version => State::Older,
                Some((_, shown)) => {
                    shown.state = State::Older;
                    demoted = Some(shown.seq);
                    State::Latest
                }
                None => State::Latest,
            }
        };
        versions[mine].shown.push(Shown {
            collection: collection.clone(),
            seq,
            log: log.clone(),
            state,
        });
        if let Some(seq) = demoted {
            let (before, after) = (State::Latest, Some(State::Older));
            self.rows.push(Row::State {
                collection: collection.clone(),
                seq,
                kind: key.kind.clone(),
                before,
                after,
            });
        }
        let (collection, kind, label) = (collection.clone(), key.kind.clone(), label.clone());
        self.rows.push(Row::Show {
            collection,
            seq,
            object,
            kind,
            label,
            log,
            state,
        });
        Ok(())
    }

    /// Remembers that the nation and a log both have this object, or had, if now they do. `by_log`
    /// tells which of the two has just got it. A version that nothing shows a log had brought, or
    /// the nation itself had and removed.
    pub(crate) fn meet(&mut self, key: &Key, by_log: bool) -> Result<(), StoreError> {
        let national = |shown: &Shown| shown.collection == Collection::National;
        let logged = |shown: &Shown| shown.log.is_some();
        let held = self.held(key)?;
        let mut met = held.iter().any(|held| {
            held.shown
                .iter()
                .any(if by_log { national } else { logged })
        });
        if !met && !by_log {
            let silent = held.iter().filter(|held| held.shown.is_empty());
            for hash in silent.map(|held| held.hash).collect::<Vec<_>>() {
                met = met || self.logged(key, &hash)?.is_some();
            }
        }
        if met {
            self.rows.push(Row::Met { key: key.clone() });
        }
        Ok(())
    }

    /// Removes from a collection what `log` shows of these bytes, or without one what the member
    /// itself put there; gives the entries that had brought it.
    pub(crate) fn hide(
        &mut self,
        collection: &Collection,
        key: &Key,
        hash: &Hash,
        log: Option<&LogName>,
    ) -> Result<Vec<u64>, StoreError> {
        let versions = self.held(key)?;
        let mut gone = Vec::new();
        let mut rows = Vec::new();
        let mut entries = Vec::new();
        let mut lost_latest = false;
        for held in versions.iter_mut().filter(|held| held.hash == *hash) {
            let mut lost = None;
            held.shown.retain(|shown| {
                let by = shown.log.as_ref().map(|(name, _)| name);
                if shown.collection != *collection || by != log {
                    return true;
                }
                if let Some((name, entry)) = &shown.log {
                    entries.push(*entry);
                    gone.push((held.object, name.clone()));
                }
                rows.push(Row::State {
                    collection: collection.clone(),
                    seq: shown.seq,
                    kind: key.kind.clone(),
                    before: shown.state,
                    after: None,
                });
                if shown.state != State::Standby {
                    lost = Some(shown.state);
                }
                false
            });
            let Some(state) = lost else { continue };
            // Another log may have released the very same bytes: it takes the place.
            match held
                .shown
                .iter_mut()
                .find(|shown| shown.collection == *collection)
            {
                Some(standby) => {
                    rows.push(Row::State {
                        collection: collection.clone(),
                        seq: standby.seq,
                        kind: key.kind.clone(),
                        before: standby.state,
                        after: Some(state),
                    });
                    standby.state = state;
                }
                None => lost_latest |= state == State::Latest,
            }
        }
        if lost_latest {
            let newest = versions
                .iter_mut()
                .flat_map(|held| {
                    let version = held.version;
                    held.shown.iter_mut().map(move |shown| (version, shown))
                })
                .filter(|(_, shown)| shown.collection == *collection && shown.state == State::Older)
                .max_by_key(|(version, shown)| (*version, shown.seq));
            if let Some((_, shown)) = newest {
                shown.state = State::Latest;
                let (before, after) = (State::Older, Some(State::Latest));
                rows.push(Row::State {
                    collection: collection.clone(),
                    seq: shown.seq,
                    kind: key.kind.clone(),
                    before,
                    after,
                });
            }
        }
        self.rows.append(&mut rows);
        self.gone.append(&mut gone);
        Ok(entries)
    }
}

/// How an object stands to versions that are held, each with the answer if it is the same.
fn judge(held: impl Iterator<Item = (Standing, Option<i64>, Hash)>, facts: &Facts) -> Standing {
    let time =
        |version: Option<i64>| version.map(|nanos| Timestamp::from_unix_nanos(i128::from(nanos)));
    for (same, version, hash) in held {
        let (old, new) = ((time(version), hash), (time(facts.version), facts.hash));
        match model::succession(old, new, facts.class) {
            Succession::Same => return same,
            Succession::Conflict => return Standing::Conflict(hash),
            _ => {}
        }
    }
    Standing::New
}

/// Facts of objects that are about to be taken together, for judging one by the others.
#[derive(Default)]
pub(crate) struct Together<'f>(HashMap<&'f Key, Vec<&'f Facts>>);

impl<'f> Together<'f> {
    /// The hash that an earlier one has under the same id and version, if it is another; else
    /// counts this one in.
    pub(crate) fn conflict(&mut self, facts: &'f Facts) -> Option<Hash> {
        let earlier = self.0.entry(&facts.key).or_default();
        let known = earlier
            .iter()
            .map(|earlier| (Standing::New, earlier.version, earlier.hash));
        if let Standing::Conflict(hash) = judge(known, facts) {
            return Some(hash);
        }
        earlier.push(facts);
        None
    }
}
