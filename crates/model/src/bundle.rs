//! Many objects in one text: STIX bundles, TAXII envelopes, JSON arrays, or one object alone.
//!
//! Objects are read one at a time from the borrowed input and handed on at once, so memory beyond
//! the input stays at one object. An object that is refused does not stop the others. A fault that
//! hides where an object ends (broken JSON, bad UTF-8) refuses the whole text: then objects before
//! it have been handed on already, and the caller must not let them count.

use crate::json::{self, rebuild, text};
use crate::limits::{OBJECT_BYTES_MAX, WRAPPER_MEMBERS_MAX};
use crate::object::Object;
use crate::refusal::{Fault, Reason, Refusal};

/// Reads a STIX bundle, a TAXII 2.1 envelope (`{"more":…,"objects":[…]}`), an array of objects or a
/// single object, and calls `each` with every object's position and the object or its refusal
/// (whose pointer counts from the top of `bytes`). Returns the number of objects. The bundle's own
/// id is not kept and not judged: it names nothing.
///
/// # Errors
/// When the text as a whole is no such thing. Whatever `each` has been given then does not count.
pub fn bundle(
    bytes: &[u8],
    mut each: impl FnMut(usize, Result<Object, Refusal>),
) -> Result<usize, Refusal> {
    json::utf8(bytes)?;
    let start = rebuild::white_space_end(bytes, 0);
    let (count, end) = match bytes.get(start) {
        Some(b'[') => elements(bytes, start, "", &mut each)?,
        Some(b'{') => match wrapper(bytes, start, &mut each)? {
            Some(found) => found,
            None => return single(bytes, &mut each),
        },
        Some(_) => {
            rebuild::whole(bytes, OBJECT_BYTES_MAX)?;
            return Err(Refusal::whole(Reason::Kind {
                expected: "an object or an array",
            }));
        }
        None => return Err(rebuild::syntax(start, "a value").into()),
    };
    let end = rebuild::white_space_end(bytes, end);
    if end == bytes.len() {
        Ok(count)
    } else {
        Err(rebuild::syntax(end, "the end").into())
    }
}

type Each<'e> = &'e mut dyn FnMut(usize, Result<Object, Refusal>);

/// The text is one object.
fn single(bytes: &[u8], each: Each<'_>) -> Result<usize, Refusal> {
    match Object::parse(bytes) {
        Err(refusal) if refusal.hides_the_end() => Err(refusal),
        result => {
            each(0, result);
            Ok(1)
        }
    }
}

/// Reads the object that begins at `start` as a bundle or envelope. `None`: it is a STIX object
/// itself. Returns the number of objects and the position after the closing brace.
///
/// `objects` may come before `type` and `id`. It is then taken as a wrapper's, because objects
/// cannot be handed on later without being kept, and what follows must agree.
fn wrapper(bytes: &[u8], start: usize, each: Each<'_>) -> Result<Option<(usize, usize)>, Refusal> {
    let mut at = rebuild::white_space_end(bytes, start + 1);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut count = None;
    let mut is_bundle = false;
    let mut only_taxii = true;
    if bytes.get(at) == Some(&b'}') {
        return Ok(Some((0, at + 1)));
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            return Err(rebuild::syntax(at, "a member name in quotes").into());
        }
        let (name, after_name) = rebuild::string_at(bytes, at)?;
        at = rebuild::white_space_end(bytes, after_name);
        if bytes.get(at) != Some(&b':') {
            return Err(rebuild::syntax(at, "a colon").into());
        }
        at = rebuild::white_space_end(bytes, at + 1);
        if names.len() == WRAPPER_MEMBERS_MAX {
            // Objects may have more members than wrappers.
            return if count.is_none() {
                Ok(None)
            } else {
                Err(Refusal::whole(Reason::TooManyMembers))
            };
        }
        if names.contains(&name) {
            return Err(Refusal::property(
                &text::decode(&name),
                Reason::DuplicateKey,
            ));
        }
        if name == b"objects" && bytes.get(at) == Some(&b'[') {
            let (found, end) = elements(bytes, at, "/objects", each)?;
            count = Some(found);
            at = end;
        } else {
            let (value, length) = rebuild::prefix(&bytes[at..], OBJECT_BYTES_MAX)
                .map_err(|fault| nested(fault, &name, at))?;
            let wraps = match name.as_slice() {
                b"type" => value == b"\"bundle\"",
                b"id" => value.starts_with(b"\"bundle--"),
                _ => true,
            };
            if !wraps {
                // A STIX object. Fine, unless its `objects` have been taken for a bundle's.
                return match count {
                    None => Ok(None),
                    Some(_) => Err(Refusal::property(&text::decode(&name), Reason::NotABundle)),
                };
            }
            is_bundle |= matches!(name.as_slice(), b"type" | b"id");
            only_taxii &= matches!(name.as_slice(), b"more" | b"next");
            at += length;
        }
        names.push(name);
        at = rebuild::white_space_end(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = rebuild::white_space_end(bytes, at + 1),
            Some(b'}') => break,
            _ => return Err(rebuild::syntax(at, "a comma or a closing brace").into()),
        }
    }
    let has_objects = names.iter().any(|name| name == b"objects");
    match count {
        Some(count) => Ok(Some((count, at + 1))),
        None if has_objects && is_bundle => Err(Refusal::property(
            "objects",
            Reason::Kind {
                expected: "an array",
            },
        )),
        None if is_bundle || only_taxii => Ok(Some((0, at + 1))),
        None => Ok(None),
    }
}

/// A fault in the value of the wrapper's member `name`, which begins at `at`.
fn nested(mut fault: Box<Fault>, name: &[u8], at: usize) -> Refusal {
    fault.within_key(&text::decode(name));
    Refusal::from(fault).under("", at)
}

/// Reads the array that begins at `start`; returns its length and the position after its bracket.
fn elements(
    bytes: &[u8],
    start: usize,
    prefix: &str,
    each: Each<'_>,
) -> Result<(usize, usize), Refusal> {
    let mut at = rebuild::white_space_end(bytes, start + 1);
    if bytes.get(at) == Some(&b']') {
        return Ok((0, at + 1));
    }
    let mut index = 0;
    loop {
        let (result, length) = Object::parse_prefix(&bytes[at..]);
        match result {
            Ok(object) => each(index, Ok(object)),
            Err(refusal) => {
                let refusal = refusal.under(&format!("{prefix}/{index}"), at);
                if refusal.hides_the_end() {
                    return Err(refusal);
                }
                each(index, Err(refusal));
            }
        }
        at = match length {
            Some(length) => at + length,
            None => {
                skip(bytes, at).ok_or_else(|| rebuild::syntax(bytes.len(), "a closing bracket"))?
            }
        };
        index += 1;
        at = rebuild::white_space_end(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = rebuild::white_space_end(bytes, at + 1),
            Some(b']') => return Ok((index, at + 1)),
            _ => return Err(rebuild::syntax(at, "a comma or a closing bracket").into()),
        }
    }
}

/// The end of a refused value that begins at `at`, judging nothing but brackets and strings.
fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut open = 0usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at += 1;
                loop {
                    at = text::plain_end(bytes, at);
                    match bytes.get(at)? {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' | b'[' => {
                open += 1;
                at += 1;
            }
            b'}' | b']' if open == 0 => return Some(at),
            b'}' | b']' => {
                open -= 1;
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b',' if open == 0 => return Some(at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests;
