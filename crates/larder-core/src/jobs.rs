//! What callers may do with jobs.

use crate::access::{Action, Resource, absent, authorize};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::metadata::{Room, Tx, artifacts, audit, builds, jobs, projects};
use crate::model::{Build, EndState, Job, JobId, JobOutcome, JobState, Principal, Project};
use crate::projects::Projects;
use crate::store::Store;
use std::sync::Arc;

/// What was announced before a job ended may still finish for so long after it.
pub(crate) const LATE_FINISH_MS: i64 = 10 * 60 * 1000;

/// Jobs.
#[derive(Clone, Debug)]
pub struct Jobs(pub(crate) Arc<Store>);

/// A node together with what it belongs to.
#[derive(Clone, Debug)]
pub struct JobOfBuild {
    /// The node.
    pub job: Job,
    /// Its build, which knows its project.
    pub build: Build,
}

/// All nodes that share a job number.
#[derive(Clone, Debug)]
pub struct JobNodes {
    /// The number within the project.
    pub number: i64,
    /// The build, which knows its project.
    pub build: Build,
    /// By index; at least one.
    pub nodes: Vec<Job>,
}

impl JobNodes {
    /// What the nodes amount to.
    pub fn outcome(&self) -> JobOutcome {
        JobOutcome::of(self.nodes.iter().map(|node| node.state))
    }

    /// The node of that index.
    pub fn node(&self, index: u32) -> Option<&Job> {
        self.nodes.iter().find(|node| node.index == index)
    }
}

/// Which jobs [`Jobs::recent`] gives; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct RecentJobs {
    /// Of this project; of all that the caller has a role on if absent.
    pub project: Option<Project>,
    /// Of this branch.
    pub branch: Option<String>,
    /// With one of these outcomes.
    pub outcomes: Option<Vec<JobOutcome>>,
    /// Jobs to skip.
    pub skip: u32,
    /// Jobs to give at most.
    pub limit: u32,
}

impl Jobs {
    /// The node of that id. Needs `read_builds`.
    pub async fn job(&self, who: &Principal, id: JobId) -> Result<JobOfBuild> {
        self.by_id(who, id, Action::ReadBuilds).await
    }

    /// The node of that id for whoever may see the project; what may be done with it is asked later.
    pub async fn seen(&self, who: &Principal, id: JobId) -> Result<JobOfBuild> {
        self.by_id(who, id, Action::SeeProject).await
    }

    /// All nodes of a build.
    pub async fn of_build(&self, who: &Principal, build: &Build) -> Result<Vec<Job>> {
        authorize(
            who,
            Action::ReadBuilds,
            Resource::build(&build.project, build.pk),
        )?;
        let pk = build.pk;
        self.0
            .database
            .read(async move |tx| jobs::of_build(tx, pk).await)
            .await
    }

    /// All nodes of a job by its number, for whoever may see the project.
    pub async fn nodes(&self, who: &Principal, project: &Project, number: i64) -> Result<JobNodes> {
        authorize(who, Action::SeeProject, Resource::project(project))?;
        let pk = project.number;
        let found = self
            .0
            .database
            .read(async move |tx| nodes_of(tx, pk, number).await)
            .await?;
        seen_nodes(who, found)
    }

    /// All nodes of the job to which this node belongs, for whoever may see the project. A queued job has no number and
    /// is not found.
    pub async fn nodes_beside(&self, who: &Principal, id: JobId) -> Result<JobNodes> {
        let JobOfBuild { job, build } = self.seen(who, id).await?;
        match job.number {
            Some(number) => self.nodes(who, &build.project, number).await,
            None => Err(absent(who, What::Job)),
        }
    }

    /// The newest job of a project with one of the outcomes, of a branch if one is given. Builds of forks are skipped
    /// unless asked for.
    pub async fn latest(
        &self,
        who: &Principal,
        project: &Project,
        branch: Option<&str>,
        outcomes: &[JobOutcome],
        forks: bool,
    ) -> Result<JobNodes> {
        authorize(who, Action::SeeProject, Resource::project(project))?;
        let (pk, branch, outcomes) = (project.number, branch.map(str::to_owned), outcomes.to_vec());
        let found = self
            .0
            .database
            .read(async move |tx| {
                match jobs::latest(tx, pk, branch.as_deref(), &outcomes, forks).await? {
                    Some(number) => nodes_of(tx, pk, number).await,
                    None => Ok(None),
                }
            })
            .await?;
        seen_nodes(who, found)
    }

    /// Jobs, newest first. Needs `read_builds`.
    pub async fn recent(&self, who: &Principal, recent: RecentJobs) -> Result<Vec<JobNodes>> {
        let projects = if let Some(project) = &recent.project {
            authorize(who, Action::ReadBuilds, Resource::project(project))?;
            vec![project.number]
        } else {
            crate::access::require_scope(who, crate::model::Scope::ReadBuilds)?;
            let visible = Projects(self.0.clone()).visible(who).await?;
            visible.iter().map(|project| project.number).collect()
        };
        let wanted = jobs::Recent {
            projects,
            branch: recent.branch,
            outcomes: recent.outcomes,
            skip: recent.skip,
            limit: recent.limit,
        };
        self.0
            .database
            .scan(async move |tx| {
                let mut found = Vec::new();
                for (project, number) in jobs::recent(tx, &wanted).await? {
                    found.extend(nodes_of(tx, project, number).await?);
                }
                Ok(found)
            })
            .await
    }

    /// Branches of a project that have jobs, at most 100. Needs `read_builds`.
    pub async fn branches(&self, who: &Principal, project: &Project) -> Result<Vec<String>> {
        authorize(who, Action::ReadBuilds, Resource::project(project))?;
        let pk = project.number;
        self.0
            .database
            .scan(async move |tx| jobs::branches(tx, pk, 100).await)
            .await
    }

    /// Starts a queued job, which gives it its number; a job that runs stays as it is.
    pub async fn start(&self, who: &Principal, id: JobId) -> Result<Job> {
        let JobOfBuild { job, build } = self.by_id(who, id, Action::RunJob).await?;
        let (who, now) = (who.clone(), self.0.clock.now());
        self.0
            .database
            .write_in(Room::Project(build.project.number), async move |tx| {
                require_there(tx, id).await?;
                let nodes = jobs::of_name(tx, build.pk, &job.name).await?;
                let number = match nodes.iter().find_map(|node| node.number) {
                    Some(number) => number,
                    None => projects::next_job(tx, build.project.number).await?,
                };
                if jobs::start(tx, job.pk, number, now).await? {
                    let (slug, what) = (build.project.slug(), format!("job {id}"));
                    audit::record_in(tx, now, &who, &slug, "start job", &what).await?;
                }
                let job = existing(tx, id).await?;
                match job.state {
                    JobState::Running => Ok(job),
                    _ => Err(Error::Conflict(format!(
                        "the job has ended already: {}",
                        job.state.word()
                    ))),
                }
            })
            .await
    }

    /// Ends a job. The same state again is no error, another one is.
    pub async fn finish(
        &self,
        who: &Principal,
        id: JobId,
        end: EndState,
        exit_status: Option<i32>,
    ) -> Result<Job> {
        let found = self.by_id(who, id, Action::RunJob).await?;
        let (who, now) = (who.clone(), self.0.clock.now());
        self.0
            .database
            .write_in(Room::Project(found.build.project.number), async move |tx| {
                jobs::hear(tx, found.job.pk, now).await?;
                end_job(tx, Some(&who), &found.job, end.into(), exit_status, now).await
            })
            .await
    }

    /// Notes that a job is alive.
    pub async fn hear(&self, who: &Principal, id: JobId) -> Result<()> {
        let found = self.by_id(who, id, Action::RunJob).await?;
        let now = self.0.clock.now();
        self.0
            .database
            .write(async move |tx| jobs::hear(tx, found.job.pk, now).await)
            .await
    }

    /// Running jobs that were not heard of for their lease become `timed_out`; how many.
    pub async fn time_out_unheard(&self) -> Result<usize> {
        let now = self.0.clock.now();
        let before = now.plus_ms(-self.0.settings.job_lease_ms);
        let mut ended = 0;
        loop {
            let more = self
                .0
                .database
                .write(async move |tx| time_out_of_one_build(tx, before, now).await)
                .await?;
            if more == 0 {
                return Ok(ended);
            }
            ended += more;
        }
    }

    async fn by_id(&self, who: &Principal, id: JobId, action: Action) -> Result<JobOfBuild> {
        let found = self
            .0
            .database
            .read(async move |tx| match jobs::by_id(tx, id).await? {
                Some(job) => Ok(builds::by_pk(tx, job.build_pk)
                    .await?
                    .map(|build| JobOfBuild { job, build })),
                None => Ok(None),
            })
            .await?;
        let found = found.ok_or_else(|| absent(who, What::Job))?;
        match authorize(
            who,
            action,
            Resource::job(&found.build.project, found.build.pk, found.job.pk),
        ) {
            Err(Error::NotFound(_)) => Err(Error::NotFound(What::Job)),
            other => other.map(|()| found),
        }
    }
}

/// The nodes, if the caller may know of their build: a job knows of no other build than its own.
fn seen_nodes(who: &Principal, found: Option<JobNodes>) -> Result<JobNodes> {
    let nodes = found.ok_or_else(|| absent(who, What::Job))?;
    let build = Resource::build(&nodes.build.project, nodes.build.pk);
    authorize(who, Action::SeeProject, build)?;
    Ok(nodes)
}

/// Ends the unheard jobs of the build that has been silent for longest; how many. Those of one build, since only one
/// project can be locked at a time.
async fn time_out_of_one_build(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<usize> {
    let Some(first) = jobs::unheard(tx, before, None, 1).await?.pop() else {
        return Ok(0);
    };
    let Some(build) = builds::by_pk(tx, first.build_pk).await? else {
        return Ok(0);
    };
    tx.lock(Room::Project(build.project.number)).await?;
    // One of them may have been heard of while we waited.
    let unheard = jobs::unheard(tx, before, Some(build.pk), 1_000).await?;
    for job in &unheard {
        end_job(tx, None, job, JobState::TimedOut, None, now).await?;
    }
    Ok(unheard.len())
}

/// Ends a job for somebody, or for the larder itself.
async fn end_job(
    tx: &mut Tx,
    who: Option<&Principal>,
    job: &Job,
    state: JobState,
    exit_status: Option<i32>,
    now: Timestamp,
) -> Result<Job> {
    // Nobody asks for the end of a job that is silent.
    let silenced_at = who.is_none().then_some(now);
    if jobs::end(tx, job.pk, state, exit_status, now, silenced_at).await? {
        artifacts::hurry(tx, job.pk, now.plus_ms(LATE_FINISH_MS)).await?;
        jobs::settle(tx, job.build_pk, &job.name, now).await?;
        let what = format!("job {} {}", job.id, state.word());
        let build = builds::by_pk(tx, job.build_pk).await?;
        let slug = build.ok_or(Error::NotFound(What::Build))?.project.slug();
        match who {
            Some(who) => audit::record_in(tx, now, who, &slug, "finish job", &what).await?,
            None => audit::record_own(tx, now, Some(&slug), "finish job", &what).await?,
        }
    }
    let job = existing(tx, job.id).await?;
    if job.state == state {
        return Ok(job);
    }
    Err(Error::Conflict(format!(
        "the job has ended already: {}",
        job.state.word()
    )))
}

/// What a job says must not come back into what was deleted meanwhile.
pub(crate) async fn require_there(tx: &mut Tx, id: JobId) -> Result<()> {
    existing(tx, id).await.map(|_| ())
}

async fn existing(tx: &mut Tx, id: JobId) -> Result<Job> {
    jobs::by_id(tx, id).await?.ok_or(Error::NotFound(What::Job))
}

async fn nodes_of(tx: &mut Tx, project: i64, number: i64) -> Result<Option<JobNodes>> {
    let nodes = jobs::of_number(tx, project, number).await?;
    let Some(first) = nodes.first() else {
        return Ok(None);
    };
    let build = builds::by_pk(tx, first.build_pk).await?;
    Ok(build.map(|build| JobNodes {
        number,
        build,
        nodes,
    }))
}
