//! Where the files of a log come from: a folder of plain files, or a member's server.
//!
//! A source says which widths of a tile it has and reads them. It judges nothing: `fsck` does. A
//! folder is listed once, so that every file in it is looked at and strays are named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use log::tile::{Kind, TilePath};

use crate::exit::Failure;
use crate::limits::{FILES_MAX, FOLDER_DEPTH_MAX};

/// The file that makes a folder a log.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Gives the files of one log.
pub(crate) trait Source {
    /// The folder or URL, for messages.
    fn place(&self) -> String;
    /// A file by its name in the log; `None` where there is none.
    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// The widths in which this tile is there, for a tree of `size` entries.
    fn widths(&self, kind: Kind, index: u64, size: u64) -> Vec<u16>;
    /// Names of files that are no part of a log of `size` entries.
    fn strays(&self, size: u64) -> Vec<String>;
}

/// A log as plain files.
pub(crate) struct Folder {
    root: PathBuf,
    tiles: BTreeMap<(Kind, u64), BTreeSet<u16>>,
    strays: Vec<String>,
}

impl Folder {
    /// Lists the log in `root`.
    pub(crate) fn open(root: &Path) -> Result<Folder, Failure> {
        let mut folder = Folder {
            root: root.to_owned(),
            tiles: BTreeMap::new(),
            strays: Vec::new(),
        };
        let mut names = Vec::new();
        list(root, "", 0, &mut names)?;
        for name in names {
            match TilePath::parse(&name) {
                Ok(path) => {
                    folder
                        .tiles
                        .entry((path.kind, path.index))
                        .or_default()
                        .insert(path.width);
                }
                Err(_) if name == CHECKPOINT => {}
                Err(_) => folder.strays.push(name),
            }
        }
        Ok(folder)
    }
}

impl Source for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.root.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("read", &path, &error)),
        }
    }

    fn widths(&self, kind: Kind, index: u64, _size: u64) -> Vec<u16> {
        self.tiles
            .get(&(kind, index))
            .map(|widths| widths.iter().copied().collect())
            .unwrap_or_default()
    }

    fn strays(&self, size: u64) -> Vec<String> {
        let beyond = self
            .tiles
            .iter()
            .filter(|((kind, index), _)| TilePath::at(*kind, *index, size).is_none())
            .flat_map(|((kind, index), widths)| {
                widths.iter().map(|width| {
                    TilePath {
                        kind: *kind,
                        index: *index,
                        width: *width,
                    }
                    .to_string()
                })
            });
        self.strays.iter().cloned().chain(beyond).collect()
    }
}

/// The names of all files below `root`, with `/` between folders.
fn list(root: &Path, below: &str, depth: usize, names: &mut Vec<String>) -> Result<(), Failure> {
    let folder = root.join(below);
    if depth > FOLDER_DEPTH_MAX || names.len() > FILES_MAX {
        return Err(Failure::usage(format!(
            "{} is too large to be a log; name the log's own folder",
            root.display()
        )));
    }
    let entries =
        std::fs::read_dir(&folder).map_err(|error| Failure::file("list", &folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::file("list", &folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let kind = entry
            .file_type()
            .map_err(|error| Failure::file("list", &folder, &error))?;
        if kind.is_dir() {
            list(root, &name, depth + 1, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Every folder at or below `root` that is a log, in order.
pub(crate) fn logs(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    search(root, 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if folder.join(CHECKPOINT).is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    // <data>/logs/<accord>/<channel>/<origin> is four deep; more is not ours to search.
    if depth > 5 || found.len() > FILES_MAX {
        return Ok(());
    }
    let entries =
        std::fs::read_dir(folder).map_err(|error| Failure::file("list", folder, &error))?;
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&entry.path(), depth + 1, found)?;
        }
    }
    Ok(())
}
