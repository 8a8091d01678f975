//! `[people]` of the configuration: where browsers meet this node and through which proxies, the
//! single sign-on provider, and whose client certificates are accepted.
//!
//! Nothing here makes a user: each name that a provider or a certificate stands for must be one
//! that the operator added. Secrets are named by path and read when they are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::Hash;
use openidconnect::url::Url;
use policy::Duty;
use serde::Deserialize;

use super::{Network, wrong};
use crate::error::NodeError;
use crate::limits::PROXIES_MAX;

/// LIMIT: users or groups that one table of `[people]` may name; more belong into the provider.
const TABLE_ROWS_MAX: usize = 4_096;

/// Where the system keeps the certificates of the authorities that it trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How people reach this node and prove who they are, besides passwords and tokens.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// What browsers have in their address bar, without a path: `https://node.kz.example`.
    pub origin: Option<Url>,
    /// The reverse proxies whose word is taken for where a request comes from (`X-Forwarded-For`).
    pub proxies: Vec<Network>,
    /// The provider of single sign-on.
    pub oidc: Option<Oidc>,
    /// The client certificates that the national listener accepts.
    pub certificates: Option<Certificates>,
}

/// A provider of single sign-on (OpenID Connect Core 1.0, code flow).
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The provider's name, exactly as its tokens state it.
    pub issuer: String,
    /// The name under which the provider knows this node.
    pub client_id: String,
    /// The file with the secret shared with the provider.
    pub client_secret: PathBuf,
    /// The authorities (PEM) that may vouch for the provider's TLS certificate.
    pub authorities: PathBuf,
    /// What is asked of the provider beside `openid`.
    pub scopes: Vec<String>,
    /// The claim of the ID token that says who it is.
    pub user_claim: String,
    /// The user that a claim's value stands for; empty: the value is the user's name itself.
    pub users: BTreeMap<String, String>,
    /// The claim of the ID token that lists groups.
    pub group_claim: String,
    /// The duties that a group adds to what the operator gave the user.
    pub duties: BTreeMap<String, BTreeSet<Duty>>,
}

/// Client certificates of people and tools on the national listener.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authorities (PEM) that issue them.
    pub authorities: PathBuf,
    /// Their revocation lists (PEM), if they publish any.
    pub revoked: Option<PathBuf>,
    /// Which user each certificate stands for.
    pub users: BTreeMap<CertificateName, String>,
}

/// How the configuration names a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateName {
    /// SHA-256 of its public key (DER SubjectPublicKeyInfo).
    Key(Hash),
    /// Its subject, as RFC 4514 writes it: `CN=Anna,O=Ministry,C=KZ`.
    Subject(String),
}

impl People {
    /// The section in lines of (key, value, what it means).
    pub(super) fn explain(&self) -> Vec<(String, String, String)> {
        let line = |key: &str, value: String, means: String| (key.to_owned(), value, means);
        let mut lines = vec![match &self.origin {
            Some(origin) => line(
                "people.origin",
                origin.origin().ascii_serialization(),
                "what browsers have in their address bar; passkeys are tied to its host".into(),
            ),
            None => line(
                "people.origin",
                "none".into(),
                "no passkeys and no single sign-on until it is set".into(),
            ),
        }];
        if !self.proxies.is_empty() {
            let named: Vec<String> = self.proxies.iter().map(Network::to_string).collect();
            lines.push(line(
                "people.proxies",
                named.join(", "),
                "proxies that say where a request comes from; nobody else is believed".into(),
            ));
        }
        if let Some(oidc) = &self.oidc {
            lines.push(line(
                "people.oidc.issuer",
                oidc.issuer.clone(),
                format!(
                    "says who it is by the claim {}; {} groups add duties",
                    oidc.user_claim,
                    oidc.duties.len()
                ),
            ));
        }
        if let Some(certificates) = &self.certificates {
            lines.push(line(
                "people.certificates",
                certificates.authorities.display().to_string(),
                format!(
                    "client certificates of {} users{}",
                    certificates.users.len(),
                    if certificates.revoked.is_some() {
                        ""
                    } else {
                        "; NO REVOCATION LIST: set revoked"
                    }
                ),
            ));
        }
        lines
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPeople {
    origin: Option<String>,
    proxies: Vec<String>,
    oidc: Option<RawOidc>,
    certificates: Option<RawCertificates>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOidc {
    issuer: String,
    client_id: String,
    client_secret: PathBuf,
    authorities: Option<PathBuf>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default = "preferred_username")]
    user_claim: String,
    #[serde(default)]
    users: BTreeMap<String, String>,
    #[serde(default = "groups")]
    group_claim: String,
    #[serde(default)]
    duties: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificates {
    authorities: PathBuf,
    revoked: Option<PathBuf>,
    users: BTreeMap<String, String>,
}

fn preferred_username() -> String {
    "preferred_username".into()
}

fn groups() -> String {
    "groups".into()
}

impl RawPeople {
    /// The section with every path under `data`; `tls` says whether the national listener has TLS.
    pub(super) fn check(self, data: &Path, tls: bool) -> Result<People, NodeError> {
        let origin = self.origin.as_deref().map(origin).transpose()?;
        let oidc = self.oidc.map(|raw| raw.check(data)).transpose()?;
        if oidc.is_some() && origin.is_none() {
            return Err(wrong(
                "people.origin",
                "is needed with [people.oidc]: the provider sends browsers back there",
            ));
        }
        if self.certificates.is_some() && !tls {
            return Err(wrong(
                "people.certificates",
                "needs [national_tls]: a client certificate is shown in a TLS handshake",
            ));
        }
        if self.proxies.len() > PROXIES_MAX {
            return Err(wrong(
                "people.proxies",
                format!(
                    "has {} entries; at most {PROXIES_MAX} are read",
                    self.proxies.len()
                ),
            ));
        }
        let proxies = self.proxies.iter().map(|text| text.parse::<Network>());
        let proxies = proxies
            .collect::<Result<_, _>>()
            .map_err(|why| wrong("people.proxies", why))?;
        Ok(People {
            origin,
            proxies,
            oidc,
            certificates: self.certificates.map(|raw| raw.check(data)).transpose()?,
        })
    }
}

/// An address without a path; plain HTTP only where no network is crossed.
fn origin(text: &str) -> Result<Url, NodeError> {
    let bad = || {
        wrong(
            "people.origin",
            format!(
                "{text:?} must be what browsers have in their address bar, without a path, such as \
                 \"https://node.kz.example\" (plain http only for localhost)"
            ),
        )
    };
    let url = address(text).ok_or_else(bad)?;
    if url.path() != "/" || text.ends_with('/') {
        return Err(bad());
    }
    Ok(url)
}

/// An http(s) URL with nothing but a host, port and path, encrypted unless on this machine.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
    let plain = url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && local);
    (plain && nobody && safe).then_some(url)
}

impl RawOidc {
    fn check(self, data: &Path) -> Result<Oidc, NodeError> {
        if address(&self.issuer).is_none() {
            return Err(wrong(
                "people.oidc.issuer",
                format!(
                    "{:?} must be an https URL without query (plain http only for localhost)",
                    self.issuer
                ),
            ));
        }
        if self.client_id.is_empty() {
            return Err(wrong("people.oidc.client_id", "must not be empty"));
        }
        rows("people.oidc.users", self.users.len())?;
        rows("people.oidc.duties", self.duties.len())?;
        let mut duties = BTreeMap::new();
        for (group, words) in self.duties {
            let of = words
                .iter()
                .map(|word| {
                    word.parse::<Duty>().map_err(|_| {
                        wrong(
                            format!("people.oidc.duties, {group:?}"),
                            format!(
                                "{word:?} is not a duty; there are analyst, releaser, approver, \
                                 desk-officer, operator and auditor"
                            ),
                        )
                    })
                })
                .collect::<Result<BTreeSet<Duty>, _>>()?;
            duties.insert(group, of);
        }
        Ok(Oidc {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: data.join(self.client_secret),
            authorities: data.join(
                self.authorities
                    .unwrap_or_else(|| SYSTEM_AUTHORITIES.into()),
            ),
            scopes: self.scopes,
            user_claim: self.user_claim,
            users: self.users,
            group_claim: self.group_claim,
            duties,
        })
    }
}

impl RawCertificates {
    fn check(self, data: &Path) -> Result<Certificates, NodeError> {
        rows("people.certificates.users", self.users.len())?;
        let mut users = BTreeMap::new();
        for (name, user) in self.users {
            let named = match name.strip_prefix("sha256:") {
                Some(hex) => CertificateName::Key(hex.parse::<Hash>().map_err(|_| {
                    wrong(
                        format!("people.certificates.users, {name:?}"),
                        "must be sha256: and the 64 hex digits of the key's SHA-256",
                    )
                })?),
                None => CertificateName::Subject(name),
            };
            users.insert(named, user);
        }
        Ok(Certificates {
            authorities: data.join(self.authorities),
            revoked: self.revoked.map(|path| data.join(path)),
            users,
        })
    }
}

fn rows(table: &str, len: usize) -> Result<(), NodeError> {
    if len > TABLE_ROWS_MAX {
        return Err(wrong(
            table,
            format!("has {len} rows; at most {TABLE_ROWS_MAX} are read"),
        ));
    }
    Ok(())
}
