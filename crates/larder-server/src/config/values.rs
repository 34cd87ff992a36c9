//! The values that settings can have, parsed once: afterwards the type is the proof.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// Whether downloads may be sent to the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// The server sends all bytes itself.
    Never,
    /// Where no credential of the caller can leak with it, and no browser would lose the sandbox.
    Auto,
}

/// A key of 32 bytes; printing it shows nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Seal([u8; 32]);

impl Seal {
    /// The key itself.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl TryFrom<String> for Seal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = "it is not 32 random bytes in Base64, as `openssl rand -base64 32` makes them";
        let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong)?;
        let key: [u8; 32] = bytes.try_into().map_err(|_| wrong)?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(wrong.to_owned());
        }
        Ok(Self(key))
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

    #[test]
    fn passwords_do_not_show() {
        let url =
            DatabaseUrl::try_from("postgres://larder:hunter2@db/larder?password=x".to_owned())
                .unwrap();
        assert_eq!(format!("{url:?}"), "postgres://larder:…@db/larder?…");
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "(secret)");
    }
}
