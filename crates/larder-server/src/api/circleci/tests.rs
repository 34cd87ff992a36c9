//! Results of tests: all of a job's nodes, as v1.1 lists them at once and v2 in pages.

use super::auth::Caller;
use super::error::{Error, Form};
use super::extract::{Parameters, Path};
use super::json::{Spelling, answer_of};
use super::lookup::JobPath;
use super::summary;
use super::v2::{PageBody, SlugPath};
use crate::http::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use larder_core::JobNodes;
use larder_core::model::{Principal, TestPlace, TestResult};
use serde::Serialize;

/// Results of one page. Known clients read only the first page, so it is a large one.
const PAGE_ITEMS: u32 = 1_000;

/// One test and how it went. What is not known is empty: published clients read texts.
#[derive(Serialize)]
struct TestBody<'a> {
    message: &'a str,
    source: &'static str,
    /// Seconds.
    run_time: f64,
    file: &'a str,
    result: &'static str,
    name: &'a str,
    classname: &'a str,
}

impl<'a> TestBody<'a> {
    fn of(result: &'a TestResult) -> Self {
        Self {
            message: result.message.as_deref().unwrap_or_default(),
            source: "unknown",
            run_time: seconds(result.run_time_ms),
            file: result.file.as_deref().unwrap_or_default(),
            result: result.outcome.word(),
            name: &result.name,
            classname: result.classname.as_deref().unwrap_or_default(),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no test runs for so long that its milliseconds are not exact"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// Where a list goes on: the index of the node, and the last result seen of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    node: u32,
    after: Option<TestPlace>,
}

impl Place {
    const START: Self = Self {
        node: 0,
        after: None,
    };

    fn encode(self) -> String {
        match self.after {
            Some(after) => format!("{}-{}", self.node, after.encode()),
            None => self.node.to_string(),
        }
    }

    fn parse(token: &str) -> Result<Self, larder_core::Error> {
        let place = match token.split_once('-') {
            Some((node, after)) => node.parse().ok().zip(TestPlace::parse(after).map(Some)),
            None => token.parse().ok().map(|node| (node, None)),
        };
        let (node, after) = place.ok_or_else(|| {
            let reason = "must be a next_page_token that this list gave";
            larder_core::Error::invalid("page-token", reason)
        })?;
        Ok(Self { node, after })
    }
}

/// Results of a job's nodes from a place on: some of one node, and where the list goes on if it does.
async fn page_of(
    app: &App,
    who: &Principal,
    nodes: &JobNodes,
    place: Place,
) -> Result<(Vec<TestResult>, Option<Place>), larder_core::Error> {
    let kept = &app.larder().test_results;
    // They come by index.
    let first = nodes.nodes.partition_point(|node| node.index < place.node);
    for at in first..nodes.nodes.len() {
        let node = &nodes.nodes[at];
        let after = place.after.filter(|_| node.index == place.node);
        let page = kept
            .of_job(who, &nodes.build, node, &[], after, PAGE_ITEMS)
            .await?;
        let next = match page.next {
            Some(after) => Some(Place {
                node: node.index,
                after: Some(after),
            }),
            None => nodes.nodes.get(at + 1).map(|next| Place {
                node: next.index,
                after: None,
            }),
        };
        if !page.results.is_empty() || next.is_none() {
            return Ok((page.results, next));
        }
    }
    Ok((Vec::new(), None))
}

/// `GET …/:build_num/tests`: spelled piece by piece, so that not all results are in memory at once.
pub(super) async fn v1_1(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    spelling: Spelling,
) -> Result<Response, Error> {
    let nodes = summary::readable(&app, &who, &path).await?;
    let listing = Listing {
        app,
        who,
        nodes,
        spelling,
        begun: false,
        place: Some(Place::START),
    };
    let body = Body::from_stream(stream::try_unfold(listing, Listing::next));
    Ok(answer_of(body))
}

/// The list of v1.1 on its way out.
struct Listing {
    app: App,
    who: Principal,
    nodes: JobNodes,
    spelling: Spelling,
    /// Whether a result has gone out.
    begun: bool,
    /// Where it goes on; none at its end.
    place: Option<Place>,
}

impl Listing {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, larder_core::Error> {
        let Some(place) = self.place else {
            return Ok(None);
        };
        let (results, next) = page_of(&self.app, &self.who, &self.nodes, place).await?;
        let around = self.spelling.lists("tests", "exceptions");
        let mut text = Vec::new();
        for result in &results {
            let before = if self.begun {
                around.between
            } else {
                &*around.open
            };
            text.extend_from_slice(before.as_bytes());
            text.extend(self.spelling.item(&TestBody::of(result))?);
            self.begun = true;
        }
        if next.is_none() {
            let end = if self.begun {
                &around.close
            } else {
                &around.empty
            };
            text.extend_from_slice(end.as_bytes());
        }
        self.place = next;
        Ok(Some((text.into(), self)))
    }
}

/// `GET /api/v2/project/gh/acme/demo/:job-number/tests`
pub(super) async fn v2(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let page = page(&app, &who, &path, &parameters, spelling).await;
    page.map_err(|cause| Error::new(Form::V2, cause))
}

/// `GET /api/v2/project/gh%2Facme%2Fdemo/:job-number/tests`
pub(super) async fn v2_of_slug(
    app: State<App>,
    caller: Caller,
    Path(path): Path<SlugPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    v2(app, caller, Path(path.parts()), parameters, spelling).await
}

async fn page(
    app: &App,
    who: &Principal,
    path: &JobPath,
    parameters: &Parameters,
    spelling: Spelling,
) -> Result<Response, larder_core::Error> {
    let place = parameters
        .text("page-token")
        .map(Place::parse)
        .transpose()?;
    let nodes = summary::readable(app, who, path).await?;
    let (results, next) = page_of(app, who, &nodes, place.unwrap_or(Place::START)).await?;
    spelling.answer(&PageBody {
        items: results.iter().map(TestBody::of).collect(),
        next_page_token: next.map(Place::encode),
    })
}
