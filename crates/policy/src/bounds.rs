//! The bounds that a node's configuration sets for automatic release into one channel.
//!
//! They are the operator's, not the nation's: outside them the node releases nothing by itself,
//! whatever the nation's rules would permit. Inside them the rules decide.

use model::Tlp;

use crate::accord::Kinds;
use crate::release::Subject;

/// How a member releases into one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReleaseMode {
    /// Only a person releases.
    #[default]
    Manual,
    /// The node releases by itself what is of these kinds and not above this level; a person
    /// releases the rest.
    Auto {
        /// The kinds.
        kinds: Kinds,
        /// The highest level.
        ceiling: Tlp,
    },
}

impl ReleaseMode {
    /// Why automation may not release this, in words; absent when it is within the bounds.
    pub(crate) fn outside(&self, subject: &Subject<'_>) -> Option<String> {
        match self {
            ReleaseMode::Manual => {
                Some("the channel is in manual mode, so a person has to release".to_owned())
            }
            ReleaseMode::Auto { kinds, .. } if !kinds.allows(subject.kind) => Some(format!(
                "automatic release does not cover {}, so a person has to release",
                subject.kind
            )),
            ReleaseMode::Auto { ceiling, .. } if subject.label.tlp > *ceiling => Some(format!(
                "automatic release ends at {} and the object is {}, \
                 so a person has to release",
                ceiling, subject.label.tlp
            )),
            ReleaseMode::Auto { .. } => None,
        }
    }
}
