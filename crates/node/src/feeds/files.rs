//! Reading from files: one, or every one of a folder, again when it changes.
//!
//! A file that is still being written is left until it has not changed for a moment; one that is
//! broken fails the run, is quarantined once and tried again, and does not keep others from being
//! read. What was read is remembered by name, length, time and hash. Links in a folder are not
//! followed, and what is no plain file is not opened for long (see `open`); both are said.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::{Hash, Timestamp};

use super::limits::{FILE_BYTES_MAX, FOLDER_FILES_MAX, SETTLED_SECS};
use super::mapping::Mapping;
use super::run::Run;
use super::state::{Failure, FileMark};
use super::{open, pull, said, spec, table};
use crate::node::blocking;

/// Endings of files that a folder's feed reads.
const ENDINGS: [&str; 4] = [".json", ".json.gz", ".json.zst", ".stix"];

/// A file as it lies there.
struct Found {
    name: String,
    /// Without any link in its folders.
    path: PathBuf,
    seen: Seen,
}

/// By what a file is known to be as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    length: u64,
    /// Nanoseconds since 1970.
    changed: i64,
}

impl From<&Metadata> for Seen {
    fn from(meta: &Metadata) -> Seen {
        Seen {
            length: meta.len(),
            changed: meta
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(meta.mtime_nsec()),
        }
    }
}

impl Run<'_> {
    /// Reads what has changed of a file or folder of STIX documents.
    ///
    /// # Errors
    /// When nothing can be read, or some files cannot; the others count.
    pub(super) async fn pull_files(&mut self, path: &Path) -> Result<(), Failure> {
        let _alone = self.whole_file().await?;
        let root = spec::readable(self.node, path)?;
        let found = blocking(move || list(&root)).await.map_err(Failure::of)?;
        let names: Vec<String> = found.iter().map(|file| file.name.clone()).collect();
        self.state
            .cursor
            .files
            .retain(|name, _| names.contains(name));
        let (all, mut broken) = (found.len(), Vec::new());
        for file in found {
            let name = file.name.clone();
            let (bytes, mark) = match self.fresh(&file).await {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err(why) => {
                    broken.push(format!("{name}: {why}"));
                    continue;
                }
            };
            let hash = Hash::of(&bytes);
            let parsed = blocking(move || pull::parse(&pull::plain(bytes)?)).await;
            match parsed {
                Ok(parsed) => {
                    pull::take(&mut self.intake, &name, parsed).await?;
                    self.state.cursor.files.insert(name, mark);
                    self.checkpoint().await?;
                }
                Err(failure) => {
                    self.intake.refuse(&name, None, &hash, failure.why.clone());
                    broken.push(format!("{name}: {}", failure.why));
                }
            }
        }
        match broken.first() {
            None => Ok(()),
            Some(first) => Err(Failure::of(format!(
                "{} of {all} files cannot be read; {}",
                broken.len(),
                said(first)
            ))),
        }
    }

    /// Reads a table in a file, if it has changed.
    ///
    /// # Errors
    /// What failed.
    pub(super) async fn pull_table(&mut self, path: &Path, mapping: &str) -> Result<(), Failure> {
        let _alone = self.whole_file().await?;
        let path = spec::readable(self.node, path)?;
        let mapping = Mapping::parse(mapping).map_err(Failure::of)?;
        if mapping.valid_days.is_some() {
            // What is still listed must be renewed though the table has not changed.
            self.state.cursor.files.clear();
        }
        let file = found(path).map_err(Failure::of)?;
        let Some((bytes, mark)) = self.fresh(&file).await.map_err(Failure::of)? else {
            return Ok(());
        };
        let bytes = blocking(move || pull::plain(bytes)).await?;
        let since = Timestamp::from_unix_micros(self.state.added);
        table::take(&mut self.intake, mapping, bytes, since).await?;
        self.state.cursor.files.insert(file.name, mark);
        Ok(())
    }

    /// The bytes of a file that has changed and is no longer being written.
    async fn fresh(&mut self, file: &Found) -> Result<Option<(Vec<u8>, FileMark)>, String> {
        let held = self.state.cursor.files.get(&file.name);
        let Seen { length, changed } = file.seen;
        if held.is_some_and(|held| held.length == length && held.changed == changed) {
            return Ok(None);
        }
        let now = self.node.clock().micros();
        let age = now.saturating_sub(changed / 1_000);
        if (0..SETTLED_SECS * 1_000_000).contains(&age) {
            self.again_soon = true;
            return Ok(None);
        }
        let (path, seen) = (file.path.clone(), file.seen);
        let read = blocking(move || {
            let file = open::plain(&path).map_err(|why| why.to_string())?;
            // It was replaced since it was listed, or is being written.
            if Seen::from(&file.meta) != seen {
                return Ok(None);
            }
            let bytes = file.read(FILE_BYTES_MAX)?;
            Ok::<_, String>((Seen::from(&file.now()?) == seen).then_some(bytes))
        });
        let Some(bytes) = read.await? else {
            self.again_soon = true;
            return Ok(None);
        };
        let mark = FileMark {
            length,
            changed,
            hash: Hash::of(&bytes).to_string(),
        };
        if held.is_some_and(|held| held.hash == mark.hash) {
            self.state.cursor.files.insert(file.name.clone(), mark);
            return Ok(None);
        }
        Ok(Some((bytes, mark)))
    }
}

/// What a folder holds, or the file itself; `root` has no link in it.
fn list(root: &Path) -> Result<Vec<Found>, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read ({error})", root.display());
    if !fs::metadata(root).map_err(cannot)?.is_dir() {
        return Ok(vec![found(root.to_owned())?]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(root).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Names that begin with a dot are what programs write before they rename it.
        if name.starts_with('.') || !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        // Links and pipes are listed as well, so that they are said and not passed over.
        if !entry.file_type().map_err(cannot)?.is_dir() {
            files.push(found(root.join(entry.file_name()))?);
        }
        if files.len() > FOLDER_FILES_MAX {
            return Err(format!(
                "{} has more than {FOLDER_FILES_MAX} files; move those that were read elsewhere",
                root.display()
            ));
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

fn found(path: PathBuf) -> Result<Found, String> {
    let meta = fs::symlink_metadata(&path)
        .map_err(|error| format!("{} cannot be read ({error})", path.display()))?;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    Ok(Found {
        name: name.unwrap_or_default(),
        seen: Seen::from(&meta),
        path,
    })
}
