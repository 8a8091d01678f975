//! What an accord says: its members, its channels and the obligations that come with them.
//!
//! These are plain values that a person or a program drafts. A draft proves nothing;
//! [`SignedAccord`](crate::SignedAccord) is the form that has been checked, and only it can say
//! what is in force. The text form lives in `text`, the rules for a well-formed draft in `check`.
//!
//! INVARIANT: nothing here depends on who has signed.

use std::collections::BTreeSet;

use log::note::{KeyKind, VerifierKey};
use model::{Groups, Tlp};

use crate::error::AccordError;

/// One version of an agreement between members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accord {
    /// Name, `[a-z0-9-]`, at most [`NAME_CHARS_MAX`](crate::NAME_CHARS_MAX); part of paths.
    pub name: String,
    /// Version, counted from 1.
    pub version: u32,
    /// SHA-256 of the text of the version before; absent in version 1 and only there.
    pub previous: Option<[u8; 32]>,
    /// Who takes part, in the order of the text.
    pub members: Vec<Member>,
    /// Circles of members that labels can name, in the order of the text.
    pub groups: Vec<Group>,
    /// The streams that members share, in the order of the text.
    pub channels: Vec<Channel>,
    /// What every member promises about what it receives.
    pub obligations: Obligations,
}

/// One sovereign participant, known by its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// ISO 3166 alpha-2 code (`KZ`) or agency code: 2 to 16 of `[A-Z0-9-]`.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// DNS name, lower case (`kz.example`); first part of the names of its logs.
    pub domain: String,
    /// Where its node answers other members: `https://host:port`, nothing after the port.
    pub url: String,
    /// Signs accords. Ed25519.
    pub root: VerifierKey,
    /// Signs checkpoints; the same public key speaks under the origin name of each log. Ed25519.
    pub log: VerifierKey,
    /// Signs checkpoints a second time with ML-DSA-44, where the member has such a key.
    pub log_pq: Option<VerifierKey>,
    /// Cosigns other members' checkpoints.
    pub witness: VerifierKey,
    /// SHA-256 of the DER SubjectPublicKeyInfo of the node's TLS certificate.
    pub tls: [u8; 32],
}

/// A named circle of members. Labels name it `@accord/group`, see [`Accord::group_name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name, `[a-z0-9-]`, at most [`NAME_CHARS_MAX`](crate::NAME_CHARS_MAX).
    pub name: String,
    /// Codes of its members, at least one.
    pub members: BTreeSet<String>,
}

/// A named stream under an accord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Name, `[a-z0-9-]`, at most [`NAME_CHARS_MAX`](crate::NAME_CHARS_MAX); part of paths.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Codes of the members that may write and read it.
    pub members: BTreeSet<String>,
    /// Which STIX types it carries.
    pub kinds: Kinds,
    /// The highest TLP level it carries.
    pub ceiling: Tlp,
    /// Whether it carries exercise objects, and then nothing else.
    pub exercise: bool,
    /// Days that members keep what they receive; absent: as the accord's obligations say.
    pub retention_days: Option<u32>,
    /// Whether entries name their source.
    pub attribution: Attribution,
    /// How well the source is hidden; only where `attribution` is [`Attribution::Member`], and
    /// absent there: [`Hide::default`]. Ask [`Channel::hiding`].
    pub hide: Option<Hide>,
    /// Set on an inbox: a member that publishes on behalf of the others elsewhere.
    pub delegate: Option<Delegate>,
}

/// What a channel that hides the source does to times and sizes, the same at every member (I7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hide {
    /// Times that leave are rounded down to so many minutes.
    pub round_minutes: u32,
    /// Releases wait for the end of a window of so many minutes and leave it in random order.
    pub window_minutes: u32,
    /// Bodies are padded to a multiple of so many bytes.
    pub pad_bytes: u32,
}

impl Default for Hide {
    /// An hour, an hour, and 1 KiB: coarser than a working day shows and larger than most objects.
    fn default() -> Hide {
        Hide {
            round_minutes: 60,
            window_minutes: 60,
            pad_bytes: 1024,
        }
    }
}

/// Publishing on behalf: what members release into the channel that has this, `member` may release
/// as its own into the channel `into`, so that nobody there can tell whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// Code of the member that publishes; a member of both channels.
    pub member: String,
    /// The channel it publishes into; its attribution is [`Attribution::Member`].
    pub into: String,
}

/// A set of STIX types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Every type.
    Any,
    /// These types and no other; the empty set allows nothing.
    Only(BTreeSet<String>),
}

/// Whether entries of a channel name their source inside the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The author that the object names stays.
    Origin,
    /// Only the member is named; needs [`Obligations::non_attribution`].
    Member,
}

/// What members promise about what they receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Days that received objects are kept, for channels that say nothing; absent: no limit.
    pub retention_days: Option<u32>,
    /// Whether received objects may be given to anybody outside the accord.
    pub third_party: Transfer,
    /// What received objects may be used for; empty: not limited.
    pub purposes: BTreeSet<String>,
    /// Whether channels may hide the source of an object behind the member.
    pub non_attribution: bool,
}

/// Whether received objects may leave the circle of an accord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// Never.
    #[default]
    Never,
    /// Only after the originator has agreed.
    WithConsent,
}

/// What one of a member's keys is for. One key serves one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ratifies accords.
    Root,
    /// Signs the checkpoints of the member's logs.
    Log,
    /// Signs the same checkpoints with ML-DSA-44.
    LogPq,
    /// Cosigns the checkpoints of others.
    Witness,
}

impl Accord {
    /// The member with this code.
    pub fn member(&self, code: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.code == code)
    }

    /// The channel with this name, in force or not.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// A group's full name, as labels write it: `@<accord>/<group>`.
    pub fn group_name(&self, group: &Group) -> String {
        format!("@{}/{}", self.name, group.name)
    }

    /// The groups by their full names.
    pub fn named_groups(&self) -> Groups {
        let mut groups = Groups::default();
        for group in &self.groups {
            groups.insert(self.group_name(group), group.members.clone());
        }
        groups
    }

    /// The origin of a member's log for a channel: `<domain>/<accord>/<channel>`. It is the first
    /// line of the log's checkpoints and the name of the keys that sign them.
    pub fn log_origin(&self, member: &Member, channel: &str) -> String {
        format!("{}/{}/{channel}", member.domain, self.name)
    }

    /// How long members keep what they receive in `channel`; absent: no limit.
    pub fn retention_days(&self, channel: &Channel) -> Option<u32> {
        channel.retention_days.or(self.obligations.retention_days)
    }

    /// SHA-256 of [`Accord::to_text`]. A signed accord's digest is over its own text instead.
    pub fn digest(&self) -> [u8; 32] {
        model::Hash::of(self.to_text().as_bytes()).0
    }

    /// Reads and checks an accord.
    ///
    /// # Errors
    /// The first fault found, with the line where the text is to blame.
    pub fn parse_text(text: &str) -> Result<Accord, AccordError> {
        let accord = crate::text::parse(text)?;
        crate::check::check(&accord)?;
        Ok(accord)
    }

    /// Writes the accord's text: the same bytes for the same accord, and for a well-formed accord
    /// exactly what [`Accord::parse_text`] reads back.
    pub fn to_text(&self) -> String {
        crate::text::write(self)
    }

    /// Says whether the draft is well-formed, as [`SignedAccord::new`](crate::SignedAccord::new)
    /// will demand.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), AccordError> {
        crate::check::check(self)
    }
}

impl Member {
    /// The member's key for a role, if it has one.
    pub fn key(&self, role: Role) -> Option<&VerifierKey> {
        match role {
            Role::Root => Some(&self.root),
            Role::Log => Some(&self.log),
            Role::LogPq => self.log_pq.as_ref(),
            Role::Witness => Some(&self.witness),
        }
    }
}

impl Channel {
    /// How the source is hidden; absent: it is not.
    pub fn hiding(&self) -> Option<Hide> {
        match self.attribution {
            Attribution::Origin => None,
            Attribution::Member => Some(self.hide.unwrap_or_default()),
        }
    }
}

impl Kinds {
    /// Whether a STIX type is in the set.
    pub fn allows(&self, kind: &str) -> bool {
        match self {
            Kinds::Any => true,
            Kinds::Only(kinds) => kinds.contains(kind),
        }
    }
}

impl Role {
    /// All roles, in the order in which an accord lists their keys.
    pub const ALL: [Role; 4] = [Role::Root, Role::Log, Role::LogPq, Role::Witness];

    /// The role's word in an accord's text.
    pub fn word(self) -> &'static str {
        match self {
            Role::Root => "root",
            Role::Log => "log",
            Role::LogPq => "log_pq",
            Role::Witness => "witness",
        }
    }

    /// The name that the key must carry, so that a key for one role cannot speak in another.
    pub fn key_name(self, domain: &str) -> String {
        let role = match self {
            Role::Root => "root",
            Role::Log => "log",
            Role::LogPq => "log-pq",
            Role::Witness => "witness",
        };
        format!("{domain}/{role}")
    }

    /// Whether a key of this kind can hold the role.
    pub fn admits(self, kind: KeyKind) -> bool {
        match self {
            Role::Root | Role::Log => kind == KeyKind::Ed25519,
            Role::LogPq => kind == KeyKind::MlDsa44,
            Role::Witness => kind == KeyKind::CosignatureV1 || kind == KeyKind::CosignatureMlDsa44,
        }
    }
}
