//! Which properties an object of each STIX 2.1 type cannot do without (sections 3.2 and 4 to 7).
//!
//! Only what redaction has to know: dropping one of these leaves something that others refuse or
//! misunderstand, so it must be replaced instead. The model itself does not judge this.

use serde_json::{Map, Value};

/// Properties that carry identity, version and handling. No rule drops or changes them: the first
/// five are made anew for the outgoing form, markings are orders, and a revocation stays one.
pub(crate) const PROTECTED: [&str; 6] = [
    "type",
    "id",
    "spec_version",
    "object_marking_refs",
    "granular_markings",
    "revoked",
];

/// The properties that the type must have.
pub(crate) fn required(kind: &str) -> &'static [&'static str] {
    match kind {
        "attack-pattern" | "campaign" | "course-of-action" | "identity" | "incident"
        | "infrastructure" | "intrusion-set" | "threat-actor" | "tool" | "vulnerability"
        | "software" | "mutex" => &["name"],
        "grouping" => &["context", "object_refs"],
        "indicator" => &["pattern", "pattern_type", "valid_from"],
        "malware" => &["is_family"],
        "malware-analysis" => &["product"],
        "note" => &["content", "object_refs"],
        "observed-data" => &["first_observed", "last_observed", "number_observed"],
        "opinion" => &["opinion", "object_refs"],
        "report" => &["name", "published", "object_refs"],
        "relationship" => &["relationship_type", "source_ref", "target_ref"],
        "sighting" => &["sighting_of_ref"],
        "language-content" => &["object_ref", "contents"],
        "extension-definition" => &[
            "name",
            "schema",
            "version",
            "extension_types",
            "created_by_ref",
        ],
        "autonomous-system" => &["number"],
        "directory" => &["path"],
        "domain-name" | "email-addr" | "ipv4-addr" | "ipv6-addr" | "mac-addr" | "url" => &["value"],
        "email-message" => &["is_multipart"],
        "network-traffic" => &["protocols"],
        _ => &[],
    }
}

/// Groups of properties of which the type must have at least one.
fn one_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "artifact" => &["payload_bin", "url"],
        "file" => &["hashes", "name"],
        "location" => &["region", "country", "latitude"],
        "malware-analysis" => &["result", "analysis_sco_refs"],
        "network-traffic" => &["src_ref", "dst_ref"],
        "observed-data" => &["objects", "object_refs"],
        _ => &[],
    }
}

/// The first property that `before` had, `after` lacks and the type needs.
pub(crate) fn lost(
    kind: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Option<&'static str> {
    let gone = |name: &&&str| before.contains_key(**name) && !after.contains_key(**name);
    if let Some(name) = required(kind).iter().find(gone) {
        return Some(name);
    }
    let group = one_of(kind);
    let had = group.iter().find(|name| before.contains_key(**name));
    if !group.iter().any(|name| after.contains_key(*name)) {
        return had.copied();
    }
    // STIX 2.1 section 6.1: hashes are required where the url is given.
    if kind == "artifact" && after.contains_key("url") && gone(&&"hashes") {
        return Some("hashes");
    }
    // Section 4.10: half of a position is none.
    let half = |a: &str, b: &str| after.contains_key(a) && !after.contains_key(b);
    if kind == "location" {
        if half("latitude", "longitude") && before.contains_key("longitude") {
            return Some("longitude");
        }
        if half("longitude", "latitude") && before.contains_key("latitude") {
            return Some("latitude");
        }
        if half("precision", "latitude") && before.contains_key("latitude") {
            return Some("latitude");
        }
    }
    None
}
