//! The bounds of the command line tool, each with its reason.

use std::time::Duration;

/// LIMIT: bytes of one input file after decompression. The largest public STIX release (ATT&CK
/// for Enterprise) is about 50 MB; a file is held whole in memory while it is split.
pub(crate) const INPUT_BYTES_MAX: u64 = 1 << 30;

/// LIMIT: objects that one call of the admin API adds. Large enough that the group commit is
/// paid seldom, small enough that the progress bar moves and a refusal is seen early.
pub(crate) const ADD_OBJECTS_MAX: usize = 500;

/// LIMIT: bytes of objects that one call of the admin API adds; well below the node's body bound.
pub(crate) const ADD_BYTES_MAX: usize = 4 << 20;

/// LIMIT: bytes of one answer of a node that the tool holds. A page of 1,000 objects of the
/// largest permitted size would be larger, but no node makes such a page.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 << 20;

/// LIMIT: files that `add DIR` or `verify DIR` visits, so that `/` as an argument ends.
pub(crate) const FILES_MAX: usize = 2_000_000;

/// LIMIT: nesting of folders that `add DIR` and `verify DIR` follow.
pub(crate) const FOLDER_DEPTH_MAX: usize = 32;

/// LIMIT: how long one request to a node may take. An admin call may wait for a large commit.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);

/// LIMIT: how long a child process of `demo` or `bench` may take from its start until it answers.
pub(crate) const START_TIME_MAX: Duration = Duration::from_secs(20);

/// LIMIT: how long a child process may take to stop when asked, before it is killed.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// LIMIT: how long `demo` waits for something that replication should bring in well under a second.
pub(crate) const SETTLE_TIME_MAX: Duration = Duration::from_secs(20);

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL_TIME: Duration = Duration::from_millis(5);

/// LIMIT: problems that `verify` lists before it only counts.
pub(crate) const FINDINGS_MAX: usize = 1_000;
