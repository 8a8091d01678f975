//! From STIX markings to a label.
//!
//! TLP 1 and TLP 2.0 marking definitions are known by their fixed ids. Statement markings say
//! nothing about release. Everything else that TLP cannot say is in our own marking extension, a
//! property extension of `marking-definition`:
//!
//! ```json
//! {"type":"marking-definition", …, "extensions":{"extension-definition--4e27fa59-…":{
//!    "extension_type":"property-extension",
//!    "pap":"amber",
//!    "releasable_to":["@pact/east","KZ"],  // codes and groups, or ["*"]; an empty list is nobody
//!    "releasable_to_all":[["@pact/east"],["@pact/west"]],  // in every one of these lists
//!    "not_releasable_to":["KG"], "caveats":["ORCON"], "purposes":["ct"],
//!    "legal_basis":["act 12-3"], "expires":"2026-12-01T00:00:00.000Z", "exercise":true }}}
//! ```
//!
//! Each is optional; an absent one states nothing. A marking that is unknown, or known
//! but not understood to the last property, withholds the object from everybody: markings are
//! orders, and an order that cannot be read is not carried out by guessing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::hash::Hash;
use crate::id::Id;
use crate::label::{Label, Pap, PartialLabel, Releasable, Tlp, is_recipient, is_word};
use crate::object::Object;
use crate::time::Timestamp;

/// The id of our marking extension's definition.
pub const EXTENSION_MARKING: &str = "extension-definition--4e27fa59-c782-42fe-8684-9d3658bd2922";

/// The id of the extension by which STIX 2.1 carries TLP 2.0.
const EXTENSION_TLP2: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";

/// The fixed marking definitions of TLP 2.0, then those of TLP 1.
const TLP_MARKINGS: [(&str, Tlp); 9] = [
    (
        "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
        Tlp::Clear,
    ),
    (
        "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp::Green,
    ),
    (
        "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp::Amber,
    ),
    (
        "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp::AmberStrict,
    ),
    (
        "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        Tlp::Red,
    ),
    (
        "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
        Tlp::Clear,
    ),
    (
        "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
        Tlp::Green,
    ),
    (
        "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
        Tlp::Amber,
    ),
    (
        "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
        Tlp::Red,
    ),
];

/// The id of the TLP 2.0 marking definition for a level.
pub fn tlp_marking(level: Tlp) -> &'static str {
    // The table's first five rows are in the order of the levels.
    TLP_MARKINGS[level as usize].0
}

/// What a marking definition says about release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkingMeaning {
    /// A statement, such as a copyright: nothing about release.
    Statement,
    /// Part of a label.
    Label(PartialLabel),
    /// Not understood: to be obeyed by withholding.
    Unknown,
}

impl MarkingMeaning {
    /// What a `marking-definition` object says. Any other object says `Unknown`.
    pub fn of(marking: &Object) -> MarkingMeaning {
        if let Some(level) = tlp_of_marking(marking.id()) {
            return MarkingMeaning::Label(PartialLabel {
                tlp: Some(level),
                ..Default::default()
            });
        }
        if marking.kind() != "marking-definition" {
            return MarkingMeaning::Unknown;
        }
        match serde_json::from_slice::<Definition>(marking.bytes()) {
            Ok(definition) => definition.meaning().unwrap_or(MarkingMeaning::Unknown),
            Err(_) => MarkingMeaning::Unknown,
        }
    }
}

/// The label of an object with these markings (`Object::marking_refs`).
///
/// - TLP markings are known by id; `lookup` gives the meaning of any other one, `None` if it is
///   not held. What the markings state is combined, field by field, to the stricter.
/// - Each field that no marking states comes from `default`: an object without any marking, or
///   with statements only, has exactly `default`; one marked only TLP (TLP:CLEAR too) has that
///   level and the default's releasable-to, caveats and purposes. Exercise holds if either says so.
/// - If any marking is unknown, the level is TLP:RED and it is released to nobody, whatever else
///   is stated; caveats, purposes and exercise are kept.
pub fn label_of(
    object_markings: &[Id],
    lookup: &dyn Fn(&Id) -> Option<MarkingMeaning>,
    default: &Label,
) -> Label {
    let mut stated = PartialLabel::default();
    let mut unknown = false;
    for id in object_markings {
        let meaning = match tlp_of_marking(id) {
            Some(level) => MarkingMeaning::Label(PartialLabel {
                tlp: Some(level),
                ..Default::default()
            }),
            None => lookup(id).unwrap_or(MarkingMeaning::Unknown),
        };
        match meaning {
            MarkingMeaning::Statement => {}
            MarkingMeaning::Label(label) => stated = stated.combine(&label),
            MarkingMeaning::Unknown => unknown = true,
        }
    }
    let label = stated.or_default(default);
    if unknown {
        label.combine(&Label::nobody())
    } else {
        label
    }
}

/// A `marking-definition` in our extension that states these fields (its TLP level is left out:
/// TLP has its own marking definitions, see `tlp_marking`). The id follows from the content, so
/// that nodes that state the same thing name it alike.
///
/// # Errors
/// When a field holds what the extension does not allow (an impossible member code, an empty or
/// too long caveat or purpose).
pub fn marking_object(stated: &PartialLabel, created: Timestamp) -> Result<Object, crate::Refusal> {
    let mut properties = serde_json::Map::new();
    properties.insert("extension_type".into(), "property-extension".into());
    if let Some(pap) = stated.pap {
        let word = pap.to_string().to_ascii_lowercase();
        properties.insert("pap".into(), word.trim_start_matches("pap:").into());
    }
    if let Some(releasable) = &stated.releasable_to {
        let (name, value) = match releasable {
            Releasable::Everyone => ("releasable_to", serde_json::json!(["*"])),
            Releasable::Members(clause) => ("releasable_to", serde_json::json!(clause)),
            Releasable::AllOf(clauses) => ("releasable_to_all", serde_json::json!(clauses)),
        };
        properties.insert(name.into(), value);
    }
    for (name, words) in [
        ("not_releasable_to", &stated.not_releasable_to),
        ("caveats", &stated.caveats),
        ("purposes", &stated.purposes),
        ("legal_basis", &stated.legal_basis),
    ] {
        if let Some(words) = words {
            properties.insert(name.into(), serde_json::json!(words));
        }
    }
    if let Some(expires) = stated.expires {
        properties.insert("expires".into(), expires.to_string().into());
    }
    if let Some(exercise) = stated.exercise {
        properties.insert("exercise".into(), exercise.into());
    }
    let content = serde_json::json!({ EXTENSION_MARKING: properties });
    // A version 8 UUID (RFC 9562): ours to fill, here from the hash of content and time.
    let named = Hash::of(format!("{created} {content}").as_bytes());
    let mut uuid = [0u8; 16];
    uuid.copy_from_slice(&named.0[..16]);
    let uuid = uuid::Builder::from_custom_bytes(uuid).into_uuid();
    let object = Object::parse(
        serde_json::json!({
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": format!("marking-definition--{uuid}"),
            "created": created.to_string(),
            "extensions": content,
        })
        .to_string()
        .as_bytes(),
    )?;
    match MarkingMeaning::of(&object) {
        MarkingMeaning::Label(_) => Ok(object),
        _ => Err(crate::Refusal {
            pointer: format!("/extensions/{EXTENSION_MARKING}"),
            reason: crate::Reason::Kind {
                expected: "a marking that members can read",
            },
        }),
    }
}

/// The level of one of STIX's own TLP marking definitions (TLP 1 and 2.0), which everybody knows by
/// id.
pub fn tlp_of_marking(id: &Id) -> Option<Tlp> {
    TLP_MARKINGS
        .iter()
        .find(|(known, _)| *known == id.as_str())
        .map(|&(_, level)| level)
}

/// What STIX 2.1 (section 7.2.1) says a marking definition holds, as far as release goes.
#[derive(Deserialize)]
struct Definition {
    definition_type: Option<String>,
    definition: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    extensions: BTreeMap<String, serde_json::Value>,
}

impl Definition {
    /// `None`: not understood to the last property.
    fn meaning(self) -> Option<MarkingMeaning> {
        let mut stated = PartialLabel::default();
        let mut states = false;
        match (self.definition_type.as_deref(), &self.definition) {
            (Some("statement"), Some(definition)) => {
                definition.get("statement")?.as_str()?;
                if definition.len() != 1 {
                    return None;
                }
            }
            (Some("tlp"), Some(definition)) => {
                stated.tlp = Some(definition.get("tlp")?.as_str()?.parse().ok()?);
                states = true;
            }
            (None, None) if !self.extensions.is_empty() => {}
            _ => return None,
        }
        for (id, value) in self.extensions {
            let part = match id.as_str() {
                EXTENSION_MARKING => serde_json::from_value::<Handling>(value).ok()?.stated()?,
                EXTENSION_TLP2 => {
                    let level = value.get("tlp_2_0")?.as_str()?.parse().ok()?;
                    PartialLabel {
                        tlp: Some(level),
                        ..Default::default()
                    }
                }
                _ => return None,
            };
            stated = stated.combine(&part);
            states = true;
        }
        Some(if states {
            MarkingMeaning::Label(stated)
        } else {
            MarkingMeaning::Statement
        })
    }
}

/// Our marking extension's properties.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Handling {
    extension_type: String,
    pap: Option<String>,
    releasable_to: Option<BTreeSet<String>>,
    releasable_to_all: Option<BTreeSet<BTreeSet<String>>>,
    not_releasable_to: Option<BTreeSet<String>>,
    caveats: Option<BTreeSet<String>>,
    purposes: Option<BTreeSet<String>>,
    legal_basis: Option<BTreeSet<String>>,
    expires: Option<String>,
    exercise: Option<bool>,
}

impl Handling {
    /// `None`: not understood to the last property.
    fn stated(self) -> Option<PartialLabel> {
        if self.extension_type != "property-extension" {
            return None;
        }
        let fits = |list: &Option<BTreeSet<String>>, rule: fn(&str) -> bool| {
            list.iter().flatten().all(|word| rule(word))
        };
        let words = [&self.caveats, &self.purposes, &self.legal_basis];
        if !words.into_iter().all(|list| fits(list, is_word))
            || !fits(&self.not_releasable_to, is_recipient)
        {
            return None;
        }
        // TLP's words have the TLP in front only in a label's text, and so has PAP.
        let pap: Option<Pap> = match &self.pap {
            Some(word) if !word.contains(':') => Some(word.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let expires = match &self.expires {
            Some(text) => Some(Timestamp::parse(text).ok()?),
            None => None,
        };
        Some(PartialLabel {
            tlp: None,
            pap,
            releasable_to: releasable(self.releasable_to, self.releasable_to_all)?,
            not_releasable_to: self.not_releasable_to,
            caveats: self.caveats,
            purposes: self.purposes,
            legal_basis: self.legal_basis,
            expires,
            exercise: self.exercise,
        })
    }
}

/// What the two properties on recipients state together. The outer `None`: not understood.
fn releasable(
    one: Option<BTreeSet<String>>,
    all: Option<BTreeSet<BTreeSet<String>>>,
) -> Option<Option<Releasable>> {
    let mut lists = one.iter().chain(all.iter().flatten()).flatten();
    let everyone = BTreeSet::from(["*".to_owned()]);
    if one.as_ref() == Some(&everyone) && all.is_none() {
        return Some(Some(Releasable::Everyone));
    }
    if !lists.all(|one| is_recipient(one)) {
        return None;
    }
    let all = all.map(Releasable::all_of);
    Some(match (one, all) {
        (Some(one), Some(all)) => Some(Releasable::all_of([one]).intersect(&all)),
        (Some(one), None) => Some(Releasable::all_of([one])),
        (None, all) => all,
    })
}

#[cfg(test)]
mod tests;
