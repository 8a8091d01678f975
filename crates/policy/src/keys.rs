//! Key statements: which node keys a member uses now, and what became of those before.
//!
//! An accord names each member by its root key and lists the node keys that it had when the text
//! was written. A key statement is a C2SP signed note by that root key which lists the node keys
//! of today instead, and every former one with its fate: *retired* keys were exchanged in order and
//! what they signed before stays good; *revoked* ones are in other hands, and the statement says
//! why, since when, and up to which size each log's history stands. Of a member's statements the
//! one with the highest serial counts, so the order in which they come does not matter.
//!
//! INVARIANT (I2): a statement speaks for its signer alone. It cannot change a root key, a code or
//! a domain, nor give a member a key that is another's.

use std::collections::BTreeSet;
use std::fmt;

use log::note::{Note, SignatureLine, SigningKey, VerifierKey};
use log::{Hash, LogKeys};
use model::Timestamp;

use crate::accord::{Member, Role};
use crate::check;
use crate::limits::{FORMER_KEYS_MAX, KEY_STATEMENT_BYTES_MAX, STANDS_MAX};

mod text;

pub use text::KEYS_FORMAT;

/// What a node key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// Signs the checkpoints of the member's logs.
    Log,
    /// Signs them a second time with ML-DSA-44.
    LogPq,
    /// Cosigns the checkpoints of others.
    Witness,
    /// Proves the node on connections.
    Tls,
}

/// The node keys that a member uses now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    /// As [`Member::log`].
    pub log: VerifierKey,
    /// As [`Member::log_pq`].
    pub log_pq: Option<VerifierKey>,
    /// As [`Member::witness`].
    pub witness: VerifierKey,
    /// As [`Member::tls`].
    pub tls: [u8; 32],
}

/// One key, as a statement lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKey {
    /// A key that signs, and in which role.
    Signs(KeyRole, VerifierKey),
    /// The SHA-256 of a TLS key.
    Tls([u8; 32]),
}

/// Why a key is no longer used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Exchanged in order: what it signed before stays good.
    Retired,
    /// In other hands: nothing that it signs is believed any more.
    Revoked {
        /// Why, in one line for people.
        reason: String,
    },
}

/// A key that is no longer used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The key.
    pub key: NodeKey,
    /// Since when it is no longer used; from then on nothing signed by it is believed.
    pub since: Timestamp,
    /// Why.
    pub fate: Fate,
}

/// Up to where a log's history is the member's own although a key that signed it was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// The log's origin, `<domain>/<accord>/<channel>`.
    pub log: String,
    /// Entries that stand.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What a member says about its node keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatement {
    /// Code of the member that speaks.
    pub member: String,
    /// Its domain.
    pub domain: String,
    /// Counted from 1; the highest counts.
    pub serial: u64,
    /// When it was made, by the signer's clock.
    pub at: Timestamp,
    /// The keys from now on.
    pub keys: NodeKeys,
    /// All keys before, oldest first.
    pub former: Vec<Former>,
    /// Where history stands, as of the last revocation of a log key.
    pub stands: Vec<Stand>,
}

/// A statement that its member's root key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedKeys {
    statement: KeyStatement,
    text: String,
    line: SignatureLine,
}

/// Why a key statement is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysError {
    /// More bytes than a statement may have.
    TooLarge {
        /// Bytes offered.
        bytes: usize,
    },
    /// It is no signed note, or not in this form.
    Form {
        /// What is wrong.
        why: String,
    },
    /// The root key that the accord names for the member has not signed it.
    NotSigned {
        /// Code of the member that it claims to speak for.
        member: String,
    },
    /// A key in it is not the member's to have.
    NotItsKey {
        /// Which key, and whose it is.
        why: String,
    },
}

impl KeyRole {
    /// All of them, in the order of a statement's text.
    pub const ALL: [KeyRole; 4] = [KeyRole::Log, KeyRole::LogPq, KeyRole::Witness, KeyRole::Tls];

    /// The role's word in texts and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            KeyRole::Log => "log",
            KeyRole::LogPq => "log_pq",
            KeyRole::Witness => "witness",
            KeyRole::Tls => "tls",
        }
    }

    /// The role with this word; a hyphen does for the underscore.
    pub fn parse(word: &str) -> Option<KeyRole> {
        let word = word.replace('-', "_");
        KeyRole::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The role of the signing key in an accord; a TLS key has none.
    pub fn signing(self) -> Option<Role> {
        match self {
            KeyRole::Log => Some(Role::Log),
            KeyRole::LogPq => Some(Role::LogPq),
            KeyRole::Witness => Some(Role::Witness),
            KeyRole::Tls => None,
        }
    }
}

impl NodeKeys {
    /// The keys that an accord lists for a member.
    pub fn of(member: &Member) -> NodeKeys {
        NodeKeys {
            log: member.log.clone(),
            log_pq: member.log_pq.clone(),
            witness: member.witness.clone(),
            tls: member.tls,
        }
    }

    /// The key for a role, if the member has one.
    pub fn key(&self, role: KeyRole) -> Option<NodeKey> {
        match role {
            KeyRole::Log => Some(NodeKey::Signs(role, self.log.clone())),
            KeyRole::LogPq => Some(NodeKey::Signs(role, self.log_pq.clone()?)),
            KeyRole::Witness => Some(NodeKey::Signs(role, self.witness.clone())),
            KeyRole::Tls => Some(NodeKey::Tls(self.tls)),
        }
    }

    fn all(&self) -> impl Iterator<Item = NodeKey> {
        KeyRole::ALL.into_iter().filter_map(|role| self.key(role))
    }
}

impl NodeKey {
    /// What it is for.
    pub fn role(&self) -> KeyRole {
        match self {
            NodeKey::Signs(role, _) => *role,
            NodeKey::Tls(_) => KeyRole::Tls,
        }
    }

    /// The bytes that no two keys share.
    pub fn public(&self) -> &[u8] {
        match self {
            NodeKey::Signs(_, key) => key.public(),
            NodeKey::Tls(pin) => pin,
        }
    }
}

impl KeyStatement {
    /// The text that is signed: the same bytes for the same statement.
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// Reads a text that need not be signed yet.
    ///
    /// # Errors
    /// [`KeysError::Form`] and [`KeysError::TooLarge`].
    pub fn parse_text(text: &str) -> Result<KeyStatement, KeysError> {
        let statement = text::parse(text)?;
        statement.check()?;
        Ok(statement)
    }

    /// What became of a former key with these public bytes.
    pub fn fate(&self, public: &[u8]) -> Option<&Former> {
        self.former
            .iter()
            .find(|former| former.key.public() == public)
    }

    /// Up to where the history of a log stands, if a key that signed it was revoked.
    pub fn stand(&self, origin: &str) -> Option<&Stand> {
        self.stands.iter().find(|stand| stand.log == origin)
    }

    /// Whether a signing key that must not be believed any more has ever been revoked for a role.
    pub fn revoked(&self, role: KeyRole) -> impl Iterator<Item = &Former> {
        self.former
            .iter()
            .filter(move |former| former.key.role() == role && former.is_revoked())
    }

    fn check(&self) -> Result<(), KeysError> {
        let rule = |outcome: Result<(), &'static str>| outcome.map_err(form);
        rule(check::code(&self.member))?;
        rule(check::domain(&self.domain))?;
        if self.serial == 0 {
            return Err(form("serials count from 1"));
        }
        if self.former.len() > FORMER_KEYS_MAX || self.stands.len() > STANDS_MAX {
            return Err(form("it lists more former keys or logs than are read"));
        }
        let former = self.former.iter().map(|former| former.key.clone());
        let mut seen = BTreeSet::new();
        for key in self.keys.all().chain(former) {
            if let NodeKey::Signs(role, key) = &key
                && let Some(signing) = role.signing()
                && (!signing.admits(key.kind()) || key.name() != signing.key_name(&self.domain))
            {
                return Err(KeysError::Form {
                    why: format!(
                        "the {} key must be one of that kind, named {}",
                        role.word(),
                        signing.key_name(&self.domain)
                    ),
                });
            }
            if !seen.insert(key.public().to_vec()) {
                return Err(form("a key is listed twice; a former key never comes back"));
            }
        }
        for former in &self.former {
            if let Fate::Revoked { reason } = &former.fate {
                rule(check::title(reason))?;
            }
        }
        let prefix = format!("{}/", self.domain);
        let mut logs = BTreeSet::new();
        for stand in &self.stands {
            if !stand.log.starts_with(&prefix) || !logs.insert(stand.log.as_str()) {
                return Err(form(
                    "a log that stands is another member's, or there twice",
                ));
            }
        }
        Ok(())
    }

    /// Whether this speaks for a member as an accord names it.
    fn is_about(&self, member: &Member) -> bool {
        self.member == member.code && self.domain == member.domain
    }
}

impl fmt::Display for Former {
    /// What became of the key, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, since) = (self.key.role().word(), self.since);
        match &self.fate {
            Fate::Retired => write!(f, "a {role} key that was exchanged on {since}"),
            Fate::Revoked { reason } => {
                write!(f, "a {role} key that was revoked on {since}: {reason}")
            }
        }
    }
}

impl Former {
    /// Whether the key is in other hands.
    pub fn is_revoked(&self) -> bool {
        matches!(self.fate, Fate::Revoked { .. })
    }
}

impl SignedKeys {
    /// Signs a statement.
    ///
    /// # Errors
    /// What is wrong with the statement, or that the key is no root key of its domain.
    pub fn sign(statement: KeyStatement, root: &SigningKey) -> Result<SignedKeys, KeysError> {
        statement.check()?;
        let text = statement.to_text();
        let mut note = Note::new(text.as_str()).map_err(|error| form(&error.to_string()))?;
        let signed = note.sign(root).is_ok();
        match note.signatures().first() {
            Some(_) if signed => SignedKeys::open(note.to_string().as_bytes(), root.verifier()),
            _ => Err(KeysError::NotSigned {
                member: statement.member,
            }),
        }
    }

    /// Reads a note that somebody brings and checks that `root` has signed it.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn open(note: &[u8], root: &VerifierKey) -> Result<SignedKeys, KeysError> {
        let (statement, note) = read(note)?;
        let not_signed = KeysError::NotSigned {
            member: statement.member.clone(),
        };
        if root.name() != Role::Root.key_name(&statement.domain) || note.verified_by(root).is_err()
        {
            return Err(not_signed);
        }
        if statement
            .keys
            .all()
            .any(|key| key.public() == root.public())
        {
            return Err(KeysError::NotItsKey {
                why: "the root key cannot be a node key".to_owned(),
            });
        }
        let line = note.lines_of(root).next().ok_or(not_signed)?.clone();
        Ok(SignedKeys {
            statement,
            text: note.text().to_owned(),
            line,
        })
    }

    /// What a note claims, before anybody has checked whose it is: for finding the root key.
    ///
    /// # Errors
    /// [`KeysError::Form`] and [`KeysError::TooLarge`].
    pub fn claimed(note: &[u8]) -> Result<KeyStatement, KeysError> {
        read(note).map(|(statement, _)| statement)
    }

    /// What it says.
    pub fn statement(&self) -> &KeyStatement {
        &self.statement
    }

    /// Whether this counts where `held` is what is known so far. Of two with one serial neither
    /// takes the other's place.
    pub fn supersedes(&self, held: Option<&SignedKeys>) -> bool {
        held.is_none_or(|held| self.statement.serial > held.statement.serial)
    }

    /// The member's entry with the keys of this statement, if it is that member's.
    pub fn applied(&self, member: &Member) -> Option<Member> {
        let by_root = Note::parse(self.to_string().as_bytes())
            .is_ok_and(|note| note.verified_by(&member.root).is_ok());
        if !self.statement.is_about(member) || !by_root {
            return None;
        }
        let keys = self.statement.keys.clone();
        Some(Member {
            log: keys.log,
            log_pq: keys.log_pq,
            witness: keys.witness,
            tls: keys.tls,
            ..member.clone()
        })
    }

    /// Every key set that may have signed the history of the log called `origin`: that of today
    /// first, then those with former keys. Retired keys stay good for what they signed; whether
    /// what a revoked one signed stands, [`KeyStatement::stand`] says.
    pub fn log_keys_ever(&self, origin: &str) -> Vec<(LogKeys, Option<&Former>)> {
        let formers = |role: KeyRole| {
            self.statement
                .former
                .iter()
                .filter_map(move |former| match &former.key {
                    NodeKey::Signs(of, key) if *of == role => Some((key, Some(former))),
                    _ => None,
                })
        };
        let classic =
            std::iter::once((&self.statement.keys.log, None)).chain(formers(KeyRole::Log));
        let mut found = Vec::new();
        for (key, fate) in classic {
            let now = self.statement.keys.log_pq.as_ref().map(|key| (key, None));
            let mut quantum: Vec<_> = now
                .into_iter()
                .chain(formers(KeyRole::LogPq))
                .map(Some)
                .collect();
            if quantum.is_empty() {
                quantum.push(None);
            }
            for pq in quantum {
                let fate = fate.or(pq.and_then(|(_, fate)| fate));
                let named = |key: &VerifierKey| key.renamed(origin).ok();
                let (Some(ed25519), pq) = (named(key), pq.map(|(key, _)| named(key))) else {
                    continue;
                };
                let keys = LogKeys {
                    origin: origin.to_owned(),
                    ed25519,
                    pq: pq.flatten(),
                };
                found.push((keys, fate));
            }
        }
        found
    }
}

impl fmt::Display for SignedKeys {
    /// The signed note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.text, self.line)
    }
}

fn read(note: &[u8]) -> Result<(KeyStatement, Note), KeysError> {
    if note.len() > KEY_STATEMENT_BYTES_MAX {
        return Err(KeysError::TooLarge { bytes: note.len() });
    }
    let note = Note::parse(note).map_err(|error| form(&error.to_string()))?;
    let statement = KeyStatement::parse_text(note.text())?;
    Ok((statement, note))
}

fn form(why: &str) -> KeysError {
    KeysError::Form {
        why: why.to_owned(),
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeysError::TooLarge { bytes } => write!(
                f,
                "the key statement has {bytes} bytes; at most {KEY_STATEMENT_BYTES_MAX} are read"
            ),
            KeysError::Form { why } => write!(f, "this is no key statement: {why}"),
            KeysError::NotSigned { member } => write!(
                f,
                "the key statement is not signed by the root key of {member} that the accord \
                 names; only that key can speak for its node keys"
            ),
            KeysError::NotItsKey { why } => write!(f, "the key statement is refused: {why}"),
        }
    }
}

impl std::error::Error for KeysError {}
