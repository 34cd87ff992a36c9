//! What came of a node, as lines: how it ended, why, and where its files are.

use super::step::FailedStep;
use super::style::{Meaning, Style};
use indicatif::DecimalBytes;
use larder_agent::artifacts::StoredFile;
use larder_agent::run::NodeSummary;
use larder_protocol::JobState;

/// Links to more files are on the page of the build.
const LINKS_MAX: usize = 20;

pub(super) fn of_node(
    name: &str,
    node: &NodeSummary,
    failed: &[FailedStep],
    style: Style,
    link: impl Fn(&str) -> String,
) -> Vec<String> {
    let mut lines = vec![format!("{name}: {}", outcome(node, style))];
    for step in failed {
        lines.extend(end_of(step, style));
    }
    for warning in &node.warnings {
        lines.push(style.paint(Meaning::Note, &format!("  warning: {warning}")));
    }
    for problem in &node.problems {
        lines.push(style.paint(Meaning::Bad, &format!("  problem: {problem}")));
    }
    let artifacts = artifacts(node);
    for file in artifacts.iter().take(LINKS_MAX) {
        lines.push(format!("  {}  {}", file.path, link(&file.artifact.url)));
    }
    if let Some(more) = artifacts.len().checked_sub(LINKS_MAX)
        && more > 0
    {
        lines.push(format!("  … and {more} more"));
    }
    lines
}

/// `passed in 2.1 s, 3 artifacts kept (12 kB)`
fn outcome(node: &NodeSummary, style: Style) -> String {
    let (meaning, word) = match node.outcome {
        JobState::Passed => (Meaning::Good, "passed"),
        JobState::Failed => (Meaning::Bad, "failed"),
        JobState::Canceled => (Meaning::Note, "canceled"),
        JobState::TimedOut => (Meaning::Bad, "timed out"),
        JobState::Queued | JobState::Running => (Meaning::Note, "running"),
    };
    let status = match node.exit_status {
        Some(status) if status != 0 => format!(" with exit status {status}"),
        _ => String::new(),
    };
    let seconds = node.duration.as_secs_f64();
    let word = style.paint(meaning, &format!("{word}{status}"));
    format!("{word} in {seconds:.1} s, {}", kept(node))
}

fn kept(node: &NodeSummary) -> String {
    let artifacts = artifacts(node);
    let bytes: u64 = artifacts.iter().map(|file| file.size).sum();
    match artifacts.len() {
        0 => "no artifacts kept".to_owned(),
        1 => format!("1 artifact kept ({})", DecimalBytes(bytes)),
        files => format!("{files} artifacts kept ({})", DecimalBytes(bytes)),
    }
}

/// In the order of their paths, and each once: two steps may have kept the same file.
fn artifacts(node: &NodeSummary) -> Vec<&StoredFile> {
    let mut files: Vec<_> = node.artifacts.iter().collect();
    files.sort_by(|a, b| (&a.path, &a.artifact.id).cmp(&(&b.path, &b.artifact.id)));
    files.dedup_by(|a, b| a.artifact.id == b.artifact.id);
    files
}

/// The last lines that a failed step printed.
fn end_of(step: &FailedStep, style: Style) -> Vec<String> {
    let what = if step.tail.is_empty() {
        "it printed nothing"
    } else {
        "the end of its output:"
    };
    let head = format!("  step `{}` {}; {what}", step.name, step.outcome);
    let mut lines = vec![style.paint(Meaning::Bad, &head)];
    lines.extend(step.tail.iter().map(|line| format!("    {line}")));
    lines
}
