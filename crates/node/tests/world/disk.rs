//! Files on a disk that fills up when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use store::{Blobs, StoreError};

/// Files on a disk that is full while the switch is on.
pub(crate) struct Disk {
    pub(crate) inner: Box<dyn Blobs>,
    pub(crate) full: Arc<AtomicBool>,
    /// Only what is written under this key meets it.
    pub(crate) under: &'static str,
}

impl Disk {
    fn room(&self, mut keys: impl Iterator<Item = impl AsRef<str>>) -> Result<(), StoreError> {
        let meets = keys.any(|key| key.as_ref().starts_with(self.under));
        if meets && self.full.load(Ordering::SeqCst) {
            Err(StoreError::Full {
                what: "the journal".into(),
            })
        } else {
            Ok(())
        }
    }
}

impl Blobs for Disk {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.room([key].into_iter())?;
        self.inner.append(key, at, bytes)
    }

    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        self.inner.truncate(key, length)
    }

    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.room(blobs.iter().map(|(key, _)| key))?;
        self.inner.put_all(blobs)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.inner.range(key, offset, length)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(folder)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }
}

/// Files of which one write to the journal fails, the one that a test counts down to.
pub(crate) struct Hiccup {
    pub(crate) inner: Box<dyn Blobs>,
    /// How many more writes to the journal succeed before that.
    pub(crate) left: Arc<AtomicI64>,
}

impl Blobs for Hiccup {
    fn append(&self, key: &str, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(StoreError::Full {
                what: "the journal".into(),
            });
        }
        self.inner.append(key, at, bytes)
    }

    fn truncate(&self, key: &str, length: u64) -> Result<(), StoreError> {
        self.inner.truncate(key, length)
    }

    fn put_all(&self, blobs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.inner.put_all(blobs)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn range(&self, key: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.inner.range(key, offset, length)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(folder)
    }

    fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }
}
