//! Reads an object by its table: what is missing, what is of the wrong kind, what is not known.

use serde_json::{Map, Value};

use super::report::{Findings, Place, quote};
use super::rules;
use super::shape::{Kind, Need, Property, Shape, To};
use super::text;
use super::vocabulary::{HASH_ALGORITHM, Vocabulary};
use crate::id::Id;
use crate::time::Timestamp;

pub(super) type Members = Map<String, Value>;

/// What the checks of one object share.
pub(super) struct Walk<'w> {
    pub(super) out: &'w mut Findings,
    /// Values are written so that they cannot be clicked: their form says nothing.
    pub(super) defanged: bool,
    /// Inside the deprecated `objects` of observed data: references name keys of this.
    pub(super) keys: Option<&'w Members>,
    /// Whether a `toplevel-property-extension` brings properties that STIX does not define.
    pub(super) extended: bool,
}

impl Walk<'_> {
    /// Checks every property that the table has, and names those that it has not.
    pub(super) fn shape(&mut self, shape: &'static Shape, map: &Members, place: &Place<'_>) {
        let common = shape.common.unwrap_or_default();
        self.rows(common, shape.section, map, place);
        self.rows(shape.properties, shape.section, map, place);
        for group in shape.some_of {
            self.some_of(shape, group, map, place);
        }
        for (earlier, later, equal) in shape.order {
            self.order(shape.section, map, (earlier, later, *equal), place);
        }
        self.unknown(shape, map, place);
    }

    /// Checks the rows of a table, without looking for properties that it has not.
    pub(super) fn rows(
        &mut self,
        rows: &'static [Property],
        section: &'static str,
        map: &Members,
        place: &Place<'_>,
    ) {
        for property in rows {
            let Some(value) = map.get(property.name) else {
                self.absent(property, section, place);
                continue;
            };
            let here = place.key(property.name);
            if property.need == Need::Deprecated {
                let sentence = format!("{} is deprecated in STIX 2.1", property.name);
                self.out
                    .add_in(&rules::DEPRECATED, section, &here, sentence);
            }
            self.value(&property.kind, value, section, &here);
        }
    }

    fn absent(&mut self, property: &Property, section: &'static str, place: &Place<'_>) {
        let rule = match property.need {
            // Observables inside observed data are named by their keys.
            Need::Required if self.keys.is_some() && property.name == "id" => return,
            Need::Required => &rules::REQUIRED,
            Need::Recommended => &rules::RECOMMENDED,
            Need::Optional | Need::Deprecated => return,
        };
        // The section of common properties is the rule's own.
        let common = matches!(
            property.name,
            "type" | "id" | "spec_version" | "created" | "modified"
        );
        let section = if common { rule.section } else { section };
        let verb = if property.need == Need::Required {
            "required"
        } else {
            "recommended"
        };
        self.out.add_in(
            rule,
            section,
            &place.key(property.name),
            format!("{} is {verb} and missing", property.name),
        );
    }

    fn some_of(&mut self, shape: &'static Shape, group: &[&str], map: &Members, place: &Place<'_>) {
        let own = || shape.properties.iter().map(|property| property.name);
        let any = if group.is_empty() {
            own().any(|name| map.contains_key(name)) || map.contains_key("extensions")
        } else {
            group.iter().any(|name| map.contains_key(*name))
        };
        if !any {
            let sentence = if group.is_empty() {
                format!("{} needs at least one of its properties", shape.name)
            } else {
                format!("at least one of {} is needed", group.join(", "))
            };
            self.out
                .add_in(&rules::SOME_OF, shape.section, place, sentence);
        }
    }

    pub(super) fn order(
        &mut self,
        section: &'static str,
        map: &Members,
        (earlier, later, equal): (&'static str, &'static str, bool),
        place: &Place<'_>,
    ) {
        let time = |name| {
            map.get(name)
                .and_then(Value::as_str)
                .and_then(|text| Timestamp::parse(text).ok())
        };
        let (Some(first), Some(second)) = (time(earlier), time(later)) else {
            return;
        };
        if second < first || (second == first && !equal) {
            let relation = if equal { "not be before" } else { "be after" };
            let sentence = format!("{later} must {relation} {earlier}");
            let (rule, section) = if later == "modified" {
                (&rules::CREATED_MODIFIED, rules::CREATED_MODIFIED.section)
            } else {
                (&rules::ORDER, section)
            };
            self.out.add_in(rule, section, &place.key(later), sentence);
        }
    }

    /// Properties that the table does not have.
    fn unknown(&mut self, shape: &'static Shape, map: &Members, place: &Place<'_>) {
        let mut names: Vec<&String> = map
            .keys()
            .filter(|name| shape.property(name).is_none())
            .collect();
        names.sort_unstable();
        for name in names {
            let here = place.key(name);
            let on_object = shape.common.is_some();
            if on_object
                && super::tables::CORE
                    .iter()
                    .chain(super::tables::CORE_SCO)
                    .any(|common| common.name == name)
            {
                let sentence = format!("{} objects have no {name}", shape.name);
                self.out.add(&rules::NOT_APPLICABLE, &here, sentence);
                continue;
            }
            if !(on_object && self.extended) {
                let sentence = format!(
                    "{} is not defined for {} and no extension brings it",
                    quote(name),
                    shape.name
                );
                self.out.add(&rules::CUSTOM_PROPERTY, &here, sentence);
            }
            self.own(name, &map[name], &here);
        }
    }

    /// What holds for properties of one's own.
    pub(super) fn own(&mut self, name: &str, value: &Value, place: &Place<'_>) {
        const RESERVED: &[&str] = &["severity", "username", "phone_numbers", "action"];
        if !text::is_property_name(name) {
            let sentence =
                "a property's name is 3 to 250 of a-z, 0-9 and underscore and begins with a letter";
            self.out.add(&rules::PROPERTY_NAME, place, sentence);
        }
        if RESERVED.contains(&name) {
            self.out.add(
                &rules::RESERVED,
                place,
                format!("{name} is a reserved name"),
            );
        }
        match value {
            Value::Null => self.null(place),
            Value::Array(list) if list.is_empty() => self.empty_list(place),
            _ => {}
        }
        let fits = match (name.rsplit_once('_').map(|(_, ending)| ending), value) {
            (Some("hex"), Value::String(value)) => text::is_hex(value),
            (Some("bin"), Value::String(value)) => text::is_base64(value),
            (Some("ref"), Value::String(value)) => Id::parse(value).is_ok(),
            (Some("refs"), Value::Array(list)) => list
                .iter()
                .all(|id| id.as_str().is_some_and(|id| Id::parse(id).is_ok())),
            (Some("hex" | "bin" | "ref" | "refs"), _) => false,
            _ => true,
        };
        if !fits {
            self.out.add(
                &rules::SUFFIX,
                place,
                format!("{} does not hold what its ending says", quote(name)),
            );
        }
    }

    fn null(&mut self, place: &Place<'_>) {
        self.out.add(
            &rules::NULL,
            place,
            "null is no value in STIX; leave the property out",
        );
    }

    fn empty_list(&mut self, place: &Place<'_>) {
        self.out.add(
            &rules::LIST_EMPTY,
            place,
            "the list is empty; leave the property out",
        );
    }

    fn kind(&mut self, expected: &str, place: &Place<'_>) {
        self.out
            .add(&rules::KIND, place, format!("{expected} is needed here"));
    }

    /// Checks one value against what its property may hold.
    pub(super) fn value(
        &mut self,
        kind: &Kind,
        value: &Value,
        section: &'static str,
        place: &Place<'_>,
    ) {
        if value.is_null() {
            return self.null(place);
        }
        match kind {
            Kind::Any => {}
            Kind::Flag => {
                if !value.is_boolean() {
                    self.kind("true or false", place);
                }
            }
            Kind::Whole(min, max) => match whole(value) {
                Some(number) if number < *min as f64 || number > *max as f64 => {
                    self.out.add_in(
                        &rules::RANGE,
                        section,
                        place,
                        format!("the number must lie between {min} and {max}"),
                    );
                }
                Some(_) => {}
                None => self.kind("a whole number", place),
            },
            Kind::Real(min, max) => match value.as_f64() {
                Some(number) if number < *min || number > *max => {
                    self.out.add_in(
                        &rules::RANGE,
                        section,
                        place,
                        format!("the number must lie between {min} and {max}"),
                    );
                }
                Some(_) => {}
                None => self.kind("a number", place),
            },
            Kind::List(item) => match value {
                Value::Array(list) => {
                    if list.is_empty() {
                        self.empty_list(place);
                    }
                    for (index, value) in list.iter().enumerate() {
                        self.value(item, value, section, &place.index(index));
                    }
                }
                _ => self.kind("a list", place),
            },
            Kind::TextOrWhole => {
                if !value.is_string() && whole(value).is_none() {
                    self.kind("a string or a whole number", place);
                }
            }
            Kind::Dictionary(item) => self.dictionary(item, value, section, place),
            Kind::Hashes => self.hashes(value, place),
            Kind::Part(shape) => match value {
                Value::Object(map) => self.shape(shape, map, place),
                _ => self.kind("an object", place),
            },
            _ => match value {
                Value::String(text) => self.text(kind, text, section, place),
                _ => self.kind("a string", place),
            },
        }
    }

    fn text(&mut self, kind: &Kind, value: &str, section: &'static str, place: &Place<'_>) {
        match kind {
            Kind::Time | Kind::VersionTime => match Timestamp::parse(value) {
                Err(error) => self.out.add(&rules::TIME, place, error.to_string()),
                Ok(_)
                    if matches!(kind, Kind::VersionTime)
                        && value.len() < "2026-01-01T00:00:00.000Z".len() =>
                {
                    self.out.add(
                        &rules::MILLISECONDS,
                        place,
                        "the time needs at least three digits after the point",
                    );
                }
                Ok(_) => {}
            },
            Kind::Binary if !text::is_base64(value) => {
                self.out.add(
                    &rules::BINARY,
                    place,
                    "the value is not Base64 with padding",
                );
            }
            Kind::Hex if !text::is_hex(value) => {
                self.out.add(
                    &rules::HEX,
                    place,
                    "the value is not an even number of hex digits",
                );
            }
            Kind::Url if !self.defanged && !text::is_url(value) => {
                self.out
                    .add(&rules::URL, place, "the value is no URI with a scheme");
            }
            Kind::Language if !text::is_language(value) => {
                self.out.add(
                    &rules::LANGUAGE_TAG,
                    place,
                    format!("{} is no language tag (RFC 5646)", quote(value)),
                );
            }
            Kind::Ref(to) => self.reference(*to, value, section, place),
            Kind::Open(words) => self.open(words, value, place),
            Kind::Closed(words) if !words.words.contains(&value) => {
                let sentence = format!("{} is not in {}", quote(value), words.name);
                self.out.add(&rules::ENUMERATION, place, sentence);
            }
            _ => {}
        }
    }

    fn open(&mut self, words: &Vocabulary, value: &str, place: &Place<'_>) {
        if words.words.contains(&value) {
            return;
        }
        self.out.add(
            &rules::VOCABULARY,
            place,
            format!("{} is not in {}", quote(value), words.name),
        );
        if !text::is_lower_case(value) {
            self.out.add(
                &rules::VOCABULARY_FORM,
                place,
                format!("{} should be in lower case with hyphens", quote(value)),
            );
        }
    }

    fn reference(&mut self, to: To, value: &str, section: &'static str, place: &Place<'_>) {
        let kind = match self.keys.and_then(|keys| keys.get(value)) {
            Some(target) => target
                .get("type")
                .and_then(Value::as_str)
                .map(str::to_owned),
            None => match Id::parse(value) {
                Ok(id) if is_rfc_4122(&id) => Some(id.type_name().to_owned()),
                _ if self.keys.is_some() => {
                    let sentence = format!("{} is no key of objects", quote(value));
                    return self.out.add(&rules::OBSERVED_KEY, place, sentence);
                }
                Ok(_) => {
                    return self.out.add(
                        &rules::ID_FORM,
                        place,
                        "the UUID is not of a version and variant of RFC 4122",
                    );
                }
                Err(error) => return self.out.add(&rules::ID_FORM, place, error.to_string()),
            },
        };
        if let Some(kind) = kind
            && !to.takes(&kind)
        {
            let sentence = format!("{} is needed here, not {}", to.words(), quote(&kind));
            self.out
                .add_in(&rules::REFERENCE_TYPE, section, place, sentence);
        }
    }

    /// The members of a dictionary, which should have some.
    fn filled<'v>(
        &mut self,
        expected: &str,
        value: &'v Value,
        place: &Place<'_>,
    ) -> Option<&'v Members> {
        let Value::Object(map) = value else {
            self.kind(expected, place);
            return None;
        };
        if map.is_empty() {
            self.out.add(
                &rules::DICTIONARY_EMPTY,
                place,
                "the dictionary is empty; leave the property out",
            );
        }
        Some(map)
    }

    fn dictionary(&mut self, item: &Kind, value: &Value, section: &'static str, place: &Place<'_>) {
        let Some(map) = self.filled("a dictionary", value, place) else {
            return;
        };
        for (key, value) in members(map) {
            let here = place.key(key);
            if !is_key(key, 1) {
                let sentence =
                    "a key of a dictionary is 1 to 250 of letters, digits, hyphen and underscore";
                self.out.add(&rules::DICTIONARY_KEY, &here, sentence);
            }
            self.value(item, value, section, &here);
        }
    }

    fn hashes(&mut self, value: &Value, place: &Place<'_>) {
        let Some(map) = self.filled("a dictionary of hashes", value, place) else {
            return;
        };
        for (name, value) in members(map) {
            let here = place.key(name);
            if !is_key(name, 3) {
                let sentence = "the name of a hash algorithm is 3 to 250 of letters, digits, hyphen and underscore";
                self.out.add(&rules::HASH_NAME, &here, sentence);
            } else if !HASH_ALGORITHM.words.contains(&name.as_str()) {
                let sentence = format!("{} is not in {}", quote(name), HASH_ALGORITHM.name);
                self.out.add(&rules::HASH_ALGORITHM, &here, sentence);
            }
            match value {
                Value::String(value) if text::is_hash(name, value) => {}
                Value::String(_) => {
                    self.out.add(
                        &rules::HASH_VALUE,
                        &here,
                        format!("the value is no {} hash", quote(name)),
                    );
                }
                Value::Null => self.null(&here),
                _ => self.kind("a string", &here),
            }
        }
    }
}

/// The members of an object in the order of their names, however they were read.
pub(super) fn members(map: &Members) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

/// The number, if it is whole however it was written.
/// Whether a name may be a key of a dictionary: `least` to 250 of letters, digits, hyphen and
/// underscore.
fn is_key(name: &str, least: usize) -> bool {
    (least..=250).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn whole(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.fract() == 0.0)
}

/// Whether the UUID is of a version and the variant that RFC 4122 defines.
pub(super) fn is_rfc_4122(id: &Id) -> bool {
    let uuid = id.uuid();
    (1..=5).contains(&(uuid[6] >> 4)) && uuid[8] >> 6 == 0b10
}
