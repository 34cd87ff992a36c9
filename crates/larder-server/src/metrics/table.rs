//! Every number that there is: its name, its kind, its labels and what it means. `docs/metrics.md` is written from this.

use std::fmt::Write as _;

pub use larder_core::DATABASE_WRITE_SECONDS;

/// Requests answered.
pub const REQUESTS: &str = "larder_requests_total";
/// How long answers took.
pub const REQUEST_SECONDS: &str = "larder_request_seconds";
/// Requests that were refused before they reached a route.
pub const REFUSED: &str = "larder_refused_requests_total";
/// Bytes read from clients.
pub const RECEIVED_BYTES: &str = "larder_received_bytes_total";
/// Bytes written to clients.
pub const SENT_BYTES: &str = "larder_sent_bytes_total";
/// Open connections.
pub const CONNECTIONS: &str = "larder_connections";
/// Finished uploads.
pub const UPLOADS: &str = "larder_uploads_total";
/// Uploads whose bytes come now.
pub const UPLOADS_IN_FLIGHT: &str = "larder_uploads_in_flight";
/// Tokens that were refused.
pub const INVALID_TOKENS: &str = "larder_invalid_tokens_total";
/// Tries to sign in that failed.
pub const SIGN_IN_FAILURES: &str = "larder_sign_in_failures_total";
/// Faults of the store.
pub const STORE_ERRORS: &str = "larder_store_errors_total";
/// Reads that found other bytes than were kept.
pub const DAMAGED_READS: &str = "larder_damaged_reads_total";
/// Downloads that the log of acts lacks.
pub const LOST_DOWNLOADS: &str = "larder_audit_lost_downloads_total";
/// When the sweeper last came to its end.
pub const SWEPT_AT: &str = "larder_last_sweep_timestamp_seconds";
/// What sweeps did.
pub const SWEPT: &str = "larder_swept_total";
/// Sweeps that failed.
pub const SWEEPS_FAILED: &str = "larder_sweeps_failed_total";
/// Whether the brake holds.
pub const RETENTION_HELD: &str = "larder_retention_held";
/// Jobs that timed out.
pub const JOBS_TIMED_OUT: &str = "larder_jobs_timed_out_total";
/// Artifacts that builds kept.
pub const ARTIFACTS: &str = "larder_artifacts";
/// Their sizes together.
pub const ARTIFACT_BYTES: &str = "larder_artifact_bytes";
/// Stored files.
pub const BLOBS: &str = "larder_blobs";
/// Their sizes together.
pub const BLOB_BYTES: &str = "larder_blob_bytes";
/// What runs.
pub const BUILD_INFO: &str = "larder_build_info";
/// Memory of the process; the name is the one that Prometheus' own libraries use.
pub const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
/// Open files and sockets of the process.
pub const OPEN_FDS: &str = "process_open_fds";
/// How many it may have open.
pub const MAX_FDS: &str = "process_max_fds";

/// One number, or one for each value of its labels.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, as a sentence.
    pub meaning: &'static str,
}

/// How a number moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Only up, until the process ends.
    Counter,
    /// Up and down.
    Gauge,
    /// Samples in buckets.
    Histogram,
}

type Labels = &'static [&'static str];

const fn counter(name: &'static str, labels: Labels, meaning: &'static str) -> Metric {
    metric(Kind::Counter, name, labels, meaning)
}

const fn gauge(name: &'static str, labels: Labels, meaning: &'static str) -> Metric {
    metric(Kind::Gauge, name, labels, meaning)
}

const fn histogram(name: &'static str, labels: Labels, meaning: &'static str) -> Metric {
    metric(Kind::Histogram, name, labels, meaning)
}

const fn metric(kind: Kind, name: &'static str, labels: Labels, meaning: &'static str) -> Metric {
    Metric {
        name,
        kind,
        labels,
        meaning,
    }
}

/// All of them.
pub const METRICS: &[Metric] = &[
    counter(
        REQUESTS,
        &["method", "route", "status"],
        "Requests answered. The route is a template like \
         `/v2/user`, never a path; `(none)` stands for addresses without one.",
    ),
    histogram(
        REQUEST_SECONDS,
        &["route"],
        "Seconds from a request's head to the last byte of its answer.",
    ),
    counter(
        REFUSED,
        &["status"],
        "Requests refused before they reached a route: malformed, too slow, or too long.",
    ),
    counter(
        RECEIVED_BYTES,
        &[],
        "Bytes read from clients, heads included, TLS not.",
    ),
    counter(
        SENT_BYTES,
        &[],
        "Bytes written to clients, heads included, TLS not.",
    ),
    gauge(
        CONNECTIONS,
        &[],
        "Open connections. At `limits.max_connections`, more wait.",
    ),
    counter(
        UPLOADS,
        &["outcome"],
        "Uploads that ended: `kept`, `refused`, or `broken` by their client.",
    ),
    gauge(
        UPLOADS_IN_FLIGHT,
        &[],
        "Uploads whose bytes are being received.",
    ),
    counter(
        INVALID_TOKENS,
        &["fault"],
        "Requests with a token that was `malformed`, `unknown`, `expired` or `revoked`.",
    ),
    counter(
        SIGN_IN_FAILURES,
        &["route"],
        "Tries to sign in on the pages that failed.",
    ),
    counter(
        STORE_ERRORS,
        &["kind"],
        "Requests and background work that a store failed: it was `unavailable` or `full`, or \
         something went wrong that should not (`internal`).",
    ),
    histogram(
        DATABASE_WRITE_SECONDS,
        &[],
        "Seconds from the request for a transaction to its durable commit.",
    ),
    counter(
        DAMAGED_READS,
        &[],
        "Reads that found other bytes in the store than were kept, and were cut off.",
    ),
    counter(
        LOST_DOWNLOADS,
        &[],
        "Downloads from private projects that came while too many waited for the log of acts, which only counts them.",
    ),
    gauge(
        SWEPT_AT,
        &[],
        "When the sweeper last came to its end, in seconds since 1970; 0 before the first time.",
    ),
    counter(
        SWEPT,
        &["what"],
        "What sweeps did: uploads `abandoned`, artifacts `expired`, files `freed`, files without a \
         row (`orphans`) removed.",
    ),
    counter(SWEEPS_FAILED, &[], "Sweeps that did not come to their end."),
    gauge(
        RETENTION_HELD,
        &[],
        "1 while nothing expires before an operator has looked; otherwise 0.",
    ),
    counter(
        JOBS_TIMED_OUT,
        &[],
        "Jobs that timed out because nothing was heard of them.",
    ),
    gauge(
        ARTIFACTS,
        &[],
        "Finished artifacts that have not been deleted or swept. Counted every five minutes.",
    ),
    gauge(
        ARTIFACT_BYTES,
        &[],
        "Their sizes together, as if equal content were stored each time.",
    ),
    gauge(
        BLOBS,
        &[],
        "Distinct contents that are stored. Counted every five minutes.",
    ),
    gauge(
        BLOB_BYTES,
        &[],
        "Their sizes together: what the disk holds.",
    ),
    gauge(BUILD_INFO, &["version"], "1, with the version that runs."),
    gauge(RESIDENT_BYTES, &[], "Memory that the process has in RAM."),
    gauge(
        OPEN_FDS,
        &[],
        "Files and sockets that the process has open.",
    ),
    gauge(MAX_FDS, &[], "How many files and sockets it may have open."),
];

/// `docs/metrics.md`.
pub fn metrics_page() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            labels.join(", "),
            metric.meaning
        );
    }
    text
}

const INTRODUCTION: &str = "\
# Metrics

<!-- A test writes this page from the code: do not edit it by hand. -->

With `metrics.listen` set, `GET /metrics` there answers in Prometheus' text form, without a token: let only your Prometheus
reach it. Labels are route templates, methods, statuses and words of ours, never paths or names of users. A counter that
has not counted yet is missing. Alert rules over these are in [`deploy/alerts.yaml`](../deploy/alerts.yaml).

";
