//! Approvals: releases that wait until enough of the right people have agreed.
//!
//! A proposal is durable (setting `approval/<id>`) and binds the exact outgoing bytes, the policy
//! and the accord; see [`state`]. The last approval that is needed does not release what was
//! decided then: everything is decided again under the guards that keep accord, policy and
//! collection as they are, and unless the very same bytes come out under the same policy and
//! accord, the proposal is void. Everything that happens to one is in the audit log first (I10).

pub(crate) mod show;
pub mod state;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::{Hash, Id, Timestamp};
use policy::authority::{Action, Need, Person, Principal};
use store::{Collection, StoreError};

use crate::admin::types::{AuditRecord, ReleaseOutcome};
use crate::audit::with_objects;
use crate::auth::Caller;
use crate::error::NodeError;
use crate::keys::{hex, random};
use crate::limits::{PROPOSAL_HOURS, PROPOSALS_ENDED_MAX, PROPOSALS_OPEN_MAX};
use crate::node::Node;
use crate::release::auto::Done;
use crate::release::carry::{sorted, to_json};
use crate::release::effective::{Effective, Finder};
use crate::release::journey::{Asker, Journey, Judge};
use crate::release::{AUTOMATION, Asked, Setting, person};
use state::{Approver, AsPerson, Bound, Item, Needed, Proposal, Refused, State};

const PREFIX: &str = "approval/";

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// The setting that says in which open proposal an original waits.
fn awaiting_key(channel: &str, id: &str) -> String {
    format!("awaiting/{channel}/{id}")
}

/// Proposals that are not durable yet.
#[derive(Default)]
pub(crate) struct Fresh {
    /// Their names.
    pub(crate) proposals: BTreeSet<String>,
    /// The settings that make them durable.
    pub(crate) settings: Vec<Setting>,
}

impl Node {
    /// Makes proposals of what needs approval, one for each set of needs. They are durable once the
    /// caller has put the settings, after accounting for them. The caller holds the turn for
    /// approvals.
    pub(crate) async fn propose(
        &self,
        judge: &Judge,
        asked: &Asked,
        decided: &mut [Journey],
    ) -> Result<Fresh, NodeError> {
        let proposed = |one: &Journey| one.outcome == ReleaseOutcome::Proposed;
        let mut fresh = Fresh::default();
        let mut groups: BTreeMap<Vec<Need>, Vec<usize>> = BTreeMap::new();
        for (at, one) in decided.iter_mut().enumerate() {
            if !proposed(one) {
                continue;
            }
            match self.awaits(judge, one).await? {
                Some(proposal) => one.proposal = Some(proposal),
                None => groups.entry(sorted(&one.needs)).or_default().push(at),
            }
        }
        if groups.is_empty() {
            return Ok(fresh);
        }
        let now = self.now();
        let waits = |held: &&Proposal| held.state == State::Open && !held.lapsed(now);
        let mut open = self.proposals().await?.iter().filter(waits).count();
        for (needs, places) in groups {
            if open >= PROPOSALS_OPEN_MAX {
                for at in places {
                    decided[at].outcome = ReleaseOutcome::Refused;
                    decided[at].why = std::sync::Arc::new(vec![format!(
                        "{PROPOSALS_OPEN_MAX} proposals wait for approval already; \
                         decide about those first"
                    )]);
                }
                continue;
            }
            open += 1;
            let items = places.iter().map(|at| item(&decided[*at])).collect();
            let proposal = Proposal::new(
                hex(&random::<8>()?),
                self.bound(judge, asked, &needs, items),
            );
            let name = &proposal.id;
            for at in places {
                let one = &mut decided[at];
                let awaiting = awaiting_key(&judge.name, one.record.id.as_str());
                let value = name.clone().into_bytes();
                fresh.settings.push((awaiting, Some(value)));
                one.proposal = Some(name.clone());
            }
            let value = to_json(&proposal)?;
            fresh.settings.push((key(name), Some(value)));
            fresh.proposals.insert(name.clone());
        }
        Ok(fresh)
    }

    fn bound(&self, judge: &Judge, asked: &Asked, needs: &[Need], items: Vec<Item>) -> Bound {
        let now = self.now();
        let hours = i128::from(PROPOSAL_HOURS) * 3_600_000_000_000;
        let as_person = match &asked.asker {
            Asker::Person(person) => Some(AsPerson {
                name: person.name.clone(),
                duties: person.duties.clone(),
                clearance: crate::config::tlp_word(person.clearance).to_owned(),
                proven: person.proven,
            }),
            Asker::Automation(_) => None,
        };
        Bound {
            channel: judge.name.clone(),
            policy: judge.policy.version().to_string(),
            accord: judge.channel.policy(),
            needs: needs.iter().map(Needed::from).collect(),
            items,
            author: asked.who.clone(),
            authors: asked.authors.iter().cloned().collect(),
            as_person,
            objects: asked.objects,
            delegated: asked.delegated,
            inbox: asked.inbox.clone(),
            created: now,
            expires: Timestamp::from_unix_nanos(now.unix_nanos() + hours),
        }
    }

    /// The open proposal in which exactly this version waits already. One for another version, or
    /// other bytes, is void from here on.
    async fn awaits(&self, judge: &Judge, one: &Journey) -> Result<Option<String>, NodeError> {
        let id = one.record.id.to_string();
        let awaiting = awaiting_key(&judge.name, &id);
        let Some(held) = self.read(move |store| store.get(&awaiting)).await? else {
            return Ok(None);
        };
        let Ok(mut held) = self.proposal(&String::from_utf8_lossy(&held)).await else {
            return Ok(None);
        };
        if held.state != State::Open {
            return Ok(None);
        }
        // Whether it was named or came along makes no difference to what leaves.
        let wanted = Item {
            companion: false,
            ..item(one)
        };
        let mut items = held.bound.items.iter().cloned();
        let same = items.any(|item| {
            Item {
                companion: false,
                ..item
            } == wanted
        }) && held.bound.policy == judge.policy.version().to_string()
            && held.bound.accord == judge.channel.policy()
            && !held.lapsed(self.decision_time());
        if same {
            return Ok(Some(held.id));
        }
        self.end_void(&mut held, "what would leave has changed since")
            .await?;
        Ok(None)
    }

    /// Every proposal, oldest first.
    ///
    /// # Errors
    /// What the store said.
    pub async fn proposals(&self) -> Result<Vec<Proposal>, NodeError> {
        let held = self.read(|store| store.scan(PREFIX)).await?;
        let proposals = held.iter().map(|(key, value)| read(key, value));
        let mut proposals = proposals.collect::<Result<Vec<_>, _>>()?;
        proposals.sort_by(|a, b| {
            let order = |held: &Proposal| (held.bound.created, held.id.clone());
            order(a).cmp(&order(b))
        });
        Ok(proposals)
    }

    /// Ends what lapsed, finishes what a crash left between the last approval and the release, and
    /// forgets the oldest of what ended long ago.
    ///
    /// # Errors
    /// The first of what went wrong: no proposal keeps the rest from its turn, and the next run takes
    /// up what is left.
    pub async fn tend_proposals(&self) -> Result<(), NodeError> {
        let _alone = self.leaving.lock().await;
        let _steady = self.steady().await;
        let _turn = self.approvals_turn().lock().await;
        let mut ended = Vec::new();
        let mut done = Done::default();
        for mut proposal in self.proposals().await? {
            if proposal.state != State::Open {
                ended.push(key(&proposal.id));
                continue;
            }
            let tended = self.tend(&mut proposal).await;
            done.count_in(&proposal.id, tended.map(|()| 0));
        }
        let more = ended.len().saturating_sub(PROPOSALS_ENDED_MAX);
        ended.truncate(more);
        done.count_in(
            "ended proposals",
            self.remember(ended, None).await.map(|()| 0),
        );
        done.all().map(drop)
    }

    /// Does what is due about one open proposal.
    async fn tend(&self, proposal: &mut Proposal) -> Result<(), NodeError> {
        if let Some(why) = self.overtaken(proposal) {
            self.end_void(proposal, &why).await
        } else if proposal.is_complete() {
            self.release_approved(proposal).await
        } else if proposal.lapsed(self.decision_time()) {
            let why = "nobody decided in time";
            self.end(proposal, State::Expired, "expire", AUTOMATION, why)
                .await
        } else {
            Ok(())
        }
    }

    /// What has taken the place of the accord or policy under which a proposal was made.
    fn overtaken(&self, proposal: &Proposal) -> Option<String> {
        let bound = &proposal.bound;
        if self.policy().version().to_string() != bound.policy {
            return Some("another national policy is in force".to_owned());
        }
        // A channel out of force may come back under the same accord.
        let channel = self.channel(&bound.channel)?;
        (channel.policy() != bound.accord)
            .then(|| "another version of the accord is in force".to_owned())
    }

    /// One proposal.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn proposal(&self, id: &str) -> Result<Proposal, NodeError> {
        let key = key(id);
        let name = key.clone();
        let held = self.read(move |store| store.get(&name)).await?;
        let held = held.ok_or_else(|| NodeError::Unknown {
            what: format!("proposal {id:?}"),
        })?;
        read(&key, &held)
    }

    /// A person approves what `digest` names; if that was the last approval needed, it is released.
    ///
    /// # Errors
    /// Why the approval does not count, which is in the audit log, too; then nothing has changed.
    pub async fn approve(
        &self,
        id: &str,
        digest: &str,
        caller: &Caller,
    ) -> Result<Proposal, NodeError> {
        // Guards are always taken in this order. One approval at a time, so that two of one proposal
        // are two and never one; and the last one lets objects leave.
        let _alone = self.leaving.lock().await;
        let _steady = self.steady().await;
        let _turn = self.approvals_turn().lock().await;
        let mut proposal = self.proposal(id).await?;
        let now = self.decision_time();
        if let Err(why) = self.policy_lets_approve(&proposal, caller).await? {
            let refused = Refused::Policy { why };
            return Err(self.refuse(proposal, caller, "approve", &refused).await?);
        }
        let complete = match proposal.approve(digest, &approver(caller), now) {
            Ok(complete) => complete,
            Err(refused) => return Err(self.refuse(proposal, caller, "approve", &refused).await?),
        };
        let record = AuditRecord {
            what: "approve".into(),
            who: caller.name.clone(),
            channel: proposal.bound.channel.clone(),
            why: format!("proposal {id}, digest {digest}"),
            policy: format!(
                "{}; national {}",
                proposal.bound.accord, proposal.bound.policy
            ),
            ..self.record()
        };
        // With the objects, so that whoever looks one up finds who approved it.
        self.audit(with_objects(&record, &ids(&proposal))).await?;
        self.keep_proposal(&proposal).await?;
        if complete {
            self.release_approved(&mut proposal).await?;
        }
        Ok(proposal)
    }

    /// Whether the policy lets this person approve these objects (clearance, for one); the error is
    /// in words.
    async fn policy_lets_approve(
        &self,
        proposal: &Proposal,
        caller: &Caller,
    ) -> Result<Result<(), String>, NodeError> {
        let policy = self.policy();
        let circumstances = self.circumstances(1, false);
        let who = Person {
            proven: caller.proven(),
            ..person(caller)
        };
        let items = proposal.bound.items.clone();
        let answer = self.read(move |store| {
            let mut finder = Finder::new(store);
            let mut asked: HashSet<(Effective, String)> = HashSet::new();
            for item in items {
                let Ok(id) = Id::parse(&item.id) else {
                    continue;
                };
                // What the nation does not have a partner put into an inbox.
                let record = match store.latest(&Collection::National, &id)? {
                    Some(record) => Some(record),
                    None => store.told(&id)?.pop(),
                };
                let Some(record) = record else { continue };
                let effective = finder.of(&record)?;
                if !asked.insert((effective.clone(), id.type_name().to_owned())) {
                    continue;
                }
                let facts = effective.facts(id.type_name());
                let principal = Principal::Person(&who);
                let allowed = policy.authority().allows(
                    Action::Approve,
                    &principal,
                    Some(&facts),
                    &circumstances,
                );
                if let Err(reasons) = allowed {
                    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                    return Ok(Err(format!("{id}: {}", reasons.join("; "))));
                }
            }
            Ok(Ok(()))
        });
        Ok(answer.await?)
    }

    /// A person ends a proposal with a no.
    ///
    /// # Errors
    /// Why that does not count, which is in the audit log, too.
    pub async fn decline(
        &self,
        id: &str,
        why: &str,
        caller: &Caller,
        said: &str,
    ) -> Result<Proposal, NodeError> {
        let _steady = self.steady().await;
        let _turn = self.approvals_turn().lock().await;
        let mut proposal = self.proposal(id).await?;
        let mut ended = proposal.clone();
        if let Err(refused) = ended.decline(&approver(caller), why, self.now()) {
            return Err(self.refuse(proposal, caller, "decline", &refused).await?);
        }
        let who = caller.recorded(said);
        self.end(&mut proposal, ended.state, "decline", &who, why)
            .await?;
        Ok(proposal)
    }

    /// Ends a proposal: the audit record first, then its new state.
    pub(crate) async fn end(
        &self,
        proposal: &mut Proposal,
        state: State,
        what: &str,
        who: &str,
        why: &str,
    ) -> Result<(), NodeError> {
        let record = AuditRecord {
            what: what.to_owned(),
            who: who.to_owned(),
            channel: proposal.bound.channel.clone(),
            why: format!("proposal {}: {why}", proposal.id),
            policy: format!(
                "{}; national {}",
                proposal.bound.accord, proposal.bound.policy
            ),
            ..self.record()
        };
        self.audit(with_objects(&record, &ids(proposal))).await?;
        proposal.state = state;
        self.settle(proposal).await
    }

    /// Makes a proposal durable as it stands.
    pub(crate) async fn keep_proposal(&self, proposal: &Proposal) -> Result<(), NodeError> {
        self.put_all(vec![(key(&proposal.id), Some(to_json(proposal)?))])
            .await
    }

    /// Makes an ended proposal durable and lets its objects be proposed again.
    pub(crate) async fn settle(&self, proposal: &Proposal) -> Result<(), NodeError> {
        let channel = &proposal.bound.channel;
        let mut settings = vec![(key(&proposal.id), Some(to_json(proposal)?))];
        let items = proposal.bound.items.iter();
        settings.extend(items.map(|item| (awaiting_key(channel, &item.id), None)));
        self.put_all(settings).await
    }

    /// What was to leave is no longer what was proposed.
    pub(crate) async fn end_void(
        &self,
        proposal: &mut Proposal,
        why: &str,
    ) -> Result<(), NodeError> {
        let state = State::Void {
            why: why.to_owned(),
        };
        self.end(proposal, state, "void", AUTOMATION, why).await
    }

    /// Ends the open proposals of a channel, for a withdrawal, in which any of these originals waits.
    pub(crate) async fn void_proposals_of(
        &self,
        channel: &str,
        ids: &[model::Id],
        why: &str,
    ) -> Result<(), NodeError> {
        let _turn = self.approvals_turn().lock().await;
        for id in ids {
            let awaiting = awaiting_key(channel, id.as_str());
            let Some(held) = self.read(move |store| store.get(&awaiting)).await? else {
                continue;
            };
            let name = String::from_utf8_lossy(&held).into_owned();
            let Ok(mut proposal) = self.proposal(&name).await else {
                continue;
            };
            if proposal.state == State::Open {
                self.end_void(&mut proposal, why).await?;
            }
        }
        Ok(())
    }

    /// Accounts for an approval (or a no) that does not count, and says why it does not.
    async fn refuse(
        &self,
        mut proposal: Proposal,
        caller: &Caller,
        what: &str,
        refused: &Refused,
    ) -> Result<NodeError, NodeError> {
        let record = AuditRecord {
            what: "refuse".into(),
            who: caller.name.clone(),
            channel: proposal.bound.channel.clone(),
            why: format!("{what} of proposal {}: {refused}", proposal.id),
            ..self.record()
        };
        self.audit(with_objects(&record, &ids(&proposal))).await?;
        if *refused == Refused::Expired {
            let why = "nobody decided in time";
            self.end(&mut proposal, State::Expired, "expire", AUTOMATION, why)
                .await?;
        }
        Ok(NodeError::Denied {
            why: refused.to_string(),
        })
    }
}

fn approver(caller: &Caller) -> Approver<'_> {
    Approver {
        name: &caller.name,
        duties: &caller.duties,
        proven: caller.proven(),
    }
}

/// The person on whose word a proposal was made, as the policy sees them.
pub(crate) fn author(held: &AsPerson) -> Person {
    Person {
        name: held.name.clone(),
        duties: held.duties.clone(),
        clearance: crate::config::tlp_of(&held.clearance).unwrap_or(model::Tlp::Clear),
        proven: held.proven,
    }
}

pub(crate) fn item(one: &Journey) -> Item {
    Item {
        id: one.record.id.to_string(),
        original: one.record.hash.to_string(),
        label: one.label.to_string(),
        outgoing: one.outgoing(),
        companion: one.companion,
    }
}

fn ids(proposal: &Proposal) -> Vec<String> {
    let items = proposal.bound.items.iter();
    items.map(|item| item.id.clone()).collect()
}

/// The originals' hashes, for selecting them again.
pub(crate) fn originals(proposal: &Proposal) -> BTreeSet<Hash> {
    let items = proposal.bound.items.iter();
    items
        .filter_map(|item| item.original.parse().ok())
        .collect()
}

fn read(key: &str, value: &[u8]) -> Result<Proposal, NodeError> {
    serde_json::from_slice(value).map_err(|error| {
        NodeError::Store(StoreError::Corrupt {
            place: format!("the setting {key}"),
            problem: error.to_string(),
        })
    })
}
