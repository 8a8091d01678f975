//! The reader of any JSON text (RFC 8259), which writes its canonical form (RFC 8785) as it goes.
//!
//! Members are written in the order read and put in order when their object closes, by moving
//! their written bytes; so memory stays at input, output and one scratch copy. It refuses what
//! would not mean the same on every node, with a pointer to the value: a name given twice, half
//! surrogate pairs, numbers that a double changes (`number`), depth, and size when a limit is set.
//!
//! Callers have checked the input as UTF-8.

use super::{number, text};
use crate::limits::DEPTH_MAX;
use crate::refusal::{Fault, Reason};

type Step<T> = Result<T, Box<Fault>>;

/// The canonical form of a whole document, if it has at most `bytes_max` bytes.
pub(crate) fn whole(bytes: &[u8], bytes_max: usize) -> Step<Vec<u8>> {
    let (out, end) = prefix(bytes, bytes_max)?;
    let end = white_space_end(bytes, end);
    if end != bytes.len() {
        return Err(syntax(end, "the end"));
    }
    Ok(out)
}

/// The canonical form of the value at the start of `bytes` (after white space), and where it ends.
pub(crate) fn prefix(bytes: &[u8], bytes_max: usize) -> Step<(Vec<u8>, usize)> {
    let mut reader = Reader {
        bytes,
        at: white_space_end(bytes, 0),
        out: Vec::with_capacity(bytes.len().min(4096)),
        bytes_max,
        members: Vec::new(),
        scratch: Vec::new(),
    };
    reader.value(0)?;
    Ok((reader.out, reader.at))
}

/// The first position from `at` on that is not JSON white space.
#[inline]
pub(crate) fn white_space_end(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The content of the string whose opening quote is at `at`, as canonical raw, and the position
/// after its closing quote.
pub(crate) fn string_at(bytes: &[u8], at: usize) -> Step<(Vec<u8>, usize)> {
    let mut reader = Reader {
        bytes,
        at,
        out: Vec::new(),
        bytes_max: usize::MAX,
        members: Vec::new(),
        scratch: Vec::new(),
    };
    reader.string()?;
    let raw = reader.out[1..reader.out.len() - 1].to_vec();
    Ok((raw, reader.at))
}

#[cold]
pub(crate) fn syntax(offset: usize, expected: &'static str) -> Box<Fault> {
    Fault::new(Reason::Syntax { offset, expected })
}

/// One member that has been written to `out`: `"name":value`, without commas.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    /// Where the name's closing quote stands.
    name_end: usize,
    end: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
    bytes_max: usize,
    /// Members of all open objects, outermost first.
    members: Vec<Member>,
    scratch: Vec<u8>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Step<()> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string()?,
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(syntax(self.at, "a value")),
        }
        if self.out.len() > self.bytes_max {
            return Err(Fault::new(Reason::TooLarge));
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Step<()> {
        if depth == DEPTH_MAX {
            return Err(Fault::new(Reason::TooDeep));
        }
        self.at += 1;
        self.out.push(b'{');
        let first = self.members.len();
        let mut sorted = true;
        self.skip_white_space();
        if !self.take(b'}') {
            loop {
                let start = self.out.len();
                if self.bytes.get(self.at) != Some(&b'"') {
                    return Err(syntax(self.at, "a member name in quotes"));
                }
                self.string()?;
                let name_end = self.out.len() - 1;
                self.skip_white_space();
                if !self.take(b':') {
                    return Err(syntax(self.at, "a colon"));
                }
                self.out.push(b':');
                self.skip_white_space();
                if let Err(mut fault) = self.value(depth + 1) {
                    fault.within_key(&text::decode(&self.out[start + 1..name_end]));
                    return Err(fault);
                }
                let member = Member {
                    start,
                    name_end,
                    end: self.out.len(),
                };
                if let Some(previous) = self.members[first..].last() {
                    sorted &=
                        text::compare_names(name(&self.out, previous), name(&self.out, &member))
                            .is_lt();
                }
                self.members.push(member);
                self.skip_white_space();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(syntax(self.at, "a comma or a closing brace"));
                }
                self.out.push(b',');
                self.skip_white_space();
            }
        }
        if !sorted {
            self.put_in_order(first)?;
        }
        self.members.truncate(first);
        self.out.push(b'}');
        Ok(())
    }

    /// Sorts the members from `first` on, which are the last thing written, by moving their bytes.
    fn put_in_order(&mut self, first: usize) -> Step<()> {
        let out = &mut self.out;
        let members = &mut self.members[first..];
        let start = members[0].start;
        members.sort_by(|left, right| text::compare_names(name(out, left), name(out, right)));
        for pair in members.windows(2) {
            if name(out, &pair[0]) == name(out, &pair[1]) {
                let mut fault = Fault::new(Reason::DuplicateKey);
                fault.within_key(&text::decode(name(out, &pair[0])));
                return Err(fault);
            }
        }
        self.scratch.clear();
        for member in members {
            self.scratch
                .extend_from_slice(&out[member.start..member.end]);
            self.scratch.push(b',');
        }
        self.scratch.pop();
        out.truncate(start);
        out.extend_from_slice(&self.scratch);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Step<()> {
        if depth == DEPTH_MAX {
            return Err(Fault::new(Reason::TooDeep));
        }
        self.at += 1;
        self.out.push(b'[');
        self.skip_white_space();
        let mut index = 0;
        if !self.take(b']') {
            loop {
                if let Err(mut fault) = self.value(depth + 1) {
                    fault.within_index(index);
                    return Err(fault);
                }
                self.skip_white_space();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(syntax(self.at, "a comma or a closing bracket"));
                }
                self.out.push(b',');
                self.skip_white_space();
                index += 1;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Reads a string whose opening quote is next and writes it canonically.
    fn string(&mut self) -> Step<()> {
        self.at += 1;
        self.out.push(b'"');
        loop {
            let end = text::plain_end(self.bytes, self.at);
            if end - self.at > self.bytes_max.saturating_sub(self.out.len()) {
                return Err(Fault::new(Reason::TooLarge));
            }
            self.out.extend_from_slice(&self.bytes[self.at..end]);
            self.at = end;
            match self.bytes.get(end) {
                Some(b'"') => {
                    self.at += 1;
                    self.out.push(b'"');
                    return Ok(());
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text::push_canonical(&mut self.out, character);
                }
                Some(_) => return Err(syntax(end, "an escape instead of a control character")),
                None => return Err(syntax(end, "a closing quote")),
            }
        }
    }

    /// Reads one escape, or the two that make a surrogate pair.
    fn escape(&mut self) -> Step<char> {
        let kind = self.bytes.get(self.at + 1).copied();
        let character = match kind {
            Some(b'"' | b'\\' | b'/') => kind.map(char::from),
            Some(b'b') => Some('\u{8}'),
            Some(b't') => Some('\t'),
            Some(b'n') => Some('\n'),
            Some(b'f') => Some('\u{c}'),
            Some(b'r') => Some('\r'),
            Some(b'u') => {
                let unit = self.escaped_unit(self.at)?;
                self.at += 6;
                if !(0xd800..0xe000).contains(&unit) {
                    return char::from_u32(unit).ok_or_else(|| Fault::new(Reason::LoneSurrogate));
                }
                let paired = unit < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u");
                let low = if paired {
                    self.escaped_unit(self.at)?
                } else {
                    0
                };
                if !(0xdc00..0xe000).contains(&low) {
                    return Err(Fault::new(Reason::LoneSurrogate));
                }
                self.at += 6;
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return char::from_u32(code).ok_or_else(|| Fault::new(Reason::LoneSurrogate));
            }
            _ => None,
        };
        let character = character.ok_or_else(|| syntax(self.at, "a JSON escape"))?;
        self.at += 2;
        Ok(character)
    }

    /// The code unit of the `\uXXXX` at `at`.
    fn escaped_unit(&self, at: usize) -> Step<u32> {
        let digits = self.bytes.get(at + 2..at + 6).unwrap_or_default();
        let mut unit = 0;
        for digit in digits {
            match char::from(*digit).to_digit(16) {
                Some(value) => unit = unit << 4 | value,
                None => return Err(syntax(at, "four hex digits after \\u")),
            }
        }
        if digits.len() == 4 {
            Ok(unit)
        } else {
            Err(syntax(at, "four hex digits after \\u"))
        }
    }

    fn number(&mut self) -> Step<()> {
        let rest = &self.bytes[self.at..];
        let length = number::scan(rest).map_err(|offset| syntax(self.at + offset, "a digit"))?;
        number::rewrite(&mut self.out, &rest[..length])
            .map_err(|fault| Fault::new(Reason::Number(fault)))?;
        self.at += length;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Step<()> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(syntax(self.at, "a value"));
        }
        self.at += word.len();
        self.out.extend_from_slice(word);
        Ok(())
    }

    #[inline]
    fn skip_white_space(&mut self) {
        self.at = white_space_end(self.bytes, self.at);
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }
}

/// The raw name of a written member.
#[inline]
fn name<'o>(out: &'o [u8], member: &Member) -> &'o [u8] {
    &out[member.start + 1..member.name_end]
}
