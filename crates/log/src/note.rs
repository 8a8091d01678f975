//! Signed notes (C2SP signed-note): a text and the signature lines under it.
//!
//! A [`Note`] is what was read, not what was verified: [`Note::verified_by`] is asked for each key
//! that matters, and nothing that is read from a note may be used before. Checkpoints
//! ([`crate::Checkpoint::open`]) and accords do so in their one parsing function.
//!
//! Parsing is strict: UTF-8 without control characters, an empty line before the signatures, every
//! signature line well formed. A line of an unknown key is kept and ignored; a line of a known key
//! that does not verify makes the whole note refused.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use crate::keys::{KeyKind, SigningKey, VerifierKey};

use crate::keys::check_name;
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// Begins every signature line: em dash and space.
const LINE_MARK: &str = "\u{2014} ";

/// A text and its signature lines, none of them verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// [`NoteError::Text`] when the text does not end in a newline, or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Note, NoteError> {
        let text = text.into();
        let control = |byte: u8| byte < b' ' && byte != b'\n';
        if !text.ends_with('\n') || text.bytes().any(control) {
            return Err(NoteError::Text);
        }
        if text.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { bytes: text.len() });
        }
        Ok(Note {
            text,
            signatures: Vec::new(),
        })
    }

    /// Reads a note with at least one signature line.
    ///
    /// # Errors
    /// [`NoteError`] for anything else.
    pub fn parse(note: &[u8]) -> Result<Note, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { bytes: note.len() });
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Text)?;
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let mut parsed = Note::new(text)?;
        for line in lines.split('\n') {
            parsed.push(SignatureLine::parse(line)?)?;
        }
        Ok(parsed)
    }

    /// Signs the text. An older line of the same key is replaced.
    ///
    /// # Errors
    /// [`NoteError::KeyKind`] for a cosignature key, which needs a time: see [`crate::cosign`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), NoteError> {
        let verifier = key.verifier();
        if verifier.kind().is_cosignature() {
            return Err(NoteError::KeyKind);
        }
        self.add(SignatureLine {
            name: verifier.name().to_owned(),
            id: verifier.id(),
            signature: key.sign(self.text.as_bytes()),
        })
    }

    /// Adds a line made elsewhere, such as a cosignature. Older lines of the same key are
    /// replaced. The line is not verified here.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`].
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        self.signatures
            .retain(|held| (&held.name, held.id) != (&line.name, line.id));
        self.push(line)
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Signature lines in their order, unverified.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Checks that `key` signed this text.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] when there is no line of this key; [`NoteError::BadSignature`]
    /// when there is one that does not verify, even beside one that does;
    /// [`NoteError::KeyKind`] for a cosignature key (see [`crate::cosign::verify`]).
    pub fn verified_by(&self, key: &VerifierKey) -> Result<(), NoteError> {
        if key.kind().is_cosignature() {
            return Err(NoteError::KeyKind);
        }
        let mut signed = false;
        for line in self.lines_of(key) {
            if !key.verifies(self.text.as_bytes(), &line.signature) {
                return Err(NoteError::BadSignature {
                    name: key.name().to_owned(),
                });
            }
            signed = true;
        }
        if signed {
            Ok(())
        } else {
            Err(NoteError::NotSigned {
                name: key.name().to_owned(),
            })
        }
    }

    /// Lines that carry this key's name and id.
    pub fn lines_of<'a>(&'a self, key: &'a VerifierKey) -> impl Iterator<Item = &'a SignatureLine> {
        self.signatures.iter().filter(move |line| line.is_of(key))
    }

    fn push(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        if self.signatures.len() == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(line);
        Ok(())
    }
}

/// The note as it is signed, stored and sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Note, NoteError> {
        Note::parse(note.as_bytes())
    }
}

/// One signature under a note.
#[derive(Clone, PartialEq, Eq)]
pub struct SignatureLine {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl SignatureLine {
    pub(crate) fn new(key: &VerifierKey, signature: Vec<u8>) -> SignatureLine {
        SignatureLine {
            name: key.name().to_owned(),
            id: key.id(),
            signature,
        }
    }

    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// [`NoteError::Line`] when it is not a signature line.
    pub fn parse(line: &str) -> Result<SignatureLine, NoteError> {
        let rest = line.strip_prefix(LINE_MARK).ok_or(NoteError::Line)?;
        let (name, signature) = rest.split_once(' ').ok_or(NoteError::Line)?;
        check_name(name)?;
        let bytes = STANDARD.decode(signature).map_err(|_| NoteError::Line)?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Line)?;
        if signature.is_empty() {
            return Err(NoteError::Line);
        }
        Ok(SignatureLine {
            name: name.to_owned(),
            id: *id,
            signature: signature.to_vec(),
        })
    }

    /// Name of the key that made it, as the line claims.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key that made it, as the line claims.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Bytes after the key id: a signature, or the time and signature of a cosignature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the line claims to be of this key.
    pub fn is_of(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }
}

/// The line without its newline.
impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id, self.signature.as_slice()].concat();
        write!(f, "{LINE_MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.id;
        write!(f, "{}+{a:02x}{b:02x}{c:02x}{d:02x}", self.name)
    }
}

/// Why a note, a signature line or a key was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// LIMIT: the note is above `NOTE_BYTES_MAX`.
    TooLarge {
        /// Bytes it has.
        bytes: usize,
    },
    /// The text is not UTF-8, has control characters, or does not end in a newline.
    Text,
    /// There is no empty line followed by whole signature lines.
    NoSignatures,
    /// LIMIT: more than `NOTE_SIGNATURES_MAX` signature lines.
    TooManySignatures,
    /// A signature line is malformed.
    Line,
    /// A key name is empty, too long, or has a space, plus sign or control character.
    KeyName {
        /// The name, shortened and made printable.
        name: String,
    },
    /// The kind of a key is unknown, or not fit for what it is used for.
    KeyKind,
    /// A text is not a vkey.
    VerifierKey,
    /// The id in a vkey is not the one of its name and key.
    KeyId {
        /// Name of the key.
        name: String,
    },
    /// Public bytes are not a key, or one that nobody may use.
    PublicKey {
        /// Name of the key.
        name: String,
    },
    /// There is no signature line of this key.
    NotSigned {
        /// Name of the key.
        name: String,
    },
    /// A signature line of this key does not verify.
    BadSignature {
        /// Name of the key.
        name: String,
    },
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "a signed note has at most {NOTE_BYTES_MAX} bytes, this one {bytes}"
                )
            }
            Self::Text => f.write_str(
                "a note's text must be UTF-8 without control characters and end in a newline",
            ),
            Self::NoSignatures => {
                f.write_str("the note must end in an empty line and at least one signature line")
            }
            Self::TooManySignatures => {
                write!(
                    f,
                    "a note has at most {NOTE_SIGNATURES_MAX} signature lines"
                )
            }
            Self::Line => f.write_str(
                "a signature line must be an em dash, the key name and base64, with single spaces",
            ),
            Self::KeyName { name } => write!(
                f,
                "the key name {name:?} must have 1 to 255 bytes and no spaces, plus signs or control characters"
            ),
            Self::KeyKind => f.write_str("the key is of a kind that cannot be used here"),
            Self::VerifierKey => {
                f.write_str("a verifier key must have the form <name>+<8 hex digits>+<base64>")
            }
            Self::KeyId { name } => write!(
                f,
                "the id of the verifier key {name:?} does not fit its name and key: copy it again, whole"
            ),
            Self::PublicKey { name } => {
                write!(
                    f,
                    "the public key of {name:?} is not a usable key of its kind"
                )
            }
            Self::NotSigned { name } => write!(f, "the note is not signed by {name:?}"),
            Self::BadSignature { name } => write!(f, "the signature of {name:?} does not verify"),
        }
    }
}

impl std::error::Error for NoteError {}
