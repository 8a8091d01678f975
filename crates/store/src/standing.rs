//! How objects that somebody brings stand to what is held, before anything is done with them.

use model::{Hash, Object};

use crate::Store;
use crate::error::StoreError;
use crate::plan::{Facts, Plan, Standing as Planned};
use crate::types::{Collection, LogName};

/// How an object stands to what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing of this version is held.
    New,
    /// The national collection has just these bytes.
    Known,
    /// Just these bytes are held, because a log brought them; the nation has not taken them in.
    Elsewhere,
    /// Other bytes are held under the same id and version.
    Conflict(Hash),
    /// This log took the object back, no log shows any version of it, and the nation does not have
    /// these bytes: to take them in would bring back what was withdrawn.
    Withdrawn(LogName),
    /// The nation took this version out of its collection again, or every version that it had.
    Removed,
}

impl Store {
    /// How each of these objects stands to what is held, one by one: what they say about each
    /// other does not count.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn standing(&self, objects: &[Object]) -> Result<Vec<Standing>, StoreError> {
        let index = &self.0.shared.index;
        let facts: Vec<Facts> = objects.iter().map(Facts::of).collect();
        let mut plan = Plan::new(index.as_ref());
        plan.prefetch(facts.iter().map(|facts| &facts.key))?;
        let mut standings = Vec::with_capacity(objects.len());
        let mut doubtful = Vec::new();
        for (place, facts) in facts.iter().enumerate() {
            let standing = match plan.standing(facts)? {
                Planned::New => Standing::New,
                Planned::Same(_) if plan.has(facts, &Collection::National)? => Standing::Known,
                Planned::Same(_) => Standing::Elsewhere,
                Planned::Conflict(held) => Standing::Conflict(held),
            };
            if matches!(standing, Standing::New | Standing::Elsewhere) {
                doubtful.push(place);
            }
            standings.push(standing);
        }
        let ids: Vec<_> = doubtful
            .iter()
            .map(|&place| objects[place].id().clone())
            .collect();
        for (place, log) in doubtful.into_iter().zip(index.taken_back(&ids)?) {
            let same = standings[place] == Standing::Elsewhere;
            let facts = &facts[place];
            if let Some(log) = log {
                standings[place] = Standing::Withdrawn(log);
            } else if plan.is_silent(&facts.key, same.then_some(&facts.hash))? {
                standings[place] = Standing::Removed;
            }
        }
        Ok(standings)
    }
}
