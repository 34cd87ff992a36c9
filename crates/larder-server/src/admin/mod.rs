//! What an operator does to the store itself: directly on a stopped server's store, or through the socket of a running
//! one. Whoever may open the data folder is the operator.

mod audit;
mod lines;
mod projects;
mod socket;
mod users;

pub use audit::AuditRequest;
pub use lines::{AuditLine, AuditPage, ContentsLine, ProjectLine, TokenLine, UserLine};
pub use socket::{AdminSocket, ask};

use larder_core::model::Principal;
use larder_core::{BackedUp, CheckReport, Error, Larder, Result, Swept};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    /// Sets the password of a user.
    SetPassword {
        /// Whose.
        user: String,
        /// The new one.
        password: NewPassword,
    },
    /// Makes a link by which a user sets a new password once within ten minutes.
    PasswordLink {
        /// Whose.
        user: String,
    },
    /// Ends all that lets a user in.
    DisableUser {
        /// Whom.
        user: String,
    },
    /// Lets a disabled user in again.
    EnableUser {
        /// Whom.
        user: String,
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
    /// Gives a project another name.
    RenameProject {
        /// Its name.
        from: String,
        /// The other one.
        to: String,
    },
    /// Deletes a project with all that it holds.
    DeleteProject {
        /// Which.
        project: String,
        /// Otherwise the answer says what would go.
        yes: bool,
    },
    /// Deletes a build with all that it holds.
    DeleteBuild {
        /// Where.
        project: String,
        /// Its number there.
        number: i64,
        /// Otherwise the answer says what would go.
        yes: bool,
    },
    /// Sets how many bytes a project may keep.
    SetSpaceLimit {
        /// Where.
        project: String,
        /// A number of bytes, `none` for no limit, `default` for what the settings say.
        max_bytes: String,
    },
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
    /// Makes a new key that signs links.
    RotateKeys,
    /// Reads the log of acts.
    Audit(AuditRequest),
    /// Compares rows and bytes.
    Check,
    /// Frees what nothing needs any more.
    CollectGarbage,
    /// Makes a backup while the store is in use.
    Backup {
        /// Absolute: a running server has another working directory.
        folder: PathBuf,
    },
}

/// A password on its way to the store; what prints it prints nothing of it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct NewPassword(pub String);

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(password)")
    }
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
    /// A secret by which a user sets a password once.
    PasswordSecret(String),
    /// Users by name.
    Users(Vec<UserLine>),
    /// Projects by slug.
    Projects(Vec<ProjectLine>),
    /// What was deleted.
    Deleted(ContentsLine),
    /// What would be deleted by whoever says yes.
    WouldDelete(ContentsLine),
    /// Tokens, newest first.
    Tokens(Vec<TokenLine>),
    /// How many artifacts expired.
    Expired(u64),
    /// Acts, newest first.
    Audit(AuditPage),
    /// What a check found.
    Checked(CheckReport),
    /// What a sweep did.
    Swept(Swept),
    /// The number of the key that signs from now on.
    KeyRotated(u16),
    /// What a backup holds.
    BackedUp(BackedUp),
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

/// Does one act on an open store.
pub async fn perform(larder: &Larder, request: AdminRequest) -> Result<AdminAnswer> {
    use AdminRequest as R;
    let access = &larder.access;
    match request {
        R::CreateUser { name, admin } => {
            access.create_user(OPERATOR, &name, admin).await?;
            Ok(AdminAnswer::Done)
        }
        R::ListUsers => users::list(larder).await,
        R::SignInLink { user, path } => {
            let secret = access.sign_in_link(OPERATOR, &user, &path).await;
            secret.map(AdminAnswer::SignInSecret)
        }
        R::SetPassword { user, password } => users::set_password(larder, &user, &password).await,
        R::PasswordLink { user } => {
            let secret = access.password_link(OPERATOR, &user).await;
            secret.map(AdminAnswer::PasswordSecret)
        }
        R::DisableUser { user } => users::disable(larder, &user).await,
        R::EnableUser { user } => users::enable(larder, &user).await,
        R::CreateProject { slug, public } => projects::create(larder, &slug, public).await,
        R::ListProjects => projects::list(larder).await,
        R::RenameProject { from, to } => projects::rename(larder, &from, &to).await,
        R::DeleteProject { project, yes } => projects::delete(larder, &project, yes).await,
        R::DeleteBuild {
            project,
            number,
            yes,
        } => projects::delete_build(larder, &project, number, yes).await,
        R::SetSpaceLimit { project, max_bytes } => {
            projects::set_space_limit(larder, &project, &max_bytes).await
        }
        R::SetRetention { project, retention } => {
            projects::set_retention(larder, &project, &retention).await
        }
        R::Grant {
            user,
            project,
            role,
        } => users::grant(larder, &user, &project, &role).await,
        R::CreateToken {
            user,
            scopes,
            project,
            description,
            days,
        } => {
            let words = users::TokenWords {
                user,
                scopes,
                project,
                description,
                days,
            };
            users::create_token(larder, words).await
        }
        R::ListTokens { user } => users::list_tokens(larder, &user).await,
        R::RevokeToken { id } => users::revoke_token(larder, &id).await,
        R::ResumeRetention => larder.resume_retention().await.map(AdminAnswer::Expired),
        R::Audit(request) => audit::page(larder, request).await,
        R::RotateKeys => larder.rotate_keys().await.map(AdminAnswer::KeyRotated),
        R::Check => larder.check().await.map(AdminAnswer::Checked),
        R::CollectGarbage => larder.collect_garbage().await.map(AdminAnswer::Swept),
        R::Backup { folder } => larder.backup(&folder).await.map(AdminAnswer::BackedUp),
    }
}

fn invalid(field: &'static str, reason: String) -> Error {
    Error::Invalid { field, reason }
}
