//! The accords that this node has installed, and which channels are in force for it.
//!
//! An accord arrives only by the operator's hand. Offering one either adds ratifications to a
//! text that is held, or brings the next version of it, or a first version that names this member
//! with exactly its own keys. A next version waits beside the one in force until this member has
//! ratified it: a version binds only those that signed it, and nothing is amended in place.
//!
//! INVARIANT (I2): of what partners send, only ratifications over a text that is already held can
//! come in here (`merge_known`); they can never bring a text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use log::note::SigningKey;
use model::Timestamp;
use policy::{Hide, InForce, Member, NoticeError, Notices, Role, SignedAccord, SignedNotice};
use store::{Command, LogName, Store};

use crate::config::Config;
use crate::error::NodeError;
use crate::keys::hex;
use crate::limits::ACCORDS_MAX;

const SETTING: &str = "accord/";
const SETTING_NEXT: &str = "accord-next/";
/// Settings of what members said between versions: `notice/<accord>/<member>/<channel, if any>`.
pub(crate) const NOTICE: &str = "notice/";

/// What is installed: for each name the version that counts here and perhaps one that waits for
/// this member's ratification.
#[derive(Clone, Default)]
pub struct Accords {
    held: BTreeMap<String, Arc<SignedAccord>>,
    next: BTreeMap<String, Arc<SignedAccord>>,
    /// What members said since; `held` and `next` heed it.
    notices: Notices,
    /// Whom this member excludes on its own, by accord.
    excluded: BTreeMap<String, BTreeMap<String, Exclusion>>,
}

/// What an offered note changed.
pub struct Offered {
    /// The accord as it now stands (perhaps the waiting version).
    pub accord: Arc<SignedAccord>,
    /// Ratifications that were new here.
    pub new_signatures: usize,
    /// Whether anything changed.
    pub changed: bool,
}

/// One channel that is in force for this member.
#[derive(Clone)]
pub struct Channel {
    /// The accord that defines it.
    pub accord: Arc<SignedAccord>,
    /// Its name within the accord.
    pub name: String,
}

impl Channel {
    /// The channel with its members in force. A `Channel` exists only while that is so.
    pub fn in_force(&self) -> Option<InForce<'_>> {
        self.accord.channel_in_force(&self.name)
    }

    /// `<accord>/<channel>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.accord.accord().name, self.name)
    }

    /// The log of member `origin` for this channel.
    pub fn log(&self, origin: &str) -> LogName {
        LogName::new(&self.accord.accord().name, &self.name, origin)
    }

    /// Whether the channel hides where things come from (I7).
    pub fn hides(&self) -> bool {
        self.hiding().is_some()
    }

    /// How the channel hides where things come from, if it does.
    pub fn hiding(&self) -> Option<Hide> {
        self.accord.accord().channel(&self.name)?.hiding()
    }

    /// A time as an entry of this channel may state it.
    pub fn rounded(&self, now: Timestamp) -> Timestamp {
        match self.hiding() {
            Some(hide) => policy::round_down(now, hide.round_minutes),
            None => now,
        }
    }

    /// The channel into which this member publishes what arrives here, if the accord makes it the
    /// delegate.
    pub fn publishes_into(&self, me: &str) -> Option<String> {
        let delegate = self
            .accord
            .accord()
            .channel(&self.name)?
            .delegate
            .as_ref()?;
        (delegate.member == me).then(|| format!("{}/{}", self.accord.accord().name, delegate.into))
    }

    /// Which policy decides here: the accord's name, version and the start of its digest.
    pub fn policy(&self) -> String {
        let digest = hex(&self.accord.digest()[..8]);
        format!(
            "{} v{} {digest}",
            self.accord.accord().name,
            self.accord.accord().version
        )
    }
}

impl Accords {
    /// Reads what was installed from the store's settings.
    ///
    /// # Errors
    /// When the store fails or a setting does not hold a signed accord.
    pub fn load(store: &Store) -> Result<Accords, NodeError> {
        let mut accords = Accords::default();
        for (prefix, into) in [
            (SETTING, &mut accords.held),
            (SETTING_NEXT, &mut accords.next),
        ] {
            for (key, note) in store.scan(prefix)? {
                let signed = SignedAccord::parse(&note).map_err(|error| {
                    NodeError::accord(format!("the setting {key} is damaged: {error}"))
                })?;
                into.insert(signed.accord().name.clone(), Arc::new(signed));
            }
        }
        for (key, note) in store.scan(NOTICE)? {
            let signed = SignedNotice::parse(&note).map_err(|error| {
                NodeError::accord(format!("the setting {key} is damaged: {error}"))
            })?;
            accords.notices.put(signed);
        }
        exclusions::load(store, &mut accords.excluded)?;
        accords.settle();
        Ok(accords)
    }

    /// The accord with what its members said since.
    fn heeding(&self, signed: SignedAccord) -> SignedAccord {
        let name = signed.accord().name.clone();
        let excluded = self.excluded.get(&name);
        signed.heeding(&self.notices, excluded.into_iter().flat_map(BTreeMap::keys))
    }

    /// Makes every accord heed what members said since, after that has changed.
    fn settle(&mut self) {
        let all = self
            .all()
            .map(|signed| self.heeding(SignedAccord::clone(signed)));
        let settled: Vec<Arc<SignedAccord>> = all.map(Arc::new).collect();
        let slots = self.held.values_mut().chain(self.next.values_mut());
        for (slot, signed) in slots.zip(settled) {
            *slot = signed;
        }
    }

    /// Whether a notice about an accord that is installed is news.
    ///
    /// # Errors
    /// Why it does not count here.
    pub(crate) fn is_news(&self, signed: &SignedNotice) -> Result<bool, NoticeError> {
        let notice = signed.notice();
        let root = |about: &SignedAccord| {
            let member = about.accord().member(&notice.member)?;
            Some(member.root.public().to_vec())
        };
        let known = [self.held.get(&notice.accord), self.next.get(&notice.accord)];
        let known = || known.into_iter().flatten();
        // Whoever joins by the version that waits may speak about that. But nobody has ratified it,
        // so it has no word on whose a member's signature is that the one in force knows.
        let believed = known().find_map(|about| root(about));
        let mut outcome = Err(NoticeError::OtherAccord {
            accord: notice.accord.clone(),
        });
        for about in known().filter(|about| root(about) == believed) {
            outcome = self.notices.is_news(signed, about);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Lets a notice count that is news.
    pub(crate) fn heed(&mut self, signed: SignedNotice) {
        self.notices.put(signed);
        self.settle();
    }

    /// What members said since the accords were ratified, the latest of each about each subject.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// The notes about those accords of which `about` is true. First `own`'s, so that a flood by
    /// others cannot push them out of a bounded answer, then those about whole accords.
    pub(crate) fn notices_for<'a>(
        &'a self,
        own: &'a str,
        about: impl Fn(&SignedAccord) -> bool,
    ) -> impl Iterator<Item = String> {
        let names: BTreeSet<&String> = self
            .all()
            .filter(|signed| about(signed))
            .map(|signed| &signed.accord().name)
            .collect();
        let mut found: Vec<&SignedNotice> = names
            .into_iter()
            .flat_map(|name| self.notices.of(name))
            .collect();
        found.sort_by_key(|signed| {
            let notice = signed.notice();
            (notice.member != own, notice.act.channel().is_some())
        });
        found.into_iter().map(ToString::to_string)
    }

    /// Takes an accord that the operator gives, ratifying it with `root` if one is given.
    ///
    /// # Errors
    /// When it cannot be installed: it does not name this member with its own keys, has another
    /// text than the version held, or does not follow it. Then nothing changes.
    pub fn offer(
        &mut self,
        note: &[u8],
        me: &Member,
        root: Option<&SigningKey>,
    ) -> Result<Offered, NodeError> {
        let mut signed =
            SignedAccord::parse(note).map_err(|error| NodeError::accord(error.to_string()))?;
        let name = signed.accord().name.clone();
        check_names(&signed, me)?;
        self.check_pins(&signed)?;
        self.check_codes(&signed)?;
        if self.held.len() >= ACCORDS_MAX && !self.held.contains_key(&name) {
            return Err(NodeError::accord(format!(
                "{ACCORDS_MAX} accords are installed, and no more can be"
            )));
        }
        if let Some(root) = root {
            signed
                .ratify(root)
                .map_err(|error| NodeError::accord(error.to_string()))?;
        }
        let (slot, base) = match (self.held.get(&name), self.next.get(&name)) {
            (Some(held), _) if held.text() == signed.text() => (Slot::Held, Some(held)),
            (_, Some(next)) if next.text() == signed.text() => (Slot::Next, Some(next)),
            (None, _) => (Slot::Held, None),
            (Some(held), _) => {
                signed
                    .succeeds(held)
                    .map_err(|error| NodeError::accord(error.to_string()))?;
                (Slot::Next, None)
            }
        };
        let (merged, new_signatures) = match base {
            Some(base) => {
                let mut merged = SignedAccord::clone(base);
                let new = merged
                    .merge(&signed)
                    .map_err(|error| NodeError::accord(error.to_string()))?;
                (merged, new)
            }
            None => {
                let count = signed.ratified().len();
                (signed, count)
            }
        };
        let changed = base.is_none() || new_signatures > 0;
        let accord = Arc::new(self.heeding(merged));
        let mine = accord.ratified().contains(&me.code);
        match slot {
            Slot::Next if !mine => {
                self.next.insert(name, Arc::clone(&accord));
            }
            Slot::Next => {
                self.next.remove(&name);
                self.held.insert(name, Arc::clone(&accord));
            }
            Slot::Held => {
                self.held.insert(name, Arc::clone(&accord));
            }
        }
        Ok(Offered {
            accord,
            new_signatures,
            changed,
        })
    }

    /// Adds a partner's copy's ratifications to a text that is held already; anything else in it
    /// is ignored. Answers with the accord's new state if it changed.
    pub fn merge_known(&mut self, note: &[u8]) -> Option<Arc<SignedAccord>> {
        let offered = SignedAccord::parse(note).ok()?;
        let name = &offered.accord().name;
        for slot in [&mut self.held, &mut self.next] {
            let Some(held) = slot
                .get_mut(name)
                .filter(|held| held.text() == offered.text())
            else {
                continue;
            };
            let mut merged = SignedAccord::clone(held);
            if merged.merge(&offered).is_ok_and(|new| new > 0) {
                *held = Arc::new(merged);
                return Some(Arc::clone(held));
            }
        }
        None
    }

    /// The commands that make the state of accord `name` durable.
    pub fn persist(&self, name: &str) -> Vec<Command> {
        [(SETTING, &self.held), (SETTING_NEXT, &self.next)]
            .into_iter()
            .map(|(prefix, slot)| Command::Put {
                key: format!("{prefix}{name}"),
                value: slot.get(name).map(|signed| signed.to_string().into_bytes()),
            })
            .collect()
    }

    /// The accord of this name that counts here.
    pub fn get(&self, name: &str) -> Option<&Arc<SignedAccord>> {
        self.held.get(name)
    }

    /// The version of this name that waits for this member's ratification.
    pub fn next(&self, name: &str) -> Option<&Arc<SignedAccord>> {
        self.next.get(name)
    }

    /// Every accord: those that count here, then those that wait for this member's ratification.
    pub fn all(&self) -> impl Iterator<Item = &Arc<SignedAccord>> {
        self.held.values().chain(self.next.values())
    }

    /// The accords that count here, without those that wait for this member's ratification.
    pub fn held(&self) -> impl Iterator<Item = &Arc<SignedAccord>> {
        self.held.values()
    }

    /// The channel, if it is in force and member `code` is among those in force.
    pub fn channel(&self, accord: &str, channel: &str, code: &str) -> Option<Channel> {
        let signed = self.held.get(accord)?;
        let in_force = signed.channel_in_force(channel)?;
        in_force.members.contains(code).then(|| Channel {
            accord: Arc::clone(signed),
            name: channel.to_owned(),
        })
    }

    /// Every channel that is in force with member `code` among those in force.
    pub fn channels(&self, code: &str) -> Vec<Channel> {
        self.held
            .values()
            .flat_map(|signed| {
                signed
                    .accord()
                    .channels
                    .iter()
                    .map(move |channel| (signed, &channel.name))
            })
            .filter_map(|(signed, channel)| self.channel(&signed.accord().name, channel, code))
            .collect()
    }

    /// The channel, if member `code` agreed to it with another one, in force at present or not: what
    /// is withdrawn is withdrawn from those, too, who take nothing just now (I6).
    pub(crate) fn agreed_channel(&self, accord: &str, name: &str, code: &str) -> Option<Channel> {
        let signed = self.held.get(accord)?;
        let agreed = signed.channel_agreed(name)?;
        agreed.members.contains(code).then(|| Channel {
            accord: Arc::clone(signed),
            name: name.to_owned(),
        })
    }

    /// Every channel that member `code` agreed to with another one, in force at present or not.
    pub(crate) fn agreed(&self, code: &str) -> Vec<(Arc<SignedAccord>, policy::Channel)> {
        let all = self.held.values().flat_map(|signed| {
            let channels = signed.accord().channels.iter();
            channels.map(move |channel| (signed, channel))
        });
        all.filter(|(signed, channel)| {
            let agreed = signed.channel_agreed(&channel.name);
            agreed.is_some_and(|agreed| agreed.members.contains(code))
        })
        .map(|(signed, channel)| (Arc::clone(signed), channel.clone()))
        .collect()
    }

    /// The TLS keys that may connect, each with its member's code.
    pub fn pins(&self, own: &str) -> BTreeMap<[u8; 32], String> {
        self.all()
            .flat_map(|signed| &signed.accord().members)
            .filter(|member| member.code != own)
            .map(|member| (member.tls, member.code.clone()))
            .collect()
    }

    /// One code may not be two members: labels say by code alone whom an object may go to. The root
    /// key is who a member is; its other keys may differ from accord to accord.
    fn check_codes(&self, offered: &SignedAccord) -> Result<(), NodeError> {
        let name = &offered.accord().name;
        for member in &offered.accord().members {
            let other = self
                .all()
                .filter(|signed| signed.accord().name != *name)
                .find(|signed| {
                    let held = signed.accord().member(&member.code);
                    held.is_some_and(|held| held.root.public() != member.root.public())
                });
            if let Some(other) = other {
                return Err(NodeError::accord(format!(
                    "the accord gives {} another root key than the installed accord {} does; \
                     find out which is theirs, or agree on another code",
                    member.code,
                    other.accord().name
                )));
            }
        }
        Ok(())
    }

    /// One TLS key may not speak for two codes: the servers know a caller by its key alone.
    fn check_pins(&self, offered: &SignedAccord) -> Result<(), NodeError> {
        for member in &offered.accord().members {
            let clash = self
                .all()
                .flat_map(|signed| &signed.accord().members)
                .find(|held| held.tls == member.tls && held.code != member.code);
            if let Some(held) = clash {
                return Err(NodeError::accord(format!(
                    "the accord gives {} the TLS key that another installed accord gives {}",
                    member.code, held.code
                )));
            }
        }
        Ok(())
    }
}

enum Slot {
    Held,
    Next,
}

/// The accord must name this member as it is, or its partners would expect other keys.
fn check_names(signed: &SignedAccord, me: &Member) -> Result<(), NodeError> {
    let accord = signed.accord();
    let Some(entry) = accord.member(&me.code) else {
        return Err(NodeError::accord(format!(
            "the accord does not name this member ({})",
            me.code
        )));
    };
    let differs = if entry.domain != me.domain {
        Some("domain")
    } else if entry.tls != me.tls {
        Some("TLS key")
    } else {
        Role::ALL
            .into_iter()
            .find(|role| entry.key(*role) != me.key(*role))
            .map(Role::word)
    };
    match differs {
        Some(what) => Err(NodeError::accord(format!(
            "the accord names {} with another {what} than this node has; \
             take the entry that this node prints and agree on a new text",
            me.code
        ))),
        None => Ok(()),
    }
}

mod exclusions;
mod growth;
#[cfg(test)]
mod tests;

pub use exclusions::Exclusion;
pub(crate) use growth::newly_shown;

/// Leaves a copy of the note for people in `<data>/accords`; the store's setting is what counts.
pub(crate) fn write_note(config: &Config, name: &str, note: &str) {
    let folder = config.data.join("accords");
    let temporary = folder.join(format!(".{name}.note"));
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&temporary, note))
        .and_then(|()| std::fs::rename(&temporary, folder.join(format!("{name}.note"))));
    if let Err(error) = written {
        tracing::warn!(accord = name, %error, "the copy of the accord in the data folder could not be written");
    }
}
