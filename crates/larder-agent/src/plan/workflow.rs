//! The jobs of one workflow, ready to run, and which of them waits for which.

use super::job::Plan;

/// What is run as one build.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Name in the config; none if a job is run by itself.
    pub name: Option<String>,
    /// Each comes after all that it requires. Names of jobs are unique here.
    pub jobs: Vec<WorkflowJob>,
    /// What the config asks for and does not get here, one sentence each.
    pub notices: Vec<String>,
}

/// A job of a workflow.
#[derive(Clone, Debug)]
pub struct WorkflowJob {
    /// What it does; `plan.job` is its name in the workflow.
    pub plan: Plan,
    /// All of them must hold before it starts; if one cannot hold any more, it is not run.
    pub requires: Vec<Requirement>,
}

/// A job that must have ended first.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Requirement {
    /// Name of the other job in the workflow.
    pub job: String,
    /// The ends that do; only `success` unless the config says more.
    pub ends: Vec<JobEnd>,
}

/// How a job that another one requires has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum JobEnd {
    /// Every step passed.
    Success,
    /// A step failed, or it ran out of time.
    Failed,
    /// Stopped by somebody.
    Canceled,
    /// What it requires itself did not hold.
    NotRun,
}
