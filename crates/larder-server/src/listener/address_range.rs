//! Ranges of client addresses.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// One address or a range of them: `192.0.2.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange {
    address: IpAddr,
    prefix_bits: u32,
}

impl AddressRange {
    /// Whether `address` is in the range; IPv4 addresses in IPv6 clothes count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let differing = range.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let differing = range.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{text}` does not begin with an IP address"))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix.map(str::parse) {
            None => bits_max,
            Some(Ok(bits)) if bits <= bits_max => bits,
            Some(_) => {
                return Err(format!(
                    "the part of `{text}` after the slash is not a number up to {bits_max}"
                ));
            }
        };
        Ok(Self {
            address,
            prefix_bits,
        })
    }
}

impl TryFrom<String> for AddressRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_range(range: &str, address: &str, expected: bool) {
        let range: AddressRange = range.parse().unwrap();
        assert_eq!(range.contains(address.parse().unwrap()), expected);
    }

    #[test]
    fn a_range_contains_its_addresses() {
        check_range("10.0.0.0/8", "10.255.0.1", true);
        check_range("10.0.0.0/8", "11.0.0.1", false);
        check_range("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check_range("192.0.2.7", "192.0.2.7", true);
        check_range("192.0.2.7", "192.0.2.6", false);
        check_range("0.0.0.0/0", "203.0.113.1", true);
        check_range("0.0.0.0/0", "2001:db8::1", false);
        check_range("fd00::/8", "fd12::1", true);
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "::/129",
            "example.com",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }
}
