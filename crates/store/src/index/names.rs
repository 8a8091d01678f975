//! Names that the SQLite index keeps as numbers, seen from a reader: types, labels, marking sets,
//! logs and collections, each way.

use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::sqlite::Reader;
use crate::error::StoreError;
use crate::types::{Collection, LogName};

impl Reader {
    pub(super) fn collection_number(
        &self,
        collection: &Collection,
    ) -> Result<Option<i64>, StoreError> {
        let (accord, channel) = match collection {
            Collection::National => return Ok(Some(0)),
            Collection::Forms => ("", FORMS),
            Collection::Channel { accord, channel } => (accord.as_str(), channel.as_str()),
        };
        let mut find = self
            .db
            .prepare_cached("SELECT id FROM collection WHERE accord = ?1 AND channel = ?2")?;
        Ok(find
            .query_row([accord, channel], |row| row.get(0))
            .optional()?)
    }

    pub(super) fn name_number(&self, text: &str) -> Result<Option<i64>, StoreError> {
        let mut find = self
            .db
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?;
        Ok(find.query_row([text], |row| row.get(0)).optional()?)
    }

    pub(super) fn log_number(&self, log: &LogName) -> Result<Option<i64>, StoreError> {
        let mut find = self.db.prepare_cached(
            "SELECT id FROM log WHERE accord = ?1 AND channel = ?2 AND origin = ?3",
        )?;
        Ok(find
            .query_row([&log.accord, &log.channel, &log.origin], |row| row.get(0))
            .optional()?)
    }

    pub(super) fn name_text(&mut self, id: i64) -> Result<Arc<str>, StoreError> {
        if let Some(text) = self.names.get(&id) {
            return Ok(text.clone());
        }
        let text: String = self
            .db
            .prepare_cached("SELECT text FROM name WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        let text: Arc<str> = text.into();
        if self.names.len() >= crate::limits::LABEL_CLASSES_MAX {
            self.names.clear();
        }
        self.names.insert(id, text.clone());
        Ok(text)
    }

    pub(super) fn log_name(&mut self, id: i64) -> Result<LogName, StoreError> {
        if let Some(name) = self.logs.get(&id) {
            return Ok(name.clone());
        }
        let mut find = self
            .db
            .prepare_cached("SELECT accord, channel, origin FROM log WHERE id = ?1")?;
        let name = find.query_row([id], |row| {
            Ok(LogName {
                accord: row.get(0)?,
                channel: row.get(1)?,
                origin: row.get(2)?,
            })
        })?;
        self.logs.insert(id, name.clone());
        Ok(name)
    }

    pub(super) fn collection_name(&mut self, id: i64) -> Result<Collection, StoreError> {
        if let Some(name) = self.collections.get(&id) {
            return Ok(name.clone());
        }
        let mut find = self
            .db
            .prepare_cached("SELECT accord, channel FROM collection WHERE id = ?1")?;
        let name = find.query_row([id], |row| Ok(collection_of(row.get(0)?, row.get(1)?)))?;
        self.collections.insert(id, name.clone());
        Ok(name)
    }
}

/// What stands in a channel's place for the collection of outgoing forms; no accord is nameless.
pub(super) const FORMS: &str = "forms";

/// A collection by the accord's and the channel's name, the accord being empty for the node's own.
pub(super) fn collection_of(accord: String, channel: String) -> Collection {
    match (accord.is_empty(), channel == FORMS) {
        (true, true) => Collection::Forms,
        (true, false) => Collection::National,
        (false, _) => Collection::Channel { accord, channel },
    }
}
