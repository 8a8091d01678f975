//! Applying a frame that is in the journal already, after a crash or for a rebuild.

use std::collections::HashMap;

use model::{Id, Object};

use crate::error::StoreError;
use crate::index::{Key, Row};
use crate::journal::{Frame, Header, Position};
use crate::logstate::LogState;
use crate::plan::Facts;
use crate::types::{Collection, LogName};
use crate::work::Work;

impl Work<'_> {
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
                forms,
            } => {
                let bodies = log::bodies::decode(&frame.data, *count)
                    .map_err(|error| broken(error.to_string()))?;
                let facts = bodies
                    .iter()
                    .map(|body| facts_of(body))
                    .collect::<Result<Vec<_>, _>>()?;
                self.objects(
                    own(*forms),
                    *first,
                    &facts,
                    label,
                    frame.data_at,
                    frame.data.len(),
                )
            }
            Header::Adopted {
                seq,
                object,
                id,
                label,
                forms,
            } => {
                let id = Id::parse(id).map_err(|error| broken(error.to_string()))?;
                self.adopted(own(*forms), *seq, *object, &Key::of(&id), label)
            }
            Header::Removed { objects } => {
                for (id, hash) in objects {
                    let id = Id::parse(id).map_err(|error| broken(error.to_string()))?;
                    let hash = hash
                        .parse()
                        .map_err(|_| broken(format!("{hash} is not a hash")))?;
                    self.removed(&Key::of(&id), &hash)?;
                }
                Ok(())
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
            Header::Resigned {
                log,
                size,
                checkpoint,
            } => {
                let name = LogName::from_parts(log);
                self.log(&name, cache, true)?;
                self.resigned(&name, *size, checkpoint);
                Ok(())
            }
            Header::Restarted {
                log,
                from,
                at,
                reason,
            } => {
                let name = LogName::from_parts(log);
                self.log(&name, cache, false)?;
                self.restarted(&name, *from, *at, reason, &frame.data)
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
}

/// The own collection that a frame is about.
fn own(forms: bool) -> &'static Collection {
    if forms {
        &Collection::Forms
    } else {
        &Collection::National
    }
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
