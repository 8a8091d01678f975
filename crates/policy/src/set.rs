//! A nation's policy set: the files that together say what may leave and how, read as one.
//!
//! A set is a folder: rules (`*.cedar`), `redact.toml`, `leak.toml`, `equivalence.toml` and tests
//! (`cases/*.toml`). It is read whole or refused with the first fault. Which set is in force, and
//! that each follows the one before, is said by a signed manifest (see `manifest`).

mod manifest;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub use manifest::{Manifest, SetError, SignedPolicy};

use crate::authority::limits::{FILE_BYTES_MAX, FILES_MAX, PATH_BYTES_MAX};
use crate::authority::{Authority, Rules, Version};
use crate::equivalence::Equivalence;
use crate::fault::PolicyError;
use crate::outgoing::{LeakRules, Profiles};

/// The set that is in force until a nation activates its own.
const SHIPPED: &[(&str, &str)] = &[
    (
        "automation.cedar",
        include_str!("../../../policies/automation.cedar"),
    ),
    (
        "cases/people.toml",
        include_str!("../../../policies/cases/people.toml"),
    ),
    (
        "cases/release.toml",
        include_str!("../../../policies/cases/release.toml"),
    ),
    (
        "circumstances.cedar",
        include_str!("../../../policies/circumstances.cedar"),
    ),
    ("hand.cedar", include_str!("../../../policies/hand.cedar")),
    ("leak.toml", include_str!("../../../policies/leak.toml")),
    (
        "onward.cedar",
        include_str!("../../../policies/onward.cedar"),
    ),
    (
        "people.cedar",
        include_str!("../../../policies/people.cedar"),
    ),
    (
        "persons.cedar",
        include_str!("../../../policies/persons.cedar"),
    ),
];

/// Files of a set that are not rules or tests, each with at most one meaning.
const NAMED: [&str; 3] = ["equivalence.toml", "leak.toml", "redact.toml"];

/// A policy set that has been read.
#[derive(Clone, Debug)]
pub struct PolicySet {
    files: BTreeMap<String, Vec<u8>>,
    rules: Arc<Rules>,
    profiles: Arc<Profiles>,
    leak_rules: Arc<LeakRules>,
    equivalence: Arc<Equivalence>,
    hash: [u8; 32],
}

impl PolicySet {
    /// Reads a set: path inside the set's folder to bytes.
    ///
    /// # Errors
    /// The first fault, with file, line and column.
    pub fn read(files: BTreeMap<String, Vec<u8>>) -> Result<PolicySet, PolicyError> {
        if files.len() > FILES_MAX {
            let why = format!("the set has more than {FILES_MAX} files");
            return Err(PolicyError::whole("", why));
        }
        let mut texts = BTreeMap::new();
        let mut rules = BTreeMap::new();
        for (path, bytes) in &files {
            let kind = Kind::of(path).map_err(|why| PolicyError::whole(&shown(path), why))?;
            let text = text(path, bytes)?;
            if kind == Kind::Rules {
                rules.insert(path.as_str(), text);
            }
            texts.insert(path.as_str(), text);
        }
        if rules.is_empty() {
            let why = "the set has no rules (*.cedar), so nothing could ever leave";
            return Err(PolicyError::whole("", why));
        }
        let rules = Arc::new(Rules::load(&rules)?);
        let named = |path: &str| texts.get(path).copied();
        let profiles = Profiles::parse(named("redact.toml").unwrap_or_default())?;
        rules.check_profiles(|name| profiles.get(name).is_some())?;
        let leak_rules = match named("leak.toml") {
            Some(text) => LeakRules::parse(text)?,
            None => LeakRules::default(),
        };
        let equivalence = match named("equivalence.toml") {
            Some(text) => Equivalence::parse(text)?,
            None => Equivalence::default(),
        };
        let hash = digest(&files);
        Ok(PolicySet {
            files,
            rules,
            profiles: Arc::new(profiles),
            leak_rules: Arc::new(leak_rules),
            equivalence: Arc::new(equivalence),
            hash,
        })
    }

    /// The set that ships with the program, in force until a nation activates its own.
    ///
    /// # Errors
    /// None as long as the program's own tests pass; a fault is reported rather than hidden.
    pub fn shipped() -> Result<PolicySet, PolicyError> {
        static SET: LazyLock<Result<PolicySet, PolicyError>> = LazyLock::new(|| {
            let file = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
            PolicySet::read(SHIPPED.iter().map(file).collect())
        });
        SET.clone()
    }

    /// The files as they were read.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// The text of one file; absent when the set does not have it.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// The tests in the set: paths and texts.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &str)> {
        let cases = self
            .files
            .keys()
            .filter(|path| Kind::of(path) == Ok(Kind::Cases));
        cases.filter_map(|path| Some((path.as_str(), self.text(path)?)))
    }

    /// The redaction profiles of `redact.toml`; none when the set does not have it.
    pub fn profiles(&self) -> &Arc<Profiles> {
        &self.profiles
    }

    /// The leak rules of `leak.toml`; the program's own when the set does not have it.
    pub fn leak_rules(&self) -> &Arc<LeakRules> {
        &self.leak_rules
    }

    /// What foreign markings mean here, by `equivalence.toml`; without it, only what is understood
    /// anyway.
    pub fn equivalence(&self) -> &Arc<Equivalence> {
        &self.equivalence
    }

    /// SHA-256 over the names, sizes and hashes of all files: the lines of its manifest.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The authority that decides by this set; `number` is 0 for a set that is not activated.
    pub fn authority(&self, number: u64) -> Authority {
        let version = Version {
            number,
            hash: self.hash,
        };
        Authority::from_rules(self.rules.clone(), version)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rules,
    Cases,
    Named,
}

impl Kind {
    /// What a file is, by its path. Anything unknown is refused: a rule in a misnamed file would
    /// silently not count.
    fn of(path: &str) -> Result<Kind, &'static str> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c);
        if path.len() > PATH_BYTES_MAX || !path.chars().all(fits) {
            return Err("a file's name has at most 100 characters of a-z, 0-9, - and _");
        }
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '.']);
        if path.strip_suffix(".cedar").is_some_and(plain) {
            return Ok(Kind::Rules);
        }
        let case = path
            .strip_prefix("cases/")
            .and_then(|name| name.strip_suffix(".toml"));
        if case.is_some_and(plain) {
            return Ok(Kind::Cases);
        }
        if NAMED.contains(&path) {
            return Ok(Kind::Named);
        }
        Err(
            "no file of a policy set; it holds *.cedar, redact.toml, leak.toml, equivalence.toml \
             and cases/*.toml",
        )
    }
}

fn text<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, PolicyError> {
    if bytes.len() > FILE_BYTES_MAX {
        let why = format!("the file has more than {FILE_BYTES_MAX} bytes");
        return Err(PolicyError::whole(path, why));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let read = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let read = std::str::from_utf8(read).unwrap_or_default();
        PolicyError::at(path, read, read.len(), "the file is not UTF-8 from here on")
    })
}

fn shown(path: &str) -> String {
    path.chars()
        .take(PATH_BYTES_MAX)
        .flat_map(char::escape_default)
        .collect()
}

/// The lines of a manifest that name the files.
pub(crate) fn lines(files: &BTreeMap<String, Vec<u8>>) -> String {
    files
        .iter()
        .map(|(path, bytes)| format!("{} {} {path}\n", bytes.len(), model::Hash::of(bytes)))
        .collect()
}

fn digest(files: &BTreeMap<String, Vec<u8>>) -> [u8; 32] {
    model::Hash::of(lines(files).as_bytes()).0
}
