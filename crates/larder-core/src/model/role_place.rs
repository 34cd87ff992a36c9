//! Where a role holds, as people write it, whether or not there is such a place yet.

use crate::error::{Error, Result};
use crate::model::{ProjectSlug, Role, Vcs};

/// `*`, `github/acme` or `github/acme/demo`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum RolePlace {
    /// Every project.
    Everywhere,
    /// All projects of an organization.
    Organization {
        /// Where its code lives.
        vcs: Vcs,
        /// Its name there.
        name: String,
    },
    /// One project.
    Project(ProjectSlug),
}

/// A role in a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedRole {
    /// Where it holds.
    pub on: RolePlace,
    /// What it allows.
    pub role: Role,
}

impl RolePlace {
    /// Reads one; the error says which forms are right.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "*" {
            return Ok(Self::Everywhere);
        }
        match text.split('/').collect::<Vec<_>>()[..] {
            [_, _, _] => ProjectSlug::parse(text).map(Self::Project),
            [vcs, org] => {
                // An organization is named like the beginning of the slugs of its projects.
                let slug = ProjectSlug::from_parts(vcs, org, "any")?;
                Ok(Self::Organization {
                    vcs: slug.vcs,
                    name: slug.org,
                })
            }
            _ => Err(Error::invalid(
                "place",
                format!("`{text}` is none of `*`, github/acme and github/acme/demo"),
            )),
        }
    }
}

impl std::fmt::Display for RolePlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everywhere => formatter.write_str("*"),
            Self::Organization { vcs, name } => write!(formatter, "{vcs}/{name}"),
            Self::Project(slug) => write!(formatter, "{slug}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for (text, written) in [
            ("*", "*"),
            ("gh/acme", "github/acme"),
            ("gitlab/acme/demo", "gitlab/acme/demo"),
        ] {
            assert_eq!(RolePlace::parse(text).unwrap().to_string(), written);
        }
        for wrong in [
            "",
            "**",
            "acme",
            "github/",
            "svn/acme",
            "github/a/b/c",
            "github/../x",
        ] {
            assert!(RolePlace::parse(wrong).is_err(), "{wrong}");
        }
    }
}
