//! Requests for information and their answers, as STIX notes.
//!
//! One member asks named members a question in a channel; each may answer in parts, finally, or
//! decline without saying why. Both are ordinary `note` objects, so every STIX tool shows them,
//! with what a note cannot say in a property extension of ours:
//!
//! ```json
//! {"type":"note", …, "created_by_ref":"identity--(the asking member)",
//!  "abstract":"Hosts behind the mail campaign", "content":"Which of these have you seen?",
//!  "object_refs":["identity--(the asking member)", "indicator--(what it is about)"],
//!  "extensions":{"extension-definition--ee87be63-…":{"extension_type":"property-extension",
//!     "to":["KG","UZ"], "urgency":"priority", "deadline":"2026-08-01T00:00:00Z",
//!     "kinds":["indicator"], "topics":["phishing"], "in_reply_to_ref":"note--…"}}}
//! {"type":"note", …, "object_refs":["note--(the request)", "indicator--(what it gives)"],
//!  "extensions":{"extension-definition--ee87be63-…":{"extension_type":"property-extension",
//!     "request_ref":"note--(the request)", "status":"partial", "in_reply_to_ref":"note--…"}}}
//! ```
//!
//! `to` makes a request, `request_ref` an answer. Properties that are not known are ignored: a
//! later version may say more about a question that is still a question. What is here is a claim of
//! whoever wrote the object; which member that was is for the caller to establish from the log that
//! brought it, before it gives the post to [`board`].

mod board;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::id::Id;
use crate::id::check_type;
use crate::label::{is_member_code, is_word};
use crate::limits::{
    REQUEST_MEMBERS_MAX, REQUEST_OBJECTS_MAX, REQUEST_SUBJECT_BYTES_MAX, REQUEST_TEXT_BYTES_MAX,
    REQUEST_WORDS_MAX,
};
use crate::object::Object;
use crate::refusal::Refusal;
use crate::time::Timestamp;

pub use board::{Board, Posted, Said, Thread, board};

/// The id of our request extension's definition.
pub const EXTENSION_REQUEST: &str = "extension-definition--ee87be63-0c3e-4ff6-a91f-e78b8f436b79";

/// How soon an answer is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// In the ordinary course of work.
    Routine,
    /// Before ordinary work.
    Priority,
    /// At once, whatever the hour.
    Immediate,
}

/// How an answer leaves the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerStatus {
    /// More will follow.
    Partial,
    /// This is all that the member has to say.
    Final,
    /// The member will not answer, and need not say why.
    Declined,
}

/// A question to named members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Codes of the members that are asked.
    pub to: BTreeSet<String>,
    /// What it is about, in one line.
    pub subject: String,
    /// The question.
    pub text: String,
    /// When the answer is needed.
    pub deadline: Option<Timestamp>,
    /// How soon the answer is needed.
    pub urgency: Urgency,
    /// STIX types that would answer it; helps to find who can.
    pub kinds: BTreeSet<String>,
    /// Keywords; help to find who can answer.
    pub topics: BTreeSet<String>,
    /// Objects that the question is about.
    pub about: BTreeSet<Id>,
    /// The answer that this question follows up, if it does.
    pub in_reply_to: Option<Id>,
}

/// What a member answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request.
    pub request: Id,
    /// How it leaves the question.
    pub status: AnswerStatus,
    /// The answer in words.
    pub text: String,
    /// Objects that are the answer.
    pub objects: BTreeSet<Id>,
    /// The post of the thread that this answers in particular.
    pub in_reply_to: Option<Id>,
}

/// A note that is a request or an answer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    /// A question.
    Request(Request),
    /// An answer.
    Answer(Answer),
}

/// Why a note with our extension is no request and no answer.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The object is not what the extension can be on.
    NotANote,
    /// A property is missing or has a value that is not understood.
    Property {
        /// Its name.
        name: &'static str,
        /// What is needed there.
        expected: &'static str,
    },
    /// A property holds more than is read.
    TooMuch {
        /// Its name.
        name: &'static str,
        /// How much there may be: bytes of a text, items of a list.
        max: usize,
    },
    /// The note as a whole is no acceptable object.
    Object(Refusal),
}

impl Post {
    /// What a note says; `None` when it is no note or does not have our extension.
    ///
    /// # Errors
    /// When it has the extension and is neither a request nor an answer that can be read. Such a
    /// note is still an object like any other; it only takes no part in a thread.
    pub fn of(object: &Object) -> Result<Option<Post>, RequestError> {
        if object.kind() != "note" {
            return Ok(None);
        }
        let Some(note) = Note::read(object)? else {
            return Ok(None);
        };
        let author = object.created_by().ok_or(RequestError::Property {
            name: "created_by_ref",
            expected: "the asking or answering member's identity",
        })?;
        let post = match (&note.extension.to, &note.extension.request_ref) {
            (Some(_), None) => Post::Request(note.request(author)?),
            (None, Some(_)) => Post::Answer(note.answer()?),
            _ => {
                return Err(RequestError::Property {
                    name: "to",
                    expected: "either `to` (a request) or `request_ref` (an answer), not both",
                });
            }
        };
        post.check()?;
        Ok(Some(post))
    }

    /// The note that says this: `id` is its own, `author` the member's identity.
    ///
    /// # Errors
    /// When a part is not what a request or an answer may hold; so what is built can be read.
    pub fn object(&self, id: &Id, author: &Id, at: Timestamp) -> Result<Object, RequestError> {
        if id.type_name() != "note" {
            return Err(RequestError::NotANote);
        }
        self.check()?;
        let at = at.to_string();
        let mut extension = serde_json::Map::new();
        extension.insert("extension_type".into(), "property-extension".into());
        let (subject, text, first, objects, keyword) = match self {
            Post::Request(request) => {
                let list =
                    |words: &BTreeSet<String>| -> Vec<String> { words.iter().cloned().collect() };
                extension.insert("to".into(), list(&request.to).into());
                extension.insert("urgency".into(), request.urgency.word().into());
                if let Some(deadline) = request.deadline {
                    extension.insert("deadline".into(), deadline.to_string().into());
                }
                for (name, words) in [("kinds", &request.kinds), ("topics", &request.topics)] {
                    if !words.is_empty() {
                        extension.insert(name.into(), list(words).into());
                    }
                }
                let keyword = "request-for-information";
                (
                    Some(&request.subject),
                    &request.text,
                    author,
                    &request.about,
                    keyword,
                )
            }
            Post::Answer(answer) => {
                extension.insert("request_ref".into(), answer.request.as_str().into());
                extension.insert("status".into(), answer.status.word().into());
                let keyword = "answer-to-request";
                (
                    None,
                    &answer.text,
                    &answer.request,
                    &answer.objects,
                    keyword,
                )
            }
        };
        if let Some(id) = self.in_reply_to() {
            extension.insert("in_reply_to_ref".into(), id.as_str().into());
        }
        let refs: Vec<&str> = std::iter::once(first)
            .chain(objects.iter().filter(|id| *id != first))
            .map(Id::as_str)
            .collect();
        let mut note = serde_json::json!({
            "type": "note",
            "spec_version": "2.1",
            "id": id.as_str(),
            "created": at,
            "modified": at,
            "created_by_ref": author.as_str(),
            "content": text,
            "object_refs": refs,
            "labels": [keyword],
            "extensions": { EXTENSION_REQUEST: extension },
        });
        if let Some(subject) = subject {
            note["abstract"] = subject.as_str().into();
        }
        Object::parse(note.to_string().as_bytes()).map_err(RequestError::Object)
    }

    /// The post that this one refers back to.
    pub fn in_reply_to(&self) -> Option<&Id> {
        match self {
            Post::Request(request) => request.in_reply_to.as_ref(),
            Post::Answer(answer) => answer.in_reply_to.as_ref(),
        }
    }

    /// The words of the post.
    pub fn text(&self) -> &str {
        match self {
            Post::Request(request) => &request.text,
            Post::Answer(answer) => &answer.text,
        }
    }

    /// The bounds and forms that hold for what is read and for what is written alike.
    fn check(&self) -> Result<(), RequestError> {
        text("content", self.text(), REQUEST_TEXT_BYTES_MAX)?;
        if self
            .in_reply_to()
            .is_some_and(|id| id.type_name() != "note")
        {
            return Err(RequestError::Property {
                name: "in_reply_to_ref",
                expected: "the id of a note",
            });
        }
        match self {
            Post::Request(request) => {
                text("abstract", &request.subject, REQUEST_SUBJECT_BYTES_MAX)?;
                if request.subject.chars().any(char::is_control) {
                    return Err(RequestError::Property {
                        name: "abstract",
                        expected: "one line",
                    });
                }
                let code = |code: &String| is_member_code(code);
                items("to", &request.to, REQUEST_MEMBERS_MAX, code, "member codes")?;
                if request.to.is_empty() {
                    return Err(RequestError::Property {
                        name: "to",
                        expected: "at least one member's code",
                    });
                }
                let kind = |kind: &String| check_type(kind.as_bytes()).is_ok();
                items(
                    "kinds",
                    &request.kinds,
                    REQUEST_WORDS_MAX,
                    kind,
                    "STIX types",
                )?;
                let word = |word: &String| is_word(word) && !word.chars().any(char::is_control);
                items(
                    "topics",
                    &request.topics,
                    REQUEST_WORDS_MAX,
                    word,
                    "keywords",
                )?;
                count("object_refs", request.about.len(), REQUEST_OBJECTS_MAX)
            }
            Post::Answer(answer) => {
                if answer.request.type_name() != "note" {
                    return Err(RequestError::Property {
                        name: "request_ref",
                        expected: "the id of a note",
                    });
                }
                count("object_refs", answer.objects.len(), REQUEST_OBJECTS_MAX)
            }
        }
    }
}

/// A note's properties as far as a request or an answer uses them.
#[derive(Deserialize)]
struct Outer {
    r#abstract: Option<String>,
    content: Option<String>,
    #[serde(default)]
    object_refs: Vec<String>,
    #[serde(default)]
    extensions: serde_json::Map<String, serde_json::Value>,
}

/// Our extension's properties.
#[derive(Deserialize)]
struct Extension {
    extension_type: String,
    to: Option<Vec<String>>,
    urgency: Option<String>,
    deadline: Option<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    topics: Vec<String>,
    request_ref: Option<String>,
    status: Option<String>,
    in_reply_to_ref: Option<String>,
}

struct Note {
    subject: String,
    text: String,
    refs: BTreeSet<Id>,
    extension: Extension,
}

impl Note {
    fn read(object: &Object) -> Result<Option<Note>, RequestError> {
        // Most notes are just notes: they are told apart without building a tree.
        if !contains(object.bytes(), EXTENSION_REQUEST.as_bytes()) {
            return Ok(None);
        }
        let strange = |name, expected| RequestError::Property { name, expected };
        let Ok(mut outer) = serde_json::from_slice::<Outer>(object.bytes()) else {
            return Err(strange("content", "the properties of a STIX note"));
        };
        let Some(extension) = outer.extensions.remove(EXTENSION_REQUEST) else {
            return Ok(None);
        };
        let extension: Extension = serde_json::from_value(extension)
            .map_err(|_| strange("extensions", "texts and lists of texts"))?;
        if extension.extension_type != "property-extension" {
            return Err(strange("extension_type", "\"property-extension\""));
        }
        count(
            "object_refs",
            outer.object_refs.len(),
            REQUEST_OBJECTS_MAX + 1,
        )?;
        let refs = outer
            .object_refs
            .iter()
            .map(|text| reference("object_refs", text))
            .collect::<Result<_, _>>()?;
        Ok(Some(Note {
            subject: outer.r#abstract.unwrap_or_default(),
            text: outer.content.unwrap_or_default(),
            refs,
            extension,
        }))
    }

    fn request(self, author: &Id) -> Result<Request, RequestError> {
        let Note {
            subject,
            text,
            mut refs,
            extension,
        } = self;
        let words = |name, list: Vec<String>, max| -> Result<BTreeSet<String>, RequestError> {
            count(name, list.len(), max)?;
            Ok(list.into_iter().collect())
        };
        refs.remove(author);
        Ok(Request {
            to: words("to", extension.to.unwrap_or_default(), REQUEST_MEMBERS_MAX)?,
            subject,
            text,
            deadline: extension
                .deadline
                .map(|text| Timestamp::parse(&text))
                .transpose()
                .map_err(|_| RequestError::Property {
                    name: "deadline",
                    expected: "a time as STIX writes it, in UTC",
                })?,
            urgency: match extension.urgency {
                None => Urgency::Routine,
                Some(word) => word.parse()?,
            },
            kinds: words("kinds", extension.kinds, REQUEST_WORDS_MAX)?,
            topics: words("topics", extension.topics, REQUEST_WORDS_MAX)?,
            about: refs,
            in_reply_to: reply(extension.in_reply_to_ref)?,
        })
    }

    fn answer(self) -> Result<Answer, RequestError> {
        let Note {
            text,
            mut refs,
            extension,
            ..
        } = self;
        let request = reference("request_ref", &extension.request_ref.unwrap_or_default())?;
        // A tool that shows notes beside what they are about must find this one at the question.
        if !refs.remove(&request) {
            return Err(RequestError::Property {
                name: "object_refs",
                expected: "the request among them",
            });
        }
        let status = extension.status.ok_or(RequestError::Property {
            name: "status",
            expected: AnswerStatus::WORDS,
        })?;
        Ok(Answer {
            request,
            status: status.parse()?,
            text,
            objects: refs,
            in_reply_to: reply(extension.in_reply_to_ref)?,
        })
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn reference(name: &'static str, text: &str) -> Result<Id, RequestError> {
    Id::parse(text).map_err(|_| RequestError::Property {
        name,
        expected: "a STIX id",
    })
}

fn reply(text: Option<String>) -> Result<Option<Id>, RequestError> {
    text.map(|text| reference("in_reply_to_ref", &text))
        .transpose()
}

fn count(name: &'static str, found: usize, max: usize) -> Result<(), RequestError> {
    if found > max {
        return Err(RequestError::TooMuch { name, max });
    }
    Ok(())
}

fn text(name: &'static str, text: &str, max: usize) -> Result<(), RequestError> {
    if text.trim().is_empty() {
        return Err(RequestError::Property {
            name,
            expected: "a text that is not empty",
        });
    }
    count(name, text.len(), max)
}

fn items(
    name: &'static str,
    items: &BTreeSet<String>,
    max: usize,
    good: impl Fn(&String) -> bool,
    expected: &'static str,
) -> Result<(), RequestError> {
    count(name, items.len(), max)?;
    if items.iter().all(good) {
        Ok(())
    } else {
        Err(RequestError::Property { name, expected })
    }
}

impl Urgency {
    /// The words in order, for messages.
    pub const WORDS: &str = "routine, priority or immediate";

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Urgency::Routine => "routine",
            Urgency::Priority => "priority",
            Urgency::Immediate => "immediate",
        }
    }
}

impl FromStr for Urgency {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Urgency, RequestError> {
        [Urgency::Routine, Urgency::Priority, Urgency::Immediate]
            .into_iter()
            .find(|urgency| urgency.word() == text)
            .ok_or(RequestError::Property {
                name: "urgency",
                expected: Urgency::WORDS,
            })
    }
}

impl AnswerStatus {
    /// The words in order, for messages.
    pub const WORDS: &str = "partial, final or declined";

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            AnswerStatus::Partial => "partial",
            AnswerStatus::Final => "final",
            AnswerStatus::Declined => "declined",
        }
    }
}

impl FromStr for AnswerStatus {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<AnswerStatus, RequestError> {
        [
            AnswerStatus::Partial,
            AnswerStatus::Final,
            AnswerStatus::Declined,
        ]
        .into_iter()
        .find(|status| status.word() == text)
        .ok_or(RequestError::Property {
            name: "status",
            expected: AnswerStatus::WORDS,
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::NotANote => f.write_str("requests and answers are STIX notes"),
            RequestError::Property { name, expected } => write!(f, "{name} needs {expected}"),
            RequestError::TooMuch { name, max } => {
                write!(
                    f,
                    "{name} holds more than {max}; say less, or in several posts"
                )
            }
            RequestError::Object(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests;
