//! Where feeds may speak to, by address: an outside server must not lead this node to what only
//! this machine, its link or its cloud can reach.
//!
//! Asked for every URL, every redirection and every address that a name turns out to be. IPv6
//! addresses that stand for IPv4 ones (mapped, translated, tunnelled) are judged by those.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;

use super::said;

/// Why an address is not spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// This machine or its link.
    Own,
    /// Where clouds give their machines' credentials away.
    Metadata,
}

impl Forbidden {
    /// The reason in words, for what somebody called it.
    pub(super) fn of(self, what: &str) -> String {
        let what = said(what);
        match self {
            Forbidden::Own => format!(
                "{what} is this machine or its link, which feeds do not speak to; set feeds.local = true if that is meant"
            ),
            Forbidden::Metadata => format!(
                "{what} is where a cloud keeps its machines' credentials, which feeds never speak to; use the server's own address"
            ),
        }
    }
}

/// Whether an address may be spoken to; `local`: also this machine and its link.
///
/// # Errors
/// Why not.
pub(super) fn allowed(address: IpAddr, local: bool) -> Result<(), Forbidden> {
    let meant = stands_for(address);
    if meant.iter().any(is_metadata) {
        return Err(Forbidden::Metadata);
    }
    match !local && meant.iter().any(is_own) {
        true => Err(Forbidden::Own),
        false => Ok(()),
    }
}

/// An address and the IPv4 addresses that it can come out as.
fn stands_for(address: IpAddr) -> Vec<IpAddr> {
    let mut all = vec![address];
    let IpAddr::V6(v6) = address else {
        return all;
    };
    let bytes = v6.octets();
    let four = |at: [usize; 4]| IpAddr::V4(Ipv4Addr::from(at.map(|place| bytes[place])));
    let last = four([12, 13, 14, 15]);
    match v6.segments() {
        // IPv4-mapped and -compatible (RFC 4291 §2.5.5), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => all.push(last),
        // Local NAT64 (RFC 8215), with a prefix of 48, 56, 64 or 96 bits.
        // Which of them it is cannot be told; one that begins with 0 is none that was meant.
        [0x64, 0xff9b, 1, ..] => all.extend(
            [
                [12, 13, 14, 15],
                [6, 7, 9, 10],
                [7, 9, 10, 11],
                [9, 10, 11, 12],
            ]
            .into_iter()
            .filter(|at| bytes[at[0]] != 0)
            .map(four),
        ),
        // 6to4 (RFC 3056).
        [0x2002, ..] => all.push(four([2, 3, 4, 5])),
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, ..] => {
            let client = Ipv4Addr::from([12, 13, 14, 15].map(|place: usize| !bytes[place]));
            all.extend([four([4, 5, 6, 7]), IpAddr::V4(client)]);
        }
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => all.push(last),
        _ => {}
    }
    all
}

/// Addresses that only this machine or its link can reach.
fn is_own(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.octets()[0] == 0 || v4.is_link_local() || v4.is_broadcast()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// Where clouds answer their machines: AWS, Azure, Google and most others; Azure's host; Alibaba;
/// Oracle; the same over IPv6 at AWS, Scaleway and Google.
fn is_metadata(address: &IpAddr) -> bool {
    const V4: [Ipv4Addr; 5] = [
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(169, 254, 170, 2),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    const V6: [Ipv6Addr; 4] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    match address {
        IpAddr::V4(v4) => V4.contains(v4),
        IpAddr::V6(v6) => V6.contains(v6),
    }
}

/// Those of a name's addresses that may be spoken to.
///
/// # Errors
/// When there are some, and none may be.
fn permitted(name: &str, found: Vec<SocketAddr>, local: bool) -> Result<Vec<SocketAddr>, String> {
    let mut forbidden = None;
    let mut all = Vec::with_capacity(found.len());
    for at in found {
        match allowed(at.ip(), local) {
            Ok(()) => all.push(at),
            Err(why) => forbidden = Some(why),
        }
    }
    match forbidden {
        Some(why) if all.is_empty() => Err(why.of(name)),
        _ => Ok(all),
    }
}

/// Looks names up and leaves out what may not be spoken to: the connection is made to just the
/// addresses that were judged.
#[derive(Clone)]
pub(super) struct Resolver {
    local: bool,
}

impl Resolver {
    /// One that leaves this machine and its link out, unless `local`.
    pub(super) fn new(local: bool) -> Resolver {
        Resolver { local }
    }
}

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future =
        Pin<Box<dyn Future<Output = Result<Self::Response, std::io::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let local = self.local;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let all = permitted(name.as_str(), found, local).map_err(std::io::Error::other)?;
            Ok(all.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use tower::Service;

    use super::*;

    fn ask(text: &str, local: bool) -> Result<(), Forbidden> {
        allowed(text.parse().unwrap(), local)
    }

    #[test]
    fn own_addresses_are_own_however_they_are_wrapped() {
        for text in [
            "127.0.0.1",
            "0.1.2.3",
            "169.254.1.1",
            "::1",
            "::",
            "fe80::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1:7f:0:1::",
            "2002:7f00:1::1",
            "2002:a9fe:101::1",
            "2001:0:7f00:1::1",
            "2001:0:808:808:0:0:80ff:fffe",
            "2001:db8::5efe:127.0.0.1",
            "2001:db8::200:5efe:127.0.0.1",
        ] {
            assert_eq!(ask(text, false), Err(Forbidden::Own), "{text}");
            assert_eq!(ask(text, true), Ok(()), "{text}");
        }
        for text in [
            "10.1.2.3",
            "8.8.8.8",
            "2001:db8::1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::8.8.8.8",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "fd12:3456::1",
        ] {
            assert_eq!(ask(text, false), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_clouds_credentials_are_out_of_reach_whatever_is_allowed() {
        for text in [
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
        ] {
            for local in [false, true] {
                assert_eq!(ask(text, local), Err(Forbidden::Metadata), "{text}");
            }
        }
    }

    #[test]
    fn of_a_names_addresses_only_those_outside_are_spoken_to() {
        let all = |texts: &[&str]| -> Vec<SocketAddr> {
            let at = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
            texts.iter().map(at).collect()
        };
        let mixed = all(&["127.0.0.1", "192.0.2.1", "64:ff9b::a9fe:a9fe"]);
        let left = permitted("x.example", mixed.clone(), false).unwrap();
        assert_eq!(left, all(&["192.0.2.1"]));
        let left = permitted("x.example", mixed, true).unwrap();
        assert_eq!(left, all(&["127.0.0.1", "192.0.2.1"]));
        let why = permitted("x.example", all(&["169.254.169.254"]), true).unwrap_err();
        assert!(why.starts_with("x.example is where a cloud"), "{why}");
        assert!(permitted("x.example", all(&["::1"]), false).is_err());
    }

    #[tokio::test]
    async fn a_name_that_turns_out_to_be_this_machine_is_refused() {
        let name = || "localhost".parse::<Name>().unwrap();
        let why = Resolver::new(false).call(name()).await.unwrap_err();
        assert!(why.to_string().contains("feeds.local"), "{why}");
        assert!(Resolver::new(true).call(name()).await.is_ok());
    }
}
