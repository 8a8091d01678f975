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

/// LIMIT: characters of a user name.
pub(super) const NAME_CHARS_MAX: usize = 64;

/// LIMIT: bytes of a password; shorter ones fall to guessing.
pub(super) const PASSWORD_BYTES_MIN: usize = 8;

/// LIMIT: bytes of a password; longer ones only cost time and room in the header.
pub(super) const PASSWORD_BYTES_MAX: usize = 256;

/// LIMIT: collections a user can be restricted to; above it a restriction is not one any more.
pub(super) const COLLECTIONS_MAX: usize = 256;

// The longest name and password, a colon and base64's third more must fit beside "Basic ".
const _: () = assert!((NAME_CHARS_MAX + 1 + PASSWORD_BYTES_MAX) * 4 / 3 + 16 <= HEADER_BYTES_MAX);

/// LIMIT: passkeys of one user: some devices and spares; each is offered to the browser at sign-in.
pub(super) const PASSKEYS_EACH_MAX: usize = 16;

/// LIMIT: characters of a passkey's name.
pub(super) const PASSKEY_NAME_CHARS_MAX: usize = 64;

/// LIMIT: seconds in which a passkey or a single sign-on must answer; what browsers allow by
/// themselves.
pub(super) const CHALLENGE_SECS_MAX: i64 = 300;

/// LIMIT: challenges open at once, about a kilobyte each; past it the oldest is dropped.
pub(super) const CHALLENGES_MAX: usize = 1024;

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
