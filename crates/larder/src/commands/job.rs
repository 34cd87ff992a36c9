//! Which job a command works for: the one that `LARDER_JOB` names, the one that the CI runs, or one of its own.

use crate::cli::ServerArguments;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use larder_agent::ci::{CiBuild, CiNode, Variables};
use larder_agent::run::{BuildFacts, default_project};
use larder_agent::server::Server;
use larder_protocol::{
    AnnounceBuild, AnnounceJob, AnnouncedBuild, AnnouncedJob, FinishJob, JobBody, JobState,
};
use std::path::Path;

/// The event of a run on GitHub is a few kilobytes, and much more when it lists commits; larger ones are not read.
const EVENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How often the job of one node may have ended and begun again in a build.
const ROUNDS_MAX: u32 = 50;

/// A build and the job in it that this process is, before the server hears of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OwnBuild {
    /// `vcs/organization/name`.
    pub(crate) project: String,
    /// What is built.
    pub(crate) facts: BuildFacts,
    /// Whether the code comes from a fork.
    pub(crate) fork: bool,
    /// The CI's name for the build; without one, every announcement is another build.
    pub(crate) external_id: Option<String>,
    /// Name of the job.
    pub(crate) job: String,
    /// Which of its nodes this is.
    pub(crate) node: CiNode,
}

/// A job and who may work for it.
#[derive(Debug)]
pub(crate) struct OwnJob {
    /// The server, spoken to as the job.
    pub(crate) server: Server,
    /// UUID of the job.
    pub(crate) id: String,
    /// Whether the command announced a build for itself alone, which ends with it.
    is_own: bool,
}

/// What a job is wanted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// To take files: one that has ended is followed by another.
    Running,
    /// To be finished, which it may be already.
    Any,
}

/// The job that files are kept for. `given` is `--job` or `LARDER_JOB`. Otherwise it is the one that the CI runs, which
/// is announced if the server does not know it yet; outside of any CI it is one of a new build, which ends with
/// [`OwnJob::settle`].
pub(crate) async fn job_of(
    given: Option<String>,
    arguments: &ServerArguments,
) -> Result<OwnJob, Failure> {
    job_for(Wanted::Running, given, arguments).await
}

/// The same for what it is wanted for.
pub(crate) async fn job_for(
    wanted: Wanted,
    given: Option<String>,
    arguments: &ServerArguments,
) -> Result<OwnJob, Failure> {
    if let Some(id) = given.filter(|id| !id.is_empty()) {
        return Ok(OwnJob {
            server: arguments.connect()?,
            id,
            is_own: false,
        });
    }
    let own = OwnBuild::here()?;
    if wanted == Wanted::Any && own.external_id.is_none() {
        return Err(Failure::usage(anyhow!(
            "no job to finish: name it with --job or LARDER_JOB, as `larder build start` prints it"
        )));
    }
    let server = arguments.connect()?;
    let (build, job) = own.announce(&server, wanted).await?;
    eprintln!("build {}: {}", build.number, build.url);
    Ok(OwnJob {
        server: server.with_token(&job.token),
        id: job.id,
        is_own: own.external_id.is_none(),
    })
}

impl OwnJob {
    /// Ends a job that nobody else will end; one of a CI or of `larder build start` goes on, unless it is to `finish`.
    pub(crate) async fn settle(&self, passed: bool, finish: bool) -> Result<(), Failure> {
        if !self.is_own && !finish {
            return Ok(());
        }
        let state = if passed {
            JobState::Passed
        } else {
            JobState::Failed
        };
        let end = FinishJob {
            state,
            exit_status: None,
        };
        Ok(self.server.finish_job(&self.id, &end).await?)
    }
}

impl OwnBuild {
    /// What the CI says, or else the folder and its user.
    pub(crate) fn here() -> Result<Self, Failure> {
        let variables: Variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let event = variables.text("GITHUB_EVENT_PATH").and_then(read_event);
        if let Some(build) = CiBuild::detect(&variables, event.as_deref())? {
            return Ok(build.into());
        }
        let folder = std::env::current_dir().context("find the current folder")?;
        let user = variables.text("USER").unwrap_or("user");
        let project = variables.text("LARDER_PROJECT").map(str::to_owned);
        Ok(Self {
            project: project.unwrap_or_else(|| default_project(user, &folder)),
            facts: BuildFacts::of_folder(&folder),
            fork: false,
            external_id: None,
            job: variables
                .text("LARDER_JOB_NAME")
                .unwrap_or("build")
                .to_owned(),
            node: CiNode::default(),
        })
    }

    /// Announces it, which changes nothing where the server knows it, and gives the job of this node.
    pub(crate) async fn announce(
        &self,
        server: &Server,
        wanted: Wanted,
    ) -> Result<(AnnouncedBuild, AnnouncedJob), Failure> {
        let build = self.announce_round(server, 1).await?;
        let first = self.node_of(&build, 1)?;
        if self.external_id.is_none() {
            return Ok((build, first));
        }
        // The job's own token may read the whole build.
        let known = server.with_token(&first.token).build(&build.id).await?;
        let (round, ended) = self.last_round(&known.jobs);
        let round = if ended && wanted == Wanted::Running {
            round + 1
        } else {
            round
        };
        if round == 1 {
            return Ok((build, first));
        }
        if round > ROUNDS_MAX {
            return Err(Failure::from(anyhow!(
                "the job {} of this build has ended {ROUNDS_MAX} times: give this one another name with LARDER_JOB_NAME",
                self.job
            )));
        }
        let again = self.announce_round(server, round).await?;
        let job = self.node_of(&again, round)?;
        Ok((again, job))
    }

    async fn announce_round(&self, server: &Server, round: u32) -> Result<AnnouncedBuild, Failure> {
        let facts = self.facts.clone();
        let request = AnnounceBuild {
            branch: facts.branch,
            revision: facts.revision,
            tag: facts.tag,
            message: facts.message,
            fork: self.fork,
            external_id: self.external_id.clone(),
            queued: false,
            jobs: vec![AnnounceJob {
                name: self.name_of(round),
                parallelism: if round == 1 { self.node.total } else { 1 },
                queued: false,
            }],
        };
        let parts: Vec<&str> = self.project.split('/').collect();
        if parts.len() != 3 || parts.contains(&"") {
            return Err(Failure::usage(anyhow!(
                "{}: a project is named as in github/acme/demo; see --project and LARDER_PROJECT",
                self.project
            )));
        }
        match server.announce_build(&self.project, &request).await {
            Err(larder_agent::Error::Refused {
                status: 404, code, ..
            }) if code != "not_found" => Err(Failure::usage(anyhow!(
                "what answers at LARDER_URL is no larder, or its address goes on behind that: expected \
                     http://HOST:PORT or https://HOST"
            ))),
            Err(error @ larder_agent::Error::Refused { status: 404, .. }) => {
                Err(Failure::from(anyhow::Error::from(error).context(format!(
                    "the token reaches no project {}: name it with LARDER_PROJECT, or make it with \
                     `larder admin project create {}`",
                    self.project, self.project
                ))))
            }
            other => Ok(other?),
        }
    }

    /// Name of the job; a node whose job has ended goes on in a job of its own.
    fn name_of(&self, round: u32) -> String {
        match (round, self.node.total) {
            (1, _) => self.job.clone(),
            (_, 1) => format!("{} ({round})", self.job),
            _ => format!("{}[{}] ({round})", self.job, self.node.index),
        }
    }

    fn node_of(&self, build: &AnnouncedBuild, round: u32) -> Result<AnnouncedJob, Failure> {
        let (name, index) = (
            self.name_of(round),
            if round == 1 { self.node.index } else { 0 },
        );
        let found = build
            .jobs
            .iter()
            .find(|job| job.name == name && job.index == index);
        found.cloned().ok_or_else(|| {
            Failure::usage(anyhow!(
                "build {} has the job {name} with {} nodes already, and this is node {index}: give this job another name \
                 with LARDER_JOB_NAME, or the same number of nodes everywhere",
                build.number,
                build.jobs.iter().filter(|job| job.name == name).count()
            ))
        })
    }

    /// The newest round of this node's job, from 1, and whether it has ended.
    fn last_round(&self, jobs: &[JobBody]) -> (u32, bool) {
        let mut last = (1, false);
        for round in 1..=ROUNDS_MAX {
            let index = if round == 1 { self.node.index } else { 0 };
            let name = self.name_of(round);
            let Some(job) = jobs
                .iter()
                .find(|job| job.name == name && job.index == index)
            else {
                break;
            };
            let goes_on = matches!(job.state, JobState::Running | JobState::Queued);
            last = (round, !goes_on);
        }
        last
    }
}

impl From<CiBuild> for OwnBuild {
    fn from(build: CiBuild) -> Self {
        Self {
            project: build.project,
            facts: build.facts,
            fork: build.fork,
            external_id: Some(build.external_id),
            job: build.job,
            node: build.node,
        }
    }
}

fn read_event(path: &str) -> Option<String> {
    let path = Path::new(path);
    let metadata = std::fs::metadata(path).ok()?;
    let is_small = metadata.is_file() && metadata.len() <= EVENT_BYTES_MAX;
    is_small.then(|| std::fs::read_to_string(path).ok())?
}
