//! The meanings with which the larder says no. Each API finds its own words and status for them.

use crate::model::{Role, Scope};
use std::path::Path;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done. Nothing here knows HTTP.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller named no credential and the thing needs one.
    #[error("a token is needed")]
    Unauthenticated,
    /// The caller named a credential that is unknown, malformed, expired or revoked.
    #[error("the token is not valid: {0}")]
    InvalidToken(TokenFault),
    /// The caller may see the thing but not do this with it.
    #[error("not allowed: {0}")]
    Forbidden(Lack),
    /// There is no such thing, or the caller may not know of it.
    #[error("no {0} found")]
    NotFound(What),
    /// The thing was there and its retention is over.
    #[error("{0} has expired")]
    Expired(What),
    /// The state of the thing does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// A value given by the caller is mistaken.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// More bytes than the limit.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// No byte of the asked range exists.
    #[error("the range lies outside the {size} bytes")]
    RangeNotSatisfiable {
        /// Bytes of the whole.
        size: u64,
    },
    /// The client stopped sending.
    #[error("the upload was interrupted: {0}")]
    UploadInterrupted(String),
    /// The project may not keep that many bytes.
    #[error(
        "the project {project} keeps {used} of at most {limit} bytes, and {wanted} more do not fit: delete builds or \
         artifacts that are not needed, keep them for fewer days, or ask the operator for a higher limit (`larder admin \
         project limit {project} --max-bytes …`)"
    )]
    ProjectFull {
        /// Which.
        project: String,
        /// Bytes that it may keep.
        limit: u64,
        /// Bytes that it keeps.
        used: u64,
        /// Bytes that came.
        wanted: u64,
    },
    /// No space is left for bytes or rows.
    #[error("no space is left on the store")]
    StorageFull,
    /// A store is away; trying again later helps.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A fault of ours or of the machine.
    ///
    /// It is spelled with the whole chain of its causes, and so has no `source()` which would say them again.
    #[error("{context}: {}", Chain(&**cause))]
    Internal {
        /// What we were doing, in the imperative.
        context: &'static str,
        /// What went wrong.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An error and what caused it, each once, separated by colons.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            // Some say their cause themselves.
            if !said.contains(&words) {
                said = format!("{said}: {words}");
            }
            next = cause.source();
        }
        formatter.write_str(&said)
    }
}

/// What there is none of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// An organization.
    Organization,
    /// A project.
    Project,
    /// A build.
    Build,
    /// A job.
    Job,
    /// An artifact.
    Artifact,
    /// A step.
    Step,
    /// An upload in parts.
    Upload,
    /// A user.
    User,
    /// A token.
    Token,
    /// A sign-in link.
    SignInLink,
    /// A link by which a password is set.
    PasswordLink,
}

impl std::fmt::Display for What {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Build => "build",
            Self::Job => "job",
            Self::Artifact => "artifact",
            Self::Step => "step",
            Self::Upload => "upload",
            Self::User => "user",
            Self::Token => "token",
            Self::SignInLink => "sign-in link",
            Self::PasswordLink => "password link",
        })
    }
}

/// What a caller lacks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lack {
    /// The token does not carry this scope.
    Scope(Scope),
    /// The user does not have this role on the project.
    Role(Role),
    /// Tokens of jobs may not do this.
    JobToken,
}

impl std::fmt::Display for Lack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scope(scope) => write!(formatter, "the token lacks the scope {scope}"),
            Self::Role(role) => write!(formatter, "the role {role} on the project is needed"),
            Self::JobToken => {
                formatter.write_str("a job's token may only add to its own running job")
            }
        }
    }
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFault {
    /// Not of the form of our tokens, or its checksum is wrong: a typing error.
    Malformed,
    /// Well-formed and not known: a guess, or of another store.
    Unknown,
    /// Past its expiry.
    Expired,
    /// Taken back by somebody, or its user is disabled, or what it was for is deleted.
    Revoked,
}

impl std::fmt::Display for TokenFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "it is not of the form lrd_…",
            Self::Unknown => "it is not known here",
            Self::Expired => "it has expired",
            Self::Revoked => "it was revoked",
        })
    }
}

impl Error {
    /// A mistaken value.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }

    /// A fault of ours while doing `context`.
    pub fn internal(
        context: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            context,
            cause: cause.into(),
        }
    }
}

/// Says what we were doing when the machine failed us.
pub(crate) trait Context<T> {
    /// `context` is in the imperative: "sync the blob".
    fn context(self, context: &'static str) -> Result<T>;

    /// The same, with the path of the file or folder.
    fn context_at(self, context: &'static str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, context: &'static str) -> Result<T> {
        self.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::StorageFull
            }
            _ => Error::internal(context, error),
        })
    }

    fn context_at(self, context: &'static str, path: &Path) -> Result<T> {
        let named = |error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        self.map_err(named).context(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it did not work")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_internal_error_says_each_of_its_causes_once() {
        let error = Error::internal("try", Outer(std::io::Error::other("the disk is gone")));
        assert_eq!(error.to_string(), "try: it did not work: the disk is gone");
        assert!(std::error::Error::source(&error).is_none());
    }
}
