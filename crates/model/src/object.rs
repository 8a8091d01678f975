//! One accepted STIX object.
//!
//! An `Object` that exists is canonical (RFC 8785), within the limits, and well formed as far as
//! the node relies on it: id, type, times, versions, markings and references. Everything else in
//! it, known or unknown, is kept byte for byte in the canonical form and not judged: STIX leaves
//! room for extensions, and a node is no validator of other people's vocabularies. What an object
//! means (its label, its place in a version history) is decided elsewhere from the parts below.
//!
//! Reading costs one pass for canonical bytes; see `json` for what happens to others.

use std::fmt;

use crate::class::{self, Class};
use crate::hash::Hash;
use crate::id::{self, Id};
use crate::json;
use crate::json::rebuild;
use crate::json::strict::{self, Leaf, Place, Stop, Visit};
use crate::limits::OBJECT_BYTES_MAX;
use crate::refusal::{Reason, Refusal};
use crate::time::{Timestamp, TimestampError};

/// One STIX object as this node holds and sends it: canonical bytes and what was read from them.
#[derive(Clone)]
pub struct Object {
    bytes: Box<[u8]>,
    hash: Hash,
    id: Id,
    class: Class,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    revoked: bool,
    created_by: Option<Id>,
    markings: Box<[Id]>,
    refs: Box<[Id]>,
}

impl Object {
    /// Reads one STIX object from the bytes of a JSON text.
    ///
    /// # Errors
    /// Everything that the crate's comment lists, with a pointer to the value at fault.
    pub fn parse(bytes: &[u8]) -> Result<Object, Refusal> {
        json::utf8(bytes)?;
        match Picks::read(window(bytes)) {
            Ok((picks, length)) if length == bytes.len() => picks.finish(bytes.into()),
            Err(Stop::Refused(fault)) => Err(fault.into()),
            Ok(_) | Err(Stop::NotCanonical) => {
                Object::from_rebuilt(rebuild::whole(bytes, OBJECT_BYTES_MAX)?)
            }
        }
    }

    /// Reads one STIX object from the start of `bytes`, which has been checked as UTF-8 and begins
    /// with the object's brace. The second value is the object's length, when it could be found.
    pub(crate) fn parse_prefix(bytes: &[u8]) -> (Result<Object, Refusal>, Option<usize>) {
        match Picks::read(window(bytes)) {
            Ok((picks, length)) => (picks.finish(bytes[..length].into()), Some(length)),
            Err(Stop::Refused(fault)) => (Err(fault.into()), None),
            Err(Stop::NotCanonical) => match rebuild::prefix(bytes, OBJECT_BYTES_MAX) {
                Ok((rebuilt, length)) => (Object::from_rebuilt(rebuilt), Some(length)),
                Err(fault) => (Err(fault.into()), None),
            },
        }
    }

    /// The second reading of rebuilt bytes.
    fn from_rebuilt(bytes: Vec<u8>) -> Result<Object, Refusal> {
        match Picks::read(&bytes) {
            Ok((picks, length)) => {
                // INVARIANT: what the rebuilding reader writes, the strict one accepts entirely.
                assert_eq!(
                    length,
                    bytes.len(),
                    "rebuilt bytes end where the strict reader ends"
                );
                let facts = picks.facts(bytes.len())?;
                Ok(facts.with_bytes(bytes.into_boxed_slice()))
            }
            Err(Stop::Refused(fault)) => Err(fault.into()),
            Err(Stop::NotCanonical) => unreachable!("rebuilt bytes are canonical"),
        }
    }

    /// The canonical bytes, leaving the rest behind.
    pub fn into_bytes(self) -> Box<[u8]> {
        self.bytes
    }

    /// The identifier.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The STIX type name, which is also the first part of the id.
    pub fn kind(&self) -> &str {
        self.id.type_name()
    }

    /// What the type name stands for.
    pub fn class(&self) -> Class {
        self.class
    }

    /// `created`, when there is one.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// `modified`, when there is one.
    pub fn modified(&self) -> Option<Timestamp> {
        self.modified
    }

    /// The instant that orders the versions of this object: `modified`, or `None` for cyber
    /// observables, markings and custom types without it. Fits 64-bit nanoseconds since 1970.
    pub fn version(&self) -> Option<Timestamp> {
        self.modified.filter(|_| self.class.has_versions())
    }

    /// Whether this version revokes the object.
    pub fn revoked(&self) -> bool {
        self.revoked
    }

    /// `valid_until`, when there is one.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// `created_by_ref`, when there is one.
    pub fn created_by(&self) -> Option<&Id> {
        self.created_by.as_ref()
    }

    /// Markings of the object and of any part of it (`object_marking_refs` and `marking_ref` of
    /// `granular_markings`), sorted, each once.
    pub fn marking_refs(&self) -> &[Id] {
        &self.markings
    }

    /// Every other identifier in a property named `*_ref` or `*_refs`, at the top or nested,
    /// sorted, each once. Nested values that are no identifiers are not listed.
    pub fn refs(&self) -> &[Id] {
        &self.refs
    }

    /// The canonical form (RFC 8785), at most `OBJECT_BYTES_MAX` bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of `bytes`.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Object({}, {:?}, {:?})",
            self.id,
            self.version(),
            self.hash
        )
    }
}

/// Objects are equal when their bytes are.
impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Object {}

/// What one pass over canonical bytes found, before it is judged as a whole.
#[derive(Default)]
struct Picks<'a> {
    type_name: Option<&'a [u8]>,
    id: Option<Id>,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    revoked: bool,
    created_by: Option<Id>,
    markings: Vec<Id>,
    refs: Vec<Id>,
    /// The first malformed timestamp of those that count for STIX's own types only.
    bad_time: Option<(&'a [u8], TimestampError)>,
}

impl<'a> Picks<'a> {
    /// Reads one object at the start of `bytes`; returns its length too.
    fn read(bytes: &'a [u8]) -> Result<(Picks<'a>, usize), Stop> {
        let mut picks = Picks::default();
        let length = strict::prefix(bytes, &mut picks)?;
        Ok((picks, length))
    }

    fn finish(self, bytes: Box<[u8]>) -> Result<Object, Refusal> {
        Ok(self.facts(bytes.len())?.with_bytes(bytes))
    }

    /// Judges what concerns more than one property.
    fn facts(self, length: usize) -> Result<Facts, Refusal> {
        if length > OBJECT_BYTES_MAX {
            return Err(Refusal::whole(Reason::TooLarge));
        }
        let type_name = self
            .type_name
            .ok_or_else(|| Refusal::property("type", Reason::Missing))?;
        if type_name == b"bundle" {
            return Err(Refusal::whole(Reason::NestedBundle));
        }
        let id = self
            .id
            .ok_or_else(|| Refusal::property("id", Reason::Missing))?;
        if id.type_name().as_bytes() != type_name {
            return Err(Refusal::property("type", Reason::TypeMismatch));
        }
        let class = Class::of(id.type_name());
        for (name, value) in [("created", self.created), ("modified", self.modified)] {
            if value.is_none() && class.needs_version() {
                return Err(Refusal::property(name, Reason::Missing));
            }
        }
        if let (Some(created), Some(modified)) = (self.created, self.modified)
            && modified < created
        {
            return Err(Refusal::property("modified", Reason::ModifiedBeforeCreated));
        }
        if class.has_versions() && self.modified.is_some_and(|modified| !modified.fits_index()) {
            return Err(Refusal::property("modified", Reason::VersionOutOfRange));
        }
        if let Some((name, error)) = self.bad_time
            && class != Class::Extension
        {
            let name = String::from_utf8_lossy(name);
            return Err(Refusal::property(&name, Reason::Timestamp(error)));
        }
        Ok(Facts {
            id,
            class,
            created: self.created,
            modified: self.modified,
            valid_until: self.valid_until,
            revoked: self.revoked,
            created_by: self.created_by,
            markings: sorted(self.markings),
            refs: sorted(self.refs),
        })
    }

    /// A property of the object itself.
    fn member(&mut self, name: &'a [u8], leaf: Leaf<'a>) -> Result<(), Reason> {
        match name {
            b"type" => {
                let text = string(leaf)?;
                id::check_type(text).map_err(|_| Reason::TypeName)?;
                self.type_name = Some(text);
            }
            b"id" => self.id = Some(identifier(leaf)?),
            b"spec_version" => {
                if !matches!(string(leaf)?, b"2.1" | b"2.0") {
                    return Err(Reason::SpecVersion);
                }
            }
            b"created" => self.created = Some(timestamp(leaf)?),
            b"modified" => self.modified = Some(timestamp(leaf)?),
            b"valid_until" => self.valid_until = Some(timestamp(leaf)?),
            b"revoked" => match leaf {
                Leaf::Flag(revoked) => self.revoked = revoked,
                _ => {
                    return Err(Reason::Kind {
                        expected: "true or false",
                    });
                }
            },
            b"created_by_ref" => {
                let id = identifier(leaf)?;
                self.refs.push(id.clone());
                self.created_by = Some(id);
            }
            b"granular_markings" => array(leaf)?,
            _ if name.ends_with(b"_ref") => {
                if class::is_reference(name) {
                    self.refs.push(identifier(leaf)?);
                } else {
                    self.maybe_reference(leaf);
                }
            }
            _ if name.ends_with(b"_refs") => {
                if class::is_reference_list(name) {
                    array(leaf)?;
                }
            }
            _ => {
                if let Leaf::Text(text) = leaf
                    && self.bad_time.is_none()
                    && class::is_timestamp(name)
                    && let Err(error) = parse_timestamp(text)
                {
                    self.bad_time = Some((name, error));
                }
            }
        }
        Ok(())
    }

    /// Anything deeper in the object.
    fn nested(&mut self, place: &Place<'a>, leaf: Leaf<'a>) -> Result<(), Reason> {
        let direct = place.depth == 2 && place.listed;
        match place.top {
            b"object_marking_refs" if direct => self.markings.push(identifier(leaf)?),
            b"granular_markings" if direct => match leaf {
                Leaf::Object => {}
                _ => {
                    return Err(Reason::Kind {
                        expected: "an object",
                    });
                }
            },
            b"granular_markings"
                if place.depth == 3 && !place.listed && place.key == b"marking_ref" =>
            {
                self.markings.push(identifier(leaf)?);
            }
            top if direct && top.ends_with(b"_refs") && class::is_reference_list(top) => {
                self.refs.push(identifier(leaf)?);
            }
            _ => {
                let name = place.key;
                if name.ends_with(b"_ref") || (place.listed && name.ends_with(b"_refs")) {
                    self.maybe_reference(leaf);
                }
            }
        }
        Ok(())
    }

    /// A property that STIX does not define but whose name says reference.
    fn maybe_reference(&mut self, leaf: Leaf<'a>) {
        if let Ok(id) = identifier(leaf) {
            self.refs.push(id);
        }
    }
}

impl<'a> Visit<'a> for Picks<'a> {
    #[inline]
    fn visit(&mut self, place: &Place<'a>, leaf: Leaf<'a>) -> Result<(), Reason> {
        match (place.depth, leaf) {
            (1, _) => self.member(place.key, leaf),
            (0, Leaf::Object) => Ok(()),
            (0, _) => Err(Reason::Kind {
                expected: "an object",
            }),
            _ => self.nested(place, leaf),
        }
    }
}

/// Everything about an object but its bytes.
struct Facts {
    id: Id,
    class: Class,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    revoked: bool,
    created_by: Option<Id>,
    markings: Box<[Id]>,
    refs: Box<[Id]>,
}

impl Facts {
    fn with_bytes(self, bytes: Box<[u8]>) -> Object {
        let Facts {
            id,
            class,
            created,
            modified,
            valid_until,
            revoked,
            created_by,
            markings,
            refs,
        } = self;
        let hash = Hash::of(&bytes);
        Object {
            bytes,
            hash,
            id,
            class,
            created,
            modified,
            valid_until,
            revoked,
            created_by,
            markings,
            refs,
        }
    }
}

/// As much as a canonical object may fill, and one byte more: what is larger looks unfinished to the
/// strict reader, and the rebuilding one says why. So neither keeps more than one object's worth.
fn window(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(OBJECT_BYTES_MAX + 1)]
}

fn sorted(mut ids: Vec<Id>) -> Box<[Id]> {
    ids.sort_unstable();
    ids.dedup();
    ids.into_boxed_slice()
}

fn string<'a>(leaf: Leaf<'a>) -> Result<&'a [u8], Reason> {
    match leaf {
        Leaf::Text(text) => Ok(text),
        _ => Err(Reason::Kind {
            expected: "a string",
        }),
    }
}

fn array(leaf: Leaf<'_>) -> Result<(), Reason> {
    match leaf {
        Leaf::Array => Ok(()),
        _ => Err(Reason::Kind {
            expected: "an array",
        }),
    }
}

/// Escapes never occur in identifiers, so the raw content is the text or malformed either way.
fn identifier(leaf: Leaf<'_>) -> Result<Id, Reason> {
    let text = std::str::from_utf8(string(leaf)?).unwrap_or_default();
    Id::parse(text).map_err(Reason::Id)
}

fn timestamp(leaf: Leaf<'_>) -> Result<Timestamp, Reason> {
    parse_timestamp(string(leaf)?).map_err(Reason::Timestamp)
}

fn parse_timestamp(raw: &[u8]) -> Result<Timestamp, TimestampError> {
    Timestamp::parse(std::str::from_utf8(raw).unwrap_or_default())
}

#[cfg(test)]
mod tests;
