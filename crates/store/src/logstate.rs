//! A log as the writer holds it: its right edge, ready to grow.

use log::Tree;
use log::tile::{Kind, TILE_WIDTH, TilePath};

use crate::error::StoreError;
use crate::shared::Shared;
use crate::types::{LogName, Seq};

/// A log as the writer holds it.
#[derive(Clone)]
pub(crate) struct LogState {
    pub(crate) tree: Tree,
    pub(crate) own: bool,
    pub(crate) refused: Option<String>,
    /// The entries of the unfinished entry bundle.
    pub(crate) tail: Vec<Vec<u8>>,
    /// Where the objects of those entries are (own logs only).
    pub(crate) tail_objects: Vec<Option<Seq>>,
    pub(crate) checkpoint: String,
    pub(crate) checkpoint_size: u64,
}

impl LogState {
    pub(crate) fn new(own: bool) -> LogState {
        LogState {
            tree: Tree::new(),
            own,
            refused: None,
            tail: Vec::new(),
            tail_objects: Vec::new(),
            checkpoint: String::new(),
            checkpoint_size: 0,
        }
    }

    /// Reads a log's right edge back from its files.
    pub(crate) fn load(shared: &Shared, name: &LogName) -> Result<Option<LogState>, StoreError> {
        let Some((_, head)) = shared.index.heads(Some(name))?.pop() else {
            return Ok(None);
        };
        let fetch = |path: &TilePath| {
            shared
                .tile_of(name, path, head.size)?
                .ok_or_else(|| StoreError::corrupt(log_key(name, path), "the file is missing"))
        };
        let tree = Tree::load(head.size, fetch).map_err(|error| {
            StoreError::corrupt(format!("the tiles of {name}"), error.to_string())
        })?;
        if tree.root() != head.root {
            return Err(StoreError::corrupt(
                format!("the tiles of {name}"),
                "they do not give the root of its head",
            ));
        }
        let whole = head.size / TILE_WIDTH;
        let mut state = LogState {
            tree,
            refused: head.refused,
            ..LogState::new(head.own)
        };
        if let Some(path) = TilePath::at(Kind::Entries, whole, head.size) {
            let bundle = fetch(&path)?;
            let entries = log::entries::decode(&bundle, path.width)
                .map_err(|error| StoreError::corrupt(log_key(name, &path), error.to_string()))?;
            state.tail = entries.into_iter().map(<[u8]>::to_vec).collect();
        }
        if head.own {
            state.tail_objects = shared
                .index
                .entry_objects(name, whole * TILE_WIDTH, head.size)?;
        }
        (state.checkpoint, state.checkpoint_size) = (head.checkpoint, head.checkpoint_size);
        Ok(Some(state))
    }
}

/// The key of a log's file.
pub(crate) fn log_key(log: &LogName, path: &TilePath) -> String {
    format!("{}/{path}", log_folder(log))
}

/// The folder of a log's files.
pub(crate) fn log_folder(log: &LogName) -> String {
    format!("logs/{}/{}/{}", log.accord, log.channel, log.origin)
}
