//! What is known of an object before anything is decided: its whole label and whose it is.
//!
//! The label is the object's own and intake's (the store combines those), then the stricter with
//! everything that a partner said of the same object: adding a partner's object again nationally
//! does not wash off what it came under, nor does the partner's taking it back. An object that the
//! nation had before any partner spoke of it stays the nation's own (I2): no partner can stop what
//! was ours first by naming it. A container is as strict as the strictest of what it holds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::{CAVEAT_NO_ONWARD, CAVEAT_ORCON, Hash, Id, Label, Object};
use policy::authority::{Facts, Originator};
use serde::Deserialize;
use store::{Collection, Heard, Reading, Record, Store, StoreError};

use crate::limits::CONTAINER_PARTS_MAX;

/// The types that hold other objects or speak about them.
pub(crate) const CONTAINERS: [&str; 5] = ["report", "grouping", "note", "opinion", "observed-data"];

/// What the decision needs to know of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Effective {
    /// The label, everything counted in.
    pub(crate) label: Arc<Label>,
    /// Whether it, or a part of it, is about a person.
    pub(crate) about_person: bool,
    /// The partner whose object it is; `None`: the nation's own.
    pub(crate) originator: Option<Arc<str>>,
}

impl Effective {
    /// The same as the policy asks for it.
    pub(crate) fn facts<'a>(&'a self, kind: &'a str) -> Facts<'a> {
        Facts {
            label: &self.label,
            kind,
            about_person: self.about_person,
            originator: match &self.originator {
                Some(code) => Originator::Member(code),
                None => Originator::Own,
            },
        }
    }
}

/// Finds out about objects, remembering what it has found for one batch.
pub(crate) struct Finder<'a> {
    store: &'a Store,
    /// Assigned labels that are to be taken for others, when somebody asks what if.
    relabel: &'a BTreeMap<String, String>,
    /// How marking definitions are read; absent: as the policy in force does.
    reading: Option<&'a Reading>,
    heard: HashMap<Id, Vec<Heard>>,
    asked: HashSet<Id>,
    /// The newest versions, by the hashes of older ones.
    newer: HashMap<Hash, Record>,
    parts: HashMap<Id, Option<Arc<Part>>>,
}

/// An object that a container holds.
struct Part {
    effective: Effective,
    contents: Vec<Id>,
}

impl<'a> Finder<'a> {
    /// A finder of what is.
    pub(crate) fn new(store: &'a Store) -> Finder<'a> {
        static AS_THEY_ARE: BTreeMap<String, String> = BTreeMap::new();
        Finder::supposing(store, &AS_THEY_ARE, None)
    }

    /// A finder of what would be if each of these assigned labels were the other, and marking
    /// definitions were read in this way.
    pub(crate) fn supposing(
        store: &'a Store,
        relabel: &'a BTreeMap<String, String>,
        reading: Option<&'a Reading>,
    ) -> Finder<'a> {
        Finder {
            store,
            relabel,
            reading,
            heard: HashMap::new(),
            asked: HashSet::new(),
            newer: HashMap::new(),
            parts: HashMap::new(),
        }
    }

    /// Asks in one go what partners said of these objects.
    pub(crate) fn ask(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let ids: Vec<Id> = records
            .iter()
            .filter(|record| !self.asked.contains(&record.id))
            .map(|record| record.id.clone())
            .collect();
        for heard in self.store.heard(&ids)? {
            self.heard
                .entry(heard.record.id.clone())
                .or_default()
                .push(heard);
        }
        self.asked.extend(ids);
        Ok(())
    }

    /// Finds out which of these are no longer the newest version of what the nation has. Whoever
    /// marked the newest stricter meant the object, so an older version is under its label, too.
    pub(crate) fn ask_for_newer(&mut self, records: &[Record]) -> Result<(), StoreError> {
        for record in records.iter().filter(|record| record.log.is_none()) {
            let latest = self.store.latest(&Collection::National, &record.id)?;
            if let Some(latest) = latest.filter(|latest| latest.hash != record.hash) {
                self.newer.insert(record.hash, latest);
            }
        }
        Ok(())
    }

    /// Whether all objects of this record's class and type have the same answer.
    pub(crate) fn is_plain(&self, record: &Record) -> bool {
        !CONTAINERS.contains(&record.id.type_name())
            && !self.heard.contains_key(&record.id)
            && !self.newer.contains_key(&record.hash)
    }

    /// What the index alone knows of a record: for objects of which no partner spoke and that hold
    /// no others it is everything.
    pub(crate) fn plainly(&mut self, record: &Record) -> Result<Effective, StoreError> {
        Ok(Effective {
            label: self.label(record)?,
            about_person: record.about_person,
            originator: None,
        })
    }

    /// What is known of a record.
    pub(crate) fn of(&mut self, record: &Record) -> Result<Effective, StoreError> {
        self.ask(std::slice::from_ref(record))?;
        let mut found = self.alone(record)?;
        if CONTAINERS.contains(&record.id.type_name()) {
            self.count_in_parts(record, &mut found)?;
        }
        Ok(found)
    }

    /// The label that the store has for a record.
    fn label(&self, record: &Record) -> Result<Arc<Label>, StoreError> {
        match self.relabel.get(record.assigned_label()) {
            Some(other) if record.log.is_none() => self.stored(&record.relabelled(other)),
            _ => self.stored(record),
        }
    }

    fn stored(&self, record: &Record) -> Result<Arc<Label>, StoreError> {
        match self.reading {
            Some(reading) => self.store.label_read(record, reading),
            None => self.store.label(record),
        }
    }

    /// What is known of a record apart from what it holds.
    fn alone(&mut self, record: &Record) -> Result<Effective, StoreError> {
        let label = self.label(record)?;
        let mut found = Effective {
            label,
            about_person: record.about_person,
            originator: record.log.as_ref().map(|log| log.origin.as_str().into()),
        };
        if record.log.is_none() {
            self.count_in_partners(record, &mut found)?;
            if let Some(newer) = self.newer.get(&record.hash) {
                found.label = Arc::new(found.label.combine(&*self.label(newer)?));
                found.about_person |= newer.about_person;
            }
        }
        Ok(found)
    }

    /// What partners said of this object, where they had it first or sent just these bytes first.
    fn count_in_partners(
        &mut self,
        record: &Record,
        found: &mut Effective,
    ) -> Result<(), StoreError> {
        for heard in self.heard.get(&record.id).map_or(&[][..], Vec::as_slice) {
            let theirs = &heard.record;
            let had_first = theirs.seq < heard.ours;
            let sent_first = theirs.hash == record.hash && theirs.seq < record.seq;
            if !had_first && !sent_first {
                continue;
            }
            let label = self.stored(theirs)?;
            found.label = Arc::new(found.label.combine(&label));
            if let (None, Some(log)) = (&found.originator, &theirs.log) {
                found.originator = Some(log.origin.as_str().into());
            }
        }
        Ok(())
    }

    /// Everything that can be reached by going into containers counts, however deep, each once; so
    /// containers that hold each other come to an end, and to the same end from wherever one looks.
    fn count_in_parts(&mut self, record: &Record, found: &mut Effective) -> Result<(), StoreError> {
        let mut parts = Vec::new();
        let mut reached = HashSet::from([record.id.clone()]);
        let mut next = self.contents(record)?;
        while let Some(id) = next.pop() {
            if !reached.insert(id.clone()) {
                continue;
            }
            if reached.len() > CONTAINER_PARTS_MAX {
                // What nobody can look through is not judged, so it stays here.
                found.label = Arc::new(found.label.combine(&Label::nobody()));
                return Ok(());
            }
            let Some(part) = self.part(&id)? else {
                continue;
            };
            found.about_person |= part.effective.about_person;
            // Who writes about a partner's object does not pass it on; but what its originator
            // controls leaves in no wrapping of ours either.
            let controlled = [CAVEAT_ORCON, CAVEAT_NO_ONWARD]
                .iter()
                .any(|caveat| part.effective.label.has_caveat(caveat));
            if found.originator.is_none() && controlled {
                found.originator = part.effective.originator.clone();
            }
            let label = Label::clone(&part.effective.label);
            parts.push((label, part.effective.about_person));
            next.extend(part.contents.iter().cloned());
        }
        found.label = Arc::new(model::container_label(&found.label, parts));
        Ok(())
    }

    /// What is known of a part: as the nation has it, or as partners brought it. Of what nobody
    /// brought nothing is known; the leak check says what becomes of the reference.
    fn part(&mut self, id: &Id) -> Result<Option<Arc<Part>>, StoreError> {
        if let Some(known) = self.parts.get(id) {
            return Ok(known.clone());
        }
        let part = match self.store.latest(&Collection::National, id)? {
            Some(record) => {
                self.ask(std::slice::from_ref(&record))?;
                Some(Part {
                    effective: self.alone(&record)?,
                    contents: self.contents(&record)?,
                })
            }
            None => self.partners_part(id)?,
        };
        let part = part.map(Arc::new);
        self.parts.insert(id.clone(), part.clone());
        Ok(part)
    }

    /// A part that only partners have: the stricter of all that they said of it.
    fn partners_part(&self, id: &Id) -> Result<Option<Part>, StoreError> {
        let mut part: Option<Part> = None;
        for record in self.store.told(id)? {
            let label = self.stored(&record)?;
            let known = part.get_or_insert_with(|| Part {
                effective: Effective {
                    label: Arc::clone(&label),
                    about_person: false,
                    originator: record.log.as_ref().map(|log| log.origin.as_str().into()),
                },
                contents: Vec::new(),
            });
            known.effective.about_person |= record.about_person;
            known.effective.label = Arc::new(known.effective.label.combine(&label));
            known.contents.extend(self.contents(&record)?);
        }
        Ok(part)
    }

    /// The ids that a container names as its contents; nothing for what is no container.
    fn contents(&self, record: &Record) -> Result<Vec<Id>, StoreError> {
        if !CONTAINERS.contains(&record.id.type_name()) {
            return Ok(Vec::new());
        }
        let bodies = self.store.bodies(std::slice::from_ref(record))?;
        Ok(bodies.iter().flat_map(|body| contents(body)).collect())
    }
}

/// The ids that a container names as its contents.
fn contents(body: &[u8]) -> Vec<Id> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Contents {
        object_refs: Vec<String>,
    }
    // Held bytes were accepted once. Should they not read, every reference counts as content.
    let named = match serde_json::from_slice::<Contents>(body) {
        Ok(contents) => contents.object_refs,
        Err(_) => Object::parse(body)
            .map(|object| object.refs().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    };
    named.iter().filter_map(|id| Id::parse(id).ok()).collect()
}
