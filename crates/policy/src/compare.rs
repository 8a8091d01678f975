//! What another version of an accord would change, in words for whoever has to sign it.
//!
//! Each difference says whether it loosens (more members, more kinds, a higher ceiling, longer
//! retention, a weaker promise), tightens, or is neither. Comparing decides nothing: what a version
//! may change is for [`SignedAccord::succeeds`](crate::SignedAccord::succeeds) and for each nation.

use std::collections::BTreeSet;

use crate::accord::{Accord, Attribution, Channel, Kinds, Member, Role, Transfer};

/// Which way a difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Somebody could have, keep or do more than before.
    Loosens,
    /// Neither more nor less, or both: to be read with care.
    Changes,
    /// Somebody could have, keep or do less than before.
    Tightens,
}

/// One difference between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which way it goes.
    pub effect: Effect,
    /// What it is about: `accord`, `obligations`, `member KG`, `group east` or `channel alerts`.
    pub about: String,
    /// What changes, in one sentence without a full stop.
    pub text: String,
}

impl Effect {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Effect::Loosens => "loosens",
            Effect::Changes => "changes",
            Effect::Tightens => "tightens",
        }
    }
}

/// Everything that differs from `old` to `new`, in the order of the text. Versions and digests,
/// which always differ, are left out.
pub fn compare(old: &Accord, new: &Accord) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    if old.name != new.name {
        let text = format!("it is another accord: {} instead of {}", new.name, old.name);
        found.add(Effect::Changes, "accord", text);
    }
    obligations(old, new, &mut found);
    members(old, new, &mut found);
    groups(old, new, &mut found);
    channels(old, new, &mut found);
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, effect: Effect, about: &str, text: String) {
        self.0.push(Difference {
            effect,
            about: about.to_owned(),
            text,
        });
    }

    /// A difference of two ordered values.
    fn ordered<T: Ord>(&mut self, about: &str, was: T, is: T, text: impl FnOnce() -> String) {
        match is.cmp(&was) {
            std::cmp::Ordering::Greater => self.add(Effect::Loosens, about, text()),
            std::cmp::Ordering::Less => self.add(Effect::Tightens, about, text()),
            std::cmp::Ordering::Equal => {}
        }
    }
}

fn obligations(old: &Accord, new: &Accord, found: &mut Found) {
    const ABOUT: &str = "obligations";
    let (was, is) = (&old.obligations, &new.obligations);
    retention(ABOUT, was.retention_days, is.retention_days, found);
    found.ordered(
        ABOUT,
        was.third_party == Transfer::WithConsent,
        is.third_party == Transfer::WithConsent,
        || match is.third_party {
            Transfer::WithConsent => {
                "received objects may go to third parties once the originator has agreed".into()
            }
            Transfer::Never => "received objects no longer go to third parties".into(),
        },
    );
    found.ordered(ABOUT, was.non_attribution, is.non_attribution, || {
        if is.non_attribution {
            "channels may hide which source of a member an object is from".into()
        } else {
            "no channel may hide the source of an object any more".into()
        }
    });
    match (was.purposes.is_empty(), is.purposes.is_empty()) {
        (true, false) => found.add(
            Effect::Tightens,
            ABOUT,
            format!(
                "received objects may be used for {} only",
                list(&is.purposes)
            ),
        ),
        (false, true) => found.add(
            Effect::Loosens,
            ABOUT,
            "received objects may be used for anything".into(),
        ),
        _ => {
            let (more, fewer) = both_ways(&was.purposes, &is.purposes);
            if !more.is_empty() {
                let text = format!("received objects may also be used for {}", list(&more));
                found.add(Effect::Loosens, ABOUT, text);
            }
            if !fewer.is_empty() {
                let text = format!(
                    "received objects may no longer be used for {}",
                    list(&fewer)
                );
                found.add(Effect::Tightens, ABOUT, text);
            }
        }
    }
}

fn members(old: &Accord, new: &Accord, found: &mut Found) {
    for member in &old.members {
        let about = format!("member {}", member.code);
        match new.member(&member.code) {
            Some(is) => changed_member(&about, member, is, found),
            None => {
                let lost = channels_of(old, &member.code);
                let lost = if lost.is_empty() {
                    "it was in no channel".to_owned()
                } else {
                    format!("it loses {}", list(&lost))
                };
                let text = format!("{} goes; {lost}", member.name);
                found.add(Effect::Tightens, &about, text);
            }
        }
    }
    for member in &new.members {
        if old.member(&member.code).is_none() {
            let gained = channels_of(new, &member.code);
            let gained = if gained.is_empty() {
                "into no channel".to_owned()
            } else {
                format!("into {}", list(&gained))
            };
            let text = format!("{} comes in, {gained}", member.name);
            found.add(Effect::Loosens, &format!("member {}", member.code), text);
        }
    }
}

fn changed_member(about: &str, was: &Member, is: &Member, found: &mut Found) {
    for (what, was, is) in [
        ("name", &was.name, &is.name),
        ("domain", &was.domain, &is.domain),
        ("address", &was.url, &is.url),
    ] {
        if was != is {
            let text = format!("its {what} is {is} instead of {was}");
            found.add(Effect::Changes, about, text);
        }
    }
    for role in Role::ALL {
        let what = match role {
            Role::Root => "root key, by which it ratifies,",
            Role::Log => "log key",
            Role::LogPq => "post-quantum log key",
            Role::Witness => "witness key",
        };
        let (effect, text) = match (was.key(role), is.key(role)) {
            (Some(was), Some(is)) if was != is => {
                (Effect::Changes, format!("its {what} is another one"))
            }
            (Some(_), None) => (Effect::Loosens, format!("it has no {what} any more")),
            (None, Some(_)) => (Effect::Tightens, format!("it has a {what} now")),
            _ => continue,
        };
        found.add(effect, about, text);
    }
    if was.tls != is.tls {
        let text = "the key by which its node is recognised is another one".to_owned();
        found.add(Effect::Changes, about, text);
    }
}

fn groups(old: &Accord, new: &Accord, found: &mut Found) {
    let of = |accord: &Accord, name: &str| {
        let group = accord.groups.iter().find(|group| group.name == name);
        group.map(|group| group.members.clone())
    };
    let names = old.groups.iter().chain(&new.groups);
    let names: BTreeSet<&String> = names.map(|group| &group.name).collect();
    for name in names {
        let about = format!("group {name}");
        let text = match (of(old, name), of(new, name)) {
            (Some(was), Some(is)) if was == is => continue,
            (Some(was), Some(is)) => {
                let (more, fewer) = both_ways(&was, &is);
                let more = (!more.is_empty()).then(|| format!("{} comes in", list(&more)));
                let fewer = (!fewer.is_empty()).then(|| format!("{} goes", list(&fewer)));
                let parts: Vec<String> = more.into_iter().chain(fewer).collect();
                format!(
                    "{}: labels that release to the group, or exclude it, mean others now",
                    parts.join(" and ")
                )
            }
            (None, Some(is)) => format!("it is new and holds {}", list(&is)),
            (_, None) => "it ends: labels that name it release to nobody by it".to_owned(),
        };
        found.add(Effect::Changes, &about, text);
    }
}

fn channels(old: &Accord, new: &Accord, found: &mut Found) {
    for channel in &old.channels {
        let about = format!("channel {}", channel.name);
        match new.channel(&channel.name) {
            Some(is) => changed_channel(&about, (old, channel), (new, is), found),
            None => {
                let text = format!("it ends; {} lose it", list(&channel.members));
                found.add(Effect::Tightens, &about, text);
            }
        }
    }
    for channel in &new.channels {
        if old.channel(&channel.name).is_none() {
            let kind = if channel.exercise { "exercise" } else { "real" };
            let text = format!(
                "it is new: {kind} objects among {} up to {}",
                list(&channel.members),
                channel.ceiling
            );
            found.add(Effect::Loosens, &format!("channel {}", channel.name), text);
        }
    }
}

fn changed_channel(
    about: &str,
    (old, was): (&Accord, &Channel),
    (new, is): (&Accord, &Channel),
    found: &mut Found,
) {
    if was.title != is.title {
        let text = format!("its title is {:?} instead of {:?}", is.title, was.title);
        found.add(Effect::Changes, about, text);
    }
    let (more, fewer) = both_ways(&was.members, &is.members);
    if !more.is_empty() {
        let text = format!("{} comes in and reads it from its start", list(&more));
        found.add(Effect::Loosens, about, text);
    }
    if !fewer.is_empty() {
        found.add(
            Effect::Tightens,
            about,
            format!("{} loses it", list(&fewer)),
        );
    }
    kinds(about, &was.kinds, &is.kinds, found);
    found.ordered(about, was.ceiling, is.ceiling, || {
        format!("its ceiling is {} instead of {}", is.ceiling, was.ceiling)
    });
    if was.exercise != is.exercise {
        let text = if is.exercise {
            "it carries exercise objects only, and was real"
        } else {
            "it carries real objects only, and was for exercises"
        };
        found.add(Effect::Changes, about, text.to_owned());
    }
    if was.retention_days.is_some() || is.retention_days.is_some() {
        retention(
            about,
            old.retention_days(was),
            new.retention_days(is),
            found,
        );
    }
    hiding(about, was, is, found);
    if was.delegate != is.delegate {
        let (effect, text) = match &is.delegate {
            Some(one) => (
                if was.delegate.is_none() {
                    Effect::Loosens
                } else {
                    Effect::Changes
                },
                format!(
                    "{} may publish as its own into {} what members release here",
                    one.member, one.into
                ),
            ),
            None => (
                Effect::Tightens,
                "nobody publishes elsewhere any more what members release here".to_owned(),
            ),
        };
        found.add(effect, about, text);
    }
}

fn kinds(about: &str, was: &Kinds, is: &Kinds, found: &mut Found) {
    match (was, is) {
        (Kinds::Any, Kinds::Any) => {}
        (Kinds::Only(_), Kinds::Any) => {
            found.add(
                Effect::Loosens,
                about,
                "it carries objects of every type".into(),
            );
        }
        (Kinds::Any, Kinds::Only(kinds)) => {
            let text = format!("it carries {} only", list(kinds));
            found.add(Effect::Tightens, about, text);
        }
        (Kinds::Only(was), Kinds::Only(is)) => {
            let (more, fewer) = both_ways(was, is);
            if !more.is_empty() {
                found.add(
                    Effect::Loosens,
                    about,
                    format!("it also carries {}", list(&more)),
                );
            }
            if !fewer.is_empty() {
                let text = format!("it no longer carries {}", list(&fewer));
                found.add(Effect::Tightens, about, text);
            }
        }
    }
}

/// The less of the source shows, the tighter.
fn hiding(about: &str, was: &Channel, is: &Channel, found: &mut Found) {
    if was.attribution != is.attribution {
        let (effect, text) = match is.attribution {
            Attribution::Member => (Effect::Tightens, "it hides the source of objects now"),
            Attribution::Origin => (Effect::Loosens, "it shows the source of objects now"),
        };
        found.add(effect, about, text.to_owned());
    }
    let (Some(was), Some(is)) = (was.hiding(), is.hiding()) else {
        return;
    };
    for (what, unit, was, is) in [
        (
            "times are rounded to",
            "minutes",
            was.round_minutes,
            is.round_minutes,
        ),
        (
            "releases wait for windows of",
            "minutes",
            was.window_minutes,
            is.window_minutes,
        ),
        ("sizes are padded to", "bytes", was.pad_bytes, is.pad_bytes),
    ] {
        // What is finer shows more of the source.
        found.ordered(about, is, was, || {
            format!("{what} {is} {unit} instead of {was}")
        });
    }
}

fn retention(about: &str, was: Option<u32>, is: Option<u32>, found: &mut Found) {
    let days =
        |days: Option<u32>| days.map_or("without limit".to_owned(), |n| format!("for {n} days"));
    let order = |days: Option<u32>| days.unwrap_or(u32::MAX);
    found.ordered(about, order(was), order(is), || {
        format!(
            "received objects are kept {} instead of {}",
            days(is),
            days(was)
        )
    });
}

fn channels_of(accord: &Accord, member: &str) -> BTreeSet<String> {
    let of = accord
        .channels
        .iter()
        .filter(|channel| channel.members.contains(member));
    of.map(|channel| channel.name.clone()).collect()
}

/// What is there that was not, and the other way round.
fn both_ways(
    was: &BTreeSet<String>,
    is: &BTreeSet<String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    (
        is.difference(was).cloned().collect(),
        was.difference(is).cloned().collect(),
    )
}

pub(crate) fn list(items: &BTreeSet<String>) -> String {
    items
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
