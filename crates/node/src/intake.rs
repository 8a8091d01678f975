//! How much of STIX 2.1 the national intake asks for, beyond what every node asks.
//!
//! The default, `lenient`, refuses nothing: what is not as the standard says is counted where there
//! is a place to tell it (the answer to `kurultai add`, the metrics), and costs nothing where there
//! is none (a TAXII POST, the hot path of intake). What partners send over channels never comes
//! here.

use model::Object;
use model::validate::{Finding, Mode, Severity, Validator};
use serde::Deserialize;

/// `intake.validation` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// Nothing more is asked.
    Off,
    /// Everything is taken, and warnings are counted where there is a place to tell them.
    #[default]
    Lenient,
    /// Objects that break what the standard says MUST are refused, one by one.
    Strict,
}

impl Validation {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Validation::Off => "off",
            Validation::Lenient => "lenient",
            Validation::Strict => "strict",
        }
    }

    /// How many warnings there are about an object.
    ///
    /// # Errors
    /// The first error, when the object is refused for it.
    pub(crate) fn check(self, object: &Object) -> Result<u64, Box<Finding>> {
        let mode = match self {
            Validation::Off => return Ok(0),
            Validation::Lenient => Mode::Lenient,
            Validation::Strict => Mode::Strict,
        };
        let report = Validator::new(mode).object(object);
        match report.first_error() {
            Some(error) => Err(Box::new(error.clone())),
            None => Ok(report.count(Severity::Warning)),
        }
    }

    /// Why an object is refused, if it is; for answers that have no place for warnings, so that
    /// `lenient` costs nothing there either.
    pub(crate) fn refuses(self, object: &Object) -> Option<String> {
        match self {
            Validation::Strict => self.check(object).err().map(|error| error.to_string()),
            Validation::Off | Validation::Lenient => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_refuses_and_only_what_the_standard_forbids() {
        let object = |pattern: &str| {
            let text = format!(
                r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--5e000000-0000-4000-8000-000000000001",
                "created":"2026-03-01T00:00:00.000Z","modified":"2026-03-01T00:00:00.000Z","pattern":"{pattern}",
                "pattern_type":"stix","valid_from":"2026-03-01T00:00:00Z"}}"#
            );
            Object::parse(text.as_bytes()).unwrap()
        };
        let (good, bad) = (object("[a:b = 'c']"), object("[a:b = 'c'"));
        assert_eq!(Validation::Off.check(&bad), Ok(0));
        // Name and description are asked for.
        assert_eq!(Validation::Strict.check(&good), Ok(2));
        assert_eq!(Validation::Lenient.check(&bad), Ok(3));
        let error = Validation::Strict.check(&bad).unwrap_err();
        assert_eq!(error.pointer, "/pattern");
        assert_eq!(Validation::Lenient.refuses(&bad), None);
        let why = Validation::Strict.refuses(&bad).unwrap();
        assert!(
            why.starts_with("/pattern: ") && why.contains("stix-4.7-pattern"),
            "{why}"
        );
    }
}
