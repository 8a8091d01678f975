//! The language of the tables: what a property may hold, and what an object of a type consists of.
//!
//! A table is data; `walk` reads it. Whatever one row cannot say (a property that depends on
//! another) is a plain function in `objects`.

use super::vocabulary::Vocabulary;
use crate::class::Class;

/// What one property may hold (STIX 2.1, section 2).
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A string that is not empty of meaning to us: any.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included.
    Whole(i64, i64),
    /// Any number between the two, both included.
    Real(f64, f64),
    /// RFC 3339 in UTC.
    Time,
    /// As `Time`, with milliseconds or finer.
    VersionTime,
    /// Base64 with padding (RFC 4648, section 4).
    Binary,
    /// An even number of hex digits.
    Hex,
    /// A URI with a scheme (RFC 3986).
    Url,
    /// A language tag (RFC 5646).
    Language,
    /// Algorithm names with values of their form.
    Hashes,
    /// Names with values of this kind.
    Dictionary(&'static Kind),
    /// The identifier of an object of a type that may stand here.
    Ref(To),
    /// A word for which the standard suggests values.
    Open(&'static Vocabulary),
    /// A word out of a closed list.
    Closed(&'static Vocabulary),
    /// A list with at least one element.
    List(&'static Kind),
    /// Text or a whole number.
    TextOrWhole,
    /// An object with properties of its own.
    Part(&'static Shape),
    /// Looked at by a function elsewhere, or by none.
    Any,
}

/// Whole numbers that every reader can hold (STIX 2.1, section 2.10).
pub(super) const WHOLE: Kind = Kind::Whole(-SAFE, SAFE);
/// The same, not negative.
pub(super) const COUNT: Kind = Kind::Whole(0, SAFE);
/// Any number.
pub(super) const REAL: Kind = Kind::Real(f64::MIN, f64::MAX);
/// A list of strings.
pub(super) const TEXTS: Kind = Kind::List(&Kind::Text);
const SAFE: i64 = (1 << 53) - 1;

/// Which types an identifier may name. Types that STIX does not define pass wherever a class is
/// asked for, since their class cannot be known here.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// Any object.
    Any,
    /// Exactly these types.
    Types(&'static [&'static str]),
    /// Domain objects.
    Sdo,
    /// Cyber observables.
    Sco,
    /// Cyber observables and relationships of both kinds.
    ScoOrSro,
    /// What a relationship may connect.
    End,
}

impl To {
    /// Whether an object of this type may be referred to.
    pub(super) fn takes(self, type_name: &str) -> bool {
        let class = Class::of(type_name);
        let custom = class == Class::Extension && type_name != "bundle";
        match self {
            To::Any => true,
            To::Types(types) => types.contains(&type_name),
            To::Sdo => class == Class::Sdo || custom,
            To::Sco => class == Class::Sco || custom,
            To::ScoOrSro => matches!(class, Class::Sco | Class::Sro) || custom,
            To::End => matches!(class, Class::Sdo | Class::Sco) || custom,
        }
    }

    /// For a sentence that says what may stand here.
    pub(super) fn words(self) -> String {
        match self {
            To::Any => "an object".to_owned(),
            To::Types(types) => types.join(" or "),
            To::Sdo => "a domain object".to_owned(),
            To::Sco => "a cyber observable".to_owned(),
            To::ScoOrSro => "a cyber observable or a relationship".to_owned(),
            To::End => "a domain object or a cyber observable".to_owned(),
        }
    }
}

/// Whether a property has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// It should.
    Recommended,
    /// It may, and should not in new data.
    Deprecated,
}

/// One row: a property of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) need: Need,
}

/// A required property.
pub(super) const fn must(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        need: Need::Required,
    }
}

/// An optional property.
pub(super) const fn may(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        need: Need::Optional,
    }
}

/// An optional property that producers are asked to give.
pub(super) const fn should(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        need: Need::Recommended,
    }
}

/// A property that STIX 2.1 keeps for old data only.
pub(super) const fn deprecated(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        need: Need::Deprecated,
    }
}

/// What a type, an extension or a part of them consists of.
#[derive(Debug)]
pub(super) struct Shape {
    /// The type's name, the key of an extension, or what people call the part.
    pub(super) name: &'static str,
    /// The section of STIX 2.1 that defines it.
    pub(super) section: &'static str,
    /// Which of the common properties it has (section 3.2); `None` for parts of objects.
    pub(super) common: Option<&'static [Property]>,
    /// Its own properties.
    pub(super) properties: &'static [Property],
    /// Groups of properties of which at least one must be there. An empty group means: at least
    /// one of its own properties.
    pub(super) some_of: &'static [&'static [&'static str]],
    /// Pairs of times (earlier, later, whether they may be equal).
    pub(super) order: &'static [(&'static str, &'static str, bool)],
    /// The extensions that STIX defines for it.
    pub(super) extensions: &'static [&'static Shape],
    /// The properties that make its id, for cyber observables (section 6).
    pub(super) identity: &'static [&'static str],
}

impl Shape {
    /// A shape without anything but a name.
    pub(super) const fn new(
        name: &'static str,
        section: &'static str,
        properties: &'static [Property],
    ) -> Shape {
        Shape {
            name,
            section,
            common: None,
            properties,
            some_of: &[],
            order: &[],
            extensions: &[],
            identity: &[],
        }
    }

    /// The row of a property, common ones included.
    pub(super) fn property(&self, name: &str) -> Option<&'static Property> {
        let own = self.properties.iter();
        let common = self.common.unwrap_or_default().iter();
        own.chain(common).find(|property| property.name == name)
    }
}
