//! Where bytes live: immutable files by key, and segments that only grow.
//!
//! [`Blobs`] is one of the store's two seams (the other is the index). It speaks the log's verbs
//! and promises one thing: when `append` or `put_all` returns, the bytes survive power loss. It
//! knows nothing of what the bytes mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::StoreError;
use crate::limits::FILE_SYNCS_MAX;

/// Durable bytes by key. A key is a relative path of plain names.
pub trait Blobs: Send + Sync {
    /// Appends to the segment `key`, which held `at` bytes; durable on return. On failure the
    /// segment is as it was before.
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError>;
    /// Cuts the segment `key` back to `length` bytes; durable on return.
    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError>;
    /// Writes whole blobs, each all or nothing, replacing what is there; durable on return.
    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError>;
    /// The whole blob, or `None` where there is none.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// `length` bytes from `offset`; [`StoreError::Corrupt`] if there are fewer.
    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;
    /// The keys directly below a folder, sorted; empty where there is no such folder.
    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;
    /// Removes blobs that exist; a missing one is no error. Not necessarily durable.
    fn delete(&self, keys: &[String]) -> Result<(), StoreError>;
}

/// Blobs as files below one folder.
#[derive(Debug)]
pub struct LocalBlobs {
    root: PathBuf,
    /// The segment last appended to, kept open.
    open: Mutex<Option<(String, File)>>,
}

impl LocalBlobs {
    /// Uses `root`, which must exist.
    pub fn new(root: &Path) -> LocalBlobs {
        LocalBlobs {
            root: root.to_path_buf(),
            open: Mutex::new(None),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        debug_assert!(
            key.split('/')
                .all(|part| !part.is_empty() && part != ".." && part != ".")
        );
        self.root.join(key)
    }

    fn segment(&self, key: &str) -> io::Result<File> {
        let path = self.path(key);
        let fresh = !path.exists();
        if fresh && let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        if fresh && let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
            File::open(&self.root)?.sync_all()?;
        }
        Ok(file)
    }
}

impl Blobs for LocalBlobs {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let failed =
            |error: io::Error| StoreError::io(format!("the journal segment {key}"), &error);
        let mut open = self
            .open
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if open.as_ref().is_none_or(|(held, _)| held != key) {
            let file = self.segment(key).map_err(failed)?;
            // After a write that could not be undone. What it left behind must not follow what is
            // written now, or recovery would take it for accepted.
            if file.metadata().map_err(failed)?.len() > at {
                file.set_len(at).map_err(failed)?;
            }
            *open = Some((key.to_owned(), file));
        }
        let Some((_, file)) = open.as_ref() else {
            unreachable!("set just above")
        };
        let written = file.write_all_at(bytes, at).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What was written in part must not be found by a later recovery.
            let undone = file.set_len(at).and_then(|()| file.sync_data());
            *open = None;
            return Err(match undone {
                Ok(()) => failed(error),
                Err(worse) => StoreError::Stopped {
                    cause: format!("a failed write to {key} could not be undone: {worse}"),
                },
            });
        }
        Ok(())
    }

    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        *self
            .open
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
        OpenOptions::new()
            .write(true)
            .open(self.path(key))
            .and_then(|file| file.set_len(length).and_then(|()| file.sync_data()))
            .map_err(|error| StoreError::Stopped {
                cause: format!("{key} could not be cut back: {error}"),
            })
    }

    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let one_sync = blobs.len() > FILE_SYNCS_MAX;
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut renames = Vec::with_capacity(blobs.len());
        for (key, bytes) in blobs {
            let failed = |error: io::Error| StoreError::io(format!("the file {key}"), &error);
            let path = self.path(key);
            let folder = path.parent().unwrap_or(&self.root).to_path_buf();
            if !folders.contains(&folder) {
                let mut missing = folder.as_path();
                // New folders must be durable too, up to the first that was there.
                while !missing.exists() {
                    let Some(parent) = missing.parent() else {
                        break;
                    };
                    if !folders.iter().any(|known| known == parent) {
                        folders.push(parent.to_path_buf());
                    }
                    missing = parent;
                }
                fs::create_dir_all(&folder).map_err(failed)?;
                folders.push(folder);
            }
            let temporary = path.with_added_extension("tmp");
            let mut file = File::create(&temporary).map_err(failed)?;
            let written = file
                .write_all(bytes)
                .and_then(|()| if one_sync { Ok(()) } else { file.sync_data() });
            if let Err(error) = written {
                let _ = fs::remove_file(&temporary);
                return Err(failed(error));
            }
            renames.push((temporary, path));
        }
        let failed = |error: io::Error| StoreError::io("the log's files", &error);
        let sync_all = || -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(&self.root)?)?) };
        if one_sync {
            sync_all().map_err(failed)?;
        }
        for (temporary, path) in renames {
            fs::rename(temporary, path).map_err(failed)?;
        }
        if one_sync {
            return sync_all().map_err(failed);
        }
        for folder in folders {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(format!("reading {key}"), &error)),
        }
    }

    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; length];
        File::open(self.path(key))
            .and_then(|file| file.read_exact_at(&mut bytes, offset))
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    StoreError::corrupt(key, format!("it ends before byte {offset} + {length}"))
                }
                _ => StoreError::io(
                    format!("reading {length} bytes at {offset} of {key}"),
                    &error,
                ),
            })?;
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let failed = |error: io::Error| StoreError::io(format!("listing {folder}"), &error);
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            if let Some(name) = entry.map_err(failed)?.file_name().to_str() {
                keys.push(format!("{folder}/{name}"));
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            match fs::remove_file(self.path(key)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io(format!("removing {key}"), &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
