//! Who is looking at a page: cookies, sessions, and the tokens that forms carry.
//!
//! Two cookies, both unreadable by scripts and not sent from other sites' forms: the session's
//! value, and a random name for the browser, from its first page on. A form's token is a keyed
//! digest of both, so a form made for one browser or session is good in no other, and another site
//! can make none. Requests that change something are also refused when the browser says that they
//! come from elsewhere.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Console, HOME};
use crate::auth::{Caller, Source, secret};
use crate::node::blocking;

/// LIMIT: bytes of the page to go to after signing in, which is remembered meanwhile.
const NEXT_BYTES_MAX: usize = 256;

/// Characters of the browser's cookie: 32 bytes in base64.
const BROWSER_CHARS: usize = 43;

/// What is known of whoever asks for a page.
#[derive(Clone)]
pub(super) struct Visit {
    /// The browser's own name.
    pub(super) browser: String,
    /// The session and whose it is, for somebody who has signed in.
    pub(super) session: Option<(String, Arc<Caller>)>,
    /// Where the request comes from.
    pub(super) source: Source,
    /// Whom the connection's client certificate stands for.
    pub(super) certificate: Option<Arc<Caller>>,
}

/// Anybody who looks at a page.
pub(super) type Guest = axum::Extension<Arc<Visit>>;

/// Somebody who has signed in; others are sent to do so.
pub(super) struct Member {
    pub(super) visit: Arc<Visit>,
    pub(super) caller: Arc<Caller>,
}

impl Visit {
    /// The token that this visitor's forms carry.
    pub(super) fn token(&self, console: &Console) -> String {
        let session = self.session.as_ref().map_or("", |(value, _)| value);
        let parts = [b"form", self.browser.as_bytes(), session.as_bytes()];
        secret::encode(&secret::mac(&console.key, &parts))
    }

    /// Goes on only with this visitor's own token.
    pub(super) fn check(&self, console: &Console, token: &str) -> Result<(), Stale> {
        if secret::same(self.token(console).as_bytes(), token.as_bytes()) {
            Ok(())
        } else {
            Err(Stale)
        }
    }
}

/// A form whose token is not this visitor's.
#[derive(Debug)]
pub(super) struct Stale;

impl IntoResponse for Stale {
    fn into_response(self) -> Response {
        let text = "This page is too old, or was not made for this browser: go back, load it again \
                    and try once more.\n";
        (StatusCode::FORBIDDEN, text).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Member {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Member, Response> {
        let visit = parts.extensions.get::<Arc<Visit>>();
        let visit = visit.ok_or_else(|| Stale.into_response())?;
        match &visit.session {
            Some((_, caller)) => Ok(Member {
                visit: Arc::clone(visit),
                caller: Arc::clone(caller),
            }),
            // Back here afterwards, unless this was a form: what it said is gone.
            None if parts.method == Method::GET => {
                let next = safe(parts.uri.path());
                Err(Redirect::to(&format!("/console/sign-in?next={next}")).into_response())
            }
            None => Err(Redirect::to("/console/sign-in").into_response()),
        }
    }
}

/// Meets whoever asks, before any page.
pub(super) async fn meet(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::GET
        && request.method() != Method::HEAD
        && !from_here(
            request.headers(),
            request.uri().authority().map(|a| a.as_str()),
        )
    {
        return Stale.into_response();
    }
    let browser = cookie(request.headers(), console.browser_cookie());
    let known = browser.filter(|name| {
        name.len() == BROWSER_CHARS
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    let fresh = known.is_none();
    let browser = known.map_or_else(
        || secret::encode(&secret::random::<32>()),
        ToOwned::to_owned,
    );
    let session = match cookie(request.headers(), console.session_cookie()) {
        Some(value) => {
            let (auth, value) = (Arc::clone(console.node.auth()), value.to_owned());
            blocking(move || auth.session(&value).ok().map(|caller| (value, caller))).await
        }
        None => None,
    };
    let extensions = request.extensions_mut();
    let visit = Visit {
        source: extensions
            .get::<Source>()
            .cloned()
            .unwrap_or_else(Source::local),
        certificate: extensions.get::<Arc<Caller>>().cloned(),
        browser,
        session,
    };
    let set = fresh.then(|| console.set_cookie(console.browser_cookie(), &visit.browser));
    extensions.insert(Arc::new(visit));
    let mut response = next.run(request).await;
    if let Some(set) = set {
        response.headers_mut().append(header::SET_COOKIE, set);
    }
    response
}

impl Console {
    fn browser_cookie(&self) -> &'static str {
        match self.secure {
            true => "__Host-kurultai-browser",
            false => "kurultai-browser",
        }
    }

    fn session_cookie(&self) -> &'static str {
        match self.secure {
            true => "__Host-kurultai-session",
            false => "kurultai-session",
        }
    }

    /// Keeps a session in the browser, until the browser is closed or the session ends.
    pub(super) fn keep(&self, value: &str) -> HeaderValue {
        self.set_cookie(self.session_cookie(), value)
    }

    /// Takes the session out of the browser.
    pub(super) fn drop_session_cookie(&self) -> HeaderValue {
        let name = self.session_cookie();
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    fn set_cookie(&self, name: &str, value: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}");
        // Names and values are of our own making and of plain letters.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A cookie's value, as the browser sends it.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(held, _)| *held == name)
        .map(|(_, value)| value)
}

/// Whether a browser sent this from one of this node's own pages. A client that says nothing is no
/// browser, and has no cookie that somebody else could make use of.
fn from_here(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text("origin") else {
        return true;
    };
    let host = text("host").or(authority);
    let of = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    of.is_some() && of == host
}

/// A page of this console to go to next, or the first one: never another site.
pub(super) fn safe(next: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
    if next.starts_with(HOME)
        && next.len() <= NEXT_BYTES_MAX
        && !next.contains("//")
        && next.bytes().all(plain)
    {
        next
    } else {
        HOME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_console_come_next() {
        for good in ["/console/", "/console/approvals/0a1b-c_d"] {
            assert_eq!(safe(good), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/console/",
            "/console//evil.example",
            "/console/\r\nSet-Cookie: a=b",
            "/console/?next=//evil",
            "/console/..%2f",
            "/console/../taxii2",
            "/console\\evil",
            " /console/",
            "javascript:alert(1)",
        ] {
            assert_eq!(safe(bad), HOME, "{bad}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_told_apart() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            from_here(&headers, None)
        };
        assert!(from(&[]));
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!from(&[("sec-fetch-site", site)]), "{site}");
        }
        let host = ("host", "node.kz.example:8441");
        assert!(from(&[host, ("origin", "https://node.kz.example:8441")]));
        for origin in [
            "null",
            "https://evil.example",
            "https://node.kz.example",
            "ftp://node.kz.example:8441",
            "",
        ] {
            assert!(!from(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!from(&[("origin", "https://node.kz.example")]));
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xa=1; a=2;a=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("b = 4"));
        assert_eq!(cookie(&headers, "a"), Some("2"));
        assert_eq!(cookie(&headers, "c"), None);
        headers.insert(header::COOKIE, HeaderValue::from_bytes(b"a=\xff").unwrap());
        assert_eq!(cookie(&headers, "a"), None);
    }
}
