//! What an object looks like when it leaves: redaction, non-attribution, the leak check, the diff.
//!
//! Everything here comes after the hard rule and the national policy have said yes, and works on
//! one object at a time:
//!
//! - [`redact`] applies the redaction profiles that the policy demands;
//! - [`scrub`] makes what one source released look like what any other did (I7);
//! - [`leaks`] looks over the exact bytes that would leave and says what should not be in them;
//! - [`diff`] shows an approver what became of the original.
//!
//! INVARIANT: the result is always a valid `Object`, or an error with the place; a value that a
//! rule cannot change without saying something false stops the release instead of passing as it is.

mod addresses;
mod allowed;
mod decode;
mod diff;
mod edit;
mod fold;
mod generalise;
mod leak;
mod leak_rules;
mod metadata;
mod path;
mod profile;
mod redact;
mod required;
mod run;
mod scrub;
mod stix_pattern;

use hmac::{Hmac, KeyInit, Mac};
use model::{Id, Timestamp};
use sha2::Sha256;

pub use allowed::EXTENSION_PADDING;
pub use diff::{DiffLine, diff};
pub use generalise::round_down;
pub use leak::{Finding, FindingKind, RefState, leaks};
pub use leak_rules::LeakRules;
pub use profile::{Profile, Profiles};
pub use redact::{Change, RedactError, Redacted, redact, rest_id};
pub use scrub::{Scrub, ScrubError, scrub};

/// How original objects are called outside. The node keeps the private link behind it.
pub trait Names {
    /// The id under which a referenced object is known outside: its released form's, or its own
    /// when it was released as it is or is public knowledge. `None`: it was not released there.
    fn outgoing(&self, id: &Id) -> Option<Id>;

    /// The id of the outgoing form of an object, see [`derived_id`]: the same for every revision.
    /// The id of a form stays what it is, so that a form can be redacted or scrubbed again.
    fn derive(&self, id: &Id) -> Id;

    /// The `modified` of the newest form of this object that was released from an *earlier*
    /// revision of it. Forms of later revisions get a later one, however coarse times become.
    fn previous(&self, id: &Id) -> Option<Timestamp> {
        let _ = id;
        None
    }
}

/// The id of the outgoing form of `id`: HMAC-SHA-256 over the context and the id, written as a
/// random (version 4) UUID, the type name kept. Without the key nobody can tell whether two ids
/// belong together; `context` keeps the forms of different uses (profile sets, channels) apart.
pub fn derived_id(key: &[u8; 32], context: &str, id: &Id) -> Id {
    // A key shorter than the hash's block is filled with zeros (RFC 2104, section 2).
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(&(context.len() as u64).to_be_bytes());
    mac.update(context.as_bytes());
    mac.update(id.as_str().as_bytes());
    let tag = mac.finalize().into_bytes();
    let mut uuid = [0u8; 16];
    uuid.copy_from_slice(&tag[..16]);
    let uuid = uuid::Builder::from_random_bytes(uuid).into_uuid();
    // The type name is that of an id that exists, so it is well formed.
    Id::from_parts(id.type_name(), uuid.into_bytes()).unwrap_or_else(|_| id.clone())
}
