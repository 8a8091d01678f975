//! Bounds on what proving one's identity may cost.

/// LIMIT: password hashes being computed at once. Each takes 19 MiB and some 20 ms of one core, so
/// two keep a machine of two cores busy and cost at most 38 MiB however many clients guess.
pub(super) const HASHES_AT_ONCE: usize = 2;

/// LIMIT: requests waiting for their turn to have a password hashed; the next one is told to come
/// back later. At 20 ms a hash the last of them waits about a third of a second.
pub(super) const HASHES_WAITING_MAX: usize = 32;

/// LIMIT: how long a proof is remembered. Short, so that a node restored from a backup or a
/// changed clock cannot keep a stale proof alive for long; changes of users take effect at once.
pub(super) const PROOF_SECS_MAX: i64 = 300;

/// LIMIT: proofs remembered at once, far above the number of tools that one nation connects.
pub(super) const PROOFS_MAX: usize = 4096;

/// LIMIT: bytes of an Authorization header: room for the longest name and password in base64.
pub(super) const HEADER_BYTES_MAX: usize = 1024;

/// LIMIT: bytes of a request below `/auth`; the largest lists the collections of a token.
pub(super) const AUTH_BODY_BYTES_MAX: usize = 64 << 10;

/// LIMIT: characters of a user name.
pub(super) const NAME_CHARS_MAX: usize = 64;

/// LIMIT: bytes of a password; shorter ones fall to guessing.
pub(crate) const PASSWORD_BYTES_MIN: usize = 12;

/// LIMIT: different characters that a password must have; fewer are a pattern, not a password.
pub(super) const PASSWORD_DIFFERENT_MIN: usize = 5;

/// LIMIT: days that a password is good for decisions. Afterwards its owner changes it first; it
/// still reads and adds, so that no feed breaks overnight.
pub(super) const PASSWORD_DAYS_MAX: i64 = 365;

/// LIMIT: bytes of a password; longer ones only cost time and room in the header.
pub(super) const PASSWORD_BYTES_MAX: usize = 256;

/// LIMIT: collections a user can be restricted to; above it a restriction is not one any more.
pub(super) const COLLECTIONS_MAX: usize = 256;

/// LIMIT: days that a token lasts at most, unless its maker says in so many words that it does not
/// end.
pub(crate) const TOKEN_DAYS_MAX: u32 = 366;

/// Days that a token lasts where its maker does not say.
pub(super) const TOKEN_DAYS_DEFAULT: u32 = 90;

/// LIMIT: tokens of one user, far above the tools that one person connects.
pub(super) const TOKENS_MAX: usize = 64;

/// LIMIT: hours that a rotated token may stay good beside the new one; a tool is changed in a day.
pub(super) const GRACE_HOURS_MAX: u32 = 24 * 30;

/// Hours that it stays good where nobody says.
pub(super) const GRACE_HOURS_DEFAULT: u32 = 24;

/// LIMIT: characters of the note on a token.
pub(super) const NOTE_CHARS_MAX: usize = 64;

/// Seconds between notes of when a token or session was last used: often enough to judge by, seldom
/// enough not to write at every request.
pub(super) const USED_SECS: i64 = 60;

/// LIMIT: seconds without a request after which a session ends: a desk left alone closes itself.
pub(super) const SESSION_IDLE_SECS: i64 = 30 * 60;

/// LIMIT: seconds after which a session ends in any case: one working day.
pub(super) const SESSION_SECS_MAX: i64 = 12 * 3600;

/// LIMIT: sessions of one user; the oldest makes room for one more.
pub(super) const SESSIONS_MAX: usize = 16;

/// LIMIT: seconds between a right password and its one-time code.
pub(super) const TICKET_SECS_MAX: i64 = 300;

/// LIMIT: codes that are tried for one right password; then the password is asked again.
pub(super) const TICKET_TRIES_MAX: u32 = 10;

/// LIMIT: seconds between a new second factor and the code that puts it in force: time to set up an
/// app.
pub(super) const NEW_TOTP_SECS_MAX: i64 = 600;

/// LIMIT: wrong codes for a new second factor; then it is begun anew.
pub(super) const NEW_TOTP_TRIES_MAX: u32 = 5;

/// LIMIT: hours that an enrolment code is good: time to hand it over in person, and a weekend.
pub(super) const ENROLMENT_HOURS_MAX: u32 = 24 * 7;

/// Hours that it is good where nobody says.
pub(super) const ENROLMENT_HOURS_DEFAULT: u32 = 72;

/// Recovery codes that a second factor comes with.
pub(super) const RECOVERY_CODES: usize = 10;

/// Failures of one user from one place that cost nothing but the next try.
pub(super) const FAILURES_FREE: u32 = 5;

/// Seconds of the first pause after those; it doubles with every further failure.
pub(super) const PAUSE_SECS_MIN: i64 = 5;

/// LIMIT: seconds of the longest pause. No outsider can keep anybody out for longer at a stretch,
/// and from places where the person has signed in before not by failures elsewhere at all.
pub(super) const PAUSE_SECS_MAX: i64 = 900;

/// Failures of one user from places unknown for that user, after which such places get one attempt
/// in `PAUSE_UNKNOWN_SECS`: many places together guess no faster than that.
pub(super) const FAILURES_UNKNOWN: u32 = 100;

/// Seconds between attempts from unknown places then.
pub(super) const PAUSE_UNKNOWN_SECS: i64 = 60;

/// Failures from one place over all users before it must pause: far above what the people behind
/// one address mistype in an hour, far below trying one password on everybody.
pub(super) const FAILURES_PLACE: u32 = 50;

/// Seconds after which failures are forgotten.
pub(super) const FAILURES_SECS: i64 = 3600;

/// LIMIT: counters of failures kept at once; each takes some hundred bytes. To push one out takes
/// as many password hashes, ten minutes of the whole machine.
pub(super) const COUNTERS_MAX: usize = 65_536;

/// LIMIT: places remembered for a user as known.
pub(super) const KNOWN_PLACES_MAX: usize = 8;

// The longest name and password, a colon and base64's third more must fit beside "Basic ".
const _: () = assert!((NAME_CHARS_MAX + 1 + PASSWORD_BYTES_MAX) * 4 / 3 + 16 <= HEADER_BYTES_MAX);

/// LIMIT: passkeys of one user: some devices and spares; each is offered to the browser at sign-in.
pub(super) const PASSKEYS_EACH_MAX: usize = 16;

/// LIMIT: characters of a passkey's name.
pub(super) const PASSKEY_NAME_CHARS_MAX: usize = 64;

/// LIMIT: seconds in which a passkey or a single sign-on must answer; what browsers allow by
/// themselves.
pub(super) const CHALLENGE_SECS_MAX: i64 = 300;

/// LIMIT: of each sort (challenges, journeys to the provider, passwords whose code is awaited), how
/// many are open at once, about a kilobyte each; past it whoever has most loses their oldest. One
/// place alone may have them all: a whole ministry signs in from behind one address.
pub(super) const PENDING_MAX: usize = 4_096;

/// LIMIT: groups of one ID token that are looked at.
pub(super) const GROUPS_MAX: usize = 1024;

/// LIMIT: seconds for which what the single sign-on provider says about itself is believed.
pub(super) const PROVIDER_SECS_MAX: i64 = 3_600;

/// LIMIT: seconds between two questions to the provider about itself, whatever tokens come.
pub(super) const PROVIDER_SECS_MIN: i64 = 60;

/// LIMIT: bytes of one answer of the provider; key sets are a few kilobytes.
pub(super) const PROVIDER_BYTES_MAX: usize = 1 << 20;

/// LIMIT: seconds for one answer of the provider; a person is waiting.
pub(super) const PROVIDER_WAIT_SECS: u64 = 10;
