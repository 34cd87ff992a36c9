//! What a person sees of a run: plain lines, on a terminal and elsewhere.

use larder_agent::run::{Event, JobSummary, NodeSummary, StepResult};
use larder_protocol::{JobState, StepState};
use std::io::Write as _;
use std::sync::Arc;

/// Prints a run to the standard output as it happens. Clones print to the same place.
#[derive(Clone, Debug)]
pub(crate) struct RunView {
    /// Whether output lines name their node.
    names_nodes: Arc<std::sync::atomic::AtomicBool>,
}

impl RunView {
    pub(crate) fn new() -> Self {
        Self {
            names_nodes: Arc::default(),
        }
    }

    /// Prints one event.
    pub(crate) fn show(&self, event: &Event<'_>) {
        use std::sync::atomic::Ordering::Relaxed;
        match event {
            Event::Notice { text } => say!("note: {text}"),
            Event::Announced { build } => {
                self.names_nodes.store(build.jobs.len() > 1, Relaxed);
                say!("build {}: {}", build.number, build.url);
            }
            Event::StepStarted { node, name, .. } => say!("{}── {name}", self.node(*node)),
            Event::Output { bytes, .. } => {
                // Whoever reads our output may have gone; the run goes on.
                let _ = std::io::stdout().lock().write_all(bytes);
            }
            Event::StepFinished { node, step } => {
                say!("{}{}", self.node(*node), step_line(step));
            }
            _ => {}
        }
    }

    /// Prints what came of the run, with links to what was kept.
    pub(crate) fn summarize(&self, summary: &JobSummary) {
        say!();
        for node in &summary.nodes {
            say!(
                "{}{}: {}",
                self.node(node.index),
                summary.job,
                outcome(node)
            );
            for warning in &node.warnings {
                say!("  warning: {warning}");
            }
            for problem in &node.problems {
                say!("  problem: {problem}");
            }
            for file in &node.artifacts {
                say!("  {}  {}", file.path, file.artifact.url);
            }
        }
        say!("artifacts: {}", summary.build.url);
    }

    fn node(&self, index: u32) -> String {
        let named = self.names_nodes.load(std::sync::atomic::Ordering::Relaxed);
        if named {
            format!("[node {index}] ")
        } else {
            String::new()
        }
    }
}

fn step_line(step: &StepResult) -> String {
    let seconds = step.duration.as_secs_f64();
    let result = match (step.state, step.exit_status) {
        (StepState::Passed, _) => "passed".to_owned(),
        (StepState::Failed, Some(status)) => format!("failed with exit status {status}"),
        (StepState::Failed, None) => "failed".to_owned(),
        (StepState::Skipped, _) => {
            return format!("── {}: skipped", step.name.lines().next().unwrap_or(""));
        }
        (StepState::Canceled, _) => "canceled".to_owned(),
        (StepState::TimedOut, _) => "timed out".to_owned(),
        (StepState::Running, _) => "running".to_owned(),
    };
    format!("   {result} in {seconds:.1} s")
}

fn outcome(node: &NodeSummary) -> String {
    let word = match node.outcome {
        JobState::Passed => "passed",
        JobState::Failed => "failed",
        JobState::Canceled => "canceled",
        JobState::TimedOut => "timed out",
        JobState::Queued | JobState::Running => "running",
    };
    let kept = node.artifacts.len();
    match node.exit_status {
        Some(status) if status != 0 => {
            format!("{word} with exit status {status}, {kept} artifacts kept")
        }
        _ => format!("{word}, {kept} artifacts kept"),
    }
}
