//! Looking for records: by who, what, where, which object, why, rule, policy, purpose and time.
//!
//! The log is read bundle by bundle from either end and never held whole: one request looks at a
//! bounded number of records and says where the next goes on. There is no index to disagree with
//! the log.

use log::tile::TILE_WIDTH;
use model::Timestamp;
use store::{LogName, Store, StoreError};

use super::{bundle, decode};
use crate::admin::types::{AuditLine, AuditPage, AuditQuery, AuditRecord};
use crate::error::NodeError;
use crate::limits::{AUDIT_PAGE_MAX, AUDIT_SCAN_MAX};
use crate::node::Node;

/// The conditions of a query, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    who: Option<String>,
    what: Vec<String>,
    channel: Option<String>,
    object: Option<String>,
    why: Option<String>,
    rule: Option<String>,
    policy: Option<String>,
    purpose: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Filter {
    pub(super) fn of(query: &AuditQuery) -> Result<Filter, NodeError> {
        let time = |name: &str, text: &Option<String>| {
            text.as_deref()
                .map(Timestamp::parse)
                .transpose()
                .map_err(|error| {
                    NodeError::request(format!(
                        "{name} is no time ({error}); write it as 2026-01-31T00:00:00Z"
                    ))
                })
        };
        let words = query.what.iter().flat_map(|words| words.split(','));
        let words = words.map(str::trim).filter(|word| !word.is_empty());
        let low = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
        Ok(Filter {
            who: query.who.clone(),
            what: words.map(str::to_owned).collect(),
            channel: query.channel.clone(),
            object: query.object.clone(),
            why: low(&query.why),
            rule: query.rule.clone(),
            policy: low(&query.policy),
            purpose: low(&query.purpose),
            since: time("since", &query.since)?,
            until: time("until", &query.until)?,
        })
    }

    pub(super) fn matches(&self, record: &AuditRecord) -> bool {
        let part = |wanted: &Option<String>, text: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text.to_lowercase().contains(wanted))
        };
        // The cheap conditions first: most records fail one of them.
        self.who.as_ref().is_none_or(|who| is_by(&record.who, who))
            && (self.what.is_empty() || self.what.contains(&record.what))
            && self
                .channel
                .as_ref()
                .is_none_or(|channel| is_in(&record.channel, channel))
            && self
                .object
                .as_ref()
                .is_none_or(|id| record.objects.contains(id))
            && self
                .rule
                .as_ref()
                .is_none_or(|rule| record.rules.contains(rule))
            && part(&self.why, &record.why)
            && part(&self.policy, &record.policy)
            && part(&self.purpose, &record.purpose)
            && self.is_within(&record.at)
    }

    /// A record without a readable time is within no bounds.
    fn is_within(&self, at: &str) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        Timestamp::parse(at).is_ok_and(|at| {
            self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
        })
    }
}

/// `operator (says anna)` is by the operator, and found under anna's name as well.
fn is_by(held: &str, who: &str) -> bool {
    held == who
        || held
            .strip_suffix(')')
            .and_then(|held| held.split_once(" (says "))
            .is_some_and(|(by, named)| by == who || named == who)
}

/// `steppe` stands for `steppe/alerts` and all its other channels.
fn is_in(held: &str, channel: &str) -> bool {
    held.strip_prefix(channel)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The conditions in words, for the record of an export and the export itself.
pub(crate) fn query_words(query: &AuditQuery) -> String {
    let words: Vec<String> = [
        ("who", &query.who),
        ("what", &query.what),
        ("channel", &query.channel),
        ("object", &query.object),
        ("why", &query.why),
        ("rule", &query.rule),
        ("policy", &query.policy),
        ("purpose", &query.purpose),
        ("since", &query.since),
        ("until", &query.until),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
    .collect();
    if words.is_empty() {
        "every record".to_owned()
    } else {
        words.join(" ")
    }
}

/// Reads up from position `from`: gives each record that matches to `found` until it answers
/// `false`. Answers with the position to go on from, if the log goes on there.
pub(super) fn upward(
    store: &Store,
    log: &LogName,
    size: u64,
    from: u64,
    filter: &Filter,
    mut found: impl FnMut(u64, Vec<u8>, AuditRecord) -> bool,
) -> Result<Option<u64>, StoreError> {
    let stop = size.min(from.saturating_add(AUDIT_SCAN_MAX));
    let mut index = from;
    while index < stop {
        let raws = bundle(store, log, index / TILE_WIDTH, size)?;
        for raw in raws.into_iter().skip((index % TILE_WIDTH) as usize) {
            let record = decode(log, index, &raw)?;
            index += 1;
            if filter.matches(&record) && !found(index - 1, raw, record) {
                return Ok((index < size).then_some(index));
            }
        }
    }
    Ok((index < size).then_some(index))
}

/// Reads down from below position `before`, likewise.
fn downward(
    store: &Store,
    log: &LogName,
    size: u64,
    before: u64,
    filter: &Filter,
    mut found: impl FnMut(u64, AuditRecord) -> bool,
) -> Result<Option<u64>, StoreError> {
    let mut index = before.min(size);
    let stop = index.saturating_sub(AUDIT_SCAN_MAX);
    while index > stop {
        let number = (index - 1) / TILE_WIDTH;
        let mut raws = bundle(store, log, number, size)?;
        raws.truncate((index - number * TILE_WIDTH) as usize);
        for raw in raws.into_iter().rev() {
            index -= 1;
            let record = decode(log, index, &raw)?;
            if filter.matches(&record) && !found(index, record) {
                return Ok((index > 0).then_some(index));
            }
        }
    }
    Ok((index > 0).then_some(index))
}

impl Node {
    /// One page of the records that a query asks for.
    ///
    /// # Errors
    /// When a time in the query is none, or what the store said.
    pub async fn audit_search(&self, query: &AuditQuery) -> Result<AuditPage, NodeError> {
        let filter = Filter::of(query)?;
        let limit = query.limit.unwrap_or(AUDIT_PAGE_MAX).min(AUDIT_PAGE_MAX) as usize;
        let (from, before, newest) = (query.from, query.before, query.newest);
        if from.is_some() && (before.is_some() || newest) {
            return Err(NodeError::request(
                "`from` goes up and `before` goes down the log; give one of them",
            ));
        }
        let name = self.audit_log();
        let page = self.read(move |store| {
            let Some(head) = store.head(&name)? else {
                return Ok(AuditPage::default());
            };
            let mut records = Vec::new();
            let mut keep = |index: u64, record: AuditRecord| {
                if records.len() < limit {
                    records.push(AuditLine { index, record });
                }
                records.len() < limit
            };
            let next = if limit == 0 {
                None
            } else if newest || before.is_some() {
                let before = before.unwrap_or(head.size);
                downward(store, &name, head.size, before, &filter, keep)?
            } else {
                let from = from.unwrap_or(0);
                upward(
                    store,
                    &name,
                    head.size,
                    from,
                    &filter,
                    |index, _, record| keep(index, record),
                )?
            };
            Ok(AuditPage {
                size: head.size,
                checkpoint: head.checkpoint,
                records,
                next,
            })
        });
        Ok(page.await?)
    }
}
