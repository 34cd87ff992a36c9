//! Organizations and projects.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{OrganizationId, ProjectId, SpaceLimit};
use std::num::NonZeroU32;

/// Where a project's code lives.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Vcs {
    /// github.com
    Github,
    /// bitbucket.org
    Bitbucket,
    /// GitLab
    Gitlab,
    /// CircleCI's own slugs.
    Circleci,
    /// Nowhere: `local/USER/FOLDER`.
    Local,
}

impl Vcs {
    /// Reads the word or CircleCI's short form of it (`gh`, `bb`, `gl`).
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "github" | "gh" => Some(Self::Github),
            "bitbucket" | "bb" => Some(Self::Bitbucket),
            "gitlab" | "gl" => Some(Self::Gitlab),
            "circleci" => Some(Self::Circleci),
            "local" => Some(Self::Local),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Bitbucket => "bitbucket",
            Self::Gitlab => "gitlab",
            Self::Circleci => "circleci",
            Self::Local => "local",
        }
    }

    /// CircleCI's short form, as its artifact hosts spell it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Github => "gh",
            Self::Bitbucket => "bb",
            Self::Gitlab => "gl",
            Self::Circleci | Self::Local => self.word(),
        }
    }
}

impl std::fmt::Display for Vcs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

/// `github/acme/demo`: how people name a project.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ProjectSlug {
    /// Where the code lives.
    pub vcs: Vcs,
    /// Name of the organization or user.
    pub org: String,
    /// Name of the project in it.
    pub name: String,
}

impl ProjectSlug {
    /// Reads `vcs/org/name`; the error says what form is right.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [vcs, org, name] = parts.as_slice() else {
            return Err(Error::invalid(
                "project",
                format!("`{text}` is not of the form github/acme/demo"),
            ));
        };
        Self::from_parts(vcs, org, name)
    }

    /// The same from its three parts.
    pub fn from_parts(vcs: &str, org: &str, name: &str) -> Result<Self> {
        let Some(vcs) = Vcs::parse(vcs) else {
            return Err(Error::invalid(
                "project",
                format!("`{vcs}` is not one of github, bitbucket, gitlab, circleci, local"),
            ));
        };
        for part in [org, name] {
            if !is_name(part) {
                return Err(Error::invalid(
                    "project",
                    format!(
                        "`{part}` may hold letters, digits, `-`, `_` and `.`, at most 100, and is not `.` or `..`"
                    ),
                ));
            }
        }
        Ok(Self {
            vcs,
            org: org.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl std::fmt::Display for ProjectSlug {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}/{}", self.vcs, self.org, self.name)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Who owns projects.
#[derive(Clone, Debug)]
pub struct Organization {
    pub(crate) pk: i64,
    /// UUID.
    pub id: OrganizationId,
    /// Where its code lives.
    pub vcs: Vcs,
    /// Name there.
    pub name: String,
    /// Unique here: the name, else name-vcs.
    pub slug: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How long the finished artifacts of a project are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retention {
    /// As the instance says.
    OfInstance,
    /// Without an end, whatever the instance says.
    Forever,
    /// So many days from their completion.
    Days(NonZeroU32),
}

impl Retention {
    /// Most days that can be set: a hundred years.
    pub const DAYS_MAX: u32 = 36_500;

    /// Reads a number of days, `none` for no end, or `default` for what the instance says.
    pub fn parse(text: &str) -> Result<Self> {
        let days = || {
            let days = text.parse().ok().filter(|days| *days <= Self::DAYS_MAX);
            days.and_then(NonZeroU32::new).map(Self::Days)
        };
        match text {
            "none" => Ok(Self::Forever),
            "default" => Ok(Self::OfInstance),
            _ => days().ok_or_else(|| {
                let most = Self::DAYS_MAX;
                let reason = format!("`{text}` is none of 1 to {most} days, `none` or `default`");
                Error::invalid("retention", reason)
            }),
        }
    }

    /// What a row says: days, 0 for no end, nothing for what the instance says.
    pub(crate) fn to_stored(self) -> Option<u32> {
        match self {
            Self::OfInstance => None,
            Self::Forever => Some(0),
            Self::Days(days) => Some(days.get()),
        }
    }

    /// Reads what a row says.
    pub(crate) fn from_stored(days: Option<u32>) -> Self {
        match days.map(NonZeroU32::new) {
            None => Self::OfInstance,
            Some(None) => Self::Forever,
            Some(Some(days)) => Self::Days(days),
        }
    }
}

impl std::fmt::Display for Retention {
    /// As [`Retention::parse`] reads it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OfInstance => formatter.write_str("default"),
            Self::Forever => formatter.write_str("none"),
            Self::Days(days) => write!(formatter, "{days}"),
        }
    }
}

/// What builds belong to.
#[derive(Clone, Debug)]
pub struct Project {
    /// Number, which CircleCI's artifact hosts carry.
    pub number: i64,
    /// UUID.
    pub id: ProjectId,
    /// Its organization.
    pub organization: Organization,
    /// Name in the organization.
    pub name: String,
    /// When it became readable by all; `None` for a private one.
    pub public_at: Option<Timestamp>,
    /// How long its finished artifacts are kept.
    pub retention: Retention,
    /// How many bytes it may keep.
    pub space_limit: SpaceLimit,
    /// How many bytes its builds keep.
    pub total_bytes: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Project {
    /// How people name it.
    pub fn slug(&self) -> ProjectSlug {
        ProjectSlug {
            vcs: self.organization.vcs,
            org: self.organization.name.clone(),
            name: self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_days_none_or_the_default() {
        for text in ["1", "36500", "none", "default"] {
            let retention = Retention::parse(text).unwrap();
            assert_eq!(retention.to_string(), text);
            assert_eq!(Retention::from_stored(retention.to_stored()), retention);
        }
        for wrong in ["0", "-1", "36501", "4294967297", "", "1.5", "never"] {
            assert!(Retention::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slugs_have_three_plain_parts() {
        assert_eq!(
            ProjectSlug::parse("gh/acme/demo").unwrap().to_string(),
            "github/acme/demo"
        );
        for wrong in [
            "acme/demo",
            "svn/acme/demo",
            "github/acme/..",
            "github//demo",
            "github/a b/c",
            "github/a/b/c",
        ] {
            assert!(ProjectSlug::parse(wrong).is_err(), "{wrong}");
        }
    }
}
