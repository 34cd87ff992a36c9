//! The one door: every use case asks [`authorize`] before it does anything.

use crate::error::{Error, Lack, Result, What};
use crate::model::{GrantOn, JobPrincipal, Principal, Project, Role, Scope, UserPrincipal};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Know that a project is there; needs no scope.
    SeeProject,
    /// List and download artifacts.
    ReadArtifacts,
    /// Announce artifacts and send their bytes.
    CreateArtifacts,
    /// Delete artifacts, with the scope made for it.
    DeleteArtifacts,
    /// Delete artifacts on an API where `write_artifacts` is enough.
    DeleteArtifactsAsWriter,
    /// See builds and jobs.
    ReadBuilds,
    /// Announce builds and jobs.
    WriteBuilds,
    /// Start, report on and end a job.
    RunJob,
    /// Change what holds for a whole project.
    SetUpProject,
}

/// What somebody wants to do it with; the parts that are known say which job's token may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'a> {
    pub(crate) project: &'a Project,
    pub(crate) build_pk: Option<i64>,
    pub(crate) job_pk: Option<i64>,
}

impl<'a> Resource<'a> {
    pub(crate) fn project(project: &'a Project) -> Self {
        Self {
            project,
            build_pk: None,
            job_pk: None,
        }
    }

    pub(crate) fn build(project: &'a Project, build_pk: i64) -> Self {
        Self {
            project,
            build_pk: Some(build_pk),
            job_pk: None,
        }
    }

    pub(crate) fn job(project: &'a Project, build_pk: i64, job_pk: i64) -> Self {
        Self {
            project,
            build_pk: Some(build_pk),
            job_pk: Some(job_pk),
        }
    }
}

/// Says no, with the meaning that the caller may know: outside the caller's projects there is nothing to be found, and
/// somebody without a token is asked for one whether or not there is.
pub(crate) fn authorize(who: &Principal, action: Action, on: Resource<'_>) -> Result<()> {
    match who {
        Principal::Operator => Ok(()),
        Principal::Anonymous if on.project.public_at.is_some() && action.reads() => Ok(()),
        Principal::Anonymous => Err(Error::Unauthenticated),
        Principal::User(user) => authorize_user(user, action, on.project),
        Principal::Job(job) => authorize_job(job, action, on),
    }
}

/// What to say of a thing that is not there, in a place of which the caller may not know whether it is.
pub(crate) fn absent(who: &Principal, what: What) -> Error {
    match who {
        Principal::Anonymous => Error::Unauthenticated,
        Principal::Operator | Principal::User(_) | Principal::Job(_) => Error::NotFound(what),
    }
}

/// Says no to who has not the scope, for lists that hold only what the caller may see.
pub(crate) fn require_scope(who: &Principal, scope: Scope) -> Result<()> {
    match who {
        Principal::Anonymous => Err(Error::Unauthenticated),
        Principal::Job(_) => Err(Error::Forbidden(Lack::JobToken)),
        Principal::Operator => Ok(()),
        Principal::User(_) if who.has_scope(scope) => Ok(()),
        Principal::User(_) => Err(Error::Forbidden(Lack::Scope(scope))),
    }
}

/// The role that a user has on a project, by whatever way.
pub(crate) fn role_on(user: &UserPrincipal, project: &Project) -> Option<Role> {
    let reached = user.only_project.is_none_or(|only| only == project.number);
    let everyone = project.public_at.map(|_| Role::Reader);
    if !reached {
        return everyone;
    }
    if user.user.admin {
        return Some(Role::Admin);
    }
    let granted = user
        .grants
        .iter()
        .filter(|grant| {
            grant.on == GrantOn::Project(project.number)
                || grant.on == GrantOn::Organization(project.organization.pk)
        })
        .map(|grant| grant.role)
        .max();
    granted.max(user.everywhere).max(everyone)
}

fn authorize_user(user: &UserPrincipal, action: Action, project: &Project) -> Result<()> {
    let Some(role) = role_on(user, project) else {
        return Err(Error::NotFound(What::Project));
    };
    let scopes = action.scopes();
    if !scopes.is_empty() && !scopes.iter().any(|scope| user.has_scope(*scope)) {
        return Err(Error::Forbidden(Lack::Scope(scopes[0])));
    }
    if role < action.role() {
        return Err(Error::Forbidden(Lack::Role(action.role())));
    }
    Ok(())
}

/// A job reads its own build and adds to itself; it never deletes.
fn authorize_job(job: &JobPrincipal, action: Action, on: Resource<'_>) -> Result<()> {
    if on.project.number != job.project_number {
        return Err(Error::NotFound(What::Project));
    }
    if on.build_pk.is_some_and(|build| build != job.build_pk) {
        return Err(Error::NotFound(What::Build));
    }
    let own_build = on.build_pk == Some(job.build_pk);
    let own_job = on.job_pk == Some(job.job_pk);
    let allowed = match action {
        Action::SeeProject => true,
        Action::ReadArtifacts | Action::ReadBuilds => own_build,
        Action::CreateArtifacts | Action::RunJob => own_job,
        Action::DeleteArtifacts
        | Action::DeleteArtifactsAsWriter
        | Action::WriteBuilds
        | Action::SetUpProject => false,
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden(Lack::JobToken))
    }
}

impl Action {
    fn reads(self) -> bool {
        self.role() == Role::Reader
    }

    /// Any one of these is enough; the first is the one that a refusal names.
    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::SeeProject => &[],
            Self::ReadArtifacts => &[Scope::ReadArtifacts],
            Self::CreateArtifacts => &[Scope::WriteArtifacts],
            Self::DeleteArtifacts => &[Scope::DeleteArtifacts],
            Self::DeleteArtifactsAsWriter => &[Scope::WriteArtifacts, Scope::DeleteArtifacts],
            Self::ReadBuilds => &[Scope::ReadBuilds],
            Self::WriteBuilds | Self::RunJob => &[Scope::WriteBuilds],
            Self::SetUpProject => &[Scope::Admin],
        }
    }

    fn role(self) -> Role {
        match self {
            Self::SeeProject | Self::ReadArtifacts | Self::ReadBuilds => Role::Reader,
            Self::CreateArtifacts
            | Self::DeleteArtifacts
            | Self::DeleteArtifactsAsWriter
            | Self::WriteBuilds
            | Self::RunJob => Role::Writer,
            Self::SetUpProject => Role::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::{
        Credential, Grant, Organization, OrganizationId, ProjectId, Scopes, TokenFacts, TokenId,
        User, UserId, Vcs,
    };

    const NOW: Timestamp = Timestamp(1_000);

    fn project(public: bool) -> Project {
        let organization = Organization {
            pk: 7,
            id: OrganizationId::new(NOW),
            vcs: Vcs::Github,
            name: "acme".into(),
            slug: "acme".into(),
            created_at: NOW,
        };
        Project {
            number: 3,
            id: ProjectId::new(NOW),
            organization,
            name: "demo".into(),
            public_at: public.then_some(NOW),
            retention: crate::model::Retention::OfInstance,
            space_limit: crate::model::SpaceLimit::OfInstance,
            total_bytes: 0,
            created_at: NOW,
        }
    }

    fn token(scopes: &[Scope]) -> TokenFacts {
        TokenFacts {
            pk: 1,
            id: TokenId::new(NOW),
            description: String::new(),
            scopes: Scopes::of(scopes),
            created_at: NOW,
            expires_at: None,
        }
    }

    fn user(role: Option<Role>, scopes: &[Scope]) -> Principal {
        let user = User {
            pk: 1,
            id: UserId::new(NOW),
            name: "ada".into(),
            admin: false,
            created_at: NOW,
            disabled_at: None,
        };
        let grants = role
            .map(|role| Grant {
                on: GrantOn::Project(3),
                role,
            })
            .into_iter()
            .collect();
        Principal::User(Box::new(UserPrincipal {
            user,
            grants,
            everywhere: None,
            credential: Credential::Token(token(scopes)),
            only_project: None,
        }))
    }

    fn job() -> Principal {
        Principal::Job(JobPrincipal {
            token: token(&[]),
            job_pk: 11,
            build_pk: 10,
            project_number: 3,
        })
    }

    #[track_caller]
    fn check(who: &Principal, action: Action, public: bool, expected: &str) {
        let project = project(public);
        let got = match authorize(who, action, Resource::job(&project, 10, 11)) {
            Ok(()) => "yes".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(
            got.starts_with(expected),
            "{action:?}: {got}, not {expected}"
        );
    }

    #[test]
    fn roles_and_scopes_are_both_needed_and_strangers_find_nothing() {
        use Action as A;
        let reader = user(Some(Role::Reader), &[Scope::ReadArtifacts]);
        check(&reader, A::ReadArtifacts, false, "yes");
        check(
            &reader,
            A::ReadBuilds,
            false,
            "not allowed: the token lacks the scope read_builds",
        );
        check(
            &user(Some(Role::Reader), &[Scope::Admin]),
            A::CreateArtifacts,
            false,
            "not allowed: the role writer",
        );
        check(
            &user(None, &[Scope::Admin]),
            A::ReadArtifacts,
            false,
            "no project found",
        );
        check(
            &user(None, &[Scope::ReadArtifacts]),
            A::ReadArtifacts,
            true,
            "yes",
        );
        check(
            &Principal::Anonymous,
            A::ReadArtifacts,
            false,
            "a token is needed",
        );
        check(&Principal::Anonymous, A::ReadArtifacts, true, "yes");
        check(
            &Principal::Anonymous,
            A::DeleteArtifacts,
            true,
            "a token is needed",
        );
    }

    #[test]
    fn deleting_takes_its_own_scope_but_where_writing_is_enough() {
        let writer = user(Some(Role::Writer), &[Scope::WriteArtifacts]);
        check(
            &writer,
            Action::DeleteArtifacts,
            false,
            "not allowed: the token lacks the scope delete_artifacts",
        );
        check(&writer, Action::DeleteArtifactsAsWriter, false, "yes");
        let deleter = user(Some(Role::Writer), &[Scope::DeleteArtifacts]);
        check(&deleter, Action::DeleteArtifactsAsWriter, false, "yes");
        check(&deleter, Action::DeleteArtifacts, false, "yes");
    }

    #[test]
    fn a_job_adds_to_itself_reads_its_build_and_never_deletes() {
        check(&job(), Action::CreateArtifacts, false, "yes");
        check(&job(), Action::ReadArtifacts, false, "yes");
        check(
            &job(),
            Action::DeleteArtifactsAsWriter,
            false,
            "not allowed",
        );
        let project = project(false);
        let other_job = authorize(
            &job(),
            Action::CreateArtifacts,
            Resource::job(&project, 10, 12),
        );
        assert!(matches!(other_job, Err(Error::Forbidden(Lack::JobToken))));
        let other_build = authorize(
            &job(),
            Action::ReadArtifacts,
            Resource::job(&project, 20, 21),
        );
        assert!(matches!(other_build, Err(Error::NotFound(What::Build))));
    }
}
