//! A first look at STIX patterns (section 9): enough to catch what is cut off or no pattern at all.
//!
//! This is not the grammar. Whoever has a parser hands it to `Validator::with_pattern_parser`, and
//! it is asked instead.

/// Looks at brackets, quotes and comments only: the pattern begins with `[` or `(`, every bracket
/// and quote is closed, and every comparison expression has something in it.
///
/// # Errors
/// One clause that says what is wrong.
pub(super) fn look(pattern: &str) -> Result<(), String> {
    let mut open: Vec<char> = Vec::new();
    let mut chars = pattern.chars().peekable();
    let mut first = None;
    let mut filled = true;
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '/' && matches!(chars.peek(), Some('*' | '/')) {
            comment(&mut chars)?;
            continue;
        }
        first.get_or_insert(c);
        match c {
            '\'' => {
                string(&mut chars)?;
                filled = true;
            }
            '[' | '(' => {
                filled = false;
                open.push(c);
            }
            ']' | ')' => {
                let expected = if c == ']' { '[' } else { '(' };
                if open.pop() != Some(expected) {
                    return Err(format!("the pattern closes a {expected} that is not open"));
                }
                if !filled {
                    return Err("the pattern has brackets with nothing between them".to_owned());
                }
            }
            _ => filled = true,
        }
    }
    match (first, open.pop()) {
        (_, Some(bracket)) => Err(format!("the pattern does not close a {bracket}")),
        (Some('[' | '('), None) => Ok(()),
        _ => Err("a STIX pattern begins with a comparison in square brackets".to_owned()),
    }
}

/// Skips the rest of a string after its opening quote.
fn string(chars: &mut impl Iterator<Item = char>) -> Result<(), String> {
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '\'' => return Ok(()),
            _ => {}
        }
    }
    Err("the pattern does not close a quote".to_owned())
}

/// Skips a comment after its first slash.
fn comment(chars: &mut impl Iterator<Item = char>) -> Result<(), String> {
    if chars.next() == Some('/') {
        chars.find(|c| matches!(c, '\n' | '\r'));
        return Ok(());
    }
    let mut star = false;
    for c in chars {
        if star && c == '/' {
            return Ok(());
        }
        star = c == '*';
    }
    Err("the pattern does not close a comment".to_owned())
}

#[cfg(test)]
mod tests {
    use super::look;

    #[test]
    fn patterns_that_can_be_pass() {
        for pattern in [
            "[ipv4-addr:value = '198.51.100.1']",
            "([a:b = 'c'] AND [d:e = 1]) WITHIN 5 SECONDS",
            "[file:hashes.'SHA-256' = 'ab' AND file:name = 'it\\'s ]']",
            "[process:child_refs[*].name IN ('a', 'b')] // the end",
            "/* why */ [url:value LIKE '%[' ]",
        ] {
            assert_eq!(look(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_are_told_why() {
        for (pattern, why) in [
            ("ipv4-addr:value = '1'", "begins with"),
            ("[a:b = 'c'", "does not close a ["),
            ("[a:b = 'c]", "does not close a quote"),
            ("[a:b = 'c'])", "not open"),
            ("([a:b = 'c']", "does not close a ("),
            ("[]", "nothing between"),
            ("[a:b = 'c'] /* ", "comment"),
            ("/* only */", "begins with"),
            ("[a:b = 'c\\']", "quote"),
        ] {
            let error = look(pattern).expect_err(pattern);
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}
