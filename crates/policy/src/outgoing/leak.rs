//! The leak check: a last look at the exact object that would leave.
//!
//! It sees what a receiver would see and asks what a receiver should not learn from it: that
//! objects exist which were not released, names of the national list (in any spelling, see `fold`,
//! and encoded, see `decode`), internal hosts and addresses, and what documents say about their
//! making. It changes nothing. Findings are for the nation's own people, and even so they never
//! repeat a term of the list: they say which one it is.

use base64::Engine as _;
use model::{Id, Label, Object, TYPE_BYTES_MAX};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::allowed::EXTENSION_PADDING;
use super::leak_rules::LeakRules;
use super::path::push;
use super::{addresses, decode, metadata};

/// LIMIT: findings for one object; what has so many is not released anyway.
const FINDINGS_MAX: usize = 100;

/// Characters of a UUID.
const UUID_BYTES: usize = 36;

/// What a receiver knows of an object that another one names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefState {
    /// It was released there, came from there, or is public.
    Released,
    /// The node holds it and has not released it there.
    Unreleased,
    /// The node does not hold it.
    Unknown,
}

/// What sort of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A reference to an object that the receiver does not have.
    Reference,
    /// A term of a national list.
    Term,
    /// An internal host name.
    Host,
    /// An internal address.
    Address,
    /// What a document says about its making.
    Metadata,
}

/// One thing that should not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort.
    pub kind: FindingKind,
    /// RFC 6901 pointer to the value. A step that is a finding itself is written `*`.
    pub pointer: String,
    /// What was found, without the term or value.
    pub words: String,
    /// Whether the rules make it block the release; otherwise it warns.
    pub blocks: bool,
}

/// Everything that should not leave with this object, in the order of the pointers.
pub fn leaks(object: &Object, rules: &LeakRules, refs: &dyn Fn(&Id) -> RefState) -> Vec<Finding> {
    let tree = serde_json::from_slice(object.bytes()).unwrap_or(Value::Null);
    let mut check = Check {
        rules,
        refs,
        own: object.id(),
        found: Vec::new(),
    };
    check.value(&tree, &mut String::new(), "");
    check.documents(object.kind(), &tree);
    let mut found = check.found;
    found.sort_by(|a, b| (&a.pointer, a.kind, &a.words).cmp(&(&b.pointer, b.kind, &b.words)));
    found.dedup();
    found
}

struct Check<'a> {
    rules: &'a LeakRules,
    refs: &'a dyn Fn(&Id) -> RefState,
    own: &'a Id,
    found: Vec<Finding>,
}

impl Check<'_> {
    fn add(&mut self, kind: FindingKind, pointer: &str, words: String, blocks: bool) {
        // A blocking finding is never lost for the number of those that warn.
        if self.found.len() < FINDINGS_MAX || (blocks && self.found.len() < 2 * FINDINGS_MAX) {
            self.found.push(Finding {
                kind,
                pointer: pointer.to_owned(),
                words,
                blocks,
            });
        }
    }

    fn value(&mut self, value: &Value, pointer: &mut String, name: &str) {
        let length = pointer.len();
        match value {
            Value::String(text) => self.string(text, pointer, name),
            Value::Object(members) => {
                for (name, member) in members {
                    if name == EXTENSION_PADDING {
                        continue;
                    }
                    // A name can be a finding, and then it does not stand in the pointer.
                    let before = self.found.len();
                    push(pointer, "*");
                    // The names of extensions are identifiers of public definitions.
                    if !name.starts_with("extension-definition--") {
                        self.ids(name, pointer);
                    }
                    self.text(name, pointer, "in the name of a property");
                    if self.found.len() == before {
                        pointer.truncate(length);
                        push(pointer, name);
                    }
                    self.value(member, pointer, name);
                    pointer.truncate(length);
                }
            }
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    push(pointer, &at.to_string());
                    self.value(element, pointer, name);
                    pointer.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, text: &str, pointer: &str, name: &str) {
        if let Ok(id) = Id::parse(text) {
            if pointer != "/id" && id != *self.own {
                self.reference(&id, pointer, name);
            }
            return;
        }
        self.ids(text, pointer);
        self.text(text, pointer, "");
        for reading in decode::readings(text) {
            self.ids(&reading, pointer);
            self.text(&reading, pointer, "encoded");
        }
    }

    /// Identifiers inside a text, in whatever letter case.
    fn ids(&mut self, text: &str, pointer: &str) {
        for id in ids_in(&text.to_ascii_lowercase()) {
            if id != *self.own {
                self.reference(&id, pointer, "");
            }
        }
    }

    fn reference(&mut self, id: &Id, pointer: &str, name: &str) {
        let is_marking = matches!(name, "marking_ref" | "object_marking_refs");
        if is_marking && is_tlp(id) {
            return;
        }
        let kind = FindingKind::Reference;
        match (self.refs)(id) {
            RefState::Released => {}
            RefState::Unreleased => {
                let words = format!(
                    "names an object ({}) that is not released here",
                    id.type_name()
                );
                self.add(kind, pointer, words, self.rules.unreleased);
            }
            RefState::Unknown => {
                let words = format!(
                    "names an object ({}) that this node does not hold",
                    id.type_name()
                );
                self.add(kind, pointer, words, self.rules.unknown);
            }
        }
    }

    /// Terms, hosts and addresses in one text.
    fn text(&mut self, text: &str, pointer: &str, how: &str) {
        let how = if how.is_empty() {
            String::new()
        } else {
            format!(", {how}")
        };
        let rules = self.rules;
        for term in rules.terms(text) {
            let hidden = if term.plain {
                ""
            } else {
                ", spelt with look-alike, split or hidden letters"
            };
            let words = format!(
                "term {} of the list {:?}{hidden}{how}",
                term.number, term.list
            );
            self.add(FindingKind::Term, pointer, words, term.blocks);
        }
        let plain = spelt_plainly(text);
        let text = plain.as_deref().unwrap_or(text);
        let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text
            .split(|c| !part(c))
            .any(|host| rules.is_internal_host(host))
        {
            let words = format!("an internal host name{how}");
            self.add(FindingKind::Host, pointer, words, rules.host_blocks);
        }
        let internal = addresses::addresses(text)
            .iter()
            .any(|found| rules.is_internal(found.net))
            || number_host(text).is_some_and(|net| rules.is_internal(net));
        if internal {
            let words = format!("an internal address{how}");
            self.add(FindingKind::Address, pointer, words, rules.address_blocks);
        }
    }

    /// What observables say about documents, and documents about themselves.
    fn documents(&mut self, kind: &str, tree: &Value) {
        self.observable(kind, tree, "");
        // Embedded observables of observed-data (STIX 2.1, section 4.14, deprecated).
        if let Some(objects) = tree.get("objects").and_then(Value::as_object) {
            for (name, embedded) in objects {
                let mut pointer = "/objects".to_owned();
                push(&mut pointer, name);
                let kind = embedded
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                self.observable(kind, embedded, &pointer);
            }
        }
    }

    fn observable(&mut self, kind: &str, tree: &Value, at: &str) {
        let blocks = self.rules.metadata_blocks;
        let has = |value: Option<&Value>| value.is_some_and(|value| *value != Value::Null);
        if has(tree.pointer("/extensions/pdf-ext/document_info_dict")) {
            let pointer = format!("{at}/extensions/pdf-ext/document_info_dict");
            let words = "a PDF's own words about its author and making".to_owned();
            self.add(FindingKind::Metadata, &pointer, words, blocks);
        }
        if has(tree.pointer("/extensions/raster-image-ext/exif_tags")) {
            let pointer = format!("{at}/extensions/raster-image-ext/exif_tags");
            let words = "a picture's own words about camera, place or author".to_owned();
            self.add(FindingKind::Metadata, &pointer, words, blocks);
        }
        if kind != "artifact" {
            return;
        }
        let Some(payload) = tree.get("payload_bin").and_then(Value::as_str) else {
            return;
        };
        let pointer = format!("{at}/payload_bin");
        if tree.get("encryption_algorithm").is_some() {
            let words = "an encrypted payload, which cannot be looked into".to_owned();
            self.add(FindingKind::Metadata, &pointer, words, blocks);
            return;
        }
        match base64::engine::general_purpose::STANDARD.decode(payload) {
            Ok(bytes) => {
                for words in metadata::traces(&bytes) {
                    self.add(FindingKind::Metadata, &pointer, words.to_owned(), blocks);
                }
                for text in decode::texts(&bytes) {
                    self.text(&text, &pointer, "in the payload");
                }
            }
            Err(_) => {
                let words = "a payload that is not base64, so nobody can look into it".to_owned();
                self.add(FindingKind::Metadata, &pointer, words, blocks);
            }
        }
    }
}

/// Whether the marking is one of TLP's own, which every receiver has.
fn is_tlp(id: &Id) -> bool {
    let Ok(open) = Label::parse("TLP:CLEAR") else {
        return false;
    };
    // An unknown marking releases to nobody; TLP's leave releasing to the default, everyone.
    let label = model::label_of(std::slice::from_ref(id), &|_| None, &open);
    label.releasable_to == open.releasable_to
}

/// Identifiers inside a longer text.
fn ids_in(text: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    for (at, _) in text.match_indices("--") {
        // The UUID is tried first: it is short, and what stands before may be long.
        let Some(uuid) = text.get(at + 2..at + 2 + UUID_BYTES) else {
            continue;
        };
        let is_uuid = uuid.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if !is_uuid {
            continue;
        }
        let name = |byte: &&u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let before = text.as_bytes()[..at].iter().rev().take(TYPE_BYTES_MAX);
        let length = before.take_while(name).count();
        let kind = text[at - length..at].trim_start_matches('-');
        ids.extend(Id::parse(&format!("{kind}--{}", uuid.to_ascii_lowercase())));
    }
    ids
}

/// Brackets and compatibility forms undone, when there are any.
fn spelt_plainly(text: &str) -> Option<String> {
    let plain = if text.is_ascii() {
        None
    } else {
        Some(
            text.nfkc()
                .map(|c| if c == '\u{3002}' { '.' } else { c })
                .collect::<String>(),
        )
    };
    let plain = addresses::refang(plain.as_deref().unwrap_or(text)).or(plain);
    let escaped = plain.as_deref().unwrap_or(text);
    if escaped.contains('\\') {
        Some(escaped.replace("\\.", ".").replace('\\', " "))
    } else {
        plain
    }
}

/// The host of a URL that is one number, decimal or hexadecimal: browsers take it as an address.
fn number_host(text: &str) -> Option<ipnet::IpNet> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host);
    let number = match host.strip_prefix("0x").or_else(|| host.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => host.parse().ok()?,
    };
    Some(ipnet::IpNet::from(core::net::IpAddr::V4(number.into())))
}
