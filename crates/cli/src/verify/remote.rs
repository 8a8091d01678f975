//! A log on a member's server, as a source for the check.
//!
//! Members talk to each other over TLS pinned by their accord, so the own node's identity opens the
//! connection and the accord says which key the other side must prove. A plain `http://` URL is for
//! static mirrors: what is read is checked all the same.

use std::path::Path;

use log::tile::{Kind, TilePath};
use node::Config;
use node::keys::Keys;
use sync::FetchError;
use sync::https::Peer;

use super::ring::Ring;
use super::source::Source;
use crate::exit::Failure;
use crate::http::Http;

/// LIMIT: bytes of one resource: a full body bundle of large objects.
const RESOURCE_BYTES_MAX: usize = 64 << 20;

/// A log behind a URL.
pub(crate) struct Remote {
    url: String,
    way: Way,
}

enum Way {
    /// The peer and the path of the log, with a slash at its end.
    Pinned(Box<Peer>, String),
    /// Host and port, the path, and the connection once there is one.
    Plain(String, String, Option<Http>),
}

impl Remote {
    /// The log at `url`; `data` is the own node's folder and `ring` holds the accord.
    pub(crate) fn open(url: &str, data: &Path, ring: &Ring) -> Result<Remote, Failure> {
        let trimmed = url.trim_end_matches('/');
        let (scheme, rest) = trimmed.split_once("://").unwrap_or(("", trimmed));
        let (authority, path) = rest.split_once('/').ok_or_else(|| {
            Failure::usage(format!(
                "{url} names no log; write https://host:port/log/ACCORD/CHANNEL"
            ))
        })?;
        let path = format!("/{path}/");
        let way = if scheme == "http" {
            Way::Plain(authority.to_owned(), path, None)
        } else {
            let base = format!("https://{authority}");
            let pin = ring
                .accords()
                .iter()
                .flat_map(|signed| &signed.accord().members)
                .find(|member| member.url == base)
                .map(|member| member.tls)
                .ok_or_else(|| {
                    Failure::usage(format!("no accord names {base} as a member's address; name the accord with --accord"))
                })?;
            let config = Config::load(data).map_err(Failure::usage)?;
            if config.url == base {
                return Err(Failure::usage(format!(
                    "{base} is this node's own address; `kurultai verify {}` checks its logs",
                    data.display()
                )));
            }
            let keys = Keys::load(&config).map_err(Failure::unavailable)?;
            let peer = Peer::new(keys.tls(), &base, pin).map_err(Failure::unavailable)?;
            Way::Pinned(Box::new(peer), path)
        };
        Ok(Remote {
            url: url.to_owned(),
            way,
        })
    }
}

impl Source for Remote {
    fn place(&self) -> String {
        self.url.clone()
    }

    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        match &mut self.way {
            Way::Pinned(peer, path) => {
                match peer.get(&format!("{path}{name}"), RESOURCE_BYTES_MAX).await {
                    Ok(bytes) => Ok(Some(bytes.to_vec())),
                    Err(FetchError::NotFound) => Ok(None),
                    Err(error) => Err(Failure::unavailable(error)),
                }
            }
            Way::Plain(authority, path, connection) => {
                let http = match connection {
                    Some(http) => http,
                    None => connection.insert(Http::tcp(authority).await?),
                };
                let answer = http.get(&format!("{path}{name}"), "*/*").await?;
                match answer.status.as_u16() {
                    200 => Ok(Some(answer.body.to_vec())),
                    404 | 410 => Ok(None),
                    status => Err(Failure::unavailable(format!(
                        "{authority} answered {status} for {name}; look at its log"
                    ))),
                }
            }
        }
    }

    fn widths(&self, kind: Kind, index: u64, size: u64) -> Vec<u16> {
        TilePath::at(kind, index, size)
            .map(|path| path.width)
            .into_iter()
            .collect()
    }

    fn strays(&self, _size: u64) -> Vec<String> {
        Vec::new()
    }
}
