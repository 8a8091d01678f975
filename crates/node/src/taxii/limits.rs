//! Bounds of the TAXII surface.

/// LIMIT: objects in one page, and what a client gets that names no limit. Some 1.3 MB of typical
/// objects: enough that the fixed cost of a request vanishes, small enough to hold several.
pub(super) const PAGE_OBJECTS_DEFAULT: usize = 1_000;

/// LIMIT: objects in one page however many a client asks for; more gain nothing per object.
pub(super) const PAGE_OBJECTS_MAX: usize = 5_000;

/// LIMIT: bytes of objects in one page, unless its first objects alone are larger; objects may have
/// 1 MiB each, and a page is assembled in memory.
pub(super) const PAGE_BYTES_MAX: usize = 16 << 20;

/// LIMIT: objects read between two looks at PAGE_BYTES_MAX.
pub(super) const PAGE_STEP_OBJECTS: usize = 128;

/// LIMIT: times that a page is gathered while objects on it are being withdrawn. Withdrawals come
/// singly, so the second time is the last in practice.
pub(super) const PAGE_ATTEMPTS_MAX: usize = 3;

/// LIMIT: pages being assembled at once, so that memory does not grow with the clients.
pub(super) const PAGES_AT_ONCE: usize = 8;

/// LIMIT: of them, pages of chosen versions (`first`, dates) of whole collections: they cost what
/// they pass over, and must not hold up the others.
pub(super) const CHOSEN_PAGES_AT_ONCE: usize = 2;

/// LIMIT: objects whose earliest and latest versions are remembered while such a page is made.
pub(super) const ENDS_KNOWN_MAX: usize = 100_000;

/// LIMIT: bytes of a query string; some five hundred ids. The listener takes 32 KiB of request line
/// and headers together.
pub(super) const QUERY_BYTES_MAX: usize = 24 << 10;

/// LIMIT: values of one `match` parameter.
pub(super) const MATCH_VALUES_MAX: usize = 1_000;

/// LIMIT: bytes of a request body: TAXII's `max_content_length`. Some 12,000 typical objects.
pub(super) const CONTENT_BYTES_MAX: usize = 16 << 20;

/// LIMIT: bytes of request bodies in memory at once, over all clients.
pub(super) const CONTENT_BYTES_HELD_MAX: usize = 4 * CONTENT_BYTES_MAX;

/// LIMIT: bytes of a refused body that are read and thrown away so that its sender hears why.
pub(super) const DRAINED_BYTES_MAX: usize = 2 * CONTENT_BYTES_MAX;

/// LIMIT: seconds that this may take.
pub(super) const DRAINED_SECS_MAX: u64 = 5;

/// LIMIT: the window of a zstd body, as a power of two: the 8 MiB that RFC 9659 sets for content
/// codings. A decoder holds that much, so it is counted among the bodies in memory.
pub(super) const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// LIMIT: members of a gzip body. Tools that pack in blocks (bgzip) make one for each 64 KiB, some
/// 250 for the largest body; an empty one has twenty bytes.
pub(super) const GZIP_MEMBERS_MAX: usize = 1_024;

/// LIMIT: bytes of a packed body that are gathered before they are unpacked on a thread of their
/// own; a change of threads costs some microseconds, as much as unpacking a few kilobytes.
pub(super) const PACKED_STEP_BYTES: usize = 64 << 10;

/// LIMIT: bytes of finished pages that are kept: some thirty of 1,000 objects as they are, or some
/// hundred compressed.
pub(super) const KEPT_BYTES_MAX: usize = 32 << 20;

/// LIMIT: questions whose pages are known without asking the index.
pub(super) const KEPT_QUESTIONS_MAX: usize = 4_096;

/// LIMIT: bytes of a page below which compressing it gains nothing.
pub(super) const PACKED_BODY_BYTES_MIN: usize = 1_024;

/// LIMIT: seconds without a byte after which a request body is given up.
pub(super) const CONTENT_SILENT_SECS_MAX: u64 = 30;

/// LIMIT: objects of one envelope that can fail one by one; beyond it the envelope as a whole is
/// refused, since whoever sent it has a general problem and a status resource must stay small.
pub(super) const FAILURES_MAX: usize = 1_000;

/// LIMIT: status resources with failures that are kept, oldest given up first. Ones without
/// failures need no keeping.
pub(super) const STATUSES_MAX: usize = 10_000;

/// LIMIT: bytes of kept status resources.
pub(super) const STATUS_BYTES_MAX: usize = 16 << 20;

/// LIMIT: how long a status resource with failures is kept; the standard asks for 24 hours.
pub(super) const STATUS_SECS_MAX: i64 = 7 * 86_400;

/// LIMIT: characters of an id or a message in a status resource.
pub(super) const STATUS_TEXT_CHARS_MAX: usize = 300;

const _: () = assert!(PAGE_OBJECTS_DEFAULT <= PAGE_OBJECTS_MAX);
const _: () = assert!(CONTENT_BYTES_MAX <= CONTENT_BYTES_HELD_MAX);
// The number of objects in an envelope must fit the 20 bits that a status id has for it; no STIX
// object is shorter than 16 bytes.
const _: () = assert!(CONTENT_BYTES_MAX / 16 <= 1 << 20);
