//! Deterministic CBOR (RFC 8949 section 4.2), as much of it as entries and courier files use.
//!
//! A part of dag-cbor: maps with text keys, arrays, text, byte strings, unsigned integers, null and
//! links (tag 42 over a zero byte and a CID). One value
//! has one encoding: integers and lengths in their shortest form, definite lengths only, map keys
//! in the order length first, then bytes. The decoder refuses every other form, so that equal
//! meaning is equal bytes and an entry cannot be re-encoded into another leaf.

use crate::cid::Cid;

/// Major types in use.
const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The tag of a link.
const LINK: u64 = 42;
/// The one simple value in use.
const NULL: u8 = 0xf6;

/// Writes values one after the other.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn map(&mut self, pairs: usize) {
        self.head(MAP, pairs);
    }

    pub(crate) fn array(&mut self, items: usize) {
        self.head(ARRAY, items);
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.number(UNSIGNED, value);
    }

    pub(crate) fn link(&mut self, cid: &Cid) {
        self.number(TAG, LINK);
        let mut bytes = vec![0];
        bytes.extend_from_slice(&cid.to_bytes());
        self.bytes(&bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn null(&mut self) {
        self.0.push(NULL);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, value: usize) {
        self.number(major, value as u64);
    }

    fn number(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..24 => self.0.push(major | value as u8),
            24..0x100 => self.0.extend([major | 24, value as u8]),
            0x100..0x1_0000 => {
                self.0.push(major | 25);
                self.0.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major | 26);
                self.0.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend(value.to_be_bytes());
            }
        }
    }
}

/// Reads values one after the other, strictly.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Number of pairs of the map that comes next.
    pub(crate) fn map(&mut self) -> Result<u64, Fault> {
        self.head(MAP)
    }

    /// Number of items of the array that comes next.
    pub(crate) fn array(&mut self) -> Result<u64, Fault> {
        self.head(ARRAY)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Fault> {
        self.head(UNSIGNED)
    }

    pub(crate) fn link(&mut self) -> Result<Cid, Fault> {
        if self.head(TAG)? != LINK {
            return Err(Fault::Type);
        }
        let cid = self.bytes()?.strip_prefix(&[0]).ok_or(Fault::Type)?;
        Cid::from_bytes(cid).ok_or(Fault::Type)
    }

    /// A link, or `None` for null.
    pub(crate) fn link_or_null(&mut self) -> Result<Option<Cid>, Fault> {
        match self.0.split_first() {
            Some((&NULL, rest)) => {
                self.0 = rest;
                Ok(None)
            }
            _ => self.link().map(Some),
        }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.head(TEXT)?;
        std::str::from_utf8(self.take(bytes)?).map_err(|_| Fault::Utf8)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let bytes = self.head(BYTES)?;
        self.take(bytes)
    }

    /// Text, or `None` for null.
    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'a str>, Fault> {
        match self.0.split_first() {
            Some((&NULL, rest)) => {
                self.0 = rest;
                Ok(None)
            }
            _ => self.text().map(Some),
        }
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Fault::Trailing)
        }
    }

    fn head(&mut self, major: u8) -> Result<u64, Fault> {
        let first = self.take(1)?[0];
        if first >> 5 != major {
            return Err(Fault::Type);
        }
        let (value, least) = match first & 0x1f {
            short @ 0..24 => return Ok(u64::from(short)),
            24 => (u64::from(self.take(1)?[0]), 24),
            25 => (self.big_endian(2)?, 0x100),
            26 => (self.big_endian(4)?, 0x1_0000),
            27 => (self.big_endian(8)?, 0x1_0000_0000),
            31 => return Err(Fault::Indefinite),
            _ => return Err(Fault::Type),
        };
        if value < least {
            Err(Fault::NotShortest)
        } else {
            Ok(value)
        }
    }

    fn big_endian(&mut self, bytes: u64) -> Result<u64, Fault> {
        Ok(self
            .take(bytes)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8], Fault> {
        let bytes = usize::try_from(bytes).map_err(|_| Fault::Cut)?;
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Fault::Cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// What is wrong with an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    Trailing,
    Type,
    NotShortest,
    Indefinite,
    Utf8,
}

impl Fault {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Fault::Cut => "it ends too early",
            Fault::Trailing => "bytes follow its end",
            Fault::Type => "a value has another type than the shape allows",
            Fault::NotShortest => "a length is not in its shortest form",
            Fault::Indefinite => "a length is indefinite",
            Fault::Utf8 => "a text is not UTF-8",
        }
    }
}
