//! Test results on the wire.

use serde::{Deserialize, Serialize};

/// `PUT /larder/v1/jobs/{id}/tests/{report}`: the results of one report, numbered by the sender from
/// 0; the same number again replaces it. A report is at most 1 MiB of JSON: longer ones are sent as several.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestReport {
    /// In the order of the report.
    pub tests: Vec<TestBody>,
}

/// One test and how it went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestBody {
    /// Name of the test.
    pub name: String,
    /// The class, module or suite that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classname: Option<String>,
    /// Its source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How it went.
    pub result: TestResult,
    /// Milliseconds that it took.
    pub run_time_ms: i64,
    /// What a failure or a skip said; at most 64 KiB are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a test went.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// As expected.
    Success,
    /// An assertion did not hold.
    Failure,
    /// It broke.
    Error,
    /// Not run.
    Skipped,
}

/// A page of test results: failures, then errors, what was skipped, and what passed; each in the order of the reports.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestList {
    /// At most `limit` of them.
    pub tests: Vec<TestBody>,
    /// Give it as `?after=` to get the next page; absent on the last.
    pub next: Option<String>,
}
