//! STIX patterns (STIX 2.1, section 9) as far as redaction must understand them.
//!
//! A pattern is read into tokens and comparisons are found among them; a comparison can be
//! replaced by another, everything else is written back as it was read. Comments are dropped: they
//! say nothing to a matcher and may say too much to a person. What is no pattern is refused: where
//! a literal may hide is not guessed.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// `[`, `]`, `(`, `)`, `,` or a comparison operator.
    Sign(&'static str),
    /// A keyword or a bare value: `AND`, `LIKE`, `true`, `5`.
    Word(String),
    /// An object path, `type:property.path`.
    Path(String),
    /// A string literal, decoded.
    Text(String),
    /// A literal with a letter in front: t'…', b'…', h'…'.
    Typed(char, String),
}

/// One comparison: path, operator and what it is compared with.
pub(crate) struct Comparison<'a> {
    pub(crate) path: &'a str,
    pub(crate) negated: bool,
    pub(crate) operator: &'a str,
    /// One literal, or those of a set.
    pub(crate) literals: Vec<&'a Token>,
}

impl Comparison<'_> {
    /// The object type that the path begins with.
    pub(crate) fn kind(&self) -> &str {
        self.path.split(':').next().unwrap_or_default()
    }

    /// Whether it says that the path equals one of the literals.
    pub(crate) fn is_equality(&self) -> bool {
        !self.negated && matches!(self.operator, "=" | "==" | "IN")
    }

    /// `path operator 'literal'`, as tokens.
    pub(crate) fn with(&self, operator: &'static str, literal: &str) -> Vec<Token> {
        let operator = match operator {
            "=" => Token::Sign("="),
            word => Token::Word(word.to_owned()),
        };
        vec![
            Token::Path(self.path.to_owned()),
            operator,
            Token::Text(literal.to_owned()),
        ]
    }
}

/// Two-sign operators stand before the signs that begin them.
const SIGNS: [&str; 13] = [
    "!=", "<>", "<=", ">=", "==", "<", ">", "=", "[", "]", "(", ")", ",",
];

const OPERATORS: [&str; 5] = ["IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"];

/// Reads a pattern; the error is the byte at fault.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, usize> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            at += 4 + comment.find("*/").ok_or(at)?;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if first == '\'' {
            let (literal, length) = literal(rest).ok_or(at)?;
            tokens.push(Token::Text(literal));
            at += length;
        } else if let Some(letter) = first_typed(rest) {
            let (literal, length) = literal(&rest[1..]).ok_or(at)?;
            tokens.push(Token::Typed(letter, literal));
            at += 1 + length;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            at += sign.len();
        } else if is_word(first) || matches!(first, '+' | '.') {
            let length = rest
                .find(|c| !is_word(c) && !matches!(c, '+' | '.'))
                .unwrap_or(rest.len());
            if rest[length..].starts_with(':') {
                let length = length + path(&rest[length..]).ok_or(at)?;
                tokens.push(Token::Path(rest[..length].to_owned()));
                at += length;
            } else {
                tokens.push(Token::Word(rest[..length].to_owned()));
                at += length;
            }
        } else {
            return Err(at);
        }
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn first_typed(rest: &str) -> Option<char> {
    let mut chars = rest.chars();
    let letter = chars.next()?;
    (matches!(letter, 't' | 'b' | 'h') && chars.next() == Some('\'')).then_some(letter)
}

/// A quoted literal at the start of `rest`, decoded, and its length.
fn literal(rest: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((out, at + 1)),
            '\\' => match chars.next()?.1 {
                c @ ('\'' | '\\') => out.push(c),
                other => {
                    out.push('\\');
                    out.push(other);
                }
            },
            c => out.push(c),
        }
    }
    None
}

/// The length of `:property.path[*].'quoted'` at the start of `rest`.
fn path(rest: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        let step = rest.get(at..)?;
        at += if step.starts_with('\'') {
            literal(step)?.1
        } else {
            let length = step.find(|c| !is_word(c)).unwrap_or(step.len());
            (length > 0).then_some(length)?
        };
        while rest[at..].starts_with('[') {
            let close = rest[at..].find(']')?;
            let inner = &rest[at + 1..at + close];
            if inner != "*" && (inner.is_empty() || !inner.bytes().all(|b| b.is_ascii_digit())) {
                return None;
            }
            at += close + 1;
        }
        if !rest[at..].starts_with('.') {
            return Some(at);
        }
        at += 1;
    }
}

/// Writes tokens with one space between them and none inside brackets.
pub(crate) fn write(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        let tight = matches!(token, Token::Sign("]" | ")" | ",")) || out.is_empty();
        if !tight && !out.ends_with(['[', '(']) {
            out.push(' ');
        }
        match token {
            Token::Sign(sign) => out.push_str(sign),
            Token::Word(word) | Token::Path(word) => out.push_str(word),
            Token::Text(text) => quote(&mut out, text),
            Token::Typed(letter, text) => {
                out.push(*letter);
                quote(&mut out, text);
            }
        }
    }
    out
}

fn quote(out: &mut String, text: &str) {
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
}

/// The comparison that begins at `at`, and the position behind it.
pub(crate) fn comparison(tokens: &[Token], at: usize) -> Option<(Comparison<'_>, usize)> {
    let Token::Path(path) = tokens.get(at)? else {
        return None;
    };
    let mut next = at + 1;
    let negated = matches!(tokens.get(next)?, Token::Word(word) if word == "NOT");
    next += usize::from(negated);
    let operator = match tokens.get(next)? {
        Token::Sign(sign) if !matches!(*sign, "[" | "]" | "(" | ")" | ",") => sign,
        Token::Word(word) if OPERATORS.contains(&word.as_str()) => word.as_str(),
        _ => return None,
    };
    next += 1;
    let mut literals = Vec::new();
    if tokens.get(next) == Some(&Token::Sign("(")) {
        loop {
            next += 1;
            match tokens.get(next)? {
                Token::Sign(")") => break,
                Token::Sign(",") => {}
                Token::Sign(_) | Token::Path(_) => return None,
                literal => literals.push(literal),
            }
        }
    } else {
        literals.push(tokens.get(next)?);
    }
    let comparison = Comparison {
        path,
        negated,
        operator,
        literals,
    };
    Some((comparison, next + 1))
}

/// What an edit answers: other tokens, nothing, or why it cannot.
pub(crate) type EditComparison<'e> =
    dyn FnMut(&Comparison<'_>) -> Result<Option<Vec<Token>>, &'static str> + 'e;

/// Replaces comparisons: `edit` answers with other tokens, with `None` to leave one, or with the
/// reason why it cannot be changed. `Ok(None)`: nothing changed.
pub(crate) fn rewrite(
    tokens: &[Token],
    edit: &mut EditComparison<'_>,
) -> Result<Option<Vec<Token>>, &'static str> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut changed = false;
    let mut at = 0;
    while at < tokens.len() {
        let Some((comparison, end)) = comparison(tokens, at) else {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        };
        match edit(&comparison)? {
            Some(other) => {
                out.extend(other);
                changed = true;
            }
            None => out.extend_from_slice(&tokens[at..end]),
        }
        at = end;
    }
    Ok(changed.then_some(out))
}

/// Several alternatives in place of one comparison.
pub(crate) fn any_of(alternatives: Vec<Vec<Token>>) -> Vec<Token> {
    let several = alternatives.len() > 1;
    let mut out = Vec::new();
    if several {
        out.push(Token::Sign("("));
    }
    for (at, alternative) in alternatives.into_iter().enumerate() {
        if at > 0 {
            out.push(Token::Word("OR".to_owned()));
        }
        out.extend(alternative);
    }
    if several {
        out.push(Token::Sign(")"));
    }
    out
}

/// One spelling for patterns that say the same: operators, letter case of hashes and host names,
/// and the order of alternatives where the pattern is a plain list of them.
pub(crate) fn normal(tokens: &[Token]) -> Vec<Token> {
    let mut tokens = tokens.to_vec();
    let mut lower = false;
    for token in &mut tokens {
        match token {
            Token::Path(path) => {
                lower = path.contains("hashes") || path.starts_with("domain-name:");
            }
            Token::Text(text) if lower => *text = text.to_lowercase(),
            Token::Sign("==") => *token = Token::Sign("="),
            Token::Sign("<>") => *token = Token::Sign("!="),
            Token::Sign("]") => lower = false,
            _ => {}
        }
    }
    match alternatives(&tokens) {
        Some(mut list) => {
            list.sort_by_cached_key(|alternative| write(alternative));
            list.dedup();
            let mut out = vec![Token::Sign("[")];
            for (at, alternative) in list.into_iter().enumerate() {
                if at > 0 {
                    out.push(Token::Word("OR".to_owned()));
                }
                out.extend(alternative);
            }
            out.push(Token::Sign("]"));
            out
        }
        None => tokens,
    }
}

/// The comparisons of a pattern that is nothing but alternatives, in one pair of brackets or many.
fn alternatives(tokens: &[Token]) -> Option<Vec<Vec<Token>>> {
    let mut list = Vec::new();
    let (mut at, mut inside) = (0, false);
    let mut due = true;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign("[") if !inside && due => inside = true,
            Token::Sign("]") if inside && !due => inside = false,
            Token::Word(word) if word == "OR" && !due => due = true,
            Token::Path(_) if inside && due => {
                let (found, end) = comparison(tokens, at)?;
                if found.operator == "IN" && !found.negated {
                    for literal in found.literals {
                        let path = Token::Path(found.path.to_owned());
                        list.push(vec![path, Token::Sign("="), literal.clone()]);
                    }
                } else {
                    list.push(tokens[at..end].to_vec());
                }
                due = false;
                at = end;
                continue;
            }
            _ => return None,
        }
        at += 1;
    }
    (!inside && !due).then_some(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(text: &str) -> String {
        write(&lex(text).expect(text))
    }

    #[test]
    fn writes_what_it_read() {
        for (text, expected) in [
            ("[a:b='c']", "[a:b = 'c']"),
            (
                "[file:hashes.'SHA-256'='A\\'b\\\\'] /* who */ OR[a:b[*].c IN('x','y')]",
                "[file:hashes.'SHA-256' = 'A\\'b\\\\'] OR [a:b[*].c IN ('x', 'y')]",
            ),
            (
                "([a:b!=1.5]FOLLOWEDBY[a:b NOT LIKE '%'])START t'2024-01-01T00:00:00Z' STOP t'2025-01-01T00:00:00Z'",
                "([a:b != 1.5] FOLLOWEDBY [a:b NOT LIKE '%']) START t'2024-01-01T00:00:00Z' STOP t'2025-01-01T00:00:00Z'",
            ),
        ] {
            assert_eq!(again(text), expected);
            assert_eq!(again(expected), expected);
        }
    }

    #[test]
    fn like_patterns_become_one() {
        let normal = |text: &str| write(&normal(&lex(text).expect(text)));
        let expected = "[domain-name:value = 'a.example' OR domain-name:value = 'b.example']";
        for text in [
            "[domain-name:value='B.example'] OR [domain-name:value='a.example']",
            "[domain-name:value IN ('a.example','b.EXAMPLE')]",
            "[ domain-name:value == 'b.example' OR domain-name:value = 'a.example' ]",
        ] {
            assert_eq!(normal(text), expected);
        }
        let kept = "[a:b = 'x' AND a:c = 'w'] OR [a:b = 'a']";
        assert_eq!(normal(kept), kept);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ \\[\\]()',:.=<>!A-Zab*/\\\\0-9-]{0,60}|.{0,40}") {
            if let Ok(tokens) = lex(&text) {
                let written = write(&tokens);
                let read = lex(&written);
                prop_assert_eq!(read.as_ref(), Ok(&tokens), "{}", written);
                normal(&tokens);
            }
        }
    }
}
