//! What a person sees of the requests: lists, threads, and what of this member's own is not sent.

use model::request::{Post, Said, Thread};
use model::{Id, Object};
use store::Collection;

use super::route::Routes;
use super::{Found, post::DRAFT};
use crate::admin::types::{
    AnswerInfo, DraftInfo, RequestInfo, RequestThread, RequestsPage, RequestsQuery, Standing,
};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::limits::REQUEST_STRAYS_MAX;
use crate::node::Node;

impl Node {
    /// The requests of the channels that `caller` may read.
    ///
    /// # Errors
    /// What the store said.
    pub async fn request_list(
        &self,
        query: &RequestsQuery,
        caller: &Caller,
    ) -> Result<RequestsPage, NodeError> {
        let routes = self.routes().await?;
        let own = &self.config().code;
        let mut page = RequestsPage::default();
        let all = self.requests_found().await?;
        let wanted = |name: &str| {
            query.channel.as_deref().is_none_or(|only| only == name)
                && caller.require_reading(name).is_ok()
        };
        for found in all.iter().filter(|found| wanted(&found.channel)) {
            page.omitted += found.omitted;
            let room = REQUEST_STRAYS_MAX - page.strays.len();
            page.strays.extend(found.strays.iter().take(room).cloned());
            for thread in &found.board.threads {
                if !found.readable(&thread.posted, caller.clearance) {
                    continue;
                }
                let info = self.request_info(found, thread, &routes);
                let addressed = thread.asked.contains_key(own);
                let fits = (!query.inbox || addressed)
                    && (!query.outbox || thread.posted.by == *own)
                    && (!query.open || !info.closed)
                    && query
                        .routed_to
                        .as_ref()
                        .is_none_or(|desk| info.routed.iter().any(|routed| routed.to == *desk));
                if fits {
                    page.requests.push(info);
                }
            }
        }
        page.requests.sort_by(|a, b| a.at.cmp(&b.at));
        if caller.require_reading("national").is_ok() && !query.inbox {
            page.drafts = self.drafts(&all, &wanted, caller.clearance).await?;
        }
        Ok(page)
    }

    /// One request with everything that was said to it.
    ///
    /// # Errors
    /// When no channel that `caller` may read shows it, or several do and none is named.
    pub async fn request_thread(
        &self,
        id: &str,
        channel: Option<&str>,
        caller: &Caller,
    ) -> Result<RequestThread, NodeError> {
        let (found, at) = self.request(id, channel, caller).await?;
        let thread = &found.board.threads[at];
        let routes = self.routes().await?;
        let drafts = if caller.require_reading("national").is_ok() {
            let all = self.requests_found().await?;
            let of_channel = |name: &str| name == found.channel;
            let mut drafts = self.drafts(&all, &of_channel, caller.clearance).await?;
            drafts.retain(|draft| draft.answers.as_deref() == Some(id));
            drafts
        } else {
            Vec::new()
        };
        Ok(RequestThread {
            request: self.request_info(&found, thread, &routes),
            text: thread.request.text.clone(),
            answers: thread
                .said
                .iter()
                .filter(|said| found.readable(&said.posted, caller.clearance))
                .map(answer_info)
                .collect(),
            drafts,
        })
    }

    /// Finds a request; answers with its channel's requests and its place among them.
    pub(super) async fn request(
        &self,
        id: &str,
        channel: Option<&str>,
        caller: &Caller,
    ) -> Result<(std::sync::Arc<Found>, usize), NodeError> {
        let id = Id::parse(id).map_err(|error| {
            NodeError::request(format!("{id:?} is not the id of a request: {error}"))
        })?;
        let mut places = Vec::new();
        for found in self.requests_found().await? {
            if channel.is_some_and(|only| only != found.channel)
                || caller.require_reading(&found.channel).is_err()
            {
                continue;
            }
            let own = &self.config().code;
            let threads = found.board.threads.iter().enumerate();
            let here = threads.filter(|(_, thread)| {
                thread.posted.id == id && found.readable(&thread.posted, caller.clearance)
            });
            // Where two members use one id, the one that asks this member is meant.
            if let Some((at, _)) = here
                .max_by_key(|(at, thread)| (thread.asked.contains_key(own), std::cmp::Reverse(*at)))
            {
                places.push((found, at));
            }
        }
        if places.len() > 1 {
            let names: Vec<&str> = places
                .iter()
                .map(|(found, _)| found.channel.as_str())
                .collect();
            return Err(NodeError::request(format!(
                "the request is in {}; name one with channel",
                names.join(" and ")
            )));
        }
        places.pop().ok_or_else(|| NodeError::Unknown {
            what: format!("request {id}"),
        })
    }

    pub(super) fn request_info(
        &self,
        found: &Found,
        thread: &Thread,
        routes: &Routes,
    ) -> RequestInfo {
        let (own, request) = (&self.config().code, &thread.request);
        let list = |ids: &std::collections::BTreeSet<Id>| ids.iter().map(Id::to_string).collect();
        let owed_by_us = thread.owing().any(|code| code == own);
        RequestInfo {
            id: thread.posted.id.to_string(),
            channel: found.channel.clone(),
            from: thread.posted.by.clone(),
            at: thread.posted.at.to_string(),
            subject: request.subject.clone(),
            urgency: request.urgency.word().to_owned(),
            deadline: request.deadline.map(|deadline| deadline.to_string()),
            kinds: request.kinds.iter().cloned().collect(),
            topics: request.topics.iter().cloned().collect(),
            about: list(&request.about),
            in_reply_to: request.in_reply_to.as_ref().map(Id::to_string),
            asked: thread
                .asked
                .iter()
                .map(|(code, status)| Standing {
                    member: code.clone(),
                    status: status.map(|status| status.word().to_owned()),
                })
                .collect(),
            owed_by_us,
            closed: thread.is_closed(),
            overdue: thread.is_overdue(self.now()),
            revoked: thread.posted.revoked,
            contested: thread.contested,
            routed: if thread.asked.contains_key(own) {
                routes.of(&found.channel, thread)
            } else {
                Vec::new()
            },
        }
    }

    /// Own posts, of the channels wanted, that no channel shows.
    async fn drafts(
        &self,
        all: &[std::sync::Arc<Found>],
        wanted: &(dyn Fn(&str) -> bool + Sync),
        clearance: model::Tlp,
    ) -> Result<Vec<DraftInfo>, NodeError> {
        let kept = self.read(|store| store.scan(DRAFT)).await?;
        let mut drafts = Vec::new();
        for (key, channel) in kept {
            let channel = String::from_utf8_lossy(&channel).into_owned();
            let Ok(id) = Id::parse(&key[DRAFT.len()..]) else {
                continue;
            };
            let sent = all.iter().any(|found| {
                let said = |thread: &Thread| thread.said.iter().any(|said| said.posted.id == id);
                found.channel == channel
                    && (found.board.orphans.iter().any(|post| post.id == id)
                        || found
                            .board
                            .threads
                            .iter()
                            .any(|thread| thread.posted.id == id || said(thread)))
            });
            if sent || !wanted(&channel) {
                continue;
            }
            let draft = self
                .read(move |store| {
                    let Some(record) = store.latest(&Collection::National, &id)? else {
                        return Ok(None);
                    };
                    if store.label(&record)?.tlp > clearance {
                        return Ok(None);
                    }
                    Ok(store.bodies(&[record])?.pop())
                })
                .await?;
            let post = draft
                .and_then(|body| Object::parse(&body).ok())
                .and_then(|object| Some((object.id().to_string(), Post::of(&object).ok()??)));
            if let Some((id, post)) = post {
                let (answers, text) = match post {
                    Post::Request(request) => (None, request.subject),
                    Post::Answer(answer) => (Some(answer.request.to_string()), answer.text),
                };
                drafts.push(DraftInfo {
                    id,
                    channel,
                    answers,
                    text,
                });
            }
        }
        Ok(drafts)
    }
}

fn answer_info(said: &Said) -> AnswerInfo {
    AnswerInfo {
        id: said.posted.id.to_string(),
        from: said.posted.by.clone(),
        at: said.posted.at.to_string(),
        status: said.answer.status.word().to_owned(),
        text: said.answer.text.clone(),
        objects: said.answer.objects.iter().map(Id::to_string).collect(),
        in_reply_to: said.in_reply_to.as_ref().map(Id::to_string),
        unsolicited: said.unsolicited,
        revoked: said.posted.revoked,
    }
}
