//! In what form an object leaves: as it is, redacted, or so that nobody can tell its source (I7).
//!
//! A form has an id of its own, derived with this node's secret from the original's, the channel
//! and the redaction profiles: the same for every revision, and of no use to anybody who wants to
//! know what it stands for. The node keeps the link (settings `form/<channel>/<original id>`), so
//! that revisions and withdrawals of the original follow to what was released of it, and the way
//! back (`formof/<channel>/<form id>`), so that a form may be named for the original.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use model::{Hash, Id, Label, Object, Releasable, Timestamp};
use policy::{
    Change as Redaction, Finding, LeakRules, Names, Profile, Profiles, RefState, Scrub, derived_id,
    round_down,
};
use serde::{Deserialize, Serialize};
use store::{Command, Record, Seq, Store, StoreError};

use crate::accords::Channel;
use crate::error::NodeError;
use crate::keys::random;
use crate::limits::FORMER_FORMS_MAX;

use super::known::{Known, forms_key, is_public};

/// What was released of one original in one channel, in a form of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The hash of the original version.
    pub(crate) original: String,
    /// That version, where it has one.
    pub(crate) version: Option<Timestamp>,
    /// The profiles that the form went through.
    pub(crate) profiles: BTreeSet<String>,
    /// The forms: one, or several when a report was split.
    pub(crate) forms: Vec<LinkedForm>,
    /// The ids of what left, or was about to, in other forms before, and may not be taken back yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former: Vec<String>,
    /// `modified` of the form that the newest *earlier* revision had.
    pub(crate) before: Option<Timestamp>,
    /// The channel that brought the original, where this node publishes for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inbox: Option<String>,
}

/// One form behind a [`Link`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkedForm {
    /// Its id.
    pub(crate) id: String,
    /// Its hash.
    pub(crate) hash: String,
    /// Its `modified`.
    pub(crate) modified: Option<Timestamp>,
}

impl Link {
    /// The ids of all forms, former ones as well.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        let forms = self.forms.iter().map(|form| &form.id);
        forms
            .chain(&self.former)
            .filter_map(|id| Id::parse(id).ok())
    }
}

/// The setting of a link.
pub(crate) fn link_key(channel: &str, original: &Id) -> String {
    format!("form/{channel}/{original}")
}

/// The link of an original in a channel, if it left in a form of its own.
pub(crate) fn link(store: &Store, channel: &str, id: &Id) -> Result<Option<Link>, StoreError> {
    let key = link_key(channel, id);
    let Some(value) = store.get(&key)? else {
        return Ok(None);
    };
    match serde_json::from_slice(&value) {
        Ok(link) => Ok(Some(link)),
        Err(error) => Err(StoreError::Corrupt {
            place: format!("the setting {key}"),
            problem: error.to_string(),
        }),
    }
}

/// The setting that leads from a form back to its original.
pub(crate) fn original_key(channel: &str, form: &Id) -> String {
    format!("formof/{channel}/{form}")
}

/// What each of these ids stands for in a channel: the original, where it is the id of a form that
/// left there or was about to, and otherwise itself.
pub(crate) fn originals(store: &Store, channel: &str, ids: Vec<Id>) -> Result<Vec<Id>, StoreError> {
    if store.get(&forms_key(channel))?.is_none() {
        return Ok(ids);
    }
    let original = |id: Id| {
        let key = original_key(channel, &id);
        let Some(value) = store.get(&key)? else {
            return Ok(id);
        };
        let original = std::str::from_utf8(&value).ok();
        original
            .and_then(|id| Id::parse(id).ok())
            .ok_or_else(|| StoreError::Corrupt {
                place: format!("the setting {key}"),
                problem: "it names no object".to_owned(),
            })
    };
    ids.into_iter().map(original).collect()
}

/// The secret from which the ids of outgoing forms are derived, made at the first start. It is a
/// setting, so it goes where the store goes: with another one, forms would change their ids.
pub(crate) fn load_key(store: &Store) -> Result<[u8; 32], NodeError> {
    const KEY: &str = "secret/forms";
    if let Some(held) = store.get(KEY)? {
        return held.try_into().map_err(|_| {
            NodeError::Store(StoreError::Corrupt {
                place: format!("the setting {KEY}"),
                problem: "it has not 32 bytes".into(),
            })
        });
    }
    let made: [u8; 32] = random()?;
    store.execute(Command::Put {
        key: KEY.to_owned(),
        value: Some(made.to_vec()),
    })?;
    Ok(made)
}

/// How a channel changes what enters it.
pub(crate) struct Shape<'a> {
    /// The channel.
    pub(crate) channel: &'a Channel,
    /// Its name, `<accord>/<channel>`.
    pub(crate) name: &'a str,
    /// The key of this node's derived ids.
    pub(crate) key: &'a [u8; 32],
    /// The profiles of the policy in force.
    pub(crate) profiles: &'a Profiles,
    /// Its leak rules.
    pub(crate) leaks: &'a LeakRules,
    /// The identity that stands for this member.
    pub(crate) member: Id,
}

/// What would leave for one original.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// The objects in order; empty: the original as it is.
    pub(crate) objects: Vec<Object>,
    /// What redaction did.
    pub(crate) changes: Vec<Redaction>,
    /// What the leak check found.
    pub(crate) findings: Vec<Finding>,
    /// How the private link will look, where there is a form.
    pub(crate) link: Option<Link>,
    /// Ids under which the channel shows this original, or is about to, and that this release takes
    /// the place of.
    pub(crate) replaces: Vec<Id>,
}

impl Shape<'_> {
    /// Whether the channel hides where things come from.
    pub(crate) fn hides(&self) -> bool {
        self.channel.hides()
    }

    /// Whether an object leaves as it is.
    pub(crate) fn leaves_as_is(&self, redact: &BTreeSet<String>) -> bool {
        redact.is_empty() && !self.hides()
    }

    /// The form of an object whose decision demands these profiles; the error is in words.
    pub(crate) fn form(
        &self,
        known: &Known<'_>,
        record: &Record,
        object: &Object,
        redact: &BTreeSet<String>,
        label: &Label,
    ) -> Result<Result<Form, String>, StoreError> {
        let mut form = Form::default();
        let earlier = known.link(&record.id)?;
        if !self.leaves_as_is(redact) {
            let names = Outward {
                shape: self,
                known,
                context: self.context(redact),
                own: &record.id,
                derived: RefCell::default(),
                before: before(earlier.as_ref(), record),
                failed: RefCell::new(None),
            };
            let built = self.build(object, redact, label, &names);
            if let Some(error) = names.failed.take() {
                return Err(error);
            }
            match built {
                Err(why) => return Ok(Err(why)),
                Ok((objects, changes)) => {
                    let former = match former(known, earlier.as_ref(), &objects)? {
                        Ok(former) => former,
                        Err(why) => return Ok(Err(why)),
                    };
                    form.link = Some(Link {
                        original: record.hash.to_string(),
                        version: record.version,
                        profiles: redact.clone(),
                        forms: objects.iter().map(LinkedForm::of).collect(),
                        former,
                        before: names.before,
                        inbox: record
                            .log
                            .as_ref()
                            .map(|log| format!("{}/{}", log.accord, log.channel)),
                    });
                    form.objects = objects;
                    form.changes = changes;
                }
            }
        }
        form.replaces = replaced(known, &record.id, earlier.as_ref(), &form)?;
        let failed = RefCell::new(None);
        let state = |id: &Id| match known.state(id) {
            Ok(state) => state,
            Err(error) => {
                failed.replace(Some(error));
                RefState::Unknown
            }
        };
        let leaving: Vec<&Object> = if form.objects.is_empty() {
            vec![object]
        } else {
            form.objects.iter().collect()
        };
        let forms: HashSet<&Id> = leaving.iter().map(|object| object.id()).collect();
        let state = |id: &Id| {
            if forms.contains(id) || *id == self.member {
                RefState::Released
            } else {
                state(id)
            }
        };
        let findings = leaving
            .into_iter()
            .flat_map(|object| policy::leaks(object, self.leaks, &state))
            .collect();
        form.findings = findings;
        match failed.take() {
            Some(error) => Err(error),
            None => Ok(Ok(form)),
        }
    }

    fn build(
        &self,
        object: &Object,
        redact: &BTreeSet<String>,
        label: &Label,
        names: &Outward<'_>,
    ) -> Result<(Vec<Object>, Vec<Redaction>), String> {
        let mut profiles: Vec<&Profile> = Vec::new();
        for name in redact {
            profiles.push(self.profiles.get(name).ok_or_else(|| {
                format!("the policy demands the redaction profile {name}, which redact.toml lacks")
            })?);
        }
        let redacted = policy::redact(object, &profiles, names)
            .map_err(|error| format!("it cannot be redacted as the policy demands: {error}"))?;
        let Some(hide) = self.channel.hiding() else {
            return Ok((redacted.objects, redacted.changes));
        };
        names.derived(
            redacted.objects.iter().map(|form| form.id().clone()),
            object.id(),
        );
        let scrub = Scrub::new(
            self.member.clone(),
            label,
            hide.round_minutes,
            hide.pad_bytes as usize,
        );
        let mut forms = Vec::with_capacity(redacted.objects.len());
        for form in &redacted.objects {
            forms.push(policy::scrub(form, &scrub, names).map_err(|error| {
                format!("the channel hides the source, and this cannot be hidden: {error}")
            })?);
        }
        Ok((forms, redacted.changes))
    }

    /// What keeps derived ids of different uses apart.
    fn context(&self, redact: &BTreeSet<String>) -> String {
        let profiles: Vec<&str> = redact.iter().map(String::as_str).collect();
        format!("{}\n{}", self.name, profiles.join(","))
    }

    /// The label that leaves with an object. Where the channel hides sources, all that it need not
    /// say is left out: the members are those of the channel (each is in the object's own set, so
    /// that is no wider), a basis is not named (none stated permits least), an expiry is rounded
    /// down.
    pub(crate) fn label(&self, label: &Label) -> Label {
        let (Some(hide), Some(in_force)) = (self.channel.hiding(), self.channel.in_force()) else {
            return label.clone();
        };
        let mut out = label.clone();
        out.releasable_to = Releasable::Members(in_force.channel.members.clone());
        out.not_releasable_to.clear();
        out.legal_basis.clear();
        out.expires = label.expires.map(|at| round_down(at, hide.round_minutes));
        out
    }
}

impl LinkedForm {
    fn of(object: &Object) -> LinkedForm {
        LinkedForm {
            id: object.id().to_string(),
            hash: object.hash().to_string(),
            modified: object.modified(),
        }
    }
}

/// `modified` of the form of the newest revision before this one.
fn before(earlier: Option<&Link>, record: &Record) -> Option<Timestamp> {
    let earlier = earlier?;
    if earlier.original == record.hash.to_string() {
        return earlier.before;
    }
    let newest = earlier.forms.iter().filter_map(|form| form.modified).max();
    newest.max(earlier.before)
}

/// The ids of earlier forms that are none of the new ones; the error is in words.
fn former(
    known: &Known<'_>,
    earlier: Option<&Link>,
    objects: &[Object],
) -> Result<Result<Vec<String>, String>, StoreError> {
    let mut ids: Vec<Id> = earlier.into_iter().flat_map(Link::ids).collect();
    ids.retain(|id| objects.iter().all(|object| object.id() != id));
    if ids.len() > FORMER_FORMS_MAX {
        // Of what has been taken back since, nothing is left to be found.
        ids = known.there(ids)?;
    }
    if ids.len() > FORMER_FORMS_MAX {
        return Ok(Err(format!(
            "the channel shows it in more than {FORMER_FORMS_MAX} other forms; \
             withdraw it there before it is released in one more"
        )));
    }
    Ok(Ok(ids.iter().map(ToString::to_string).collect()))
}

/// What is there of the original under ids that the new release no longer uses.
fn replaced(
    known: &Known<'_>,
    original: &Id,
    earlier: Option<&Link>,
    form: &Form,
) -> Result<Vec<Id>, StoreError> {
    let mut ids: Vec<Id> = earlier.into_iter().flat_map(Link::ids).collect();
    if form.link.is_some() {
        ids.push(original.clone());
    }
    let stays = |id: &Id| match &form.link {
        Some(_) => form.objects.iter().any(|object| object.id() == id),
        None => id == original,
    };
    ids.retain(|id| !stays(id));
    known.there(ids)
}

/// How originals are called outside.
struct Outward<'a> {
    shape: &'a Shape<'a>,
    known: &'a Known<'a>,
    context: String,
    own: &'a Id,
    /// Ids of forms in the making, which stay what they are, with the original behind each.
    derived: RefCell<HashMap<Id, Id>>,
    before: Option<Timestamp>,
    failed: RefCell<Option<StoreError>>,
}

impl Outward<'_> {
    /// Remembers ids that are forms already.
    fn derived(&self, forms: impl Iterator<Item = Id>, original: &Id) {
        let forms = forms.filter(|form| form != original);
        let pairs = forms.map(|form| (form, original.clone()));
        self.derived.borrow_mut().extend(pairs);
    }

    fn or_fail<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        read.map_err(|error| self.failed.replace(Some(error))).ok()
    }
}

impl Names for Outward<'_> {
    fn outgoing(&self, id: &Id) -> Option<Id> {
        if self.derived.borrow().contains_key(id) || is_public(id) {
            return Some(id.clone());
        }
        // Whoever speaks for the member is the member.
        if *id == self.shape.member {
            return Some(id.clone());
        }
        if let Some(link) = self.or_fail(self.known.link(id))? {
            return link.forms.first().and_then(|form| Id::parse(&form.id).ok());
        }
        // Where sources are hidden, an id that is not derived tells where it comes from, unless a
        // partner brought it: then it is theirs to tell.
        let state = self.or_fail(self.known.state(id))?;
        (state == RefState::Released).then(|| id.clone())
    }

    fn derive(&self, id: &Id) -> Id {
        if self.derived.borrow().contains_key(id) {
            return id.clone();
        }
        derived_id(self.shape.key, &self.context, id)
    }

    fn previous(&self, id: &Id) -> Option<Timestamp> {
        let mine = id == self.own || self.derived.borrow().contains_key(id);
        if mine { self.before } else { None }
    }
}

/// Where the outgoing objects of a form are held, or will be.
#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    /// The object's position in the store.
    pub(crate) object: Seq,
    /// Its id.
    pub(crate) id: Id,
    /// Its version.
    pub(crate) version: Option<Timestamp>,
    /// Its hash.
    pub(crate) hash: Hash,
}
