//! Every bound of this crate, each with its reason.
//!
//! An accord comes from other members, so its reader must know before parsing how much it is
//! willing to hold. The relations between the bounds are checked at compile time.

/// LIMIT: bytes of an accord's text. The largest accord that the other bounds allow (128 members
/// with an ML-DSA key each, 256 channels naming all of them) stays under it.
pub const ACCORD_BYTES_MAX: usize = 1 << 20;

/// LIMIT: bytes of a signed accord: the text and one signature line for each member, with room for
/// lines of keys that we do not know.
pub const NOTE_BYTES_MAX: usize = ACCORD_BYTES_MAX + (64 << 10);

/// LIMIT: bytes of a signed notice: names, a reason and one signature line are a quarter of it.
pub const NOTICE_BYTES_MAX: usize = 8 << 10;

/// LIMIT: characters of the reason in a notice: what fits in one sentence.
pub const NOTICE_REASON_CHARS_MAX: usize = 300;

/// LIMIT: members of one accord. Larger circles than any alliance of states needs, and small
/// enough that checking all signatures takes a few milliseconds.
pub const MEMBERS_MAX: usize = 128;

/// LIMIT: channels of one accord. Each channel costs every node one log for each member, so the
/// number of logs stays in the tens of thousands.
pub const CHANNELS_MAX: usize = 256;

/// LIMIT: groups of one accord; people choose among them when they write a label.
pub const GROUPS_MAX: usize = 64;

/// LIMIT: bytes of a key statement: the former keys, of which ML-DSA keys take about 2 KiB each, and
/// one line or three for each own log.
pub const KEY_STATEMENT_BYTES_MAX: usize = 192 << 10;

/// LIMIT: former keys that a statement lists. Yearly exchange of all four fills it in eight years;
/// the oldest retired ones are left out then.
pub const FORMER_KEYS_MAX: usize = 32;

/// LIMIT: logs whose standing a statement gives: every channel of one accord, or of several.
pub const STANDS_MAX: usize = CHANNELS_MAX;

/// LIMIT: minutes of rounding and of the release window of a channel that hides the source. After
/// a week, news is no news.
pub const HIDE_MINUTES_MAX: u32 = 10_080;

/// LIMIT: bytes to whose multiple bodies are padded: 64 KiB hides every usual object among the
/// others, and more would only fill disks.
pub const HIDE_PAD_BYTES_MAX: u32 = 65_536;

/// LIMIT: bytes of the equivalence table of a policy set: some thousand terms.
pub const EQUIVALENCE_BYTES_MAX: usize = 1 << 20;

/// LIMIT: terms of the equivalence table.
pub const EQUIVALENCES_MAX: usize = 16_384;

/// LIMIT: kinds that one channel or one release mode may list. STIX 2.1 defines about fifty
/// types; the rest is room for extension types.
pub const KINDS_MAX: usize = 128;

/// LIMIT: purposes in the use limits of an accord; people have to read and honour each one.
pub const PURPOSES_MAX: usize = 64;

/// LIMIT: characters of an accord, channel, purpose or kind name. They become parts of file paths
/// and URLs, where 255 bytes is the usual ceiling for one part.
pub const NAME_CHARS_MAX: usize = 64;

/// LIMIT: characters of a text that is only shown to people (a member's name, a channel's title).
pub const TITLE_CHARS_MAX: usize = 128;

/// LIMIT: characters of a member's domain. DNS itself ends at 253; a log's origin also carries the
/// accord's and the channel's name and must fit in a signature line that people can read.
pub const DOMAIN_CHARS_MAX: usize = 100;

/// LIMIT: characters of a member's URL: scheme, host and port only.
pub const URL_CHARS_MAX: usize = 120;

/// LIMIT: days of retention that can be written. A hundred years: more is certainly a slip.
pub const RETENTION_DAYS_MAX: u32 = 36_525;

/// LIMIT: seconds by which the time in a received entry may lie ahead of the receiver's clock. A
/// day forgives any wrong time zone and no invented date; a date far ahead would outlive the
/// channel's retention.
pub const AHEAD_SECS_MAX: i64 = 86_400;

const _: () = assert!(MEMBERS_MAX * 4_096 <= ACCORD_BYTES_MAX);
const _: () = assert!(CHANNELS_MAX * MEMBERS_MAX * 20 <= ACCORD_BYTES_MAX);
const _: () = assert!(GROUPS_MAX * MEMBERS_MAX * 20 <= ACCORD_BYTES_MAX / 4);
const _: () = assert!(NAME_CHARS_MAX == model::GROUP_PART_BYTES_MAX);
const _: () = assert!(MEMBERS_MAX * 256 <= NOTE_BYTES_MAX - ACCORD_BYTES_MAX);
// A reason may be all four-byte characters.
const _: () = assert!(4 * NOTICE_REASON_CHARS_MAX + 4 * NAME_CHARS_MAX <= NOTICE_BYTES_MAX / 2);
const _: () = assert!(NOTE_BYTES_MAX <= log::limits::NOTE_BYTES_MAX);
const _: () = assert!(MEMBERS_MAX <= log::limits::NOTE_SIGNATURES_MAX);
// An origin, `<domain>/<accord>/<channel>`, is a key name.
const _: () =
    assert!(DOMAIN_CHARS_MAX + 2 * (NAME_CHARS_MAX + 1) <= log::limits::KEY_NAME_BYTES_MAX);
const _: () = assert!(DOMAIN_CHARS_MAX + 8 + 6 <= URL_CHARS_MAX);
const _: () = assert!(FORMER_KEYS_MAX * 2_300 + STANDS_MAX * 400 <= KEY_STATEMENT_BYTES_MAX);
