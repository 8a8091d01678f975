//! Takes a file of rules apart into its statements, each with its annotations and conditions and
//! the place of everything, before the engine sees any of it.
//!
//! The engine's parser reads one statement at a time, so its faults can be given as lines of the
//! file. Cutting first also bounds what it is handed: nesting and length of a statement are
//! checked here, because the engine recurses over both.
//!
//! Left to the engine: whether the statement is well formed and well typed.

use crate::authority::limits::{
    CLAUSES_MAX, NESTING_MAX, RULES_MAX, STATEMENT_BYTES_MAX, STATEMENT_TOKENS_MAX,
};
use crate::fault::PolicyError;

/// One statement of a file.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    /// The statement with its semicolon.
    pub(crate) source: &'a str,
    /// Where it begins in the file, in bytes.
    pub(crate) start: usize,
    /// `(key, value, offset in the file)` of each annotation; the value still in its quotes.
    pub(crate) annotations: Vec<(&'a str, &'a str, usize)>,
    /// Where `permit` or `forbid` stands, in bytes of the file.
    pub(crate) effect: usize,
    /// `permit ( … )` as written.
    pub(crate) head: &'a str,
    /// What must hold, each with its keyword (`when` or `unless`): the parts of a clause that
    /// `&&` joins (`||` under `unless`) are conditions of their own.
    pub(crate) conditions: Vec<(&'a str, &'a str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Text,
    Mark(u8),
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// Cuts a file into statements.
pub(crate) fn statements<'a>(file: &str, text: &'a str) -> Result<Vec<Statement<'a>>, PolicyError> {
    let fault = |at, why: &str| Err(PolicyError::at(file, text, at, why));
    let mut found = Vec::new();
    let mut tokens: Vec<Token> = Vec::new();
    let mut depth = 0_usize;
    for token in tokenize(file, text)? {
        tokens.push(token);
        if tokens.len() > STATEMENT_TOKENS_MAX {
            return fault(
                token.start,
                "the rule is too long; split it into several rules",
            );
        }
        match token.kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => {
                let Some(less) = depth.checked_sub(1) else {
                    return fault(token.start, "a bracket closes that was never opened");
                };
                depth = less;
            }
            Kind::Mark(b';') if depth == 0 => {
                found.push(statement(file, text, &tokens)?);
                tokens.clear();
                if found.len() > RULES_MAX {
                    return fault(token.start, "too many rules in one file");
                }
            }
            _ => {}
        }
        if depth > NESTING_MAX {
            return fault(token.start, "brackets are nested too deeply");
        }
    }
    match tokens.first() {
        Some(token) => fault(token.start, "the rule that begins here has no end: a `;`"),
        None => Ok(found),
    }
}

fn statement<'a>(
    file: &str,
    text: &'a str,
    tokens: &[Token],
) -> Result<Statement<'a>, PolicyError> {
    let (start, end) = match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => (first.start, last.end),
        _ => (0, 0),
    };
    let fault = |at, why: &str| Err(PolicyError::at(file, text, at, why));
    if end - start > STATEMENT_BYTES_MAX {
        return fault(start, "the rule is too long; split it into several rules");
    }
    let part = |token: &Token| &text[token.start..token.end];
    let mut annotations = Vec::new();
    let mut rest = tokens;
    while let [at, key, tail @ ..] = rest
        && at.kind == Kind::Mark(b'@')
    {
        match tail {
            [open, value, close, tail @ ..]
                if key.kind == Kind::Word
                    && open.kind == Kind::Mark(b'(')
                    && value.kind == Kind::Text
                    && close.kind == Kind::Mark(b')') =>
            {
                annotations.push((part(key), part(value), at.start));
                rest = tail;
            }
            _ => return fault(at.start, "an annotation is written @name(\"text\")"),
        }
    }
    let [effect, open, ..] = rest else {
        return fault(start, "a rule begins with permit or forbid");
    };
    if !matches!(part(effect), "permit" | "forbid") || open.kind != Kind::Mark(b'(') {
        return fault(effect.start, "a rule begins with permit( or forbid(");
    }
    let Some(close) = closing(rest, 1) else {
        return fault(open.start, "this bracket is never closed");
    };
    let head = &text[effect.start..rest[close].end];
    let mut conditions = Vec::new();
    let mut rest = &rest[close + 1..];
    while let [word, open, ..] = rest
        && open.kind == Kind::Mark(b'{')
    {
        let Some(close) = closing(rest, 1) else {
            return fault(open.start, "this bracket is never closed");
        };
        let joint = match part(word) {
            "when" => b'&',
            "unless" => b'|',
            _ => return fault(word.start, "expected when, unless or the end of the rule"),
        };
        for (from, to) in parts(text, &rest[2..close], joint) {
            conditions.push((part(word), text[from..to].trim()));
        }
        if conditions.len() > CLAUSES_MAX {
            return fault(word.start, "the rule has too many conditions; split it");
        }
        rest = &rest[close + 1..];
    }
    match rest {
        [end] if end.kind == Kind::Mark(b';') => {}
        [other, ..] => return fault(other.start, "expected when, unless or the end of the rule"),
        [] => return fault(start, "the rule has no end: a `;`"),
    }
    Ok(Statement {
        source: &text[start..end],
        start,
        annotations,
        effect: effect.start,
        head,
        conditions,
    })
}

/// The index of the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The spans between doubled `joint` marks outside brackets. A clause that also uses the other
/// operator, or a conditional, is not taken apart: the pieces would mean something else.
fn parts(text: &str, tokens: &[Token], joint: u8) -> Vec<(usize, usize)> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Vec::new();
    };
    let whole = vec![(first.start, last.end)];
    let mut depth = 0_usize;
    let mut spans = Vec::new();
    let mut from = first.start;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark(b'(' | b'[' | b'{') => depth += 1,
            Kind::Mark(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && &text[token.start..token.end] == "if" => return whole,
            Kind::Mark(mark @ (b'&' | b'|')) if depth == 0 => {
                if mark != joint {
                    // Under `unless`, `a && b || c` may still be cut at `||`; under `when`,
                    // `a && b || c` may not be cut at `&&`.
                    if joint == b'&' {
                        return whole;
                    }
                } else {
                    spans.push((from, token.start));
                    at += 1; // the mark is doubled
                    from = tokens.get(at + 1).map_or(last.end, |next| next.start);
                }
            }
            _ => {}
        }
        at += 1;
    }
    spans.push((from, last.end));
    spans
}

/// Words, strings and single marks, without comments and blanks.
fn tokenize(file: &str, text: &str) -> Result<Vec<Token>, PolicyError> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let kind = if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        } else if bytes[at..].starts_with(b"//") {
            at += bytes[at..].iter().take_while(|b| **b != b'\n').count();
            continue;
        } else if byte == b'"' {
            at += 1;
            loop {
                match bytes.get(at) {
                    Some(b'"') => break,
                    Some(b'\\') => at += 2,
                    Some(_) => at += 1,
                    None => {
                        let why = "this text is never closed";
                        return Err(PolicyError::at(file, text, start, why));
                    }
                }
            }
            at += 1;
            Kind::Text
        } else if word(&byte) {
            at += bytes[at..].iter().take_while(|b| word(b)).count();
            Kind::Word
        } else if byte.is_ascii() && !byte.is_ascii_control() {
            at += 1;
            Kind::Mark(byte)
        } else {
            let why = "outside texts and comments, only ASCII may be used";
            return Err(PolicyError::at(file, text, at, why));
        };
        tokens.push(Token {
            kind,
            start,
            end: at,
        });
    }
    Ok(tokens)
}
