//! What would surprise those who sign an accord, although it is well-formed.
//!
//! What makes an accord ill-formed (a channel of one member, keys that two members share, an inbox
//! that leads into an inbox, retention longer than the obligations allow) is refused by `check`
//! whenever an accord is read; here is only what may be meant and mostly is not.

use std::collections::{BTreeMap, BTreeSet};

use model::{Class, Tlp};

use crate::accord::{Accord, Channel, Kinds};
use crate::compare::list;
use crate::signed::SignedAccord;

/// One surprise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// A stable name of the sort of surprise, such as `group-in-no-channel`.
    pub rule: &'static str,
    /// What it is about: `accord`, `obligations`, `member KG`, `group east` or `channel alerts`.
    pub about: String,
    /// What surprises, and what to do, in one sentence without a full stop.
    pub text: String,
}

/// Words that a channel for exercises tends to have in its name.
const EXERCISE_WORDS: [&str; 4] = ["exercise", "drill", "training", "wargame"];

/// Every surprise in an accord, in the order of the text; what the signatures leave open, too, once
/// somebody has signed.
pub fn lint(signed: &SignedAccord) -> Vec<Surprise> {
    let accord = signed.accord();
    let mut found = Found(Vec::new());
    obligations(accord, &mut found);
    members(accord, &mut found);
    groups(accord, &mut found);
    for channel in &accord.channels {
        one_channel(accord, channel, &mut found);
    }
    twins(accord, &mut found);
    signatures(signed, &mut found);
    found.0
}

struct Found(Vec<Surprise>);

impl Found {
    fn add(&mut self, rule: &'static str, about: impl Into<String>, text: impl Into<String>) {
        self.0.push(Surprise {
            rule,
            about: about.into(),
            text: text.into(),
        });
    }
}

fn obligations(accord: &Accord, found: &mut Found) {
    if accord.channels.is_empty() {
        found.add(
            "no-channel",
            "accord",
            "it has no channel, so nothing can be shared under it",
        );
    }
    let hides = accord
        .channels
        .iter()
        .any(|channel| channel.hiding().is_some());
    if accord.obligations.non_attribution && !hides {
        found.add(
            "hiding-unused",
            "obligations",
            "channels may hide the source and none does; say so in a channel or take it out",
        );
    }
}

fn members(accord: &Accord, found: &mut Found) {
    let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
    for member in &accord.members {
        let about = format!("member {}", member.code);
        let in_any = accord
            .channels
            .iter()
            .any(|channel| channel.members.contains(&member.code));
        if !in_any && !accord.channels.is_empty() {
            found.add(
                "member-in-no-channel",
                &about,
                "it takes part in no channel",
            );
        }
        if member.log_pq.is_none() {
            found.add(
                "no-post-quantum-key",
                &about,
                "it has no post-quantum log key, so a quantum computer could forge its log",
            );
        }
        let host = member.url.rsplit_once(':').map_or("", |(host, _)| host);
        if let Some(other) = hosts.insert(host, &member.code) {
            let text = format!("its node answers at the same host as that of {other}");
            found.add("same-host", &about, text);
        }
    }
}

fn groups(accord: &Accord, found: &mut Found) {
    for group in &accord.groups {
        let about = format!("group {}", group.name);
        let name = accord.group_name(group);
        let meets = |channel: &&Channel| !channel.members.is_disjoint(&group.members);
        if !accord.channels.iter().any(|channel| meets(&channel)) {
            found.add(
                "group-in-no-channel",
                &about,
                "none of its members is in any channel, so labels that name it do nothing",
            );
        } else if !accord
            .channels
            .iter()
            .any(|channel| channel.members.is_subset(&group.members))
        {
            let text = format!(
                "no channel lies within it, so what is released to {name} alone can enter none: \
                 every member of a channel has to be among the recipients"
            );
            found.add("group-holds-no-channel", &about, text);
        }
    }
}

fn one_channel(accord: &Accord, channel: &Channel, found: &mut Found) {
    let about = format!("channel {}", channel.name);
    if let Kinds::Only(kinds) = &channel.kinds {
        let unknown: BTreeSet<String> = kinds.iter().filter(|kind| !known(kind)).cloned().collect();
        if !unknown.is_empty() {
            let text = format!(
                "{} is no type of STIX 2.1; check the spelling",
                list(&unknown)
            );
            found.add("unknown-kind", &about, text);
        }
    }
    if channel.ceiling == Tlp::Red && channel.members.len() > 2 {
        let text = format!(
            "TLP:RED is for named persons only, and {} members read it",
            channel.members.len()
        );
        found.add("red-for-many", &about, text);
    }
    if accord.retention_days(channel).is_none() {
        let text = "members keep what they receive without limit; set retention_days here or in the obligations";
        found.add("kept-forever", &about, text);
    }
    let says = |word: &str| {
        let title = channel.title.to_lowercase();
        channel.name.contains(word) || title.contains(word)
    };
    if !channel.exercise && EXERCISE_WORDS.into_iter().any(says) {
        let text = "it sounds like an exercise and carries real objects; set exercise = true or name it otherwise";
        found.add("sounds-like-exercise", &about, text);
    }
    if let Some(delegate) = &channel.delegate
        && let Some(into) = accord.channel(&delegate.into)
    {
        inbox(&about, channel, into, found);
    }
}

fn inbox(about: &str, inbox: &Channel, into: &Channel, found: &mut Found) {
    if inbox.members.len() < 3 {
        found.add(
            "inbox-of-one",
            about,
            "beside the delegate one member writes into it, so everybody knows whose it is",
        );
    }
    if inbox.ceiling > into.ceiling {
        let text = format!(
            "what is above {} can come in and cannot be published into {}",
            into.ceiling, into.name
        );
        found.add("inbox-above-outlet", about, text);
    }
    if let (Kinds::Only(inside), Kinds::Only(outside)) = (&inbox.kinds, &into.kinds)
        && inside.is_disjoint(outside)
    {
        let text = format!(
            "nothing that it carries can be published into {}",
            into.name
        );
        found.add("inbox-without-outlet", about, text);
    }
}

/// Channels that only their names tell apart.
fn twins(accord: &Accord, found: &mut Found) {
    for (index, channel) in accord.channels.iter().enumerate() {
        let earlier = accord.channels[..index].iter().find(|earlier| {
            let renamed = Channel {
                name: earlier.name.clone(),
                title: earlier.title.clone(),
                ..channel.clone()
            };
            **earlier == renamed
        });
        let about = format!("channel {}", channel.name);
        if let Some(earlier) = earlier {
            let text = format!("it is the same as {} but for its name", earlier.name);
            found.add("twin-channels", &about, text);
        }
        let apart = accord.channels[..index]
            .iter()
            .find(|earlier| earlier.exercise != channel.exercise && earlier.title == channel.title);
        if let Some(earlier) = apart {
            let text = format!(
                "it has the title of {}, and one of the two is for exercises; people will mix them up",
                earlier.name
            );
            found.add("exercise-by-the-same-title", &about, text);
        }
    }
}

fn signatures(signed: &SignedAccord, found: &mut Found) {
    let ratified = signed.ratified();
    if ratified.is_empty() {
        return;
    }
    for channel in &signed.accord().channels {
        let about = format!("channel {}", channel.name);
        let bound: BTreeSet<String> = channel.members.intersection(&ratified).cloned().collect();
        if bound.is_empty() {
            let text =
                "none of its members has ratified: nobody writes or reads it, and nobody is bound";
            found.add("nobody-bound", about, text);
        } else if bound.len() == 1 {
            let text = format!(
                "only {} has ratified, so nobody can write or read it yet",
                list(&bound)
            );
            found.add("not-in-force", about, text);
        }
    }
}

/// Types of STIX 2.1, and what is plainly meant as an extension.
fn known(kind: &str) -> bool {
    kind.starts_with("x-") || Class::of(kind) != Class::Extension
}
