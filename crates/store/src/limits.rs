//! Bounds of the store, each with its reason.

/// LIMIT: objects in one journal bundle. One bundle is what a read decompresses at least, so it
/// stays small; it also equals the width of a log's entry bundle.
pub const BUNDLE_OBJECTS_MAX: usize = 256;

/// LIMIT: bytes after which a journal segment is closed and the next one begun, so that erasure
/// and copying work on files of a handy size.
pub const SEGMENT_BYTES_MAX: u64 = 256 << 20;

/// LIMIT: bytes of one journal frame's header; the largest names up to 256 positions and a
/// checkpoint with a post-quantum signature.
pub const FRAME_HEADER_BYTES_MAX: u32 = 1 << 20;

/// LIMIT: bytes of one journal frame's data: 256 objects of 1 MiB that do not compress, and their
/// entries.
pub const FRAME_DATA_BYTES_MAX: u32 = 320 << 20;

/// LIMIT: commands waiting for the writer. More callers wait, which is the back-pressure.
pub const QUEUE_COMMANDS_MAX: usize = 64;

/// LIMIT: objects that one group commit takes together; the answer to the first waits for the last.
pub const GROUP_OBJECTS_MAX: usize = 16_384;

/// LIMIT: bytes of object bodies that one group commit takes together, which bounds its memory.
pub const GROUP_BYTES_MAX: usize = 32 << 20;

/// LIMIT: records of one page, whatever the caller asks for.
pub const PAGE_RECORDS_MAX: usize = 10_000;

/// LIMIT: read connections to the index; more readers wait for one.
pub const READERS_MAX: usize = 4;

/// LIMIT: label classes memoised; past that the memo is emptied and filled anew.
pub const LABEL_CLASSES_MAX: usize = 65_536;

/// LIMIT: label classes (type, assigned label, markings) of one collection that a page under a
/// clearance merges. They are some dozens in practice, and each costs a page some microseconds.
/// In a collection of more, pages go by position and pass over what may not be read: as exact, at a
/// cost that grows with what is passed over.
pub const CLASSES_READ_MAX: usize = 10_000;

/// LIMIT: collections and levels whose judged classes are remembered; past that all are forgotten.
pub const JUDGEMENTS_MAX: usize = 1_024;

/// LIMIT: bytes of decompressed bundles kept for readers unless the options say otherwise.
pub const CACHE_BYTES_MAX: usize = 16 << 20;

/// LIMIT: files written in one step above which one sync of the file system replaces one sync a file.
pub const FILE_SYNCS_MAX: usize = 12;

/// LIMIT: journal frames that recovery applies in one transaction.
pub const REPLAY_FRAMES_MAX: usize = 64;
