//! Where a request comes from, when proxies of the nation's own may stand in between.
//!
//! A proxy that the configuration trusts (`people.proxies`) says in `X-Forwarded-For` for whom it
//! speaks; the header is read from its end, where the nearest proxy wrote, up to the first address
//! that is no trusted proxy. From everybody else it means nothing. `Forwarded` (RFC 7239) is not
//! read: a proxy that knows only the one header passes the other on as the client wrote it, so
//! reading both would let clients choose who they are.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::auth::Source;
use crate::config::Config;
use crate::limits::FORWARDED_MAX;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// Somebody who speaks for themselves.
    Client(IpAddr),
    /// A trusted proxy, which speaks for others.
    Proxy(IpAddr),
}

impl Hop {
    /// The end with this address.
    pub(super) fn of(peer: IpAddr, config: &Config) -> Hop {
        match trusts(config, peer) {
            true => Hop::Proxy(peer),
            false => Hop::Client(peer),
        }
    }
}

fn trusts(config: &Config, address: IpAddr) -> bool {
    let mut proxies = config.people.proxies.iter();
    proxies.any(|network| network.contains(address))
}

/// Where a request with these headers comes from.
pub(super) fn of(hop: Hop, headers: &HeaderMap, config: &Config) -> Source {
    let mut nearest = match hop {
        Hop::Client(peer) => return Source::of(peer),
        Hop::Proxy(peer) => peer,
    };
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let said = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for entry in said.take(FORWARDED_MAX) {
        // Beyond what cannot be read nothing can be trusted: the proxy that wrote it answers for it.
        let Some(address) = address(entry.trim()) else {
            break;
        };
        nearest = address;
        if !trusts(config, address) {
            break;
        }
    }
    Source::of(nearest)
}

/// An address as proxies write it: bare, or with a port, in brackets where it has colons.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|both| both.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed)
}

/// Whether a request was made on this machine and for nobody else, as far as can be seen: no proxy
/// is known of, and none has left a trace.
pub(super) fn is_at_home(config: &Config, hop: Hop, headers: &HeaderMap) -> bool {
    let traces = [
        FORWARDED_FOR,
        header::FORWARDED,
        header::VIA,
        HeaderName::from_static("x-forwarded-host"),
        HeaderName::from_static("x-forwarded-proto"),
        HeaderName::from_static("x-real-ip"),
    ];
    // Browsers elsewhere reach a listener of this machine through a proxy, or not at all.
    let origin = config.people.origin.as_ref();
    let seen_elsewhere = origin.is_some_and(|origin| {
        let host = origin.host_str().unwrap_or_default();
        !matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    });
    matches!(hop, Hop::Client(peer) if peer.to_canonical().is_loopback())
        && config.listen_national.ip().is_loopback()
        && !seen_elsewhere
        && !traces.iter().any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn config(more: &str) -> Config {
        let template = Config::template(
            "KZ",
            "Kazakhstan",
            "kz.example",
            "127.0.0.1:1",
            "127.0.0.1:2",
        );
        Config::parse("/data".as_ref(), &format!("{template}{more}")).unwrap()
    }

    fn proxied() -> Config {
        config("[people]\nproxies = [\"127.0.0.1\", \"10.1.0.0/16\", \"2001:db8::/32\"]\n")
    }

    fn from(config: &Config, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        of(Hop::of(peer.parse().unwrap(), config), &headers, config).to_string()
    }

    #[test]
    fn a_trusted_proxy_says_for_whom_it_speaks() {
        let config = proxied();
        for (lines, source) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["192.0.2.7:4711"], "192.0.2.7"),
            (&["2001:db9::1"], "2001:db9:0:0::/64"),
            (&["[2001:db9::1]:4711"], "2001:db9:0:0::/64"),
            // What the client itself wrote stands before what the proxies wrote.
            (&["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
            (
                &["198.51.100.1", "192.0.2.7, 10.1.2.3", "2001:db8::9"],
                "192.0.2.7",
            ),
            // Nothing, or nothing that can be read: the proxy that left it so.
            (&[], "127.0.0.1"),
            (&["192.0.2.7, unknown"], "127.0.0.1"),
            (&["192.0.2.7, unknown, 10.1.2.3"], "10.1.2.3"),
            (&["\u{e9}"], "127.0.0.1"),
            (&["10.1.2.3"], "10.1.2.3"),
        ] {
            assert_eq!(from(&config, "127.0.0.1", lines), source, "{lines:?}");
        }
        let long = vec!["10.1.2.3"; 10 * FORWARDED_MAX].join(",");
        assert_eq!(
            from(&config, "127.0.0.1", &[&format!("192.0.2.7,{long}")]),
            "10.1.2.3"
        );
    }

    #[test]
    fn nobody_else_says_who_they_are() {
        let forged = ["192.0.2.7"];
        assert_eq!(from(&proxied(), "192.0.2.99", &forged), "192.0.2.99");
        assert_eq!(from(&proxied(), "10.2.0.1", &forged), "10.2.0.1");
        assert_eq!(from(&config(""), "127.0.0.1", &forged), "127.0.0.1");
    }

    #[test]
    fn metrics_are_open_only_where_no_proxy_can_be() {
        let open = |config: &Config, peer: &str, traces: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for name in traces {
                headers.insert(*name, HeaderValue::from_static("x"));
            }
            is_at_home(config, Hop::of(peer.parse().unwrap(), config), &headers)
        };
        let plain = config("");
        assert!(open(&plain, "127.0.0.1", &[]) && open(&plain, "::1", &[]));
        assert!(!open(&plain, "192.0.2.1", &[]));
        for trace in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            assert!(!open(&plain, "127.0.0.1", &[trace]), "{trace}");
        }
        assert!(!open(&proxied(), "127.0.0.1", &[]));
        assert!(open(&proxied(), "127.0.0.2", &[]), "not that proxy");
        let origin = |origin: &str| config(&format!("[people]\norigin = {origin:?}\n"));
        assert!(!open(&origin("https://node.kz.example"), "127.0.0.1", &[]));
        assert!(open(&origin("http://localhost:8441"), "127.0.0.1", &[]));
    }
}
