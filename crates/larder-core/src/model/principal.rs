//! Who asks.

use crate::clock::Timestamp;
use crate::model::{Role, Scope, Scopes, SessionId, TokenId, UserId};

/// A person with an account.
#[derive(Clone, Debug)]
pub struct User {
    pub(crate) pk: i64,
    /// UUID.
    pub id: UserId,
    /// Name, unique here.
    pub name: String,
    /// Whether the user is admin everywhere.
    pub admin: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Since when nothing lets the user in.
    pub disabled_at: Option<Timestamp>,
}

/// Who asks. Every use case is given one and asks `authorize` about it.
#[derive(Clone, Debug)]
pub enum Principal {
    /// Whoever holds the store itself: the console's user, and the larder at work on its own.
    Operator,
    /// Somebody without a token.
    Anonymous,
    /// A user, through one of the user's tokens or a browser's session.
    User(Box<UserPrincipal>),
    /// One running job.
    Job(JobPrincipal),
}

/// A user at work.
#[derive(Clone, Debug)]
pub struct UserPrincipal {
    /// The user.
    pub user: User,
    /// The user's roles.
    pub grants: Vec<Grant>,
    /// The role that the user has on every project, besides.
    pub(crate) everywhere: Option<Role>,
    /// What speaks for the user.
    pub credential: Credential,
    /// The only project that the token reaches; `None` for all of the user's.
    pub(crate) only_project: Option<i64>,
}

/// What speaks for a user.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A token, with the scopes that it carries.
    Token(TokenFacts),
    /// A browser in which the user signed in: it carries every scope.
    Session(SessionId),
    /// A trusted proxy in which the user signed in: it carries every scope.
    Proxy,
}

impl UserPrincipal {
    /// Whether the user is meant everywhere and not for one project only.
    pub fn is_personal(&self) -> bool {
        self.only_project.is_none()
    }

    /// Whether what speaks for the user carries the scope.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Token(token) => token.scopes.allow(scope),
            Credential::Session(_) | Credential::Proxy => true,
        }
    }

    /// Whether it is this user, with all that the user may do: only then may the user's own account be changed.
    pub(crate) fn is_wholly(&self, name: &str) -> bool {
        self.user.name == name && self.is_personal() && self.has_scope(Scope::Admin)
    }
}

/// What a token is, without its secret.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    pub(crate) pk: i64,
    /// UUID.
    pub id: TokenId,
    /// What people call it.
    pub description: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    pub expires_at: Option<Timestamp>,
}

/// A role of a user.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Where it holds.
    pub(crate) on: GrantOn,
    /// What it allows.
    pub role: Role,
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantOn {
    /// All projects of the organization with this key.
    Organization(i64),
    /// The project with this number.
    Project(i64),
}

/// A job that speaks for itself.
#[derive(Clone, Debug)]
pub struct JobPrincipal {
    pub(crate) token: TokenFacts,
    pub(crate) job_pk: i64,
    pub(crate) build_pk: i64,
    pub(crate) project_number: i64,
}

impl Principal {
    /// Whether what the principal came with carries the scope; a job's token carries none.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match self {
            Self::Operator => true,
            Self::Anonymous | Self::Job(_) => false,
            Self::User(user) => user.has_scope(scope),
        }
    }

    /// The user behind it, if there is one.
    pub fn user(&self) -> Option<&UserPrincipal> {
        match self {
            Self::User(user) => Some(user),
            Self::Operator | Self::Anonymous | Self::Job(_) => None,
        }
    }

    /// The token behind it, if there is one.
    pub fn token(&self) -> Option<&TokenFacts> {
        match self {
            Self::User(user) => match &user.credential {
                Credential::Token(token) => Some(token),
                Credential::Session(_) | Credential::Proxy => None,
            },
            Self::Job(job) => Some(&job.token),
            Self::Operator | Self::Anonymous => None,
        }
    }

    /// The browser's session behind it, if there is one.
    pub fn session(&self) -> Option<SessionId> {
        match &self.user()?.credential {
            Credential::Session(id) => Some(*id),
            Credential::Token(_) | Credential::Proxy => None,
        }
    }

    /// Whether a trusted proxy speaks for the user.
    pub fn is_vouched_for(&self) -> bool {
        let user = self.user();
        user.is_some_and(|user| matches!(user.credential, Credential::Proxy))
    }
}
