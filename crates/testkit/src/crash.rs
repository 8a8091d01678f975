//! What a crash leaves on disk: copies of a store's folder between the steps of its writes.
//!
//! The store's own thread makes every write, and this wrapper copies the folder before and after
//! each, so a copy is exactly what a machine would find that stopped there. A further copy has the
//! last append torn at a random byte, as power loss does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use store::{Blobs, StoreError};

use crate::rng::Rng;

/// One copy of the folder.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where it is.
    pub dir: PathBuf,
    /// Between which steps it was made.
    pub step: String,
    /// How many commands had been answered by then.
    pub answered: usize,
}

/// Takes the copies. Clones share them.
#[derive(Clone)]
pub struct Images(Arc<Mutex<Inner>>);

struct Inner {
    store: PathBuf,
    to: PathBuf,
    rng: Rng,
    one_in: usize,
    answered: usize,
    images: Vec<Image>,
}

impl Images {
    /// Copies of the store in `store` go to folders below `to`, at one step in `one_in`.
    pub fn new(store: &Path, to: &Path, rng: Rng, one_in: usize) -> Images {
        Images(Arc::new(Mutex::new(Inner {
            store: store.to_path_buf(),
            to: to.to_path_buf(),
            rng,
            one_in,
            answered: 0,
            images: Vec::new(),
        })))
    }

    /// Stands between a store and its files; for `Options::wrap_blobs`.
    pub fn wrap(&self, blobs: Box<dyn Blobs>) -> Box<dyn Blobs> {
        Box::new(Camera {
            blobs,
            images: self.clone(),
        })
    }

    /// Notes that so many commands have been answered.
    pub fn answered(&self, count: usize) {
        self.lock().answered = count;
    }

    /// The copies so far.
    pub fn taken(&self) -> Vec<Image> {
        self.lock().images.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Inner {
    fn copy(&mut self, step: String) -> Option<PathBuf> {
        if !self.rng.one_in(self.one_in) {
            return None;
        }
        let dir = self.to.join(self.images.len().to_string());
        copy_folder(&self.store, &dir).expect("the store's folder copies");
        self.images.push(Image {
            dir: dir.clone(),
            step,
            answered: self.answered,
        });
        Some(dir)
    }

    /// A copy in which only a part of what was appended to `key` after `at` bytes is there.
    fn torn(&mut self, key: &str, at: u64, length: usize) {
        let Some(dir) = self.copy(format!("within an append of {length} bytes to {key}")) else {
            return;
        };
        let keep = at + self.rng.below(length.max(1)) as u64;
        let segment = fs::File::options().write(true).open(dir.join(key));
        segment
            .and_then(|segment| segment.set_len(keep))
            .expect("the copied segment can be cut");
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            // A temporary file may be gone by now; a crash would not have it either.
            match fs::copy(entry.path(), target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => {
                    done?;
                }
            }
        }
    }
    Ok(())
}

struct Camera {
    blobs: Box<dyn Blobs>,
    images: Images,
}

impl Camera {
    fn around<T>(
        &self,
        what: &str,
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.images.lock().copy(format!("before {what}"));
        let done = write()?;
        self.images.lock().copy(format!("after {what}"));
        Ok(done)
    }
}

impl Blobs for Camera {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let done = self.around("append", || self.blobs.append(key, at, bytes));
        self.images.lock().torn(key, at, bytes.len());
        done
    }

    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        self.around("truncate", || self.blobs.truncate(key, length))
    }

    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.around("put_all", || self.blobs.put_all(blobs))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.blobs.get(key)
    }

    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.blobs.range(key, offset, length)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.blobs.list(folder)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.around("delete", || self.blobs.delete(keys))
    }
}
