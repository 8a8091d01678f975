//! Channel logs: what is in one, how it is proved, and how a proof is checked.
//!
//! A log is the append-only list of [`Entry`] records of one member in one channel. Its tree is
//! RFC 6962, its resources are C2SP tlog-tiles, its heads are signed [`Checkpoint`] notes that the
//! other members cosign. This crate is pure: bytes in, values out. It reads no clock, draws no
//! randomness and does no I/O; storing and fetching are left to `store` and `sync`, the meaning of
//! an entry's texts to `model` and `policy`.
//!
//! The writer's path: [`Entry::encode`] → [`merkle::leaf_hash`] → [`Tree::append`] →
//! [`Tree::take_tiles`] → [`Checkpoint::sign`]. The reader's path: [`Checkpoint::open`] →
//! [`Tiles::needed`] → [`Tiles::verify`] → [`Tiles::entry_bundle`] → [`Entry::decode`]; then
//! [`cosign::cosign`], or [`Evidence`] when the log contradicts what it signed before.
//!
//! INVARIANT: a value that came from another member's bytes exists only if these bytes were in
//! their one canonical form, and a hash given out by [`Tiles`] only if the root commits to it.

pub mod bodies;
pub mod car;
pub mod cosign;
pub mod entries;
pub mod export;
pub mod limits;
pub mod manifest;
pub mod merkle;
pub mod note;
pub mod tile;
pub mod witness;

mod cbor;
mod checkpoint;
mod cid;
mod entry;
mod evidence;
mod hash;
mod keys;
mod receipt;
mod tiles;
mod tree;

pub use bodies::BodiesError;
pub use checkpoint::{Checkpoint, CheckpointError, LogKeys};
pub use cid::{Cid, Codec};
pub use cosign::CosignError;
pub use entries::BundleError;
pub use entry::{Action, Entry, EntryError};
pub use evidence::{Evidence, EvidenceError, Verdict};
pub use export::{ExportError, ExportHead, ExportLine, Proved, Witnessed};
pub use hash::Hash;
pub use merkle::ProofError;
pub use note::{KeyKind, Note, NoteError, SignatureLine, SigningKey, VerifierKey};
pub use receipt::{ReceiptError, ReceiptProof};
pub use tile::{Kind, PathError, TilePath};
pub use tiles::{TileError, Tiles};
pub use tree::{LoadError, Tree};
pub use witness::AddCheckpoint;
