//! What a node takes over from before its run broke off.

use super::Run;
use super::context::{Context, Found};
use super::event::{NodeSummary, StepResult};
use super::journal::{EndedStep, PastNode};
use super::mask::{self, Mask};
use crate::artifacts::StoredFile;
use crate::error::Result;
use crate::server::Server;
use larder_protocol::{AnnouncedJob, ArtifactBody, ArtifactState, StepBody, StepState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What its steps had found, but for the artifacts: the server knows those.
pub(super) fn found(past: &BTreeMap<u32, EndedStep>) -> Found {
    let mut found = Found::default();
    for step in past.values() {
        found.warnings.extend_from_slice(&step.warnings);
        found.problems.extend_from_slice(&step.problems);
        found.reports = found.reports.max(step.reports);
    }
    found.noted = (found.warnings.len(), found.problems.len());
    found
}

/// Where the output of each step goes on.
pub(super) fn output_bytes(known: &[StepBody]) -> BTreeMap<u32, u64> {
    let places = known.iter();
    places
        .map(|step| (step.seq, u64::try_from(step.output_bytes).unwrap_or(0)))
        .collect()
}

/// As the node would have it if it had not broken off.
pub(super) fn result(context: &Context, ended: &EndedStep) -> StepResult {
    result_of(context.step_name(ended.seq), ended)
}

fn result_of(name: String, ended: &EndedStep) -> StepResult {
    StepResult {
        seq: ended.seq,
        name,
        state: ended.state,
        exit_status: ended.exit_status,
        duration: Duration::from_millis(ended.millis),
    }
}

/// Tells the server the ends that it may not have heard of, and asks it what it keeps.
pub(super) async fn tell_server(context: &Context, past: &BTreeMap<u32, EndedStep>) -> Result<()> {
    if past.is_empty() {
        return Ok(());
    }
    let id = &context.job().id;
    let known = context.server.steps(id).await?.steps;
    let is_known = |seq| {
        let step = known.iter().find(|step| step.seq == seq);
        step.is_some_and(|step| step.state != StepState::Running)
    };
    for ended in past.values().filter(|ended| !is_known(ended.seq)) {
        context.report(&result(context, ended)).await?;
    }
    let kept = kept(&context.server, id).await?;
    context.found().artifacts.extend(kept);
    Ok(())
}

/// The summary of a node of which all steps had ended.
pub(super) async fn summary(run: &Run, job: &AnnouncedJob, past: &PastNode) -> Result<NodeSummary> {
    let server = run.server.with_token(&job.token);
    let mask = Mask::new(&mask::secrets(run, job));
    let name = |seq: u32| match run.plan.steps.get(seq as usize) {
        Some(step) => mask.text(&step.name).into_owned(),
        None => "Uploading what is left".to_owned(),
    };
    let found = found(&past.steps);
    let mut summary = NodeSummary::unrun(job);
    if let Some((outcome, exit_status)) = past.end {
        summary.outcome = outcome;
        summary.exit_status = exit_status;
    }
    let steps = past.steps.values();
    summary.steps = steps.map(|step| result_of(name(step.seq), step)).collect();
    summary.artifacts = kept(&server, &job.id).await?;
    summary.warnings = found.warnings;
    summary.problems = found.problems;
    Ok(summary)
}

/// What the server keeps of the job.
async fn kept(server: &Server, job: &str) -> Result<Vec<StoredFile>> {
    let mut kept = Vec::new();
    let mut after = None;
    loop {
        let page = server.job_artifacts(job, after.as_deref()).await?;
        let finished = page.artifacts.into_iter();
        let finished = finished.filter(|artifact| artifact.state == ArtifactState::Finished);
        kept.extend(finished.map(stored));
        // A server that gives the same place again would never come to an end.
        if page.next.is_none() || page.next == after {
            return Ok(kept);
        }
        after = page.next;
    }
}

fn stored(artifact: ArtifactBody) -> StoredFile {
    StoredFile {
        path: artifact.path.clone(),
        alias: artifact.alias.clone(),
        local: artifact.path.clone().into(),
        size: u64::try_from(artifact.size).unwrap_or(0),
        sha256: artifact.sha256.clone().unwrap_or_default(),
        sent_bytes: 0,
        warning: None,
        artifact,
    }
}

/// A file that was kept already is there twice when its step is run again.
pub(super) fn drop_doubled(artifacts: &mut Vec<StoredFile>) {
    let mut seen = BTreeSet::new();
    artifacts.retain(|file| seen.insert(file.artifact.id.clone()));
}
