//! Which national objects a request names, batch by batch.
//!
//! Ids, kinds and `all` name the latest version of each object; a hash names the one version that
//! has it. Every batch is bounded, so that releasing a million objects needs no more memory than
//! releasing a thousand.

use std::collections::{BTreeSet, HashSet};

use model::{Hash, Id};
use store::{Collection, Query, Record, Seq, Store, StoreError};

use crate::admin::types::Selection;
use crate::error::NodeError;
use crate::limits::{RELEASE_BATCH_OBJECTS, SELECTION_ITEMS_MAX};

/// A selection whose every item is well formed.
pub(super) struct Selected {
    ids: Vec<Id>,
    kinds: Vec<String>,
    hashes: HashSet<Hash>,
    all: bool,
}

/// What a person named one by one, as opposed to by kind or altogether.
#[derive(Default)]
pub(crate) struct Named {
    ids: HashSet<Id>,
    hashes: HashSet<Hash>,
}

impl Named {
    /// What was named by these hashes.
    pub(super) fn of(hashes: impl IntoIterator<Item = Hash>) -> Named {
        Named {
            ids: HashSet::new(),
            hashes: hashes.into_iter().collect(),
        }
    }

    /// Whether versions were named, and not only objects.
    pub(crate) fn versions(&self) -> bool {
        !self.hashes.is_empty()
    }

    pub(crate) fn has(&self, record: &Record) -> bool {
        self.ids.contains(&record.id) || self.hashes.contains(&record.hash)
    }
}

impl Selected {
    /// The same with every id looked up: what it stands for.
    pub(super) fn standing_for(
        mut self,
        of: impl FnOnce(Vec<Id>) -> Result<Vec<Id>, StoreError>,
    ) -> Result<Selected, StoreError> {
        self.ids = of(self.ids)?;
        self.ids.sort();
        self.ids.dedup();
        Ok(self)
    }

    /// What is named one by one.
    pub(super) fn named(&self) -> Named {
        Named {
            ids: self.ids.iter().cloned().collect(),
            hashes: self.hashes.clone(),
        }
    }
}

/// Reads a selection.
pub(super) fn parse(selection: &Selection) -> Result<Selected, NodeError> {
    let lists = [&selection.ids, &selection.kinds, &selection.hashes];
    if lists.iter().all(|list| list.is_empty()) && !selection.all {
        return Err(NodeError::request(
            "the selection is empty; name ids, kinds, hashes or all",
        ));
    }
    for (list, name) in lists.into_iter().zip(["ids", "kinds", "hashes"]) {
        if list.len() > SELECTION_ITEMS_MAX {
            return Err(NodeError::Request {
                why: format!(
                    "{} {name} are too many; name at most {SELECTION_ITEMS_MAX}",
                    list.len()
                ),
                pointer: Some(format!("/selection/{name}")),
            });
        }
    }
    let malformed = |name: &str, index: usize, text: &str, why: String| NodeError::Request {
        why: format!("{text:?} {why}"),
        pointer: Some(format!("/selection/{name}/{index}")),
    };
    let mut ids = Vec::with_capacity(selection.ids.len());
    for (index, text) in selection.ids.iter().enumerate() {
        ids.push(Id::parse(text).map_err(|error| {
            malformed("ids", index, text, format!("is not a STIX id: {error}"))
        })?);
    }
    let mut hashes = HashSet::with_capacity(selection.hashes.len());
    for (index, text) in selection.hashes.iter().enumerate() {
        let hash: Hash = text
            .parse()
            .map_err(|_| malformed("hashes", index, text, "is not a SHA-256 in hex".to_owned()))?;
        hashes.insert(hash);
    }
    ids.sort();
    ids.dedup();
    Ok(Selected {
        ids,
        kinds: selection.kinds.clone(),
        hashes,
        all: selection.all,
    })
}

/// Where the walk over a selection stands.
pub(super) struct Cursor {
    selected: Selected,
    stage: Stage,
    after: Option<Seq>,
    ids_found: BTreeSet<Id>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Latest,
    Ids,
    Hashes,
    End,
}

impl Cursor {
    pub(super) fn new(selected: Selected) -> Cursor {
        Cursor {
            selected,
            stage: Stage::Latest,
            after: None,
            ids_found: BTreeSet::new(),
        }
    }

    /// The next batch, never empty; `None` at the end.
    pub(super) fn next(&mut self, store: &Store) -> Result<Option<Vec<Record>>, StoreError> {
        loop {
            let Some(query) = self.query() else {
                match self.stage {
                    Stage::Latest => self.stage = Stage::Ids,
                    Stage::Ids => self.stage = Stage::Hashes,
                    Stage::Hashes => self.stage = Stage::End,
                    Stage::End => return Ok(None),
                }
                self.after = None;
                continue;
            };
            let page = store.page(&Collection::National, &query)?;
            let last = page.records.last().map(|record| record.seq);
            if let (true, Some(last)) = (page.more, last) {
                self.after = Some(last);
            } else {
                self.after = Some(Seq::MAX);
            }
            let mut records = page.records;
            match self.stage {
                Stage::Hashes => records.retain(|record| self.selected.hashes.remove(&record.hash)),
                Stage::Ids => self
                    .ids_found
                    .extend(records.iter().map(|record| record.id.clone())),
                // The same object in two stages would be decided twice.
                Stage::Latest => {
                    for record in &records {
                        self.selected.hashes.remove(&record.hash);
                        if self.selected.ids.binary_search(&record.id).is_ok() {
                            self.ids_found.insert(record.id.clone());
                        }
                    }
                }
                Stage::End => {}
            }
            if self.stage == Stage::Ids {
                for record in &records {
                    self.selected.hashes.remove(&record.hash);
                }
                let kinds = &self.selected.kinds;
                let all = self.selected.all;
                records.retain(|record| {
                    !all && !kinds.iter().any(|kind| kind == record.id.type_name())
                });
            }
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
    }

    /// What was named and is not held, after the last batch.
    pub(super) fn unknown(&self) -> Vec<String> {
        let ids = self
            .selected
            .ids
            .iter()
            .filter(|id| !self.ids_found.contains(*id))
            .map(ToString::to_string);
        ids.chain(self.selected.hashes.iter().map(ToString::to_string))
            .collect()
    }

    /// The query for the next page of this stage, if there is one.
    fn query(&self) -> Option<Query> {
        if self.after == Some(Seq::MAX) {
            return None;
        }
        let query = Query {
            after: self.after,
            limit: RELEASE_BATCH_OBJECTS,
            ..Query::default()
        };
        match self.stage {
            Stage::Latest if self.selected.all => Some(query),
            Stage::Latest if !self.selected.kinds.is_empty() => Some(Query {
                kinds: self.selected.kinds.clone(),
                ..query
            }),
            Stage::Ids if !self.selected.ids.is_empty() => Some(Query {
                ids: self.selected.ids.clone(),
                ..query
            }),
            Stage::Hashes if !self.selected.hashes.is_empty() => Some(Query {
                all_versions: true,
                ..query
            }),
            _ => None,
        }
    }
}
