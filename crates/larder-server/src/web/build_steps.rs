//! The second tab of a build: the steps of each node and what they printed.

use super::build::{BuildPath, Heading, Tabs, node_title};
use super::format::{duration, size, terminal_text};
use super::page::Frame;
use super::visitor::Visitor;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use larder_core::Error;
use larder_core::model::{Build, Job, Step, StepState};

/// The end of a step's output that the page shows, in bytes.
const TAIL_BYTES_MAX: i64 = 32 * 1024;
/// Output on one page, in bytes: steps that come later only link to theirs.
const PAGE_BYTES_MAX: i64 = 2 * 1024 * 1024;
/// Steps on one page.
const STEPS_MAX: usize = 2_000;

#[derive(Template)]
#[template(path = "build_steps.html")]
struct StepsPage {
    frame: Frame,
    build: Heading,
    tabs: Tabs,
    nodes: Vec<NodeSteps>,
}

struct NodeSteps {
    title: String,
    id: String,
    state: &'static str,
    exit: Option<i32>,
    steps: Vec<StepRow>,
}

struct StepRow {
    seq: u32,
    name: String,
    command: Option<String>,
    state: &'static str,
    is_open: bool,
    exit: Option<i32>,
    took: Option<String>,
    output: String,
    /// Bytes of the whole output, where the page shows less.
    whole: Option<String>,
}

/// How much more the page may hold.
struct Room {
    bytes: i64,
    steps: usize,
}

/// `GET /{vcs}/{org}/{project}/builds/{number}/steps`
pub(super) async fn steps(visitor: Visitor, Path(path): Path<BuildPath>) -> Response {
    visitor.answer(steps_page(&visitor, &path).await)
}

async fn steps_page(visitor: &Visitor, path: &BuildPath) -> Result<StepsPage, Error> {
    let build = path.build(visitor).await?;
    let jobs = visitor
        .app
        .larder()
        .jobs
        .of_build(&visitor.who, &build)
        .await?;
    let mut room = Room {
        bytes: PAGE_BYTES_MAX,
        steps: STEPS_MAX,
    };
    let mut nodes = Vec::new();
    for job in &jobs {
        nodes.push(node_steps(visitor, &build, job, &mut room).await?);
    }
    Ok(StepsPage {
        frame: visitor.frame(),
        build: Heading::of(&build),
        tabs: Tabs::of(visitor, &build, &jobs, "steps").await?,
        nodes,
    })
}

async fn node_steps(
    visitor: &Visitor,
    build: &Build,
    job: &Job,
    room: &mut Room,
) -> Result<NodeSteps, Error> {
    let all = &visitor.app.larder().steps;
    let mut steps = Vec::new();
    for step in all.of_job(&visitor.who, build, job).await? {
        if room.steps == 0 {
            break;
        }
        room.steps -= 1;
        let length = step.output_bytes.min(TAIL_BYTES_MAX).min(room.bytes);
        room.bytes -= length;
        let from = step.output_bytes - length;
        let output = if length > 0 {
            all.output(&visitor.who, build, job, step.seq, from).await?
        } else {
            Bytes::new()
        };
        steps.push(StepRow::of(&step, &output, from));
    }
    Ok(NodeSteps {
        title: node_title(job),
        id: job.id.to_string(),
        state: job.state.word(),
        exit: job.exit_status,
        steps,
    })
}

impl StepRow {
    fn of(step: &Step, output: &[u8], from: i64) -> Self {
        let is_bad = matches!(step.state, StepState::Failed | StepState::TimedOut);
        let whole = u64::try_from(step.output_bytes).unwrap_or(0);
        Self {
            seq: step.seq,
            name: step.name.clone(),
            command: step.command.clone(),
            state: step.state.word(),
            is_open: is_bad || step.state == StepState::Running,
            exit: step.exit_status,
            took: step
                .finished_at
                .map(|finished| duration(step.started_at, finished)),
            output: terminal_text(output),
            whole: (from > 0).then(|| size(whole)),
        }
    }
}
