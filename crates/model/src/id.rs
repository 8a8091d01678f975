//! STIX identifiers: `type--uuid` (STIX 2.1, section 2.9).
//!
//! An `Id` that exists is well formed: the type name is 3 to 250 of a-z, 0-9 and hyphen, the UUID
//! is RFC 4122 text in lower case. Two spellings of one identifier would be two objects to every
//! index, so only this one is accepted. The UUID's version is not checked: STIX asks for 4 or 5 but
//! real feeds use others, and nothing here depends on it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::hash::hex_value;
use crate::limits::{TYPE_BYTES_MAX, TYPE_BYTES_MIN};

/// Characters of a UUID's text form.
const UUID_BYTES: usize = 36;

/// A well-formed STIX identifier. Cheap to clone; ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// Reads `type--uuid`.
    ///
    /// # Errors
    /// `IdError` says which part is malformed.
    pub fn parse(text: &str) -> Result<Id, IdError> {
        check(text.as_bytes())?;
        Ok(Id(Arc::from(text)))
    }

    /// Puts an identifier together.
    ///
    /// # Errors
    /// `IdError::Type` when the type name breaks STIX 2.1's rule.
    pub fn from_parts(type_name: &str, uuid: [u8; 16]) -> Result<Id, IdError> {
        check_type(type_name.as_bytes())?;
        Ok(Id(format!(
            "{type_name}--{}",
            uuid::Uuid::from_bytes(uuid).hyphenated()
        )
        .into()))
    }

    /// The part before `--`: the STIX type of the object.
    pub fn type_name(&self) -> &str {
        &self.0[..self.0.len() - UUID_BYTES - 2]
    }

    /// The part after `--`, as 16 bytes in network order.
    pub fn uuid(&self) -> [u8; 16] {
        let text = &self.0.as_bytes()[self.0.len() - UUID_BYTES..];
        let mut uuid = [0u8; 16];
        let mut digits = text.iter().filter_map(|&digit| hex_value(digit));
        for byte in &mut uuid {
            let high = digits.next().unwrap_or_default();
            *byte = high << 4 | digits.next().unwrap_or_default();
        }
        uuid
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the whole text without allocating.
fn check(text: &[u8]) -> Result<(), IdError> {
    let Some(type_end) = text.len().checked_sub(UUID_BYTES + 2) else {
        return Err(if text.windows(2).any(|pair| pair == b"--") {
            IdError::Uuid
        } else {
            IdError::Form
        });
    };
    let (type_name, rest) = text.split_at(type_end);
    if &rest[..2] != b"--" {
        return Err(if text.windows(2).any(|pair| pair == b"--") {
            IdError::Uuid
        } else {
            IdError::Form
        });
    }
    check_type(type_name)?;
    let well_formed = rest[2..].iter().enumerate().all(|(at, &byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    if well_formed {
        Ok(())
    } else {
        Err(IdError::Uuid)
    }
}

/// STIX 2.1's rule for object type names.
pub(crate) fn check_type(name: &[u8]) -> Result<(), IdError> {
    let length = (TYPE_BYTES_MIN..=TYPE_BYTES_MAX).contains(&name.len());
    let letters = name
        .iter()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if length && letters {
        Ok(())
    } else {
        Err(IdError::Type)
    }
}

/// Which part of an identifier is malformed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// There is no `--` between a type name and a UUID.
    Form,
    /// The type name is not 3 to 250 of a-z, 0-9 and hyphen.
    Type,
    /// What follows is not a UUID in lower-case text form.
    Uuid,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdError::Form => "an identifier has the form type--uuid",
            IdError::Type => "an object type is 3 to 250 characters of a-z, 0-9 and hyphen",
            IdError::Uuid => {
                "an identifier ends in a UUID of 32 lower-case hex digits in groups of 8-4-4-4-12"
            }
        })
    }
}

impl std::error::Error for IdError {}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Id, IdError> {
        Id::parse(text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f";

    #[test]
    fn splits_into_type_and_uuid() {
        let id = Id::parse(&format!("attack-pattern--{UUID}")).expect("well formed");
        assert_eq!(id.type_name(), "attack-pattern");
        assert_eq!(id.uuid()[..2], [0x8e, 0x2e]);
        assert_eq!(id.uuid()[15], 0x3f);
        assert_eq!(Id::from_parts("attack-pattern", id.uuid()), Ok(id));
    }

    #[test]
    fn refuses_each_malformed_part() {
        let long = "a".repeat(251);
        for (text, error) in [
            (String::new(), IdError::Form),
            ("indicator".into(), IdError::Form),
            (UUID.into(), IdError::Form),
            (format!("indicator-{UUID}"), IdError::Form),
            (format!("ab--{UUID}"), IdError::Type),
            (format!("--{UUID}"), IdError::Type),
            (format!("{long}--{UUID}"), IdError::Type),
            (format!("Indicator--{UUID}"), IdError::Type),
            (format!("indic ator--{UUID}"), IdError::Type),
            (format!("индикатор--{UUID}"), IdError::Type),
            (format!("indicator--{}", UUID.to_uppercase()), IdError::Uuid),
            (
                format!("indicator--{}", UUID.replace('-', "0")),
                IdError::Uuid,
            ),
            (format!("indicator--{UUID}0"), IdError::Uuid),
            ("indicator--1".into(), IdError::Uuid),
        ] {
            assert_eq!(Id::parse(&text), Err(error), "{text}");
        }
        assert!(Id::parse(&format!("{}--{UUID}", &long[1..])).is_ok());
        assert!(Id::parse(&format!("x-1--{UUID}")).is_ok());
    }
}
