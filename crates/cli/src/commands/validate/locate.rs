//! Lines and columns of places in a JSON text, for editors and code scanners.

use std::collections::{BTreeMap, BTreeSet};

/// LIMIT: open brackets that are followed; what is deeper has no place of its own. Objects have at
/// most 64, and the walk recurses once a level.
const DEPTH_MAX: usize = 128;

/// Line and column (both from 1, columns in characters) of each pointer in a JSON text; of the
/// nearest place above it that is there, when the place itself is missing. One pass over the text.
pub(super) fn locate(text: &[u8], pointers: &[&str]) -> Vec<Option<(usize, usize)>> {
    let mut wanted = BTreeSet::new();
    for pointer in pointers {
        let mut prefix = *pointer;
        while wanted.insert(prefix) {
            match prefix.rsplit_once('/') {
                Some((above, _)) => prefix = above,
                None => break,
            }
        }
    }
    let mut walk = Walk {
        text,
        wanted,
        found: BTreeMap::new(),
    };
    if !pointers.is_empty() {
        walk.value(0, &mut String::new(), 0);
    }
    let lines = lines(text, walk.found.values().copied().collect());
    pointers
        .iter()
        .map(|pointer| {
            let mut prefix = *pointer;
            loop {
                match walk.found.get(prefix) {
                    Some(at) => return lines.get(at).copied(),
                    None => prefix = prefix.rsplit_once('/')?.0,
                }
            }
        })
        .collect()
}

/// Line and column of each offset.
fn lines(text: &[u8], offsets: BTreeSet<usize>) -> BTreeMap<usize, (usize, usize)> {
    let mut ruler = Ruler {
        text: text.iter(),
        at: 0,
        place: (1, 1),
    };
    offsets
        .into_iter()
        .map(|offset| (offset, ruler.place_of(offset)))
        .collect()
}

/// Goes through a text once, from place to place.
struct Ruler<I> {
    text: I,
    at: usize,
    place: (usize, usize),
}

impl<'t, I: Iterator<Item = &'t u8>> Ruler<I> {
    /// Line and column of an offset that is not before the one asked for last.
    fn place_of(&mut self, offset: usize) -> (usize, usize) {
        let ahead = offset.saturating_sub(self.at);
        self.at += ahead;
        for byte in self.text.by_ref().take(ahead) {
            match byte {
                b'\n' => self.place = (self.place.0 + 1, 1),
                // The bytes of a character after its first (UTF-8).
                0x80..=0xbf => {}
                _ => self.place.1 += 1,
            }
        }
        self.place
    }
}

struct Walk<'t> {
    text: &'t [u8],
    wanted: BTreeSet<&'t str>,
    found: BTreeMap<String, usize>,
}

impl Walk<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn blank(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    }

    /// Walks the value at `at`, whose pointer is `path`; returns its end.
    fn value(&mut self, at: usize, path: &mut String, depth: usize) -> Option<usize> {
        let at = self.blank(at);
        let inside = self.wanted.contains(path.as_str());
        if inside {
            self.found.entry(path.clone()).or_insert(at);
        }
        match self.byte(at)? {
            b'{' | b'[' if inside && depth < DEPTH_MAX => self.members(at, path, depth),
            _ => self.skip(at),
        }
    }

    fn members(&mut self, at: usize, path: &mut String, depth: usize) -> Option<usize> {
        let object = self.byte(at)? == b'{';
        let above = path.len();
        let mut at = self.blank(at + 1);
        let mut index = 0usize;
        while !matches!(self.byte(at)?, b'}' | b']') {
            let step = if object {
                let end = self.string(at)?;
                let name: String = serde_json::from_slice(&self.text[at..end]).ok()?;
                at = self.blank(end);
                if self.byte(at)? != b':' {
                    return None;
                }
                at += 1;
                name.replace('~', "~0").replace('/', "~1")
            } else {
                index.to_string()
            };
            index += 1;
            path.push('/');
            path.push_str(&step);
            let end = self.value(at, path, depth + 1);
            path.truncate(above);
            at = self.blank(end?);
            if self.byte(at)? == b',' {
                at = self.blank(at + 1);
            }
        }
        Some(at + 1)
    }

    /// The end of the string that begins at `at`.
    fn string(&self, at: usize) -> Option<usize> {
        let mut at = at + 1;
        loop {
            match self.byte(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// The end of the value that begins at `at`, without looking into it.
    fn skip(&self, mut at: usize) -> Option<usize> {
        let mut open = 0usize;
        loop {
            match self.byte(at) {
                Some(b'"') => at = self.string(at)?,
                Some(b'{' | b'[') => {
                    open += 1;
                    at += 1;
                }
                Some(b'}' | b']') if open > 0 => {
                    open -= 1;
                    at += 1;
                    if open == 0 {
                        return Some(at);
                    }
                    continue;
                }
                Some(b',' | b'}' | b']') | None if open == 0 => return Some(at),
                None => return None,
                Some(_) => {
                    at += 1;
                    continue;
                }
            }
            if open == 0 {
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ruler, locate};

    /// Many findings on one long line: each byte is looked at once, not once a finding.
    #[test]
    fn a_long_line_is_measured_once() {
        let text = "[\"ж\",1],".repeat(2_000);
        let mut looks = 0;
        let mut ruler = Ruler {
            text: text.as_bytes().iter().inspect(|_| looks += 1),
            at: 0,
            place: (1, 1),
        };
        for number in 0..2_000 {
            assert_eq!(ruler.place_of(number * 9), (1, number * 8 + 1));
        }
        assert_eq!(looks, 1_999 * 9);
    }

    #[test]
    fn places_are_found_in_one_pass() {
        let text = "{\n  \"a/b\": [1, {\"é\": \"x]\\\"\", \"c\": {}}],\n \"d\": -1.5\n}";
        let at = |pointer| locate(text.as_bytes(), &[pointer])[0];
        assert_eq!(at(""), Some((1, 1)));
        assert_eq!(at("/a~1b"), Some((2, 10)));
        assert_eq!(at("/a~1b/0"), Some((2, 11)));
        assert_eq!(at("/a~1b/1/é"), Some((2, 20)));
        assert_eq!(at("/a~1b/1/c"), Some((2, 33)));
        assert_eq!(at("/d"), Some((3, 7)));
        // What is missing stands where the nearest thing above it is.
        assert_eq!(at("/a~1b/1/c/none"), Some((2, 33)));
        assert_eq!(at("/none"), Some((1, 1)));
        assert_eq!(at("none"), None);
        let both = locate(text.as_bytes(), &["/d", "/a~1b/1/c"]);
        assert_eq!(both, [Some((3, 7)), Some((2, 33))]);
        assert_eq!(locate(b"[", &["/0"]), [Some((1, 1))]);
        assert_eq!(locate(b"", &[]), []);
    }
}
