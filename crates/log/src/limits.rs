//! Every bound of this crate, in one place, with the reason for the number.
//!
//! A bound exists because the bytes come from another member, or because a format says so. All
//! of them are checked before memory is spent. Relations between bounds hold at compile time.

/// LIMIT: leaves in one tree. Sizes travel as decimal text and rest as signed 64-bit integers in
/// SQL, so the top bit stays free; at a million entries a second it lasts 290,000 years.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;

/// LIMIT: tile levels that a tree of at most [`TREE_SIZE_MAX`] leaves can have: levels 0 to 7
/// cover 64 bits of index at 8 bits each. tlog-tiles allows "63" in a path; no tree reaches it.
pub const TILE_LEVELS_MAX: u8 = 8;

/// LIMIT: bytes of a tile path. The longest valid one, "tile/entries/" with 7 groups of index
/// and a width, is under 64; anything longer is refused before it is looked at.
pub const TILE_PATH_BYTES_MAX: usize = 64;

/// LIMIT: bytes of one encoded log entry. Entries have a fixed small shape (section 5 of the
/// design); the tlog-tiles length prefix would allow 65,535.
pub const ENTRY_BYTES_MAX: usize = 4096;

/// LIMIT: bytes of one record that a bundle can carry: the u16 length prefix of tlog-tiles.
pub const BUNDLE_RECORD_BYTES_MAX: usize = u16::MAX as usize;

/// LIMIT: bytes of one object body; the same megabyte that the object model accepts.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// LIMIT: base-2 logarithm of the zstd window that a body bundle may ask for (8 MiB). Our own
/// encoder asks for 2 MiB; without this bound a frame header could demand 128 MiB or more.
pub const BODY_WINDOW_LOG_MAX: u32 = 23;

/// LIMIT: signature lines in one note. A checkpoint carries two lines of its log and two of each
/// other member, an accord one of each member: room for a hundred members, and far above the 16
/// that the signed-note specification demands.
pub const NOTE_SIGNATURES_MAX: usize = 256;

/// LIMIT: bytes of one signed note: the largest accord text with [`NOTE_SIGNATURES_MAX`]
/// post-quantum lines (3.3 KB each).
pub const NOTE_BYTES_MAX: usize = 2 << 20;

/// LIMIT: bytes of a key name or log origin: the one-byte length prefix that the ML-DSA-44
/// cosignature message gives to both.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// LIMIT: hashes in one inclusion or consistency proof. A tree of 2^63 leaves is 63 high and a
/// proof has at most one hash a level, plus one.
pub const PROOF_HASHES_MAX: usize = 64;

/// LIMIT: proof lines of one add-checkpoint request; tlog-witness allows no more.
pub const WITNESS_PROOF_HASHES_MAX: usize = 63;

/// LIMIT: bytes of one line of an audit export: the longest is the first, with a checkpoint and the
/// checkpoints that each partner witnessed, 4 KB each with their signatures.
pub const EXPORT_LINE_BYTES_MAX: usize = 4 << 20;

/// LIMIT: earlier checkpoints that one audit export carries: one a partner.
pub const EXPORT_WITNESSED_MAX: usize = 256;

/// LIMIT: bytes of the opaque extra line in a receipt; we write none, others may write a little.
pub const RECEIPT_EXTRA_BYTES_MAX: usize = 64 << 10;

/// LIMIT: bytes of one evidence file: two notes, two keys and a proof.
pub const EVIDENCE_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + (64 << 10);

const _: () = assert!(ENTRY_BYTES_MAX <= BUNDLE_RECORD_BYTES_MAX);
const _: () = assert!(TREE_SIZE_MAX.ilog2() / 8 < TILE_LEVELS_MAX as u32);
const _: () = assert!(NOTE_SIGNATURES_MAX >= 16);
const _: () = assert!(BODY_BYTES_MAX <= u32::MAX as usize);
const _: () = assert!(NOTE_SIGNATURES_MAX * 3500 + (1 << 20) <= NOTE_BYTES_MAX);
