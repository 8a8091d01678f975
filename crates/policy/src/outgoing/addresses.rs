//! IP addresses, networks and host names inside any text.
//!
//! Found is what a person or a program would read as one, not only what a strict parser takes: an
//! octet may have leading zeros, a sentence may end right behind it. Version numbers of four parts
//! cannot be told from addresses and count as such.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address or network, and where it stands in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) range: Range<usize>,
    pub(crate) net: IpNet,
}

/// Every address and network of a text, in order.
pub(crate) fn addresses(text: &str) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
        if !is_part(bytes[at]) {
            at += 1;
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|byte| is_part(**byte))
            .count();
        let end = at + length;
        let alone = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        match alone.then(|| version6(&text[at..end])).flatten() {
            Some((address, length)) => {
                let (net, end) = with_prefix(text, at + length, IpAddr::V6(address));
                found.push(Found {
                    range: at..end,
                    net,
                });
            }
            None => versions4(text, at..end, &mut found),
        }
        at = end;
    }
    found
}

/// An IPv6 address at the start of a run, and its length: a sentence's own points are left off.
fn version6(run: &str) -> Option<(Ipv6Addr, usize)> {
    if run.bytes().filter(|byte| *byte == b':').count() < 2 {
        return None;
    }
    let mut run = run.trim_end_matches('.');
    if run.ends_with(':') && !run.ends_with("::") {
        run = &run[..run.len() - 1];
    }
    // The bare `::` names no host.
    let address: Ipv6Addr = run.parse().ok()?;
    (!address.is_unspecified()).then_some((address, run.len()))
}

/// IPv4 addresses in a run: four numbers with points between, and no fifth.
fn versions4(text: &str, run: Range<usize>, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let mut at = run.start;
    while at < run.end {
        let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let length = bytes[at..run.end].iter().take_while(is_part).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let part = &text[at..at + length];
        let start = at + (part.len() - part.trim_start_matches('.').len());
        let part = part.trim_matches('.');
        if let Some(address) = version4(part) {
            let (net, end) = with_prefix(text, start + part.len(), IpAddr::V4(address));
            found.push(Found {
                range: start..end,
                net,
            });
        }
        at += length;
    }
}

fn version4(part: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = part.split('.');
    for octet in &mut octets {
        let digits = parts.next()?;
        // A number of more digits is none that a person would read as an octet.
        if digits.len() > 4 {
            return None;
        }
        *octet = digits.trim_start_matches('0').parse().ok().or_else(|| {
            let zeros = !digits.is_empty() && digits.bytes().all(|digit| digit == b'0');
            zeros.then_some(0)
        })?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Takes a `/24` that follows at `end` along.
fn with_prefix(text: &str, end: usize, address: IpAddr) -> (IpNet, usize) {
    let rest = text.get(end..).unwrap_or_default();
    if let Some(rest) = rest.strip_prefix('/') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let ends = rest
            .as_bytes()
            .get(digits)
            .is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if (1..=3).contains(&digits)
            && ends
            && let Ok(bits) = rest[..digits].parse()
            && let Ok(net) = IpNet::new(address, bits)
        {
            return (net, end + 1 + digits);
        }
    }
    (IpNet::from(address), end)
}

/// The network of the given prefix length around an address or a smaller network; `None` when it
/// is no smaller. An IPv4 address written as IPv6 is treated as the IPv4 address that it is.
pub(crate) fn coarse(net: IpNet, ipv4: u8, ipv6: u8) -> Option<IpNet> {
    let net = as_ipv4(net);
    let bits = match net {
        IpNet::V4(_) => ipv4,
        IpNet::V6(_) => ipv6,
    };
    if net.prefix_len() <= bits {
        return None;
    }
    let net = match net {
        IpNet::V4(net) => IpNet::V4(Ipv4Net::new(net.addr(), bits).ok()?.trunc()),
        IpNet::V6(net) => IpNet::V6(Ipv6Net::new(net.addr(), bits).ok()?.trunc()),
    };
    Some(net)
}

/// An IPv4 network that is written as IPv6 (`::ffff:10.0.0.0/104`).
pub(crate) fn as_ipv4(net: IpNet) -> IpNet {
    if let IpNet::V6(six) = net
        && let Some(four) = six.addr().to_ipv4_mapped()
        && let Some(bits) = six.prefix_len().checked_sub(96)
        && let Ok(four) = Ipv4Net::new(four, bits)
    {
        return IpNet::V4(four);
    }
    net
}

/// The whole text as an address or network.
pub(crate) fn whole(text: &str) -> Option<IpNet> {
    match addresses(text).as_slice() {
        [found] if found.range == (0..text.len()) => Some(found.net),
        _ => None,
    }
}

/// Undoes the brackets that analysts put into addresses and names so that nobody clicks on them.
pub(crate) fn refang(text: &str) -> Option<String> {
    const DOTS: [&str; 6] = ["[.]", "(.)", "{.}", "[dot]", "(dot)", "[:]"];
    let mut out: Option<String> = None;
    for dot in DOTS {
        let now = out.as_deref().unwrap_or(text);
        if now.contains(dot) {
            let plain = if dot == "[:]" { ":" } else { "." };
            out = Some(now.replace(dot, plain));
        }
    }
    out
}

/// Whether the whole text reads as a host name of at least two parts.
pub(crate) fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let part = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 255 && text.contains('.') && text.split('.').all(part) && whole(text).is_none()
}

/// The last `labels` parts of a host name; `None` when it has no more.
pub(crate) fn parent(host: &str, labels: usize) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let (at, _) = host.rmatch_indices('.').nth(labels.checked_sub(1)?)?;
    host.get(at + 1..)
}

/// Whether the whole text is one URL or e-mail address: what stands inside cannot be made coarser
/// without naming another place or person.
pub(crate) fn is_locator(text: &str) -> bool {
    let text = text.trim();
    !text.contains(char::is_whitespace) && (text.contains("://") || text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        addresses(text)
            .into_iter()
            .map(|found| format!("{}={}", &text[found.range], found.net))
            .collect()
    }

    #[test]
    fn finds_addresses_as_people_write_them() {
        for (text, expected) in [
            ("from 10.1.2.3.", vec!["10.1.2.3=10.1.2.3/32"]),
            (
                "10.0.0.0/8 and 010.001.000.003",
                vec!["10.0.0.0/8=10.0.0.0/8", "010.001.000.003=10.1.0.3/32"],
            ),
            ("v10.1.2.3", vec!["10.1.2.3=10.1.2.3/32"]),
            (
                "[fe80::1]:80, fd00::/8.",
                vec!["fe80::1=fe80::1/128", "fd00::/8=fd00::/8"],
            ),
            (
                "::ffff:10.1.2.3",
                vec!["::ffff:10.1.2.3=::ffff:10.1.2.3/128"],
            ),
            ("OID 1.3.6.1.4.1 at 12:30:55, 256.1.1.1, a::b::c", vec![]),
            ("aa:bb:cc:dd:ee:ff :: x", vec![]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn coarsens_only_what_is_finer() {
        let net = |text: &str| whole(text).expect(text);
        let coarse = |text: &str| coarse(net(text), 24, 48).map(|net| net.to_string());
        assert_eq!(coarse("10.1.2.3").as_deref(), Some("10.1.2.0/24"));
        assert_eq!(coarse("10.1.2.0/24"), None);
        assert_eq!(
            coarse("2001:db8:1:2::3").as_deref(),
            Some("2001:db8:1::/48")
        );
        assert_eq!(coarse("::ffff:10.1.2.3").as_deref(), Some("10.1.2.0/24"));
        assert_eq!(parent("a.b.example.kz.", 2), Some("example.kz"));
        assert_eq!(parent("example.kz", 2), None);
        assert_eq!(
            refang("hxxp://a[.]b(dot)c").as_deref(),
            Some("hxxp://a.b.c")
        );
    }
}
