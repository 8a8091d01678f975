//! Asking the SQLite index about what was taken back.

use model::Id;

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

impl Reader {
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
