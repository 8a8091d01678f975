//! Which of two versions of one object stands (STIX 2.1, section 3.6).
//!
//! Versions of one id are ordered by `modified` as an instant. The rule is total and depends on
//! nothing but the two versions, so nodes that saw them in different order end up alike, with one
//! exception that STIX itself makes: cyber observables have no versions.

use crate::class::Class;
use crate::hash::Hash;
use crate::time::Timestamp;

/// What a newly read version is to the one held under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// Later `modified`: it becomes the current version.
    Newer,
    /// Earlier `modified`: history, the held one stays current.
    Older,
    /// The same bytes.
    Same,
    /// The same version with other content: refused and kept as evidence.
    Conflict,
    /// A cyber observable (or an unversioned custom object) with other bytes: the latest accepted
    /// stands, because such objects have no version to compare.
    Variant,
}

/// Compares the version `new` with the one `held`; each is `Object::version` and `Object::hash`.
/// Of a custom type that sometimes has `modified`, the version that has it is the newer one.
pub fn succession(
    held: (Option<Timestamp>, Hash),
    new: (Option<Timestamp>, Hash),
    class: Class,
) -> Succession {
    if held.1 == new.1 {
        return Succession::Same;
    }
    match (class, held.0, new.0) {
        (Class::Sco, _, _) | (Class::Extension, None, None) => Succession::Variant,
        (Class::Marking, _, _) => Succession::Conflict,
        (_, held, new) if new > held => Succession::Newer,
        (_, held, new) if new < held => Succession::Older,
        _ => Succession::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_modified_wins_and_equal_is_a_conflict() {
        use Succession::*;
        let (a, b) = (Hash::of(b"a"), Hash::of(b"b"));
        let at = |text| Some(Timestamp::parse(text).expect("a timestamp"));
        let (early, late) = (
            at("2024-01-01T00:00:00Z"),
            at("2024-01-01T00:00:00.000000001Z"),
        );
        for (held, new, class, expected) in [
            ((early, a), (late, b), Class::Sdo, Newer),
            ((late, a), (early, b), Class::Sro, Older),
            ((early, a), (early, b), Class::Sdo, Conflict),
            (
                (early, a),
                (at("2024-01-01T00:00:00.000Z"), b),
                Class::Meta,
                Conflict,
            ),
            ((early, a), (early, a), Class::Sdo, Same),
            ((None, a), (None, b), Class::Sco, Variant),
            ((None, a), (None, a), Class::Sco, Same),
            ((None, a), (None, b), Class::Marking, Conflict),
            ((None, a), (None, b), Class::Extension, Variant),
            ((None, a), (early, b), Class::Extension, Newer),
            ((early, a), (None, b), Class::Extension, Older),
            ((early, a), (early, b), Class::Extension, Conflict),
        ] {
            assert_eq!(
                succession(held, new, class),
                expected,
                "{held:?} {new:?} {class:?}"
            );
        }
    }
}
