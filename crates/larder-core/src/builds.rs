//! What callers may do with builds.

use crate::access::{Action, Resource, absent, authorize, job_token, require_scope};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::metadata::{Room, Tx, audit, builds, jobs};
use crate::model::{
    Build, BuildId, BuildState, Cursor, Job, JobId, JobState, NewBuild, NewJob, Offset, Page,
    Principal, Project, ProjectSlug, Scope,
};
use crate::projects::{self, Projects};
use crate::store::Store;
use std::sync::Arc;

/// Most nodes of one job.
const PARALLELISM_MAX: u32 = 256;
/// Most jobs in one announcement.
const JOBS_MAX: usize = 1_000;
/// Most nodes of one build, and so of one announcement, which is one transaction.
const NODES_MAX: usize = 2_000;
/// Longest text of a build (branch, message …) in bytes; longer ones are cut by nobody but refused.
const TEXT_BYTES_MAX: usize = 4_096;

/// Builds.
#[derive(Clone, Debug)]
pub struct Builds(pub(crate) Arc<Store>);

/// An announced build and the nodes of its jobs, each with its token, which is shown this once.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The build.
    pub build: Build,
    /// Its nodes.
    pub nodes: Vec<AnnouncedNode>,
}

/// A node and the token that it works with.
#[derive(Clone)]
pub struct AnnouncedNode {
    /// The node.
    pub job: Job,
    /// Secret.
    pub token: String,
}

impl std::fmt::Debug for AnnouncedNode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AnnouncedNode")
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

/// Which builds a list holds; what is empty or absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct BuildFilter {
    /// In one of these states.
    pub states: Vec<BuildState>,
    /// Of one of these branches.
    pub branches: Vec<String>,
    /// Of this tag.
    pub tag: Option<String>,
    /// Of this commit.
    pub revision: Option<String>,
    /// Announced at this time or later.
    pub created_from: Option<Timestamp>,
    /// Announced before this time.
    pub created_to: Option<Timestamp>,
    /// Ended at this time or later.
    pub finished_from: Option<Timestamp>,
}

impl Builds {
    /// Announces a build with the jobs known so far. With an `external_id` that is known, the same build is given and
    /// gets the jobs that it lacks. An unknown project is made, private, where the caller may do that.
    pub async fn announce(
        &self,
        who: &Principal,
        slug: &ProjectSlug,
        new: NewBuild,
        new_jobs: Vec<NewJob>,
    ) -> Result<Announced> {
        if matches!(who, Principal::Anonymous) {
            return Err(Error::Unauthenticated);
        }
        check_texts(&new)?;
        let now = self.0.clock.now();
        let auto_create = self.0.settings.auto_create_projects;
        let numbers = self.0.database.numbers(3 + numbers_for(&new_jobs)?).await?;
        let (who, slug) = (who.clone(), slug.clone());
        self.0
            .database
            .write(async move |tx| {
                let mut numbers = numbers.clone();
                let mut take = || numbers.next().unwrap_or_default();
                let for_project = [take(), take()];
                let project =
                    projects::find_or_create(tx, for_project, &who, &slug, auto_create, now)
                        .await?;
                tx.lock(Room::Project(project.number)).await?;
                let known = match &new.external_id {
                    Some(external_id) => {
                        builds::by_external_id(tx, project.number, external_id).await?
                    }
                    None => None,
                };
                let build = match known {
                    Some(build) => {
                        note_jobs(tx, &who, &build, now).await?;
                        build
                    }
                    None => insert_build(tx, take(), &who, project, &new, now).await?,
                };
                let nodes = announce_jobs(tx, &mut numbers, &build, &new_jobs, now).await?;
                Ok(Announced { build, nodes })
            })
            .await
    }

    /// Adds jobs to a build; those that it has already are given as they are, with a new token.
    pub async fn add_jobs(
        &self,
        who: &Principal,
        id: BuildId,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<AnnouncedNode>> {
        let build = self.by_id(who, id, Action::WriteBuilds).await?;
        let (now, numbers) = (
            self.0.clock.now(),
            self.0.database.numbers(numbers_for(&new_jobs)?).await?,
        );
        let who = who.clone();
        self.0
            .database
            .write_in(Room::Project(build.project.number), async move |tx| {
                let found = builds::by_pk(tx, build.pk).await?;
                let build = found.ok_or(Error::NotFound(What::Build))?;
                note_jobs(tx, &who, &build, now).await?;
                announce_jobs(tx, &mut numbers.clone(), &build, &new_jobs, now).await
            })
            .await
    }

    /// The build of that id.
    pub async fn build(&self, who: &Principal, id: BuildId) -> Result<Build> {
        self.by_id(who, id, Action::ReadBuilds).await
    }

    /// The build of that id for whoever may see the project; what may be done with it is asked later.
    pub async fn seen(&self, who: &Principal, id: BuildId) -> Result<Build> {
        self.by_id(who, id, Action::SeeProject).await
    }

    /// The build of that number in a project.
    pub async fn by_number(
        &self,
        who: &Principal,
        project: &Project,
        number: i64,
    ) -> Result<Build> {
        let found = self.seen_by_number(who, project, number).await?;
        authorize(
            who,
            Action::ReadBuilds,
            Resource::build(&found.project, found.pk),
        )?;
        Ok(found)
    }

    /// The build of that number for whoever may see the project; what may be done with it is asked later.
    pub async fn seen_by_number(
        &self,
        who: &Principal,
        project: &Project,
        number: i64,
    ) -> Result<Build> {
        let pk = project.number;
        let found = self
            .0
            .database
            .read(async move |tx| builds::by_number(tx, pk, number).await)
            .await?;
        let build = found.ok_or_else(|| absent(who, What::Build))?;
        authorize(
            who,
            Action::SeeProject,
            Resource::build(&build.project, build.pk),
        )?;
        Ok(build)
    }

    /// Builds of a project, newest first, after a place in that list.
    pub async fn of_project(
        &self,
        who: &Principal,
        project: &Project,
        filter: &BuildFilter,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Build>> {
        authorize(who, Action::ReadBuilds, Resource::project(project))?;
        let conditions = builds::Conditions {
            before,
            ..filter.conditions(vec![project.number])
        };
        self.0
            .database
            .read(async move |tx| builds::list(tx, &conditions, 0, limit).await)
            .await
    }

    /// A page of the builds of some projects, newest first; of all that the caller has a role on if `projects` is
    /// `None`.
    pub async fn page(
        &self,
        who: &Principal,
        projects: Option<&[Project]>,
        filter: &BuildFilter,
        offset: Offset,
    ) -> Result<Page<Build>> {
        require_scope(who, Scope::ReadBuilds)?;
        let all;
        let projects = if let Some(projects) = projects {
            projects
        } else {
            all = Projects(self.0.clone()).visible(who).await?;
            &all
        };
        for project in projects {
            authorize(who, Action::ReadBuilds, Resource::project(project))?;
        }
        let conditions = filter.conditions(projects.iter().map(|project| project.number).collect());
        self.0
            .database
            .scan(async move |tx| {
                let total = builds::count(tx, &conditions).await?;
                let items = builds::list(tx, &conditions, offset.skip, offset.limit).await?;
                Ok(Page { items, total })
            })
            .await
    }

    pub(crate) async fn by_id(
        &self,
        who: &Principal,
        id: BuildId,
        action: Action,
    ) -> Result<Build> {
        let found = self
            .0
            .database
            .read(async move |tx| builds::by_id(tx, id).await)
            .await?;
        let build = found.ok_or_else(|| absent(who, What::Build))?;
        match authorize(who, action, Resource::build(&build.project, build.pk)) {
            Err(Error::NotFound(_)) => Err(Error::NotFound(What::Build)),
            other => other.map(|()| build),
        }
    }
}

impl BuildFilter {
    fn conditions(&self, projects: Vec<i64>) -> builds::Conditions {
        builds::Conditions {
            projects,
            states: self.states.clone(),
            branches: self.branches.clone(),
            tag: self.tag.clone(),
            revision: self.revision.clone(),
            created_from: self.created_from,
            created_to: self.created_to,
            finished_from: self.finished_from,
            before: None,
        }
    }
}

async fn insert_build(
    tx: &mut Tx,
    pk: i64,
    who: &Principal,
    project: Project,
    new: &NewBuild,
    now: Timestamp,
) -> Result<Build> {
    let user = who.user().map(|user| &user.user);
    let build = Build {
        pk,
        id: BuildId::new(now),
        number: crate::metadata::projects::next_build(tx, project.number).await?,
        project,
        branch: new.branch.clone(),
        tag: new.tag.clone(),
        revision: new.revision.clone(),
        message: new.message.clone(),
        fork: new.fork,
        creator: user.map(|user| user.name.clone()),
        state: BuildState::Running,
        created_at: now,
        finished_at: None,
        artifact_count: 0,
        total_bytes: 0,
    };
    builds::insert(
        tx,
        &build,
        new.external_id.as_deref(),
        user.map(|user| user.pk),
    )
    .await?;
    let what = format!("{} build {}", build.project.slug(), build.number);
    audit::record_in(tx, now, who, &build.project.slug(), "announce build", &what).await?;
    Ok(build)
}

/// Notes who asks for jobs of a build that is there: new tokens go to whoever does.
async fn note_jobs(tx: &mut Tx, who: &Principal, build: &Build, now: Timestamp) -> Result<()> {
    let what = format!("{} build {}", build.project.slug(), build.number);
    audit::record_in(tx, now, who, &build.project.slug(), "announce jobs", &what).await
}

async fn announce_jobs(
    tx: &mut Tx,
    numbers: &mut std::ops::Range<i64>,
    build: &Build,
    new_jobs: &[NewJob],
    now: Timestamp,
) -> Result<Vec<AnnouncedNode>> {
    let mut take = || numbers.next().unwrap_or_default();
    let mut nodes = Vec::new();
    let mut of_build = jobs::count_of_build(tx, build.pk).await?;
    for new in new_jobs {
        let known = jobs::of_name(tx, build.pk, &new.name).await?;
        let jobs = if known.is_empty() {
            of_build += new.parallelism as usize;
            require_nodes(of_build)?;
            let keys: Vec<_> = (0..new.parallelism).map(|_| take()).collect();
            insert_nodes(tx, &keys, build, new, now).await?
        } else {
            known
        };
        // The same known job may be named again and again.
        require_nodes(nodes.len() + jobs.len())?;
        for job in jobs {
            let token = job_token(tx, take(), job.pk, now).await?;
            nodes.push(AnnouncedNode { job, token });
        }
    }
    Ok(nodes)
}

async fn insert_nodes(
    tx: &mut Tx,
    keys: &[i64],
    build: &Build,
    new: &NewJob,
    now: Timestamp,
) -> Result<Vec<Job>> {
    let number = if new.queued {
        None
    } else {
        Some(crate::metadata::projects::next_job(tx, build.project.number).await?)
    };
    let mut nodes = Vec::new();
    for (index, pk) in (0..new.parallelism).zip(keys) {
        let job = Job {
            pk: *pk,
            build_pk: build.pk,
            id: JobId::new(now),
            build_id: build.id,
            build_number: build.number,
            name: new.name.clone(),
            number,
            index,
            parallelism: new.parallelism,
            state: if new.queued {
                JobState::Queued
            } else {
                JobState::Running
            },
            exit_status: None,
            created_at: now,
            started_at: number.map(|_| now),
            finished_at: None,
            heard_at: now,
            silenced_at: None,
            artifact_count: 0,
            total_bytes: 0,
        };
        jobs::insert(tx, build, &job).await?;
        nodes.push(job);
    }
    // A build that had ended goes on with its new job.
    jobs::settle(tx, build.pk, &new.name, now).await?;
    Ok(nodes)
}

/// Row numbers that announcing these jobs may need: a row and a token for each node, known ones included.
fn numbers_for(new_jobs: &[NewJob]) -> Result<usize> {
    if new_jobs.len() > JOBS_MAX {
        return Err(Error::invalid(
            "jobs",
            format!("at most {JOBS_MAX} jobs can be announced at once"),
        ));
    }
    let mut numbers = 0;
    for job in new_jobs {
        if job.parallelism == 0 || job.parallelism > PARALLELISM_MAX {
            return Err(Error::invalid(
                "parallelism",
                format!("must be between 1 and {PARALLELISM_MAX}"),
            ));
        }
        if job.name.is_empty() || job.name.len() > 200 || job.name.chars().any(char::is_control) {
            return Err(Error::invalid(
                "name",
                "of a job must be 1 to 200 bytes without control characters",
            ));
        }
        // A known job of the same name may have more nodes than are announced now.
        numbers += job.parallelism as usize + PARALLELISM_MAX as usize;
    }
    require_nodes(new_jobs.iter().map(|job| job.parallelism as usize).sum())?;
    Ok(numbers)
}

fn require_nodes(nodes: usize) -> Result<()> {
    if nodes <= NODES_MAX {
        return Ok(());
    }
    Err(Error::invalid(
        "jobs",
        format!(
            "a build, and each announcement, can have at most {NODES_MAX} nodes (the parallelism of all its jobs \
             together): use fewer, or several builds"
        ),
    ))
}

fn check_texts(new: &NewBuild) -> Result<()> {
    let texts = [
        ("branch", &new.branch),
        ("tag", &new.tag),
        ("revision", &new.revision),
        ("message", &new.message),
        ("external_id", &new.external_id),
    ];
    for (field, text) in texts {
        if let Some(text) = text
            && (text.len() > TEXT_BYTES_MAX || text.contains('\0'))
        {
            return Err(Error::invalid(
                field,
                format!("must be at most {TEXT_BYTES_MAX} bytes without NUL"),
            ));
        }
    }
    Ok(())
}
