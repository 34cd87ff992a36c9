//! What an operator does to the store itself: directly on a stopped server's store, or through the socket of a running
//! one. Whoever may open the data folder is the operator.

mod socket;

pub use socket::{AdminSocket, ask};

use larder_core::clock::Timestamp;
use larder_core::model::{Principal, ProjectSlug, Role, Scopes, TokenFacts, TokenId};
use larder_core::{CheckReport, Error, Larder, NewTokenRequest, Result, Swept};
use serde::{Deserialize, Serialize};

/// One act of an operator.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRequest {
    /// Makes a user.
    CreateUser {
        /// Name.
        name: String,
        /// Admin everywhere.
        admin: bool,
    },
    /// Lists users.
    ListUsers,
    /// Makes a link that signs a user in once within ten minutes.
    SignInLink {
        /// Whom.
        user: String,
        /// Where it leads.
        path: String,
    },
    /// Makes a project.
    CreateProject {
        /// `github/acme/demo`
        slug: String,
        /// Readable by all.
        public: bool,
    },
    /// Lists projects.
    ListProjects,
    /// Gives a user a role on a project.
    Grant {
        /// Who.
        user: String,
        /// Where.
        project: String,
        /// `reader`, `writer` or `admin`.
        role: String,
    },
    /// Issues a token.
    CreateToken {
        /// For whom it speaks.
        user: String,
        /// Words of scopes, separated by commas.
        scopes: String,
        /// The only project that it reaches.
        project: Option<String>,
        /// What people call it.
        description: String,
        /// Days until it stops to work; none for never.
        days: Option<u32>,
    },
    /// Lists the tokens of a user.
    ListTokens {
        /// Whose.
        user: String,
    },
    /// Takes a token back.
    RevokeToken {
        /// Its id.
        id: String,
    },
    /// Compares rows and bytes.
    Check,
    /// Frees what nothing needs any more.
    CollectGarbage,
}

/// What an act gave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminAnswer {
    /// It is done and there is nothing to say.
    Done,
    /// A secret that is shown this once.
    Secret(String),
    /// Users by name.
    Users(Vec<UserLine>),
    /// Projects by slug.
    Projects(Vec<ProjectLine>),
    /// Tokens, newest first.
    Tokens(Vec<TokenLine>),
    /// What a check found.
    Checked(CheckReport),
    /// What a sweep did.
    Swept(Swept),
}

/// A user in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UserLine {
    /// Name.
    pub name: String,
    /// Admin everywhere.
    pub admin: bool,
    /// When the account was made.
    pub created_at: String,
}

/// A project in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProjectLine {
    /// `github/acme/demo`
    pub slug: String,
    /// Readable by all.
    pub public: bool,
    /// When it was made.
    pub created_at: String,
}

/// A token in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TokenLine {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub description: String,
    /// Words of scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it stops to work.
    pub expires_at: Option<String>,
}

/// Does one act on an open store.
pub async fn perform(larder: &Larder, request: AdminRequest) -> Result<AdminAnswer> {
    let operator = &Principal::Operator;
    let access = &larder.access;
    Ok(match request {
        AdminRequest::CreateUser { name, admin } => {
            access.create_user(operator, &name, admin).await?;
            AdminAnswer::Done
        }
        AdminRequest::ListUsers => {
            let users = access.users(operator).await?;
            let line = |user: larder_core::model::User| UserLine {
                name: user.name,
                admin: user.admin,
                created_at: user.created_at.rfc3339(),
            };
            AdminAnswer::Users(users.into_iter().map(line).collect())
        }
        AdminRequest::SignInLink { user, path } => {
            AdminAnswer::Secret(access.sign_in_link(operator, &user, &path).await?)
        }
        AdminRequest::CreateProject { slug, public } => {
            larder
                .projects
                .create(operator, &ProjectSlug::parse(&slug)?, public)
                .await?;
            AdminAnswer::Done
        }
        AdminRequest::ListProjects => AdminAnswer::Projects(projects(larder).await?),
        AdminRequest::Grant {
            user,
            project,
            role,
        } => {
            let known = Role::parse(&role);
            let role = known.ok_or_else(|| Error::Invalid {
                field: "role",
                reason: format!("`{role}` is not one of reader, writer, admin"),
            })?;
            access
                .grant(operator, &user, &ProjectSlug::parse(&project)?, role)
                .await?;
            AdminAnswer::Done
        }
        AdminRequest::CreateToken {
            user,
            scopes,
            project,
            description,
            days,
        } => {
            let scopes = Scopes::parse(&scopes).map_err(|reason| Error::Invalid {
                field: "scopes",
                reason,
            })?;
            let project = project.map(|slug| ProjectSlug::parse(&slug)).transpose()?;
            let expires_at = days.map(|days| after_days(larder.clock().now(), days));
            let request = NewTokenRequest {
                user,
                description,
                scopes,
                project,
                expires_at,
            };
            AdminAnswer::Secret(access.issue_token(operator, request).await?.secret)
        }
        AdminRequest::ListTokens { user } => {
            let tokens = access.tokens_of(operator, &user).await?;
            AdminAnswer::Tokens(tokens.into_iter().map(TokenLine::from).collect())
        }
        AdminRequest::RevokeToken { id } => {
            let known = TokenId::parse(&id);
            let id = known.ok_or_else(|| Error::Invalid {
                field: "id",
                reason: format!("`{id}` is not a UUID"),
            })?;
            access.revoke_token(operator, id).await?;
            AdminAnswer::Done
        }
        AdminRequest::Check => AdminAnswer::Checked(larder.check().await?),
        AdminRequest::CollectGarbage => AdminAnswer::Swept(larder.collect_garbage().await?),
    })
}

async fn projects(larder: &Larder) -> Result<Vec<ProjectLine>> {
    let projects = larder
        .projects
        .list(
            &Principal::Operator,
            larder_core::model::Scope::ReadPipelines,
        )
        .await?;
    let line = |project: larder_core::model::Project| ProjectLine {
        slug: project.slug().to_string(),
        public: project.public_at.is_some(),
        created_at: project.created_at.rfc3339(),
    };
    Ok(projects.into_iter().map(line).collect())
}

fn after_days(now: Timestamp, days: u32) -> Timestamp {
    now.plus_ms(i64::from(days) * 24 * 60 * 60 * 1000)
}

impl From<TokenFacts> for TokenLine {
    fn from(token: TokenFacts) -> Self {
        Self {
            id: token.id.to_string(),
            description: token.description,
            scopes: token
                .scopes
                .words()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            created_at: token.created_at.rfc3339(),
            expires_at: token.expires_at.map(Timestamp::rfc3339),
        }
    }
}
