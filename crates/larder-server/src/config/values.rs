//! The values that settings can have, parsed once: afterwards the type is the proof.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// A secret: it can be used, and printing it shows nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

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

/// Where the rows are.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: a file, made when it is missing.
    Sqlite(PathBuf),
    /// `postgres://…`, as given; it may hold a password.
    Postgres(Secret),
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(url) => formatter.write_str(&without_password(url.reveal())),
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret(text)));
        }
        Err("it begins with neither `sqlite:` nor `postgres://`".to_owned())
    }
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BlobsUrl {
    /// `file:DIR`: a directory, made when it is missing.
    File(PathBuf),
    /// `s3://BUCKET/PREFIX`; the prefix may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// What every key begins with, without slashes around it.
        prefix: String,
    },
}

impl TryFrom<String> for BlobsUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
            // `file:///var/lib` and `file:/var/lib` are the same directory.
            let path = path
                .strip_prefix("//")
                .filter(|path| path.starts_with('/'))
                .unwrap_or(path);
            return Ok(Self::File(PathBuf::from(path)));
        }
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err("it begins with neither `file:` nor `s3://`".to_owned());
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("it names no bucket".to_owned());
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// How HTML of users is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServeHtml {
    /// As pages, in a sandbox.
    Render,
    /// As text.
    Text,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What somebody must look at.
    Error,
    /// And what may need a look.
    Warn,
    /// And a line per request.
    Info,
    /// And connections that break off.
    Debug,
    /// And what libraries say.
    Trace,
}

/// The text with the password of its user part, if there is one, taken out.
pub(super) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let path = path
        .split_once('?')
        .map_or(path.to_owned(), |(path, _)| format!("{path}?…"));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:…@{host}{path}")
        }
        None => format!("{scheme}://{authority}{path}"),
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

    #[test]
    fn passwords_do_not_show() {
        let url =
            DatabaseUrl::try_from("postgres://larder:hunter2@db/larder?password=x".to_owned())
                .unwrap();
        assert_eq!(format!("{url:?}"), "postgres://larder:…@db/larder?…");
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "(secret)");
    }
}
