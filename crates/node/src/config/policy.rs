//! `[policy]` of the configuration: what the nation's own rules need to know about the node.

use serde::Deserialize;

use super::wrong;
use crate::error::NodeError;

/// What the nation's rules need to know about the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Minutes by which the nation's clock is ahead of UTC. Absent: rules about hours are silent.
    pub utc_offset_minutes: Option<i32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    utc_offset: Option<String>,
}

impl RawPolicy {
    pub(super) fn check(self) -> Result<Policy, NodeError> {
        let utc_offset_minutes = match self.utc_offset {
            None => None,
            Some(text) => Some(minutes(&text).ok_or_else(|| {
                wrong(
                    "policy.utc_offset",
                    format!("{text:?} is no offset from UTC; write it like \"+05:00\""),
                )
            })?),
        };
        Ok(Policy { utc_offset_minutes })
    }
}

/// `+05:00` in minutes.
fn minutes(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then(|| sign * (i32::from(hours) * 60 + i32::from(minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_exactly() {
        for (text, read) in [
            ("+05:00", Some(300)),
            ("+05:45", Some(345)),
            ("-03:30", Some(-210)),
            ("+00:00", Some(0)),
            ("05:00", None),
            ("+5:00", None),
            ("+05:60", None),
            ("+15:00", None),
            ("+ 5:00", None),
            ("é5:00", None),
            ("", None),
        ] {
            assert_eq!(minutes(text), read, "{text}");
        }
    }
}
