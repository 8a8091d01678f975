//! Redaction profiles: the text that a nation writes, read into rules.
//!
//! The format is described in docs/redaction.md. Reading is strict: an unknown key, a parameter
//! that the action does not have, a place that no rule may touch and a drop of what the named type
//! cannot do without are refused with line and column, so that a profile that loads does what it
//! says or stops the object, and never does less.

use std::collections::{BTreeMap, BTreeSet};

use model::Tlp;
use serde::Deserialize;
use toml::Spanned;

use super::generalise::{Area, Unit};
use super::path::Path;
use super::required;
use crate::fault::PolicyError;

/// The file of a policy set that holds profiles.
const FILE: &str = "redact.toml";

/// LIMIT: bytes of a text of profiles; people have to read and approve it.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// LIMIT: rules of one profile; each is tried on every released object.
const RULES_MAX: usize = 256;

/// LIMIT: types and places of one rule.
const PLACES_MAX: usize = 128;

/// The line that parts a text when a profile names none.
const TEAR_LINE: &str = "-----TEAR LINE-----";

/// All profiles of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Profile>);

/// One redaction profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name by which policy demands it.
    pub name: String,
    /// What it is for, in words; may be empty.
    pub about: String,
    pub(crate) rules: Vec<Rule>,
}

/// One rule: on which types, at which places, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Empty: every type.
    pub(crate) types: BTreeSet<String>,
    /// Empty only where the action has places of its own.
    pub(crate) at: Vec<Path>,
    pub(crate) action: Action,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Drop,
    Replace {
        with: String,
    },
    Time {
        to: Unit,
    },
    Location {
        keep: Area,
    },
    Coordinates {
        decimals: u8,
    },
    Network {
        ipv4: u8,
        ipv6: u8,
    },
    Domain {
        labels: usize,
    },
    Hashes,
    Granular {
        above: Tlp,
    },
    Keep {
        properties: BTreeSet<String>,
    },
    Tear {
        marker: String,
        keep: Side,
        rest: Option<Box<Profile>>,
    },
}

/// Which side of a tear line the object keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

impl Profiles {
    /// Reads a text of profiles.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse(text: &str) -> Result<Profiles, PolicyError> {
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("the profiles have more than {TEXT_BYTES_MAX} bytes");
            return Err(PolicyError::at(FILE, text, 0, why));
        }
        let raw: Raw =
            toml::from_str(text).map_err(|error| PolicyError::toml(FILE, text, &error))?;
        let mut profiles = BTreeMap::new();
        let mut torn = Vec::new();
        for (name, profile) in raw.profile {
            let at = name.span().start;
            let name = name.into_inner();
            if !is_name(&name) {
                let why = "a profile's name is 1 to 64 of a-z, 0-9 and hyphen";
                return Err(PolicyError::at(FILE, text, at, why));
            }
            if profile.rule.len() > RULES_MAX {
                let why = format!("a profile has at most {RULES_MAX} rules");
                return Err(PolicyError::at(FILE, text, at, why));
            }
            let mut rules = Vec::new();
            for rule in profile.rule {
                let at = rule.span().start;
                let fault = |why: String| PolicyError::at(FILE, text, at, why);
                let (rule, rest) = rule.into_inner().read().map_err(fault)?;
                if let Some(rest) = rest {
                    torn.push((name.clone(), rules.len(), rest, at));
                }
                rules.push(rule);
            }
            let about = profile.about;
            profiles.insert(name.clone(), Profile { name, about, rules });
        }
        let plain = profiles.clone();
        for (name, index, rest, at) in torn {
            let fault = |why: String| PolicyError::at(FILE, text, at, why);
            let stricter = plain
                .get(&rest)
                .ok_or_else(|| fault(format!("there is no profile {rest:?} for the rest")))?;
            let tears = |rule: &Rule| matches!(rule.action, Action::Tear { .. });
            if stricter.rules.iter().any(tears) {
                return Err(fault(format!(
                    "the profile {rest:?} parts texts itself; the rest is parted only once"
                )));
            }
            if let Some(profile) = profiles.get_mut(&name)
                && let Some(rule) = profile.rules.get_mut(index)
                && let Action::Tear { rest, .. } = &mut rule.action
            {
                *rest = Some(Box::new(stricter.clone()));
            }
        }
        Ok(Profiles(profiles))
    }

    /// The profile of this name.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// All profiles, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }
}

/// Whether the text can name a profile.
fn is_name(name: &str) -> bool {
    let letters = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(letters)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    profile: BTreeMap<Spanned<String>, RawProfile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    #[serde(default)]
    about: String,
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

/// Everything that any action takes; what an action leaves over is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    r#do: String,
    types: Option<Vec<String>>,
    at: Option<Vec<String>>,
    with: Option<String>,
    to: Option<String>,
    keep: Option<String>,
    decimals: Option<u8>,
    ipv4: Option<u8>,
    ipv6: Option<u8>,
    labels: Option<usize>,
    above: Option<String>,
    properties: Option<Vec<String>>,
    marker: Option<String>,
    rest: Option<String>,
}

impl RawRule {
    /// The rule, and the name of the profile for the rest of a torn text.
    fn read(mut self) -> Result<(Rule, Option<String>), String> {
        let types = read_types(self.types.take())?;
        let at = read_places(self.at.take())?;
        let mut rest = None;
        let mut places = Places::Needed;
        let action = match self.r#do.as_str() {
            "drop" => Action::Drop,
            "replace" => {
                let with = self
                    .with
                    .take()
                    .ok_or("replace needs the text to write: with")?;
                Action::Replace { with }
            }
            "time" => {
                places = Places::Optional;
                let to = self.to.take();
                let to = to.as_deref().and_then(Unit::of);
                let to = to.ok_or("time needs to = \"hour\", \"day\" or \"month\"")?;
                Action::Time { to }
            }
            "location" => {
                places = Places::None;
                let keep = self.keep.take();
                let keep = keep.as_deref().and_then(Area::of);
                let keep = keep.ok_or(
                    "location needs keep = \"administrative-area\", \"country\" or \"region\"",
                )?;
                Action::Location { keep }
            }
            "coordinates" => {
                places = Places::None;
                let decimals = self.decimals.take().filter(|decimals| *decimals <= 6);
                let decimals = decimals.ok_or("coordinates needs decimals from 0 to 6")?;
                Action::Coordinates { decimals }
            }
            "network" => {
                places = Places::Optional;
                let ipv4 = self.ipv4.take().filter(|bits| (1..=31).contains(bits));
                let ipv6 = self.ipv6.take().filter(|bits| (1..=127).contains(bits));
                let (Some(ipv4), Some(ipv6)) = (ipv4, ipv6) else {
                    return Err(
                        "network needs prefix lengths: ipv4 from 1 to 31, ipv6 from 1 to 127"
                            .into(),
                    );
                };
                Action::Network { ipv4, ipv6 }
            }
            "domain" => {
                places = Places::Optional;
                let labels = self
                    .labels
                    .take()
                    .filter(|labels| (1..=16).contains(labels));
                let labels = labels
                    .ok_or("domain needs labels, how many of a name's last parts stay (1 to 16)")?;
                Action::Domain { labels }
            }
            "hashes" => {
                places = Places::None;
                Action::Hashes
            }
            "granular" => {
                places = Places::None;
                let above = self.above.take();
                let above = above.as_deref().and_then(|level| level.parse().ok());
                let above =
                    above.ok_or("granular needs above, a TLP level such as \"TLP:GREEN\"")?;
                Action::Granular { above }
            }
            "keep" => {
                places = Places::None;
                let properties = self
                    .properties
                    .take()
                    .filter(|list| list.len() <= PLACES_MAX);
                let properties =
                    properties.ok_or("keep needs properties, the list of names that stay")?;
                Action::Keep {
                    properties: properties.into_iter().collect(),
                }
            }
            "tear" => {
                let marker = self.marker.take().unwrap_or_else(|| TEAR_LINE.to_owned());
                if super::run::bare(&marker).is_empty() {
                    return Err("the marker of a tear line needs letters or digits".into());
                }
                let keep = match self.keep.take().as_deref() {
                    None | Some("above") => Side::Above,
                    Some("below") => Side::Below,
                    Some(_) => return Err("tear needs keep = \"above\" or \"below\"".into()),
                };
                rest = self.rest.take();
                Action::Tear {
                    marker,
                    keep,
                    rest: None,
                }
            }
            other => {
                return Err(format!(
                    "{other:?} is no action; there are drop, replace, time, location, coordinates, \
                     network, domain, hashes, granular, keep and tear"
                ));
            }
        };
        if let Some(name) = self.left_over() {
            return Err(format!("{} has no parameter {name}", self.r#do));
        }
        match places {
            Places::Needed if at.is_empty() => {
                return Err(format!("{} needs at, the places to work on", self.r#do));
            }
            Places::None if !at.is_empty() => {
                return Err(format!("{} has its own places and takes no at", self.r#do));
            }
            _ => {}
        }
        let rule = Rule { types, at, action };
        rule.check()?;
        Ok((rule, rest))
    }

    /// The name of a parameter that the action did not take.
    fn left_over(&self) -> Option<&'static str> {
        [
            ("with", self.with.is_some()),
            ("to", self.to.is_some()),
            ("keep", self.keep.is_some()),
            ("decimals", self.decimals.is_some()),
            ("ipv4", self.ipv4.is_some()),
            ("ipv6", self.ipv6.is_some()),
            ("labels", self.labels.is_some()),
            ("above", self.above.is_some()),
            ("properties", self.properties.is_some()),
            ("marker", self.marker.is_some()),
            ("rest", self.rest.is_some()),
        ]
        .into_iter()
        .find_map(|(name, there)| there.then_some(name))
    }
}

enum Places {
    Needed,
    Optional,
    None,
}

fn read_types(types: Option<Vec<String>>) -> Result<BTreeSet<String>, String> {
    let Some(types) = types else {
        return Ok(BTreeSet::new());
    };
    if types.is_empty() || types.len() > PLACES_MAX {
        return Err(format!(
            "types has 1 to {PLACES_MAX} names; leave it out for every type"
        ));
    }
    for name in &types {
        if name == "marking-definition" {
            return Err("markings are orders and leave as they are; no rule changes them".into());
        }
        // The id's own rule, so that a misspelt type cannot be a rule that never runs.
        if model::Id::from_parts(name, [0; 16]).is_err() {
            return Err(format!("{name:?} is no STIX type name"));
        }
    }
    Ok(types.into_iter().collect())
}

fn read_places(at: Option<Vec<String>>) -> Result<Vec<Path>, String> {
    let Some(at) = at else {
        return Ok(Vec::new());
    };
    if at.is_empty() || at.len() > PLACES_MAX {
        return Err(format!("at has 1 to {PLACES_MAX} places"));
    }
    let read = |place: &String| Path::parse(place).map_err(|why| format!("{place:?}: {why}"));
    at.iter().map(read).collect()
}

impl Rule {
    /// Refuses what no rule may do, and what the types named cannot bear.
    fn check(&self) -> Result<(), String> {
        for path in &self.at {
            if let Some(name) = required::PROTECTED.iter().find(|name| path.touches(name)) {
                return Err(format!(
                    "no rule changes {name}: identity is made anew and markings stay"
                ));
            }
            for name in ["created", "modified"] {
                if path.touches(name) && !matches!(self.action, Action::Time { .. }) {
                    return Err(format!("{name} can only be made coarser: do = \"time\""));
                }
            }
            for kind in &self.types {
                let needed = required::required(kind)
                    .iter()
                    .find(|name| path.is_top(name));
                if let (Action::Drop, Some(name)) = (&self.action, needed) {
                    return Err(format!(
                        "{kind} cannot do without {name}: replace it instead of dropping it"
                    ));
                }
            }
        }
        if let Action::Keep { properties } = &self.action {
            for kind in &self.types {
                let missing = required::required(kind)
                    .iter()
                    .find(|name| !properties.contains(**name));
                if let Some(name) = missing {
                    return Err(format!(
                        "{kind} cannot do without {name}: add it to properties"
                    ));
                }
            }
        }
        Ok(())
    }
}
