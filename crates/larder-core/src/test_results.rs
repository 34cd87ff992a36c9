//! What jobs say of their tests, and who may read it.

use crate::access::{Action, Resource, authorize};
use crate::error::{Error, Result};
use crate::jobs::{JobOfBuild, Jobs, require_there};
use crate::metadata::{Room, Tx, audit, jobs, test_results};
use crate::model::{Build, Job, JobId, Principal, TestCounts, TestOutcome, TestPlace, TestResult};
use crate::store::Store;
use std::sync::Arc;

/// Most reports of one job.
const REPORTS_MAX: u32 = 10_000;
/// Most results of one job.
const RESULTS_MAX: i64 = 200_000;
/// Longest name, class or file of a test in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Longest message that is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Text on a page, in bytes, after which it ends early.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Results read at a time, so that long messages do not gather.
const READ_AT_ONCE: u32 = 64;

/// Results of the tests of jobs.
#[derive(Clone, Debug)]
pub struct TestResults(pub(crate) Arc<Store>);

/// Some results of a job's tests.
#[derive(Clone, Debug, Default)]
pub struct TestPage {
    /// By how they went, and in the order of the reports.
    pub results: Vec<TestResult>,
    /// The place of the last one, if more follow.
    pub next: Option<TestPlace>,
}

impl TestResults {
    /// Keeps the results of one report; the same report again replaces it, so that it may be sent again.
    pub async fn keep(
        &self,
        who: &Principal,
        job: JobId,
        report: u32,
        mut results: Vec<TestResult>,
    ) -> Result<()> {
        if report >= REPORTS_MAX {
            let reason = format!("must be below {REPORTS_MAX}, the most that a job may have");
            return Err(Error::invalid("report", reason));
        }
        for result in &mut results {
            check(result)?;
        }
        let JobOfBuild { job, build } = Jobs(self.0.clone()).seen(who, job).await?;
        let resource = Resource::job(&build.project, build.pk, job.pk);
        authorize(who, Action::RunJob, resource)?;
        let (who, now, slug) = (who.clone(), self.0.clock.now(), build.project.slug());
        self.0
            .database
            .write_in(Room::Project(build.project.number), async move |tx| {
                require_there(tx, job.id).await?;
                let before = test_results::count_of_report(tx, job.pk, report).await?;
                let kept = test_results::count(tx, job.pk).await?;
                let after = kept.minus(before).plus(TestCounts::of(&results));
                if after.total() > RESULTS_MAX {
                    let reason = format!("a job may have at most {RESULTS_MAX} results of tests");
                    return Err(Error::invalid("tests", reason));
                }
                test_results::delete_report(tx, job.pk, report).await?;
                for (seq, result) in (0..).zip(&results) {
                    test_results::insert(tx, job.pk, report, seq, result).await?;
                }
                test_results::set_count(tx, job.pk, after).await?;
                jobs::hear(tx, job.pk, now).await?;
                let what = format!("job {} report {report}", job.id);
                audit::record_in(tx, now, &who, &slug, "keep test results", &what).await
            })
            .await
    }

    /// At most `limit` results of a node that went one of these ways (any, if none is named), after a place if one is
    /// given. A page of long messages ends early.
    pub async fn of_job(
        &self,
        who: &Principal,
        build: &Build,
        job: &Job,
        outcomes: &[TestOutcome],
        after: Option<TestPlace>,
        limit: u32,
    ) -> Result<TestPage> {
        let resource = Resource::job(&build.project, build.pk, job.pk);
        authorize(who, Action::ReadBuilds, resource)?;
        let first = after.map(|place| place.outcome);
        let outcomes = TestOutcome::ALL.into_iter().filter(|outcome| {
            (outcomes.is_empty() || outcomes.contains(outcome)) && first <= Some(*outcome)
        });
        let (outcomes, pk): (Vec<_>, _) = (outcomes.collect(), job.pk);
        self.0
            .database
            .read(async move |tx| page(tx, pk, &outcomes, after, limit).await)
            .await
    }

    /// How many results each of these nodes has.
    pub async fn counts(
        &self,
        who: &Principal,
        build: &Build,
        nodes: &[Job],
    ) -> Result<Vec<TestCounts>> {
        let resource = Resource::build(&build.project, build.pk);
        authorize(who, Action::ReadBuilds, resource)?;
        let of_build = nodes.iter().filter(|node| node.build_pk == build.pk);
        let pks: Vec<_> = of_build.map(|node| node.pk).collect();
        self.0
            .database
            .read(async move |tx| {
                let mut counts = Vec::with_capacity(pks.len());
                for pk in &pks {
                    counts.push(test_results::count(tx, *pk).await?);
                }
                Ok(counts)
            })
            .await
    }
}

/// Refuses what no test is called and cuts a message that is too long.
fn check(result: &mut TestResult) -> Result<()> {
    let class = result.classname.as_deref().unwrap_or_default();
    let file = result.file.as_deref().unwrap_or_default();
    for (field, text) in [
        ("name", result.name.as_str()),
        ("classname", class),
        ("file", file),
    ] {
        if text.len() > TEXT_BYTES_MAX {
            let reason = format!("must be at most {TEXT_BYTES_MAX} bytes");
            return Err(Error::invalid(field, reason));
        }
    }
    if result.run_time_ms < 0 {
        return Err(Error::invalid("run_time_ms", "must not be negative"));
    }
    if let Some(message) = &mut result.message {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    }
    Ok(())
}

async fn page(
    tx: &mut Tx,
    job: i64,
    outcomes: &[TestOutcome],
    after: Option<TestPlace>,
    limit: u32,
) -> Result<TestPage> {
    let mut results: Vec<TestResult> = Vec::new();
    let (mut last, mut bytes) = (after, 0);
    for &outcome in outcomes {
        let mut from = last.filter(|place| place.outcome == outcome);
        loop {
            let read = test_results::after(tx, job, outcome, from, READ_AT_ONCE).await?;
            let is_all = read.len() < READ_AT_ONCE as usize;
            for (place, result) in read {
                if results.len() >= limit as usize || bytes >= PAGE_BYTES_MAX {
                    let next = last;
                    return Ok(TestPage { results, next });
                }
                bytes += bytes_of(&result);
                results.push(result);
                (last, from) = (Some(place), Some(place));
            }
            if is_all {
                break;
            }
        }
    }
    let next = None;
    Ok(TestPage { results, next })
}

fn bytes_of(result: &TestResult) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    result.name.len() + length(&result.classname) + length(&result.file) + length(&result.message)
}
