//! The third tab of a build: the results of its tests, failures first.

use super::build::{BuildPath, Heading, Tabs, node_of, node_title};
use super::format::{duration, size, terminal_text};
use super::page::Frame;
use super::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use larder_core::clock::Timestamp;
use larder_core::model::{Build, Job, TestCounts, TestOutcome, TestPlace, TestResult};
use larder_core::{Error, TestPage};
use serde::Deserialize;

/// Failures of all nodes on the page of a build.
const FAILURES_MAX: usize = 200;
/// Failures of one node there.
const FAILURES_OF_NODE_MAX: u32 = 50;
/// The beginning of a message that is shown there, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Results on a page of one node, with whole messages.
const PAGE: u32 = 100;

/// `/{vcs}/{org}/{project}/builds/{number}/tests/{job}`
#[derive(Debug, Deserialize)]
pub(super) struct NodePath {
    #[serde(flatten)]
    build: BuildPath,
    job: String,
}

#[derive(Template)]
#[template(path = "build_tests.html")]
struct TestsPage {
    frame: Frame,
    build: Heading,
    tabs: Tabs,
    nodes: Vec<NodeTests>,
}

struct NodeTests {
    title: String,
    id: String,
    state: &'static str,
    kinds: Vec<Kind>,
    tests: Vec<TestRow>,
    /// The query of the page with those that follow.
    more: Option<String>,
}

/// Results of one kind, and a link to them.
struct Kind {
    query: &'static str,
    text: String,
    is_open: bool,
}

struct TestRow {
    result: &'static str,
    name: String,
    class: Option<String>,
    file: Option<String>,
    took: String,
    message: String,
    /// Size of the whole message, where the page shows less.
    whole: Option<String>,
}

/// The kinds of results by which people look: the word in a query, and which results it means.
const KINDS: [(&str, &[TestOutcome]); 3] = [
    ("failed", &[TestOutcome::Failure, TestOutcome::Error]),
    ("skipped", &[TestOutcome::Skipped]),
    ("passed", &[TestOutcome::Success]),
];

/// `GET /{vcs}/{org}/{project}/builds/{number}/tests`: the failures of each node, and how many results it has.
pub(super) async fn of_build(visitor: Visitor, Path(path): Path<BuildPath>) -> Response {
    visitor.answer(build_page(&visitor, &path).await)
}

/// `GET /{vcs}/{org}/{project}/builds/{number}/tests/{job}?result=&after=`: the results of one node, page by page.
pub(super) async fn of_node(
    visitor: Visitor,
    Path(path): Path<NodePath>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    visitor.answer(node_page(&visitor, &path, &query).await)
}

async fn build_page(visitor: &Visitor, path: &BuildPath) -> Result<TestsPage, Error> {
    let build = path.build(visitor).await?;
    let larder = visitor.app.larder();
    let jobs = larder.jobs.of_build(&visitor.who, &build).await?;
    let kept = &larder.test_results;
    let counts = kept.counts(&visitor.who, &build, &jobs).await?;
    let (mut nodes, mut room) = (Vec::new(), FAILURES_MAX);
    for (job, counts) in jobs.iter().zip(counts) {
        if counts.total() == 0 {
            continue;
        }
        let limit = FAILURES_OF_NODE_MAX.min(u32::try_from(room).unwrap_or(u32::MAX));
        let failures = counts.failures + counts.errors;
        let page = if failures > 0 && limit > 0 {
            let outcomes = KINDS[0].1;
            kept.of_job(&visitor.who, &build, job, outcomes, None, limit)
                .await?
        } else {
            TestPage::default()
        };
        room = room.saturating_sub(page.results.len());
        let is_more = failures > i64::try_from(page.results.len()).unwrap_or(i64::MAX);
        let more = is_more.then(|| query_of(KINDS[0].0, page.next));
        let tests = page.results.into_iter();
        let tests = tests.map(|test| TestRow::of(test, MESSAGE_BYTES_MAX));
        nodes.push(NodeTests::of(job, counts, tests.collect(), more, ""));
    }
    page_of(visitor, &build, &jobs, nodes).await
}

async fn node_page(
    visitor: &Visitor,
    path: &NodePath,
    query: &[(String, String)],
) -> Result<TestsPage, Error> {
    let build = path.build.build(visitor).await?;
    let larder = visitor.app.larder();
    let jobs = larder.jobs.of_build(&visitor.who, &build).await?;
    let job = node_of(&jobs, &path.job)?;
    let given = |name: &str| {
        let found = query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let kind = KINDS
        .iter()
        .find(|(word, _)| Some(*word) == given("result"));
    let (kind, outcomes) = kind.copied().unwrap_or(("", &TestOutcome::ALL));
    let after = given("after").and_then(TestPlace::parse);
    let kept = &larder.test_results;
    let counts = kept
        .counts(&visitor.who, &build, std::slice::from_ref(job))
        .await?;
    let counts = counts.into_iter().next().unwrap_or_default();
    let page = kept
        .of_job(&visitor.who, &build, job, outcomes, after, PAGE)
        .await?;
    let more = page.next.map(|next| query_of(kind, Some(next)));
    let tests = page.results.into_iter();
    let tests = tests.map(|test| TestRow::of(test, usize::MAX)).collect();
    let nodes = vec![NodeTests::of(job, counts, tests, more, kind)];
    page_of(visitor, &build, &jobs, nodes).await
}

async fn page_of(
    visitor: &Visitor,
    build: &Build,
    jobs: &[Job],
    nodes: Vec<NodeTests>,
) -> Result<TestsPage, Error> {
    Ok(TestsPage {
        frame: visitor.frame(),
        build: Heading::of(build),
        tabs: Tabs::of(visitor, build, jobs, "tests").await?,
        nodes,
    })
}

fn query_of(kind: &str, next: Option<TestPlace>) -> String {
    match next {
        Some(next) => format!("result={kind}&after={}", next.encode()),
        None => format!("result={kind}"),
    }
}

impl NodeTests {
    fn of(
        job: &Job,
        counts: TestCounts,
        tests: Vec<TestRow>,
        more: Option<String>,
        open: &str,
    ) -> Self {
        let of_kind = [
            counts.failures + counts.errors,
            counts.skipped,
            counts.successes,
        ];
        let kinds = KINDS.iter().zip(of_kind).filter(|(_, count)| *count > 0);
        Self {
            title: node_title(job),
            id: job.id.to_string(),
            state: job.state.word(),
            kinds: kinds
                .map(|((query, _), count)| Kind {
                    query,
                    text: format!("{count} {query}"),
                    is_open: *query == open,
                })
                .collect(),
            tests,
            more,
        }
    }
}

impl TestRow {
    fn of(test: TestResult, bytes_max: usize) -> Self {
        let message = test.message.unwrap_or_default();
        let shown = &message[..message.floor_char_boundary(bytes_max)];
        let whole = (shown.len() < message.len()).then(|| size(message.len() as u64));
        Self {
            result: test.outcome.word(),
            name: if test.name.is_empty() {
                "(without a name)".to_owned()
            } else {
                terminal_text(test.name.as_bytes())
            },
            class: test.classname.map(|text| terminal_text(text.as_bytes())),
            file: test.file.map(|text| terminal_text(text.as_bytes())),
            took: duration(Timestamp(0), Timestamp(test.run_time_ms)),
            message: terminal_text(shown.as_bytes()),
            whole,
        }
    }
}
