//! The table behind [`Equivalence`](super::Equivalence): its TOML and its look-ups.

use std::collections::{BTreeMap, BTreeSet};

use model::nato::{CategoryKind, POLICY};
use model::{Id, PartialLabel, Releasable, Tlp, tlp_marking};
use serde::Deserialize;
use toml::Spanned;

use crate::fault::PolicyError;
use crate::limits::{EQUIVALENCE_BYTES_MAX, EQUIVALENCES_MAX};

const FILE: &str = "equivalence.toml";
const FORMAT: &str = "kurultai-equivalence/1";

/// One term of somebody's, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    fn of(parts: &[&str]) -> Key {
        Key(parts.iter().map(|part| part.to_ascii_lowercase()).collect())
    }

    pub(super) fn stix_id(id: &str) -> Key {
        Key::of(&["stix", id])
    }

    pub(super) fn stix_field(extension: &str, field: &str, value: &str) -> Key {
        Key::of(&["stix", extension, field, value])
    }

    pub(super) fn nato_classification(policy: &str, word: &str) -> Key {
        Key::of(&["nato", policy, "classification", word])
    }

    pub(super) fn nato_privacy_mark(policy: &str, mark: &str) -> Key {
        Key::of(&["nato", policy, "privacy mark", mark])
    }

    pub(super) fn nato_category(policy: &str, kind: CategoryKind, tag: &str, value: &str) -> Key {
        Key::of(&["nato", policy, kind.word(), tag, value])
    }

    fn misp(tag: &str) -> Key {
        Key::of(&["misp", tag])
    }
}

/// What a term means.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) means: PartialLabel,
    /// Whether the recipients of the field's values widen each other.
    pub(super) any_of: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    terms: BTreeMap<Key, Term>,
    /// Identifiers of policies that the table names, by name in lower case.
    policies: BTreeMap<String, Option<String>>,
    /// Extensions that have a line.
    extensions: BTreeSet<String>,
    /// Beginnings of tags, in lower case.
    prefixes: BTreeMap<String, Term>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.terms.len() + self.prefixes.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Term> {
        self.terms.get(key)
    }

    pub(super) fn knows_extension(&self, id: &str) -> bool {
        self.extensions.contains(id)
    }

    /// The policy of this name, if the table has it and both give one identifier or one gives none.
    pub(super) fn policy<'p>(&self, name: &'p str, uri: Option<&str>) -> Option<&'p str> {
        match (self.policies.get(&name.to_ascii_lowercase())?, uri) {
            (Some(ours), Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) => None,
            _ => Some(name),
        }
    }

    /// What a tag means: the line that names it, or else the one with the longest beginning of it.
    pub(super) fn tag(&self, tag: &str) -> Option<&Term> {
        let lower = tag.to_ascii_lowercase();
        self.terms.get(&Key::misp(tag)).or_else(|| {
            let fitting = self
                .prefixes
                .iter()
                .filter(|(start, _)| lower.starts_with(start.as_str()));
            fitting
                .max_by_key(|(start, _)| start.len())
                .map(|(_, term)| term)
        })
    }

    pub(super) fn parse(text: &str) -> Result<Table, PolicyError> {
        if text.len() > EQUIVALENCE_BYTES_MAX {
            let why = format!("the file is larger than {EQUIVALENCE_BYTES_MAX} bytes");
            return Err(PolicyError::whole(FILE, why));
        }
        let raw: RawTable =
            toml::from_str(text).map_err(|error| PolicyError::toml(FILE, text, &error))?;
        if raw.format.get_ref() != FORMAT {
            let at = raw.format.span().start;
            let why = format!("the format must be \"{FORMAT}\"");
            return Err(PolicyError::at(FILE, text, at, why));
        }
        if raw.nato.len() + raw.stix.len() + raw.misp.len() > EQUIVALENCES_MAX {
            let why = format!("the table holds more than {EQUIVALENCES_MAX} terms");
            return Err(PolicyError::whole(FILE, why));
        }
        let mut reading = Reading {
            text,
            table: Table::default(),
        };
        for line in raw.nato {
            reading.nato(line)?;
        }
        for line in raw.stix {
            reading.stix(line)?;
        }
        for line in raw.misp {
            reading.misp(line)?;
        }
        Ok(reading.table)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    format: Spanned<String>,
    #[serde(default)]
    nato: Vec<Spanned<RawNato>>,
    #[serde(default)]
    stix: Vec<Spanned<RawStix>>,
    #[serde(default)]
    misp: Vec<Spanned<RawMisp>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNato {
    policy: String,
    uri: Option<String>,
    classification: Option<String>,
    privacy_mark: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    tag: Option<String>,
    value: Option<String>,
    means: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStix {
    id: Option<String>,
    extension: Option<String>,
    field: Option<String>,
    value: Option<String>,
    #[serde(default)]
    any_of: bool,
    means: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMisp {
    tag: String,
    means: Spanned<String>,
}

struct Reading<'t> {
    text: &'t str,
    table: Table,
}

impl Reading<'_> {
    fn fault<T>(&self, at: usize, why: impl Into<String>) -> Result<T, PolicyError> {
        Err(PolicyError::at(FILE, self.text, at, why))
    }

    fn term(&self, means: &Spanned<String>, any_of: bool) -> Result<Term, PolicyError> {
        let at = means.span().start;
        let means = match PartialLabel::parse(means.get_ref()) {
            Ok(means) => means,
            Err(error) => return self.fault(at, error.to_string()),
        };
        if any_of && matches!(means.releasable_to, Some(Releasable::AllOf(_))) {
            return self.fault(
                at,
                "recipients that widen each other are one list, without &",
            );
        }
        Ok(Term { means, any_of })
    }

    fn put(&mut self, at: usize, key: Key, term: Term) -> Result<(), PolicyError> {
        match self.table.terms.insert(key, term) {
            None => Ok(()),
            Some(_) => self.fault(at, "this term is in the table already (case aside)"),
        }
    }

    fn nato(&mut self, line: Spanned<RawNato>) -> Result<(), PolicyError> {
        let at = line.span().start;
        let line = line.into_inner();
        let policy = line.policy.split_whitespace().collect::<Vec<_>>().join(" ");
        if policy.is_empty() || policy != line.policy || policy.eq_ignore_ascii_case(POLICY) {
            return self.fault(
                at,
                "policy names another's policy, words with one space between them",
            );
        }
        let uri = line.uri.clone();
        match self.table.policies.get(&policy.to_ascii_lowercase()) {
            Some(before) if *before != uri => {
                return self.fault(
                    at,
                    "every line on one policy gives the same uri, or none gives one",
                );
            }
            _ => self.table.policies.insert(policy.to_ascii_lowercase(), uri),
        };
        let kind = line.kind.as_deref().map(|word| {
            CategoryKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word)
        });
        let parts = (
            line.classification.as_deref(),
            line.privacy_mark.as_deref(),
            kind,
            line.tag.as_deref(),
            line.value.as_deref(),
        );
        let (key, any_of) = match parts {
            (Some(word), None, None, None, None) => {
                (Key::nato_classification(&policy, word), false)
            }
            (None, Some(mark), None, None, None) => (Key::nato_privacy_mark(&policy, mark), false),
            (None, None, Some(Some(kind)), Some(tag), Some(value)) => (
                Key::nato_category(&policy, kind, tag, value),
                kind == CategoryKind::Permissive,
            ),
            _ => {
                return self.fault(
                    at,
                    "a line holds classification, or privacy_mark, or type (RESTRICTIVE, PERMISSIVE \
                     or INFORMATIVE) with tag and value",
                );
            }
        };
        let term = self.term(&line.means, any_of)?;
        self.put(at, key, term)
    }

    fn stix(&mut self, line: Spanned<RawStix>) -> Result<(), PolicyError> {
        let at = line.span().start;
        let line = line.into_inner();
        let parts = (&line.id, &line.extension, &line.field, &line.value);
        let key = match parts {
            (Some(id), None, None, None) if !line.any_of => {
                let known = Tlp::ALL.iter().any(|level| tlp_marking(*level) == id);
                if known || !id_of("marking-definition", id) {
                    return self.fault(
                        at,
                        "id is that of a marking definition which says no TLP 2.0 level",
                    );
                }
                Key::stix_id(id)
            }
            (None, Some(extension), Some(field), Some(value)) => {
                if extension == model::EXTENSION_MARKING
                    || !id_of("extension-definition", extension)
                {
                    return self.fault(at, "extension is the id of another's extension definition");
                }
                self.table.extensions.insert(extension.clone());
                Key::stix_field(extension, field, value)
            }
            _ => {
                return self.fault(
                    at,
                    "a line holds an id, or extension, field and value (and perhaps any_of)",
                );
            }
        };
        let term = self.term(&line.means, line.any_of)?;
        self.put(at, key, term)
    }

    fn misp(&mut self, line: Spanned<RawMisp>) -> Result<(), PolicyError> {
        let at = line.span().start;
        let line = line.into_inner();
        let tag = line.tag.to_ascii_lowercase();
        let ours = ["tlp:", "pap:", "kurultai:"];
        let start = tag.strip_suffix('*');
        let namespace = start.unwrap_or(&tag);
        if !namespace.contains(':') || ours.iter().any(|own| namespace.starts_with(own)) {
            return self.fault(
                at,
                "a tag names its namespace (osint:…, osint:*), one other than tlp, PAP and kurultai",
            );
        }
        let term = self.term(&line.means, false)?;
        match start {
            None => self.put(at, Key::misp(&tag), term),
            Some(start) => match self.table.prefixes.insert(start.to_owned(), term) {
                None => Ok(()),
                Some(_) => self.fault(at, "this term is in the table already (case aside)"),
            },
        }
    }
}

/// Whether `text` is an identifier of this type.
fn id_of(kind: &str, text: &str) -> bool {
    Id::parse(text).is_ok_and(|id| id.type_name() == kind)
}
