//! Questions and answers put together, whatever the order in which they arrived.
//!
//! The result depends on the set of posts only: logs of different members are pulled at different
//! times, and every node that holds the same posts must show the same threads (property-tested).
//!
//! Only a member's own posts count for that member: a post says who wrote it by `Posted::by`, which
//! the caller has taken from the log that brought it. An answer by a member that was not asked is
//! shown as unsolicited and settles nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hash::Hash;
use crate::id::Id;
use crate::time::Timestamp;

use super::{Answer, AnswerStatus, Post, Request};

/// One version of a request or an answer, by an established author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The note's id.
    pub id: Id,
    /// The note's version: when its author says that it was written.
    pub at: Timestamp,
    /// The note's hash.
    pub hash: Hash,
    /// The code of the member that wrote it and whose log brought it.
    pub by: String,
    /// Whether its author has taken it back by revoking it.
    pub revoked: bool,
    /// What it says.
    pub post: Arc<Post>,
}

/// A question with everything that was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The question's note; its post is a request.
    pub posted: Posted,
    /// The question.
    pub request: Request,
    /// Whether another member has posted under the same id: one of the two took it from the other.
    pub contested: bool,
    /// Every member that was asked, with how its latest answer leaves the question.
    pub asked: BTreeMap<String, Option<AnswerStatus>>,
    /// The answers in order of their time.
    pub said: Vec<Said>,
}

/// One answer in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The answer's note.
    pub posted: Posted,
    /// What it says.
    pub answer: Answer,
    /// Whether its author was not asked.
    pub unsolicited: bool,
    /// The post of this thread that it refers back to, where that is held.
    pub in_reply_to: Option<Id>,
}

/// Every thread of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    /// The threads in order of their questions' time.
    pub threads: Vec<Thread>,
    /// Answers to questions that are not held: not arrived yet, or withdrawn.
    pub orphans: Vec<Posted>,
}

impl Thread {
    /// The members that were asked and have neither answered finally nor declined.
    pub fn owing(&self) -> impl Iterator<Item = &str> {
        let owes = |status: &Option<AnswerStatus>| {
            !matches!(status, Some(AnswerStatus::Final | AnswerStatus::Declined))
        };
        self.asked
            .iter()
            .filter(move |(_, status)| !self.posted.revoked && owes(status))
            .map(|(code, _)| code.as_str())
    }

    /// Whether nobody owes an answer any more.
    pub fn is_closed(&self) -> bool {
        self.owing().next().is_none()
    }

    /// Whether the deadline has passed and somebody still owes an answer.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.request.deadline.is_some_and(|deadline| deadline < now) && !self.is_closed()
    }
}

/// Puts posts together. Of several versions of one note by one member the latest counts.
pub fn board(posts: impl IntoIterator<Item = Posted>) -> Board {
    let mut latest: BTreeMap<(Id, String), Posted> = BTreeMap::new();
    for posted in posts {
        match latest.entry((posted.id.clone(), posted.by.clone())) {
            Entry::Vacant(place) => {
                place.insert(posted);
            }
            Entry::Occupied(mut held) => {
                // The hash decides between two of one time, so that arrival never does.
                if (held.get().at, held.get().hash.0) < (posted.at, posted.hash.0) {
                    held.insert(posted);
                }
            }
        }
    }
    let mut authors: BTreeMap<&Id, usize> = BTreeMap::new();
    for (id, _) in latest.keys() {
        *authors.entry(id).or_default() += 1;
    }
    let contested: BTreeSet<Id> = authors
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(id, _)| id.clone())
        .collect();
    let mut board = Board::default();
    let mut answers: BTreeMap<Id, Vec<(Posted, Answer)>> = BTreeMap::new();
    for posted in latest.into_values() {
        match Post::clone(&posted.post) {
            Post::Request(request) => {
                // Nobody asks itself.
                let asked = request
                    .to
                    .iter()
                    .filter(|code| **code != posted.by)
                    .map(|code| (code.clone(), None))
                    .collect();
                board.threads.push(Thread {
                    contested: contested.contains(&posted.id),
                    posted,
                    request,
                    asked,
                    said: Vec::new(),
                });
            }
            Post::Answer(answer) => answers
                .entry(answer.request.clone())
                .or_default()
                .push((posted, answer)),
        }
    }
    let place = |posted: &Posted| (posted.at, posted.id.clone(), posted.by.clone());
    for thread in &mut board.threads {
        // Two members under one id have one thread each, and both see what was answered to it.
        for (posted, answer) in answers.get(&thread.posted.id).into_iter().flatten() {
            thread.said.push(Said {
                posted: posted.clone(),
                answer: answer.clone(),
                unsolicited: !thread.asked.contains_key(&posted.by),
                in_reply_to: None,
            });
        }
        thread.said.sort_by_key(|said| place(&said.posted));
        thread.settle();
    }
    let known: BTreeSet<Id> = board
        .threads
        .iter()
        .map(|thread| thread.posted.id.clone())
        .collect();
    board.orphans = answers
        .into_iter()
        .filter(|(request, _)| !known.contains(request))
        .flat_map(|(_, posts)| posts)
        .map(|(posted, _)| posted)
        .collect();
    board.threads.sort_by_key(|thread| place(&thread.posted));
    board.orphans.sort_by_key(place);
    board
}

impl Thread {
    /// What the answers, in order, come to.
    fn settle(&mut self) {
        for said in self.said.iter().filter(|said| !said.posted.revoked) {
            if let Some(status) = self.asked.get_mut(&said.posted.by) {
                *status = Some(said.answer.status);
            }
        }
        let here: BTreeSet<Id> = self
            .said
            .iter()
            .map(|said| said.posted.id.clone())
            .collect();
        for said in &mut self.said {
            said.in_reply_to = said
                .answer
                .in_reply_to
                .clone()
                .filter(|id| here.contains(id) && *id != said.posted.id);
        }
    }
}
