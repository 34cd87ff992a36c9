//! What an operator does to the store itself: directly on a stopped server's store, or through the socket of a running
//! one. Whoever may open the data folder is the operator.

mod socket;

pub use socket::{AdminSocket, ask};

use larder_core::clock::Timestamp;
use larder_core::model::{
    Principal, Project, ProjectSlug, Retention, Role, Scope, Scopes, TokenFacts, TokenId, User,
};
use larder_core::{CheckReport, Error, Larder, NewTokenRequest, Result, Swept};
use serde::{Deserialize, Serialize};

const OPERATOR: &Principal = &Principal::Operator;

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
    /// Sets how long finished artifacts of a project are kept.
    SetRetention {
        /// Where.
        project: String,
        /// A number of days, `none` for no end, `default` for what the settings say.
        retention: String,
    },
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
    /// Lets go of the brake that holds a sweep which would expire too much, or by a clock that jumped.
    ResumeRetention,
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
    /// A secret that signs a user in once.
    SignInSecret(String),
    /// Users by name.
    Users(Vec<UserLine>),
    /// Projects by slug.
    Projects(Vec<ProjectLine>),
    /// Tokens, newest first.
    Tokens(Vec<TokenLine>),
    /// How many artifacts expired.
    Expired(u64),
    /// What a check found.
    Checked(CheckReport),
    /// What a sweep did.
    Swept(Swept),
}

/// Why an act was not done.
#[derive(Clone, Debug, Deserialize, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct AdminRefusal {
    /// For people.
    pub message: String,
    /// Whether another request would have been right.
    pub is_usage: bool,
}

impl From<Error> for AdminRefusal {
    fn from(error: Error) -> Self {
        Self {
            is_usage: matches!(error, Error::Invalid { .. }),
            message: error.to_string(),
        }
    }
}

impl AdminRequest {
    /// Whether it may be the first thing that happens to a store; anything else needs one that is there.
    pub fn makes_a_store(&self) -> bool {
        matches!(self, Self::CreateUser { .. } | Self::CreateProject { .. })
    }
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
    /// Days that finished artifacts are kept, `none` for no end, `default` for what the settings say.
    pub retention: String,
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
    let access = &larder.access;
    match request {
        AdminRequest::CreateUser { name, admin } => access
            .create_user(OPERATOR, &name, admin)
            .await
            .map(|_| AdminAnswer::Done),
        AdminRequest::ListUsers => {
            let users = access.users(OPERATOR).await?;
            Ok(AdminAnswer::Users(
                users.into_iter().map(UserLine::from).collect(),
            ))
        }
        AdminRequest::SignInLink { user, path } => access
            .sign_in_link(OPERATOR, &user, &path)
            .await
            .map(AdminAnswer::SignInSecret),
        AdminRequest::CreateProject { slug, public } => create_project(larder, &slug, public).await,
        AdminRequest::ListProjects => {
            let projects = larder.projects.list(OPERATOR, Scope::ReadPipelines).await?;
            Ok(AdminAnswer::Projects(
                projects.into_iter().map(ProjectLine::from).collect(),
            ))
        }
        AdminRequest::SetRetention { project, retention } => {
            set_retention(larder, &project, &retention).await
        }
        AdminRequest::Grant {
            user,
            project,
            role,
        } => grant(larder, &user, &project, &role).await,
        AdminRequest::CreateToken {
            user,
            scopes,
            project,
            description,
            days,
        } => {
            let scopes = Scopes::parse(&scopes).map_err(|reason| invalid("scopes", reason))?;
            let project = project.map(|slug| ProjectSlug::parse(&slug)).transpose()?;
            let expires_at = days.map(|days| after_days(larder.clock().now(), days));
            issue_token(
                larder,
                NewTokenRequest {
                    user,
                    description,
                    scopes,
                    project,
                    expires_at,
                },
            )
            .await
        }
        AdminRequest::ListTokens { user } => {
            let tokens = access.tokens_of(OPERATOR, &user).await?;
            Ok(AdminAnswer::Tokens(
                tokens.into_iter().map(TokenLine::from).collect(),
            ))
        }
        AdminRequest::RevokeToken { id } => revoke_token(larder, &id).await,
        AdminRequest::ResumeRetention => larder.resume_retention().await.map(AdminAnswer::Expired),
        AdminRequest::Check => larder.check().await.map(AdminAnswer::Checked),
        AdminRequest::CollectGarbage => larder.collect_garbage().await.map(AdminAnswer::Swept),
    }
}

async fn create_project(larder: &Larder, slug: &str, public: bool) -> Result<AdminAnswer> {
    let slug = ProjectSlug::parse(slug)?;
    larder.projects.create(OPERATOR, &slug, public).await?;
    Ok(AdminAnswer::Done)
}

async fn set_retention(larder: &Larder, project: &str, retention: &str) -> Result<AdminAnswer> {
    let (slug, retention) = (ProjectSlug::parse(project)?, Retention::parse(retention)?);
    larder
        .projects
        .set_retention(OPERATOR, &slug, retention)
        .await?;
    Ok(AdminAnswer::Done)
}

async fn issue_token(larder: &Larder, request: NewTokenRequest) -> Result<AdminAnswer> {
    let issued = larder.access.issue_token(OPERATOR, request).await?;
    Ok(AdminAnswer::Secret(issued.secret))
}

async fn revoke_token(larder: &Larder, id: &str) -> Result<AdminAnswer> {
    let known = TokenId::parse(id).ok_or_else(|| invalid("id", format!("`{id}` is not a UUID")))?;
    larder.access.revoke_token(OPERATOR, known).await?;
    Ok(AdminAnswer::Done)
}

async fn grant(larder: &Larder, user: &str, project: &str, role: &str) -> Result<AdminAnswer> {
    let known = Role::parse(role).ok_or_else(|| {
        invalid(
            "role",
            format!("`{role}` is not one of reader, writer, admin"),
        )
    })?;
    larder
        .access
        .grant(OPERATOR, user, &ProjectSlug::parse(project)?, known)
        .await?;
    Ok(AdminAnswer::Done)
}

fn invalid(field: &'static str, reason: String) -> Error {
    Error::Invalid { field, reason }
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

impl From<User> for UserLine {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            admin: user.admin,
            created_at: user.created_at.rfc3339(),
        }
    }
}

impl From<Project> for ProjectLine {
    fn from(project: Project) -> Self {
        Self {
            slug: project.slug().to_string(),
            public: project.public_at.is_some(),
            retention: project.retention.to_string(),
            created_at: project.created_at.rfc3339(),
        }
    }
}
