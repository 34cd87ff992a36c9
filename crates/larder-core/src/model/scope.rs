//! What a token may do, and what a user may do on a project.

use std::fmt;

/// One thing that a token may do. `admin` includes every other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// List and download artifacts.
    ReadArtifacts,
    /// Create artifacts; on Buildkite's API also delete them, as its document says.
    WriteArtifacts,
    /// Delete artifacts.
    DeleteArtifacts,
    /// See builds and jobs.
    ReadBuilds,
    /// Announce builds and finish jobs.
    WriteBuilds,
    /// See who one is.
    ReadUser,
    /// See organizations.
    ReadOrganizations,
    /// See projects, which Buildkite calls pipelines.
    ReadPipelines,
    /// Everything.
    Admin,
}

const SCOPES: [(Scope, &str); 9] = [
    (Scope::ReadArtifacts, "read_artifacts"),
    (Scope::WriteArtifacts, "write_artifacts"),
    (Scope::DeleteArtifacts, "delete_artifacts"),
    (Scope::ReadBuilds, "read_builds"),
    (Scope::WriteBuilds, "write_builds"),
    (Scope::ReadUser, "read_user"),
    (Scope::ReadOrganizations, "read_organizations"),
    (Scope::ReadPipelines, "read_pipelines"),
    (Scope::Admin, "admin"),
];

impl Scope {
    /// The word for it.
    pub fn word(self) -> &'static str {
        SCOPES
            .iter()
            .find(|(scope, _)| *scope == self)
            .map_or("", |(_, word)| word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scopes(u16);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Every scope.
    pub fn all() -> Self {
        Self::of(&[Scope::Admin])
    }

    /// These scopes.
    pub fn of(scopes: &[Scope]) -> Self {
        let mut set = Self::NONE;
        for scope in scopes {
            set.0 |= Self::bit(*scope);
        }
        set
    }

    /// Whether the set allows what `scope` allows.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (Self::bit(scope) | Self::bit(Scope::Admin)) != 0
    }

    /// Reads a list of words separated by commas or spaces. `view-builds` and `status` are CircleCI's words for
    /// `read_builds` with and without `read_artifacts`. The error names the word that is unknown and all known ones.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut set = Self::NONE;
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            match word {
                "view-builds" => set.0 |= Self::of(&[Scope::ReadBuilds, Scope::ReadArtifacts]).0,
                "status" => set.0 |= Self::bit(Scope::ReadBuilds),
                word => {
                    if let Some((scope, _)) = SCOPES.iter().find(|(_, known)| *known == word) {
                        set.0 |= Self::bit(*scope);
                    } else {
                        let known: Vec<_> = SCOPES.iter().map(|(_, word)| *word).collect();
                        return Err(format!(
                            "unknown scope `{word}`; known are {}, view-builds, status",
                            known.join(", ")
                        ));
                    }
                }
            }
        }
        if set == Self::NONE {
            Err("at least one scope is needed".to_owned())
        } else {
            Ok(set)
        }
    }

    /// The words of the set.
    pub fn words(self) -> Vec<&'static str> {
        SCOPES
            .iter()
            .filter(|(scope, _)| self.0 & Self::bit(*scope) != 0)
            .map(|(_, word)| *word)
            .collect()
    }

    fn bit(scope: Scope) -> u16 {
        1 << (scope as u16)
    }
}

/// What a user may do on a project or on all projects of an organization; each includes those before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// List and download.
    Reader,
    /// Also create and delete.
    Writer,
    /// Also change the project.
    Admin,
}

impl Role {
    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "reader" => Some(Self::Reader),
            "writer" => Some(Self::Writer),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circleci_words_stand_for_ours() {
        let view = Scopes::parse("view-builds").unwrap();
        assert!(
            view.allow(Scope::ReadArtifacts)
                && view.allow(Scope::ReadBuilds)
                && !view.allow(Scope::WriteArtifacts)
        );
        let status = Scopes::parse("status").unwrap();
        assert!(status.allow(Scope::ReadBuilds) && !status.allow(Scope::ReadArtifacts));
    }

    #[test]
    fn admin_includes_every_scope_and_unknown_words_are_named() {
        let admin = Scopes::parse("admin").unwrap();
        assert!(SCOPES.iter().all(|(scope, _)| admin.allow(*scope)));
        assert!(
            Scopes::parse("read_artifacts,wrong")
                .unwrap_err()
                .contains("`wrong`")
        );
        assert!(Scopes::parse("").is_err());
        assert_eq!(
            Scopes::parse("write_builds,read_builds").unwrap().words(),
            ["read_builds", "write_builds"]
        );
    }
}
