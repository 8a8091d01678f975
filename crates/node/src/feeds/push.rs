//! Writing what this member released to an outside collection.
//!
//! Pushing is leaving the node, so nothing is decided here that the release authority has not: only
//! entries of this member's own log of one channel are pushed, in their order and in the very bytes
//! that the channel's members have. The outside collection is one more reader, who has signed
//! nothing; [`refusal`] says what it may have. An operator names the collection, a releaser opens
//! the way, every request is accounted for before it is made (I10), and what is pushed is remembered
//! before it is, so that a withdrawal finds it (I6).

use bytes::Bytes;
use hyper::{Method, StatusCode};
use log::{Action, Entry};
use model::{Groups, Hash, Id, Label, Releasable, Timestamp, Tlp};
use store::LogName;

use super::fetch::{Ask, Client, FetchError};
use super::limits::{DOUBTED_MAX, PUSH_BYTES_MAX, PUSH_OBJECTS, SMALL_BYTES_MAX, STATUS_ASKS_MAX};
use super::own::shown;
use super::remote::{self, Need, Outcome, Remote, TAXII};
use super::run::Run;
use super::state::Failure;
use super::{said, spec};
use crate::accords::Channel;
use crate::admin::types::{AuditRecord, FeedAccess, FeedSource};
use crate::audit::with_objects;
use crate::node::Node;

/// Where what is pushed goes, and for whom.
pub(super) struct Way<'a> {
    pub(super) url: &'a str,
    pub(super) collection: Option<&'a str>,
    pub(super) channel: &'a str,
    pub(super) stands_for: Option<&'a str>,
    pub(super) access: &'a FeedAccess,
}

impl<'a> Way<'a> {
    /// Where a feed pushes to, if it pushes.
    pub(super) fn of(source: &'a FeedSource) -> Option<Way<'a>> {
        match source {
            FeedSource::TaxiiPush {
                url,
                collection,
                channel,
                stands_for,
                access,
            } => Some(Way {
                url,
                collection: collection.as_deref(),
                channel,
                stands_for: stands_for.as_deref(),
                access,
            }),
            _ => None,
        }
    }

    /// The own log that is pushed, also when its channel is no longer in force.
    ///
    /// # Errors
    /// When the channel's name is none.
    pub(super) fn own(&self, node: &Node) -> Result<LogName, Failure> {
        let (accord, channel) = self
            .channel
            .split_once('/')
            .ok_or_else(|| Failure::of("the channel has no name; add the feed anew"))?;
        Ok(LogName::new(accord, channel, &node.config().code))
    }
}

/// Whether a channel can be pushed at all.
///
/// # Errors
/// Why not.
pub(crate) fn check(node: &Node, channel: &str, stands_for: Option<&str>) -> Result<(), String> {
    way(node, channel, stands_for).map(drop)
}

fn way(node: &Node, name: &str, stands_for: Option<&str>) -> Result<(Channel, Groups), String> {
    let channel = node
        .channel(name)
        .ok_or_else(|| format!("the channel {:?} is not in force here", said(name)))?;
    let in_force = channel
        .in_force()
        .ok_or_else(|| format!("the channel {:?} is not in force here", said(name)))?;
    if in_force.channel.exercise {
        return Err("an exercise stays in its channel and is not pushed".into());
    }
    let me = &node.config().code;
    // By the accord's text: an inbox that is out of force just now has been in force.
    let text = channel.accord.accord();
    let for_others = text.channels.iter().any(|inbox| {
        let delegate = inbox.delegate.as_ref();
        delegate.is_some_and(|delegate| delegate.member == *me && delegate.into == channel.name)
    });
    if for_others {
        return Err(FOR_OTHERS.into());
    }
    if let Some(member) = stands_for
        && channel
            .accord
            .accord()
            .members
            .iter()
            .all(|one| one.code != member)
    {
        return Err(format!("{} is no member of the accord", said(member)));
    }
    let groups = in_force.groups.clone();
    Ok((channel, groups))
}

const FOR_OTHERS: &str =
    "this member publishes for others in that channel, and what is theirs is not its to push";

/// Whether this member ever published for others in a channel, under an earlier version of the accord.
async fn published_for_others(node: &Node, channel: &str) -> Result<bool, Failure> {
    #[derive(serde::Deserialize)]
    struct Form {
        #[serde(default)]
        inbox: Option<String>,
    }
    let accord = channel.split('/').next().unwrap_or_default();
    let (inboxes, forms) = (format!("delegate/{accord}/"), format!("form/{channel}/"));
    let found = node.read(move |store| {
        if store.scan(&inboxes)?.is_empty() {
            return Ok(false);
        }
        let links = store.scan(&forms)?;
        Ok(links.iter().any(|(_, value)| {
            // What cannot be read is not known to be this member's own.
            !value.is_empty()
                && serde_json::from_slice::<Form>(value).map_or(true, |form| form.inbox.is_some())
        }))
    });
    Ok(found.await?)
}

/// Why an outside reader may not have an object, if so. `stands_for`: the member for whom the
/// outside collection stands; without one it stands for everybody.
pub(crate) fn refusal(
    label: &Label,
    about_person: bool,
    stands_for: Option<&str>,
    groups: &Groups,
    now: Timestamp,
) -> Option<String> {
    let no = |why: &str| Some(format!("not pushed: {why} (its label is {label})"));
    if label.exercise {
        return no("it is part of an exercise");
    }
    if label.expired(now) {
        return no("its label has run out");
    }
    if about_person {
        return no("it is about a person");
    }
    if !label.caveats.is_empty() || !label.purposes.is_empty() {
        return no("an outside collection promises to keep no caveat and no purpose");
    }
    match stands_for {
        Some(member) if label.tlp > Tlp::Amber => no(&format!(
            "above TLP:AMBER nothing goes to {member} but through a channel"
        )),
        Some(member) if !label.releases_to(member, groups) => {
            no(&format!("it is not releasable to {member}"))
        }
        Some(_) => None,
        None if label.tlp > Tlp::Green => no("above TLP:GREEN nothing is for everybody"),
        None if label.releasable_to != Releasable::Everyone
            || !label.not_releasable_to.is_empty() =>
        {
            no("it is not releasable to everybody")
        }
        None => None,
    }
}

/// An object on its way out.
struct Out {
    id: Id,
    version: Option<Timestamp>,
    hash: Hash,
    bytes: Bytes,
}

impl Run<'_> {
    /// Pushes what the own log has beyond the cursor.
    ///
    /// # Errors
    /// What failed; what was pushed before counts, and the next run goes on after it.
    pub(super) async fn push(&mut self, way_out: &Way<'_>) -> Result<(), Failure> {
        // First, and what cannot be taken back now keeps nothing else here: the run fails for it.
        let recalled = self.recall(way_out).await;
        let (channel, groups) =
            way(self.node, way_out.channel, way_out.stands_for).map_err(Failure::of)?;
        if published_for_others(self.node, way_out.channel).await? {
            return Err(Failure::of(FOR_OTHERS));
        }
        let own = channel.log(&self.node.config().code);
        let log = own.clone();
        let size = self
            .node
            .read(move |store| Ok(store.head(&log)?.map_or(0, |head| head.size)))
            .await?;
        let (client, url) = spec::client(self.node, way_out.url, way_out.access)?;
        let remote = remote::resolve(&client, &url, way_out.collection, Need::Write).await?;
        let step = Step {
            client: &client,
            remote: &remote,
            way: way_out,
        };
        loop {
            let from = self.state.push().entry;
            if from >= size {
                return recalled;
            }
            let mut entries = self.entries_of(&own, from, size).await?;
            let to = from + entries.len() as u64;
            // What was withdrawn since is found by the next run, and no longer shown by now.
            entries.retain(|entry| matches!(entry.action, Action::Release | Action::Revise));
            let done = self.push_released(&step, (&own, &groups), entries).await;
            if done.is_ok() {
                self.state.push().entry = to;
            }
            self.checkpoint().await?;
            done?;
        }
    }

    /// Pushes what these entries released, if the channel still shows it and the reader may have it.
    async fn push_released(
        &mut self,
        step: &Step<'_>,
        (own, groups): (&LogName, &Groups),
        entries: Vec<Entry>,
    ) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        let own = own.clone();
        let shown = self
            .node
            .read(move |store| shown(store, &own, &entries))
            .await?;
        let now = self.node.now();
        let mut out: Vec<Out> = Vec::new();
        for (record, label, bytes) in shown {
            let why = refusal(
                &label,
                record.about_person,
                step.way.stands_for,
                groups,
                now,
            );
            match why {
                None => out.push(Out {
                    id: record.id,
                    version: record.version,
                    hash: record.hash,
                    bytes,
                }),
                Some(why) => {
                    let id = Some(record.id.to_string());
                    self.intake.refuse("the channel", id, &record.hash, why);
                }
            }
        }
        let most = step
            .remote
            .max_content_length
            .map_or(PUSH_BYTES_MAX, |most| {
                usize::try_from(most)
                    .unwrap_or(PUSH_BYTES_MAX)
                    .min(PUSH_BYTES_MAX)
            });
        let mut rest = out.into_iter().peekable();
        while rest.peek().is_some() {
            let mut batch = Vec::new();
            let mut bytes = FRAME_BYTES;
            while let Some(next) = rest.peek() {
                let larger = bytes + next.bytes.len() + 1;
                if !batch.is_empty() && (larger > most || batch.len() == PUSH_OBJECTS) {
                    break;
                }
                bytes = larger;
                batch.extend(rest.next());
            }
            self.post(step, batch).await?;
        }
        Ok(())
    }

    /// Sends objects; where the server refuses a request for what is in it, in halves, until the
    /// object is found that it does not take.
    async fn post(&mut self, step: &Step<'_>, batch: Vec<Out>) -> Result<(), Failure> {
        self.account(
            step,
            "push",
            batch.iter().map(|one| one.id.to_string()).collect(),
        )
        .await?;
        self.remember(&batch).await?;
        let (mut doubted, mut refused) = (Vec::new(), None);
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let mut body = Vec::from(&b"{\"objects\":["[..]);
            for (place, one) in part.iter().enumerate() {
                if place > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(&one.bytes);
            }
            body.extend_from_slice(b"]}");
            let sent = self.send(step, Bytes::from(body)).await;
            let error = match sent {
                Ok(outcome) => {
                    self.works = true;
                    self.judge(step, outcome, &part).await?;
                    continue;
                }
                Err(error) => error,
            };
            let FetchError::Status { status, said, .. } = &error else {
                return Err(error.into());
            };
            let of_content = matches!(
                *status,
                StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNPROCESSABLE_ENTITY
            );
            let fell_over = *status == StatusCode::INTERNAL_SERVER_ERROR;
            if !of_content && !fell_over {
                return Err(error.into());
            }
            if part.len() > 1 {
                let mut first = part;
                let second = first.split_off(first.len() / 2);
                parts.push(second);
                parts.push(first);
                continue;
            }
            // A server that took others and falls over this one does so for what it is.
            if fell_over && !self.works {
                return Err(error.into());
            }
            if let Some(one) = part.first() {
                let why = format!("the server does not take it: {status} {said}");
                doubted.push((one.id.to_string(), one.hash, why));
            }
            if !self.works && doubted.len() >= DOUBTED_MAX {
                return Err(error.into());
            }
            refused = Some(error);
        }
        // A server that took nothing at all refuses the request, whoever stands before it, and not
        // what is in it: nothing is passed over for that.
        if let (false, Some(error)) = (self.works, refused) {
            return Err(error.into());
        }
        for (id, hash, why) in doubted {
            self.intake
                .refuse("the server's answer", Some(id), &hash, why);
        }
        Ok(())
    }

    async fn send(&self, step: &Step<'_>, body: Bytes) -> Result<Outcome, FetchError> {
        let address = |_| FetchError::Address("the collection is no URL".into());
        let url = step.remote.collection.join("objects/").map_err(address)?;
        let answer = step
            .client
            .ask(Ask {
                method: Method::POST,
                url,
                accept: TAXII,
                headers: Vec::new(),
                body: Some((TAXII, body)),
                most: SMALL_BYTES_MAX,
            })
            .await?;
        let broken = |failure: Failure| FetchError::Broken(failure.why);
        let mut outcome: Outcome = remote::read(&answer).map_err(broken)?;
        let mut pause = std::time::Duration::from_millis(200);
        for _ in 0..STATUS_ASKS_MAX {
            if outcome.status != "pending" {
                return Ok(outcome);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(std::time::Duration::from_secs(10));
            let path = format!("status/{}/", outcome.id);
            let url = step.remote.root.join(&path).map_err(address)?;
            let answer = step
                .client
                .ask(Ask::get(url, TAXII, SMALL_BYTES_MAX))
                .await?;
            outcome = remote::read(&answer).map_err(broken)?;
        }
        Err(FetchError::Slow(format!(
            "the server has not finished with {} objects",
            outcome.pending_count.max(outcome.pendings.len() as u64)
        )))
    }

    /// What the server says of each object. What it has already is no failure, whatever it calls it.
    async fn judge(
        &mut self,
        step: &Step<'_>,
        outcome: Outcome,
        part: &[Out],
    ) -> Result<(), Failure> {
        let mut failed = 0;
        for one in part {
            let Some(detail) = outcome.failures.iter().find(|detail| {
                let version = one.version.map(|version| version.to_string());
                detail.id == one.id.as_str()
                    && (detail.version.is_empty()
                        || version.is_none()
                        || Timestamp::parse(&detail.version).ok() == one.version)
            }) else {
                self.intake.accepted += 1;
                continue;
            };
            failed += 1;
            if self.has(step, &one.id, one.version).await? == Some(true) {
                self.intake.known += 1;
                continue;
            }
            let why = match said(&detail.message) {
                message if message.is_empty() => "the server does not take it".to_owned(),
                message => format!("the server does not take it: {message}"),
            };
            self.intake.refuse(
                "the server's status",
                Some(one.id.to_string()),
                &one.hash,
                why,
            );
        }
        if failed == 0 && outcome.failure_count > 0 {
            self.state.warn(format!(
                "it counts {} failures without naming the objects",
                outcome.failure_count
            ));
        }
        Ok(())
    }

    pub(super) async fn account(
        &self,
        step: &Step<'_>,
        what: &str,
        ids: Vec<String>,
    ) -> Result<(), Failure> {
        let whom = step.way.stands_for.unwrap_or("everybody");
        let record = AuditRecord {
            what: what.to_owned(),
            who: format!("feed {}", self.spec.name),
            channel: step.way.channel.to_owned(),
            why: format!("{}, for {whom}", said(step.remote.collection.as_str())),
            ..self.node.record()
        };
        self.node.audit(with_objects(&record, &ids)).await?;
        Ok(())
    }

    async fn remember(&self, batch: &[Out]) -> Result<(), Failure> {
        for one in batch {
            let hash = one.hash.to_string();
            let mut pushed = self.pushed(&one.id).await?;
            if !pushed.contains(&hash) {
                pushed.push(hash);
                self.keep_pushed(&one.id, pushed).await?;
            }
        }
        Ok(())
    }
}

/// The bytes of an envelope without objects.
const FRAME_BYTES: usize = 16;

/// Whom a request goes to.
pub(super) struct Step<'a> {
    pub(super) client: &'a Client,
    pub(super) remote: &'a Remote,
    pub(super) way: &'a Way<'a>,
}

#[cfg(test)]
#[path = "push/tests.rs"]
mod tests;
