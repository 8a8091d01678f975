//! What a change would do before it is made: which label classes would newly enter which channel,
//! or stop.
//!
//! Both sides are whole: rules, channels with their configured bounds, and labels. So one function
//! answers for a changed policy, accord, group, configuration or label. It is a pure function over
//! classes; the number of objects only rides along.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::Tlp;

use crate::authority::classes::Class;
use crate::authority::{
    Authority, Circumstances, Decision, Duty, Need, Outcome, Person, Principal,
};
use crate::bounds::ReleaseMode;
use crate::release::InForce;

/// One side of the comparison.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The rules.
    pub authority: &'a Authority,
    /// Channels by full name, with the bounds of their automation. A channel that is on one side
    /// only carries nothing on the other.
    pub channels: &'a BTreeMap<String, (InForce<'a>, ReleaseMode)>,
}

/// How an object gets into a channel, from closed to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Not at all.
    Never,
    /// After approvals.
    Approval,
    /// When a releaser releases it by hand.
    Hand,
    /// By itself.
    Itself,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Never => "not at all",
            Reach::Approval => "after approval",
            Reach::Hand => "by hand",
            Reach::Itself => "by itself",
        })
    }
}

/// How a class stands to a channel on one side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// How it gets there.
    pub reach: Reach,
    /// The approvals that a release by hand takes.
    pub needs: Vec<Need>,
    /// The redaction profiles that it passes on its easiest way.
    pub redact: BTreeSet<String>,
}

/// A class that would stand differently to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The channel's full name.
    pub channel: String,
    /// The class's place in what was asked about.
    pub class: usize,
    /// How many objects it has.
    pub objects: u64,
    /// As things are.
    pub before: Standing,
    /// As they would be.
    pub after: Standing,
}

impl Move {
    /// Whether the objects could not enter the channel at all and now could.
    pub fn opens(&self) -> bool {
        self.before.reach == Reach::Never
    }

    /// Whether the objects could enter the channel and now could not at all.
    pub fn closes(&self) -> bool {
        self.after.reach == Reach::Never
    }
}

/// A class before and after the change (the same twice unless labels change), with its objects.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// As it is.
    pub before: &'a Class,
    /// As it would be.
    pub after: &'a Class,
    /// How many objects it has.
    pub objects: u64,
}

impl<'a> Changed<'a> {
    /// A class that stays as it is.
    pub fn unchanged(class: &'a Class, objects: u64) -> Changed<'a> {
        Changed {
            before: class,
            after: class,
            objects,
        }
    }
}

/// Every class that would stand differently to some channel, by channel and then by class.
///
/// By hand means: by a proven person with every clearance and the duty releaser, one object at a
/// time at `circumstances.now`.
pub fn what_if(
    before: &Side<'_>,
    after: &Side<'_>,
    classes: &[Changed<'_>],
    circumstances: &Circumstances,
) -> Vec<Move> {
    let releaser = Person {
        name: "a releaser".to_owned(),
        duties: BTreeSet::from([Duty::Releaser]),
        clearance: Tlp::Red,
        proven: true,
    };
    let circumstances = Circumstances {
        objects: 1,
        ..*circumstances
    };
    let names: BTreeSet<&String> = before
        .channels
        .keys()
        .chain(after.channels.keys())
        .collect();
    let mut moves = Vec::new();
    for name in names {
        for (at, class) in classes.iter().enumerate() {
            let was = before.standing(name, class.before, &releaser, &circumstances);
            let would = after.standing(name, class.after, &releaser, &circumstances);
            if was != would {
                moves.push(Move {
                    channel: name.clone(),
                    class: at,
                    objects: class.objects,
                    before: was,
                    after: would,
                });
            }
        }
    }
    moves
}

impl Side<'_> {
    /// How a class stands to a channel on this side.
    pub fn standing(
        &self,
        channel: &str,
        class: &Class,
        releaser: &Person,
        circumstances: &Circumstances,
    ) -> Standing {
        let mut standing = Standing {
            reach: Reach::Never,
            needs: Vec::new(),
            redact: BTreeSet::new(),
        };
        let Some((in_force, mode)) = self.channels.get(channel) else {
            return standing;
        };
        let decide = |principal: &Principal<'_>| {
            self.authority
                .briefly(&class.facts(), in_force, principal, circumstances)
        };
        match decide(&Principal::Person(releaser)) {
            Decision::Permit { redact, .. } => {
                standing.reach = Reach::Hand;
                standing.redact = redact;
            }
            Decision::NeedsApproval { needs, redact, .. } => {
                standing.reach = Reach::Approval;
                standing.needs = needs;
                standing.redact = redact;
            }
            Decision::Wait { .. } | Decision::Refuse { .. } => {}
        }
        if *mode == ReleaseMode::Manual {
            return standing;
        }
        match decide(&Principal::Automation(mode)) {
            Decision::Permit { redact, .. } => {
                standing.reach = Reach::Itself;
                standing.redact = redact;
            }
            Decision::NeedsApproval { redact, needs, .. } if standing.reach == Reach::Never => {
                standing.reach = Reach::Approval;
                standing.needs = needs;
                standing.redact = redact;
            }
            other => debug_assert!(other.outcome() < Outcome::Permit),
        }
        standing
    }
}
