//! How objects that somebody brings stand to what is held, before anything is done with them.

use model::{Hash, Id, Object};

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

impl Plan<'_> {
    /// Why nobody's word but a person's brings an object back, if so: a log took it back and no log
    /// shows any version of it, or the nation removed it. Counts in what this plan changes.
    pub(crate) fn stops(
        &mut self,
        standing: Planned,
        facts: &Facts,
        id: &Id,
    ) -> Result<Option<Standing>, StoreError> {
        let same = match standing {
            Planned::Conflict(_) => return Ok(None),
            Planned::Same(_) if self.has(facts, &Collection::National)? => return Ok(None),
            Planned::Same(_) => true,
            Planned::New => false,
        };
        if let Some(log) = self.taken_back(&facts.key, id)? {
            return Ok(Some(Standing::Withdrawn(log)));
        }
        let silent = self.is_silent(&facts.key, same.then_some(&facts.hash))?;
        Ok(silent.then_some(Standing::Removed))
    }
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
        for (facts, object) in facts.iter().zip(objects) {
            let planned = plan.standing(facts)?;
            standings.push(match plan.stops(planned, facts, object.id())? {
                Some(stopped) => stopped,
                None => match planned {
                    Planned::New => Standing::New,
                    Planned::Same(_) if plan.has(facts, &Collection::National)? => Standing::Known,
                    Planned::Same(_) => Standing::Elsewhere,
                    Planned::Conflict(held) => Standing::Conflict(held),
                },
            });
        }
        Ok(standings)
    }
}
