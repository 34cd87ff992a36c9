//! UUIDs of the things that callers name.

use crate::clock::Timestamp;
use uuid::{NoContext, Uuid};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, ordered by time (UUIDv7).
            pub fn new(now: Timestamp) -> Self {
                let seconds = u64::try_from(now.0.div_euclid(1000)).unwrap_or(0);
                let nanos = u32::try_from(now.0.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
            }

            /// The canonical form with dashes, in either case; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 36 {
                    return None;
                }
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(formatter)
            }
        }
    };
}

id!(/// Names an artifact.
    ArtifactId);
id!(/// Names a build.
    BuildId);
id!(/// Names a job: one parallel node.
    JobId);
id!(/// Names an organization.
    OrganizationId);
id!(/// Names a project.
    ProjectId);
id!(/// Names a browser's session; not its secret.
    SessionId);
id!(/// Names a token; not its secret.
    TokenId);
id!(/// Names a user.
    UserId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_time_and_parse_strictly() {
        let early = JobId::new(Timestamp(1_000));
        let late = JobId::new(Timestamp(2_000));
        assert!(early < late);
        assert_eq!(JobId::parse(&early.to_string()), Some(early));
        for wrong in [
            "",
            "1",
            "{00000000-0000-0000-0000-000000000000}",
            "00000000000000000000000000000000",
        ] {
            assert_eq!(JobId::parse(wrong), None, "{wrong}");
        }
    }
}
