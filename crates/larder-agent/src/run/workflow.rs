//! The jobs of the run's workflows: announced together, each run when what it requires came true,
//! side by side as far as they may be.

use super::event::{BuildSummary, Event, JobSummary, NodeSummary, RunSummary, WorkflowSummary};
use super::folders::Mode;
use super::journal::{NodePlace, Record};
use super::node::Node;
use super::{Run, Workplace, make_folders, past};
use crate::error::{Error, Result};
use crate::plan::{JobEnd, Requirement, Workflow};
use larder_protocol::{
    AnnounceBuild, AnnounceJob, AnnouncedBuild, AnnouncedJob, FinishJob, JobState,
};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Announces all workflows, runs their jobs, and ends every job on the server.
pub(super) async fn run_all(at: Arc<Workplace>, workflows: Vec<Workflow>) -> Result<RunSummary> {
    let slots = slots(&at);
    let folders = if at.progress.builds.is_empty() {
        make_first_folders(&at, &workflows)?
    } else {
        // Each node has its own already, or makes them in its turn.
        Vec::new()
    };
    let known = past_builds(&at, &workflows).await?;
    let builds = announce_all(&at, &workflows, known, slots).await?;
    at.folder.keep(false);
    let mut jobs = Vec::new();
    let mut summaries = Vec::new();
    let mut folders = folders.into_iter();
    for (workflow, build) in workflows.into_iter().zip(builds) {
        summaries.push(WorkflowSummary {
            name: workflow.name.clone(),
            build: summary_of(&build),
            jobs: Vec::new(),
        });
        let first = jobs.len();
        for job in workflow.jobs {
            let requires = requirements(&jobs, first, &job.requires);
            let run = Run {
                workplace: at.clone(),
                nodes: nodes_of(&build, &job.plan.job),
                build: build.clone(),
                place: jobs.len(),
                upstream: upstream(&jobs, &requires),
                first_folders: Mutex::new(folders.next().flatten()),
                plan: job.plan,
            };
            jobs.push(Scheduled {
                run: Arc::new(run),
                workflow: summaries.len() - 1,
                requires,
                end: None,
                nodes: Vec::new(),
            });
        }
    }
    let names = summaries.iter().map(|it| it.name.clone()).collect();
    let mut schedule = Schedule {
        at,
        slots,
        names,
        jobs,
    };
    schedule.run().await?;
    for job in schedule.jobs {
        let workflow = &mut summaries[job.workflow];
        workflow.jobs.push(JobSummary {
            job: job.run.plan.job.clone(),
            build: workflow.build.clone(),
            end: job.end.unwrap_or(JobEnd::NotRun),
            nodes: job.nodes,
        });
    }
    Ok(RunSummary {
        workflows: summaries,
    })
}

/// How many jobs may run at a time.
fn slots(at: &Workplace) -> usize {
    if shares_folders(at) {
        return 1;
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    at.options
        .jobs_max
        .unwrap_or_else(cores)
        .clamp(1, Semaphore::MAX_PERMITS)
}

/// Whether nodes that run side by side would share folders of the machine.
fn shares_folders(at: &Workplace) -> bool {
    at.folder.mode() != Mode::Namespace
}

/// What is wrong with the folders of a job is known before the server hears of its build.
fn make_first_folders(
    at: &Workplace,
    workflows: &[Workflow],
) -> Result<Vec<Option<super::NodeFolders>>> {
    let mut made = Vec::new();
    for job in workflows.iter().flat_map(|workflow| &workflow.jobs) {
        let folders = make_folders(at, made.len(), 0, &job.plan)?;
        // Those of the machine are made again in their turn: the job before takes its own away.
        let is_kept = made.is_empty() || at.folder.mode() == Mode::Namespace;
        made.push(is_kept.then_some(folders));
    }
    Ok(made)
}

/// The builds that were announced before the run broke off, with the numbers that their jobs have
/// by now. A job that somebody else ended cannot go on, and then nothing can.
async fn past_builds(at: &Workplace, workflows: &[Workflow]) -> Result<Vec<AnnouncedBuild>> {
    let mut builds = at.progress.builds.clone();
    let planned = workflows.iter().zip(0..).flat_map(|(workflow, number)| {
        let jobs = workflow.jobs.iter();
        jobs.map(move |job| (number, &job.plan))
    });
    for (place, (number, plan)) in planned.enumerate() {
        let Some(build) = builds.get_mut::<usize>(number) else {
            break;
        };
        let mut nodes = 0;
        for job in build.jobs.iter_mut().filter(|job| job.name == plan.job) {
            nodes += 1;
            let server = at.server.with_token(&job.token);
            let known = server
                .job(&job.id)
                .await
                .map_err(|error| no_job(at, error))?;
            job.number = known.number;
            let ended = at.progress.end_of(NodePlace(place, job.index));
            let may_go_on = match known.state {
                JobState::Queued | JobState::Running => true,
                state => ended == Some(state),
            };
            if !may_go_on {
                return Err(give_up(at, job, known.state).await);
            }
        }
        if nodes != plan.parallelism {
            let reason = format!("its journal knows {nodes} nodes of the job {}", plan.job);
            let what = "take up the run".to_owned();
            return Err(Error::Damaged { what, reason });
        }
    }
    Ok(builds)
}

fn no_job(at: &Workplace, error: Error) -> Error {
    match error {
        Error::Refused {
            status: 401 | 403 | 404,
            message,
            ..
        } => Error::Damaged {
            what: "take up the run".to_owned(),
            reason: format!(
                "{} does not know its jobs ({message}); it began at {}",
                at.options.server.url, at.began_at
            ),
        },
        error => error,
    }
}

/// Ends what is left of a run that cannot be taken up.
async fn give_up(at: &Workplace, job: &AnnouncedJob, state: JobState) -> Error {
    for job in at.progress.builds.iter().flat_map(|build| &build.jobs) {
        end_unrun(at, job).await;
    }
    at.folder.keep(false);
    let word = serde_json::to_string(&state).unwrap_or_default();
    Error::Damaged {
        what: "take up the run".to_owned(),
        reason: format!(
            "the server has ended the job {} (node {}) meanwhile: {}; begin anew with `larder run`",
            job.name,
            job.index,
            word.trim_matches('"')
        ),
    }
}

/// If one cannot be announced, those before it are ended.
async fn announce_all(
    at: &Workplace,
    workflows: &[Workflow],
    known: Vec<AnnouncedBuild>,
    slots: usize,
) -> Result<Vec<Arc<AnnouncedBuild>>> {
    let mut free = slots;
    let mut builds: Vec<Arc<AnnouncedBuild>> = Vec::new();
    let mut known = known.into_iter();
    for workflow in workflows {
        let announced = match known.next() {
            Some(build) => Ok(build),
            None => announce(at, workflow, &mut free).await.inspect(|build| {
                at.journal.note(&Record::Build(build.clone()));
            }),
        };
        match announced {
            Ok(build) => {
                (at.events)(Event::Announced {
                    workflow: workflow.name.as_deref(),
                    build: &build,
                });
                builds.push(Arc::new(build));
            }
            Err(error) => {
                for job in builds.iter().flat_map(|build| &build.jobs) {
                    end_unrun(at, job).await;
                }
                return Err(error);
            }
        }
    }
    Ok(builds)
}

/// Jobs for which there is no free place yet are announced as queued: a running one that is not
/// heard of would be given up.
async fn announce(at: &Workplace, workflow: &Workflow, free: &mut usize) -> Result<AnnouncedBuild> {
    let facts = &at.options.facts;
    let mut jobs = Vec::new();
    let mut nodes = 0;
    for job in &workflow.jobs {
        let waits_for_itself = shares_folders(at) && job.plan.parallelism > 1;
        let queued = !job.requires.is_empty() || *free == 0 || waits_for_itself;
        if job.requires.is_empty() {
            *free = free.saturating_sub(1);
        }
        nodes += job.plan.parallelism;
        jobs.push(AnnounceJob {
            name: job.plan.job.clone(),
            parallelism: job.plan.parallelism,
            queued,
        });
    }
    let request = AnnounceBuild {
        branch: facts.branch.clone(),
        revision: facts.revision.clone(),
        tag: facts.tag.clone(),
        message: facts.message.clone(),
        jobs,
        ..AnnounceBuild::default()
    };
    let mut build = at
        .server
        .announce_build(&at.options.project, &request)
        .await?;
    build.jobs.sort_by_key(|job| job.index);
    let is_whole = workflow.jobs.iter().all(|job| {
        nodes_of(&build, &job.plan.job)
            .iter()
            .map(|node| node.index)
            .eq(0..job.plan.parallelism)
    });
    if !is_whole {
        let reason = format!("{} jobs for {nodes} nodes", build.jobs.len());
        return Err(Error::Damaged {
            what: "announce a build".to_owned(),
            reason,
        });
    }
    Ok(build)
}

fn nodes_of(build: &AnnouncedBuild, job: &str) -> Vec<AnnouncedJob> {
    let nodes = build.jobs.iter().filter(|node| node.name == job);
    nodes.cloned().collect()
}

fn summary_of(build: &AnnouncedBuild) -> BuildSummary {
    BuildSummary {
        id: build.id.clone(),
        number: build.number,
        url: build.url.clone(),
    }
}

/// The jobs that are required, by their places; names count within a workflow, whose first job is
/// at `first`.
fn requirements(
    jobs: &[Scheduled],
    first: usize,
    requires: &[Requirement],
) -> Vec<(usize, Vec<JobEnd>)> {
    let place = |name: &str| (first..jobs.len()).find(|at| jobs[*at].run.plan.job == name);
    requires
        .iter()
        .filter_map(|it| Some((place(&it.job)?, it.ends.clone())))
        .collect()
}

/// The required jobs and all that those require, in the order of their places.
fn upstream(jobs: &[Scheduled], requires: &[(usize, Vec<JobEnd>)]) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    for (place, _) in requires {
        all.push(*place);
        all.extend(&jobs[*place].run.upstream);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A job and where it is in its life.
struct Scheduled {
    run: Arc<Run>,
    workflow: usize,
    requires: Vec<(usize, Vec<JobEnd>)>,
    /// None before it ended.
    end: Option<JobEnd>,
    nodes: Vec<NodeSummary>,
}

/// Whether a job may start.
enum Turn {
    Now,
    Later,
    Never(String),
}

struct Schedule {
    at: Arc<Workplace>,
    slots: usize,
    /// Of the workflows.
    names: Vec<Option<String>>,
    jobs: Vec<Scheduled>,
}

/// No summaries if the run is suspended.
type JobAnswer = (usize, Result<Option<Vec<NodeSummary>>>);

impl Schedule {
    /// Runs all jobs. The first error breaks the others off, and is given when they have ended; if
    /// the run can be taken up again, they are left as they are.
    async fn run(&mut self) -> Result<()> {
        let slots = Arc::new(Semaphore::new(self.slots));
        // Dropped with this call: then the jobs break off and their processes end.
        let mut tasks: JoinSet<JobAnswer> = JoinSet::new();
        let mut waiting: Vec<usize> = (0..self.jobs.len()).collect();
        let mut broken = None;
        loop {
            if !self.at.suspended.is_cancelled() {
                waiting = self.start_due(&waiting, &mut tasks, &slots).await;
            }
            let Some(ended) = tasks.join_next().await else {
                break;
            };
            let (place, answer) =
                ended.map_err(|error| Error::Usage(format!("a job broke off: {error}")))?;
            match answer {
                Ok(None) => {}
                Ok(Some(nodes)) => {
                    let job = &mut self.jobs[place];
                    job.end = Some(end_of(&nodes));
                    job.nodes = nodes;
                }
                Err(error) if self.at.suspended.is_cancelled() => {
                    broken.get_or_insert(Error::Suspended(Box::new(error)));
                }
                Err(error) => {
                    self.jobs[place].end = Some(JobEnd::Failed);
                    self.at.options.cancel.cancel();
                    broken.get_or_insert(error);
                }
            }
        }
        broken.map_or(Ok(()), Err)
    }

    /// Starts what may start, ends what never will, and gives what still waits.
    async fn start_due(
        &mut self,
        waiting: &[usize],
        tasks: &mut JoinSet<JobAnswer>,
        slots: &Arc<Semaphore>,
    ) -> Vec<usize> {
        let mut left = Vec::new();
        // A job comes after all that it requires, so that one look is enough.
        for &place in waiting {
            match self.turn(place) {
                Turn::Later => left.push(place),
                Turn::Never(reason) => self.leave_out(place, &reason).await,
                Turn::Now => {
                    let (run, slots) = (self.jobs[place].run.clone(), slots.clone());
                    // Taken here, so that who comes first is first.
                    let held = slots.clone().try_acquire_owned().ok();
                    tasks.spawn(async move { (place, run_job(run, slots, held).await) });
                }
            }
        }
        left
    }

    fn turn(&self, place: usize) -> Turn {
        if self.at.progress.not_run.contains(&place) {
            return Turn::Never("the run was canceled before it broke off".to_owned());
        }
        if self.at.options.cancel.is_cancelled() {
            return Turn::Never("the run was canceled".to_owned());
        }
        let mut turn = Turn::Now;
        for (required, ends) in &self.jobs[place].requires {
            let required = &self.jobs[*required];
            match required.end {
                None => turn = Turn::Later,
                Some(end) if ends.contains(&end) => {}
                Some(end) => {
                    let name = &required.run.plan.job;
                    return Turn::Never(format!("{name} {}", word(end)));
                }
            }
        }
        turn
    }

    /// Ends a job that is not run.
    async fn leave_out(&mut self, place: usize, reason: &str) {
        let job = &mut self.jobs[place];
        job.end = Some(if self.at.options.cancel.is_cancelled() {
            JobEnd::Canceled
        } else {
            JobEnd::NotRun
        });
        (self.at.events)(Event::JobNotRun {
            workflow: self.names[job.workflow].as_deref(),
            job: &job.run.plan.job,
            reason,
        });
        self.at.journal.note(&Record::NotRun(place));
        for node in &job.run.nodes {
            end_unrun(&self.at, node).await;
        }
    }
}

/// What became of a job, for a sentence that begins with its name.
fn word(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Success => "passed",
        JobEnd::Failed => "failed",
        JobEnd::Canceled => "was canceled",
        JobEnd::NotRun => "was not run",
    }
}

fn end_of(nodes: &[NodeSummary]) -> JobEnd {
    let has = |state| nodes.iter().any(|node| node.outcome == state);
    if has(JobState::Failed) || has(JobState::TimedOut) {
        JobEnd::Failed
    } else if has(JobState::Canceled) {
        JobEnd::Canceled
    } else {
        JobEnd::Success
    }
}

/// All nodes side by side, since they may wait for each other, when there is a place for the job;
/// one after the other where they would share folders of the machine.
async fn run_job(
    run: Arc<Run>,
    slots: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
) -> Result<Option<Vec<NodeSummary>>> {
    let suspended = run.suspended.clone();
    let free = async {
        match held {
            Some(slot) => Some(slot),
            // The semaphore is never closed.
            None => slots.acquire_owned().await.ok(),
        }
    };
    let _slot = tokio::select! {
        slot = free => slot,
        () = suspended.cancelled() => return Ok(None),
    };
    let alone = Arc::new(tokio::sync::Mutex::new(()));
    let mut tasks = JoinSet::new();
    for place in 0..run.nodes.len() {
        let (run, alone) = (run.clone(), alone.clone());
        tasks.spawn(async move {
            // Fair: those that wait come in their order.
            let _turn = if shares_folders(&run) {
                Some(alone.lock().await)
            } else {
                None
            };
            run_node(&run, place).await
        });
        // So that they queue in their order.
        tokio::task::yield_now().await;
    }
    let mut nodes = Vec::new();
    let mut broken = None;
    loop {
        let node = tokio::select! {
            biased;
            node = tasks.join_next() => node,
            () = suspended.cancelled() => {
                tasks.shutdown().await;
                return Ok(None);
            }
        };
        let Some(node) = node else {
            break;
        };
        match node.map_err(|error| Error::Usage(format!("a node broke off: {error}")))? {
            Ok(node) => nodes.push(node),
            Err(error) if suspended.is_cancelled() => {
                tasks.shutdown().await;
                return Err(error);
            }
            Err(error) => {
                run.options.cancel.cancel();
                broken.get_or_insert(error);
            }
        }
    }
    nodes.sort_by_key(|node| node.index);
    broken.map_or(Ok(Some(nodes)), Err)
}

/// A node that cannot go on still ends its job on the server, as far as that is possible, unless
/// the run is to be taken up.
async fn run_node(run: &Arc<Run>, place: usize) -> Result<NodeSummary> {
    let mut job = run.nodes[place].clone();
    let server = run.server.with_token(&job.token);
    let past = run.past_of(job.index);
    let answer = async {
        if let Some((state, exit_status)) = past.end {
            server
                .finish_job(&job.id, &FinishJob { state, exit_status })
                .await?;
            return past::summary(run, &job, &past).await;
        }
        if run.options.cancel.is_cancelled() {
            let node = NodePlace(run.place, job.index);
            run.journal
                .note(&Record::Node(node, JobState::Canceled, None));
            end_unrun(run, &job).await;
            return Ok(NodeSummary::unrun(&job));
        }
        let mut known = Vec::new();
        if job.number.is_none() {
            job.number = server.start_job(&job.id).await?.number;
        } else if run.is_resumed() {
            known = server.steps(&job.id).await?.steps;
        }
        let node = Node::prepare(run, job, server.clone(), &known)?;
        node.run().await
    }
    .await;
    if answer.is_err() && !run.suspends(&answer) {
        end_job(&server, &run.nodes[place].id, JobState::Failed).await;
    }
    answer
}

async fn end_unrun(at: &Workplace, job: &AnnouncedJob) {
    end_job(
        &at.server.with_token(&job.token),
        &job.id,
        JobState::Canceled,
    )
    .await;
}

/// There is nobody to tell if the server does not take it: the job's lease ends it then.
async fn end_job(server: &crate::server::Server, id: &str, state: JobState) {
    let end = FinishJob {
        state,
        exit_status: None,
    };
    if let Err(error) = server.finish_job(id, &end).await {
        tracing::warn!(%error, "end the job");
    }
}
