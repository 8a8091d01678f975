//! Requests for information: one member asks named members a question, and reads their answers.
//!
//! Questions and answers are STIX notes (`model::request`) and travel as every object does: they
//! are taken into the national collection and released into a channel (`post`), under the same
//! rules, approvals and redaction as anything else. Nothing here can put a byte into a log. What
//! others asked and answered is derived from what the channels show (`show`); who in the nation is
//! to answer is this member's own, durable setting (`route`).
//!
//! INVARIANT: a post counts for a member only when that member's own log has brought exactly those
//! bytes and they name that member's identity as their author. A copy of it, or another's note in
//! its name, counts for nobody.

mod post;
mod route;
mod show;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use model::request::{Board, Post, Posted, board};
use model::{Hash, Id, Object, Tlp};
use store::{LogName, Query, Record, Store, StoreError};

use crate::accords::Channel;
use crate::admin::types::{Alarm, StrayInfo};
use crate::error::NodeError;
use crate::limits::{RELEASE_BATCH_OBJECTS, REQUEST_POSTS_EACH_MAX, REQUEST_STRAYS_MAX};
use crate::node::Node;

/// What the channels' notes were found to say, so that each is read once.
#[derive(Default)]
pub(crate) struct Requests(Mutex<HashMap<String, Held>>);

/// What is known of one channel.
struct Held {
    /// The accord's text and the sizes of the channel's logs at that time.
    stamp: ([u8; 32], Vec<(LogName, u64)>),
    read: HashMap<Hash, Read>,
    found: Arc<Found>,
}

/// One note that was read.
#[derive(Clone)]
enum Read {
    /// It is no request and no answer.
    Note,
    /// It claims to be one and cannot be read.
    Malformed(Arc<str>),
    /// It is one.
    Post(Arc<Post>, Option<Id>, bool),
}

/// The requests and answers of one channel.
pub(crate) struct Found {
    pub(crate) channel: String,
    pub(crate) board: Board,
    /// The level of each post's label, by the post's hash.
    pub(crate) levels: HashMap<Hash, Tlp>,
    pub(crate) strays: Vec<StrayInfo>,
    pub(crate) omitted: usize,
}

impl Found {
    /// Whether somebody cleared for `clearance` may read this post.
    pub(crate) fn readable(&self, posted: &Posted, clearance: Tlp) -> bool {
        self.levels
            .get(&posted.hash)
            .is_some_and(|level| *level <= clearance)
    }
}

impl Node {
    /// The requests of every channel that is in force here.
    pub(crate) async fn requests_found(&self) -> Result<Vec<Arc<Found>>, StoreError> {
        let channels = self.accords().channels(&self.config().code);
        let requests = Arc::clone(self.requests());
        self.read(move |store| {
            let mut held = requests.0.lock().unwrap_or_else(PoisonError::into_inner);
            let names: HashSet<String> = channels.iter().map(Channel::full_name).collect();
            held.retain(|name, _| names.contains(name));
            let mut all = Vec::with_capacity(channels.len());
            for channel in &channels {
                let name = channel.full_name();
                let before = held.remove(&name);
                let now = look(store, channel, before)?;
                all.push(Arc::clone(&now.found));
                held.insert(name, now);
            }
            Ok(all)
        })
        .await
    }

    /// Requests whose deadline has passed: those that this member owes an answer to, and those
    /// that others owe it.
    pub(crate) async fn request_alarms(&self) -> Result<Vec<Alarm>, NodeError> {
        let (now, own) = (self.now(), &self.config().code);
        let mut alarms = Vec::new();
        for found in self.requests_found().await? {
            for thread in &found.board.threads {
                let Some(deadline) = thread.request.deadline else {
                    continue;
                };
                if !thread.is_overdue(now) {
                    continue;
                }
                let owing: Vec<&str> = thread.owing().collect();
                let subject = format!("{} in {}", thread.posted.id, found.channel);
                if thread.posted.by == *own {
                    alarms.push(Alarm {
                        kind: "request-overdue".into(),
                        subject,
                        text: format!(
                            "{} owe an answer since {deadline}; ask them, or withdraw the request",
                            owing.join(", ")
                        ),
                    });
                } else if owing.contains(&own.as_str()) {
                    alarms.push(Alarm {
                        kind: "request-unanswered".into(),
                        subject,
                        text: format!(
                            "{} waits for this member's answer since {deadline}; answer it, or decline",
                            thread.posted.by
                        ),
                    });
                }
            }
        }
        Ok(alarms)
    }
}

/// What a channel's notes say now; what was found `before` is used where it still holds.
fn look(store: &Store, channel: &Channel, before: Option<Held>) -> Result<Held, StoreError> {
    let members = &channel.accord.accord().members;
    let rules = channel.accord.accord().channel(&channel.name);
    // Also members that have left: what they asked and answered stays.
    let authors: Vec<(&str, Id)> = members
        .iter()
        .filter(|member| rules.is_some_and(|rules| rules.members.contains(&member.code)))
        .map(|member| {
            let identity = model::member_identity_id(&member.domain);
            (member.code.as_str(), identity)
        })
        .collect();
    let mut sizes = Vec::with_capacity(authors.len());
    for (code, _) in &authors {
        let log = channel.log(code);
        let size = store.head(&log)?.map_or(0, |head| head.size);
        sizes.push((log, size));
    }
    let stamp = (channel.accord.digest(), sizes);
    let mut known = match before {
        // Every change of what a channel shows is an entry of one of its logs.
        Some(held) if held.stamp == stamp => return Ok(held),
        Some(held) => held.read,
        None => HashMap::new(),
    };
    let mut scan = Scan {
        store,
        channel,
        authors,
        posts: HashMap::new(),
        found: Found {
            channel: channel.full_name(),
            board: Board::default(),
            levels: HashMap::new(),
            strays: Vec::new(),
            omitted: 0,
        },
    };
    let mut read = HashMap::new();
    let collection = channel.log("").collection();
    let mut query = Query {
        kinds: vec!["note".into()],
        all_versions: true,
        limit: RELEASE_BATCH_OBJECTS,
        ..Query::default()
    };
    loop {
        let page = store.page(&collection, &query)?;
        let unread: Vec<Record> = page
            .records
            .iter()
            .filter(|record| !known.contains_key(&record.hash))
            .cloned()
            .collect();
        for (record, body) in unread.iter().zip(store.bodies(&unread)?) {
            known.insert(record.hash, note(&body));
        }
        for record in &page.records {
            if let Some(what) = known.get(&record.hash) {
                scan.one(record, what)?;
                read.insert(record.hash, what.clone());
            }
        }
        query.after = page.records.last().map(|record| record.seq);
        if !page.more {
            break;
        }
    }
    let mut found = scan.found;
    found.board = board(scan.posts.into_values().flatten());
    Ok(Held {
        stamp,
        read,
        found: Arc::new(found),
    })
}

/// What a note's bytes say. Bytes of the store were an object once, so they are one now.
fn note(body: &[u8]) -> Read {
    let Ok(object) = Object::parse(body) else {
        return Read::Note;
    };
    match Post::of(&object) {
        Ok(None) => Read::Note,
        Ok(Some(post)) => {
            let author = object.created_by().cloned();
            Read::Post(Arc::new(post), author, object.revoked())
        }
        Err(error) => Read::Malformed(error.to_string().into()),
    }
}

/// One reading of a channel's notes.
struct Scan<'a> {
    store: &'a Store,
    channel: &'a Channel,
    authors: Vec<(&'a str, Id)>,
    posts: HashMap<&'a str, VecDeque<Posted>>,
    found: Found,
}

impl Scan<'_> {
    fn one(&mut self, record: &Record, what: &Read) -> Result<(), StoreError> {
        let (post, author, revoked) = match what {
            Read::Note => return Ok(()),
            Read::Malformed(why) => {
                self.stray(record, why);
                return Ok(());
            }
            Read::Post(post, author, revoked) => (post, author, *revoked),
        };
        let named = self
            .authors
            .iter()
            .find(|(_, identity)| Some(identity) == author.as_ref())
            .map(|(code, _)| *code);
        let Some(by) = named else {
            self.stray(record, "its author is no member of the channel");
            return Ok(());
        };
        if !self.brought_by(by, record)? {
            self.stray(
                record,
                &format!("it speaks for {by}, whose log has not brought it"),
            );
            return Ok(());
        }
        let Some(at) = record.version else {
            return Ok(());
        };
        let level = self.store.label(record)?.tlp;
        self.found.levels.insert(record.hash, level);
        let posts = self.posts.entry(by).or_default();
        posts.push_back(Posted {
            id: record.id.clone(),
            at,
            hash: record.hash,
            by: by.to_owned(),
            revoked,
            post: Arc::clone(post),
        });
        if posts.len() > REQUEST_POSTS_EACH_MAX {
            posts.pop_front();
            self.found.omitted += 1;
        }
        Ok(())
    }

    /// Whether this member's log has brought just these bytes, first or after another's.
    fn brought_by(&self, code: &str, record: &Record) -> Result<bool, StoreError> {
        let log = self.channel.log(code);
        if record.log.as_ref() == Some(&log) {
            return Ok(true);
        }
        let brought = self.store.brought(&log, std::slice::from_ref(&record.id))?;
        Ok(brought.iter().any(|other| other.hash == record.hash))
    }

    fn stray(&mut self, record: &Record, why: &str) {
        if self.found.strays.len() < REQUEST_STRAYS_MAX {
            self.found.strays.push(StrayInfo {
                id: record.id.to_string(),
                channel: self.found.channel.clone(),
                from: record
                    .log
                    .as_ref()
                    .map(|log| log.origin.clone())
                    .unwrap_or_default(),
                why: why.to_owned(),
            });
        }
    }
}
