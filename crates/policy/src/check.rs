//! The rules that make a drafted accord well-formed.
//!
//! Every name that becomes part of a path, a URL or a key name is held to a small alphabet, so
//! that two different members or channels can never look the same to a person: codes allow no
//! letter outside A–Z, and codes that differ only in `O`/`0`, `I`/`1` or hyphens are refused as
//! one. Keys carry the name of their role and appear once.
//!
//! INVARIANT: an accord that passes can be written and read back unchanged.

use std::collections::{BTreeMap, BTreeSet};

use crate::accord::{Accord, Attribution, Channel, Delegate, Group, Hide, Kinds, Member, Role};
use crate::error::AccordError;
use crate::limits::{
    CHANNELS_MAX, DOMAIN_CHARS_MAX, GROUPS_MAX, HIDE_MINUTES_MAX, HIDE_PAD_BYTES_MAX, KINDS_MAX,
    MEMBERS_MAX, NAME_CHARS_MAX, PURPOSES_MAX, RETENTION_DAYS_MAX, TITLE_CHARS_MAX, URL_CHARS_MAX,
};

/// The accord name under which a node keeps logs that it shares with nobody.
const RESERVED: &str = "local";

/// Checks a whole draft; the first fault ends it.
pub(crate) fn check(accord: &Accord) -> Result<(), AccordError> {
    rule("accord", "name", name(&accord.name))?;
    if accord.name == RESERVED {
        return Err(value(
            "accord",
            "name",
            "the name is reserved for a node's own logs",
        ));
    }
    chain(accord)?;
    rule(
        "obligations",
        "retention_days",
        days(accord.obligations.retention_days),
    )?;
    count("purposes", accord.obligations.purposes.len(), PURPOSES_MAX)?;
    for purpose in &accord.obligations.purposes {
        rule("obligations", "purposes", name(purpose))?;
    }
    count("members", accord.members.len(), MEMBERS_MAX)?;
    count("channels", accord.channels.len(), CHANNELS_MAX)?;
    if accord.members.len() < 2 {
        return Err(value("accord", "members", "an accord needs at least two"));
    }
    for one in &accord.members {
        member(one)?;
    }
    distinct_members(&accord.members)?;
    let codes: BTreeSet<&str> = accord.members.iter().map(|m| m.code.as_str()).collect();
    count("groups", accord.groups.len(), GROUPS_MAX)?;
    let mut names = BTreeSet::new();
    for one in &accord.groups {
        group(one, &codes)?;
        if !names.insert(one.name.as_str()) {
            return Err(duplicate("group", &one.name));
        }
    }
    let mut names = BTreeSet::new();
    for one in &accord.channels {
        channel(accord, one, &codes)?;
        if !names.insert(one.name.as_str()) {
            return Err(duplicate("channel", &one.name));
        }
    }
    Ok(())
}

/// Versions count from 1 and form a chain.
fn chain(accord: &Accord) -> Result<(), AccordError> {
    match (accord.version, accord.previous.is_some()) {
        (0, _) => Err(value("accord", "version", "versions count from 1")),
        (1, true) => Err(value("accord", "previous", "version 1 follows no other")),
        (2.., false) => Err(value(
            "accord",
            "previous",
            "a version above 1 carries the SHA-256 of the version before",
        )),
        _ => Ok(()),
    }
}

fn member(member: &Member) -> Result<(), AccordError> {
    let place = format!("member {}", member.code);
    rule("member", "code", code(&member.code))?;
    rule(&place, "name", title(&member.name))?;
    rule(&place, "domain", domain(&member.domain))?;
    rule(&place, "url", url(&member.url))?;
    for role in Role::ALL {
        let Some(key) = member.key(role) else {
            continue;
        };
        if !role.admits(key.kind()) {
            return Err(value(
                &place,
                role.word(),
                "this kind of key cannot hold the role",
            ));
        }
        let wanted = role.key_name(&member.domain);
        if key.name() != wanted {
            return Err(value(
                &place,
                role.word(),
                &format!("the key must be named {wanted}"),
            ));
        }
    }
    Ok(())
}

/// Whatever tells members apart must do so: codes even at a glance, and every key everywhere.
pub(crate) fn distinct_members(members: &[Member]) -> Result<(), AccordError> {
    let mut codes = BTreeMap::new();
    let mut others = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for member in members {
        if let Some(twin) = codes.insert(glance(&member.code), &member.code) {
            let what = if *twin == member.code {
                "member code"
            } else {
                "member code (too like another)"
            };
            return Err(duplicate(what, &member.code));
        }
        if !others.insert(("domain", member.domain.as_str())) {
            return Err(duplicate("domain", &member.domain));
        }
        if !others.insert(("url", member.url.as_str())) {
            return Err(duplicate("url", &member.url));
        }
        for role in Role::ALL {
            if let Some(key) = member.key(role)
                && !keys.insert(key.public())
            {
                return Err(duplicate("key", key.name()));
            }
        }
        if !keys.insert(&member.tls[..]) {
            return Err(duplicate("TLS key of member", &member.code));
        }
    }
    Ok(())
}

fn channel(accord: &Accord, channel: &Channel, codes: &BTreeSet<&str>) -> Result<(), AccordError> {
    rule("channel", "name", name(&channel.name))?;
    let place = format!("channel {}", channel.name);
    rule(&place, "title", title(&channel.title))?;
    if let Some(stranger) = channel.members.iter().find(|m| !codes.contains(m.as_str())) {
        return Err(AccordError::UnknownMember {
            place,
            member: stranger.clone(),
        });
    }
    if channel.members.len() < 2 {
        return Err(value(&place, "members", "a channel needs at least two"));
    }
    if let Kinds::Only(kinds) = &channel.kinds {
        count("kinds", kinds.len(), KINDS_MAX)?;
        if kinds.is_empty() {
            return Err(value(
                &place,
                "kinds",
                "a channel for no kind carries nothing",
            ));
        }
        for kind in kinds {
            rule(&place, "kinds", name(kind))?;
        }
    }
    rule(&place, "retention_days", days(channel.retention_days))?;
    if let (Some(here), Some(most)) = (channel.retention_days, accord.obligations.retention_days)
        && here > most
    {
        return Err(value(
            &place,
            "retention_days",
            &format!("the accord's obligations allow at most {most}"),
        ));
    }
    if channel.attribution == Attribution::Member && !accord.obligations.non_attribution {
        return Err(value(
            &place,
            "attribution",
            "only an accord whose obligations say non_attribution = true can hide the source",
        ));
    }
    if let Some(one) = &channel.hide {
        hide(&place, channel, one)?;
    }
    if let Some(one) = &channel.delegate {
        delegate(&place, accord, channel, one)?;
    }
    Ok(())
}

fn group(group: &Group, codes: &BTreeSet<&str>) -> Result<(), AccordError> {
    rule("group", "name", name(&group.name))?;
    let place = format!("group {}", group.name);
    if let Some(stranger) = group.members.iter().find(|m| !codes.contains(m.as_str())) {
        return Err(AccordError::UnknownMember {
            place,
            member: stranger.clone(),
        });
    }
    if group.members.is_empty() {
        return Err(value(&place, "members", "a group needs at least one"));
    }
    Ok(())
}

fn hide(place: &str, channel: &Channel, hide: &Hide) -> Result<(), AccordError> {
    if channel.attribution != Attribution::Member {
        return Err(value(
            place,
            "hide",
            "only a channel with attribution \"member\" hides the source",
        ));
    }
    for (key, minutes) in [
        ("hide.round_minutes", hide.round_minutes),
        ("hide.window_minutes", hide.window_minutes),
    ] {
        if !(1..=HIDE_MINUTES_MAX).contains(&minutes) {
            return Err(value(place, key, "between 1 and 10080 minutes (a week)"));
        }
    }
    if !(64..=HIDE_PAD_BYTES_MAX).contains(&hide.pad_bytes) {
        return Err(value(place, "hide.pad_bytes", "between 64 and 65536 bytes"));
    }
    Ok(())
}

/// The delegate stands in both channels, and where it publishes, the source is hidden. It would be
/// no hiding place if its own inbox showed everybody there who sent what.
fn delegate(
    place: &str,
    accord: &Accord,
    inbox: &Channel,
    delegate: &Delegate,
) -> Result<(), AccordError> {
    let wrong = |key, why| Err(value(place, key, why));
    let Some(into) = accord.channel(&delegate.into) else {
        return wrong("delegate.into", "the accord has no channel of that name");
    };
    if into.name == inbox.name {
        return wrong("delegate.into", "a channel cannot be its own inbox");
    }
    if into.attribution != Attribution::Member {
        return wrong(
            "delegate.into",
            "publishing on behalf needs a channel with attribution \"member\"",
        );
    }
    if into.delegate.is_some() {
        return wrong("delegate.into", "that channel is itself an inbox");
    }
    if into.exercise != inbox.exercise {
        return wrong(
            "delegate.into",
            "one of the two channels is for exercises and the other is not",
        );
    }
    for channel in [inbox, into] {
        if !channel.members.contains(&delegate.member) {
            return wrong(
                "delegate.member",
                "the delegate has to be a member of both channels",
            );
        }
    }
    Ok(())
}

/// A code as it looks at a glance: codes that agree here are too alike to stand side by side.
fn glance(code: &str) -> String {
    code.chars()
        .filter(|c| *c != '-')
        .map(|c| match c {
            '0' => 'O',
            '1' => 'I',
            other => other,
        })
        .collect()
}

pub(crate) type Rule = Result<(), &'static str>;

pub(crate) fn code(code: &str) -> Rule {
    let alphabet = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let letters = code.chars().filter(char::is_ascii_uppercase).count();
    if !(2..=16).contains(&code.len()) || !code.chars().all(alphabet) {
        return Err("a code has 2 to 16 characters, each A to Z, 0 to 9 or a hyphen");
    }
    if code.len() == 2 && letters != 2 {
        return Err("a code of two characters is an ISO 3166 code, so two letters");
    }
    if letters == 0 || !hyphens_inside(code) {
        return Err("a code has at least one letter and hyphens only between other characters");
    }
    Ok(())
}

/// Names of accords, channels, kinds and purposes.
fn name(name: &str) -> Rule {
    let alphabet = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(alphabet) {
        return Err("a name has 1 to 64 characters, each a to z, 0 to 9 or a hyphen");
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err("a name neither starts nor ends with a hyphen");
    }
    Ok(())
}

fn hyphens_inside(text: &str) -> bool {
    !text.starts_with('-') && !text.ends_with('-') && !text.contains("--")
}

/// Text for people: any script, but nothing invisible and nothing that reorders what is read.
pub(crate) fn title(title: &str) -> Rule {
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX {
        return Err("a text for people has 1 to 128 characters");
    }
    if title.trim() != title {
        return Err("a text for people neither starts nor ends with a space");
    }
    if title.chars().any(hidden) {
        return Err("a text for people has no control, invisible or direction-changing characters");
    }
    Ok(())
}

/// A character that people do not see, or that changes what they see.
pub(crate) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

pub(crate) fn domain(domain: &str) -> Rule {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if domain.len() > DOMAIN_CHARS_MAX || !domain.contains('.') || !domain.split('.').all(part) {
        return Err(
            "a domain is a DNS name in lower case with a dot in it, at most 100 characters",
        );
    }
    Ok(())
}

/// `https://host:port`: no path, user or query that one reader could see differently from another.
fn url(url: &str) -> Rule {
    const WRONG: Rule = Err("a url is https://host:port with nothing after it, in lower case");
    if url.len() > URL_CHARS_MAX {
        return Err("a url has at most 120 characters");
    }
    let Some((host, port)) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.rsplit_once(':'))
    else {
        return WRONG;
    };
    let numeric = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == ':' || c == '.';
    let host_fits = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.contains(':') && v6.chars().all(numeric),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
                && !host.starts_with(['-', '.'])
                && !host.contains("..")
        }
    };
    let port_fits = port
        .parse::<u16>()
        .is_ok_and(|n| n > 0 && n.to_string() == port);
    if host_fits && port_fits {
        Ok(())
    } else {
        WRONG
    }
}

fn days(days: Option<u32>) -> Rule {
    match days {
        Some(days) if days == 0 || days > RETENTION_DAYS_MAX => {
            Err("days of retention are between 1 and 36525")
        }
        _ => Ok(()),
    }
}

fn rule(place: &str, key: &str, outcome: Rule) -> Result<(), AccordError> {
    outcome.map_err(|why| value(place, key, why))
}

fn value(place: &str, key: &str, why: &str) -> AccordError {
    AccordError::Value {
        place: format!("{place}, {key}"),
        why: why.to_owned(),
    }
}

fn count(what: &'static str, count: usize, max: usize) -> Result<(), AccordError> {
    if count > max {
        return Err(AccordError::TooMany { what, count, max });
    }
    Ok(())
}

fn duplicate(what: &'static str, value: &str) -> AccordError {
    AccordError::Duplicate {
        what,
        value: value.to_owned(),
    }
}
