//! Which project and which job a request names. This API's "build" is our job, with all its parallel nodes.

use super::extract::Parameters;
use crate::http::state::App;
use larder_core::model::{JobOutcome, Principal, Project, ProjectSlug, Vcs};
use larder_core::{Error, JobNodes, What};
use serde::Deserialize;

/// `:vcs-type/:username/:project`; v1 leaves out the first and means GitHub.
#[derive(Debug, Deserialize)]
pub(super) struct ProjectPath {
    #[serde(default = "github")]
    pub(super) vcs: String,
    pub(super) username: String,
    pub(super) project: String,
}

/// A project and `:build_num`, or `latest`.
#[derive(Debug, Deserialize)]
pub(super) struct JobPath {
    #[serde(default = "github")]
    pub(super) vcs: String,
    pub(super) username: String,
    pub(super) project: String,
    pub(super) number: String,
}

fn github() -> String {
    Vcs::Github.word().to_owned()
}

impl ProjectPath {
    /// The project, if the caller may see it.
    pub(super) async fn project(&self, app: &App, who: &Principal) -> Result<Project, Error> {
        let slug = ProjectSlug::from_parts(&self.vcs, &self.username, &self.project);
        // What cannot be a project is told apart from one that is not there by nobody.
        let slug = slug.map_err(|_| missing(who, What::Project))?;
        app.larder().projects.by_slug(who, &slug).await
    }
}

impl JobPath {
    /// The same path with another host of the code.
    pub(super) fn on(self, vcs: Vcs) -> Self {
        Self {
            vcs: vcs.word().to_owned(),
            ..self
        }
    }

    /// The job of that number.
    pub(super) async fn numbered(&self, app: &App, who: &Principal) -> Result<JobNodes, Error> {
        let project = self.project(app, who).await?;
        numbered(app, who, &project, &self.number).await
    }

    /// The job of that number, or the latest that is wished for.
    pub(super) async fn named(
        &self,
        app: &App,
        who: &Principal,
        latest: &Latest,
    ) -> Result<JobNodes, Error> {
        if self.number != "latest" {
            return self.numbered(app, who).await;
        }
        let project = self.project(app, who).await?;
        let Latest {
            branch,
            outcomes,
            forks,
        } = latest;
        let jobs = &app.larder().jobs;
        jobs.latest(who, &project, branch.as_deref(), outcomes, *forks)
            .await
    }

    async fn project(&self, app: &App, who: &Principal) -> Result<Project, Error> {
        let path = ProjectPath {
            vcs: self.vcs.clone(),
            username: self.username.clone(),
            project: self.project.clone(),
        };
        path.project(app, who).await
    }
}

/// The job of a number that a path or a host name gives.
pub(super) async fn numbered(
    app: &App,
    who: &Principal,
    project: &Project,
    number: &str,
) -> Result<JobNodes, Error> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse() {
        Ok(number) if digits => app.larder().jobs.nodes(who, project, number).await,
        _ => Err(missing(who, What::Job)),
    }
}

fn missing(who: &Principal, what: What) -> Error {
    match who {
        Principal::Anonymous => Error::Unauthenticated,
        Principal::Operator | Principal::User(_) | Principal::Job(_) => Error::NotFound(what),
    }
}

/// Which job `latest` means: the one with the greatest number that fits.
#[derive(Debug)]
pub(super) struct Latest {
    branch: Option<String>,
    outcomes: Vec<JobOutcome>,
    forks: bool,
}

impl Latest {
    /// What the query wishes. Any branch unless one is named, and none whose code comes from a fork unless `fork=true`:
    /// a stranger's pull request must not become what a project's badge leads to.
    pub(super) fn of(parameters: &Parameters, default: Option<Filter>) -> Result<Self, Error> {
        let filter = Filter::of(parameters)?.or(default);
        Ok(Self {
            branch: parameters.text("branch").map(str::to_owned),
            outcomes: filter.map_or(Filter::ALL, Filter::outcomes).to_vec(),
            forks: parameters.flag("fork")?,
        })
    }
}

/// How a job has to stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    /// Ended in any way.
    Completed,
    /// Every node passed.
    Successful,
    /// A node failed or ran out of time.
    Failed,
    /// Not ended.
    Running,
}

impl Filter {
    const ALL: &[JobOutcome] = &[
        JobOutcome::Running,
        JobOutcome::Passed,
        JobOutcome::Failed,
        JobOutcome::Canceled,
        JobOutcome::TimedOut,
    ];

    /// The filter that the query names, if it names one.
    pub(super) fn of(parameters: &Parameters) -> Result<Option<Self>, Error> {
        match parameters.word("filter") {
            None => Ok(None),
            Some("completed") => Ok(Some(Self::Completed)),
            Some("successful") => Ok(Some(Self::Successful)),
            Some("failed") => Ok(Some(Self::Failed)),
            Some("running") => Ok(Some(Self::Running)),
            Some(_) => Err(Error::invalid(
                "filter",
                "must be one of completed, successful, failed, running",
            )),
        }
    }

    /// The outcomes that pass it.
    pub(super) fn outcomes(self) -> &'static [JobOutcome] {
        match self {
            Self::Completed => &[
                JobOutcome::Passed,
                JobOutcome::Failed,
                JobOutcome::Canceled,
                JobOutcome::TimedOut,
            ],
            Self::Successful => &[JobOutcome::Passed],
            Self::Failed => &[JobOutcome::Failed, JobOutcome::TimedOut],
            Self::Running => &[JobOutcome::Running],
        }
    }
}
