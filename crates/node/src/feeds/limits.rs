//! Every bound of feeds, each with its reason.

/// LIMIT: feeds of one node; each is a task, a setting and a line on every page.
pub(crate) const FEEDS_MAX: usize = 256;

/// LIMIT: characters of a feed's name.
pub(crate) const NAME_CHARS_MAX: usize = 40;

/// LIMIT: seconds between runs: often enough for anybody's server, and at least once a week.
pub(crate) const EVERY_SECS: std::ops::RangeInclusive<u64> = 10..=604_800;

/// LIMIT: feeds that run at one time.
pub(crate) const RUNS_MAX: usize = 4;

/// LIMIT: feeds that hold a whole file in memory at one time.
pub(crate) const WHOLE_FILES_MAX: usize = 1;

/// LIMIT: bytes of one TAXII page, which holds up to `PAGE_OBJECTS_MAX` objects.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 20;

/// LIMIT: bytes of one file or body, as sent and again when unpacked.
pub(crate) const FILE_BYTES_MAX: usize = 256 << 20;

/// LIMIT: bytes of what is no page: discovery, collections, status, errors.
pub(crate) const SMALL_BYTES_MAX: usize = 4 << 20;

/// Objects asked for in one page.
pub(crate) const PAGE_OBJECTS: u32 = 500;

/// LIMIT: objects asked for in one page where a smaller one does not get further.
pub(crate) const PAGE_OBJECTS_MAX: u32 = 8_000;

/// LIMIT: pages that bring the same again, in one run, before the server is taken to turn in a
/// circle.
pub(crate) const REPEATS_MAX: u32 = 3;

/// LIMIT: pages without objects that promise more, in a row.
pub(crate) const EMPTY_PAGES_MAX: u32 = 3;

/// LIMIT: times that a run begins anew because the server forgot where it was.
pub(crate) const RESTARTS_MAX: u32 = 3;

/// LIMIT: pages of one run; the next one goes on where it stopped.
pub(crate) const PAGES_MAX: u32 = 100_000;

/// Seconds before the last object's date from which a server is asked again: what it was still
/// writing then, or dates by the second, is not lost.
pub(crate) const OVERLAP_SECS: i64 = 60;

/// LIMIT: seconds by which a server's dates may be ahead of this node's clock.
pub(crate) const AHEAD_SECS_MAX: i64 = OVERLAP_SECS;

/// LIMIT: seconds to connect, with TLS.
pub(crate) const CONNECT_SECS_MAX: u64 = 20;

/// LIMIT: seconds for one answer with its whole body.
pub(crate) const ANSWER_SECS_MAX: u64 = 300;

/// LIMIT: seconds between two parts of an answer.
pub(crate) const IDLE_SECS_MAX: u64 = 30;

/// LIMIT: seconds of one run; the next one goes on where it stopped.
pub(crate) const RUN_SECS_MAX: u64 = 3_600;

/// LIMIT: redirections that are followed.
pub(crate) const REDIRECTS_MAX: usize = 3;

/// Seconds of the first pause after a failure; it doubles.
pub(crate) const BACKOFF_SECS_MIN: u64 = 30;

/// LIMIT: seconds of the longest pause of our own choice, unless the interval is longer.
pub(crate) const BACKOFF_SECS_MAX: u64 = 3_600;

/// LIMIT: seconds for which a server can tell us to stay away.
pub(crate) const RETRY_AFTER_SECS_MAX: u64 = 86_400;

/// LIMIT: refusals of one feed that are kept; older ones are counted.
pub(crate) const QUARANTINE_MAX: usize = 200;

/// LIMIT: bytes of a sentence from outside that is kept or shown.
pub(crate) const SAID_BYTES_MAX: usize = 300;

/// LIMIT: sentences about what is odd about a server.
pub(crate) const WARNINGS_MAX: usize = 8;

/// LIMIT: files of one folder; their marks are one setting.
pub(crate) const FOLDER_FILES_MAX: usize = 2_000;

/// Seconds for which a file must not have changed before it is read.
pub(crate) const SETTLED_SECS: i64 = 2;

/// LIMIT: bytes of a mapping of columns.
pub(crate) const MAPPING_BYTES_MAX: usize = 64 << 10;

/// LIMIT: rows of one table.
pub(crate) const ROWS_MAX: u64 = 5_000_000;

/// LIMIT: bytes of one value of a row; URLs are the longest.
pub(crate) const VALUE_BYTES_MAX: usize = 8_192;

/// LIMIT: objects of one request that pushes.
pub(crate) const PUSH_OBJECTS: usize = 100;

/// LIMIT: bytes of one request that pushes, where the server allows more.
pub(crate) const PUSH_BYTES_MAX: usize = 1 << 20;

/// LIMIT: entries of a log that one look at it takes.
pub(crate) const PUSH_ENTRIES: u64 = 256;

/// LIMIT: times that the server is asked whether it has finished with what was pushed.
pub(crate) const STATUS_ASKS_MAX: u32 = 20;

/// LIMIT: objects that could not be taken back and are listed; more are counted.
pub(crate) const UNRECALLED_MAX: usize = 200;

/// LIMIT: withdrawn objects that wait to be asked for; more are looked for when these are done.
pub(crate) const WAITING_MAX: usize = 1_000;

/// LIMIT: withdrawn objects in a row for which there is no answer at all, before the server counts
/// as away and the others wait for the next run.
pub(crate) const SILENCES_MAX: usize = 3;

/// LIMIT: bytes of a file with a secret.
pub(crate) const SECRET_BYTES_MAX: usize = 16 << 10;

/// LIMIT: collections of one server that are looked through.
pub(crate) const COLLECTIONS_MAX: usize = 5_000;

/// LIMIT: API roots of one server that are looked through.
pub(crate) const ROOTS_MAX: usize = 32;

const _: () = assert!(BACKOFF_SECS_MIN < BACKOFF_SECS_MAX);
const _: () = assert!(PAGE_OBJECTS < PAGE_OBJECTS_MAX);

/// LIMIT: single objects that a server which has taken nothing yet may refuse before that counts as
/// a failure of the server.
pub(crate) const DOUBTED_MAX: usize = 8;
