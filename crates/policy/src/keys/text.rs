//! The text of a key statement: strict TOML, written one way.

use std::fmt::Write as _;

use log::Hash;
use log::note::VerifierKey;
use model::Timestamp;
use serde::Deserialize;

use super::{Fate, Former, KeyRole, KeyStatement, KeysError, NodeKey, NodeKeys, Stand, form};
use crate::limits::KEY_STATEMENT_BYTES_MAX;
use crate::text::{hex, quoted, unhex};

/// What the first line of every key statement says.
pub const KEYS_FORMAT: &str = "kurultai-keys/1";

pub(super) fn write(statement: &KeyStatement) -> String {
    let mut out = String::new();
    let mut put = |key: &str, value: String| {
        // A String takes any text; the Result is only the trait's.
        let _ = writeln!(out, "{key} = {value}");
    };
    put("format", quoted(KEYS_FORMAT));
    put("member", quoted(&statement.member));
    put("domain", quoted(&statement.domain));
    put("serial", statement.serial.to_string());
    put("at", quoted(&statement.at.to_string()));
    for role in KeyRole::ALL {
        if let Some(key) = statement.keys.key(role) {
            put(role.word(), quoted(&key_text(&key)));
        }
    }
    for former in &statement.former {
        out.push_str("\n[[former]]\n");
        let mut put = |key: &str, value: &str| {
            let _ = writeln!(out, "{key} = {}", quoted(value));
        };
        put("role", former.key.role().word());
        put("key", &key_text(&former.key));
        put("since", &former.since.to_string());
        match &former.fate {
            Fate::Retired => put("state", "retired"),
            Fate::Revoked { reason } => {
                put("state", "revoked");
                put("reason", reason);
            }
        }
    }
    for stand in &statement.stands {
        let (log, root) = (quoted(&stand.log), quoted(&stand.root.to_base64()));
        let _ = write!(
            out,
            "\n[[stand]]\nlog = {log}\nsize = {}\nroot = {root}\n",
            stand.size
        );
    }
    out
}

pub(super) fn parse(text: &str) -> Result<KeyStatement, KeysError> {
    if text.len() > KEY_STATEMENT_BYTES_MAX {
        return Err(KeysError::TooLarge { bytes: text.len() });
    }
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return Err(form("it has a control character other than a line end"));
    }
    let raw: Raw =
        toml::from_str(text).map_err(|error| form(&error.message().replace('\n', " ")))?;
    if raw.format != KEYS_FORMAT {
        return Err(form("it is of another format"));
    }
    let log_pq = raw.log_pq.as_deref().map(vkey).transpose()?;
    Ok(KeyStatement {
        at: time(&raw.at)?,
        keys: NodeKeys {
            log: vkey(&raw.log)?,
            log_pq,
            witness: vkey(&raw.witness)?,
            tls: pin(&raw.tls)?,
        },
        former: raw
            .former
            .into_iter()
            .map(RawFormer::into_former)
            .collect::<Result<_, _>>()?,
        stands: raw
            .stand
            .into_iter()
            .map(|stand| {
                Ok(Stand {
                    root: Hash::from_base64(&stand.root)
                        .ok_or_else(|| form("a root is the base64 of 32 bytes"))?,
                    log: stand.log,
                    size: stand.size,
                })
            })
            .collect::<Result<_, KeysError>>()?,
        member: raw.member,
        domain: raw.domain,
        serial: raw.serial,
    })
}

fn key_text(key: &NodeKey) -> String {
    match key {
        NodeKey::Signs(_, key) => key.to_string(),
        NodeKey::Tls(pin) => hex(pin),
    }
}

fn vkey(text: &str) -> Result<VerifierKey, KeysError> {
    VerifierKey::parse(text).map_err(|error| form(&error.to_string()))
}

fn pin(text: &str) -> Result<[u8; 32], KeysError> {
    unhex(text, "tls").map_err(|error| form(&error.to_string()))
}

fn time(text: &str) -> Result<Timestamp, KeysError> {
    Timestamp::parse(text).map_err(|error| form(&error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    member: String,
    domain: String,
    serial: u64,
    at: String,
    log: String,
    log_pq: Option<String>,
    witness: String,
    tls: String,
    #[serde(default)]
    former: Vec<RawFormer>,
    #[serde(default)]
    stand: Vec<RawStand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFormer {
    role: String,
    key: String,
    since: String,
    state: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStand {
    log: String,
    size: u64,
    root: String,
}

impl RawFormer {
    fn into_former(self) -> Result<Former, KeysError> {
        let role = KeyRole::ALL
            .into_iter()
            .find(|role| role.word() == self.role)
            .ok_or_else(|| form("a role is \"log\", \"log_pq\", \"witness\" or \"tls\""))?;
        Ok(Former {
            key: match role {
                KeyRole::Tls => NodeKey::Tls(pin(&self.key)?),
                _ => NodeKey::Signs(role, vkey(&self.key)?),
            },
            since: time(&self.since)?,
            fate: match (self.state.as_str(), self.reason) {
                ("retired", None) => Fate::Retired,
                ("revoked", Some(reason)) => Fate::Revoked { reason },
                _ => {
                    return Err(form(
                        "a former key is \"retired\", or \"revoked\" with a reason",
                    ));
                }
            },
        })
    }
}
