//! What survives the non-attribution scrub, type by type.
//!
//! The list is short on purpose. A property stays when the type cannot do without it or is about
//! nothing else; whether an optional one is there at all is a habit, and habits tell sources apart.
//! So confidence, language, labels, descriptions, kinds and phases, ends of validity, counts of
//! sightings and every extension go, and so does every type that is not listed: one that lives from
//! free text or from traces of a machine (artifact, e-mail message, process, user account).

/// The id of our padding extension's definition: a property extension whose one property,
/// `padding`, is as many zeros as fill the object up to its bucket.
pub const EXTENSION_PADDING: &str = "extension-definition--8f15c88e-732e-475f-a149-e6d853539b16";

/// How a property passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// A text: compatibility forms, invisible characters and white space made one spelling.
    Text,
    /// The same in lower case.
    Lower,
    /// The same in upper case.
    Upper,
    /// An IP address or network in its usual spelling.
    Address,
    /// A whole number.
    Number,
    /// true or false.
    Flag,
    /// A list of words in its own order.
    Words,
    /// One reference, rewritten.
    Ref,
    /// A list of references, rewritten and sorted.
    Refs,
    /// A STIX pattern in normal form.
    Pattern,
    /// The word `stix`; patterns in other languages carry comments, names and styles.
    PatternType,
    /// The form's own `created`.
    Created,
    /// A time rounded down.
    Start,
    /// A time rounded up.
    End,
    /// A count rounded down to a power of ten.
    Magnitude,
    /// The strongest of the hashes.
    Hash,
    /// Identifiers in public knowledge bases.
    Knowledge,
}

use How::*;

const NAME: &[(&str, How)] = &[("name", Text)];
const KNOWN: &[(&str, How)] = &[("name", Text), ("external_references", Knowledge)];

/// The properties of a type besides identity, times, author and markings; `None`: the type does
/// not pass.
pub(crate) fn allowed(kind: &str) -> Option<&'static [(&'static str, How)]> {
    Some(match kind {
        "attack-pattern" | "course-of-action" | "intrusion-set" | "threat-actor" | "tool"
        | "vulnerability" => KNOWN,
        "campaign" | "incident" | "infrastructure" | "mutex" => NAME,
        "malware" => &[
            ("name", Text),
            ("is_family", Flag),
            ("external_references", Knowledge),
        ],
        "identity" => &[("name", Text), ("identity_class", Lower)],
        "location" => &[("region", Lower), ("country", Upper)],
        "indicator" => &[
            ("pattern", Pattern),
            ("pattern_type", PatternType),
            ("valid_from", Created),
        ],
        "observed-data" => &[
            ("first_observed", Start),
            ("last_observed", End),
            ("number_observed", Magnitude),
            ("object_refs", Refs),
        ],
        "report" => &[
            ("name", Text),
            ("published", Created),
            ("object_refs", Refs),
        ],
        "grouping" => &[("context", Lower), ("object_refs", Refs)],
        "note" => &[("content", Text), ("object_refs", Refs)],
        "opinion" => &[("opinion", Lower), ("object_refs", Refs)],
        "relationship" => &[
            ("relationship_type", Lower),
            ("source_ref", Ref),
            ("target_ref", Ref),
        ],
        "sighting" => &[("sighting_of_ref", Ref)],
        "autonomous-system" => &[("number", Number)],
        "directory" => &[("path", Text)],
        "domain-name" => &[("value", Lower)],
        "email-addr" => &[("value", Lower)],
        "mac-addr" => &[("value", Lower)],
        "ipv4-addr" | "ipv6-addr" => &[("value", Address)],
        "url" => &[("value", Text)],
        "file" => &[("hashes", Hash), ("name", Text)],
        "software" => &[("name", Text), ("vendor", Text), ("version", Text)],
        "network-traffic" => &[("protocols", Words), ("dst_ref", Ref), ("dst_port", Number)],
        "windows-registry-key" => &[("key", Text)],
        "x509-certificate" => &[("hashes", Hash), ("serial_number", Lower)],
        _ => return None,
    })
}

/// Whether `id` is how the public knowledge base names things; anything else in such a citation
/// could be a private reference under a public name. Returns the base's usual spelling.
pub(crate) fn public_id(source: &str, id: &str) -> Option<&'static str> {
    let digits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let attack = |id: &str| {
        let letters = id.bytes().take_while(u8::is_ascii_uppercase).count();
        let (number, part) = id
            .get(letters..)?
            .split_once('.')
            .unwrap_or((&id[letters..], "000"));
        ((1..=3).contains(&letters) && digits(number, 4, 4) && digits(part, 3, 3)).then_some(())
    };
    match source.to_ascii_lowercase().as_str() {
        "mitre-attack" => attack(id).map(|()| "mitre-attack"),
        "mitre-ics-attack" => attack(id).map(|()| "mitre-ics-attack"),
        "mitre-mobile-attack" => attack(id).map(|()| "mitre-mobile-attack"),
        "cve" => {
            let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
            (digits(year, 4, 4) && digits(number, 4, 7)).then_some("cve")
        }
        "capec" => digits(id.strip_prefix("CAPEC-")?, 1, 4).then_some("capec"),
        "cwe" => digits(id.strip_prefix("CWE-")?, 1, 4).then_some("cwe"),
        _ => None,
    }
}

/// Hash algorithms (STIX 2.1, section 10.4), the one that is kept first.
pub(crate) const HASHES: [&str; 7] = [
    "SHA-256", "SHA-512", "SHA3-256", "SHA3-512", "SHA-1", "MD5", "TLSH",
];
