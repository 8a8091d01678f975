//! The API root's address as discovery names it.
//!
//! The standard allows a relative address, which is right behind every proxy; some clients take
//! only a whole one. So it is whole where scheme and host are known for sure: the connection's own
//! TLS, the origin that the configuration names (`people.origin`; a proxy may have put another host
//! in the request), a proxy that says which scheme the client used, or a client on this very
//! machine. What is made of a client's headers is told to nobody else.

use axum::http::{header, request::Parts};

use super::API_ROOT;

/// Marks requests that came over this node's own TLS.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The address of the API root for this client.
pub(super) fn api_root(parts: &Parts, origin: Option<&str>) -> String {
    match (origin, scheme_and_host(parts)) {
        (Some(origin), _) if parts.extensions.get::<OverTls>().is_none() => {
            format!("{origin}{API_ROOT}")
        }
        (_, Some((scheme, host))) => format!("{scheme}://{host}{API_ROOT}"),
        (Some(origin), None) => format!("{origin}{API_ROOT}"),
        (None, None) => API_ROOT.to_owned(),
    }
}

fn scheme_and_host(parts: &Parts) -> Option<(&'static str, &str)> {
    // HTTP/2 says the host in its place of the URI.
    let named = parts.headers.get(header::HOST);
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => named?.to_str().ok()?,
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(good) {
        return None;
    }
    if parts.extensions.get::<OverTls>().is_some() {
        return Some(("https", host));
    }
    if let Some(forwarded) = parts.headers.get("x-forwarded-proto") {
        let schemes = ["https", "http"];
        let said = forwarded.to_str().ok()?.trim();
        let known = schemes
            .into_iter()
            .find(|scheme| said.eq_ignore_ascii_case(scheme));
        return known.map(|scheme| (scheme, host));
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let here = name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    here.then_some(("http", host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(uri: &str, headers: &[(&str, &str)], tls: bool) -> String {
        root_of(uri, headers, tls, None)
    }

    fn root_of(uri: &str, headers: &[(&str, &str)], tls: bool, origin: Option<&str>) -> String {
        let mut request = axum::http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if tls {
            parts.extensions.insert(OverTls);
        }
        api_root(&parts, origin)
    }

    #[test]
    fn the_origin_that_is_configured_stands_for_what_a_proxy_hides() {
        let origin = Some("https://ti.kz.example");
        let whole = "https://ti.kz.example/taxii2/kurultai/";
        let inside = ("host", "127.0.0.1:8441");
        let proxied = [inside, ("x-forwarded-proto", "http")];
        assert_eq!(root_of("/taxii2/", &[], false, origin), whole);
        assert_eq!(root_of("/taxii2/", &[inside], false, origin), whole);
        assert_eq!(root_of("/taxii2/", &proxied, false, origin), whole);
        // The connection's own TLS ends here, so its host is the client's; without one the origin is
        // better than none.
        let other = ("host", "10.0.0.5:8441");
        assert_eq!(
            root_of("/taxii2/", &[other], true, origin),
            "https://10.0.0.5:8441/taxii2/kurultai/"
        );
        assert_eq!(root_of("/taxii2/", &[], true, origin), whole);
    }

    #[test]
    fn the_root_is_whole_where_scheme_and_host_are_sure() {
        let relative = "/taxii2/kurultai/";
        let whole = |start: &str| format!("{start}{relative}");
        let host = ("host", "node.kz.example:8441");
        assert_eq!(root("/taxii2/", &[], false), relative);
        assert_eq!(
            root("/taxii2/", &[host], false),
            relative,
            "a proxy may have ended TLS"
        );
        assert_eq!(
            root("/taxii2/", &[host], true),
            whole("https://node.kz.example:8441")
        );
        let proxied = [host, ("x-forwarded-proto", "https")];
        assert_eq!(
            root("/taxii2/", &proxied, false),
            whole("https://node.kz.example:8441")
        );
        let odd = [host, ("x-forwarded-proto", "gopher")];
        assert_eq!(root("/taxii2/", &odd, false), relative);
        for here in ["127.0.0.1:8441", "localhost", "[::1]:8441", "127.9.9.9"] {
            assert_eq!(
                root("/taxii2/", &[("host", here)], false),
                whole(&format!("http://{here}"))
            );
        }
        assert_eq!(
            root("https://kz.example/taxii2/", &[], true),
            whole("https://kz.example")
        );
        for bad in ["evil/../", "a b", "user@host", "", "x?y", "[::1"] {
            assert_eq!(root("/taxii2/", &[("host", bad)], false), relative, "{bad}");
        }
    }
}
