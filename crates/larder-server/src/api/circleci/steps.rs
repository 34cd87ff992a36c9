//! The steps of a build as v1.1 shows them, one action for each node, and what a step printed.

use super::auth::Caller;
use super::error::Error;
use super::extract::Path;
use super::lookup::JobPath;
use crate::http::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use larder_core::clock::Timestamp;
use larder_core::model::{Build, Job, Principal, Step, StepState};
use larder_core::{JobNodes, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A step of all nodes.
#[derive(Serialize)]
pub(super) struct StepBody {
    name: String,
    actions: Vec<ActionBody>,
}

/// A step of one node.
#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the keys are the API's, and clients want each"
)]
struct ActionBody {
    name: String,
    bash_command: Option<String>,
    index: u32,
    step: u32,
    status: &'static str,
    exit_code: Option<i32>,
    failed: Option<bool>,
    canceled: Option<bool>,
    timedout: Option<bool>,
    infrastructure_fail: Option<bool>,
    start_time: String,
    end_time: Option<String>,
    run_time_millis: Option<i64>,
    #[serde(rename = "type")]
    kind: &'static str,
    source: &'static str,
    parallel: bool,
    background: bool,
    has_output: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_url: Option<String>,
    truncated: bool,
    #[serde(rename = "continue")]
    goes_on: Option<String>,
    messages: [String; 0],
}

/// The steps of a job, by their place in it.
pub(super) async fn of_nodes(
    app: &App,
    who: &Principal,
    nodes: &JobNodes,
) -> Result<Vec<StepBody>, larder_core::Error> {
    let mut steps: BTreeMap<u32, StepBody> = BTreeMap::new();
    for node in &nodes.nodes {
        for step in app.larder().steps.of_job(who, &nodes.build, node).await? {
            let action = ActionBody::of(app, nodes, node, &step);
            let body = steps.entry(step.seq).or_insert_with(|| StepBody {
                name: step.name,
                actions: Vec::new(),
            });
            body.actions.push(action);
        }
    }
    Ok(steps.into_values().collect())
}

impl ActionBody {
    fn of(app: &App, nodes: &JobNodes, node: &Job, step: &Step) -> Self {
        let has_output = step.output_bytes > 0;
        let flag = |state| (step.state == state).then_some(true);
        let run_time = step.finished_at.map(|end| end.0 - step.started_at.0);
        Self {
            name: step.name.clone(),
            bash_command: step.command.clone(),
            index: node.index,
            step: step.seq,
            status: status(step.state),
            exit_code: step.exit_status,
            failed: flag(StepState::Failed),
            canceled: flag(StepState::Canceled),
            timedout: flag(StepState::TimedOut),
            infrastructure_fail: None,
            start_time: step.started_at.rfc3339(),
            end_time: step.finished_at.map(Timestamp::rfc3339),
            run_time_millis: run_time,
            kind: "test",
            source: "config",
            parallel: nodes.nodes.len() > 1,
            background: false,
            has_output,
            output_url: has_output.then(|| url_of_output(app, nodes, node, step)),
            truncated: false,
            goes_on: None,
            messages: [],
        }
    }
}

fn status(state: StepState) -> &'static str {
    match state {
        StepState::Running => "running",
        StepState::Passed => "success",
        StepState::Failed => "failed",
        StepState::Canceled => "canceled",
        StepState::TimedOut => "timedout",
        StepState::Skipped => "not_run",
    }
}

fn url_of_output(app: &App, nodes: &JobNodes, node: &Job, step: &Step) -> String {
    let (public, slug) = (app.public_url(), nodes.build.project.slug());
    let (number, seq, index) = (nodes.number, step.seq, node.index);
    format!("{public}/api/v1.1/project/{slug}/{number}/output/{seq}/{index}")
}

/// A job's path and one of its steps on one of its nodes.
#[derive(Debug, Deserialize)]
pub(super) struct OutputPath {
    #[serde(flatten)]
    job: JobPath,
    step: String,
    index: String,
}

/// `GET …/:build_num/output/:step/:index`: what the step printed, as `[{type, time, message}]`, a message for each
/// piece as it is read: what a step printed is never in memory as a whole.
pub(super) async fn output(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<OutputPath>,
) -> Result<Response, Error> {
    let nodes = path.job.numbered(&app, &who).await?;
    let node = path.index.parse().ok().and_then(|index| nodes.node(index));
    let (Some(node), Ok(seq)) = (node, path.step.parse::<u32>()) else {
        return Err(larder_core::Error::NotFound(What::Step).into());
    };
    let steps = app.larder().steps.of_job(&who, &nodes.build, node).await?;
    let step = steps.into_iter().find(|step| step.seq == seq);
    let step = step.ok_or(larder_core::Error::NotFound(What::Step))?;
    let printed = Printed {
        app: app.clone(),
        who,
        node: node.clone(),
        build: nodes.build,
        step,
        offset: 0,
        split: Vec::new(),
        state: Reading::Begin,
    };
    let body = Body::from_stream(stream::try_unfold(printed, Printed::next));
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8")];
    Ok((headers, body).into_response())
}

/// What a step printed, on its way out.
struct Printed {
    app: App,
    who: Principal,
    build: Build,
    node: Job,
    step: Step,
    /// Where the next piece begins.
    offset: i64,
    /// The first bytes of a character whose rest is in the next piece.
    split: Vec<u8>,
    state: Reading,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Reading {
    Begin,
    Middle,
    End,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    message: &'a str,
}

impl Printed {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, larder_core::Error> {
        if self.state == Reading::End {
            return Ok(None);
        }
        let steps = &self.app.larder().steps;
        let (build, node, seq) = (&self.build, &self.node, self.step.seq);
        let piece = steps
            .output(&self.who, build, node, seq, self.offset)
            .await?;
        self.offset += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        let mut text = if self.state == Reading::Begin {
            "["
        } else {
            ""
        }
        .to_owned();
        let message = self.take_message(&piece);
        if !message.is_empty() {
            let begun = self.state == Reading::Middle;
            text.push_str(if begun { ", " } else { " " });
            text.push_str(&self.message(&message)?);
            self.state = Reading::Middle;
        }
        if piece.is_empty() {
            text.push_str(if self.state == Reading::Middle {
                " ]"
            } else {
                "]"
            });
            self.state = Reading::End;
        } else {
            self.state = Reading::Middle;
        }
        Ok(Some((text.into(), self)))
    }

    /// Whole characters of the piece; what no character can be is replaced, as terminals do.
    fn take_message(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.split);
        bytes.extend_from_slice(piece);
        if !piece.is_empty() {
            self.split = bytes.split_off(bytes.len() - unfinished(&bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn message(&self, message: &str) -> Result<String, larder_core::Error> {
        let body = MessageBody {
            kind: "out",
            time: self.step.started_at.rfc3339(),
            message,
        };
        serde_json::to_string(&body)
            .map_err(|error| larder_core::Error::internal("spell a message", error))
    }
}

/// Bytes at the end that begin a character and do not finish it.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes.rchunks(4).next().unwrap_or_default()) {
        _ if bytes.is_empty() => 0,
        Ok(_) => 0,
        Err(_) => (1..=3.min(bytes.len()))
            .find(|tail| is_begun(&bytes[bytes.len() - tail..]))
            .unwrap_or(0),
    }
}

fn is_begun(tail: &[u8]) -> bool {
    match std::str::from_utf8(tail) {
        Ok(_) => false,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_at_the_end_of_a_piece_is_kept_for_the_next() {
        assert_eq!(unfinished("aé".as_bytes()), 0);
        assert_eq!(unfinished(&"aé".as_bytes()[..2]), 1);
        assert_eq!(unfinished(&"abc€".as_bytes()[..5]), 2);
        assert_eq!(unfinished(&"🥫".as_bytes()[..3]), 3);
        assert_eq!(unfinished(b"a\xff"), 0);
        assert_eq!(unfinished(b""), 0);
    }
}
