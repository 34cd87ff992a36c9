//! The lines of a run in the order in which they come: raw while one step runs alone, otherwise whole lines that begin
//! with the name of who says them.

use super::step::{FailedStep, RunningStep};
use super::style::{Meaning, Style, plain_name};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use larder_agent::run::StepResult;
use larder_protocol::StepState;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a step is silent before a terminal is told that it still runs.
const SILENCE: Duration = Duration::from_secs(1);
/// From so many kept files of one step on, a terminal shows their number instead of a line for each.
const KEPT_LINES_MAX: usize = 20;

/// Who says something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    /// UUID of the node's job, which alone tells it from all others.
    pub(super) id: &'a str,
    /// Name of the job in its workflow.
    pub(super) job: &'a str,
    /// Index of the node.
    pub(super) node: u32,
}

impl<'a> Who<'a> {
    pub(super) fn new(id: &'a str, job: &'a str, node: u32) -> Self {
        Self { id, job, node }
    }
}

/// Where a run is shown.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    style: Style,
    lanes: Vec<Lane>,
    is_at_line_start: bool,
    /// What a terminal shows below the last line while all is silent.
    waiting: Option<ProgressBar>,
}

/// One node of a job.
#[derive(Debug)]
struct Lane {
    id: String,
    workflow: Option<String>,
    job: String,
    node: u32,
    /// Before each of its lines, where there are several.
    label: Option<String>,
    steps: Vec<RunningStep>,
    /// The step that was announced last.
    last: Option<u32>,
    failed: Vec<FailedStep>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Screen")
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

impl Screen {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self {
            out,
            style,
            lanes: Vec::new(),
            is_at_line_start: true,
            waiting: None,
        }
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Says who will speak, in addition to those who are known.
    pub(super) fn add_lanes<'a>(
        &mut self,
        workflow: Option<&str>,
        jobs: impl Iterator<Item = Who<'a>>,
    ) {
        self.lanes.extend(jobs.map(|who| Lane {
            id: who.id.to_owned(),
            workflow: workflow.map(str::to_owned),
            job: who.job.to_owned(),
            node: who.node,
            label: None,
            steps: Vec::new(),
            last: None,
            failed: Vec::new(),
        }));
        if self.lanes.len() < 2 {
            return;
        }
        let labels: Vec<_> = self.lanes.iter().map(|lane| self.label(lane)).collect();
        for (lane, label) in self.lanes.iter_mut().zip(labels) {
            lane.label = Some(label);
        }
    }

    /// `test[1]`, or only `test` where the job has one node.
    fn label(&self, lane: &Lane) -> String {
        let name = self.name_of(lane.workflow.as_deref(), &lane.job);
        let is_same = |other: &&Lane| other.workflow == lane.workflow && other.job == lane.job;
        if self.lanes.iter().filter(is_same).count() > 1 {
            format!("{name}[{}]", lane.node)
        } else {
            name
        }
    }

    /// `test`, or `nightly/test` where several workflows run.
    pub(super) fn name_of(&self, workflow: Option<&str>, job: &str) -> String {
        let job = plain_name(job);
        let others = |lane: &Lane| lane.workflow.as_deref() != workflow;
        match workflow {
            Some(workflow) if self.lanes.iter().any(others) => {
                format!("{}/{job}", plain_name(workflow))
            }
            _ => job,
        }
    }

    /// How the lines of a node begin, if they have to.
    pub(super) fn label_of(&self, id: &str) -> Option<String> {
        self.lanes[self.position(id)?].label.clone()
    }

    /// Its steps that failed.
    pub(super) fn failures_of(&self, id: &str) -> Vec<FailedStep> {
        let lane = self.position(id);
        lane.map_or_else(Vec::new, |lane| self.lanes[lane].failed.clone())
    }

    pub(super) fn notice(&mut self, text: &str) {
        let line = self.style.paint(Meaning::Note, &format!("note: {text}"));
        self.line(&line);
    }

    /// A line of the run as a whole.
    pub(super) fn line(&mut self, text: &str) {
        self.write_line(None, text.as_bytes());
    }

    pub(super) fn not_run(&mut self, workflow: Option<&str>, job: &str, reason: &str) {
        let name = self.name_of(workflow, job);
        let line = format!("── {name} is not run: {}", plain_name(reason));
        let line = self.style.paint(Meaning::Note, &line);
        self.line(&line);
    }

    pub(super) fn begin_step(&mut self, who: Who<'_>, seq: u32, name: &str, now: Instant) {
        let heading = format!("── {}", plain_name(name));
        let heading = self.style.paint(Meaning::Heading, &heading);
        let lane = self.lane(who);
        self.lanes[lane].last = Some(seq);
        self.lanes[lane]
            .steps
            .push(RunningStep::new(seq, name, now));
        self.write_line(Some(lane), heading.as_bytes());
    }

    pub(super) fn output(&mut self, who: Who<'_>, seq: u32, bytes: &[u8], now: Instant) {
        let lane = self.lane(who);
        let is_alone = self.lanes.len() == 1 && self.lanes[lane].steps.len() == 1;
        let is_terminal = self.style.is_terminal;
        let Some(step) = self.step(lane, seq) else {
            return;
        };
        step.heard = now;
        let hides = is_terminal && step.kept.0 > KEPT_LINES_MAX;
        let lines = step.take(bytes);
        if is_alone && !hides {
            step.show_rest();
            return self.write_raw(bytes);
        }
        for line in lines {
            if hides && is_about_kept_file(&line) {
                if let Some(step) = self.step(lane, seq) {
                    step.hidden += 1;
                }
            } else {
                self.write_line(Some(lane), &line);
            }
        }
    }

    pub(super) fn kept(&mut self, who: Who<'_>, seq: u32, bytes: u64) {
        let lane = self.lane(who);
        if let Some(step) = self.step(lane, seq) {
            step.kept = (step.kept.0 + 1, step.kept.1 + bytes);
        }
    }

    pub(super) fn end_step(&mut self, who: Who<'_>, result: &StepResult) {
        let lane = self.lane(who);
        let steps = &mut self.lanes[lane].steps;
        let place = steps.iter().position(|step| step.seq == result.seq);
        let step = place.map(|place| steps.remove(place));
        if let Some(mut step) = step {
            let was_shown = step.is_shown_in_part();
            if let Some(rest) = step.end_line()
                && !was_shown
            {
                self.write_line(Some(lane), &rest);
            }
            if step.hidden > 0 {
                let more = format!("  … and {} more", step.hidden);
                self.write_line(Some(lane), more.as_bytes());
            }
            if matches!(result.state, StepState::Failed | StepState::TimedOut) {
                self.lanes[lane].failed.push(step.failed(outcome(result)));
            }
        }
        let last = self.lanes[lane].last;
        let text = self.result_line(result, last.is_none_or(|last| last == result.seq));
        self.write_line(Some(lane), text.as_bytes());
    }

    /// Tells a terminal what has been silent for a while.
    pub(super) fn tick(&mut self, now: Instant) {
        if !self.style.is_terminal || !self.is_at_line_start {
            return;
        }
        let silent: Vec<_> = self
            .lanes
            .iter()
            .flat_map(|lane| lane.steps.iter().map(move |step| (lane, step)))
            .filter(|(_, step)| now.duration_since(step.heard) >= SILENCE)
            .map(|(lane, step)| waiting_for(lane, step, now))
            .collect();
        if silent.is_empty() {
            return;
        }
        let bar = self.waiting.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            match ProgressStyle::with_template("{spinner} {wide_msg}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_message(silent.join(", "));
        bar.tick();
    }

    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// What became of a step; with its name where another one was announced since.
    fn result_line(&self, step: &StepResult, is_last: bool) -> String {
        if step.state == StepState::Skipped {
            let line = format!("── {}: skipped", plain_name(&step.name));
            return self.style.paint(Meaning::Note, &line);
        }
        let meaning = match step.state {
            StepState::Passed => Meaning::Good,
            StepState::Failed | StepState::TimedOut => Meaning::Bad,
            StepState::Skipped | StepState::Canceled | StepState::Running => Meaning::Note,
        };
        let head = if is_last {
            "  ".to_owned()
        } else {
            format!("── {}:", plain_name(&step.name))
        };
        let seconds = step.duration.as_secs_f64();
        let result = self.style.paint(meaning, &outcome(step));
        format!("{head} {result} in {seconds:.1} s")
    }

    fn step(&mut self, lane: usize, seq: u32) -> Option<&mut RunningStep> {
        self.lanes[lane]
            .steps
            .iter_mut()
            .find(|step| step.seq == seq)
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.id == id)
    }

    /// The lane of a node; one that was not announced speaks too.
    fn lane(&mut self, who: Who<'_>) -> usize {
        if let Some(place) = self.position(who.id) {
            return place;
        }
        self.add_lanes(None, std::iter::once(who));
        self.lanes.len() - 1
    }

    fn write_line(&mut self, lane: Option<usize>, text: &[u8]) {
        let label = lane.and_then(|lane| self.lanes[lane].label.as_deref());
        let label = label.map(|label| self.style.paint(Meaning::Label, &format!("{label} |")));
        let mut whole = Vec::with_capacity(text.len() + 32);
        if !self.is_at_line_start {
            whole.push(b'\n');
        }
        if let Some(label) = label {
            whole.extend_from_slice(label.as_bytes());
            if !text.is_empty() {
                whole.push(b' ');
            }
        }
        whole.extend_from_slice(text);
        whole.push(b'\n');
        self.write_raw(&whole);
    }

    fn write_raw(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else {
            return;
        };
        if let Some(waiting) = self.waiting.take() {
            waiting.finish_and_clear();
        }
        self.is_at_line_start = *last == b'\n';
        // Whoever reads our output may have gone; the run goes on.
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }
}

/// `failed with exit status 2`
fn outcome(step: &StepResult) -> String {
    match (step.state, step.exit_status) {
        (StepState::Passed, _) => "passed".to_owned(),
        (StepState::Failed, Some(status)) => format!("failed with exit status {status}"),
        (StepState::Failed, None) => "failed".to_owned(),
        (StepState::Skipped, _) => "skipped".to_owned(),
        (StepState::Canceled, _) => "canceled".to_owned(),
        (StepState::TimedOut, _) => "timed out".to_owned(),
        (StepState::Running, _) => "running".to_owned(),
    }
}

/// `test[1] | unit tests 12 s`
fn waiting_for(lane: &Lane, step: &RunningStep, now: Instant) -> String {
    let label = lane.label.as_ref();
    let label = label.map_or_else(String::new, |label| format!("{label} | "));
    let seconds = now.duration_since(step.began).as_secs();
    let kept = match step.kept {
        (0, _) => String::new(),
        (files, bytes) => format!(", {files} files kept ({})", DecimalBytes(bytes)),
    };
    format!("{label}{} {seconds} s{kept}", step.name)
}

/// A line that the agent writes for a file that it has kept.
fn is_about_kept_file(line: &[u8]) -> bool {
    line.starts_with(b"  Uploading ") && line.ends_with(b": DONE")
}
