//! Notices: what one member says about its own part in an accord, between two versions of it.
//!
//! A notice is a C2SP signed note by the member's root key. A member that leaves neither sends nor
//! receives anything under the accord from the moment a node hears of it; one that suspends a
//! channel does the same there. `return` and `resume` end that. Of all that a member says about one
//! subject (its membership, or one channel) the notice with the highest serial counts, so the order
//! in which notices come does not matter.
//!
//! INVARIANT (I2): a notice binds only its signer, and at most restores what the signer's own
//! ratification grants. None can bring a text, a release or another member in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use log::note::{Note, SignatureLine, SigningKey};
use model::Timestamp;
use serde::Deserialize;

use crate::accord::{Accord, Member};
use crate::check::hidden;
use crate::limits::{NOTICE_BYTES_MAX, NOTICE_REASON_CHARS_MAX};
use crate::signed::SignedAccord;
use crate::text::{hex, quoted, unhex};

/// What the first line of every notice says.
pub const NOTICE_FORMAT: &str = "kurultai-notice/1";

/// What a notice says, as its signer means it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Code of the member that speaks.
    pub member: String,
    /// Name of the accord.
    pub accord: String,
    /// The version that the member had before it.
    pub version: u32,
    /// SHA-256 of that version's text.
    pub digest: [u8; 32],
    /// What is said.
    pub act: Act,
    /// Grows with each notice of a member; the highest about a subject counts.
    pub serial: u64,
    /// When it was signed, by the signer's clock: for people, nothing is decided by it.
    pub at: Timestamp,
    /// Why, in one line for people; at most [`NOTICE_REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What a member says about itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It leaves the accord.
    Leave,
    /// It takes part again.
    Return,
    /// It sends and takes nothing in this channel.
    Suspend {
        /// The channel's name.
        channel: String,
    },
    /// It takes part in this channel again.
    Resume {
        /// The channel's name.
        channel: String,
    },
}

/// A notice with its signature, of which [`Notices::take`] finds out whether it is the member's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNotice {
    notice: Notice,
    text: String,
    line: SignatureLine,
}

/// The notices that count: verified, and for each subject of each member the latest.
#[derive(Clone, Debug, Default)]
pub struct Notices(BTreeMap<Subject, SignedNotice>);

/// Whose part in what: accord, member, and the channel unless it is about the whole accord.
type Subject = (String, String, Option<String>);

/// Members that do not take part although they have ratified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Absent {
    members: BTreeSet<String>,
    channels: BTreeSet<(String, String)>,
}

/// Why a notice is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeError {
    /// More bytes than a notice may have.
    TooLarge {
        /// Bytes offered.
        bytes: usize,
    },
    /// It is no signed note, or not in this form.
    Form {
        /// What is wrong.
        why: String,
    },
    /// It is about another accord, or another text under the same name and version.
    OtherAccord {
        /// The accord's name as the notice gives it.
        accord: String,
    },
    /// The accord does not have the member that it speaks for.
    NoMember {
        /// The code.
        member: String,
    },
    /// The accord does not have the channel for that member.
    NoChannel {
        /// The channel.
        channel: String,
    },
    /// The root key of the member has not signed it.
    NotSigned {
        /// The code.
        member: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    notice: String,
    accord: String,
    version: u32,
    digest: String,
    member: String,
    channel: Option<String>,
    serial: u64,
    at: String,
    reason: String,
}

impl Act {
    /// The word in a notice's text.
    pub fn word(&self) -> &'static str {
        match self {
            Act::Leave => "leave",
            Act::Return => "return",
            Act::Suspend { .. } => "suspend",
            Act::Resume { .. } => "resume",
        }
    }

    /// The act of this word, about a channel where it takes one.
    ///
    /// # Errors
    /// When there is no such word, or a channel is missing or one too many.
    pub fn new(word: &str, channel: Option<String>) -> Result<Act, NoticeError> {
        match (word, channel) {
            ("leave", None) => Ok(Act::Leave),
            ("return", None) => Ok(Act::Return),
            ("suspend", Some(channel)) => Ok(Act::Suspend { channel }),
            ("resume", Some(channel)) => Ok(Act::Resume { channel }),
            ("leave" | "return", Some(_)) => Err(form("`leave` and `return` name no channel")),
            ("suspend" | "resume", None) => Err(form("`suspend` and `resume` name a channel")),
            _ => Err(form(
                "the notice must be \"leave\", \"return\", \"suspend\" or \"resume\"",
            )),
        }
    }

    /// The channel that it is about; absent: the whole accord.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Act::Leave | Act::Return => None,
            Act::Suspend { channel } | Act::Resume { channel } => Some(channel),
        }
    }

    /// Whether the member is away by it.
    pub fn ends(&self) -> bool {
        matches!(self, Act::Leave | Act::Suspend { .. })
    }
}

impl Notice {
    /// The text that is signed: the same bytes for the same notice.
    pub fn to_text(&self) -> String {
        let channel = self.act.channel();
        let channel = channel.map_or(String::new(), |name| {
            format!("channel = {}\n", quoted(name))
        });
        format!(
            "format = {}\nnotice = {}\naccord = {}\nversion = {}\ndigest = {}\nmember = {}\n\
             {channel}serial = {}\nat = {}\nreason = {}\n",
            quoted(NOTICE_FORMAT),
            quoted(self.act.word()),
            quoted(&self.accord),
            self.version,
            quoted(&hex(&self.digest)),
            quoted(&self.member),
            self.serial,
            quoted(&self.at.to_string()),
            quoted(&self.reason),
        )
    }

    fn parse_text(text: &str) -> Result<Notice, NoticeError> {
        let raw: Raw =
            toml::from_str(text).map_err(|error| form(&error.message().replace('\n', " ")))?;
        if raw.format != NOTICE_FORMAT {
            return Err(form("it is of another format"));
        }
        let notice = Notice {
            act: Act::new(&raw.notice, raw.channel)?,
            digest: unhex(&raw.digest, "digest").map_err(|error| form(&error.to_string()))?,
            at: Timestamp::parse(&raw.at).map_err(|error| form(&error.to_string()))?,
            member: raw.member,
            accord: raw.accord,
            version: raw.version,
            serial: raw.serial,
            reason: raw.reason,
        };
        reason(&notice.reason)?;
        Ok(notice)
    }

    fn subject(&self) -> Subject {
        (
            self.accord.clone(),
            self.member.clone(),
            self.act.channel().map(str::to_owned),
        )
    }
}

impl SignedNotice {
    /// Signs a notice with a root key.
    ///
    /// # Errors
    /// When the reason is none that people can read in one line, or the key cannot sign notes.
    pub fn sign(notice: Notice, root: &SigningKey) -> Result<SignedNotice, NoticeError> {
        reason(&notice.reason)?;
        let text = notice.to_text();
        let mut note = Note::new(text.as_str()).map_err(|error| form(&error.to_string()))?;
        note.sign(root).map_err(|error| form(&error.to_string()))?;
        match note.signatures() {
            [line] => Ok(SignedNotice {
                line: line.clone(),
                notice,
                text,
            }),
            _ => Err(form("a notice has one signature")),
        }
    }

    /// Reads a notice. Whose signature it carries, [`Notices::take`] finds out.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(note: &[u8]) -> Result<SignedNotice, NoticeError> {
        if note.len() > NOTICE_BYTES_MAX {
            return Err(NoticeError::TooLarge { bytes: note.len() });
        }
        let note = Note::parse(note).map_err(|error| form(&error.to_string()))?;
        let [line] = note.signatures() else {
            return Err(form("a notice has one signature"));
        };
        Ok(SignedNotice {
            notice: Notice::parse_text(note.text())?,
            line: line.clone(),
            text: note.text().to_owned(),
        })
    }

    /// What it says.
    pub fn notice(&self) -> &Notice {
        &self.notice
    }

    /// Whether the member's root key has signed this text.
    fn is_by(&self, member: &Member) -> bool {
        let note = Note::new(self.text.as_str()).and_then(|mut note| {
            note.add(self.line.clone())?;
            note.verified_by(&member.root)
        });
        self.line.is_of(&member.root) && note.is_ok()
    }

    /// What decides between two about one subject: the serial; of two under one serial, which no
    /// honest member signs, the one that ends; then the bytes, so that everybody decides alike.
    fn rank(&self) -> (u64, bool, &str) {
        (self.notice.serial, self.notice.act.ends(), &self.text)
    }
}

impl fmt::Display for SignedNotice {
    /// The signed note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n", self.text, self.line)
    }
}

impl Notices {
    /// Takes a notice about `accord`, as it is held here in whatever version. Answers whether it
    /// is news; one that is known, or older than what is known, changes nothing.
    ///
    /// # Errors
    /// Why it says nothing about this accord: then nothing changes either.
    pub fn take(
        &mut self,
        signed: SignedNotice,
        accord: &SignedAccord,
    ) -> Result<bool, NoticeError> {
        let news = self.is_news(&signed, accord)?;
        if news {
            self.put(signed);
        }
        Ok(news)
    }

    /// Whether [`Notices::take`] would take a notice.
    ///
    /// # Errors
    /// Why it says nothing about this accord.
    pub fn is_news(
        &self,
        signed: &SignedNotice,
        accord: &SignedAccord,
    ) -> Result<bool, NoticeError> {
        let notice = &signed.notice;
        let within = accord.accord();
        if notice.accord != within.name || !same_line(notice, accord) {
            return Err(NoticeError::OtherAccord {
                accord: notice.accord.clone(),
            });
        }
        let member = within.member(&notice.member);
        let member = member.ok_or_else(|| NoticeError::NoMember {
            member: notice.member.clone(),
        })?;
        if let Some(channel) = notice.act.channel()
            && !names(within, channel, &notice.member)
        {
            return Err(NoticeError::NoChannel {
                channel: channel.to_owned(),
            });
        }
        let subject = notice.subject();
        // What is known already costs no signature check, however often it is sent.
        let held = self.0.get(&subject);
        if held.is_some_and(|held| held.rank() >= signed.rank()) {
            return Ok(false);
        }
        if !signed.is_by(member) {
            return Err(NoticeError::NotSigned {
                member: member.code.clone(),
            });
        }
        Ok(true)
    }

    /// Puts in what was found to be news, now or before it was kept.
    pub fn put(&mut self, signed: SignedNotice) {
        self.0.insert(signed.notice.subject(), signed);
    }

    /// The notices that count in an accord, in the order of members and channels.
    pub fn of<'a>(&'a self, accord: &'a str) -> impl Iterator<Item = &'a SignedNotice> {
        self.0
            .values()
            .filter(move |signed| signed.notice.accord == accord)
    }

    /// The highest serial of a member in an accord; its next notice needs a higher one.
    pub fn serial(&self, accord: &str, member: &str) -> u64 {
        let of_member = self.of(accord).map(|signed| &signed.notice);
        of_member
            .filter(|notice| notice.member == member)
            .map(|notice| notice.serial)
            .max()
            .unwrap_or(0)
    }

    /// Who is away in this version of the accord.
    pub(crate) fn absent(&self, accord: &Accord) -> Absent {
        let mut absent = Absent::default();
        for signed in self.of(&accord.name) {
            let notice = &signed.notice;
            let by_root = accord
                .member(&notice.member)
                .is_some_and(|member| signed.line.is_of(&member.root));
            match &notice.act {
                Act::Leave if by_root => {
                    absent.members.insert(notice.member.clone());
                }
                Act::Suspend { channel } if by_root => {
                    let part = (notice.member.clone(), channel.clone());
                    absent.channels.insert(part);
                }
                _ => {}
            }
        }
        absent
    }
}

impl Absent {
    /// Whether a member takes no part in a channel.
    pub(crate) fn is(&self, member: &str, channel: &str) -> bool {
        self.members.contains(member)
            || self
                .channels
                .iter()
                .any(|(code, name)| code == member && name == channel)
    }

    /// Counts these as absent from the whole accord.
    pub(crate) fn exclude<'a>(&mut self, members: impl IntoIterator<Item = &'a String>) {
        self.members.extend(members.into_iter().cloned());
    }
}

/// Whether a notice is about this accord and no other of the same name, as far as the versions can
/// tell: of this one and the one before it we know the digests.
fn same_line(notice: &Notice, accord: &SignedAccord) -> bool {
    let held = accord.accord();
    if notice.version == held.version {
        notice.digest == accord.digest()
    } else if notice.version.checked_add(1) == Some(held.version) {
        Some(notice.digest) == held.previous
    } else {
        true
    }
}

fn names(accord: &Accord, channel: &str, member: &str) -> bool {
    let channel = accord.channel(channel);
    channel.is_some_and(|channel| channel.members.contains(member))
}

/// A reason is one line that people can read.
fn reason(text: &str) -> Result<(), NoticeError> {
    let chars = text.chars().count();
    if chars == 0 || chars > NOTICE_REASON_CHARS_MAX || text.trim() != text {
        return Err(form(
            "a reason has 1 to 300 characters and no space around them",
        ));
    }
    if text.chars().any(hidden) {
        return Err(form(
            "a reason has no control, invisible or direction-changing characters",
        ));
    }
    Ok(())
}

fn form(why: &str) -> NoticeError {
    NoticeError::Form {
        why: why.to_owned(),
    }
}

impl fmt::Display for NoticeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoticeError::TooLarge { bytes } => write!(
                f,
                "the notice has {bytes} bytes; at most {NOTICE_BYTES_MAX} are read"
            ),
            NoticeError::Form { why } => write!(f, "the notice cannot be read: {why}"),
            NoticeError::OtherAccord { accord } => write!(
                f,
                "the notice is about another text than the accord {accord} that is installed here"
            ),
            NoticeError::NoMember { member } => {
                write!(f, "the accord has no member {member} to give a notice")
            }
            NoticeError::NoChannel { channel } => write!(
                f,
                "the accord has no channel {channel} of the member that gives the notice"
            ),
            NoticeError::NotSigned { member } => write!(
                f,
                "the notice is not signed by the root key that the accord names for {member}"
            ),
        }
    }
}

impl std::error::Error for NoticeError {}
