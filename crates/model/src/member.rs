//! A member of an accord as STIX has it: one identity object whose id follows from its domain.
//!
//! Every node that knows the accord can tell which member a `created_by_ref` names, without asking
//! and without a table. That the object names a member is a claim like any other; who published it
//! is known from the log that brought it.

use crate::hash::Hash;
use crate::id::Id;
use crate::object::Object;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// The id of the identity object of the member with this domain: a version 8 UUID (RFC 9562) from
/// the hash of the domain.
pub fn member_identity_id(domain: &str) -> Id {
    let named = Hash::of(format!("member of an accord\n{domain}").as_bytes());
    let mut uuid = [0u8; 16];
    uuid.copy_from_slice(&named.0[..16]);
    let uuid = uuid::Builder::from_custom_bytes(uuid).into_uuid();
    match Id::from_parts("identity", *uuid.as_bytes()) {
        Ok(id) => id,
        Err(_) => unreachable!("\"identity\" is a STIX type name"),
    }
}

/// The identity object of a member: an organisation (STIX 2.1, section 4.5).
///
/// # Errors
/// When the name is longer than an object may be.
pub fn member_identity(domain: &str, name: &str, at: Timestamp) -> Result<Object, Refusal> {
    let at = at.to_string();
    let object = serde_json::json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": member_identity_id(domain).as_str(),
        "created": at,
        "modified": at,
        "name": name,
        "identity_class": "organization",
    });
    Object::parse(object.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_identity_everywhere() {
        let at = Timestamp::from_unix_micros(1_780_000_000_000_000);
        let here = member_identity("kz.example", "Kazakhstan", at).expect("an object");
        let there = member_identity("kz.example", "Kazakhstan", at).expect("an object");
        assert_eq!(here.bytes(), there.bytes());
        assert_eq!(*here.id(), member_identity_id("kz.example"));
        assert_ne!(*here.id(), member_identity_id("kg.example"));
        // The id is part of the protocol: nodes of different age must derive the same one.
        assert_eq!(
            here.id().as_str(),
            "identity--be3d4f80-31d9-8d5c-9eb8-da5be2744da7"
        );
    }

    #[test]
    fn a_name_larger_than_an_object_is_refused() {
        let name = "x".repeat(crate::OBJECT_BYTES_MAX);
        let at = Timestamp::from_unix_micros(0);
        assert!(member_identity("kz.example", &name, at).is_err());
    }
}
