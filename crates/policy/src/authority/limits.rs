//! Every bound of the release authority, each with its reason.
//!
//! A policy set is written by the nation itself, but it may reach the node on a stick or by mail,
//! so its reader is bounded like every reader of bytes from outside.

/// LIMIT: rules of one policy set. Every rule is tried for every decision that is not memoised, at
/// about a microsecond each; people can hardly oversee more.
pub const RULES_MAX: usize = 256;

/// LIMIT: bytes of one rule. Far more than a rule that a person can read aloud.
pub const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// LIMIT: words and marks of one rule. The engine recurses over a chain of operators, a few hundred
/// bytes of stack for each; this keeps it within the stack of any thread.
pub const STATEMENT_TOKENS_MAX: usize = 1_000;

/// LIMIT: how deeply brackets may be nested in a rule, for the same reason.
pub const NESTING_MAX: usize = 12;

/// LIMIT: conditions of one rule that an explanation can tell apart.
pub const CLAUSES_MAX: usize = 64;

/// LIMIT: characters of a rule's id, and of a redaction profile's name.
pub const ID_CHARS_MAX: usize = 64;

/// LIMIT: characters of an explanation. It is shown in one line of a page or a terminal.
pub const WORDS_CHARS_MAX: usize = 300;

/// LIMIT: approvals that one rule may demand of one duty. A nation that needs more people than
/// this for one object has no node but a parliament.
pub const NEED_COUNT_MAX: u32 = 9;

/// LIMIT: redaction profiles that one rule may name.
pub const REDACT_MAX: usize = 8;

/// LIMIT: rules that a refusal shows as nearest to permitting. More is noise.
pub const NEAREST_MAX: usize = 3;

/// LIMIT: bytes of one file of a policy set. National lists of names and internal hosts are the
/// largest; a hundred thousand entries fit.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// LIMIT: files of a policy set.
pub const FILES_MAX: usize = 128;

/// LIMIT: bytes of a file's path inside the set.
pub const PATH_BYTES_MAX: usize = 100;

/// LIMIT: cases in one file of tests.
pub const CASES_MAX: usize = 10_000;

/// LIMIT: combinations of actor, time and request size that the memo keeps at once. One hour of
/// a node sees automation and a handful of people.
pub const LAYERS_MAX: usize = 32;

/// LIMIT: label classes that a memo's layer holds, the square of what any node has been seen with.
/// Beyond it decisions are made but not remembered.
pub const CLASSES_MAX: usize = 1 << 20;

/// LIMIT: channels that a memo's layer holds, all that one accord may define times four.
pub const CHANNELS_MAX: usize = 1 << 10;

const _: () = assert!(RULES_MAX <= u16::MAX as usize);
const _: () = assert!(FILES_MAX * (PATH_BYTES_MAX + 100) < log::limits::NOTE_BYTES_MAX / 2);
