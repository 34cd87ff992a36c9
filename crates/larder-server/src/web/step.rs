//! The page of a step, with its output part by part and while it runs, and all of the output as it was printed.

use super::build::{BuildPath, Heading, Tabs, node_of, node_title};
use super::format::{duration, size, terminal_text};
use super::page::{Frame, insert_headers};
use super::visitor::Visitor;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use larder_core::model::{Build, Job, Principal, Step, StepState};
use larder_core::{Error, Steps, What};
use serde::Deserialize;

/// Output on one page, in bytes: a browser shows so much without trouble.
const PART_BYTES: i64 = 256 * 1024;

/// `/{vcs}/{org}/{project}/builds/{number}/steps/{job}/{seq}`
#[derive(Debug, Deserialize)]
pub(super) struct StepPath {
    #[serde(flatten)]
    build: BuildPath,
    job: String,
    seq: String,
}

#[derive(Template)]
#[template(path = "step.html")]
struct StepPage {
    frame: Frame,
    build: Heading,
    tabs: Tabs,
    /// The node that the step is of.
    node: String,
    name: String,
    command: Option<String>,
    state: &'static str,
    exit: Option<i32>,
    took: Option<String>,
    output: String,
    /// Which bytes of the output these are.
    place: String,
    /// Size of the whole output, if there is any.
    whole: Option<String>,
    /// Where the part before begins.
    earlier: Option<i64>,
    /// Where the part behind begins.
    later: Option<i64>,
    /// Address of the output as it was printed.
    raw: String,
    /// Whether the page is shown anew again and again.
    is_followed: bool,
}

/// A step and what it belongs to.
struct Found {
    build: Build,
    nodes: Vec<Job>,
    node: Job,
    step: Step,
}

/// `GET /{vcs}/{org}/{project}/builds/{number}/steps/{job}/{seq}?offset=`: a part of the output from there, or `end`.
pub(super) async fn page(
    visitor: Visitor,
    Path(path): Path<StepPath>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let offset = query.iter().find(|(name, _)| name == "offset");
    let offset = offset.map(|(_, value)| value.as_str());
    visitor.answer(step_page(&visitor, &path, offset).await)
}

/// `GET /{vcs}/{org}/{project}/builds/{number}/steps/{job}/{seq}/raw`: the whole output as it was printed.
pub(super) async fn raw(visitor: Visitor, Path(path): Path<StepPath>) -> Response {
    match whole_output(&visitor, &path).await {
        Ok(response) => response,
        Err(error) => visitor.refuse(&error),
    }
}

async fn step_page(
    visitor: &Visitor,
    path: &StepPath,
    offset: Option<&str>,
) -> Result<StepPage, Error> {
    let found = path.found(visitor).await?;
    let (build, step) = (&found.build, &found.step);
    let whole = step.output_bytes;
    let asks_end = offset == Some("end");
    let from = match offset.map(str::parse::<i64>) {
        Some(Ok(from)) => from.clamp(0, whole),
        Some(Err(_)) if asks_end => (whole - PART_BYTES).max(0),
        Some(Err(_)) | None => 0,
    };
    let steps = &visitor.app.larder().steps;
    let read = steps.output(&visitor.who, build, &found.node, step.seq, from);
    let read = read.await?;
    let (skipped, part) = part(&read, from == 0);
    let begin = from + skipped;
    let end = begin + i64::try_from(part.len()).unwrap_or(0);
    let whole = whole.max(end);
    let bytes = |count| size(u64::try_from(count).unwrap_or(0));
    let base = visitor.app.base_path();
    Ok(StepPage {
        frame: visitor.frame(),
        build: Heading::of(build),
        tabs: Tabs::of(visitor, build, &found.nodes, "steps").await?,
        node: node_title(&found.node),
        name: step.name.clone(),
        command: step.command.clone(),
        state: step.state.word(),
        exit: step.exit_status,
        took: step
            .finished_at
            .map(|finished| duration(step.started_at, finished)),
        output: terminal_text(part),
        place: format!("{} to {}", bytes(begin), bytes(end)),
        whole: (whole > 0).then(|| bytes(whole)),
        earlier: (begin > 0).then_some((begin - PART_BYTES).max(0)),
        later: (end < whole).then_some(end),
        raw: format!(
            "{base}/{}/builds/{}/steps/{}/{}/raw",
            build.project.slug(),
            build.number,
            found.node.id,
            step.seq
        ),
        is_followed: asks_end && step.state == StepState::Running,
    })
}

/// What of the output read from an offset belongs on the page, and how many bytes of it do not: a character belongs to
/// the part in which it begins.
fn part(read: &[u8], is_first: bool) -> (i64, &[u8]) {
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let inside = |bytes: &[u8]| {
        bytes
            .iter()
            .take(3)
            .take_while(|byte| is_inside(byte))
            .count()
    };
    let begin = if is_first { 0 } else { inside(read) };
    let length = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
    let rest = read.get(begin + length..).unwrap_or_default();
    let end = (begin + length + inside(rest)).min(read.len());
    (i64::try_from(begin).unwrap_or(0), &read[begin..end])
}

impl StepPath {
    async fn found(&self, visitor: &Visitor) -> Result<Found, Error> {
        let build = self.build.build(visitor).await?;
        let larder = visitor.app.larder();
        let nodes = larder.jobs.of_build(&visitor.who, &build).await?;
        let node = node_of(&nodes, &self.job)?.clone();
        let steps = larder.steps.of_job(&visitor.who, &build, &node).await?;
        let seq = self.seq.parse::<u32>().ok();
        let step = steps.into_iter().find(|step| Some(step.seq) == seq);
        Ok(Found {
            step: step.ok_or(Error::NotFound(What::Step))?,
            build,
            nodes,
            node,
        })
    }
}

async fn whole_output(visitor: &Visitor, path: &StepPath) -> Result<Response, Error> {
    let found = path.found(visitor).await?;
    let printed = Printed {
        steps: visitor.app.larder().steps.clone(),
        who: visitor.who.clone(),
        found,
    };
    // What is wrong with the address is said before the first byte goes out.
    let first = printed.after(0).await?;
    let rest = futures_util::stream::try_unfold((printed, 0, Some(first)), next_part);
    let mut response = Response::new(Body::from_stream(rest));
    insert_headers(&mut response);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    let policy = HeaderValue::from_static("sandbox; default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// What one step printed.
struct Printed {
    steps: Steps,
    who: Principal,
    found: Found,
}

impl Printed {
    async fn after(&self, offset: i64) -> Result<Bytes, Error> {
        let Found {
            build, node, step, ..
        } = &self.found;
        self.steps
            .output(&self.who, build, node, step.seq, offset)
            .await
    }
}

type PartState = (Printed, i64, Option<Bytes>);

async fn next_part(
    (printed, offset, known): PartState,
) -> Result<Option<(Bytes, PartState)>, Error> {
    let part = match known {
        Some(part) => part,
        None => printed.after(offset).await?,
    };
    if part.is_empty() {
        return Ok(None);
    }
    let offset = offset + i64::try_from(part.len()).unwrap_or(0);
    Ok(Some((part, (printed, offset, None))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_belongs_to_the_part_in_which_it_begins() {
        let length = usize::try_from(PART_BYTES).unwrap();
        let printed = "€".repeat(length);
        let printed = printed.as_bytes();
        let (mut from, mut joined) = (0, Vec::new());
        while from < printed.len() {
            let (skipped, shown) = part(&printed[from..], from == 0);
            assert_eq!(skipped, 0);
            assert!(std::str::from_utf8(shown).is_ok() && shown.len() < length + 3);
            joined.extend_from_slice(shown);
            from += shown.len();
        }
        assert!(joined == printed);
        assert_eq!(part(&printed[1..4], false), (2, &printed[3..4]));
        assert_eq!(part(b"", false), (0, &b""[..]));
        assert_eq!(part(&[0x80; 5], true).1.len(), 5);
    }
}
