//! Accords, and the rule that decides what may enter a channel.
//!
//! An accord is a text that members sign. This crate reads and writes that text, counts which
//! members have ratified it, says which channels are therefore in force, and holds the one
//! function that every release and every received entry must pass: [`releasable`].
//!
//! INVARIANT (I1): nothing is permitted by [`Authority::decide`] and nothing is admitted by
//! [`admissible`] unless [`releasable`] has said yes. A nation's own policy can only refuse, delay
//! or redact more, because it sits behind that function and never in front of it.
//!
//! The crate is pure: it takes bytes and a `now` and returns values. Fetching accords, storing
//! them and choosing whom to believe about the time is left to the node.

mod accord;
mod admit;
pub mod authority;
mod bounds;
mod check;
mod compare;
mod equivalence;
mod error;
mod fault;
mod keys;
mod limits;
mod lint;
mod notice;
mod outgoing;
mod release;
mod set;
mod signed;
mod text;

pub use accord::{
    Accord, Attribution, Channel, Delegate, Group, Hide, Kinds, Member, Obligations, Role, Transfer,
};
pub use admit::admissible;
pub use authority::{Authority, Duty, NoDuty};
pub use bounds::ReleaseMode;
pub use compare::{Difference, Effect, compare};
pub use equivalence::Equivalence;
pub use error::AccordError;
pub use fault::PolicyError;
pub use keys::{
    Fate, Former, KEYS_FORMAT, KeyRole, KeyStatement, KeysError, NodeKey, NodeKeys, SignedKeys,
    Stand,
};
pub use limits::{
    ACCORD_BYTES_MAX, AHEAD_SECS_MAX, CHANNELS_MAX, DOMAIN_CHARS_MAX, EQUIVALENCE_BYTES_MAX,
    EQUIVALENCES_MAX, FORMER_KEYS_MAX, GROUPS_MAX, HIDE_MINUTES_MAX, HIDE_PAD_BYTES_MAX,
    KEY_STATEMENT_BYTES_MAX, KINDS_MAX, MEMBERS_MAX, NAME_CHARS_MAX, NOTE_BYTES_MAX,
    NOTICE_BYTES_MAX, NOTICE_REASON_CHARS_MAX, PURPOSES_MAX, RETENTION_DAYS_MAX, STANDS_MAX,
    TITLE_CHARS_MAX, URL_CHARS_MAX,
};
pub use lint::{Surprise, lint};
pub use notice::{Act, NOTICE_FORMAT, Notice, NoticeError, Notices, SignedNotice};
pub use outgoing::{
    Change, DiffLine, EXTENSION_PADDING, Finding, FindingKind, LeakRules, Names, Profile, Profiles,
    RedactError, Redacted, RefState, Scrub, ScrubError, derived_id, diff, leaks, redact, rest_id,
    round_down, scrub,
};
pub use release::{InForce, Subject, Withheld, releasable};
pub use set::{Manifest, PolicySet, SetError, SignedPolicy};
pub use signed::SignedAccord;
