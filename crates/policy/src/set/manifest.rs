//! The signed manifest of a policy set: which files it has, its number, and which set it follows.
//!
//! A manifest is a C2SP signed note by the nation's policy key, `<domain>/policy`. Its text:
//!
//! ```text
//! kz.example/policy
//! 3
//! <SHA-256 of the text of the manifest in force before, or 64 zeros for the first>
//! <size> <SHA-256> <path>
//! ```
//!
//! with one last line for each file, in the order of their paths.
//!
//! INVARIANT: a [`SignedPolicy`] has been verified with the key it was opened with, and its files
//! are those that the manifest names, byte for byte.

use std::collections::BTreeMap;
use std::fmt;

use log::note::{KeyKind, Note, NoteError, SigningKey, VerifierKey};

use super::{PolicySet, lines};
use crate::authority::Authority;
use crate::authority::limits::FILES_MAX;
use crate::fault::PolicyError;

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The member's domain; `<domain>/policy` is the first line and the key's name.
    pub domain: String,
    /// Counted from 1, strictly increasing.
    pub number: u64,
    /// SHA-256 of the text of the manifest that was in force before; absent for the first.
    pub previous: Option<[u8; 32]>,
    /// Path to size in bytes and SHA-256.
    pub files: BTreeMap<String, (u64, [u8; 32])>,
}

/// Why a signed policy set was refused. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// The note is malformed, or not signed by the nation's policy key.
    Note(NoteError),
    /// The text is no manifest.
    Text {
        /// Line of the fault, counted from 1.
        line: usize,
        /// What is wrong there.
        why: &'static str,
    },
    /// The manifest is of another member.
    OtherDomain {
        /// Whose it is.
        found: String,
    },
    /// The key cannot sign policies.
    NotAPolicyKey {
        /// Its name.
        name: String,
    },
    /// A file is missing, is not named, or differs.
    File {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The manifest does not follow the one in force.
    NotSuccessor {
        /// Which fact does not fit.
        why: String,
    },
    /// A file does not read.
    Set(PolicyError),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Note(error) => write!(
                f,
                "the policy set is not signed as it must be: {error}; sign it with the policy key"
            ),
            SetError::Text { line, why } => write!(f, "line {line} of the manifest: {why}"),
            SetError::OtherDomain { found } => {
                write!(f, "the manifest is of {found}, not of this member")
            }
            SetError::NotAPolicyKey { name } => write!(
                f,
                "the key {name} cannot sign policies; that takes an Ed25519 key <domain>/policy"
            ),
            SetError::File { path, why } => write!(f, "{path}: {why}"),
            SetError::NotSuccessor { why } => {
                write!(f, "the policy set does not follow the one in force: {why}")
            }
            SetError::Set(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SetError {}

impl From<NoteError> for SetError {
    fn from(error: NoteError) -> SetError {
        SetError::Note(error)
    }
}

impl From<PolicyError> for SetError {
    fn from(error: PolicyError) -> SetError {
        SetError::Set(error)
    }
}

impl Manifest {
    /// The manifest of a set that is to follow `before`.
    pub fn of(set: &PolicySet, domain: &str, before: Option<&Manifest>) -> Manifest {
        let file = |(path, bytes): (&String, &Vec<u8>)| {
            let size = bytes.len() as u64;
            (path.clone(), (size, model::Hash::of(bytes).0))
        };
        Manifest {
            domain: domain.to_owned(),
            number: before.map_or(1, |before| before.number.saturating_add(1)),
            previous: before.map(Manifest::hash),
            files: set.files().iter().map(file).collect(),
        }
    }

    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let previous = model::Hash(self.previous.unwrap_or_default());
        let mut text = format!("{}/policy\n{}\n{previous}\n", self.domain, self.number);
        for (path, (size, hash)) in &self.files {
            text += &format!("{size} {} {path}\n", model::Hash(*hash));
        }
        text
    }

    /// SHA-256 of the text.
    pub fn hash(&self) -> [u8; 32] {
        model::Hash::of(self.to_text().as_bytes()).0
    }

    /// Reads the text: only what [`Manifest::to_text`] writes.
    ///
    /// # Errors
    /// The first line that is not as it must be.
    pub fn parse(text: &str) -> Result<Manifest, SetError> {
        let fault = |line, why| SetError::Text { line, why };
        let mut lines = text.lines().zip(1..);
        let mut next = |why| lines.next().map(|(text, _)| text).ok_or(fault(1, why));
        let domain = next("a manifest has three lines and one for each file")?
            .strip_suffix("/policy")
            .filter(|domain| !domain.is_empty())
            .ok_or(fault(1, "the first line is <domain>/policy"))?;
        let number = next("a number is missing")?
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or(fault(2, "the number counts from 1"))?;
        let previous = next("the hash of the set before is missing")?;
        let previous = previous
            .parse::<model::Hash>()
            .map_err(|_| fault(3, "the set before is named by a SHA-256 in hex"))?;
        let mut files = BTreeMap::new();
        for (line, at) in lines {
            let mut parts = line.splitn(3, ' ');
            let read = (|| {
                let size: u64 = parts.next()?.parse().ok()?;
                let hash: model::Hash = parts.next()?.parse().ok()?;
                Some((parts.next()?.to_owned(), (size, hash.0)))
            })();
            let (path, file) = read.ok_or(fault(at, "a file's line is <size> <SHA-256> <path>"))?;
            files.insert(path, file);
            if files.len() > FILES_MAX {
                return Err(fault(at, "the set has too many files"));
            }
        }
        let manifest = Manifest {
            domain: domain.to_owned(),
            number,
            previous: (previous.0 != [0; 32]).then_some(previous.0),
            files,
        };
        // Order, leading zeros, upper-case digits: whatever we would not write is refused, so
        // that one manifest has one hash.
        match manifest.to_text() == text {
            true => Ok(manifest),
            false => Err(fault(1, "the manifest is not in its one normal form")),
        }
    }

    /// Checks that this manifest may come into force after `before` (absent: after the set that
    /// ships with the program).
    ///
    /// # Errors
    /// [`SetError::NotSuccessor`], [`SetError::OtherDomain`].
    pub fn follows(&self, before: Option<&Manifest>) -> Result<(), SetError> {
        let not = |why: String| Err(SetError::NotSuccessor { why });
        let Some(before) = before else {
            return match self.previous {
                None => Ok(()),
                Some(_) => not("it names a set before it, and none was ever activated here".into()),
            };
        };
        if self.domain != before.domain {
            return Err(SetError::OtherDomain {
                found: self.domain.clone(),
            });
        }
        if self.number <= before.number {
            return not(format!(
                "its number is {} and number {} is in force; numbers only grow",
                self.number, before.number
            ));
        }
        if self.previous != Some(before.hash()) {
            return not(format!(
                "it was drawn up after another set than number {}, which is in force; \
                 draw it up again",
                before.number
            ));
        }
        Ok(())
    }
}

/// A policy set with its verified manifest.
#[derive(Clone, Debug)]
pub struct SignedPolicy {
    manifest: Manifest,
    note: Note,
    set: PolicySet,
}

impl SignedPolicy {
    /// Signs a set that is to follow `before`.
    ///
    /// # Errors
    /// [`SetError::NotAPolicyKey`] when the key is of another role.
    pub fn sign(
        set: PolicySet,
        before: Option<&Manifest>,
        key: &SigningKey,
    ) -> Result<SignedPolicy, SetError> {
        let domain = policy_domain(key.verifier())?;
        let manifest = Manifest::of(&set, domain, before);
        let mut note = Note::new(manifest.to_text())?;
        note.sign(key)?;
        Ok(SignedPolicy {
            manifest,
            note,
            set,
        })
    }

    /// Opens a manifest and its files: verifies the signature before anything else is believed,
    /// compares every file, and reads the set.
    ///
    /// # Errors
    /// [`SetError`]; [`Manifest::follows`] is asked separately, by whoever knows what is in force.
    pub fn open(
        note: &[u8],
        files: BTreeMap<String, Vec<u8>>,
        key: &VerifierKey,
    ) -> Result<SignedPolicy, SetError> {
        let domain = policy_domain(key)?;
        let note = Note::parse(note)?;
        note.verified_by(key)?;
        let manifest = Manifest::parse(note.text())?;
        if manifest.domain != domain {
            return Err(SetError::OtherDomain {
                found: manifest.domain,
            });
        }
        for path in manifest.files.keys() {
            if !files.contains_key(path) {
                let why = "the manifest names it and it is not there";
                return Err(file(path, why));
            }
        }
        for (path, bytes) in &files {
            let stated = (bytes.len() as u64, model::Hash::of(bytes).0);
            match manifest.files.get(path) {
                Some(named) if *named == stated => {}
                Some(_) => return Err(file(path, "its bytes are not those that were signed")),
                None => return Err(file(path, "it is not in the signed manifest")),
            }
        }
        let set = PolicySet::read(files)?;
        debug_assert!(manifest.to_text().ends_with(&lines(set.files())));
        Ok(SignedPolicy {
            manifest,
            note,
            set,
        })
    }

    /// What was signed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The note as it is stored and handed on.
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    /// The set.
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// The authority that decides by this set.
    pub fn authority(&self) -> Authority {
        self.set.authority(self.manifest.number)
    }
}

fn file(path: &str, why: &'static str) -> SetError {
    SetError::File {
        path: super::shown(path),
        why,
    }
}

/// The domain of a policy key.
fn policy_domain(key: &VerifierKey) -> Result<&str, SetError> {
    key.name()
        .strip_suffix("/policy")
        .filter(|domain| !domain.is_empty() && key.kind() == KeyKind::Ed25519)
        .ok_or_else(|| SetError::NotAPolicyKey {
            name: key.name().to_owned(),
        })
}
