//! What a decision is asked about: who, what, where and under which circumstances.
//!
//! These values are all that a nation's rules can see. They are small on purpose: what is not here
//! cannot sway a decision, and everything that is here is part of the memo's key.

use std::collections::BTreeSet;

use model::{Label, Timestamp, Tlp};

use crate::authority::duty::Duty;
use crate::bounds::ReleaseMode;

/// A person as the node knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// Under which name.
    pub name: String,
    /// What they are appointed to do.
    pub duties: BTreeSet<Duty>,
    /// The highest level that they may see.
    pub clearance: Tlp,
    /// Whether the node has proof that it is they; a name that somebody merely stated is not.
    pub proven: bool,
}

/// Who acts.
#[derive(Clone, Copy, Debug)]
pub enum Principal<'a> {
    /// The node itself, within the bounds that its operator configured for the channel. Nothing
    /// outside them is ever released by automation, whatever the rules say.
    Automation(&'a ReleaseMode),
    /// A person.
    Person(&'a Person),
}

/// Whose object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Originator<'a> {
    /// This nation's own.
    Own,
    /// A partner's, by code; adding it again nationally does not make it our own.
    Member(&'a str),
}

/// What a decision needs to know of an object.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The effective label: the object's markings, its parts' and what intake added, combined.
    pub label: &'a Label,
    /// The STIX type.
    pub kind: &'a str,
    /// Whether the object, or a part of it, tells about a natural person.
    pub about_person: bool,
    /// Whose object it is.
    pub originator: Originator<'a>,
}

/// What is not of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// When the decision is asked for.
    pub now: Timestamp,
    /// Minutes by which the nation's clock is ahead of UTC at `now`. Absent when the node was not
    /// told: then there is no hour and no weekday, and rules about them are silent.
    pub utc_offset_minutes: Option<i32>,
    /// How many objects the same request is about, this one included.
    pub objects: u64,
    /// Whether this node publishes the object on another member's behalf, as the accord's
    /// delegate.
    pub delegated: bool,
}

impl Circumstances {
    /// Hours since Monday 00:00 on the nation's clock: 0 to 167.
    pub(crate) fn hour_of_week(&self) -> Option<i64> {
        // 1 January 1970 was a Thursday: 72 hours after Monday 00:00.
        self.hours().map(|hours| (hours + 72).rem_euclid(168))
    }

    /// Whole hours since 1970 on the nation's clock.
    pub(crate) fn hours(&self) -> Option<i64> {
        let seconds = self.now.unix_nanos().div_euclid(1_000_000_000);
        let local = seconds + i128::from(self.utc_offset_minutes?) * 60;
        // A timestamp has a year of four digits, so its hours fit by far.
        i64::try_from(local.div_euclid(3_600)).ok()
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let an object enter a channel.
    Release,
    /// Take a released object back.
    Withdraw,
    /// Approve somebody else's release.
    Approve,
    /// Ask the store or a partner for objects.
    Query,
    /// Read an object.
    Read,
    /// Put a new policy set in force.
    ActivatePolicy,
    /// Appoint people and change what they may do.
    ManageUsers,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 7] = [
        Action::Release,
        Action::Withdraw,
        Action::Approve,
        Action::Query,
        Action::Read,
        Action::ActivatePolicy,
        Action::ManageUsers,
    ];

    /// The word in policies.
    pub fn word(self) -> &'static str {
        match self {
            Action::Release => "release",
            Action::Withdraw => "withdraw",
            Action::Approve => "approve",
            Action::Query => "query",
            Action::Read => "read",
            Action::ActivatePolicy => "activate-policy",
            Action::ManageUsers => "manage-users",
        }
    }

    /// Whether the action is about one object; the others are about the node as a whole.
    pub fn is_about_object(self) -> bool {
        matches!(
            self,
            Action::Release | Action::Withdraw | Action::Approve | Action::Read
        )
    }
}
