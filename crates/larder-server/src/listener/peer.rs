//! Who is at the other end, also when a proxy stands between.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use super::address_range::AddressRange;

/// The client of a request; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr {
    /// The address, as IPv4 where it is one. Behind a trusted proxy, what that proxy says.
    pub ip: IpAddr,
    /// Whether the client speaks TLS, to us or to the trusted proxy.
    pub is_https: bool,
    /// Whether a trusted proxy sent the request.
    pub is_through_proxy: bool,
}

/// The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<AddressRange>);

/// The far end of one connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) is_tls: bool,
    pub(super) proxies: Arc<TrustedProxies>,
}

impl TrustedProxies {
    /// Trusts every address in `ranges`.
    pub fn new(ranges: Vec<AddressRange>) -> Self {
        Self(ranges)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

impl Peer {
    /// The client as a request's fields tell, if the connection comes from a trusted proxy.
    ///
    /// Each proxy appends whom it heard from, so the list is read from its end, and the first address that is no
    /// proxy of ours is the client: what stands before it was written by the client.
    pub(super) fn as_seen_by(&self, headers: &HeaderMap) -> PeerAddr {
        let mut seen = PeerAddr {
            ip: self.address,
            is_https: self.is_tls,
            is_through_proxy: self.proxies.contains(self.address),
        };
        if !seen.is_through_proxy {
            return seen;
        }
        let forwarded = words(headers, "x-forwarded-for");
        for word in forwarded.iter().rev() {
            let Some(address) = parse_address(word) else {
                break;
            };
            seen.ip = address;
            if !self.proxies.contains(address) {
                break;
            }
        }
        if let Some(scheme) = words(headers, "x-forwarded-proto").last() {
            seen.is_https = scheme.eq_ignore_ascii_case("https");
        }
        seen
    }
}

/// The comma-separated words of all fields called `name`, in order.
fn words<'headers>(headers: &'headers HeaderMap, name: &str) -> Vec<&'headers str> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect()
}

/// `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`.
fn parse_address(word: &str) -> Option<IpAddr> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(word);
    let with_port = || {
        word.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    };
    bare.parse::<IpAddr>()
        .ok()
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        connection: &str,
        forwarded: &[(&'static str, &'static str)],
        ip: &str,
        is_https: bool,
    ) {
        let ranges = ["10.0.0.0/8", "::1"].map(|range| range.parse().unwrap());
        let proxies = Arc::new(TrustedProxies::new(ranges.to_vec()));
        let peer = Peer {
            address: connection.parse().unwrap(),
            is_tls: false,
            proxies,
        };
        let mut headers = HeaderMap::new();
        for &(name, value) in forwarded {
            headers.append(name, value.parse().unwrap());
        }
        assert_eq!(
            peer.as_seen_by(&headers),
            PeerAddr {
                ip: ip.parse().unwrap(),
                is_https,
                is_through_proxy: connection != "192.0.2.1",
            }
        );
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check(
            "192.0.2.1",
            &[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
            ],
            "192.0.2.1",
            false,
        );
        check(
            "10.1.2.3",
            &[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
            ],
            "203.0.113.9",
            true,
        );
        check(
            "::1",
            &[("x-forwarded-for", "[2001:db8::7]:4711")],
            "2001:db8::7",
            false,
        );
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        check(
            "10.1.2.3",
            &[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.9.9.9")],
            "203.0.113.9",
            false,
        );
        check(
            "10.1.2.3",
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "203.0.113.9"),
            ],
            "203.0.113.9",
            false,
        );
        check(
            "10.1.2.3",
            &[("x-forwarded-for", "1.1.1.1, nonsense, 10.9.9.9")],
            "10.9.9.9",
            false,
        );
        check(
            "10.1.2.3",
            &[("x-forwarded-for", "nonsense")],
            "10.1.2.3",
            false,
        );
    }
}
