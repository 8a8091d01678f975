//! Every bound of courier files, with the reason for its size.

/// LIMIT: bytes of one block. The largest that is written is an entry bundle of 256 entries of 4 KiB.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;

/// LIMIT: blocks of all files of one import: their places take 16 bytes each while it runs. About
/// 5 GB of objects; larger holdings travel in parts, imported one after the other.
pub const BLOCKS_MAX: usize = 4 << 20;

/// LIMIT: files of one import.
pub const FILES_MAX: usize = 256;

/// LIMIT: logs that one file may speak of, counted with repetitions.
pub const LOG_PARTS_MAX: usize = log::manifest::LOGS_MAX;

/// LIMIT: checkpoints of one log that one import follows, oldest first.
pub const CHECKPOINTS_MAX: usize = 64;

/// LIMIT: objects that one file shows to be withdrawn: 32 bytes each while it is imported.
pub const GONE_MAX: usize = 1 << 20;

/// LIMIT: bytes of a receipt: a checkpoint and a few cosignatures.
pub const RECEIPT_BYTES_MAX: usize = 64 << 10;

/// LIMIT: the smallest part that a file is split into; less holds no bundle worth the frame.
pub const PART_BYTES_MIN: u64 = 256 << 10;

/// LIMIT: blocks that one written file has, so that it can be imported in one go.
pub const PACKED_BLOCKS_MAX: usize = BLOCKS_MAX / 2;
