//! The bounds of this crate, each with the reason for its number.
//!
//! Everything here bounds what *one object* from an untrusted sender can cost. How many objects a
//! request may carry, and how large a request may be, is decided by the servers above.

/// LIMIT: canonical bytes of one object. Two hundred times the size of a long indicator; it keeps a
/// bundle of 256 objects within memory that a small machine has, and it is the issue's own number.
/// Counted on the canonical form, so that white space cannot decide whether nodes agree.
pub const OBJECT_BYTES_MAX: usize = 1 << 20;

/// LIMIT: open brackets at any point of one object, the object's own brace included. STIX needs
/// about eight; 64 leaves room for extensions and lets the readers recurse on the normal stack.
pub const DEPTH_MAX: usize = 64;

/// LIMIT: length of a STIX object type name (STIX 2.1, section 3.1).
pub const TYPE_BYTES_MAX: usize = 250;

/// LIMIT: shortest STIX object type name (STIX 2.1, section 3.1).
pub const TYPE_BYTES_MIN: usize = 3;

/// LIMIT: significant digits of a fraction that is accepted although its decimal value is not what a
/// double holds: 17 digits name every double, so a writer that used more meant something else.
pub const FRACTION_DIGITS_MAX: usize = 17;

/// LIMIT: sub-second digits of a timestamp: what `Timestamp` can hold and compare exactly.
pub const SUBSECOND_DIGITS_MAX: usize = 9;

/// LIMIT: members of the object that wraps a bundle or envelope (STIX defines three, TAXII three).
/// They are few by definition, and checking them for duplicates compares each with each.
pub const WRAPPER_MEMBERS_MAX: usize = 64;

/// LIMIT: bytes of a label's text, and of all of it in an entry of a log (which holds 4 KiB).
pub const LABEL_BYTES_MAX: usize = 2048;

/// LIMIT: bytes of one caveat, purpose or legal basis: a keyword, not a sentence.
pub const LABEL_WORD_BYTES_MAX: usize = 64;

/// LIMIT: members that one request for information names: as many as an accord has.
pub const REQUEST_MEMBERS_MAX: usize = 128;

/// LIMIT: bytes of a request's subject: one line of a list.
pub const REQUEST_SUBJECT_BYTES_MAX: usize = 256;

/// LIMIT: bytes of a question's or an answer's text: a long letter. Data belongs in objects.
pub const REQUEST_TEXT_BYTES_MAX: usize = 16 << 10;

/// LIMIT: STIX types, and keywords, that a request names.
pub const REQUEST_WORDS_MAX: usize = 32;

/// LIMIT: objects that a request is about or an answer gives; more belong in a report or grouping.
pub const REQUEST_OBJECTS_MAX: usize = 256;

/// LIMIT: bytes of the accord's and of the group's part of a group name, as accords limit names.
pub const GROUP_PART_BYTES_MAX: usize = 64;

/// LIMIT: clauses over groups that the combination of a container's parts may keep. Labels of one
/// accord share a few groups; a container that needs more is withheld rather than compared for
/// hours.
pub const LABEL_CLAUSES_MAX: usize = 32;

/// LIMIT: MISP tags of one object; events carry some tens.
pub const MISP_TAGS_MAX: usize = 1024;

/// LIMIT: bytes of one MISP tag. MISP itself keeps 255 characters.
pub const MISP_TAG_BYTES_MAX: usize = 1024;

/// LIMIT: bytes of an ADatP-4774 label, or of a binding of a few. Real ones have one or two KiB.
pub const NATO_XML_BYTES_MAX: usize = 64 << 10;

/// LIMIT: levels of elements in such a document: a bound label needs nine.
pub const NATO_DEPTH_MAX: usize = 16;

/// LIMIT: elements in such a document.
pub const NATO_ELEMENTS_MAX: usize = 2048;

/// LIMIT: findings that validation lists for one object; the rest is counted. Nobody reads more.
pub const FINDINGS_MAX: usize = 64;

/// LIMIT: findings that validation lists for one text: some megabytes.
pub const REPORT_FINDINGS_MAX: usize = 10_000;

const _: () = assert!(DEPTH_MAX <= 128, "the readers recurse once per level");
const _: () = assert!(TYPE_BYTES_MIN < TYPE_BYTES_MAX);
