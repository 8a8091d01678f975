//! Asking the SQLite index about what was taken back.

use model::{Hash, Id};

use super::Key;
use super::sqlite::Reader;
use crate::error::StoreError;
use crate::types::LogName;

/// Which log took a version of an object back last. Versions that it shows again do not count.
const LAST_GONE_SQL: &str = "SELECT l.accord, l.channel, l.origin
    FROM object o JOIN gone g ON g.object = o.seq JOIN log l ON l.id = g.log
    WHERE o.uuid = ?1 AND o.kind = ?2 AND NOT EXISTS (
      SELECT 1 FROM object o2 JOIN shown s ON s.object = o2.seq
      WHERE o2.uuid = ?1 AND o2.kind = ?2 AND s.log IS NOT NULL)
    ORDER BY g.seq DESC LIMIT 1";

const BROUGHT_BY_SQL: &str = "SELECT DISTINCT o.uuid, o.kind, o.hash
    FROM shown s JOIN object o ON o.seq = s.object JOIN log l ON l.id = s.log
    WHERE s.collection = ?1 AND l.accord = ?2 AND l.channel = ?3 AND l.origin = ?4";

impl Reader {
    /// All that a log has brought and not taken back.
    pub(super) fn brought_by(&mut self, log: &LogName) -> Result<Vec<(Key, Hash)>, StoreError> {
        let Some(collection) = self.collection_number(&log.collection())? else {
            return Ok(Vec::new());
        };
        let mut raw: Vec<([u8; 16], i64, [u8; 32])> = Vec::new();
        {
            let mut find = self.db.prepare_cached(BROUGHT_BY_SQL)?;
            let mut rows = find.query(rusqlite::params![
                collection,
                log.accord,
                log.channel,
                log.origin
            ])?;
            while let Some(row) = rows.next()? {
                raw.push((row.get(0)?, row.get(1)?, row.get(2)?));
            }
        }
        raw.into_iter()
            .map(|(uuid, kind, hash)| {
                let kind = self.name_text(kind)?;
                Ok((Key { uuid, kind }, Hash(hash)))
            })
            .collect()
    }

    /// For each object the log that took it back, if no log shows any version of it any more.
    pub(super) fn taken_back(&mut self, ids: &[Id]) -> Result<Vec<Option<LogName>>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(kind) = self.name_number(id.type_name())? else {
                found.push(None);
                continue;
            };
            let mut find = self.db.prepare_cached(LAST_GONE_SQL)?;
            let mut rows = find.query(rusqlite::params![id.uuid(), kind])?;
            found.push(match rows.next()? {
                Some(row) => Some(LogName {
                    accord: row.get(0)?,
                    channel: row.get(1)?,
                    origin: row.get(2)?,
                }),
                None => None,
            });
        }
        Ok(found)
    }
}
