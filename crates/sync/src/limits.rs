//! Every bound of replication, in one place, with the reason for its size.
//!
//! A partner is sovereign and may be broken or hostile: whatever it sends, one pull holds a bounded
//! number of bytes and one stalled answer costs only the task that waits for it.

use std::time::Duration;

/// LIMIT: bytes of a checkpoint note. About 70 members' cosignatures with both key kinds fit
/// (an ML-DSA-44 line is 3.3 KB).
pub const CHECKPOINT_BYTES_MAX: usize = 256 * 1024;

/// LIMIT: bytes of a hash tile: 256 hashes of 32 bytes.
pub const TILE_BYTES_MAX: usize = 256 * 32;

/// LIMIT: bytes of an entry bundle: 256 entries of at most 4096 bytes, each with a 2-byte length.
pub const ENTRIES_BYTES_MAX: usize = 256 * (4096 + 2);

/// LIMIT: compressed bytes of one piece of a body bundle. Bundles that need more are fetched in
/// smaller pieces; one object (1 MiB) that does not compress still fits.
pub const BODIES_BYTES_MAX: usize = 2 << 20;

/// LIMIT: decompressed bytes of one piece of a body bundle; same reasons, and it bounds what a
/// small hostile answer can unfold to.
pub const BODIES_UNPACKED_MAX: usize = 4 << 20;

/// LIMIT: pieces being fetched or verified at once. Enough to fill a link of 100 ms and 100 Mbit/s
/// with bundles of 100 KB; with the two limits above it bounds the memory of a pull.
pub const IN_FLIGHT_MAX: usize = 8;

/// LIMIT: verified pieces waiting for the store.
pub const WAITING_MAX: usize = 16;

/// LIMIT: pieces in one command to the store. Larger ones hold more memory and lose more work when
/// something in them is not taken.
pub const CHUNK_PIECES_MAX: usize = 16;

/// LIMIT: uncompressed bytes after which a command to the store takes no further piece.
pub const CHUNK_BYTES_MAX: usize = 8 << 20;

/// LIMIT: commands of one pull that the store has not answered yet. One is being written, one is
/// queued so that the writer never waits, and one more lets it share the cost of a commit.
pub const COMMITS_MAX: usize = 3;

/// LIMIT: entry bundles whose hashes are authenticated together: those under one level-1 tile.
pub const WINDOW_BUNDLES: u64 = 256;

/// LIMIT: refusals that a report lists one by one; the rest are counted.
pub const REFUSALS_LISTED_MAX: usize = 1000;

/// LIMIT: released bodies that are missing and not yet seen withdrawn, remembered in one pull.
pub const MISSING_MAX: usize = 100_000;

/// LIMIT: bytes of a line in an event stream: two names of 64 characters and a number.
pub const EVENT_LINE_BYTES_MAX: usize = 512;

/// LIMIT: bytes of the answer to a POST; only its status matters.
pub const POST_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// LIMIT: bytes of a signed accord note as a peer serves it, matching `policy`'s bound on notes.
pub const ACCORD_NOTE_BYTES_MAX: usize = policy::NOTE_BYTES_MAX;

/// LIMIT: time to open a TCP connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// LIMIT: how long an idle connection is kept for the next pull.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(90);

/// How long an answer may take before its first byte, and how far it may fall behind
/// [`ANSWER_RATE_MIN`] afterwards.
pub const ANSWER_GRACE: Duration = Duration::from_secs(15);

/// LIMIT: bytes a second that an answer must keep up over its whole length: a poor satellite link
/// does, a peer that trickles bytes to hold a task does not.
pub const ANSWER_RATE_MIN: u64 = 4 * 1024;

/// LIMIT: silence on an event stream after which it counts as dead. Servers send a comment line at
/// least every 20 seconds.
pub const EVENTS_IDLE_MAX: Duration = Duration::from_secs(60);

/// How often an HTTP/2 connection in use is asked for a sign of life, and how long that may take.
pub const PING_EVERY: Duration = Duration::from_secs(20);

const _: () = assert!(
    BODIES_BYTES_MAX > model::OBJECT_BYTES_MAX + 64 * 1024,
    "one object must fit into a piece even when it does not compress"
);
const _: () = assert!(BODIES_UNPACKED_MAX > model::OBJECT_BYTES_MAX + 256 * 4);

/// LIMIT: markings whose meaning one pull remembers; more are looked up again.
pub const MARKINGS_MAX: usize = 4096;

/// LIMIT: classes of equally marked and labelled objects that one pull remembers.
pub const MARKING_CLASSES_MAX: usize = 4096;

/// LIMIT: bytes of the words with which a peer refuses: some sentences.
pub const PROBLEM_BYTES_MAX: usize = 4 << 10;
