//! The node's configuration: one TOML file, `kurultai.toml` in the data folder.
//!
//! Few keys, safe defaults, unknown keys are errors that name their place, and secrets are never
//! values here but paths. [`Config::explain`] writes the effective configuration for people,
//! [`Config::template`] a first file to edit. Paths are relative to the data folder.
//!
//! INVARIANT: a `Config` that exists has been checked; nothing later finds a malformed label,
//! address or channel name in it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::policy::{Kinds, ReleaseMode};
use model::{Label, Tlp};
use serde::Deserialize;

pub use self::feeds::Feeds;
pub use self::policy::Policy;
use self::policy::RawPolicy;
use crate::error::NodeError;
use crate::intake::Validation;
use crate::limits::{ADD_BODY_BYTES_MAX, CONFIG_BYTES_MAX};
pub use network::Network;
use people::RawPeople;
pub use people::{CertificateName, Certificates, Oidc, People};

/// The configuration's file name in the data folder.
pub const CONFIG_FILE: &str = "kurultai.toml";

/// What the operator decided about this node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// The member's code, such as `KZ`.
    pub code: String,
    /// The member's name for people.
    pub name: String,
    /// The member's domain, such as `kz.example`.
    pub domain: String,
    /// Where other members reach this node, `https://host:port`.
    pub url: String,
    /// Where the member-facing server listens.
    pub listen_members: SocketAddr,
    /// Where the national server (TAXII, metrics) listens.
    pub listen_national: SocketAddr,
    /// Certificate chain and private key (PEM) of the national server; absent: plain HTTP.
    pub national_tls: Option<TlsFiles>,
    /// The label of added objects for what they do not state themselves.
    pub intake_label: Label,
    /// How much of STIX 2.1 added objects are held to.
    pub intake_validation: Validation,
    /// How this member releases into each channel it named; all others are `manual`.
    pub release: Vec<ChannelMode>,
    /// The folder of the key files.
    pub keys: PathBuf,
    /// The form of the log lines.
    pub log_format: LogFormat,
    /// Bounds that an operator may want to set.
    pub limits: Limits,
    /// How people reach this node and prove who they are.
    pub people: People,
    /// What the nation's own rules need to know about the node.
    pub policy: Policy,
    /// What feeds may do.
    pub feeds: Feeds,
}

/// Paths of a certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How this member releases into one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMode {
    /// The accord's name.
    pub accord: String,
    /// The channel's name.
    pub channel: String,
    /// By hand or by automation.
    pub mode: ReleaseMode,
}

/// The form of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Bounds that an operator may want to set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds between pulls when no wake-up comes, 1 to 86400.
    pub poll_secs: u64,
    /// Bytes of one body of added objects.
    pub add_bytes: usize,
    /// Bytes of decompressed bundles that the store keeps in memory for readers.
    pub cache_bytes: usize,
    /// Seconds between requests to partners to witness the audit log, 1 to 86400.
    pub witness_secs: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            poll_secs: 30,
            add_bytes: ADD_BODY_BYTES_MAX,
            cache_bytes: 48 << 20,
            witness_secs: 300,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    member: RawMember,
    #[serde(default)]
    listen: RawListen,
    national_tls: Option<RawTls>,
    #[serde(default)]
    intake: RawIntake,
    #[serde(default)]
    release: Vec<RawRelease>,
    #[serde(default)]
    keys: RawKeys,
    #[serde(default)]
    log: RawLog,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    people: RawPeople,
    #[serde(default)]
    policy: RawPolicy,
    #[serde(default)]
    feeds: Feeds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    code: String,
    name: String,
    domain: String,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawListen {
    members: String,
    national: String,
}

impl Default for RawListen {
    fn default() -> RawListen {
        RawListen {
            members: "127.0.0.1:8440".into(),
            national: "127.0.0.1:8441".into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawIntake {
    label: String,
    validation: Validation,
}

impl Default for RawIntake {
    fn default() -> RawIntake {
        RawIntake {
            label: "TLP:AMBER".into(),
            validation: Validation::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    accord: String,
    channel: String,
    mode: RawMode,
    kinds: Option<RawKinds>,
    ceiling: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum RawMode {
    Manual,
    Auto,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawKinds {
    Any(String),
    Only(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawKeys {
    folder: PathBuf,
}

impl Default for RawKeys {
    fn default() -> RawKeys {
        RawKeys {
            folder: "keys".into(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: LogFormat,
}

impl Config {
    /// Reads `kurultai.toml` in the data folder.
    ///
    /// # Errors
    /// When it is missing, too large or wrong; the error names the place.
    pub fn load(data: &Path) -> Result<Config, NodeError> {
        let path = data.join(CONFIG_FILE);
        let wrong = |why: String| NodeError::Config {
            place: path.display().to_string(),
            why,
        };
        let meta = std::fs::metadata(&path).map_err(|error| {
            wrong(format!(
                "cannot be read ({error}); run `kurultai init` first"
            ))
        })?;
        if meta.len() > CONFIG_BYTES_MAX {
            return Err(wrong(format!(
                "has {} bytes; at most {CONFIG_BYTES_MAX} are read",
                meta.len()
            )));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong(format!("cannot be read ({error})")))?;
        Config::parse(data, &text)
    }

    /// Reads the configuration from its text.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub fn parse(data: &Path, text: &str) -> Result<Config, NodeError> {
        let raw: Raw = toml::from_str(text).map_err(|error| NodeError::Config {
            place: match error.span() {
                Some(span) => format!(
                    "{CONFIG_FILE}, line {}",
                    1 + text[..span.start.min(text.len())].matches('\n').count()
                ),
                None => CONFIG_FILE.to_owned(),
            },
            why: error.message().to_owned(),
        })?;
        raw.check(data)
    }

    /// The release mode for a channel: what the operator wrote, or `manual`.
    pub fn mode(&self, accord: &str, channel: &str) -> ReleaseMode {
        self.release
            .iter()
            .find(|rule| rule.accord == accord && rule.channel == channel)
            .map_or(ReleaseMode::Manual, |rule| rule.mode.clone())
    }

    /// A first configuration for a new node.
    pub fn template(code: &str, name: &str, domain: &str, members: &str, national: &str) -> String {
        // Debug of str is not TOML's escaping for every character, so names go through `toml`.
        let quote = |text: &str| toml::Value::from(text).to_string();
        format!(
            "# Kurultai: the node of one member. `kurultai doctor` explains what is in effect.\n\
             \n\
             [member]\n\
             code = {}\n\
             name = {}\n\
             domain = {}\n\
             # Where other members reach this node:\n\
             url = {}\n\
             \n\
             [listen]\n\
             members = {}\n\
             national = {}\n\
             \n\
             [intake]\n\
             # The label of objects that do not state their own. Nobody but this member may have\n\
             # them until a REL set says otherwise, such as \"TLP:GREEN//REL KZ,KG\".\n\
             label = \"TLP:AMBER\"\n",
            quote(code),
            quote(name),
            quote(domain),
            quote(&format!("https://{members}")),
            quote(members),
            quote(national),
        )
    }
}

/// `manual` or `auto`.
pub(crate) fn mode_word(mode: &ReleaseMode) -> &'static str {
    match mode {
        ReleaseMode::Manual => "manual",
        ReleaseMode::Auto { .. } => "auto",
    }
}

/// `TLP:GREEN` and so on.
pub(crate) fn tlp_word(tlp: Tlp) -> &'static str {
    match tlp {
        Tlp::Clear => "TLP:CLEAR",
        Tlp::Green => "TLP:GREEN",
        Tlp::Amber => "TLP:AMBER",
        Tlp::AmberStrict => "TLP:AMBER+STRICT",
        Tlp::Red => "TLP:RED",
    }
}

pub(crate) fn tlp_of(word: &str) -> Option<Tlp> {
    [
        Tlp::Clear,
        Tlp::Green,
        Tlp::Amber,
        Tlp::AmberStrict,
        Tlp::Red,
    ]
    .into_iter()
    .find(|tlp| tlp_word(*tlp) == word)
}

fn wrong(key: impl Into<String>, why: impl Into<String>) -> NodeError {
    NodeError::Config {
        place: format!("{CONFIG_FILE}, {}", key.into()),
        why: why.into(),
    }
}

impl Raw {
    fn check(self, data: &Path) -> Result<Config, NodeError> {
        let code_ok = (2..=16).contains(&self.member.code.len())
            && self
                .member
                .code
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        if !code_ok {
            return Err(wrong(
                "member.code",
                "must be 2 to 16 of A-Z, 0-9 and -, such as \"KZ\"",
            ));
        }
        let domain = &self.member.domain;
        let domain_ok = !domain.is_empty()
            && domain.len() <= ::policy::DOMAIN_CHARS_MAX
            && domain.split('.').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            });
        if !domain_ok {
            return Err(wrong(
                "member.domain",
                "must be a DNS name in lower case, such as \"kz.example\"",
            ));
        }
        if self.member.name.is_empty()
            || self.member.name.chars().count() > ::policy::TITLE_CHARS_MAX
        {
            return Err(wrong(
                "member.name",
                format!("must have 1 to {} characters", ::policy::TITLE_CHARS_MAX),
            ));
        }
        let address = |key: &str, text: &str| {
            text.parse::<SocketAddr>().map_err(|_| {
                wrong(
                    key,
                    format!("{text:?} is not an address and port, such as \"127.0.0.1:8440\""),
                )
            })
        };
        let listen_members = address("listen.members", &self.listen.members)?;
        let listen_national = address("listen.national", &self.listen.national)?;
        let url = self
            .member
            .url
            .unwrap_or_else(|| format!("https://{domain}:{}", listen_members.port()));
        if !url.starts_with("https://") {
            return Err(wrong("member.url", "must be https://host:port"));
        }
        let intake_label = Label::parse(&self.intake.label).map_err(|error| {
            wrong(
                "intake.label",
                format!("{:?} is not a label: {error}", self.intake.label),
            )
        })?;
        if !(1..=86_400).contains(&self.limits.poll_secs) {
            return Err(wrong("limits.poll_secs", "must be 1 to 86400"));
        }
        if !(1..=86_400).contains(&self.limits.witness_secs) {
            return Err(wrong("limits.witness_secs", "must be 1 to 86400"));
        }
        if !(1_024..=ADD_BODY_BYTES_MAX).contains(&self.limits.add_bytes) {
            return Err(wrong(
                "limits.add_bytes",
                format!("must be 1024 to {ADD_BODY_BYTES_MAX}"),
            ));
        }
        let mut release = Vec::with_capacity(self.release.len());
        for (index, rule) in self.release.into_iter().enumerate() {
            let rule = rule.check(index)?;
            if release.iter().any(|held: &ChannelMode| {
                held.accord == rule.accord && held.channel == rule.channel
            }) {
                return Err(wrong(
                    format!("release {}", index + 1),
                    format!("{}/{} has a rule already", rule.accord, rule.channel),
                ));
            }
            release.push(rule);
        }
        let people = self.people.check(data, self.national_tls.is_some())?;
        let policy = self.policy.check()?;
        Ok(Config {
            people,
            policy,
            feeds: self.feeds,
            code: self.member.code,
            name: self.member.name,
            domain: self.member.domain,
            url,
            listen_members,
            listen_national,
            national_tls: self.national_tls.map(|tls| TlsFiles {
                certificate: data.join(tls.certificate),
                key: data.join(tls.key),
            }),
            intake_label,
            intake_validation: self.intake.validation,
            release,
            keys: data.join(self.keys.folder),
            log_format: self.log.format,
            limits: self.limits,
            data: data.to_owned(),
        })
    }
}

impl RawRelease {
    fn check(self, index: usize) -> Result<ChannelMode, NodeError> {
        let place = |key: &str| {
            format!(
                "release {} ({}/{}), {key}",
                index + 1,
                self.accord,
                self.channel
            )
        };
        let mode = match (self.mode, &self.kinds, &self.ceiling) {
            (RawMode::Manual, None, None) => ReleaseMode::Manual,
            (RawMode::Manual, _, _) => {
                return Err(wrong(
                    place("mode"),
                    "`kinds` and `ceiling` belong to mode \"auto\"",
                ));
            }
            // Automation never guesses how far it may go: both bounds must be written down.
            (RawMode::Auto, None, _) => {
                return Err(wrong(
                    place("kinds"),
                    "must be \"any\" or a list of STIX types",
                ));
            }
            (RawMode::Auto, _, None) => {
                return Err(wrong(
                    place("ceiling"),
                    "must be a TLP level, such as \"TLP:GREEN\"",
                ));
            }
            (RawMode::Auto, Some(kinds), Some(ceiling)) => ReleaseMode::Auto {
                kinds: match kinds {
                    RawKinds::Any(word) if word == "any" => Kinds::Any,
                    RawKinds::Any(_) => {
                        return Err(wrong(
                            place("kinds"),
                            "must be \"any\" or a list of STIX types",
                        ));
                    }
                    RawKinds::Only(list) => {
                        Kinds::Only(list.iter().cloned().collect::<BTreeSet<_>>())
                    }
                },
                ceiling: tlp_of(ceiling).ok_or_else(|| {
                    wrong(
                        place("ceiling"),
                        "must be TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED",
                    )
                })?,
            },
        };
        Ok(ChannelMode {
            accord: self.accord,
            channel: self.channel,
            mode,
        })
    }
}

mod explain;
mod feeds;
mod network;
mod people;
mod policy;

#[cfg(test)]
mod tests;
