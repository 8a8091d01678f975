//! A proposal as a value: what is to leave, who must agree, who has.
//!
//! An approval is for the exact bytes: it names the proposal's digest, which covers the channel,
//! every outgoing object's hash, the policy and the accord under which they were decided, who asked
//! and until when. So an approval cannot be used for anything else, and none can be used twice.
//!
//! INVARIANT: a proposal leaves [`State::Open`] once and never comes back; each need is filled by
//! people of that duty, no person counts twice, and nobody who asked for it counts at all.

use std::collections::BTreeSet;
use std::fmt;

use model::Timestamp;
use policy::authority::{Duty, Need};
use serde::{Deserialize, Serialize};

use crate::limits::PROPOSAL_HOURS;

/// One release (or withdrawal) that people must agree to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its name: random, in hex.
    pub id: String,
    /// What is agreed to.
    pub bound: Bound,
    /// Agreements so far.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// Where it stands.
    pub state: State,
}

/// What an approval binds itself to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// `<accord>/<channel>`.
    pub channel: String,
    /// The national policy under which it was decided, as [`policy::authority::Version`] is shown.
    pub policy: String,
    /// The accord under which it was decided: name, version and digest.
    pub accord: String,
    /// Who must agree.
    pub needs: Vec<Needed>,
    /// What would leave.
    pub items: Vec<Item>,
    /// Who asked, as the audit log says it.
    pub author: String,
    /// Every name under which the author is known; none of them may approve.
    pub authors: BTreeSet<String>,
    /// What the author may do, for deciding again before the release.
    pub as_person: Option<AsPerson>,
    /// How many objects the request was about.
    pub objects: u64,
    /// Whether this node would publish for another member.
    #[serde(default)]
    pub delegated: bool,
    /// The channel that brought the originals then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it lapses.
    pub expires: Timestamp,
}

/// The person on whose word a proposal was made; without one it was automation's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsPerson {
    /// The name.
    pub name: String,
    /// The duties.
    pub duties: BTreeSet<Duty>,
    /// The clearance, as `TLP:…`.
    pub clearance: String,
    /// Whether it was proved.
    pub proven: bool,
}

/// One need, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// By whom.
    pub duty: Duty,
    /// By how many different people.
    pub count: u32,
}

impl From<&Need> for Needed {
    fn from(need: &Need) -> Needed {
        Needed {
            duty: need.duty,
            count: need.count,
        }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.count, self.duty)
    }
}

/// One object of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The original's id.
    pub id: String,
    /// SHA-256 of the original version.
    pub original: String,
    /// The label that goes out with it.
    pub label: String,
    /// SHA-256 of each object that would leave for it, in order.
    pub outgoing: Vec<String>,
    /// Whether it came along because a selected object refers to it.
    #[serde(default)]
    pub companion: bool,
}

/// One person's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub who: String,
    /// By which duties.
    pub duties: BTreeSet<Duty>,
    /// When.
    pub at: Timestamp,
}

/// Where a proposal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// People may agree.
    Open,
    /// Everybody agreed and it was released.
    Released,
    /// Somebody said no.
    Declined {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// Nobody decided in time.
    Expired,
    /// What would leave is no longer what was proposed.
    Void {
        /// What has changed.
        why: String,
    },
}

impl State {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Released => "released",
            State::Declined { .. } => "declined",
            State::Expired => "expired",
            State::Void { .. } => "void",
        }
    }
}

/// Who wants to approve.
#[derive(Clone, Copy, Debug)]
pub struct Approver<'a> {
    /// The name.
    pub name: &'a str,
    /// What they may do by their proof.
    pub duties: &'a BTreeSet<Duty>,
    /// Whether they have proved who they are.
    pub proven: bool,
}

/// Why an approval does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The proposal is closed.
    Closed {
        /// How it ended.
        state: &'static str,
    },
    /// It has lapsed.
    Expired,
    /// The approval is for other bytes, another policy or another proposal.
    OtherDigest,
    /// The caller has not proved who they are.
    Unproven,
    /// Nobody approves their own.
    Own,
    /// The person has approved already.
    Twice,
    /// The person has none of the duties that are asked for.
    NoDuty {
        /// What is asked for.
        needs: String,
    },
    /// The national policy does not let the person approve this.
    Policy {
        /// Why.
        why: String,
    },
    /// Others of the person's duty have filled the need already.
    Filled {
        /// What is still asked for.
        missing: String,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Closed { state } => {
                write!(
                    f,
                    "the proposal is {state} already; nothing more can be done to it"
                )
            }
            Refused::Expired => write!(
                f,
                "the proposal has lapsed after {PROPOSAL_HOURS} hours; ask for the release again"
            ),
            Refused::OtherDigest => f.write_str(
                "the approval is for another state of the proposal than the one that stands; \
                 look at it again with `kurultai approvals show`",
            ),
            Refused::Unproven => {
                f.write_str("an approval takes a person who has proved who they are; use --as NAME")
            }
            Refused::Own => f.write_str("nobody approves what they asked for themselves"),
            Refused::Twice => f.write_str("this person has approved it already and counts once"),
            Refused::NoDuty { needs } => {
                write!(
                    f,
                    "it needs approval by {needs}, and this person has no such duty here"
                )
            }
            Refused::Policy { why } => f.write_str(why),
            Refused::Filled { missing } => write!(
                f,
                "enough people of this duty have approved already; it still needs {missing}"
            ),
        }
    }
}

impl Proposal {
    /// A new proposal.
    pub fn new(id: String, bound: Bound) -> Proposal {
        Proposal {
            id,
            bound,
            approvals: Vec::new(),
            state: State::Open,
        }
    }

    /// What an approval must name: SHA-256 over everything that it binds itself to, in hex.
    pub fn digest(&self) -> String {
        // The fields are strings, numbers and lists, so they are JSON in any case; were they not,
        // the digest would be of nothing and match no approval's.
        let bytes = serde_json::to_vec(&(&self.id, &self.bound)).unwrap_or_default();
        model::Hash::of(&bytes).to_string()
    }

    /// Counts an agreement to what `digest` names. Answers whether everybody needed has agreed.
    ///
    /// # Errors
    /// Why it does not count; then nothing has changed.
    pub fn approve(
        &mut self,
        digest: &str,
        who: &Approver<'_>,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        self.open(now)?;
        if !who.proven {
            return Err(Refused::Unproven);
        }
        if digest != self.digest() {
            return Err(Refused::OtherDigest);
        }
        if self.bound.authors.contains(who.name) {
            return Err(Refused::Own);
        }
        if self.approvals.iter().any(|given| given.who == who.name) {
            return Err(Refused::Twice);
        }
        let asked = |need: &Needed| who.duties.contains(&need.duty);
        if !self.bound.needs.iter().any(asked) {
            return Err(Refused::NoDuty {
                needs: self.needs(),
            });
        }
        let before = self.filled();
        self.approvals.push(Approval {
            who: who.name.to_owned(),
            duties: who.duties.clone(),
            at: now,
        });
        let after = self.filled();
        if after == before {
            self.approvals.pop();
            return Err(Refused::Filled {
                missing: self.missing(),
            });
        }
        Ok(after == self.slots().len())
    }

    /// Ends it with a no. The author may do so, too: that takes it back.
    ///
    /// # Errors
    /// Why it cannot; then nothing has changed.
    pub fn decline(
        &mut self,
        who: &Approver<'_>,
        why: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.open(now)?;
        let own = self.bound.authors.contains(who.name);
        if !own && !who.proven {
            return Err(Refused::Unproven);
        }
        let asked = |need: &Needed| who.duties.contains(&need.duty);
        if !own && !self.bound.needs.iter().any(asked) {
            return Err(Refused::NoDuty {
                needs: self.needs(),
            });
        }
        self.state = State::Declined {
            who: who.name.to_owned(),
            why: why.to_owned(),
        };
        Ok(())
    }

    /// Forgets the agreement of people who may no longer give it. Answers whether all is agreed
    /// still.
    pub fn keep_approvals(&mut self, may: impl Fn(&Approval) -> bool) -> bool {
        self.approvals.retain(may);
        self.filled() == self.slots().len()
    }

    /// Whether everybody needed has agreed.
    pub fn is_complete(&self) -> bool {
        self.filled() == self.slots().len()
    }

    /// Whether it is open and in time.
    fn open(&self, now: Timestamp) -> Result<(), Refused> {
        if self.state != State::Open {
            return Err(Refused::Closed {
                state: self.state.word(),
            });
        }
        if self.lapsed(now) {
            return Err(Refused::Expired);
        }
        Ok(())
    }

    /// Whether its time is over.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        now >= self.bound.expires
    }

    /// One slot for each person that is needed.
    fn slots(&self) -> Vec<Duty> {
        let needs = self.bound.needs.iter();
        needs
            .flat_map(|need| std::iter::repeat_n(need.duty, need.count as usize))
            .collect()
    }

    /// How many slots the people who have agreed can fill together, each person one.
    fn filled(&self) -> usize {
        self.assigned().iter().flatten().count()
    }

    /// Which person fills which slot, in the way that fills most: the usual matching by augmenting
    /// paths, over a handful of people.
    fn assigned(&self) -> Vec<Option<usize>> {
        let slots = self.slots();
        let mut taken: Vec<Option<usize>> = vec![None; slots.len()];
        for person in 0..self.approvals.len() {
            let mut tried = vec![false; slots.len()];
            self.seat(person, &slots, &mut taken, &mut tried);
        }
        taken
    }

    fn seat(
        &self,
        person: usize,
        slots: &[Duty],
        taken: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        for slot in 0..slots.len() {
            if tried[slot] || !self.approvals[person].duties.contains(&slots[slot]) {
                continue;
            }
            tried[slot] = true;
            let free = match taken[slot] {
                None => true,
                Some(other) => self.seat(other, slots, taken, tried),
            };
            if free {
                taken[slot] = Some(person);
                return true;
            }
        }
        false
    }

    /// The needs in words.
    pub fn needs(&self) -> String {
        words(&self.bound.needs)
    }

    /// What is still needed, in words; empty when nothing is.
    pub fn missing(&self) -> String {
        let slots = self.slots();
        let mut open: Vec<Needed> = Vec::new();
        for (duty, person) in slots.iter().zip(self.assigned()) {
            if person.is_some() {
                continue;
            }
            match open.iter_mut().find(|need| need.duty == *duty) {
                Some(need) => need.count += 1,
                None => open.push(Needed {
                    duty: *duty,
                    count: 1,
                }),
            }
        }
        words(&open)
    }
}

fn words(needs: &[Needed]) -> String {
    let needs: Vec<String> = needs.iter().map(Needed::to_string).collect();
    needs.join(" and ")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
