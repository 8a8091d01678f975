//! Why bytes were refused, and where in them.
//!
//! Every way in which this crate says no to outside data is one `Refusal`: an RFC 6901 pointer to
//! the value at fault and a typed reason. The text never repeats the data itself, so it can be
//! logged and shown to the sender. The pointer is built only when something is refused: each open
//! bracket adds its own step while the readers return.

use std::fmt;

use crate::id::IdError;
use crate::limits::{DEPTH_MAX, FRACTION_DIGITS_MAX, OBJECT_BYTES_MAX, WRAPPER_MEMBERS_MAX};
use crate::time::TimestampError;

/// Outside data that was not accepted: where the fault is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// RFC 6901 pointer to the value at fault in the document that was handed in; empty for the
    /// document as a whole. For a missing property it names the place where it should be.
    pub pointer: String,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with refused data.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The bytes are not UTF-8 from this offset on.
    Utf8 {
        /// Offset of the first bad byte in the bytes handed in.
        offset: usize,
    },
    /// Not JSON (RFC 8259).
    Syntax {
        /// Offset of the fault in the bytes handed in.
        offset: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// An object names a member twice.
    DuplicateKey,
    /// A string escapes half of a surrogate pair.
    LoneSurrogate,
    /// A number that a double cannot hold without changing it; see `json::number`.
    Number(NumberFault),
    /// More than `DEPTH_MAX` open brackets.
    TooDeep,
    /// The canonical form of one object is larger than `OBJECT_BYTES_MAX`.
    TooLarge,
    /// A JSON value of another kind is needed here.
    Kind {
        /// The kind that is needed, with its article.
        expected: &'static str,
    },
    /// The object lacks a property that its type must have.
    Missing,
    /// The identifier is malformed.
    Id(IdError),
    /// The object type name is malformed.
    TypeName,
    /// `type` is not the type named in `id`.
    TypeMismatch,
    /// The timestamp is malformed.
    Timestamp(TimestampError),
    /// `modified` is before `created`.
    ModifiedBeforeCreated,
    /// A version outside the years 1678 to 2262, which the index cannot hold.
    VersionOutOfRange,
    /// A `spec_version` other than 2.0 or 2.1.
    SpecVersion,
    /// A bundle where one object is needed.
    NestedBundle,
    /// The wrapper around `objects` turned out to be an object of another type.
    NotABundle,
    /// The wrapper around `objects` has more than `WRAPPER_MEMBERS_MAX` members.
    TooManyMembers,
}

/// How a number would change in IEEE-754 double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFault {
    /// Its magnitude is beyond the largest double.
    Overflow,
    /// An integer (or any number of 2^53 and more) that no double equals.
    Integer,
    /// A fraction with more digits than a double can hold, or too close to zero.
    Precision,
}

impl Refusal {
    /// The document as a whole is refused.
    pub(crate) fn whole(reason: Reason) -> Refusal {
        Refusal {
            pointer: String::new(),
            reason,
        }
    }

    /// A property of the outermost object is refused.
    pub(crate) fn property(name: &str, reason: Reason) -> Refusal {
        let mut fault = Fault::new(reason);
        fault.within_key(name);
        fault.into()
    }

    /// The same refusal seen from a document in which this one stands at `prefix`.
    pub(crate) fn under(mut self, prefix: &str, offset: usize) -> Refusal {
        self.pointer.insert_str(0, prefix);
        match &mut self.reason {
            Reason::Utf8 { offset: at } | Reason::Syntax { offset: at, .. } => *at += offset,
            _ => {}
        }
        self
    }

    /// Whether the fault leaves it unclear where the refused value ends.
    pub(crate) fn hides_the_end(&self) -> bool {
        matches!(self.reason, Reason::Utf8 { .. } | Reason::Syntax { .. })
    }
}

/// A refusal on its way out of a reader, collecting the steps of its pointer, innermost first.
#[derive(Debug)]
pub(crate) struct Fault {
    reason: Reason,
    steps: Vec<String>,
}

impl Fault {
    #[cold]
    pub(crate) fn new(reason: Reason) -> Box<Fault> {
        Box::new(Fault {
            reason,
            steps: Vec::new(),
        })
    }

    /// The fault is inside the member `key` (decoded).
    #[cold]
    pub(crate) fn within_key(&mut self, key: &str) {
        self.steps.push(key.replace('~', "~0").replace('/', "~1"));
    }

    /// The fault is inside the array element `index`.
    #[cold]
    pub(crate) fn within_index(&mut self, index: usize) {
        self.steps.push(index.to_string());
    }
}

impl From<Box<Fault>> for Refusal {
    fn from(fault: Box<Fault>) -> Refusal {
        let mut pointer = String::new();
        // Size is a fault of the whole, wherever the limit was crossed.
        let steps = if fault.reason == Reason::TooLarge {
            &[]
        } else {
            fault.steps.as_slice()
        };
        for step in steps.iter().rev() {
            pointer.push('/');
            pointer.push_str(step);
        }
        Refusal {
            pointer,
            reason: fault.reason,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "{}", self.reason)
        } else {
            write!(f, "{}: {}", self.pointer, self.reason)
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Utf8 { offset } => write!(f, "not UTF-8 at byte {offset}"),
            Reason::Syntax { offset, expected } => {
                write!(f, "not JSON at byte {offset}: {expected} expected")
            }
            Reason::DuplicateKey => f.write_str("the same member name occurs twice in one object"),
            Reason::LoneSurrogate => f.write_str("an escape names half of a surrogate pair"),
            Reason::Number(fault) => fault.fmt(f),
            Reason::TooDeep => write!(f, "nested deeper than {DEPTH_MAX} levels"),
            Reason::TooLarge => {
                write!(
                    f,
                    "the object is larger than {OBJECT_BYTES_MAX} bytes in canonical form"
                )
            }
            Reason::Kind { expected } => write!(f, "{expected} is needed here"),
            Reason::Missing => f.write_str("this property is required and missing"),
            Reason::Id(error) => error.fmt(f),
            Reason::TypeName => IdError::Type.fmt(f),
            Reason::TypeMismatch => f.write_str("the type differs from the one named in the id"),
            Reason::Timestamp(error) => error.fmt(f),
            Reason::ModifiedBeforeCreated => f.write_str("modified is before created"),
            Reason::VersionOutOfRange => {
                f.write_str("a version lies between the years 1678 and 2262")
            }
            Reason::SpecVersion => f.write_str("only STIX 2.1 and 2.0 objects are understood"),
            Reason::NestedBundle => {
                f.write_str("a bundle is not an object: send its objects themselves")
            }
            Reason::NotABundle => f.write_str(
                "objects stand in a bundle or an envelope; send a single object with id and type \
                 before its objects property, or in an array",
            ),
            Reason::TooManyMembers => {
                write!(
                    f,
                    "a bundle or envelope has at most {WRAPPER_MEMBERS_MAX} members"
                )
            }
        }
    }
}

impl fmt::Display for NumberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumberFault::Overflow => f.write_str("the number is beyond the range of a double"),
            NumberFault::Integer => {
                f.write_str("no double equals this integer: write it as a string, or round it")
            }
            NumberFault::Precision => write!(
                f,
                "a double cannot hold this fraction: use at most {FRACTION_DIGITS_MAX} digits"
            ),
        }
    }
}
