//! Asking and answering: a note is written, taken into the national collection and released.
//!
//! The release is an ordinary one: what the release authority decides about the note, and about the
//! objects that an answer gives, is in the report as it stands. The objects go first and the note
//! only when all of them are in the channel, so that no note names what the channel does not show.
//! A note that does not go stays in the national collection, remembered under
//! `request-draft/<id>`; it can be released later as any object can.

use std::collections::BTreeSet;

use model::request::{Answer, AnswerStatus, Post, Request, RequestError, Urgency};
use model::{Id, Label, Timestamp, Tlp};
use policy::{Attribution, Duty};
use store::{Collection, Command, Outcome};

use crate::accords::Channel;
use crate::admin::types::{
    AnswerRequest, AskRequest, AuditRecord, PostReport, ReleaseOutcome, ReleaseReport,
    ReleaseRequest, Selection,
};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::keys::random;
use crate::node::{Node, joined};

/// The settings that remember own posts that may not be in their channel yet.
pub(super) const DRAFT: &str = "request-draft/";

impl Node {
    /// Asks members of a channel.
    ///
    /// # Errors
    /// When the channel, a member, an object or another part of the request is not what it must be,
    /// or the store fails. A release that is refused is no error: the report says so.
    pub async fn ask(&self, ask: &AskRequest, caller: &Caller) -> Result<PostReport, NodeError> {
        let channel = self.channel_for_requests(&ask.channel)?;
        let now = self.now();
        let to: BTreeSet<String> = ask.to.iter().map(|code| code.trim().to_owned()).collect();
        let members = channel
            .in_force()
            .map(|in_force| in_force.members)
            .unwrap_or_default();
        if let Some(code) = to
            .iter()
            .find(|code| !members.contains(*code) || **code == self.config().code)
        {
            let others = members.iter().filter(|code| **code != self.config().code);
            return Err(NodeError::Request {
                why: format!(
                    "{code:?} cannot be asked in {}: its other members are {}",
                    ask.channel,
                    joined(others)
                ),
                pointer: Some("/to".into()),
            });
        }
        let about = ids(&ask.about, "/about")?;
        self.must_be_shown(&channel, &about, "/about").await?;
        let in_reply_to = reply(&ask.in_reply_to)?;
        let before: BTreeSet<Id> = in_reply_to.iter().cloned().collect();
        self.must_be_shown(&channel, &before, "/in_reply_to")
            .await?;
        let request = Request {
            to,
            subject: ask.subject.trim().to_owned(),
            text: ask.text.trim().to_owned(),
            deadline: ask
                .deadline
                .as_deref()
                .map(|text| deadline(text, now))
                .transpose()?,
            urgency: match &ask.urgency {
                None => Urgency::Routine,
                Some(word) => word.parse().map_err(malformed)?,
            },
            kinds: ask.kinds.iter().cloned().collect(),
            topics: ask.topics.iter().cloned().collect(),
            about,
            in_reply_to,
        };
        let why = format!("to {}: {}", joined(request.to.iter()), request.subject);
        let post = Post::Request(request);
        self.post(
            &channel,
            &post,
            &ask.label,
            "request-ask",
            why,
            &ask.who,
            caller,
        )
        .await
    }

    /// Answers a request, in part, finally, or by declining.
    ///
    /// # Errors
    /// When the request is not shown here, an object is not held, or another part is not what it
    /// must be; or the store fails. A release that is refused is no error: the report says so.
    pub async fn answer(
        &self,
        id: &str,
        answer: &AnswerRequest,
        caller: &Caller,
    ) -> Result<PostReport, NodeError> {
        let (found, at) = self.request(id, answer.channel.as_deref(), caller).await?;
        let channel = self.channel_for_requests(&found.channel)?;
        let thread = &found.board.threads[at];
        let status: AnswerStatus = answer.status.parse().map_err(malformed)?;
        let objects = ids(&answer.objects, "/objects")?;
        let text = answer.text.as_deref().map(str::trim).unwrap_or_default();
        let text = match (text.is_empty(), status, objects.is_empty()) {
            (false, ..) => text,
            (true, AnswerStatus::Declined, _) => "Declined.",
            (true, _, false) => "See the objects.",
            (true, _, true) => {
                return Err(NodeError::Request {
                    why: "an answer needs a text or objects".into(),
                    pointer: Some("/text".into()),
                });
            }
        };
        self.must_be_held(&channel, &objects).await?;
        let in_reply_to = reply(&answer.in_reply_to)?;
        let before: BTreeSet<Id> = in_reply_to.iter().cloned().collect();
        self.must_be_shown(&channel, &before, "/in_reply_to")
            .await?;
        let unsolicited = !thread.asked.contains_key(&self.config().code);
        let post = Post::Answer(Answer {
            request: thread.posted.id.clone(),
            status,
            text: text.to_owned(),
            objects,
            in_reply_to,
        });
        let what = match status {
            AnswerStatus::Declined => "request-decline",
            _ => "request-answer",
        };
        let why = format!("{} to {id} of {}", status.word(), thread.posted.by);
        let report = self
            .post(
                &channel,
                &post,
                &answer.label,
                what,
                why,
                &answer.who,
                caller,
            )
            .await?;
        Ok(PostReport {
            unsolicited,
            ..report
        })
    }

    /// Takes a post in and, where the caller may release, releases it.
    #[allow(clippy::too_many_arguments, reason = "one private step, named parts")]
    async fn post(
        &self,
        channel: &Channel,
        post: &Post,
        label: &Option<String>,
        what: &str,
        why: String,
        said: &str,
        caller: &Caller,
    ) -> Result<PostReport, NodeError> {
        let label = self.post_label(channel, label.as_deref())?;
        let now = self.now();
        let id = note_id()?;
        let author = model::member_identity_id(&self.me().domain);
        let note = post.object(&id, &author, now).map_err(malformed)?;
        self.audit(vec![AuditRecord {
            what: what.to_owned(),
            who: caller.recorded(said),
            channel: channel.full_name(),
            objects: vec![id.to_string()],
            count: 1,
            why,
            policy: self.policy_words(channel),
            ..self.record()
        }])
        .await?;
        self.own_identity(now, &caller.recorded(said)).await?;
        // First, so that no crash leaves a note that nobody remembers.
        let key = format!("{DRAFT}{id}");
        self.execute(Command::Put {
            key: key.clone(),
            value: Some(channel.full_name().into_bytes()),
        })
        .await?;
        let outcomes = self
            .add(vec![note], label.clone(), &caller.recorded(said))
            .await?;
        if !matches!(outcomes.as_slice(), [Outcome::Added(_)]) {
            return Err(NodeError::Stopped {
                what: "the intake of requests".into(),
            });
        }
        let mut report = PostReport {
            id: id.to_string(),
            channel: channel.full_name(),
            label: label.to_string(),
            ..PostReport::default()
        };
        report.next = self
            .send(channel, post, &id, said, caller, &mut report.releases)
            .await?;
        report.sent = report.next.is_none();
        if report.sent {
            self.execute(Command::Put { key, value: None }).await?;
        }
        Ok(report)
    }

    /// Releases a post; answers with what is left to do when it did not go.
    async fn send(
        &self,
        channel: &Channel,
        post: &Post,
        note: &Id,
        said: &str,
        caller: &Caller,
        releases: &mut Vec<ReleaseReport>,
    ) -> Result<Option<String>, NodeError> {
        let (name, mut missing) = (channel.full_name(), Vec::new());
        let later = |ids: &[String]| {
            let ids: Vec<String> = ids.iter().map(|id| format!("--id {id}")).collect();
            format!("kurultai release {name} {}", ids.join(" "))
        };
        if let Post::Answer(answer) = post {
            let wanted: Vec<Id> = answer.objects.iter().cloned().collect();
            missing = self.not_shown(channel, wanted).await?;
        }
        let note = note.to_string();
        if caller.require(Duty::Releaser).is_err() {
            missing.push(note);
            return Ok(Some(format!(
                "a releaser has to send it: `{}`",
                later(&missing)
            )));
        }
        let steps = [missing, vec![note.clone()]];
        for ids in steps.into_iter().filter(|ids| !ids.is_empty()) {
            let request = ReleaseRequest {
                channel: name.clone(),
                selection: Selection {
                    ids: ids.clone(),
                    ..Selection::default()
                },
                who: said.to_owned(),
                explain: false,
            };
            let report = self.release_as(caller, &request).await?;
            let there = |id: &String| {
                report.results.iter().any(|result| {
                    result.id == *id
                        && matches!(
                            result.outcome,
                            ReleaseOutcome::Released | ReleaseOutcome::Already
                        )
                })
            };
            let stopped: Vec<String> = ids.iter().filter(|id| !there(id)).cloned().collect();
            releases.push(report);
            if !stopped.is_empty() {
                let mut rest = stopped;
                if !rest.contains(&note) {
                    rest.push(note.clone());
                }
                let waits = releases.iter().flat_map(|report| &report.proposals);
                let waits: Vec<&str> = waits.map(String::as_str).collect();
                return Ok(Some(match (waits.is_empty(), rest == [note.clone()]) {
                    (true, _) => format!(
                        "it has not gone; when what stands against it is put right: `{}`",
                        later(&rest)
                    ),
                    (false, true) => format!(
                        "it leaves when it is approved: `kurultai approvals show {}`",
                        waits.join(" ")
                    ),
                    (false, false) => format!(
                        "what it gives waits for approval (`kurultai approvals show {}`); then `{}`",
                        waits.join(" "),
                        later(&rest)
                    ),
                }));
            }
        }
        Ok(None)
    }

    /// The channel, if a request can be asked there.
    fn channel_for_requests(&self, full_name: &str) -> Result<Channel, NodeError> {
        let channel = self.channel_or_say(full_name)?;
        let rules = channel.accord.accord().channel(&channel.name);
        if rules.is_some_and(|rules| rules.attribution == Attribution::Member) {
            return Err(NodeError::request(format!(
                "{full_name} hides who says what, and a question or an answer is somebody's; use a channel with attribution \"origin\""
            )));
        }
        Ok(channel)
    }

    /// The label of a post: what is given, or the channel's members up to TLP:AMBER.
    fn post_label(&self, channel: &Channel, given: Option<&str>) -> Result<Label, NodeError> {
        let text = match (given, channel.accord.accord().channel(&channel.name)) {
            (Some(text), _) => text.to_owned(),
            (None, None) => Tlp::Amber.to_string(),
            (None, Some(rules)) => {
                let members: Vec<&str> = rules.members.iter().map(String::as_str).collect();
                format!(
                    "{}//REL {}{}",
                    rules.ceiling.min(Tlp::Amber),
                    members.join(","),
                    if rules.exercise { "//EXERCISE" } else { "" }
                )
            }
        };
        Label::parse(&text).map_err(|error| NodeError::Request {
            why: format!("{text:?} is not a label: {error}"),
            pointer: Some("/label".into()),
        })
    }

    /// Makes sure that this member's identity is held, as its posts name it.
    async fn own_identity(&self, now: Timestamp, who: &str) -> Result<(), NodeError> {
        let (domain, name) = (&self.me().domain, &self.me().name);
        let id = model::member_identity_id(domain);
        let held = self
            .read(move |store| {
                let record = store.latest(&Collection::National, &id)?;
                Ok(record.is_some())
            })
            .await?;
        if !held {
            let identity = model::member_identity(domain, name, now)
                .map_err(|refusal| NodeError::request(refusal.to_string()))?;
            // Who the members are stands in the accord; a partner may tell anybody.
            let label = Label::parse("TLP:CLEAR//REL *").map_err(|error| {
                NodeError::request(format!("the label of the own identity: {error}"))
            })?;
            self.add(vec![identity], label, who).await?;
        }
        Ok(())
    }

    /// Of these objects, those that the channel does not show.
    async fn not_shown(&self, channel: &Channel, ids: Vec<Id>) -> Result<Vec<String>, NodeError> {
        let collection = channel.log("").collection();
        let missing = self.read(move |store| {
            let mut missing = Vec::new();
            for id in ids {
                if store.latest(&collection, &id)?.is_none() {
                    missing.push(id.to_string());
                }
            }
            Ok(missing)
        });
        Ok(missing.await?)
    }

    async fn must_be_shown(
        &self,
        channel: &Channel,
        ids: &BTreeSet<Id>,
        pointer: &str,
    ) -> Result<(), NodeError> {
        let missing = self
            .not_shown(channel, ids.iter().cloned().collect())
            .await?;
        match missing.first() {
            None => Ok(()),
            Some(id) => Err(NodeError::Request {
                why: format!(
                    "{} does not show {id}; release it there first, or leave it out",
                    channel.full_name()
                ),
                pointer: Some(pointer.to_owned()),
            }),
        }
    }

    /// What an answer gives is in the channel already, or held here.
    async fn must_be_held(&self, channel: &Channel, ids: &BTreeSet<Id>) -> Result<(), NodeError> {
        let missing = self
            .not_shown(channel, ids.iter().cloned().collect())
            .await?;
        let unknown = self.read(move |store| {
            for text in missing {
                let Ok(id) = Id::parse(&text) else { continue };
                if store.latest(&Collection::National, &id)?.is_none() {
                    return Ok(Some(text));
                }
            }
            Ok(None)
        });
        match unknown.await? {
            None => Ok(()),
            Some(id) => Err(NodeError::Request {
                why: format!("this node does not hold {id}; add it first"),
                pointer: Some("/objects".into()),
            }),
        }
    }
}

/// A fresh id: a version 4 UUID.
fn note_id() -> Result<Id, NodeError> {
    let mut uuid: [u8; 16] = random()?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Id::from_parts("note", uuid).map_err(|error| NodeError::request(error.to_string()))
}

fn malformed(error: RequestError) -> NodeError {
    NodeError::request(error.to_string())
}

fn ids(texts: &[String], pointer: &str) -> Result<BTreeSet<Id>, NodeError> {
    let id = |(index, text): (usize, &String)| {
        Id::parse(text.trim()).map_err(|error| NodeError::Request {
            why: format!("{text:?} is not a STIX id: {error}"),
            pointer: Some(format!("{pointer}/{index}")),
        })
    };
    texts.iter().enumerate().map(id).collect()
}

fn reply(text: &Option<String>) -> Result<Option<Id>, NodeError> {
    text.as_deref()
        .map(|text| {
            Id::parse(text).map_err(|error| NodeError::Request {
                why: format!("{text:?} is not the id of a post: {error}"),
                pointer: Some("/in_reply_to".into()),
            })
        })
        .transpose()
}

/// A time, or `+<n>h` or `+<n>d` from now; it must lie ahead.
fn deadline(text: &str, now: Timestamp) -> Result<Timestamp, NodeError> {
    let bad = |why: &str| NodeError::Request {
        why: format!("{text:?} {why}; write a time such as 2026-08-01T12:00:00Z, or +12h or +3d"),
        pointer: Some("/deadline".into()),
    };
    let at = match text.strip_prefix('+') {
        None => Timestamp::parse(text).map_err(|_| bad("is no time"))?,
        Some(span) => {
            let (number, hours) = match (span.strip_suffix('h'), span.strip_suffix('d')) {
                (Some(number), _) => (number, 1),
                (_, Some(number)) => (number, 24),
                _ => return Err(bad("is no span of time")),
            };
            let number: u32 = number.parse().map_err(|_| bad("is no span of time"))?;
            // To the second: nobody means more.
            let from = now.unix_micros() / 1_000_000 * 1_000_000;
            let at = (i64::from(number) * hours)
                .checked_mul(3_600_000_000)
                .and_then(|micros| from.checked_add(micros))
                .ok_or_else(|| bad("is too far ahead"))?;
            Timestamp::from_unix_micros(at)
        }
    };
    if at <= now {
        return Err(bad("is past"));
    }
    if !at.fits_index() {
        return Err(bad("is too far ahead"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_times_or_spans_and_lie_ahead() {
        let now = Timestamp::parse("2026-07-01T10:00:00.25Z").expect("a time");
        let at = |text: &str| deadline(text, now).map(|at| at.to_string());
        assert_eq!(at("+3d").expect("a span"), "2026-07-04T10:00:00.000Z");
        assert_eq!(at("+12h").expect("a span"), "2026-07-01T22:00:00.000Z");
        assert_eq!(
            at("2026-08-01T00:00:00Z").expect("a time"),
            "2026-08-01T00:00:00.000Z"
        );
        for bad in [
            "",
            "+",
            "+d",
            "+3",
            "+3w",
            "+-3d",
            "+99999999999d",
            "tomorrow",
            "+0h",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
        assert!(at("2026-06-01T00:00:00Z").is_err(), "the past");
        assert!(at("+4294967295d").is_err(), "beyond the index");
    }
}
