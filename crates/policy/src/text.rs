//! The text of an accord: TOML that members read before they sign it.
//!
//! Reading is strict (an unknown key is refused with its line) and bounded before the parser sees
//! a byte. Writing is deterministic and done by hand, because the order and spacing of a text
//! that people sign should not change with a library's version.
//!
//! A signature is over bytes, so a text that a person wrote otherwise (with comments, say) stays
//! as it is; [`write`] is how we write, not a condition for being read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use log::note::VerifierKey;
use model::Tlp;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::accord::{
    Accord, Attribution, Channel, Delegate, Group, Hide, Kinds, Member, Obligations, Role, Transfer,
};
use crate::error::AccordError;
use crate::limits::ACCORD_BYTES_MAX;

/// What the first line of every accord says; a later format says something else.
const FORMAT: &str = "kurultai-accord/1";

/// Reads the text; `check` looks at the meaning afterwards.
pub(crate) fn parse(text: &str) -> Result<Accord, AccordError> {
    if text.len() > ACCORD_BYTES_MAX {
        return Err(AccordError::TooLarge {
            bytes: text.len(),
            max: ACCORD_BYTES_MAX,
        });
    }
    if let Some(at) = text.find(|c: char| c.is_control() && c != '\n') {
        return Err(fault(text, at, "a control character other than a line end"));
    }
    if !text.ends_with('\n') {
        return Err(fault(text, text.len(), "the text must end with a line end"));
    }
    let raw: RawAccord = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        fault(text, at, &error.message().replace('\n', " "))
    })?;
    raw.into_accord()
}

/// Writes the one form of the text that we produce.
pub(crate) fn write(accord: &Accord) -> String {
    let mut out = String::new();
    let mut put = |key: &str, value: String| {
        // A String takes any text; the Result is only the trait's.
        let _ = writeln!(out, "{key} = {value}");
    };
    put("format", quoted(FORMAT));
    put("name", quoted(&accord.name));
    put("version", accord.version.to_string());
    if let Some(previous) = &accord.previous {
        put("previous", quoted(&hex(previous)));
    }
    let obligations = &accord.obligations;
    out.push_str("\n[obligations]\n");
    let mut put = |key: &str, value: String| {
        let _ = writeln!(out, "{key} = {value}");
    };
    if let Some(days) = obligations.retention_days {
        put("retention_days", days.to_string());
    }
    put(
        "third_party",
        quoted(transfer_word(obligations.third_party)),
    );
    put("purposes", list(&obligations.purposes));
    put("non_attribution", obligations.non_attribution.to_string());
    for member in &accord.members {
        write_member(&mut out, member);
    }
    for group in &accord.groups {
        let (name, members) = (quoted(&group.name), list(&group.members));
        let _ = write!(out, "\n[[group]]\nname = {name}\nmembers = {members}\n");
    }
    for channel in &accord.channels {
        write_channel(&mut out, channel);
    }
    out
}

fn write_member(out: &mut String, member: &Member) {
    out.push_str("\n[[member]]\n");
    let mut put = |key: &str, value: &str| {
        let _ = writeln!(out, "{key} = {}", quoted(value));
    };
    put("code", &member.code);
    put("name", &member.name);
    put("domain", &member.domain);
    put("url", &member.url);
    for role in Role::ALL {
        if let Some(key) = member.key(role) {
            put(role.word(), &key.to_string());
        }
    }
    put("tls", &hex(&member.tls));
}

fn write_channel(out: &mut String, channel: &Channel) {
    out.push_str("\n[[channel]]\n");
    let mut put = |key: &str, value: String| {
        let _ = writeln!(out, "{key} = {value}");
    };
    put("name", quoted(&channel.name));
    put("title", quoted(&channel.title));
    put("members", list(&channel.members));
    match &channel.kinds {
        Kinds::Any => put("kinds", quoted("any")),
        Kinds::Only(kinds) => put("kinds", list(kinds)),
    }
    put("ceiling", quoted(&channel.ceiling.to_string()));
    put("exercise", channel.exercise.to_string());
    if let Some(days) = channel.retention_days {
        put("retention_days", days.to_string());
    }
    put("attribution", quoted(attribution_word(channel.attribution)));
    if let Some(hide) = &channel.hide {
        let (round, window, pad) = (hide.round_minutes, hide.window_minutes, hide.pad_bytes);
        put(
            "hide",
            format!("{{ round_minutes = {round}, window_minutes = {window}, pad_bytes = {pad} }}"),
        );
    }
    if let Some(delegate) = &channel.delegate {
        let (member, into) = (quoted(&delegate.member), quoted(&delegate.into));
        put(
            "delegate",
            format!("{{ member = {member}, into = {into} }}"),
        );
    }
}

fn attribution_word(attribution: Attribution) -> &'static str {
    match attribution {
        Attribution::Origin => "origin",
        Attribution::Member => "member",
    }
}

fn transfer_word(transfer: Transfer) -> &'static str {
    match transfer {
        Transfer::Never => "never",
        Transfer::WithConsent => "with-consent",
    }
}

fn list(items: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    model::Hash(*bytes).to_string()
}

pub(crate) fn unhex(text: &str, place: &str) -> Result<[u8; 32], AccordError> {
    let digits = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    match text.parse::<model::Hash>() {
        Ok(hash) if text.bytes().all(digits) => Ok(hash.0),
        _ => Err(AccordError::Value {
            place: place.to_owned(),
            why: "a SHA-256 is written as 64 lower-case hex digits".to_owned(),
        }),
    }
}

fn fault(text: &str, at: usize, why: &str) -> AccordError {
    let before = &text.as_bytes()[..at.min(text.len())];
    AccordError::Text {
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        why: why.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccord {
    format: String,
    name: String,
    version: u32,
    previous: Option<String>,
    obligations: RawObligations,
    #[serde(default)]
    member: Vec<RawMember>,
    #[serde(default)]
    group: Vec<RawGroup>,
    #[serde(default)]
    channel: Vec<RawChannel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawObligations {
    retention_days: Option<u32>,
    third_party: String,
    purposes: Vec<String>,
    non_attribution: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    code: String,
    name: String,
    domain: String,
    url: String,
    root: String,
    log: String,
    log_pq: Option<String>,
    witness: String,
    tls: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHide {
    round_minutes: u32,
    window_minutes: u32,
    pad_bytes: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDelegate {
    member: String,
    into: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    name: String,
    title: String,
    members: Vec<String>,
    kinds: RawKinds,
    ceiling: String,
    exercise: bool,
    retention_days: Option<u32>,
    attribution: String,
    hide: Option<RawHide>,
    delegate: Option<RawDelegate>,
}

/// `"any"` or a list of types.
enum RawKinds {
    Any,
    Only(Vec<String>),
}

impl<'de> Deserialize<'de> for RawKinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawKinds, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawKinds;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"any\" or a list of STIX types")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawKinds, E> {
                match text {
                    "any" => Ok(RawKinds::Any),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawKinds, A::Error> {
                let mut kinds = Vec::new();
                while let Some(kind) = seq.next_element()? {
                    kinds.push(kind);
                }
                Ok(RawKinds::Only(kinds))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl RawAccord {
    fn into_accord(self) -> Result<Accord, AccordError> {
        if self.format != FORMAT {
            return Err(wrong("accord, format", &format!("must be \"{FORMAT}\"")));
        }
        let previous = match &self.previous {
            Some(text) => Some(unhex(text, "accord, previous")?),
            None => None,
        };
        Ok(Accord {
            name: self.name,
            version: self.version,
            previous,
            members: self
                .member
                .into_iter()
                .map(RawMember::into_member)
                .collect::<Result<_, _>>()?,
            groups: self
                .group
                .into_iter()
                .map(|group| {
                    Ok(Group {
                        name: group.name,
                        members: distinct("group member", group.members)?,
                    })
                })
                .collect::<Result<_, _>>()?,
            channels: self
                .channel
                .into_iter()
                .map(RawChannel::into_channel)
                .collect::<Result<_, _>>()?,
            obligations: Obligations {
                retention_days: self.obligations.retention_days,
                third_party: match self.obligations.third_party.as_str() {
                    "never" => Transfer::Never,
                    "with-consent" => Transfer::WithConsent,
                    _ => {
                        return Err(wrong(
                            "obligations, third_party",
                            "must be \"never\" or \"with-consent\"",
                        ));
                    }
                },
                purposes: distinct("purpose", self.obligations.purposes)?,
                non_attribution: self.obligations.non_attribution,
            },
        })
    }
}

impl RawMember {
    fn into_member(self) -> Result<Member, AccordError> {
        let key = |role: Role, text: &str| {
            VerifierKey::parse(text).map_err(|error| {
                wrong(
                    &format!("member {}, {}", self.code, role.word()),
                    &error.to_string(),
                )
            })
        };
        let log_pq = match &self.log_pq {
            Some(text) => Some(key(Role::LogPq, text)?),
            None => None,
        };
        Ok(Member {
            root: key(Role::Root, &self.root)?,
            log: key(Role::Log, &self.log)?,
            log_pq,
            witness: key(Role::Witness, &self.witness)?,
            tls: unhex(&self.tls, &format!("member {}, tls", self.code))?,
            code: self.code,
            name: self.name,
            domain: self.domain,
            url: self.url,
        })
    }
}

impl RawChannel {
    fn into_channel(self) -> Result<Channel, AccordError> {
        let place = |key: &str| format!("channel {}, {key}", self.name);
        let ceiling = Tlp::ALL
            .into_iter()
            .find(|tlp| tlp.to_string() == self.ceiling);
        Ok(Channel {
            ceiling: ceiling.ok_or_else(|| {
                wrong(
                    &place("ceiling"),
                    "must be TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED",
                )
            })?,
            attribution: match self.attribution.as_str() {
                "origin" => Attribution::Origin,
                "member" => Attribution::Member,
                _ => {
                    return Err(wrong(
                        &place("attribution"),
                        "must be \"origin\" or \"member\"",
                    ));
                }
            },
            kinds: match self.kinds {
                RawKinds::Any => Kinds::Any,
                RawKinds::Only(kinds) => Kinds::Only(distinct("kind", kinds)?),
            },
            members: distinct("channel member", self.members)?,
            title: self.title,
            exercise: self.exercise,
            retention_days: self.retention_days,
            hide: self.hide.map(|hide| Hide {
                round_minutes: hide.round_minutes,
                window_minutes: hide.window_minutes,
                pad_bytes: hide.pad_bytes,
            }),
            delegate: self.delegate.map(|delegate| Delegate {
                member: delegate.member,
                into: delegate.into,
            }),
            name: self.name,
        })
    }
}

/// A list as a set, unless an item is there twice.
fn distinct(what: &'static str, items: Vec<String>) -> Result<BTreeSet<String>, AccordError> {
    let mut set = BTreeSet::new();
    for item in items {
        if let Some(value) = set.replace(item) {
            return Err(AccordError::Duplicate { what, value });
        }
    }
    Ok(set)
}

fn wrong(place: &str, why: &str) -> AccordError {
    AccordError::Value {
        place: place.to_owned(),
        why: why.to_owned(),
    }
}
