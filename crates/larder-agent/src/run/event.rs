//! What a run tells while it happens, and what it says at its end.

use crate::artifacts::StoredFile;
use crate::plan::JobEnd;
use larder_protocol::{AnnouncedBuild, AnnouncedJob, JobState, StepState};
use std::sync::Arc;
use std::time::Duration;

/// Hears of everything that happens in a run.
pub(crate) type Events = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Something that happened. `job` is a name in its workflow, and another workflow may have the same; only
/// `id` tells such jobs apart. `node` counts from 0, and so does `seq`, the place of a step. Events of one node come in order; those of others may come between them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something about the whole run that its user should know.
    Notice {
        /// One sentence.
        text: &'a str,
    },
    /// The server knows the build of a workflow; its jobs begin when all workflows are known.
    Announced {
        /// Name of the workflow; none if a job is run by itself.
        workflow: Option<&'a str>,
        /// With its page and its jobs.
        build: &'a AnnouncedBuild,
    },
    /// A job will not run, since what it requires did not come true, or since the run was canceled.
    JobNotRun {
        /// Name of the workflow; none if a job is run by itself.
        workflow: Option<&'a str>,
        /// Job.
        job: &'a str,
        /// Why, in one sentence.
        reason: &'a str,
    },
    /// A step begins.
    StepStarted {
        /// UUID of the node's job on the server.
        id: &'a str,
        /// Job.
        job: &'a str,
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// Name for people.
        name: &'a str,
    },
    /// A step printed something; pieces come in order and need not end with a line.
    Output {
        /// UUID of the node's job on the server.
        id: &'a str,
        /// Job.
        job: &'a str,
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// Raw bytes, both streams together.
        bytes: &'a [u8],
    },
    /// A file is kept. The same line is in the step's output.
    Kept {
        /// UUID of the node's job on the server.
        id: &'a str,
        /// Job.
        job: &'a str,
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// The file.
        file: &'a StoredFile,
    },
    /// A step ended, or was skipped without a start.
    StepFinished {
        /// UUID of the node's job on the server.
        id: &'a str,
        /// Job.
        job: &'a str,
        /// Node.
        node: u32,
        /// What came of it.
        step: &'a StepResult,
    },
    /// A node ended and the server knows.
    NodeFinished {
        /// Job.
        job: &'a str,
        /// What came of it.
        node: &'a NodeSummary,
    },
}

/// What came of a step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Place in the job.
    pub seq: u32,
    /// Name for people.
    pub name: String,
    /// Where it ended: anything but running.
    pub state: StepState,
    /// Exit status, 128 + n for a death by signal n; none if nothing ran.
    pub exit_status: Option<i32>,
    /// How long it took.
    pub duration: Duration,
}

/// What came of one node.
#[derive(Clone, Debug)]
pub struct NodeSummary {
    /// From 0.
    pub index: u32,
    /// UUID of the job on the server.
    pub job_id: String,
    /// Number of the job within its project.
    pub job_number: Option<i64>,
    /// Passed, failed, canceled or timed out.
    pub outcome: JobState,
    /// Exit status of the first step that failed.
    pub exit_status: Option<i32>,
    /// How long it took: less than its steps together where some ran in the background.
    pub duration: Duration,
    /// All steps, in order.
    pub steps: Vec<StepResult>,
    /// Kept files, in the order in which they were done.
    pub artifacts: Vec<StoredFile>,
    /// What was left out, and what the user should know.
    pub warnings: Vec<String>,
    /// Files that were to be kept and could not be; with any, the job failed.
    pub problems: Vec<String>,
}

impl NodeSummary {
    /// Of a node that was canceled before its first step.
    pub(super) fn unrun(job: &AnnouncedJob) -> Self {
        Self {
            index: job.index,
            job_id: job.id.clone(),
            job_number: job.number,
            outcome: JobState::Canceled,
            exit_status: None,
            duration: Duration::ZERO,
            steps: Vec::new(),
            artifacts: Vec::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// The build that the run announced.
#[derive(Clone, Debug)]
pub struct BuildSummary {
    /// UUID.
    pub id: String,
    /// Number within the project.
    pub number: i64,
    /// Its page.
    pub url: String,
}

/// What came of one job.
#[derive(Clone, Debug)]
pub struct JobSummary {
    /// Name of the job in its workflow.
    pub job: String,
    /// The build that was announced for its workflow.
    pub build: BuildSummary,
    /// How it ended, for the jobs that require it.
    pub end: JobEnd,
    /// One entry per node that ran, in order; none if the job was not run.
    pub nodes: Vec<NodeSummary>,
}

impl JobSummary {
    /// Whether all nodes passed. A job that was not run did not pass; it did not fail either.
    pub fn passed(&self) -> bool {
        self.end == JobEnd::Success
    }

    /// Exit status for the command line: 0 if the job passed, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.passed())
    }
}

/// What came of one workflow.
#[derive(Clone, Debug)]
pub struct WorkflowSummary {
    /// Name in the config; none if a job was run by itself.
    pub name: Option<String>,
    /// The build that was announced for it.
    pub build: BuildSummary,
    /// All its jobs, each after those that it requires.
    pub jobs: Vec<JobSummary>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// In the order of the config.
    pub workflows: Vec<WorkflowSummary>,
}

impl RunSummary {
    /// All jobs of all workflows.
    pub fn jobs(&self) -> impl Iterator<Item = &JobSummary> {
        self.workflows.iter().flat_map(|workflow| &workflow.jobs)
    }

    /// Whether no job failed or was canceled. A job that others kept from running, such as one that
    /// runs only after a failure, does not count.
    pub fn passed(&self) -> bool {
        self.jobs()
            .all(|job| matches!(job.end, JobEnd::Success | JobEnd::NotRun))
    }

    /// Exit status for the command line: 0 if nothing failed, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.passed())
    }

    /// The one job of a run that has only one.
    pub fn only_job(mut self) -> Option<JobSummary> {
        let mut workflow = self.workflows.pop()?;
        let job = workflow.jobs.pop()?;
        (self.workflows.is_empty() && workflow.jobs.is_empty()).then_some(job)
    }
}
