//! One node of a job: its steps in order, what it keeps, and its end.

use super::context::{Context, Found};
use super::environment::{Environment, Sources, sets_artifacts_folder};
use super::event::{Event, NodeSummary, StepResult};
use super::journal::{EndedStep, NodePlace, Record};
use super::mask::{self, Mask};
use super::output::Output;
use super::processes::Leftovers;
use super::step::{self, Ended};
use super::variables::{built_in, of_steps};
use super::{Run, cache, checkout, past, shim, store, test_results, workspace};
use crate::artifacts::Secrets;
use crate::error::{Error, Result};
use crate::plan::{self, Step, StepKind};
use crate::server::Server;
use larder_protocol::{AnnouncedJob, FinishJob, JobState, StepBody, StepState};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A node that is about to run.
pub(super) struct Node {
    context: Arc<Context>,
    /// The exit status of the first step that failed.
    exit_status: Option<i32>,
    outcome: JobState,
    steps: Vec<StepResult>,
    /// Steps that ended before the run broke off, by place: they are not run again.
    past: BTreeMap<u32, EndedStep>,
    background: JoinSet<Result<StepResult>>,
    /// Ends the background steps.
    end_background: CancellationToken,
}

impl Node {
    /// Makes the node's folders and environment; nothing runs yet. `known` are the steps that the
    /// server knows from before the run broke off.
    pub(super) fn prepare(
        run: &Arc<Run>,
        job: AnnouncedJob,
        server: Server,
        known: &[StepBody],
    ) -> Result<Self> {
        let options = &run.options;
        let folders = run.take_folders(job.index)?;
        let bash_env = folders.own.join("bash_env");
        // Steps may have written to it before the run broke off.
        let made = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&bash_env);
        made.map_err(Error::io(bash_env.display().to_string()))?;
        let programs = shim::install(&folders.own, &options.sandbox_program, &folders.view)?;
        let environment = Environment::new(Sources {
            caller: &options.caller_environment,
            plan: &run.plan,
            given: &options.variables,
            built_in: built_in(run, &job, &folders),
            home: &folders.home,
            temporary: folders.temporary.as_deref(),
            bash_env: &bash_env,
            programs: &programs,
            artifacts: &folders.artifacts,
        });
        let all_secrets = mask::secrets(run, &job);
        let mask = Mask::new(&all_secrets);
        let secrets = if options.allow_secrets {
            Secrets::default()
        } else {
            all_secrets
        };
        let past = run.past_of(job.index).steps;
        let context = Context {
            run: run.clone(),
            server,
            folders,
            environment,
            secrets,
            mask,
            job,
            found: Mutex::new(past::found(&past)),
            leftovers: Leftovers::default(),
            begun: past::output_bytes(known),
        };
        let settings = options.variables.iter().chain(&run.plan.environment);
        if sets_artifacts_folder(settings.chain(of_steps(run))) {
            let warning = "CIRCLE_ARTIFACTS cannot be set; its value is the job's own folder";
            context.warn_once(warning);
        }
        Ok(Self {
            context: Arc::new(context),
            exit_status: None,
            outcome: JobState::Passed,
            steps: Vec::new(),
            past,
            background: JoinSet::new(),
            end_background: CancellationToken::new(),
        })
    }

    /// Runs all steps and ends the job. Errors are those after which nothing can go on.
    pub(super) async fn run(mut self) -> Result<NodeSummary> {
        let start = Instant::now();
        let run = self.context.run.clone();
        let answer = self.run_steps().await;
        // Whoever takes a suspended run up starts those in the background again.
        if !run.suspends(&answer) {
            self.end_background().await?;
        }
        answer?;
        let job = &self.context.job;
        let place = NodePlace(run.place, job.index);
        run.journal
            .note(&Record::Node(place, self.outcome, self.exit_status));
        let end = FinishJob {
            state: self.outcome,
            exit_status: self.exit_status,
        };
        let answer = self.context.server.finish_job(&job.id, &end).await;
        run.suspends(&answer);
        answer?;
        let Found {
            mut artifacts,
            warnings,
            problems,
            ..
        } = std::mem::take(&mut *self.context.found());
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|step| step.seq);
        past::drop_doubled(&mut artifacts);
        let summary = NodeSummary {
            index: job.index,
            job_id: job.id.clone(),
            job_number: job.number,
            outcome: self.outcome,
            exit_status: self.exit_status,
            duration: start.elapsed(),
            steps,
            artifacts,
            warnings,
            problems,
        };
        (self.context.run.events)(Event::NodeFinished {
            job: self.context.name(),
            node: &summary,
        });
        Ok(summary)
    }

    async fn run_steps(&mut self) -> Result<()> {
        let run = self.context.run.clone();
        past::tell_server(&self.context, &self.past).await?;
        for (seq, step) in (0..).zip(&run.plan.steps) {
            if let Some(ended) = self.past.remove(&seq) {
                self.take_over(&ended, is_background(step));
                continue;
            }
            if run.options.cancel.is_cancelled() && self.outcome != JobState::TimedOut {
                self.outcome = JobState::Canceled;
            }
            let was_killed = matches!(self.outcome, JobState::Canceled | JobState::TimedOut);
            let is_over = was_killed || self.context.is_halted();
            let is_due = !is_over && step.when.holds(self.outcome == JobState::Failed);
            if !is_due {
                self.skip(seq).await?;
                continue;
            }
            match &step.kind {
                StepKind::Unknown(name) => {
                    self.context
                        .warn(format!("{name}: a step that is not run here, skipped"));
                    self.skip(seq).await?;
                }
                StepKind::Run(command) if command.background => {
                    self.start_background(seq, command).await?;
                }
                _ => self.run_step(seq, step).await?,
            }
        }
        self.sweep().await
    }

    /// Keeps what a job put into the folders that it has for that, however it ended.
    async fn sweep(&mut self) -> Result<()> {
        let seq = self.context.sweep_seq();
        // A sweep that had come to its end has left nothing to do but to count.
        let [artifacts, reports] = [seq, seq + 1].map(|seq| self.past.remove(&seq));
        if let Some(ended) = artifacts {
            self.take_over(&ended, false);
        } else if store::has_leftovers(&self.context) {
            let mut open = self.open(seq).await;
            let state = store::sweep(&self.context, seq, &mut open.output).await?;
            self.close(open, Ended::without_shell(state)).await?;
        }
        if let Some(ended) = reports {
            self.take_over(&ended, false);
        } else if test_results::has_leftovers(&self.context) {
            let mut open = self.open(seq + 1).await;
            let state = test_results::sweep(&self.context, &mut open.output).await?;
            self.close(open, Ended::without_shell(state)).await?;
        }
        Ok(())
    }

    async fn run_step(&mut self, seq: u32, step: &Step) -> Result<()> {
        let mut open = self.open(seq).await;
        let (context, output) = (&self.context, &mut open.output);
        let ended = match &step.kind {
            StepKind::Run(command) => {
                let cancel = &context.run.options.cancel;
                step::run(context, seq, command, output, cancel).await?
            }
            StepKind::Checkout(step) => checkout::check_out(context, seq, step, output).await?,
            StepKind::StoreArtifacts(step) => {
                Ended::without_shell(store::store(context, seq, step, output).await?)
            }
            StepKind::StoreTestResults(step) => {
                Ended::without_shell(test_results::store(context, &step.path, output).await?)
            }
            StepKind::SaveCache(step) => cache::save(context, step, output).await?,
            StepKind::RestoreCache(step) => cache::restore(context, step, output).await?,
            StepKind::PersistToWorkspace(step) => {
                workspace::persist(context, seq, step, output).await?
            }
            StepKind::AttachWorkspace(step) => workspace::attach(context, step, output).await?,
            StepKind::Unknown(_) => Ended::without_shell(StepState::Skipped),
        };
        self.close(open, ended).await
    }

    async fn open(&self, seq: u32) -> OpenStep {
        open(&self.context, seq).await
    }

    async fn close(&mut self, open: OpenStep, ended: Ended) -> Result<()> {
        let result = open.close(&self.context, ended).await?;
        self.settle(result);
        Ok(())
    }

    /// Counts a step that ended before the run broke off.
    fn take_over(&mut self, ended: &EndedStep, is_background: bool) {
        let result = past::result(&self.context, ended);
        if is_background {
            self.steps.push(result);
        } else {
            self.settle(result);
        }
    }

    /// What the step's end means for the job.
    fn settle(&mut self, result: StepResult) {
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
    }

    async fn skip(&mut self, seq: u32) -> Result<()> {
        let result = StepResult {
            seq,
            name: self.context.step_name(seq),
            state: StepState::Skipped,
            exit_status: None,
            duration: Duration::ZERO,
        };
        let ended = Ended::without_shell(StepState::Skipped);
        self.context.note_ended(seq, ended, Duration::ZERO);
        self.context.say_ended(&result).await?;
        self.steps.push(result);
        Ok(())
    }

    async fn start_background(&mut self, seq: u32, command: &plan::Run) -> Result<()> {
        let mut open = self.open(seq).await;
        let (context, command, stop) = (
            self.context.clone(),
            command.clone(),
            self.end_background.clone(),
        );
        self.background.spawn(async move {
            let ended = step::run(&context, seq, &command, &mut open.output, &stop).await?;
            // It was meant to run until the job's end; that is not a cancellation.
            let state = match ended.state {
                StepState::Canceled => StepState::Passed,
                other => other,
            };
            open.close(&context, Ended { state, ..ended }).await
        });
        Ok(())
    }

    async fn end_background(&mut self) -> Result<()> {
        self.end_background.cancel();
        self.context.leftovers.end().await;
        while let Some(result) = self.background.join_next().await {
            let result = result
                .map_err(|error| Error::io("end a background step")(io::Error::other(error)))?;
            self.steps.push(result?);
        }
        // Of a background step that ended by itself meanwhile.
        self.context.leftovers.end().await;
        Ok(())
    }
}

fn is_background(step: &Step) -> bool {
    matches!(&step.kind, StepKind::Run(command) if command.background)
}

/// A step that the user knows to run, and of which the server hears meanwhile.
struct OpenStep {
    seq: u32,
    start: Instant,
    output: Output,
}

async fn open(context: &Arc<Context>, seq: u32) -> OpenStep {
    let name = context.step_name(seq);
    (context.run.events)(Event::StepStarted {
        id: &context.job.id,
        job: context.name(),
        node: context.index(),
        seq,
        name: &name,
    });
    let mut output = context.output(seq);
    if context.begun.contains_key(&seq) {
        output.line("(resumed)").await;
    }
    OpenStep {
        seq,
        start: Instant::now(),
        output,
    }
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
        context.note_ended(self.seq, ended, result.duration);
        // All output is kept before the step is said to have ended.
        if let Some(kept) = self.output.close().await? {
            context.warn(format!(
                "{}: the server keeps only the first {kept} bytes of this step's output",
                context.step_title(self.seq)
            ));
        }
        context.say_ended(&result).await?;
        Ok(result)
    }
}
