//! Whether an object is about a person.
//!
//! What is about a person needs a legal basis and more than one pair of eyes before it leaves, so
//! the question is answered in one place and leans to yes where the object leaves it open.

use serde::Deserialize;

use crate::object::Object;

/// The properties that the answer depends on.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Facts {
    identity_class: Option<serde_json::Value>,
    resource_level: Option<serde_json::Value>,
    display_name: Option<serde_json::Value>,
    belongs_to_ref: Option<serde_json::Value>,
}

/// The classes of identity (STIX 2.1, `identity-class-ov`) that are no single person.
const NOT_ONE_PERSON: [&str; 4] = ["group", "system", "organization", "class"];

/// Whether an object is about a person:
///
/// - an `identity`, unless its class is group, system, organization or class (an identity without
///   a class, of class `unknown` or of a class that STIX does not name counts as a person);
/// - a `threat-actor` or `intrusion-set` whose resource level is `individual`;
/// - a `user-account`, always;
/// - an `email-addr` that shows a name or says to which account it belongs;
/// - an object of an extension type with `person` among the parts of its name.
///
/// A relationship, a report or a note is not by itself about a person; what it points to is judged
/// on its own, and [`crate::container_label`] brings the answers together.
pub fn about_person(object: &Object) -> bool {
    let facts = || -> Facts { serde_json::from_slice(object.bytes()).unwrap_or_default() };
    let is = |value: &Option<serde_json::Value>, word: &str| {
        let text = value.as_ref().and_then(|value| value.as_str());
        text.is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
    };
    match object.kind() {
        "identity" => {
            let class = facts().identity_class;
            !NOT_ONE_PERSON.iter().any(|word| is(&class, word))
        }
        "threat-actor" | "intrusion-set" => is(&facts().resource_level, "individual"),
        "user-account" => true,
        "email-addr" => {
            let facts = facts();
            facts.display_name.is_some() || facts.belongs_to_ref.is_some()
        }
        kind => kind.split('-').any(|part| part == "person"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, rest: &str) -> Object {
        let time = "2024-01-01T00:00:00Z";
        let text = format!(
            r#"{{"type":"{kind}","spec_version":"2.1","id":"{kind}--6f2c8b1e-3c0a-4f2f-9a52-0d6f7a4c1b11","created":"{time}","modified":"{time}"{rest}}}"#
        );
        Object::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {text}"))
    }

    #[test]
    fn persons_are_told_from_what_is_no_person() {
        for (kind, rest, person) in [
            ("identity", r#","identity_class":"individual""#, true),
            ("identity", r#","identity_class":" Individual""#, true),
            ("identity", r#","identity_class":"organization""#, false),
            ("identity", r#","identity_class":"ORGANIZATION""#, false),
            ("identity", r#","identity_class":"unknown""#, true),
            ("identity", r#","identity_class":"orgаnization""#, true), // a Cyrillic а
            ("identity", r#","identity_class":7"#, true),
            ("identity", "", true),
            ("threat-actor", r#","resource_level":"individual""#, true),
            ("threat-actor", r#","resource_level":"government""#, false),
            ("threat-actor", "", false),
            ("user-account", r#","user_id":"1001""#, true),
            ("email-addr", r#","value":"a@example.org""#, false),
            (
                "email-addr",
                r#","value":"a@example.org","display_name":"A""#,
                true,
            ),
            (
                "email-addr",
                r#","value":"a@example.org","belongs_to_ref":"user-account--6f2c8b1e-3c0a-4f2f-9a52-0d6f7a4c1b11""#,
                true,
            ),
            ("x-watchlist-person", "", true),
            ("x-personnel", "", false),
            ("indicator", "", false),
        ] {
            assert_eq!(about_person(&object(kind, rest)), person, "{kind} {rest}");
        }
    }
}
