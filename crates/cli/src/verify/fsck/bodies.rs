//! The second half of the check: the bodies of the objects that the entries name.
//!
//! A body must hash to its entry, be in canonical form and have the id, type and version that the
//! entry states; a withdrawn body must be gone, every other one must be in its bundle.

use std::collections::BTreeMap;

use log::Entry;
use log::tile::{Kind, TILE_WIDTH, TilePath};

use super::Fsck;
use crate::exit::Failure;
use crate::verify::source::Source;

impl Fsck {
    /// Checks the bodies of a bundle in every width that is there.
    pub(super) async fn objects(
        &mut self,
        source: &mut impl Source,
        index: u64,
        size: u64,
        wanted: u16,
        entries: &[Option<Entry>],
    ) -> Result<(), Failure> {
        for width in source.widths(Kind::Objects, index, size) {
            let name = TilePath {
                kind: Kind::Objects,
                index,
                width,
            }
            .to_string();
            let Some(bytes) = self.read(source, &name).await? else {
                self.report.find(name, "is missing");
                continue;
            };
            if width >= wanted {
                self.bundles.insert(index, name.clone());
            }
            let whole = log::bodies::for_each(&bytes, usize::from(width), |at, body| {
                let first = (index * TILE_WIDTH) as usize;
                if at >= usize::from(wanted) || body.is_empty() {
                    return Ok(());
                }
                if let Some(seen) = self.seen.get_mut(first + at) {
                    seen.here = true;
                }
                let entry = entries.get(at).and_then(Option::as_ref);
                if let Err(problem) = fits(entry, body) {
                    self.report
                        .find(&name, format!("the body of entry {} {problem}", first + at));
                }
                Ok::<(), log::bodies::BodiesError>(())
            });
            if let Err(error) = whole {
                self.report
                    .find(&name, format!("is no body bundle: {error}"));
            }
        }
        Ok(())
    }

    /// Withdrawn bodies must be gone, and the others must be in their bundle. A node keeps full
    /// bundles of its own logs as files and makes the last one when it is asked; of partners' logs
    /// it keeps the objects elsewhere. So a bundle that is not here is wrong only where it would be.
    pub(super) fn bodies(&mut self, size: u64, own: bool) {
        let mut missing = BTreeMap::new();
        for (number, seen) in (0u64..).zip(&self.seen) {
            if !seen.brings_body {
                continue;
            }
            let index = number / TILE_WIDTH;
            let withdrawn = self.gone.get(&seen.hash).is_some_and(|by| *by > number);
            match (seen.here, withdrawn) {
                (true, false) => self.report.bodies += 1,
                (false, true) => self.report.bodies_withdrawn += 1,
                (true, true) => {
                    let name = self
                        .bundles
                        .get(&index)
                        .cloned()
                        .unwrap_or_else(|| name_of_body(number, size));
                    self.report.find(
                        name,
                        format!("still holds the body of entry {number}, which was withdrawn"),
                    );
                }
                (false, false) => match self.bundles.get(&index).cloned() {
                    Some(name) => self.report.find(
                        name,
                        format!("lacks the body of entry {number}, which nothing withdrew"),
                    ),
                    None => {
                        self.report.bodies_absent += 1;
                        missing.insert(index, number);
                    }
                },
            }
        }
        let full = missing
            .into_iter()
            .filter(|(index, _)| own && (index + 1) * TILE_WIDTH <= size);
        for (_, number) in full {
            self.report.find(name_of_body(number, size), "is missing");
        }
        if self.report.bodies_absent > 0 {
            self.report.notes.push(format!(
                "{} not here as files and not checked (a node keeps them in its journal)",
                count(self.report.bodies_absent)
            ));
        }
    }
}

fn count(bodies: u64) -> String {
    if bodies == 1 {
        "1 body is".to_owned()
    } else {
        format!("{bodies} bodies are")
    }
}

fn name_of_body(number: u64, size: u64) -> String {
    match TilePath::at(Kind::Objects, number / TILE_WIDTH, size) {
        Some(path) => path.to_string(),
        None => "objects".to_owned(),
    }
}

/// Whether a body is the object that its entry states.
fn fits(entry: Option<&Entry>, body: &[u8]) -> Result<(), String> {
    let Some(entry) = entry else {
        return Err("belongs to no readable entry".to_owned());
    };
    if !entry.action.brings_body() {
        return Err(format!("is there although the entry says {}", entry.action));
    }
    if model::Hash::of(body).0 != entry.hash {
        return Err("does not hash to what the entry states".to_owned());
    }
    let object = model::Object::parse(body)
        .map_err(|refusal| format!("is no acceptable object: {refusal}"))?;
    if object.bytes() != body {
        return Err("is not in canonical form".to_owned());
    }
    let modified = entry
        .modified
        .as_deref()
        .map(model::Timestamp::parse)
        .transpose();
    if object.id().as_str() != entry.id || object.kind() != entry.kind {
        return Err(format!(
            "is {}, but the entry states {}",
            object.id(),
            entry.id
        ));
    }
    match modified {
        Ok(modified) if modified == object.version() => Ok(()),
        _ => Err("has another version than the entry states".to_owned()),
    }
}
