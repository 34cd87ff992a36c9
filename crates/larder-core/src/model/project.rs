//! Organizations and projects.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{OrganizationId, ProjectId};

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
