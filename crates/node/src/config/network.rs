//! Addresses and networks, as the configuration names them: `10.1.2.3`, `10.1.0.0/16`, `fd00::/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address is in it. An IPv4 address in IPv6 form is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, all) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let beyond: u128 = own ^ other;
        beyond.checked_shr(all - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            format!(
                "{text:?} must be an address or a network, such as \"10.1.2.3\" or \"10.1.0.0/16\""
            )
        })?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            // Everybody is no proxy: whoever trusts all believes what any client writes.
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| (1..=most).contains(bits))
                .ok_or_else(|| format!("{text:?} must have 1 to {most} bits after the slash"))?,
        };
        let network = Network { address, bits };
        let host = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()).checked_shl(96 + u32::from(bits)),
            IpAddr::V6(address) => address.to_bits().checked_shl(bits.into()),
        };
        if host.unwrap_or(0) != 0 {
            return Err(format!(
                "{text:?} has bits set after the first {bits}: name the network's first address"
            ));
        }
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        for (network, address) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "::ffff:10.1.2.3"),
            ("10.1.0.0/16", "10.1.255.255"),
            ("128.0.0.0/1", "255.0.0.1"),
            ("fd00::/8", "fdff::1"),
            ("::1", "::1"),
        ] {
            assert!(holds(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.1.2.3", "10.1.2.4"),
            ("10.1.0.0/16", "10.2.0.0"),
            ("128.0.0.0/1", "127.0.0.1"),
            ("fd00::/8", "fe00::1"),
            ("::1", "::2"),
            ("10.1.2.3", "::1"),
            ("::1", "0.0.0.1"),
        ] {
            assert!(!holds(network, address), "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "proxy",
            "10.1.2",
            "10.1.2.3/33",
            "10.1.2.3/0",
            "0.0.0.0/0",
            "::/0",
            "10.1.2.3/16",
            "fd00::1/8",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let text = "10.1.0.0/16";
        assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
    }
}
