//! The reader of canonical JSON: one pass, no allocation, typed fields picked on the way.
//!
//! It accepts exactly RFC 8785 output: no white space, member names strictly ascending by UTF-16
//! code units (so duplicates cannot occur), minimal escapes, ECMAScript numbers. At the first byte
//! that is anything else, be it merely uncanonical or broken, it stops with `NotCanonical` and
//! leaves the judgement to `rebuild`. Refusals come only from the visitor, that is, from meaning.
//!
//! Callers have checked the input as UTF-8.

use super::{number, text};
use crate::limits::DEPTH_MAX;
use crate::refusal::{Fault, Reason};

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The bytes are not the canonical form of anything.
    NotCanonical,
    /// The visitor refused a value.
    Refused(Box<Fault>),
}

/// Where a value stands: enough to recognise a property without a path.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Open brackets around the value: 0 for the document itself, 1 for its members.
    pub(crate) depth: usize,
    /// Raw name of the member of the outermost object that the value is or stands in.
    pub(crate) top: &'a [u8],
    /// Raw name of the nearest member that the value is or stands in.
    pub(crate) key: &'a [u8],
    /// Whether an array is the nearest bracket.
    pub(crate) listed: bool,
}

/// A value as the visitor sees it, before its content when it has any.
#[derive(Clone, Copy)]
pub(crate) enum Leaf<'a> {
    /// A string: the raw content between its quotes.
    Text(&'a [u8]),
    /// `true` or `false`.
    Flag(bool),
    /// A number, `null`.
    Other,
    /// An array begins.
    Array,
    /// An object begins.
    Object,
}

/// Sees every value in document order.
pub(crate) trait Visit<'a> {
    /// Refuses the value at `place`, or keeps of it what it needs.
    fn visit(&mut self, place: &Place<'a>, leaf: Leaf<'a>) -> Result<(), Reason>;
}

/// A visitor that needs nothing.
pub(crate) struct Nothing;

impl Visit<'_> for Nothing {
    #[inline]
    fn visit(&mut self, _: &Place<'_>, _: Leaf<'_>) -> Result<(), Reason> {
        Ok(())
    }
}

/// Reads a whole document.
pub(crate) fn whole<'a>(bytes: &'a [u8], visitor: &mut impl Visit<'a>) -> Result<(), Stop> {
    if prefix(bytes, visitor)? == bytes.len() {
        Ok(())
    } else {
        Err(Stop::NotCanonical)
    }
}

/// Reads one value at the start of `bytes` and returns its length.
pub(crate) fn prefix<'a>(bytes: &'a [u8], visitor: &mut impl Visit<'a>) -> Result<usize, Stop> {
    let mut reader = Reader {
        bytes,
        at: 0,
        visitor,
    };
    reader.value(Place {
        depth: 0,
        top: b"",
        key: b"",
        listed: false,
    })?;
    Ok(reader.at)
}

struct Reader<'a, 'v, V> {
    bytes: &'a [u8],
    at: usize,
    visitor: &'v mut V,
}

impl<'a, V: Visit<'a>> Reader<'a, '_, V> {
    fn value(&mut self, place: Place<'a>) -> Result<(), Stop> {
        match self.bytes.get(self.at) {
            Some(b'"') => {
                let raw = self.string()?;
                self.visit(&place, Leaf::Text(raw))
            }
            Some(b'{') => {
                self.visit(&place, Leaf::Object)?;
                self.object(&place)
            }
            Some(b'[') => {
                self.visit(&place, Leaf::Array)?;
                self.array(&place)
            }
            Some(b't') => {
                self.word(b"true")?;
                self.visit(&place, Leaf::Flag(true))
            }
            Some(b'f') => {
                self.word(b"false")?;
                self.visit(&place, Leaf::Flag(false))
            }
            Some(b'n') => {
                self.word(b"null")?;
                self.visit(&place, Leaf::Other)
            }
            Some(_) => {
                self.number()?;
                self.visit(&place, Leaf::Other)
            }
            None => Err(Stop::NotCanonical),
        }
    }

    fn object(&mut self, place: &Place<'a>) -> Result<(), Stop> {
        if place.depth == DEPTH_MAX {
            return Err(Stop::NotCanonical);
        }
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        let mut previous: Option<&'a [u8]> = None;
        loop {
            let key = self.string()?;
            if previous.is_some_and(|previous| text::compare_names(previous, key).is_ge()) {
                return Err(Stop::NotCanonical);
            }
            previous = Some(key);
            self.need(b':')?;
            let top = if place.depth == 0 { key } else { place.top };
            let within = self.value(Place {
                depth: place.depth + 1,
                top,
                key,
                listed: false,
            });
            if let Err(mut stop) = within {
                if let Stop::Refused(fault) = &mut stop {
                    fault.within_key(&text::decode(key));
                }
                return Err(stop);
            }
            if !self.take(b',') {
                return self.need(b'}');
            }
        }
    }

    fn array(&mut self, place: &Place<'a>) -> Result<(), Stop> {
        if place.depth == DEPTH_MAX {
            return Err(Stop::NotCanonical);
        }
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        let mut index = 0;
        loop {
            let within = self.value(Place {
                depth: place.depth + 1,
                listed: true,
                ..*place
            });
            if let Err(mut stop) = within {
                if let Stop::Refused(fault) = &mut stop {
                    fault.within_index(index);
                }
                return Err(stop);
            }
            if !self.take(b',') {
                return self.need(b']');
            }
            index += 1;
        }
    }

    #[inline]
    fn visit(&mut self, place: &Place<'a>, leaf: Leaf<'a>) -> Result<(), Stop> {
        self.visitor
            .visit(place, leaf)
            .map_err(|reason| Stop::Refused(Fault::new(reason)))
    }

    /// Reads a string and returns its raw content.
    #[inline]
    fn string(&mut self) -> Result<&'a [u8], Stop> {
        self.need(b'"')?;
        let start = self.at;
        loop {
            self.at = text::plain_end(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                Some(b'\\') => match text::canonical_escape(&self.bytes[self.at..]) {
                    Some(length) => self.at += length,
                    None => return Err(Stop::NotCanonical),
                },
                _ => return Err(Stop::NotCanonical),
            }
        }
    }

    fn number(&mut self) -> Result<(), Stop> {
        let rest = &self.bytes[self.at..];
        let length = number::scan(rest).map_err(|_| Stop::NotCanonical)?;
        if !number::is_canonical(&rest[..length]) {
            return Err(Stop::NotCanonical);
        }
        self.at += length;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Stop> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Stop::NotCanonical);
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    #[inline]
    fn need(&mut self, byte: u8) -> Result<(), Stop> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Stop::NotCanonical)
        }
    }
}
