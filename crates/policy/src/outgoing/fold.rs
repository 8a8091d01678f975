//! Texts reduced to what a reader would take them for, so that a name is found however it is
//! written.
//!
//! Two reductions, because look-alikes come in both letter cases: one looks at the capital form of
//! each character (Cyrillic Н is taken for H), one at the small form (Armenian ո for n). Both take
//! compatibility forms apart, drop combining and invisible characters, replace each character by
//! the one it is confused with (UTS 39), and then forget case and everything that is no letter or
//! digit. Where words began is remembered, so that short names are not found across words.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// A text of letters and digits only.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) text: String,
    /// For each byte of `text`, whether a word begins there.
    pub(crate) starts: Vec<bool>,
}

/// Which form of a letter is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Capital,
    Small,
}

impl Folded {
    /// Reduces a text.
    pub(crate) fn of(text: &str, case: Case) -> Folded {
        let mut folded = Folded::default();
        let mut start = true;
        if text.is_ascii() {
            for c in text.chars() {
                folded.character(c, case, &mut start);
            }
        } else {
            for c in text.nfkd().filter(|c| !is_combining_mark(*c)) {
                folded.character(c, case, &mut start);
            }
        }
        folded
    }

    fn character(&mut self, c: char, case: Case, start: &mut bool) {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                self.push(c.to_ascii_lowercase(), start);
            } else {
                *start = true;
            }
            return;
        }
        let mut nothing = true;
        let mut letters = false;
        let cased: String = match case {
            Case::Capital => c.to_uppercase().collect(),
            Case::Small => c.to_lowercase().collect(),
        };
        // The skeleton of an invisible character is empty: it parts no words.
        for like in skeleton(&cased) {
            nothing = false;
            for like in like.to_lowercase() {
                if like.is_alphanumeric() {
                    letters = true;
                    self.push(like, start);
                }
            }
        }
        if !nothing && !letters {
            *start = true;
        }
    }

    fn push(&mut self, c: char, start: &mut bool) {
        // What every reader confuses, in the one way that both reductions share.
        let c = match c {
            'i' | '1' | '|' => 'l',
            '0' => 'o',
            'n' if self.text.ends_with('r') => {
                self.pop();
                'm'
            }
            'v' if self.text.ends_with('v') => {
                self.pop();
                'w'
            }
            other => other,
        };
        let before = self.text.len();
        self.text.push(c);
        self.starts.resize(self.text.len(), false);
        if let Some(first) = self.starts.get_mut(before) {
            *first = *start;
        }
        *start = false;
    }

    fn pop(&mut self) {
        self.text.pop();
        self.starts.truncate(self.text.len());
    }

    /// Whether a word begins at the byte, or the text ends there.
    pub(crate) fn is_edge(&self, at: usize) -> bool {
        self.starts.get(at).copied().unwrap_or(true)
    }
}
