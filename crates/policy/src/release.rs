//! The hard rule: what may be in a channel at all.
//!
//! [`releasable`] is the only place in the program that answers this. Senders ask it before a
//! release and receivers ask it again about what arrives, so that one careless or hostile node
//! cannot widen what another would keep.
//!
//! INVARIANT (I1): yes means that the channel is in force, every member that the channel names is
//! one to whom the label releases (in its releasable-to set, and not excluded), the label has not
//! expired and is not above the ceiling, the kind is allowed and the exercise flag agrees. *Every member that the channel names*, not only those that have
//! ratified: a member that ratifies tomorrow reads the log from its first entry.

use std::collections::BTreeSet;
use std::fmt;

use model::{Groups, Label, Timestamp, Tlp};

use crate::accord::Channel;

/// What is to be released or was received, as far as the rule needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The effective label: the object's own markings combined with what intake added.
    pub label: &'a Label,
    /// The STIX type.
    pub kind: &'a str,
    /// The time of the question: a label may have expired.
    pub now: Timestamp,
}

/// A channel together with those who take part in it: they have ratified it and are not away.
#[derive(Clone, Debug)]
pub struct InForce<'a> {
    /// The accord's name.
    pub accord: &'a str,
    /// What the accord says about the channel.
    pub channel: &'a Channel,
    /// Members of the channel that have ratified the accord and are not away.
    pub members: BTreeSet<String>,
    /// Days that members keep what they receive; absent: no limit.
    pub retention_days: Option<u32>,
    /// The accord's groups, by which the label's recipients are resolved.
    pub groups: Groups,
    /// What the accord's members may use received objects for; empty: not limited.
    pub purposes: BTreeSet<String>,
}

impl<'a> InForce<'a> {
    /// A channel with those who have ratified it, in an accord without groups, retention or
    /// purposes.
    pub fn new(accord: &'a str, channel: &'a Channel, members: BTreeSet<String>) -> InForce<'a> {
        InForce {
            accord,
            channel,
            members,
            retention_days: None,
            groups: Groups::default(),
            purposes: BTreeSet::new(),
        }
    }
}

/// Why something stays out of a channel. Each variant names what would have to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Fewer than two members of the channel take part in it.
    NotInForce {
        /// The channel.
        channel: String,
        /// Its members that have ratified and are not away.
        ratified: BTreeSet<String>,
    },
    /// The label does not release to some members of the channel: they are not in its
    /// releasable-to set, or it excludes them.
    MemberNotReleasable {
        /// The channel.
        channel: String,
        /// Those members.
        members: BTreeSet<String>,
    },
    /// The label has run out.
    LabelExpired {
        /// When.
        expires: Timestamp,
    },
    /// The label is too long to be written into an entry, as only a combination of many can be.
    LabelTooLong,
    /// The label's TLP level is above the channel's ceiling.
    AboveCeiling {
        /// The channel.
        channel: String,
        /// The label's level.
        tlp: Tlp,
        /// The channel's ceiling.
        ceiling: Tlp,
    },
    /// The channel does not carry this type.
    KindNotAllowed {
        /// The channel.
        channel: String,
        /// The type.
        kind: String,
    },
    /// An exercise object for a real channel, or a real object for an exercise channel.
    ExerciseMismatch {
        /// The channel.
        channel: String,
        /// Whether the object is marked as exercise; the channel is the opposite.
        exercise: bool,
    },
    /// A received entry's origin is not a member of the channel that has ratified the accord.
    NotAnOrigin {
        /// The channel.
        channel: String,
        /// Whose log the entry is in.
        origin: String,
    },
    /// A part of a received entry cannot be read.
    Unreadable {
        /// The entry's field.
        field: &'static str,
    },
    /// A received entry and the object that came with it say different things.
    NotTheObject {
        /// The entry's field that the object contradicts.
        field: &'static str,
    },
    /// The object's own TLP marking is stricter than the label that the entry claims.
    LabelTooWeak {
        /// The level in the entry's label.
        claimed: Tlp,
        /// The level that the object itself carries.
        stated: Tlp,
    },
    /// The entry is older than the channel's retention.
    PastRetention {
        /// The channel's retention in days.
        days: u32,
    },
    /// The entry's time lies more than a day ahead of the receiver's clock.
    FromTheFuture {
        /// The entry's time.
        time: String,
    },
}

/// The hard rule (I1). Answers with every reason against, not only the first, so that a person
/// can put all of them right at once.
///
/// # Errors
/// The reasons why the subject must stay out of the channel; never empty.
pub fn releasable(subject: &Subject<'_>, channel: &InForce<'_>) -> Result<(), Vec<Withheld>> {
    let rules = channel.channel;
    let name = || rules.name.clone();
    let mut reasons = Vec::new();
    if channel.members.len() < 2 {
        reasons.push(Withheld::NotInForce {
            channel: name(),
            ratified: channel.members.clone(),
        });
    }
    // The union, because an `InForce` that names a reader beyond the channel's own list must not
    // open a way around the rule.
    let outside: BTreeSet<String> = rules
        .members
        .union(&channel.members)
        .filter(|code| !subject.label.releases_to(code, &channel.groups))
        .cloned()
        .collect();
    if !outside.is_empty() {
        reasons.push(Withheld::MemberNotReleasable {
            channel: name(),
            members: outside,
        });
    }
    if let Some(expires) = subject.label.expires
        && subject.label.expired(subject.now)
    {
        reasons.push(Withheld::LabelExpired { expires });
    }
    if !subject.label.is_writable() {
        reasons.push(Withheld::LabelTooLong);
    }
    if subject.label.tlp > rules.ceiling {
        reasons.push(Withheld::AboveCeiling {
            channel: name(),
            tlp: subject.label.tlp,
            ceiling: rules.ceiling,
        });
    }
    if !rules.kinds.allows(subject.kind) {
        reasons.push(Withheld::KindNotAllowed {
            channel: name(),
            kind: subject.kind.to_owned(),
        });
    }
    if subject.label.exercise != rules.exercise {
        reasons.push(Withheld::ExerciseMismatch {
            channel: name(),
            exercise: subject.label.exercise,
        });
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Withheld::NotInForce { channel, ratified } => write!(
                f,
                "channel {channel} is not in force: {} of its members take part in it (they have \
                 ratified the accord, and have not left or suspended it) and it takes two",
                if ratified.is_empty() {
                    "none".to_owned()
                } else {
                    format!("only {}", joined(ratified))
                }
            ),
            Withheld::MemberNotReleasable { channel, members } => write!(
                f,
                "channel {channel} reaches {}, to whom the object's label does not release it; \
                 add them to its releasable-to set (or take them out of what it excludes), \
                 or choose a channel without them",
                joined(members)
            ),
            Withheld::LabelExpired { expires } => write!(
                f,
                "the object's label expired at {expires}; \
                 give the object a new label if it may still be shared"
            ),
            Withheld::LabelTooLong => write!(
                f,
                "the object's combined label is longer than the {} bytes that others read; \
                 use fewer caveats, purposes or recipients, or name a group",
                model::LABEL_BYTES_MAX
            ),
            Withheld::AboveCeiling {
                channel,
                tlp,
                ceiling,
            } => write!(
                f,
                "the object is {} and channel {channel} carries at most {}; \
                 lower the marking or choose a channel with a higher ceiling",
                tlp, ceiling
            ),
            Withheld::KindNotAllowed { channel, kind } => write!(
                f,
                "channel {channel} does not carry objects of type {kind}; \
                 choose another channel or agree on a new version of the accord"
            ),
            Withheld::ExerciseMismatch {
                channel,
                exercise: true,
            } => write!(
                f,
                "the object is marked as exercise and channel {channel} carries only real objects; \
                 choose an exercise channel"
            ),
            Withheld::ExerciseMismatch {
                channel,
                exercise: false,
            } => write!(
                f,
                "channel {channel} is for exercises and the object is not marked as exercise; \
                 mark it or choose another channel"
            ),
            Withheld::NotAnOrigin { channel, origin } => write!(
                f,
                "{origin} is not a member of channel {channel} that has ratified the accord"
            ),
            Withheld::Unreadable { field } => {
                write!(
                    f,
                    "the entry's {field} cannot be read; its origin must send it anew"
                )
            }
            Withheld::NotTheObject { field } => write!(
                f,
                "the entry's {field} is not that of the object that came with it"
            ),
            Withheld::LabelTooWeak { claimed, stated } => write!(
                f,
                "the entry claims {} for an object that is itself marked {}; \
                 its origin must release it under the stricter label",
                claimed, stated
            ),
            Withheld::PastRetention { days } => write!(
                f,
                "the entry is older than the {days} days for which the channel keeps objects"
            ),
            Withheld::FromTheFuture { time } => write!(
                f,
                "the entry says that it was made at {time}, more than a day from now; \
                 compare the clocks of both nodes"
            ),
        }
    }
}

fn joined(codes: &BTreeSet<String>) -> String {
    codes
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
