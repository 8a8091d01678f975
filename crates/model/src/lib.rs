//! STIX 2.1 objects from untrusted bytes: canonical form, hash, identity, versions and labels.
//!
//! Pure: bytes in, values out; no clock, no randomness, no I/O. Values that exist are already
//! correct: an `Object` is canonical (RFC 8785) and within limits, an `Id` is well formed, a
//! `Timestamp` is an exact instant. What is refused carries an RFC 6901 pointer and a typed reason:
//!
//! - bytes that are not UTF-8 or not JSON; a member name given twice; half surrogate pairs;
//! - numbers that a double would change (the exact rule is in `json/number.rs`);
//! - more than `DEPTH_MAX` levels, more than `OBJECT_BYTES_MAX` bytes in canonical form;
//! - malformed identifiers, types and timestamps; `type` other than the id's; `modified` before
//!   `created`; missing `created` or `modified` where STIX requires them.
//!
//! Everything else about an object is kept and not judged. Who may see it is `Label`; the decision
//! to send it anywhere is made in `policy`.

#![forbid(unsafe_code)]

mod bundle;
mod class;
mod hash;
mod id;
mod json;
mod label;
mod limits;
mod marking;
mod member;
pub mod misp;
pub mod nato;
mod object;
mod person;
mod refusal;
pub mod request;
mod time;
pub mod validate;
mod version;

pub use bundle::bundle;
pub use class::Class;
pub use hash::{Hash, HashError};
pub use id::{Id, IdError};
pub use json::{canonicalise, is_canonical};
pub use label::{
    CAVEAT_NO_ONWARD, CAVEAT_ORCON, Groups, Label, LabelError, PURPOSE_NONE, Pap, PapError,
    PartialLabel, Releasable, Tlp, TlpError, container_label, is_group_name, is_member_code,
};
pub use limits::*;
pub use marking::{
    EXTENSION_MARKING, MarkingMeaning, label_of, marking_object, tlp_marking, tlp_of_marking,
};
pub use member::{member_identity, member_identity_id};
pub use object::Object;
pub use person::about_person;
pub use refusal::{NumberFault, Reason, Refusal};
pub use time::{Timestamp, TimestampError};
pub use version::{Succession, succession};
