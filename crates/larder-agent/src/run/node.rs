//! One node of a job: its steps in order, what it keeps, and its end.

use super::checkout::copy_tree;
use super::context::{Context, Found};
use super::environment::{Environment, Sources, sets_artifacts_folder};
use super::event::{Event, NodeSummary, StepResult};
use super::output::Output;
use super::step::{self, Ended};
use super::{Run, store};
use crate::artifacts::Secrets;
use crate::error::{Error, Result};
use crate::plan::{self, Checkout, Step, StepKind};
use crate::server::Server;
use larder_protocol::{AnnouncedJob, FinishJob, JobState, StepState};
use std::fs;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A node that is about to run.
pub(super) struct Node {
    context: Arc<Context>,
    /// The exit status of the first step that failed.
    exit_status: Option<i32>,
    outcome: JobState,
    steps: Vec<StepResult>,
    background: Vec<JoinHandle<Result<StepResult>>>,
    /// Ends the background steps.
    end_background: CancellationToken,
}

impl Node {
    /// Makes the node's folders and environment; nothing runs yet.
    pub(super) fn prepare(run: &Arc<Run>, place: usize, server: Server) -> Result<Self> {
        let job = &run.build.jobs[place];
        let options = &run.options;
        let folders = run.take_folders(job.index)?;
        let bash_env = folders.own.join("bash_env");
        fs::write(&bash_env, "").map_err(Error::io(bash_env.display().to_string()))?;
        let environment = Environment::new(Sources {
            caller: &options.caller_environment,
            plan: &run.plan,
            given: &options.variables,
            built_in: built_in(run, job),
            home: &folders.home,
            temporary: folders.temporary.as_deref(),
            bash_env: &bash_env,
            artifacts: &folders.artifacts,
        });
        let secrets = if options.allow_secrets {
            Secrets::default()
        } else {
            secrets(run)
        };
        let context = Context {
            run: run.clone(),
            server,
            folders,
            environment,
            secrets,
            place,
            found: Mutex::default(),
        };
        if sets_artifacts_folder(options.variables.iter().chain(&run.plan.environment)) {
            context.warn(
                "CIRCLE_ARTIFACTS cannot be set; its value is the job's own folder".to_owned(),
            );
        }
        Ok(Self {
            context: Arc::new(context),
            exit_status: None,
            outcome: JobState::Passed,
            steps: Vec::new(),
            background: Vec::new(),
            end_background: CancellationToken::new(),
        })
    }

    /// Runs all steps and ends the job. Errors are those after which nothing can go on.
    pub(super) async fn run(mut self) -> Result<NodeSummary> {
        let answer = self.run_steps().await;
        self.end_background().await?;
        answer?;
        let job = self.context.job();
        let end = FinishJob {
            state: self.outcome,
            exit_status: self.exit_status,
        };
        self.context.server.finish_job(&job.id, &end).await?;
        let Found {
            artifacts,
            warnings,
            problems,
        } = std::mem::take(&mut *self.context.found());
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|step| step.seq);
        let summary = NodeSummary {
            index: job.index,
            job_id: job.id.clone(),
            job_number: job.number,
            outcome: self.outcome,
            exit_status: self.exit_status,
            steps,
            artifacts,
            warnings,
            problems,
        };
        (self.context.run.events)(Event::NodeFinished { node: &summary });
        Ok(summary)
    }

    async fn run_steps(&mut self) -> Result<()> {
        let run = self.context.run.clone();
        for (seq, step) in (0..).zip(&run.plan.steps) {
            if run.options.cancel.is_cancelled() && self.outcome != JobState::TimedOut {
                self.outcome = JobState::Canceled;
            }
            let was_killed = matches!(self.outcome, JobState::Canceled | JobState::TimedOut);
            let is_due = !was_killed && step.when.holds(self.outcome == JobState::Failed);
            if !is_due {
                self.skip(seq, step).await?;
                continue;
            }
            match &step.kind {
                StepKind::Unknown(name) => {
                    self.context
                        .warn(format!("{name}: a step that is not run here, skipped"));
                    self.skip(seq, step).await?;
                }
                StepKind::Run(command) if command.background => {
                    self.start_background(seq, command).await?;
                }
                _ => self.run_step(seq, step).await?,
            }
        }
        if store::has_leftovers(&self.context) {
            let seq = u32::try_from(run.plan.steps.len()).unwrap_or(u32::MAX);
            let mut open = self.open(seq).await?;
            let state = store::sweep(&self.context, seq, &mut open.output).await?;
            self.close(
                open,
                Ended {
                    state,
                    exit_status: None,
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn run_step(&mut self, seq: u32, step: &Step) -> Result<()> {
        let mut open = self.open(seq).await?;
        let output = &mut open.output;
        let ended = match &step.kind {
            StepKind::Run(command) => {
                step::run(
                    &self.context,
                    seq,
                    command,
                    output,
                    &self.context.run.options.cancel,
                )
                .await?
            }
            StepKind::Checkout(checkout) => check_out(&self.context, checkout, output).await?,
            StepKind::StoreArtifacts(store) => {
                let state = store::store(&self.context, seq, store, output).await?;
                Ended {
                    state,
                    exit_status: None,
                }
            }
            StepKind::Unknown(_) => Ended {
                state: StepState::Skipped,
                exit_status: None,
            },
        };
        self.close(open, ended).await
    }

    async fn open(&self, seq: u32) -> Result<OpenStep> {
        open(&self.context, seq).await
    }

    async fn close(&mut self, open: OpenStep, ended: Ended) -> Result<()> {
        let result = open.close(&self.context, ended).await?;
        let outcome = match result.state {
            StepState::Failed => JobState::Failed,
            StepState::Canceled => JobState::Canceled,
            StepState::TimedOut => JobState::TimedOut,
            StepState::Running | StepState::Passed | StepState::Skipped => self.outcome,
        };
        if self.exit_status.is_none() && result.state == StepState::Failed {
            self.exit_status = Some(result.exit_status.unwrap_or(1));
        }
        // A job that was killed stays killed, whatever its last files do.
        if !matches!(self.outcome, JobState::Canceled | JobState::TimedOut) {
            self.outcome = outcome;
        }
        self.steps.push(result);
        Ok(())
    }

    async fn skip(&mut self, seq: u32, step: &Step) -> Result<()> {
        let result = StepResult {
            seq,
            name: step.name.clone(),
            state: StepState::Skipped,
            exit_status: None,
            duration: Duration::ZERO,
        };
        self.context.say_ended(&result).await?;
        self.steps.push(result);
        Ok(())
    }

    async fn start_background(&mut self, seq: u32, command: &plan::Run) -> Result<()> {
        let mut open = self.open(seq).await?;
        let (context, command, stop) = (
            self.context.clone(),
            command.clone(),
            self.end_background.clone(),
        );
        self.background.push(tokio::spawn(async move {
            let ended = step::run(&context, seq, &command, &mut open.output, &stop).await?;
            // It was meant to run until the job's end; that is not a cancellation.
            let state = match ended.state {
                StepState::Canceled => StepState::Passed,
                other => other,
            };
            open.close(&context, Ended { state, ..ended }).await
        }));
        Ok(())
    }

    async fn end_background(&mut self) -> Result<()> {
        self.end_background.cancel();
        for task in self.background.drain(..) {
            let result = task
                .await
                .map_err(|error| Error::io("end a background step")(io::Error::other(error)))?;
            self.steps.push(result?);
        }
        Ok(())
    }
}

/// A step that the server and the user know to run.
struct OpenStep {
    seq: u32,
    start: Instant,
    output: Output,
}

async fn open(context: &Context, seq: u32) -> Result<OpenStep> {
    context.say_running(seq).await?;
    let name = context.step_name(seq);
    (context.run.events)(Event::StepStarted {
        node: context.index(),
        seq,
        name: &name,
    });
    Ok(OpenStep {
        seq,
        start: Instant::now(),
        output: context.output(seq),
    })
}

impl OpenStep {
    async fn close(self, context: &Context, ended: Ended) -> Result<StepResult> {
        let result = StepResult {
            seq: self.seq,
            name: context.step_name(self.seq),
            state: ended.state,
            exit_status: ended.exit_status,
            duration: self.start.elapsed(),
        };
        // All output is kept before the step is said to have ended.
        self.output.close().await?;
        context.say_ended(&result).await?;
        Ok(result)
    }
}

async fn check_out(context: &Context, checkout: &Checkout, output: &mut Output) -> Result<Ended> {
    let folders = &context.folders;
    let seen = folders.expand(&checkout.path, &folders.working_directory);
    let (source, view) = (context.run.options.source.clone(), folders.view.clone());
    output
        .line(&format!(
            "Copying {} to {}",
            source.display(),
            seen.display()
        ))
        .await;
    let copied = tokio::task::spawn_blocking(move || {
        let target = view.resolve(&seen).unwrap_or(seen);
        copy_tree(&source, &view.host(&target))
    })
    .await
    .map_err(|error| Error::io("copy the local tree")(io::Error::other(error)))?;
    match copied {
        Ok(copied) => {
            output
                .line(&format!("{} files, {} bytes", copied.files, copied.bytes))
                .await;
            Ok(Ended {
                state: StepState::Passed,
                exit_status: Some(0),
            })
        }
        Err(error) => {
            output.line(&format!("Error: {error}")).await;
            Ok(Ended {
                state: StepState::Failed,
                exit_status: Some(1),
            })
        }
    }
}

/// The variables that every job of the vendor's has (`docs/api/circleci.md`).
fn built_in(run: &Run, job: &AnnouncedJob) -> Vec<(&'static str, String)> {
    let options = &run.options;
    let facts = &options.facts;
    let mut project = options.project.split('/').skip(1);
    let mut variables = vec![
        ("CI", "true".to_owned()),
        ("CIRCLECI", "true".to_owned()),
        ("CIRCLE_JOB", run.plan.job.clone()),
        ("CIRCLE_NODE_INDEX", job.index.to_string()),
        ("CIRCLE_NODE_TOTAL", run.plan.parallelism.to_string()),
        ("CIRCLE_BUILD_URL", run.build.url.clone()),
        ("CIRCLE_WORKFLOW_ID", run.build.id.clone()),
        ("CIRCLE_WORKFLOW_JOB_ID", job.id.clone()),
        (
            "CIRCLE_WORKING_DIRECTORY",
            run.plan.working_directory.clone(),
        ),
        (
            "CIRCLE_PROJECT_USERNAME",
            project.next().unwrap_or_default().to_owned(),
        ),
        (
            "CIRCLE_PROJECT_REPONAME",
            project.next().unwrap_or_default().to_owned(),
        ),
    ];
    if let Some(number) = job.number {
        variables.push(("CIRCLE_BUILD_NUM", number.to_string()));
        if number > 1 {
            variables.push(("CIRCLE_PREVIOUS_BUILD_NUM", (number - 1).to_string()));
        }
    }
    let known = [
        ("CIRCLE_BRANCH", &facts.branch),
        ("CIRCLE_TAG", &facts.tag),
        ("CIRCLE_SHA1", &facts.revision),
        ("CIRCLE_REPOSITORY_URL", &facts.repository_url),
    ];
    variables.extend(
        known
            .into_iter()
            .filter_map(|(name, fact)| Some((name, fact.clone()?))),
    );
    variables
}

/// The values that no kept file may hold.
fn secrets(run: &Run) -> Secrets {
    let of_steps = run.plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Run(run) => Some(&run.environment),
        _ => None,
    });
    let all = run
        .options
        .variables
        .iter()
        .chain(&run.plan.environment)
        .chain(of_steps.flatten());
    Secrets::among(all.map(|(name, value)| (name.as_str(), value.as_str())))
}
