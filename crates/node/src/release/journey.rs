//! The decision about one object, from selection to the exact bytes, in one place.
//!
//! [`Judge::decide`] is the whole order: label, the hard rule (I1) and the nation's policy,
//! approvals, redaction, non-attribution, the leak check. It changes nothing, so explaining a
//! release and carrying it out ask the very same question. What it permits is written to the audit
//! log and then to the channel log by `carry`.
//!
//! Objects of one label class and type that no partner spoke of are decided once for all.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Hash, Id, Label, Object};
use policy::ReleaseMode;
use policy::authority::{Circumstances, Decision, Need, Person, Principal};
use store::{LogName, Record, Seq, Store, StoreError};

use crate::accords::Channel;
use crate::admin::types::ReleaseOutcome;
use crate::limits::COMPANION_ROUNDS_MAX;
use crate::policies::InForce;

use super::carry::sorted;
use super::companions;
use super::effective::{CONTAINERS, Effective, Finder};
use super::forms::{Form, Shape};
use super::known::Known;
use super::select::Named;
use super::{queue, withdrawn_key};

/// Who asks for a release.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// The node itself, within the operator's bounds for the channel.
    Automation(ReleaseMode),
    /// A person.
    Person(Person),
}

impl Asker {
    pub(crate) fn principal(&self) -> Principal<'_> {
        match self {
            Asker::Automation(mode) => Principal::Automation(mode),
            Asker::Person(person) => Principal::Person(person),
        }
    }
}

/// One object with what was decided about it.
#[derive(Clone, Debug)]
pub(crate) struct Journey {
    pub(crate) record: Record,
    /// The label that leaves with it.
    pub(crate) label: Arc<str>,
    pub(crate) originator: Option<Arc<str>>,
    pub(crate) outcome: ReleaseOutcome,
    /// The explanation, one line for each thing that a person should know.
    pub(crate) why: Arc<Vec<String>>,
    /// The ids of the rules that decided.
    pub(crate) rules: Arc<Vec<String>>,
    pub(crate) needs: Arc<Vec<Need>>,
    pub(crate) form: Form,
    pub(crate) companion: bool,
    /// The proposal that it waits in.
    pub(crate) proposal: Option<String>,
}

/// What decides about the objects of one batch.
pub(crate) struct Judge {
    pub(crate) channel: Channel,
    /// `<accord>/<channel>`.
    pub(crate) name: String,
    pub(crate) own: LogName,
    pub(crate) policy: Arc<InForce>,
    pub(crate) asker: Asker,
    pub(crate) named: Arc<Named>,
    pub(crate) circumstances: Circumstances,
    /// The key of derived ids.
    pub(crate) key: [u8; 32],
    /// The identity that stands for this member where sources are hidden.
    pub(crate) member: Id,
    /// Whether all of it leaves or nothing does, and nothing else along with it: a proposal's
    /// objects, decided about once more.
    pub(crate) together: bool,
}

/// What the label and the policy say, the same for all objects of a class.
#[derive(Debug)]
struct Verdict {
    effective: Effective,
    /// The label as it would leave.
    text: Arc<str>,
    out: Label,
    decision: Decision,
    outcome: ReleaseOutcome,
    why: Arc<Vec<String>>,
    rules: Arc<Vec<String>>,
    needs: Arc<Vec<Need>>,
}

/// A label class and a type: all objects of one are decided alike.
type Class = (Arc<str>, Arc<str>, String, bool);

impl Judge {
    /// Decides about a batch of records and what comes along with them.
    pub(crate) fn decide(
        &self,
        store: &Store,
        batch: Vec<Record>,
        seen: &mut HashSet<Id>,
    ) -> Result<Vec<Journey>, StoreError> {
        let mut finder = Finder::new(store);
        finder.ask(&batch)?;
        // All others have the newest versions only.
        if self.named.versions() || matches!(self.asker, Asker::Automation(_)) {
            finder.ask_for_newer(&batch)?;
        }
        // Not `policy::authority::Memo`: its verdict here has words and the outgoing label with it,
        // and a batch of a thousand decides its few classes once; between batches accord, policy and
        // the time for decisions may change.
        let mut memo = HashMap::new();
        let mut open = Vec::with_capacity(batch.len());
        for record in batch {
            let verdict = self.verdict(&mut finder, &record, &mut memo)?;
            open.push((record, verdict, false));
        }
        let mut bodies = self.bodies(store, &open)?;
        // What comes along is judged like anything else.
        let companions = if self.channel.hides() || self.together {
            Vec::new()
        } else {
            let present: HashSet<&Id> = open.iter().map(|(record, _, _)| &record.id).collect();
            companions::of(store, bodies.values(), &present, seen)?
        };
        finder.ask(&companions)?;
        let come_along = companions.len();
        for record in companions {
            let verdict = self.verdict(&mut finder, &record, &mut memo)?;
            open.push((record, verdict, true));
        }
        let along = &open[open.len() - come_along..];
        bodies.extend(self.bodies(store, along)?);
        // In this order a partner that has an object has its markings and its author already, and
        // what an object names is known to leave before the object is looked at.
        open.sort_by_key(|(record, _, companion)| {
            let rank = match record.id.type_name() {
                "marking-definition" => 0,
                "identity" => 1,
                "relationship" | "sighting" => 3,
                kind if CONTAINERS.contains(&kind) => 4,
                _ => 2,
            };
            (rank, !companion)
        });
        let shown = self.shown(store, &open)?;
        let known = Known::new(store, &self.name, &self.own)?;
        let shape = self.shape();
        let mut journeys = Vec::with_capacity(open.len());
        for (record, verdict, companion) in open {
            let object = bodies.get(&record.object);
            let journey = Journey::begin(record, &verdict, companion);
            journeys.push(match (object, verdict.redact()) {
                (Some(object), Some(redact)) => self.go_on(
                    store,
                    (&shape, &known, &shown),
                    journey,
                    object,
                    (redact, &verdict.out),
                )?,
                _ => journey,
            });
        }
        for idle in idle_companions(&mut journeys, &bodies) {
            seen.remove(&idle);
        }
        Ok(journeys)
    }

    /// The label, the hard rule and the policy.
    fn verdict(
        &self,
        finder: &mut Finder<'_>,
        record: &Record,
        memo: &mut HashMap<Class, Arc<Verdict>>,
    ) -> Result<Arc<Verdict>, StoreError> {
        let class = (
            Arc::clone(&record.assigned),
            Arc::clone(&record.marks),
            record.id.type_name().to_owned(),
            record.about_person,
        );
        let plain = record.log.is_none() && finder.is_plain(record);
        if plain && let Some(verdict) = memo.get(&class) {
            return Ok(Arc::clone(verdict));
        }
        let verdict = Arc::new(self.judge(finder.of(record)?, &class.2));
        if plain {
            memo.insert(class, Arc::clone(&verdict));
        }
        Ok(verdict)
    }

    fn judge(&self, effective: Effective, kind: &str) -> Verdict {
        let out = self.shape().label(&effective.label);
        let mut verdict = Verdict {
            text: out.to_string().into(),
            out,
            decision: Decision::Refuse {
                reasons: Vec::new(),
            },
            outcome: ReleaseOutcome::Refused,
            why: Arc::default(),
            rules: Arc::default(),
            needs: Arc::default(),
            effective,
        };
        let Some(in_force) = self.channel.in_force() else {
            verdict.why = Arc::new(vec!["the channel is no longer in force".to_owned()]);
            return verdict;
        };
        let facts = verdict.effective.facts(kind);
        let decision = self.policy.authority().decide(
            &facts,
            &in_force,
            &self.asker.principal(),
            &self.circumstances,
        );
        verdict.outcome = match &decision {
            Decision::Permit { .. } => ReleaseOutcome::Released,
            Decision::NeedsApproval { needs, .. } => {
                verdict.needs = Arc::new(needs.clone());
                ReleaseOutcome::Proposed
            }
            Decision::Wait { .. } => ReleaseOutcome::Waiting,
            Decision::Refuse { .. } => ReleaseOutcome::Refused,
        };
        verdict.why = Arc::new(decision.explain());
        let rules = decision.rule_ids().into_iter().map(str::to_owned);
        verdict.rules = Arc::new(rules.collect());
        verdict.decision = decision;
        verdict
    }

    /// From what the policy says to what leaves: what the channel shows already, earlier
    /// withdrawals, redaction, non-attribution, the leak check.
    fn go_on(
        &self,
        store: &Store,
        (shape, known, shown): (&Shape<'_>, &Known<'_>, &HashSet<Hash>),
        mut journey: Journey,
        object: &Object,
        (redact, out): (&BTreeSet<String>, &Label),
    ) -> Result<Journey, StoreError> {
        let as_is = shape.leaves_as_is(redact);
        known.asks_for(match self.together {
            true => Vec::new(),
            false => sorted(&journey.needs),
        });
        if as_is && shown.contains(&journey.record.hash) {
            known.goes(&journey.record.id, &journey.form);
            journey.end(
                ReleaseOutcome::Already,
                "the channel shows this version already",
            );
            return Ok(journey);
        }
        // Whoever took an object back had a reason; it returns only when somebody names it.
        if !self.named.has(&journey.record)
            && store
                .get(&withdrawn_key(&self.channel, &journey.record.id))?
                .is_some()
        {
            journey.end(
                ReleaseOutcome::Waiting,
                "it was withdrawn from this channel earlier; name it by its id to release it again",
            );
            return Ok(journey);
        }
        match shape.form(known, &journey.record, object, redact, out)? {
            Err(why) => {
                journey.end(ReleaseOutcome::Refused, &why);
                return Ok(journey);
            }
            Ok(form) => journey.form = form,
        }
        if let Some(why) = self.other_form(known, &journey)? {
            journey.end(ReleaseOutcome::Refused, &why);
            return Ok(journey);
        }
        if !as_is && journey.form.replaces.is_empty() && self.has_left(store, &journey.form)? {
            known.goes(&journey.record.id, &journey.form);
            journey.end(
                ReleaseOutcome::Already,
                "its form of this version has left already",
            );
            return Ok(journey);
        }
        journey.look_at_findings();
        match journey.outcome {
            ReleaseOutcome::Proposed if !self.together => {
                known.is_proposed(&journey.record.id, &journey.form);
            }
            ReleaseOutcome::Released | ReleaseOutcome::Proposed => {
                known.goes(&journey.record.id, &journey.form);
            }
            _ => {}
        }
        if journey.outcome == ReleaseOutcome::Released && self.channel.hides() {
            journey.outcome = ReleaseOutcome::Queued;
        }
        Ok(journey)
    }

    /// One version has one form (I8): should the profiles have come to say something else since,
    /// only a revision can bring it.
    fn other_form(
        &self,
        known: &Known<'_>,
        journey: &Journey,
    ) -> Result<Option<String>, StoreError> {
        let (Some(new), Some(old)) = (&journey.form.link, known.link(&journey.record.id)?) else {
            return Ok(None);
        };
        let other = old.original == new.original
            && old.profiles == new.profiles
            && old.forms.iter().any(|old| {
                let same_id = |new: &&super::forms::LinkedForm| new.id == old.id;
                let new = new.forms.iter().find(same_id);
                new.is_some_and(|new| new.hash != old.hash && new.modified == old.modified)
            });
        Ok(other.then(|| {
            "another form of this version has left under the same id; \
             revise the original, and the new form follows"
                .to_owned()
        }))
    }

    fn has_left(&self, store: &Store, form: &Form) -> Result<bool, StoreError> {
        let ids: Vec<Id> = form
            .objects
            .iter()
            .map(|object| object.id().clone())
            .collect();
        let shown: HashSet<Hash> = store
            .brought(&self.own, &ids)?
            .into_iter()
            .map(|record| record.hash)
            .collect();
        for object in &form.objects {
            if !shown.contains(&object.hash())
                && store
                    .get(&queue::key(&self.name, &object.hash()))?
                    .is_none()
            {
                return Ok(false);
            }
        }
        Ok(!form.objects.is_empty())
    }

    /// The objects that leave, if nothing stops them yet, by their positions.
    fn bodies(
        &self,
        store: &Store,
        open: &[(Record, Arc<Verdict>, bool)],
    ) -> Result<HashMap<Seq, Object>, StoreError> {
        let leaving: Vec<Record> = open
            .iter()
            .filter(|(_, verdict, _)| verdict.redact().is_some())
            .map(|(record, _, _)| record.clone())
            .collect();
        let mut objects = HashMap::with_capacity(leaving.len());
        for (record, body) in leaving.iter().zip(store.bodies(&leaving)?) {
            let object = Object::parse(&body).map_err(|refusal| StoreError::Corrupt {
                place: record.id.to_string(),
                problem: refusal.to_string(),
            })?;
            objects.insert(record.object, object);
        }
        Ok(objects)
    }

    /// Which versions of these objects this member's log has released and not taken back.
    fn shown(
        &self,
        store: &Store,
        open: &[(Record, Arc<Verdict>, bool)],
    ) -> Result<HashSet<Hash>, StoreError> {
        let ids: Vec<Id> = open
            .iter()
            .map(|(record, _, _)| record.id.clone())
            .collect();
        let own = store.brought(&self.own, &ids)?;
        Ok(own.into_iter().map(|record| record.hash).collect())
    }

    pub(crate) fn shape(&self) -> Shape<'_> {
        Shape {
            channel: &self.channel,
            name: &self.name,
            key: &self.key,
            profiles: self.policy.profiles(),
            leaks: self.policy.leak_rules(),
            member: self.member.clone(),
        }
    }
}

impl Verdict {
    /// The profiles to go through, where the policy lets it leave at all.
    fn redact(&self) -> Option<&BTreeSet<String>> {
        match &self.decision {
            Decision::Permit { redact, .. } | Decision::NeedsApproval { redact, .. } => {
                Some(redact)
            }
            Decision::Wait { .. } | Decision::Refuse { .. } => None,
        }
    }
}

impl Journey {
    fn begin(record: Record, verdict: &Verdict, companion: bool) -> Journey {
        Journey {
            label: Arc::clone(&verdict.text),
            originator: verdict.effective.originator.clone(),
            outcome: verdict.outcome,
            why: Arc::clone(&verdict.why),
            rules: Arc::clone(&verdict.rules),
            needs: Arc::clone(&verdict.needs),
            form: Form::default(),
            companion,
            proposal: None,
            record,
        }
    }

    /// Whether it is under this id that the channel's members know the object.
    fn is_known_as(&self, named: &HashSet<Id>) -> bool {
        named.contains(&self.record.id)
            || self
                .form
                .objects
                .iter()
                .any(|form| named.contains(form.id()))
    }

    fn end(&mut self, outcome: ReleaseOutcome, why: &str) {
        self.outcome = outcome;
        self.why = Arc::new(vec![why.to_owned()]);
        self.needs = Arc::default();
    }

    /// What the leak check found blocks, or goes into the explanation.
    fn look_at_findings(&mut self) {
        let blocking: Vec<String> = self
            .form
            .findings
            .iter()
            .filter(|finding| finding.blocks)
            .map(|finding| format!("leak check, {}: {}", finding.pointer, finding.words))
            .collect();
        if !blocking.is_empty() {
            let mut blocking = blocking;
            blocking.push(
                "take it out of a new version, or have a rule of the policy redact it".to_owned(),
            );
            self.outcome = ReleaseOutcome::Refused;
            self.why = Arc::new(blocking);
            self.needs = Arc::default();
        }
    }
}

/// Takes out what came along for an object that in the end does not name it, or does not leave.
fn idle_companions(journeys: &mut Vec<Journey>, bodies: &HashMap<Seq, Object>) -> Vec<Id> {
    if !journeys.iter().any(|journey| journey.companion) {
        return Vec::new();
    }
    let mut named: HashSet<Id> = HashSet::new();
    for _ in 0..=COMPANION_ROUNDS_MAX {
        let before = named.len();
        for journey in journeys.iter() {
            let leaves = matches!(
                journey.outcome,
                ReleaseOutcome::Released | ReleaseOutcome::Proposed | ReleaseOutcome::Already
            );
            if !leaves || journey.companion && !journey.is_known_as(&named) {
                continue;
            }
            let original = match journey.form.objects.is_empty() {
                true => bodies.get(&journey.record.object),
                false => None,
            };
            for object in journey.form.objects.iter().chain(original) {
                named.extend(object.marking_refs().iter().cloned());
                named.extend(object.created_by().cloned());
            }
        }
        if named.len() == before {
            break;
        }
    }
    let mut idle = Vec::new();
    journeys.retain(|journey| {
        let stays = !journey.companion
            || journey.is_known_as(&named)
            || matches!(
                journey.outcome,
                ReleaseOutcome::Refused | ReleaseOutcome::Waiting
            );
        if !stays {
            idle.push(journey.record.id.clone());
        }
        stays
    });
    idle
}
