//! The raw limits of this machine on the same bytes: hashing, an fsynced file, and SQLite.
//!
//! They bound what any implementation could do here: every object must at least be hashed, written
//! and indexed. One thread each, batches as large as the benchmark's envelopes.

// Benchmarks measure time.
#![allow(clippy::disallowed_methods)]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::corpus::Corpus;
use super::measure::Rate;
use crate::exit::Failure;
use crate::process::own_cpu;
use crate::show::Table;

/// LIMIT: objects that the raw limits are measured on; the rates do not change beyond.
const OBJECTS_MAX: u64 = 100_000;

/// What the machine can do.
#[derive(Debug, Serialize)]
pub(crate) struct Raw {
    /// SHA-256 of each object.
    pub(crate) sha256: Rate,
    /// Appending the objects to a file, with fdatasync after each batch.
    pub(crate) fsync: Rate,
    /// Inserting id, version, type, hash and body of each object into SQLite (WAL, synchronous
    /// FULL, an index on the id), a commit for each batch.
    pub(crate) sqlite: Rate,
}

impl Raw {
    /// Measures in `folder`, on the first objects of the corpus.
    pub(crate) fn measure(
        folder: &Path,
        corpus: Corpus,
        objects: u64,
        batch: u64,
    ) -> Result<Raw, Failure> {
        let bodies: Vec<Vec<u8>> = (0..objects.min(OBJECTS_MAX))
            .map(|index| corpus.object(index))
            .collect();
        Ok(Raw {
            sha256: timed(&bodies, || {
                for body in &bodies {
                    std::hint::black_box(Sha256::digest(body));
                }
                Ok(())
            })?,
            fsync: timed(&bodies, || fsync(&folder.join("raw.bytes"), &bodies, batch))?,
            sqlite: timed(&bodies, || {
                sqlite(&folder.join("raw.sqlite"), corpus, &bodies, batch)
            })?,
        })
    }

    /// Adds the rows of a table.
    pub(crate) fn rows(&self, table: &mut Table) {
        table.row(self.sha256.row("raw: SHA-256 of the same objects"));
        table.row(self.fsync.row("raw: fsynced append of the same objects"));
        table.row(self.sqlite.row("raw: SQLite insert of the same rows"));
    }
}

fn timed(bodies: &[Vec<u8>], work: impl FnOnce() -> Result<(), Failure>) -> Result<Rate, Failure> {
    let (before, start) = (own_cpu(), Instant::now());
    work()?;
    let (time, cpu) = (start.elapsed(), own_cpu().saturating_sub(before));
    Ok(Rate::new(
        bodies.len() as u64,
        bodies.iter().map(|body| body.len() as u64).sum(),
        time,
        cpu,
    ))
}

fn fsync(path: &Path, bodies: &[Vec<u8>], batch: u64) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        for batch in bodies.chunks(batch.max(1) as usize) {
            file.write_all(&batch.concat())?;
            file.sync_data()?;
        }
        Ok(())
    };
    write().map_err(|error| Failure::file("write", path, &error))
}

fn sqlite(path: &Path, corpus: Corpus, bodies: &[Vec<u8>], batch: u64) -> Result<(), Failure> {
    let insert = || -> rusqlite::Result<()> {
        let mut connection = rusqlite::Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE objects (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, version TEXT, kind TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL);
             CREATE INDEX objects_id ON objects (id, version);",
        )?;
        let mut seq = 0u64;
        for batch in bodies.chunks(batch.max(1) as usize) {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction
                    .prepare_cached("INSERT INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
                for body in batch {
                    let id = corpus.id(seq);
                    let kind = id.split("--").next().unwrap_or_default();
                    let hash: [u8; 32] = Sha256::digest(body).into();
                    statement.execute(rusqlite::params![
                        seq as i64,
                        id,
                        "2026-01-01T00:00:00.000Z",
                        kind,
                        hash,
                        body
                    ])?;
                    seq += 1;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    };
    insert().map_err(|error| {
        Failure::unavailable(format!(
            "SQLite could not write {} ({error}); make room",
            path.display()
        ))
    })
}
