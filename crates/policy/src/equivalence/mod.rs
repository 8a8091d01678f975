//! The national equivalence table: what other people's markings mean here.
//!
//! Another policy's classification, an extension's field, a tag: none of them says by itself whom
//! an object may be released to. The nation says it, in `equivalence.toml` of its signed policy set,
//! term by term, as parts of a label. A marking is understood only when *every* term of it is in
//! the table; otherwise the object stays withheld from everybody, as any marking that is not
//! understood.
//!
//! ```toml
//! format = "kurultai-equivalence/1"
//!
//! [[nato]]                       # a term of an ADatP-4774 label
//! policy = "NATO"
//! classification = "RESTRICTED"  # or privacy_mark, or type + tag + value
//! means = "TLP:AMBER//PAP:AMBER"
//!
//! [[nato]]
//! policy = "NATO"
//! type = "PERMISSIVE"
//! tag = "Releasable To"
//! value = "KAZ"
//! means = "REL KZ"
//!
//! [[stix]]                       # a whole marking definition, by its id
//! id = "marking-definition--…"
//! means = "TLP:AMBER//REL -"
//!
//! [[stix]]                       # one field of an extension of markings, such as ACS 3.0
//! extension = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
//! field = "control_set.classification"
//! value = "U"                    # "*" is every value that no other line names
//! means = "TLP:GREEN"
//!
//! [[misp]]
//! tag = "osint:*"                # exactly, or everything that begins so
//! means = ""                     # says nothing about release
//! ```
//!
//! Values of a PERMISSIVE category, or of a STIX field with `any_of = true`, widen each other: who
//! is in the recipients of one of them is in. All else that terms say is combined to the stricter.
//! Names and values are compared without regard to the case of ASCII letters.

mod table;

use model::misp::Tags;
use model::nato::{CategoryKind, ConfidentialityLabel, Information, Role};
use model::{Label, MarkingMeaning, Object, PartialLabel, Releasable};
use serde_json::Value;

use crate::fault::PolicyError;
use table::{Key, Table, Term};

/// The table, read and checked. The default one is empty: nothing foreign is understood.
#[derive(Clone, Debug, Default)]
pub struct Equivalence {
    table: Table,
}

impl Equivalence {
    /// Reads the text of `equivalence.toml`.
    ///
    /// # Errors
    /// The first fault, with line and column.
    pub fn parse(text: &str) -> Result<Equivalence, PolicyError> {
        Ok(Equivalence {
            table: Table::parse(text)?,
        })
    }

    /// How many terms it holds.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a STIX marking definition says with the table's help. Absent: it is not understood, so
    /// what it marks is withheld.
    ///
    /// Markings that are understood without the table keep what they say; the table can only add.
    pub fn meaning(&self, marking: &Object) -> Option<PartialLabel> {
        if marking.kind() != "marking-definition" {
            return None;
        }
        let whole = self.table.get(&Key::stix_id(marking.id().as_str()));
        match (MarkingMeaning::of(marking), whole) {
            (MarkingMeaning::Label(known), Some(term)) => Some(known.combine(&term.means)),
            (MarkingMeaning::Label(known), None) => Some(known),
            (_, Some(term)) => Some(term.means.clone()),
            (MarkingMeaning::Statement, None) => Some(PartialLabel::default()),
            (MarkingMeaning::Unknown, None) => self.by_extensions(marking),
        }
    }

    /// What a marking says whose extensions are in the table, beside what we know without it.
    fn by_extensions(&self, marking: &Object) -> Option<PartialLabel> {
        let mut definition: Value = serde_json::from_slice(marking.bytes()).ok()?;
        let extensions = definition.get_mut("extensions")?.as_object_mut()?;
        let mut stated = PartialLabel::default();
        let foreign: Vec<String> = extensions
            .keys()
            .filter(|id| self.table.knows_extension(id))
            .cloned()
            .collect();
        if foreign.is_empty() {
            return None;
        }
        for id in foreign {
            let extension = extensions.remove(&id)?;
            stated = stated.combine(&self.extension(&id, &extension)?);
        }
        // What is left has to be understood as it stands, if anything is left.
        let nothing_left = extensions.is_empty();
        let fields = definition.as_object_mut()?;
        if nothing_left {
            fields.remove("extensions");
        }
        if nothing_left && !fields.contains_key("definition_type") {
            return (!fields.contains_key("definition")).then_some(stated);
        }
        let rest = Object::parse(definition.to_string().as_bytes()).ok()?;
        match MarkingMeaning::of(&rest) {
            MarkingMeaning::Label(known) => Some(stated.combine(&known)),
            MarkingMeaning::Statement => Some(stated),
            MarkingMeaning::Unknown => None,
        }
    }

    /// What the fields of one extension say together. Absent: one of them is not in the table.
    fn extension(&self, id: &str, extension: &Value) -> Option<PartialLabel> {
        let mut leaves = Vec::new();
        for (name, value) in extension.as_object()? {
            if name != "extension_type" {
                flatten(name, value, &mut leaves);
            }
        }
        leaves.sort();
        let mut stated = PartialLabel::default();
        for same_field in leaves.chunk_by(|a, b| a.0 == b.0) {
            let terms = same_field.iter().map(|(field, value)| {
                let exact = self.table.get(&Key::stix_field(id, field, value));
                exact.or_else(|| self.table.get(&Key::stix_field(id, field, "*")))
            });
            let terms = terms.collect::<Option<Vec<&Term>>>()?;
            // One line that does not widen keeps the others from it.
            let any_of = terms.iter().all(|term| term.any_of);
            stated = stated.combine(&together(&terms, any_of));
        }
        Some(stated)
    }

    /// What an ADatP-4774 label means: one of our own policy, what it says; one of another policy,
    /// what the table says of its classification, privacy mark and every category value. A label
    /// that will be succeeded by another ends then.
    ///
    /// Absent: a part of it is not in the table, or it is a label of metadata.
    pub fn label_of_nato(&self, label: &ConfidentialityLabel) -> Option<Label> {
        if label.is_own() {
            return label.label().ok();
        }
        if label.role == Role::Metadata || !label.unknown.is_empty() {
            return None;
        }
        let mut stated = self.information(&label.information)?;
        if let Some(succession) = &label.succession {
            let ends = PartialLabel {
                expires: Some(succession.at),
                ..PartialLabel::default()
            };
            stated = stated.combine(&ends);
        }
        Some(stated.or_default(&Label::nobody()))
    }

    fn information(&self, information: &Information) -> Option<PartialLabel> {
        let policy = self
            .table
            .policy(&information.policy, information.policy_uri.as_deref())?;
        let classification = Key::nato_classification(policy, &information.classification);
        let mut stated = self.table.get(&classification)?.means.clone();
        if let Some(mark) = &information.privacy_mark {
            let term = self.table.get(&Key::nato_privacy_mark(policy, mark))?;
            stated = stated.combine(&term.means);
        }
        for category in &information.categories {
            // Nobody satisfies "one of none"; what it was meant to say is not known.
            if category.values.is_empty() {
                return None;
            }
            let terms = category.values.iter().map(|value| {
                let key = Key::nato_category(policy, category.kind, &category.tag, value);
                self.table.get(&key)
            });
            let terms = terms.collect::<Option<Vec<&Term>>>()?;
            let any_of = category.kind == CategoryKind::Permissive;
            stated = stated.combine(&together(&terms, any_of));
        }
        Some(stated)
    }

    /// What MISP tags mean. Absent: a tag on handling is malformed, or a tag is not in the table.
    pub fn label_of_tags<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> Option<Label> {
        let read = Tags::read(tags).ok()?;
        let mut stated = read.stated;
        for tag in &read.unknown {
            match self.table.tag(tag) {
                Some(term) => stated = stated.combine(&term.means),
                // Read as an exercise already, whatever the table says.
                None if starts_with(tag, "exercise:") => {}
                None => return None,
            }
        }
        Some(stated.or_default(&Label::nobody()))
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Every value in an extension with the path of its field; lists are transparent, and an empty one
/// is a value like others: it may well mean "nobody".
fn flatten(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(&format!("{path}.{name}"), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().for_each(|item| flatten(path, item, leaves))
        }
        Value::String(text) => leaves.push((path.to_owned(), text.clone())),
        other => leaves.push((path.to_owned(), other.to_string())),
    }
}

/// What terms say together; with `any_of`, their recipients widen each other.
fn together(terms: &[&Term], any_of: bool) -> PartialLabel {
    let mut stated = PartialLabel::default();
    for term in terms {
        let mut part = term.means.clone();
        if any_of {
            part.releasable_to = None;
        }
        stated = stated.combine(&part);
    }
    if any_of {
        let recipients = terms
            .iter()
            .filter_map(|term| term.means.releasable_to.as_ref());
        let mut all: Option<Releasable> = None;
        for one in recipients {
            all = Some(match all {
                None => one.clone(),
                Some(all) => wider(&all, one),
            });
        }
        stated.releasable_to = all;
    }
    stated
}

/// Those in either. Terms that widen each other hold one clause at most (see `table`).
fn wider(a: &Releasable, b: &Releasable) -> Releasable {
    match (a, b) {
        (Releasable::Everyone, _) | (_, Releasable::Everyone) => Releasable::Everyone,
        _ => Releasable::all_of([a.clauses().chain(b.clauses()).flatten().cloned().collect()]),
    }
}
