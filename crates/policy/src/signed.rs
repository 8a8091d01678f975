//! Signed accords: a checked text and the ratifications that count.
//!
//! A member ratifies by signing the text with its own root key. A signature by any other key, by
//! the right key under another name, or over another text is no ratification; such lines are
//! dropped when a note is read and never appear in what we write.
//!
//! INVARIANT: the text passed `check`, and every line kept here verifies over these very bytes
//! with the root key of the member that it is kept for. So the set of keys of `lines` *is* the set
//! of members that are bound.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use log::LogKeys;
use log::note::{KeyKind, Note, NoteError, SignatureLine, SigningKey, VerifierKey};
use model::Groups;

use crate::accord::{Accord, Channel, Member};
use crate::error::AccordError;
use crate::keys::{Former, NodeKey, SignedKeys, Stand};
use crate::limits::{ACCORD_BYTES_MAX, NOTE_BYTES_MAX};
use crate::notice::{Absent, Notices};
use crate::release::InForce;

/// Where a text ends and ratifications begin. TOML has no line that begins so, outside a string
/// of several lines, which then makes the whole refused.
const FIRST_LINE: &str = "\n\n\u{2014} ";

/// An accord with the ratifications that we know of, perhaps none yet.
#[derive(Clone, Debug)]
pub struct SignedAccord {
    accord: Accord,
    /// What was signed; for a text that came from outside not always what `to_text` would write.
    text: String,
    lines: BTreeMap<String, SignatureLine>,
    /// The accord's groups by full name, resolved once.
    groups: Groups,
    /// Who does not take part although the lines say so; no part of the note.
    absent: Absent,
    /// The members' entries as the text has them, where a key statement stands in their place.
    written: Vec<Member>,
    /// The statements that count here, by member.
    keys: BTreeMap<String, Arc<SignedKeys>>,
}

impl SignedAccord {
    /// An accord that nobody has ratified yet, with the text that [`Accord::to_text`] writes.
    ///
    /// # Errors
    /// What is wrong with the draft.
    pub fn new(accord: Accord) -> Result<SignedAccord, AccordError> {
        accord.check()?;
        let text = accord.to_text();
        within(text.len(), ACCORD_BYTES_MAX)?;
        Ok(SignedAccord {
            groups: accord.named_groups(),
            accord,
            text,
            lines: BTreeMap::new(),
            absent: Absent::default(),
            written: Vec::new(),
            keys: BTreeMap::new(),
        })
    }

    /// An accord that nobody has ratified yet, keeping the text as a person wrote it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_text(text: &str) -> Result<SignedAccord, AccordError> {
        let accord = Accord::parse_text(text)?;
        Ok(SignedAccord {
            groups: accord.named_groups(),
            accord,
            text: text.to_owned(),
            lines: BTreeMap::new(),
            absent: Absent::default(),
            written: Vec::new(),
            keys: BTreeMap::new(),
        })
    }

    /// Reads a signed accord, or the bare text of one that nobody has ratified. Lines that are no
    /// ratification are dropped, not refused: a member may have signed with a key that we do not
    /// know.
    ///
    /// # Errors
    /// When the bytes are neither, or the text is no well-formed accord.
    pub fn parse(note: &[u8]) -> Result<SignedAccord, AccordError> {
        within(note.len(), NOTE_BYTES_MAX)?;
        if let Ok(text) = std::str::from_utf8(note)
            && !text.contains(FIRST_LINE)
        {
            return SignedAccord::from_text(text);
        }
        let note = Note::parse(note).map_err(unfit)?;
        let mut signed = SignedAccord::from_text(note.text())?;
        for line in note.signatures() {
            signed.keep(line);
        }
        Ok(signed)
    }

    /// Signs the text with a member's root key; signing twice changes nothing. Answers with the
    /// member's code.
    ///
    /// # Errors
    /// When the key is not the root key of a member.
    pub fn ratify(&mut self, key: &SigningKey) -> Result<String, AccordError> {
        let not_root = AccordError::NotARootKey {
            name: key.verifier().name().to_owned(),
        };
        let mut note = Note::new(self.text.as_str()).map_err(unfit)?;
        // Only plain signing keys sign notes; a witness key is refused here.
        if note.sign(key).is_err() {
            return Err(not_root);
        }
        let line = note.signatures().first().ok_or(not_root.clone())?;
        let code = self.signer(line).ok_or(not_root)?;
        self.lines
            .entry(code.clone())
            .or_insert_with(|| line.clone());
        Ok(code)
    }

    /// Takes over the ratifications of another copy. Answers with the number of members that are
    /// new on this side.
    ///
    /// # Errors
    /// When the other copy has another text; then nothing changes.
    pub fn merge(&mut self, other: &SignedAccord) -> Result<usize, AccordError> {
        if self.text != other.text {
            return Err(AccordError::DifferentText {
                name: self.accord.name.clone(),
                version: self.accord.version,
                other: other.accord.version,
            });
        }
        let before = self.lines.len();
        for (code, line) in &other.lines {
            self.lines
                .entry(code.clone())
                .or_insert_with(|| line.clone());
        }
        Ok(self.lines.len() - before)
    }

    /// The same accord with its members' node keys as these statements give them. Statements of
    /// others than its members change nothing, nor does one that would give a member a key that is
    /// another's. Text, digest and ratifications stay: root keys do not change.
    pub fn with_keys<'k>(
        &self,
        statements: impl IntoIterator<Item = &'k Arc<SignedKeys>>,
    ) -> SignedAccord {
        let mut same = self.clone();
        if !same.written.is_empty() {
            same.accord.members = std::mem::take(&mut same.written);
        }
        same.keys.clear();
        let written = same.accord.members.clone();
        for keys in statements {
            let code = &keys.statement().member;
            let known = same.keys.get(code).map(Arc::as_ref);
            let Some(at) = written.iter().position(|member| member.code == *code) else {
                continue;
            };
            let Some(entry) = keys
                .applied(&written[at])
                .filter(|_| keys.supersedes(known))
            else {
                continue;
            };
            let mut members = same.accord.members.clone();
            members[at] = entry;
            if crate::check::distinct_members(&members).is_ok() {
                same.accord.members = members;
                same.keys.insert(code.clone(), Arc::clone(keys));
            }
        }
        if !same.keys.is_empty() {
            same.written = written;
        }
        same
    }

    /// What a member has stated about its node keys, if that counts here.
    pub fn keys_of(&self, code: &str) -> Option<&Arc<SignedKeys>> {
        self.keys.get(code)
    }

    /// A member's entry as the text has it, whatever its keys are now.
    pub fn written(&self, code: &str) -> Option<&Member> {
        let written = self.written.iter().find(|member| member.code == code);
        written.or_else(|| self.accord.member(code))
    }

    /// What the accord says, with the node keys of today.
    pub fn accord(&self) -> &Accord {
        &self.accord
    }

    /// The text that members sign, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text; the next version names it as its `previous`.
    pub fn digest(&self) -> [u8; 32] {
        model::Hash::of(self.text.as_bytes()).0
    }

    /// Codes of the members that have ratified this version and are therefore bound by it.
    pub fn ratified(&self) -> BTreeSet<String> {
        self.lines.keys().cloned().collect()
    }

    /// Checks that this accord is the next version of `older`. Nothing is amended in place: the
    /// name stays, the version grows by one, and `previous` is the digest of the older text.
    ///
    /// # Errors
    /// Which of these facts does not hold.
    pub fn succeeds(&self, older: &SignedAccord) -> Result<(), AccordError> {
        let (new, old) = (&self.accord, &older.accord);
        let why = if new.name != old.name {
            format!("it is named {}, the other {}", new.name, old.name)
        } else if old.version.checked_add(1) != Some(new.version) {
            format!("it has version {}, the other {}", new.version, old.version)
        } else if new.previous != Some(older.digest()) {
            "its `previous` is not the digest of the other's text".to_owned()
        } else {
            return Ok(());
        };
        Err(AccordError::NotSuccessor { why })
    }

    /// The same accord with what its members have said since, and without those whom this member
    /// excludes on its own. It replaces what was heeded before, and can only take members out of
    /// what is in force, never bring one in.
    pub fn heeding<'a>(
        mut self,
        notices: &Notices,
        excluded: impl IntoIterator<Item = &'a String>,
    ) -> SignedAccord {
        self.absent = notices.absent(&self.accord);
        self.absent.exclude(excluded);
        self
    }

    /// The channel as its members agreed on it, whoever of them is away at present: what came
    /// before they left stays under it. At least two of them have ratified.
    pub fn channel_agreed(&self, name: &str) -> Option<InForce<'_>> {
        let channel = self.accord.channel(name)?;
        let agreed = self.among(channel, |_| true);
        (agreed.members.len() >= 2).then_some(agreed)
    }

    /// The channel, if it is in force: at least two of its members have ratified and are not away.
    pub fn channel_in_force(&self, name: &str) -> Option<InForce<'_>> {
        let channel = self.accord.channel(name)?;
        let in_force = self.standing(channel);
        (in_force.members.len() >= 2).then_some(in_force)
    }

    /// Who of the channel's members takes part, in force or not: what an explanation needs.
    pub fn standing<'a>(&'a self, channel: &'a Channel) -> InForce<'a> {
        self.among(channel, |code| !self.absent.is(code, &channel.name))
    }

    /// The channel among those of its members that have ratified and of whom `takes_part` is true.
    fn among<'a>(&'a self, channel: &'a Channel, takes_part: impl Fn(&str) -> bool) -> InForce<'a> {
        InForce {
            accord: &self.accord.name,
            channel,
            members: channel
                .members
                .iter()
                .filter(|code| self.lines.contains_key(*code) && takes_part(code))
                .cloned()
                .collect(),
            retention_days: self.accord.retention_days(channel),
            groups: self.groups.clone(),
            purposes: self.accord.obligations.purposes.clone(),
        }
    }

    /// The origin of a member's log for a channel; see [`Accord::log_origin`].
    pub fn log_origin(&self, member: &Member, channel: &str) -> String {
        self.accord.log_origin(member, channel)
    }

    /// The keys that sign checkpoints of a member's log for a channel; absent unless the accord
    /// has the member and the channel and the channel names the member.
    pub fn log_keys(&self, member: &str, channel: &str) -> Option<LogKeys> {
        let member = self.accord.member(member)?;
        self.accord
            .channel(channel)
            .filter(|channel| channel.members.contains(&member.code))?;
        let origin = self.log_origin(member, channel);
        Some(LogKeys {
            ed25519: VerifierKey::new(KeyKind::Ed25519, &origin, member.log.public()).ok()?,
            pq: match &member.log_pq {
                Some(key) => Some(VerifierKey::new(KeyKind::MlDsa44, &origin, key.public()).ok()?),
                None => None,
            },
            origin,
        })
    }

    /// The former key of a member that signed a checkpoint note of its log for a channel, if none of
    /// today has: what became of it tells why the note is not believed.
    pub fn former_signer(&self, member: &str, channel: &str, note: &Note) -> Option<&Former> {
        let origin = self.log_origin(self.accord.member(member)?, channel);
        let keys = self.keys.get(member)?;
        keys.statement().former.iter().find(|former| {
            let NodeKey::Signs(_, key) = &former.key else {
                return false;
            };
            !key.kind().is_cosignature()
                && key
                    .renamed(&origin)
                    .is_ok_and(|key| note.verified_by(&key).is_ok())
        })
    }

    /// Up to where the history of a member's log for a channel stands although a key that signed it
    /// is in other hands: the former key that signed `note`, if it was revoked, with that size and
    /// root (nothing, if the member's statement knows of no such log).
    pub fn revoked_signer(
        &self,
        member: &str,
        channel: &str,
        note: &Note,
    ) -> Option<(&Former, Option<&Stand>)> {
        let former = self.former_signer(member, channel, note)?;
        let origin = self.log_origin(self.accord.member(member)?, channel);
        let stand = self.keys.get(member)?.statement().stand(&origin);
        former.is_revoked().then_some((former, stand))
    }

    /// Keeps a line if it is a ratification that we do not have yet.
    fn keep(&mut self, line: &SignatureLine) {
        if let Some(code) = self.signer(line) {
            self.lines.entry(code).or_insert_with(|| line.clone());
        }
    }

    /// Whose ratification a line is. Key names are distinct, so at most one root key is tried and
    /// a note full of foreign lines costs no signature checks.
    fn signer(&self, line: &SignatureLine) -> Option<String> {
        let mut members = self.accord.members.iter();
        let member = members.find(|member| line.is_of(&member.root))?;
        let mut note = Note::new(self.text.as_str()).ok()?;
        note.add(line.clone()).ok()?;
        note.verified_by(&member.root).ok()?;
        Some(member.code.clone())
    }
}

impl fmt::Display for SignedAccord {
    /// The signed note: the text, an empty line, one line for each ratification in the order of
    /// the members. Before the first ratification it is the bare text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.lines.is_empty() {
            f.write_str("\n")?;
        }
        let members = self.accord.members.iter();
        members
            .filter_map(|member| self.lines.get(&member.code))
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn unfit(error: NoteError) -> AccordError {
    AccordError::Note {
        why: error.to_string(),
    }
}

fn within(bytes: usize, max: usize) -> Result<(), AccordError> {
    if bytes > max {
        return Err(AccordError::TooLarge { bytes, max });
    }
    Ok(())
}
