//! What a change would do before it is made: which of the objects that are held would newly flow
//! where, or stop, under another policy set, accord, group or label.
//!
//! The nation's objects are counted into the classes that a decision can tell apart: most by one
//! pass over the index, those of which partners spoke and containers one by one. Each class is then
//! asked about each channel on both sides (`policy::authority::what_if`). Which objects those are is
//! answered page by page from the same classes, so counts and ids are of one kind.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::{Id, Label};
use policy::authority::{Changed, Circumstances, Class, Move, Reach, Side, what_if};
use policy::{Accord, InForce as Channel, ReleaseMode, SignedAccord};
use store::{Collection, LogName, Query, Record, Store, StoreError};

use crate::admin::types::{WhatIfChange, WhatIfObject, WhatIfReport, WhatIfRequest};
use crate::error::NodeError;
use crate::limits::{ADMIN_ITEMS_MAX, RELEASE_BATCH_OBJECTS};
use crate::node::{Node, blocking, joined};
use crate::policies::InForce;
use crate::release::effective::{CONTAINERS, Effective, Finder};

/// Both sides of the comparison, owned, so that it can go to a thread that may block.
struct Sides {
    accords: [Vec<Arc<SignedAccord>>; 2],
    /// An accord that is not signed yet, on the second side.
    draft: Option<Accord>,
    policies: [Arc<InForce>; 2],
    config: crate::config::Config,
    labels: BTreeMap<String, String>,
    circumstances: Circumstances,
}

impl Node {
    /// What a change would do.
    ///
    /// # Errors
    /// When the policy set, the accord or a label cannot be read, or the store fails.
    pub async fn what_if(&self, request: &WhatIfRequest) -> Result<WhatIfReport, NodeError> {
        let mut policy = self.policy();
        if let Some(given) = &request.policy {
            policy = Arc::new(InForce::tried(given.files.clone())?);
        }
        let draft = request.accord.as_deref().map(read_accord).transpose()?;
        for text in request.labels.iter().flat_map(|(from, to)| [from, to]) {
            Label::parse(text)
                .map_err(|error| NodeError::request(format!("{text:?} is not a label: {error}")))?;
        }
        let sides = self.sides(policy, draft, normal(&request.labels));
        let (store, request) = (self.store().clone(), request.clone());
        Ok(blocking(move || report(&store, &sides, &request)).await?)
    }

    /// What another policy set would change, in one line for the audit log.
    pub(crate) async fn what_if_summary(&self, policy: Arc<InForce>) -> Result<String, NodeError> {
        let sides = self.sides(policy, None, BTreeMap::new());
        let store = self.store().clone();
        let report = blocking(move || report(&store, &sides, &WhatIfRequest::default())).await?;
        let sum = |opens: bool| -> u64 {
            let closed = Reach::Never.to_string();
            let changes = report.changes.iter();
            changes
                .filter(|change| (if opens { &change.before } else { &change.after }) == &closed)
                .map(|change| change.objects)
                .sum()
        };
        let all: u64 = report.changes.iter().map(|change| change.objects).sum();
        let (opened, closed) = (sum(true), sum(false));
        Ok(format!(
            "of {} objects in {} channels, {opened} newly may flow, {closed} no longer may, {} flow otherwise",
            report.objects,
            report.channels,
            all - opened - closed
        ))
    }

    fn sides(
        &self,
        policy: Arc<InForce>,
        draft: Option<Accord>,
        labels: BTreeMap<String, String>,
    ) -> Sides {
        let held: Vec<Arc<SignedAccord>> = self.accords().held().cloned().collect();
        let mut after = held.clone();
        if let Some(draft) = &draft {
            after.retain(|signed| signed.accord().name != draft.name);
        }
        Sides {
            accords: [held, after],
            draft,
            policies: [self.policy(), policy],
            config: self.config().clone(),
            labels,
            circumstances: self.circumstances(1, false),
        }
    }
}

/// Labels in the form in which the index has them.
fn normal(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let normal = |text: &str| Label::parse(text).map(|label| label.to_string());
    labels
        .iter()
        .filter_map(|(from, to)| Some((normal(from).ok()?, normal(to).ok()?)))
        .collect()
}

/// An accord as a note or as its bare text.
fn read_accord(text: &str) -> Result<Accord, NodeError> {
    if let Ok(signed) = SignedAccord::parse(text.as_bytes()) {
        return Ok(signed.accord().clone());
    }
    Accord::parse_text(text).map_err(|error| NodeError::accord(error.to_string()))
}

/// A side's channels, each with the bounds of its automation.
type Channels<'a> = BTreeMap<String, (Channel<'a>, ReleaseMode)>;

impl Sides {
    fn channels(&self, side: usize) -> Channels<'_> {
        let me = &self.config.code;
        let mut channels = Channels::new();
        for signed in &self.accords[side] {
            let accord = signed.accord();
            for channel in &accord.channels {
                let in_force = signed.channel_in_force(&channel.name);
                if let Some(in_force) = in_force.filter(|channel| channel.members.contains(me)) {
                    let name = format!("{}/{}", accord.name, channel.name);
                    let mode = self.config.mode(&accord.name, &channel.name);
                    channels.insert(name, (in_force, mode));
                }
            }
        }
        // A draft is looked at as it will be when everybody has ratified it.
        for accord in self.draft.iter().filter(|_| side == 1) {
            for channel in accord.channels.iter().filter(|c| c.members.contains(me)) {
                let mode = self.config.mode(&accord.name, &channel.name);
                let in_force = Channel {
                    accord: &accord.name,
                    members: channel.members.clone(),
                    retention_days: accord.retention_days(channel),
                    groups: accord.named_groups(),
                    purposes: accord.obligations.purposes.clone(),
                    channel,
                };
                let name = format!("{}/{}", accord.name, channel.name);
                channels.insert(name, (in_force, mode));
            }
        }
        channels
    }
}

/// Classes before and after, with how many objects go from the one to the other.
#[derive(Default)]
struct Counted {
    pairs: Vec<(Class, Class)>,
    counts: Vec<u64>,
    index: HashMap<(Class, Class), usize>,
}

impl Counted {
    fn place(&mut self, pair: (Class, Class)) -> usize {
        if let Some(at) = self.index.get(&pair) {
            return *at;
        }
        let at = self.pairs.len();
        self.pairs.push(pair.clone());
        self.counts.push(0);
        self.index.insert(pair, at);
        at
    }
}

/// Finds an object's classes on both sides.
struct Classing<'a> {
    finders: [Finder<'a>; 2],
    /// Plain objects' classes by what the index knows of them.
    memo: HashMap<(Arc<str>, Arc<str>, String, bool), usize>,
    counted: Counted,
}

impl Classing<'_> {
    fn of(&mut self, record: &Record) -> Result<usize, StoreError> {
        let key = (
            Arc::clone(&record.assigned),
            Arc::clone(&record.marks),
            record.id.type_name().to_owned(),
            record.about_person,
        );
        let plain = self.finders[0].is_plain(record);
        if plain && let Some(at) = self.memo.get(&key) {
            return Ok(*at);
        }
        let [before, after] = &mut self.finders;
        let pair = (
            class(before.of(record)?, &key.2),
            class(after.of(record)?, &key.2),
        );
        let at = self.counted.place(pair);
        if plain {
            self.memo.insert(key, at);
        }
        Ok(at)
    }

    fn ask(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.finders[0].ask(records)?;
        self.finders[1].ask(records)
    }
}

fn class(effective: Effective, kind: &str) -> Class {
    Class {
        label: Label::clone(&effective.label),
        kind: kind.to_owned(),
        about_person: effective.about_person,
        originator: effective.originator.map(|code| code.to_string()),
    }
}

/// Counts the nation's objects, by their latest versions, into classes.
fn count<'a>(store: &'a Store, sides: &'a Sides) -> Result<Classing<'a>, StoreError> {
    let mut classing = Classing {
        finders: [
            Finder::new(store),
            Finder::supposing(store, &sides.labels, Some(sides.policies[1].reading())),
        ],
        memo: HashMap::new(),
        counted: Counted::default(),
    };
    // As if no partner had spoken of anything; those are put right below.
    for counted in store.classes(&Collection::National)? {
        if CONTAINERS.contains(&counted.example.id.type_name()) {
            continue;
        }
        let at = classing.plainly(&counted.example)?;
        classing.counted.counts[at] += counted.objects;
    }
    let mut after: Option<Id> = None;
    loop {
        let met = store.met(after.as_ref(), RELEASE_BATCH_OBJECTS)?;
        let Some(last) = met.last() else { break };
        after = Some(last.clone());
        let query = Query {
            ids: met,
            limit: RELEASE_BATCH_OBJECTS,
            ..Query::default()
        };
        let mut records = store.page(&Collection::National, &query)?.records;
        records.retain(|record| !CONTAINERS.contains(&record.id.type_name()));
        for record in &records {
            let at = classing.plainly(record)?;
            classing.counted.counts[at] -= 1;
        }
        classing.ask(&records)?;
        for record in &records {
            let at = classing.of(record)?;
            classing.counted.counts[at] += 1;
        }
    }
    let mut from = None;
    loop {
        let query = Query {
            after: from,
            kinds: CONTAINERS.map(str::to_owned).to_vec(),
            limit: RELEASE_BATCH_OBJECTS,
            ..Query::default()
        };
        let page = store.page(&Collection::National, &query)?;
        classing.ask(&page.records)?;
        for record in &page.records {
            let at = classing.of(record)?;
            classing.counted.counts[at] += 1;
        }
        match page.records.last() {
            Some(last) if page.more => from = Some(last.seq),
            _ => break,
        }
    }
    Ok(classing)
}

impl Classing<'_> {
    /// The class of a record by the index alone.
    fn plainly(&mut self, record: &Record) -> Result<usize, StoreError> {
        let kind = record.id.type_name();
        let [before, after] = &mut self.finders;
        let pair = (
            class(before.plainly(record)?, kind),
            class(after.plainly(record)?, kind),
        );
        Ok(self.counted.place(pair))
    }
}

fn report(
    store: &Store,
    sides: &Sides,
    request: &WhatIfRequest,
) -> Result<WhatIfReport, StoreError> {
    let mut classing = count(store, sides)?;
    let channels = [sides.channels(0), sides.channels(1)];
    let side = |at: usize| Side {
        authority: sides.policies[at].authority(),
        channels: &channels[at],
    };
    let moves = {
        let counted = &classing.counted;
        let classes: Vec<Changed<'_>> = counted
            .pairs
            .iter()
            .zip(&counted.counts)
            .map(|((before, after), objects)| Changed {
                before,
                after,
                objects: *objects,
            })
            .collect();
        what_if(&side(0), &side(1), &classes, &sides.circumstances)
    };
    let mut names: HashSet<&String> = channels[0].keys().collect();
    names.extend(channels[1].keys());
    let mut report = WhatIfReport {
        objects: store.count(&Collection::National)?.objects,
        channels: names.len(),
        ..WhatIfReport::default()
    };
    let wanted = |channel: &str| {
        request
            .channel
            .as_deref()
            .is_none_or(|name| name == channel)
    };
    for one in &moves {
        if one.objects > 0 && wanted(&one.channel) {
            report.changes.push(change(one, &classing.counted));
        }
    }
    if request.limit > 0 {
        let mut by_class: HashMap<usize, Vec<&Move>> = HashMap::new();
        for one in moves.iter().filter(|one| wanted(&one.channel)) {
            by_class.entry(one.class).or_default().push(one);
        }
        let limit = request.limit.min(ADMIN_ITEMS_MAX);
        let (ids, next) = list(
            store,
            &mut classing,
            &by_class,
            &sides.config.code,
            (request.after, limit),
        )?;
        (report.ids, report.next) = (ids, next);
    }
    Ok(report)
}

fn change(one: &Move, counted: &Counted) -> WhatIfChange {
    let (class, _) = &counted.pairs[one.class];
    WhatIfChange {
        channel: one.channel.clone(),
        before: words(&one.before),
        after: words(&one.after),
        label: class.label.to_string(),
        kind: class.kind.clone(),
        objects: one.objects,
    }
}

/// How objects get into a channel, in words.
fn words(standing: &policy::authority::Standing) -> String {
    let mut words = standing.reach.to_string();
    let needs: Vec<String> = standing.needs.iter().map(ToString::to_string).collect();
    if standing.reach == Reach::Approval && !needs.is_empty() {
        words += &format!(" by {}", needs.join(" and "));
    }
    if !standing.redact.is_empty() {
        words += &format!(", redacted by {}", joined(standing.redact.iter()));
    }
    words
}

/// The objects concerned, from a position on.
fn list(
    store: &Store,
    classing: &mut Classing<'_>,
    by_class: &HashMap<usize, Vec<&Move>>,
    me: &str,
    (mut after, limit): (Option<i64>, usize),
) -> Result<(Vec<WhatIfObject>, Option<i64>), StoreError> {
    let mut ids = Vec::new();
    loop {
        let query = Query {
            after,
            limit: RELEASE_BATCH_OBJECTS,
            ..Query::default()
        };
        let page = store.page(&Collection::National, &query)?;
        classing.ask(&page.records)?;
        for record in &page.records {
            let Some(moves) = by_class.get(&classing.of(record)?) else {
                continue;
            };
            if !ids.is_empty() && ids.len() + moves.len() > limit {
                return Ok((ids, Some(record.seq - 1)));
            }
            for one in moves {
                let shown = match one.channel.split_once('/') {
                    Some((accord, channel)) => {
                        let own = LogName::new(accord, channel, me);
                        let id = std::slice::from_ref(&record.id);
                        !store.brought(&own, id)?.is_empty()
                    }
                    None => false,
                };
                ids.push(WhatIfObject {
                    id: record.id.to_string(),
                    channel: one.channel.clone(),
                    before: words(&one.before),
                    after: words(&one.after),
                    shown,
                });
            }
        }
        match page.records.last() {
            Some(last) if page.more => after = Some(last.seq),
            _ => return Ok((ids, None)),
        }
    }
}
