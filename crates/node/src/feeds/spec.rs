//! Whether a feed can be what somebody wants it to be, and what it needs to begin.
//!
//! Secrets are files in `secrets/` of the data folder and nowhere else: whoever may add a feed names
//! a file and a server, and must not be able to send one of the node's keys away by that.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use model::Label;
use url::Url;

use super::fetch::{self, Client, Proof};
use super::limits::{EVERY_SECS, NAME_CHARS_MAX, SECRET_BYTES_MAX};
use super::mapping::Mapping;
use super::open;
use super::state::Failure;
use crate::admin::types::{FeedAccess, FeedSource, FeedSpec};
use crate::error::NodeError;
use crate::node::Node;

/// The folder of feeds' secrets in the data folder.
pub(crate) const SECRETS: &str = "secrets";

impl FeedSource {
    /// Whether it takes something out of the node.
    pub(crate) fn pushes(&self) -> bool {
        matches!(self, FeedSource::TaxiiPush { .. })
    }

    /// The URL, if it speaks to a server.
    fn url(&self) -> Option<&str> {
        match self {
            FeedSource::Taxii { url, .. }
            | FeedSource::HttpJson { url, .. }
            | FeedSource::TaxiiPush { url, .. } => Some(url),
            FeedSource::Csv { url, .. } => url.as_deref(),
            FeedSource::File { .. } => None,
        }
    }

    fn access(&self) -> Option<&FeedAccess> {
        match self {
            FeedSource::Taxii { access, .. }
            | FeedSource::HttpJson { access, .. }
            | FeedSource::TaxiiPush { access, .. }
            | FeedSource::Csv { access, .. } => Some(access),
            FeedSource::File { .. } => None,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            FeedSource::File { path } => Some(path),
            FeedSource::Csv { path, .. } => path.as_deref(),
            _ => None,
        }
    }
}

/// Checks a specification against this node.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(super) fn check(node: &Node, spec: &FeedSpec) -> Result<(), NodeError> {
    let wrong = |pointer: &str, why: String| NodeError::Request {
        why,
        pointer: Some(pointer.to_owned()),
    };
    let name_fits = (1..=NAME_CHARS_MAX).contains(&spec.name.len())
        && spec
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !name_fits {
        let why = format!("a feed's name is 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -");
        return Err(wrong("/name", why));
    }
    if !EVERY_SECS.contains(&spec.every_secs) {
        let (least, most) = (EVERY_SECS.start(), EVERY_SECS.end());
        let why = format!("the interval is {least} to {most} seconds");
        return Err(wrong("/every_secs", why));
    }
    if let Some(label) = &spec.label {
        if spec.source.pushes() {
            let why = "what is pushed has its label already; a feed that pushes has none".into();
            return Err(wrong("/label", why));
        }
        Label::parse(label)
            .map_err(|error| wrong("/label", format!("{label:?} is not a label: {error}")))?;
    }
    if let Some(url) = spec.source.url() {
        let url = parse_url(url).map_err(|why| wrong("/source/url", why))?;
        let local = node.config().feeds.local;
        fetch::allowed(&url, local).map_err(|why| wrong("/source/url", why))?;
        if spec.source.pushes() && url.scheme() != "https" && !is_here(&url) {
            let why = "what is pushed must not cross a network in the clear; use https".into();
            return Err(wrong("/source/url", why));
        }
        if let Some(access) = spec.source.access() {
            check_access(node, access, &url).map_err(|why| wrong("/source/access", why))?;
        }
    }
    if let Some(path) = spec.source.path() {
        check_path(node, path).map_err(|why| wrong("/source/path", why))?;
    }
    match &spec.source {
        FeedSource::Csv {
            url, path, mapping, ..
        } => {
            if url.is_some() == path.is_some() {
                let why = "a table is either at a URL or a file; give one of them".into();
                return Err(wrong("/source", why));
            }
            Mapping::parse(mapping).map_err(|why| wrong("/source/mapping", why))?;
        }
        FeedSource::TaxiiPush {
            channel,
            stands_for,
            ..
        } => super::push::check(node, channel, stands_for.as_deref())
            .map_err(|why| wrong("/source/channel", why))?,
        _ => {}
    }
    Ok(())
}

fn parse_url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("{:?} is no URL: {error}", super::said(text)))
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn check_access(node: &Node, access: &FeedAccess, url: &Url) -> Result<(), String> {
    match (&access.user, &access.password, &access.token) {
        (None, None, None) => return Ok(()),
        (Some(user), Some(_), None) if !user.contains(':') => {}
        (None, None, Some(_)) => {}
        (Some(_), Some(_), None) => return Err("a user's name cannot have a colon".into()),
        _ => return Err("give a user with a password file, or a token file, or nothing".into()),
    }
    if url.scheme() != "https" && !is_here(url) {
        return Err("the URL is not encrypted, and a secret must not cross a network in the clear; use https".into());
    }
    proof(node, access).map(drop)
}

/// What proves this node to the server; reads the secret.
fn proof(node: &Node, access: &FeedAccess) -> Result<Proof, String> {
    match (&access.user, &access.password, &access.token) {
        (Some(user), Some(file), _) => Ok(Proof::Basic {
            user: user.clone(),
            password: secret(node, file)?,
        }),
        (_, _, Some(file)) => Ok(Proof::Bearer(secret(node, file)?)),
        _ => Ok(Proof::None),
    }
}

fn secret(node: &Node, name: &str) -> Result<String, String> {
    let folder = node.config().data.join(SECRETS);
    let plain = |path: &Path| {
        let mut parts = path.components();
        matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        )
    };
    if !plain(Path::new(name)) {
        return Err(format!(
            "secrets are files in {}; name one without its folder",
            folder.display()
        ));
    }
    let path = open::real(&folder)
        .map_err(|why| format!("{why}; put the secret there"))?
        .join(name);
    let shown = path.display();
    let file = open::plain(&path).map_err(|why| format!("{shown}: {why}; put the secret there"))?;
    if file.meta.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "{shown} can be read by others than its owner; run `chmod 600` on it"
        ));
    }
    let text = file
        .read(SECRET_BYTES_MAX)
        .map_err(|why| format!("{shown}: {why}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("{shown} is no UTF-8 text"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text.to_owned())
}

/// Files of feeds lie outside the data folder: what is in there is the node's own.
fn check_path(node: &Node, path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("the path must be absolute".into());
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = real(&node.config().data);
    if real(path).starts_with(&own) || own.starts_with(real(path)) {
        return Err("the node's data folder is no feed; put the files elsewhere".into());
    }
    Ok(())
}

/// A client for the feed's server, with its URL.
///
/// # Errors
/// Why there is none; the secret may be gone since the feed was added.
pub(super) fn client(
    node: &Node,
    url: &str,
    access: &FeedAccess,
) -> Result<(Client, Url), Failure> {
    let url = parse_url(url).map_err(Failure::of)?;
    let proof = proof(node, access).map_err(Failure::of)?;
    let local = node.config().feeds.local;
    let client = Client::new(&url, proof, access.authorities.as_deref(), local)?;
    Ok((client, url))
}

/// The path as it may be read now, without any link in it: one may have been put there since.
///
/// # Errors
/// Why it may not.
pub(super) fn readable(node: &Node, path: &Path) -> Result<PathBuf, Failure> {
    let path = open::real(path).map_err(Failure::of)?;
    check_path(node, &path).map_err(Failure::of)?;
    Ok(path)
}
