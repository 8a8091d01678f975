//! What holds for every object: type, id, versions, extensions, granular markings, references.

use serde_json::Value;

use super::deterministic;
use super::report::{Place, quote};
use super::rules;
use super::shape::Shape;
use super::tables;
use super::text;
use super::walk::{Members, Walk, is_rfc_4122, members};
use crate::class::Class;
use crate::id::Id;

/// The `extension_type`s that an object's extensions name, and whether they do.
pub(super) fn extension_types(map: &Members) -> impl Iterator<Item = &str> {
    map.get("extensions")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|extensions| extensions.values())
        .filter_map(|extension| extension.get("extension_type")?.as_str())
}

/// Whether an object of a type that STIX does not define is a cyber observable.
pub(super) fn is_own_observable(map: &Members) -> bool {
    extension_types(map).any(|kind| kind == "new-sco")
        || (!map.contains_key("created") && !map.contains_key("modified"))
}

impl Walk<'_> {
    /// `type`, `spec_version` and `id`.
    pub(super) fn identity(
        &mut self,
        kind: &str,
        shape: Option<&'static Shape>,
        map: &Members,
        place: &Place<'_>,
    ) {
        if shape.is_none() {
            if kind == "action" {
                self.out.add(
                    &rules::RESERVED,
                    &place.key("type"),
                    "action is a reserved type",
                );
            } else if !text::is_type_name(kind) {
                let sentence =
                    "a type is 3 to 250 of a-z, 0-9 and single hyphens and begins with a letter";
                self.out
                    .add(&rules::TYPE_NAME, &place.key("type"), sentence);
            }
            if !extension_types(map).any(|kind| matches!(kind, "new-sdo" | "new-sco" | "new-sro")) {
                let sentence = format!(
                    "STIX does not define the type {} and no extension brings it",
                    quote(kind)
                );
                self.out
                    .add(&rules::CUSTOM_TYPE, &place.key("type"), sentence);
            }
        }
        match map.get("spec_version") {
            Some(Value::String(version)) if version == "2.1" => {}
            Some(Value::String(version)) if version == "2.0" => {
                self.out.add(
                    &rules::SPEC_VERSION_OLD,
                    &place.key("spec_version"),
                    "the object says that it is of STIX 2.0",
                );
            }
            Some(_) => self.out.add(
                &rules::SPEC_VERSION,
                &place.key("spec_version"),
                "spec_version must be 2.1",
            ),
            None => {}
        }
        let Some(id) = map.get("id") else { return };
        let here = place.key("id");
        let Some(id) = id.as_str() else {
            return self.out.add(&rules::KIND, &here, "a string is needed here");
        };
        let id = match Id::parse(id) {
            Ok(id) => id,
            // Inside observed data an id of any form is only a name.
            Err(_) if self.keys.is_some() => return,
            Err(error) => return self.out.add(&rules::ID_FORM, &here, error.to_string()),
        };
        if id.type_name() != kind {
            let sentence = format!("the id names the type {}", quote(id.type_name()));
            self.out.add(&rules::ID_TYPE, &here, sentence);
        }
        if !is_rfc_4122(&id) {
            self.out.add(
                &rules::ID_FORM,
                &here,
                "the UUID is not of a version and variant of RFC 4122",
            );
            return;
        }
        let version = id.uuid()[6] >> 4;
        match Class::of(kind) {
            Class::Sco => self.observable_id(shape, &id, version, map, &here),
            Class::Extension if is_own_observable(map) => {}
            _ if version != 4 => {
                self.out.add(
                    &rules::ID_VERSION,
                    &here,
                    format!("the UUID is of version {version}, not 4"),
                );
            }
            _ => {}
        }
    }

    fn observable_id(
        &mut self,
        shape: Option<&'static Shape>,
        id: &Id,
        version: u8,
        map: &Members,
        place: &Place<'_>,
    ) {
        let Some(shape) = shape else { return };
        if !shape.identity.iter().any(|name| map.contains_key(*name)) {
            if version != 4 {
                let sentence = format!(
                    "nothing here makes a {}'s id, so it needs a UUID of version 4",
                    shape.name
                );
                self.out.add(&rules::RANDOM, place, sentence);
            }
        } else if version != 5 {
            self.out.add(
                &rules::ID_VERSION,
                place,
                format!("the UUID is of version {version}, not 5"),
            );
        } else if deterministic::of(shape, map).is_some_and(|expected| expected != *id) {
            let sentence = "the UUID does not follow from the object's id-contributing properties";
            self.out.add(&rules::DETERMINISTIC, place, sentence);
        }
    }

    /// `extensions`: keys, types, and the contents of those that STIX defines.
    pub(super) fn extensions(
        &mut self,
        shape: Option<&'static Shape>,
        map: &Members,
        place: &Place<'_>,
    ) {
        let Some(extensions) = map.get("extensions") else {
            return;
        };
        let here = place.key("extensions");
        let Some(extensions) = extensions.as_object() else {
            return self
                .out
                .add(&rules::KIND, &here, "a dictionary is needed here");
        };
        if extensions.is_empty() {
            self.out.add(
                &rules::DICTIONARY_EMPTY,
                &here,
                "the dictionary is empty; leave the property out",
            );
        }
        for (key, value) in members(extensions) {
            let here = here.key(key);
            let Some(extension) = value.as_object() else {
                self.out
                    .add(&rules::EXTENSION_VALUE, &here, "an extension is an object");
                continue;
            };
            if extension.is_empty() {
                self.out
                    .add(&rules::EXTENSION_VALUE, &here, "the extension is empty");
                continue;
            }
            let own = shape.map_or(&[] as &[_], |shape| shape.extensions);
            if let Some(predefined) = own.iter().find(|predefined| predefined.name == key) {
                self.shape(predefined, extension, &here);
            } else if key.starts_with("extension-definition--") {
                self.defined_extension(key, extension, &here);
            } else if key.ends_with("-ext") && text::is_type_name(key) {
                let known = tables::PREDEFINED
                    .iter()
                    .any(|predefined| predefined.name == key);
                let sentence = if known {
                    format!("{key} is not an extension of this type")
                } else {
                    "extensions of one's own should have an extension definition".to_owned()
                };
                self.out.add(&rules::CUSTOM_EXTENSION, &here, sentence);
                self.own_members(extension, &here);
            } else {
                let sentence =
                    "the key is neither an extension definition's id nor a name that ends in -ext";
                self.out.add(&rules::EXTENSION_KEY, &here, sentence);
            }
        }
    }

    fn defined_extension(&mut self, key: &str, extension: &Members, place: &Place<'_>) {
        match Id::parse(key) {
            Ok(id) if is_rfc_4122(&id) => {}
            Ok(_) => self.out.add(
                &rules::EXTENSION_KEY,
                place,
                "the UUID is not of a version and variant of RFC 4122",
            ),
            Err(error) => self
                .out
                .add(&rules::EXTENSION_KEY, place, error.to_string()),
        }
        match extension.get("extension_type") {
            None => {
                let here = place.key("extension_type");
                self.out.add(
                    &rules::EXTENSION_VALUE,
                    &here,
                    "extension_type is required and missing",
                );
            }
            Some(kind) => {
                let closed = super::shape::Kind::Closed(&super::vocabulary::EXTENSION_TYPE);
                self.value(&closed, kind, "7.3", &place.key("extension_type"));
            }
        }
        self.own_members(extension, place);
    }

    fn own_members(&mut self, extension: &Members, place: &Place<'_>) {
        for (name, value) in members(extension) {
            if name != "extension_type" {
                self.own(name, value, &place.key(name));
            }
        }
    }

    /// `granular_markings`: exactly one of language and marking, and selectors that point somewhere.
    pub(super) fn granular_markings(&mut self, object: &Value, map: &Members, place: &Place<'_>) {
        let Some(markings) = map.get("granular_markings").and_then(Value::as_array) else {
            return;
        };
        let list = place.key("granular_markings");
        for (index, marking) in markings.iter().enumerate() {
            let here = list.index(index);
            if marking.get("lang").is_some() && marking.get("marking_ref").is_some() {
                self.out.add(
                    &rules::GRANULAR_ONE,
                    &here,
                    "lang and marking_ref exclude each other",
                );
            }
            let Some(selectors) = marking.get("selectors").and_then(Value::as_array) else {
                continue;
            };
            let selected = here.key("selectors");
            for (index, selector) in selectors.iter().enumerate() {
                if let Some(selector) = selector.as_str()
                    && !points_into(object, selector)
                {
                    let sentence = format!("{} points at nothing in this object", quote(selector));
                    self.out
                        .add(&rules::SELECTOR, &selected.index(index), sentence);
                }
            }
        }
    }

    /// A marking that marks itself, in either way.
    pub(super) fn marks_itself(&mut self, map: &Members, place: &Place<'_>) {
        let Some(id) = map.get("id").and_then(Value::as_str) else {
            return;
        };
        let object = map.get("object_marking_refs").and_then(Value::as_array);
        let granular = map.get("granular_markings").and_then(Value::as_array);
        let found = object.into_iter().flatten().any(|marking| marking == id)
            || granular
                .into_iter()
                .flatten()
                .any(|marking| marking.get("marking_ref").is_some_and(|to| to == id));
        if found {
            self.out
                .add(&rules::MARKING_SELF, place, "the marking marks itself");
        }
    }

    /// What `external_references` of certain sources hold, and which lack hashes.
    pub(super) fn external_references(&mut self, kind: &str, map: &Members, place: &Place<'_>) {
        let Some(references) = map.get("external_references").and_then(Value::as_array) else {
            return;
        };
        let list = place.key("external_references");
        for (index, reference) in references.iter().enumerate() {
            let here = list.index(index);
            let part = |name| reference.get(name).and_then(Value::as_str);
            let number = |prefix: &str| part("external_id").and_then(|id| id.strip_prefix(prefix));
            let digits =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let is_cve = number("CVE-")
                .and_then(|rest| rest.split_once('-'))
                .is_some_and(|(year, number)| {
                    year.len() == 4 && digits(year) && number.len() >= 4 && digits(number)
                });
            let is_capec = number("CAPEC-").is_some_and(digits);
            // The types for which the standard says under which name these numbers stand.
            match (part("source_name"), kind) {
                (Some("cve"), _) if !is_cve => self.out.add(
                    &rules::REFERENCE_CVE,
                    &here,
                    "a reference to cve needs an external_id such as CVE-2021-44228",
                ),
                (Some("capec"), _) if !is_capec => self.out.add(
                    &rules::REFERENCE_CAPEC,
                    &here,
                    "a reference to capec needs an external_id such as CAPEC-550",
                ),
                (Some(name), "vulnerability") if is_cve && name != "cve" => self.out.add_in(
                    &rules::REFERENCE_CVE,
                    "4.19",
                    &here.key("source_name"),
                    "the source_name of a CVE number is cve",
                ),
                (Some(name), "attack-pattern") if is_capec && name != "capec" => self.out.add_in(
                    &rules::REFERENCE_CAPEC,
                    "4.1",
                    &here.key("source_name"),
                    "the source_name of a CAPEC number is capec",
                ),
                _ => {}
            }
            if part("url").is_some() && reference.get("hashes").is_none() {
                self.out.add(
                    &rules::REFERENCE_HASH,
                    &here,
                    "the reference has a url and no hashes",
                );
            }
        }
    }
}

/// Whether a selector (section 7.2.3.1) names something in the object.
fn points_into(object: &Value, selector: &str) -> bool {
    let mut at = object;
    for step in selector.split('.') {
        let next = match step
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(index) => index
                .parse::<usize>()
                .ok()
                .and_then(|index| at.as_array()?.get(index)),
            None => at.as_object().and_then(|map| map.get(step)),
        };
        match next {
            Some(value) => at = value,
            None => return false,
        }
    }
    true
}
