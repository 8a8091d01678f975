//! The HTTP client that talks to outside servers: bounded, timed, and careful with credentials.
//!
//! What proves this node goes to the origin that the operator named, and nowhere else: a redirection
//! or an API root elsewhere is followed without it, and never from HTTPS to HTTP. Addresses of this
//! machine and of its link are refused unless the operator allows them, also when a name turns out
//! to be one: an outside server must not make this node speak to what only this machine can reach.

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::{Host, Url};

use super::address::{self, Resolver};
use super::limits::{
    ANSWER_SECS_MAX, CONNECT_SECS_MAX, IDLE_SECS_MAX, REDIRECTS_MAX, RETRY_AFTER_SECS_MAX,
    SAID_BYTES_MAX, SMALL_BYTES_MAX,
};
use super::said;
use super::state::Failure;
use crate::outbound;

/// Where the system keeps the certificates of the authorities that it trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What proves this node to the server.
#[derive(Clone)]
pub(super) enum Proof {
    None,
    Basic { user: String, password: String },
    Bearer(String),
}

/// A client for one feed.
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    home: Url,
    authorization: Option<HeaderValue>,
    local: bool,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static str,
    pub(super) headers: Vec<(HeaderName, &'a str)>,
    pub(super) body: Option<(&'static str, Bytes)>,
    /// Bytes of the body, as sent and again when unpacked.
    pub(super) most: usize,
}

impl Ask<'_> {
    /// A GET.
    pub(super) fn get(url: Url, accept: &'static str, most: usize) -> Ask<'static> {
        Ask {
            method: Method::GET,
            url,
            accept,
            headers: Vec::new(),
            body: None,
            most,
        }
    }
}

/// An answer with a status of success, or 304.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without its parameters, in lower case.
    pub(super) fn kind(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The URL, or where it leads, cannot or may not be asked.
    Address(String),
    /// No connection.
    Connect(String),
    /// It took too long.
    Slow(String),
    /// The body is too large, as sent or when unpacked.
    Large(usize),
    /// The body broke off or cannot be unpacked.
    Broken(String),
    /// The server refused or failed.
    Status {
        status: StatusCode,
        said: String,
        retry_after: Option<u64>,
    },
}

impl Client {
    /// A client for the server of `home`. Reads the authorities' certificates.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn new(
        home: &Url,
        proof: Proof,
        authorities: Option<&Path>,
        local: bool,
    ) -> Result<Client, FetchError> {
        let wrong = FetchError::Address;
        let authorization = match proof {
            Proof::None => None,
            Proof::Basic { user, password } => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{password}"))
            )),
            Proof::Bearer(token) => Some(format!("Bearer {token}")),
        };
        let authorization = authorization
            .map(|text| HeaderValue::from_str(&text))
            .transpose()
            .map_err(|_| wrong("the secret has characters that no header can carry".into()))?;
        let encrypted = home.scheme() == "https";
        let file = authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
        let tls = outbound::tls(encrypted.then_some(file)).map_err(|why| {
            wrong(format!(
                "{why}; name the authorities' certificates with --authorities"
            ))
        })?;
        let mut http = HttpConnector::new_with_resolver(Resolver::new(local));
        http.enforce_http(false);
        http.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECS_MAX)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Client {
            pool: Pool::builder(TokioExecutor::new())
                .pool_max_idle_per_host(1)
                .build(connector),
            home: home.clone(),
            authorization,
            local,
        })
    }

    /// Asks, and follows redirections of what changes nothing.
    ///
    /// # Errors
    /// Why there is no answer, or why the answer is no success.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, FetchError> {
        let limit = Duration::from_secs(ANSWER_SECS_MAX);
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        tokio::time::timeout(limit, self.follow(ask))
            .await
            .unwrap_or_else(|_| {
                Err(FetchError::Slow(format!(
                    "{host} did not finish its answer in {ANSWER_SECS_MAX} s"
                )))
            })
    }

    async fn follow(&self, ask: Ask<'_>) -> Result<Answer, FetchError> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.once(&ask, &url).await?;
            if !answer.status.is_redirection() || answer.status == StatusCode::NOT_MODIFIED {
                return Ok(answer);
            }
            if ask.method != Method::GET {
                return Err(FetchError::Address(format!(
                    "the server wants to be written to elsewhere ({}); add the feed with the URL that it means",
                    said(answer.header("location").unwrap_or("nowhere"))
                )));
            }
            let to = answer.header("location").unwrap_or_default();
            let next = url.join(to).map_err(|_| {
                FetchError::Address(format!("{} redirects to no URL", said(url.as_str())))
            })?;
            url = next;
        }
        Err(FetchError::Address(format!(
            "the server redirects more than {REDIRECTS_MAX} times"
        )))
    }

    async fn once(&self, ask: &Ask<'_>, url: &Url) -> Result<Answer, FetchError> {
        allowed(url, self.local).map_err(FetchError::Address)?;
        // Nor where the server's own documents name another address.
        if self.home.scheme() == "https" && url.scheme() != "https" {
            return Err(FetchError::Address(format!(
                "{} is not encrypted, and the feed's own URL is; that is not followed",
                said(url.as_str())
            )));
        }
        if ask.method != Method::GET && url.origin() != self.home.origin() {
            return Err(FetchError::Address(format!(
                "the collection is at {}, another server than the feed's; add it with that address",
                said(url.as_str())
            )));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(url.as_str())
            .header(header::ACCEPT, ask.accept)
            .header(
                header::USER_AGENT,
                concat!("kurultai/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &ask.headers {
            request = request.header(name, *value);
        }
        if let Some(proof) = &self.authorization
            && url.origin() == self.home.origin()
        {
            request = request.header(header::AUTHORIZATION, proof.clone());
        }
        let body = match &ask.body {
            Some((kind, bytes)) => {
                request = request.header(header::CONTENT_TYPE, *kind);
                bytes.clone()
            }
            None => Bytes::new(),
        };
        let request = request
            .body(Full::new(body))
            .map_err(|error| FetchError::Address(format!("{host} cannot be asked: {error}")))?;
        let wait = Duration::from_secs(IDLE_SECS_MAX.max(CONNECT_SECS_MAX));
        let response = tokio::time::timeout(wait * 2, self.pool.request(request))
            .await
            .map_err(|_| {
                FetchError::Slow(format!("{host} did not answer in {} s", wait.as_secs() * 2))
            })?
            .map_err(|error| FetchError::Connect(format!("{host}: {}", causes(&error))))?;
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let passes = status.is_success() || status.is_redirection();
        let most = if passes {
            ask.most
        } else {
            SMALL_BYTES_MAX.min(ask.most)
        };
        let bytes = match read(body, most, &host).await {
            Ok(bytes) => unpack(&headers, bytes, most)?,
            Err(error) if passes => return Err(error),
            // The status says enough.
            Err(_) => Vec::new(),
        };
        if passes {
            return Ok(Answer {
                status,
                headers,
                body: bytes,
            });
        }
        Err(FetchError::Status {
            status,
            said: explanation(&bytes),
            retry_after: headers
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(|secs: u64| secs.min(RETRY_AFTER_SECS_MAX)),
        })
    }
}

async fn read(
    mut body: hyper::body::Incoming,
    most: usize,
    host: &str,
) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(IDLE_SECS_MAX), body.frame())
            .await
            .map_err(|_| {
                FetchError::Slow(format!("{host} stopped sending for {IDLE_SECS_MAX} s"))
            })?;
        let Some(frame) = frame else {
            return Ok(bytes);
        };
        let frame =
            frame.map_err(|error| FetchError::Broken(format!("{host}: {}", causes(&error))))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(FetchError::Large(most));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

fn unpack(headers: &HeaderMap, bytes: Vec<u8>, most: usize) -> Result<Vec<u8>, FetchError> {
    let coding = headers.get(header::CONTENT_ENCODING);
    match coding.map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase()) {
        None => Ok(bytes),
        Some(coding) => match coding.as_str() {
            "identity" | "" => Ok(bytes),
            "gzip" | "x-gzip" => bounded(flate2::read::MultiGzDecoder::new(&*bytes), most),
            "zstd" => bounded(
                zstd::stream::read::Decoder::new(&*bytes)
                    .map_err(|error| FetchError::Broken(error.to_string()))?,
                most,
            ),
            other => Err(FetchError::Broken(format!(
                "the body is packed in a way that was not asked for ({})",
                said(other)
            ))),
        },
    }
}

/// Unpacks at most so many bytes.
///
/// # Errors
/// When there are more, or what is packed is damaged.
pub(super) fn bounded(packed: impl Read, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut plain = Vec::new();
    packed
        .take(most as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| FetchError::Broken(format!("it cannot be unpacked: {error}")))?;
    if plain.len() > most {
        return Err(FetchError::Large(most));
    }
    Ok(plain)
}

/// Whether a URL may be asked: HTTP or HTTPS, a host, no credentials in it, not this machine's own
/// unless that is allowed.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn allowed(url: &Url, local: bool) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is neither HTTP nor HTTPS", said(url.as_str())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "the URL has credentials in it; put the secret into a file and name that".into(),
        );
    }
    let address = match url.host() {
        None | Some(Host::Domain("")) => {
            return Err(format!("{} names no host", said(url.as_str())));
        }
        Some(Host::Domain(name)) => {
            let own = name == "localhost" || name.ends_with(".localhost");
            return match own && !local {
                true => Err(address::Forbidden::Own.of(name)),
                false => Ok(()),
            };
        }
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
    };
    address::allowed(address, local).map_err(|why| why.of(&address.to_string()))
}

/// What a server says about its refusal: the title and description of a TAXII error, if it is one.
fn explanation(body: &[u8]) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Said {
        title: Option<String>,
        description: Option<String>,
    }
    let Ok(words) = serde_json::from_slice::<Said>(body) else {
        return String::new();
    };
    let words: Vec<String> = [words.title, words.description]
        .into_iter()
        .flatten()
        .collect();
    said(&words.join(": "))
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        if text.len() < SAID_BYTES_MAX {
            text = format!("{text}: {next}");
        }
        cause = next.source();
    }
    said(&text)
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        Failure {
            why: error.to_string(),
            retry_after: match error {
                FetchError::Status { retry_after, .. } => retry_after,
                _ => None,
            },
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Address(why) => f.write_str(why),
            FetchError::Connect(why) => write!(
                f,
                "no answer from {why}; check the URL, the network and the certificates"
            ),
            FetchError::Slow(why) => write!(f, "{why}; check the network and the server"),
            FetchError::Large(most) => write!(
                f,
                "the answer is larger than {most} bytes; ask for less or split it"
            ),
            FetchError::Broken(why) => write!(f, "the answer is damaged: {why}"),
            FetchError::Status { status, said, .. } => {
                write!(f, "the server answered {status}")?;
                if !said.is_empty() {
                    write!(f, " ({said})")?;
                }
                f.write_str(match *status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        "; check the user, the secret and its rights there"
                    }
                    StatusCode::NOT_FOUND => "; check the URL and the collection",
                    StatusCode::TOO_MANY_REQUESTS => "; it is asked again later",
                    status if status.is_server_error() => "; it is asked again later",
                    _ => "; look at the server's own log",
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_refused_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://169.254.1.1/",
            "http://[fe80::1]/",
            "http://localhost:8441/",
            "http://x.localhost/",
            "http://LOCALHOST/",
        ] {
            let url = Url::parse(text).unwrap();
            assert!(allowed(&url, false).is_err(), "{text}");
            assert!(allowed(&url, true).is_ok(), "{text}");
        }
        for text in [
            "https://taxii.example/",
            "http://10.1.2.3/",
            "https://[2001:db8::1]/",
        ] {
            assert!(allowed(&Url::parse(text).unwrap(), false).is_ok(), "{text}");
        }
        for text in [
            "ftp://x.example/",
            "file:///etc/passwd",
            "https://u:p@x.example/",
        ] {
            assert!(allowed(&Url::parse(text).unwrap(), true).is_err(), "{text}");
        }
    }

    #[test]
    fn unpacking_is_bounded() {
        let packed = zstd::encode_all(&*vec![b'a'; 1 << 20], 3).unwrap();
        let open = || zstd::stream::read::Decoder::new(&*packed).unwrap();
        assert_eq!(bounded(open(), 1 << 20).unwrap().len(), 1 << 20);
        assert!(matches!(
            bounded(open(), 1 << 19),
            Err(FetchError::Large(_))
        ));
        let cut = zstd::stream::read::Decoder::new(&packed[..packed.len() / 2]).unwrap();
        assert!(matches!(bounded(cut, 1 << 20), Err(FetchError::Broken(_))));
    }

    #[test]
    fn what_a_server_says_is_one_short_line() {
        let body = br#"{"title":"No\nwith\u001b[31m colour","description":"and more"}"#;
        assert_eq!(explanation(body), "No with [31m colour: and more");
        assert_eq!(explanation(b"<html>no</html>"), "");
    }
}
