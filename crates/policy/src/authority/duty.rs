//! The duties that a nation gives to its people, and the words for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a person is charged with. A person without a duty only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Takes objects in and describes them.
    Analyst,
    /// Decides what leaves, within policy.
    Releaser,
    /// Agrees to what another person wants to release.
    Approver,
    /// Handles requests for information.
    DeskOfficer,
    /// Runs the node, its accords and its users.
    Operator,
    /// Reads the account of everybody's acts, and does nothing else.
    Auditor,
}

impl Duty {
    /// Every duty, in order.
    pub const ALL: [Duty; 6] = [
        Duty::Analyst,
        Duty::Releaser,
        Duty::Approver,
        Duty::DeskOfficer,
        Duty::Operator,
        Duty::Auditor,
    ];

    /// The word for it: in policies, in the store, on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Duty::Analyst => "analyst",
            Duty::Releaser => "releaser",
            Duty::Approver => "approver",
            Duty::DeskOfficer => "desk-officer",
            Duty::Operator => "operator",
            Duty::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word is none of the duties'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDuty;

impl fmt::Display for NoDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duty is one of ")?;
        for (at, duty) in Duty::ALL.into_iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(duty.word())?;
        }
        Ok(())
    }
}

impl std::error::Error for NoDuty {}

impl FromStr for Duty {
    type Err = NoDuty;

    fn from_str(word: &str) -> Result<Duty, NoDuty> {
        let mut all = Duty::ALL.into_iter();
        all.find(|duty| duty.word() == word).ok_or(NoDuty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_json_name_the_same_duties() {
        for duty in Duty::ALL {
            assert_eq!(duty.word().parse(), Ok(duty));
            let json = serde_json::to_string(&duty).unwrap();
            assert_eq!(json, format!("{:?}", duty.word()));
            assert_eq!(serde_json::from_str::<Duty>(&json).unwrap(), duty);
        }
        for word in ["", "Operator", "desk officer", "desk_officer", "admin"] {
            assert_eq!(word.parse::<Duty>(), Err(NoDuty), "{word}");
        }
        assert!(NoDuty.to_string().contains("releaser, approver"));
    }
}
