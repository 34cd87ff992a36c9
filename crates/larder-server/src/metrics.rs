//! Numbers about the server at work, in Prometheus' text form, on a listener of their own.
//!
//! Labels are route templates, methods and statuses only: neither paths nor names, which would be both a leak and a
//! series for each value. Until [`Metrics::install`] is called, counting costs nothing and keeps nothing.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

mod process;
mod table;

pub use table::{
    ARTIFACT_BYTES, ARTIFACTS, BLOB_BYTES, BLOBS, BUILD_INFO, CONNECTIONS, DAMAGED_READS,
    DATABASE_WRITE_SECONDS, INVALID_TOKENS, JOBS_TIMED_OUT, Kind, LOST_DOWNLOADS, MAX_FDS, METRICS,
    Metric, OPEN_FDS, RECEIVED_BYTES, REFUSED, REQUEST_SECONDS, REQUESTS, RESIDENT_BYTES,
    RETENTION_HELD, SENT_BYTES, SIGN_IN_FAILURES, STORE_ERRORS, SWEEPS_FAILED, SWEPT, SWEPT_AT,
    UPLOADS, UPLOADS_IN_FLIGHT, metrics_page,
};

/// From a millisecond to the five minutes of a large file.
const SECONDS_BUCKETS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];
/// From a commit on a fast disk to the five seconds after which a statement gives up, and more.
const WRITE_BUCKETS: [f64; 11] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
];
/// Histograms gather samples between two renderings; so often they are folded even when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder behind the numbers.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to record, for the whole process; a second call gives the first one's recorder.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = INSTALLED.get_or_init(|| {
            let recorder = builder().build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder may be installed already (in a test); then ours stays empty.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            metrics::gauge!(SWEPT_AT).set(0.0);
            handle
        });
        Self(handle.clone())
    }

    /// All numbers now.
    pub fn render(&self) -> String {
        process::measure();
        self.0.render()
    }

    /// `GET /metrics` and nothing else.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/metrics", get(page))
            .with_state(self.clone())
    }

    /// Keeps histograms small until `stop`.
    pub async fn upkeep(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(UPKEEP) => self.0.run_upkeep(),
            }
        }
    }
}

async fn page(State(metrics): State<Metrics>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        metrics.render(),
    )
}

fn builder() -> PrometheusBuilder {
    let buckets = |builder: PrometheusBuilder, name: &str, buckets: &[f64]| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
            .expect("the list of buckets is not empty")
    };
    let builder = buckets(PrometheusBuilder::new(), REQUEST_SECONDS, &SECONDS_BUCKETS);
    buckets(builder, DATABASE_WRITE_SECONDS, &WRITE_BUCKETS)
}

fn describe() {
    for Metric {
        name,
        kind,
        meaning,
        ..
    } in METRICS
    {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *meaning),
            Kind::Gauge => metrics::describe_gauge!(*name, *meaning),
            Kind::Histogram => metrics::describe_histogram!(*name, *meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!(REQUESTS, "route" => "/healthz", "status" => "200").increment(2);
            metrics::histogram!(REQUEST_SECONDS, "route" => "/healthz").record(0.02);
            metrics::histogram!(DATABASE_WRITE_SECONDS).record(0.002);
            process::measure();
        });
        let page = handle.render();
        assert!(
            page.contains("larder_requests_total{route=\"/healthz\",status=\"200\"} 2"),
            "{page}"
        );
        assert!(
            page.contains("larder_request_seconds_bucket{route=\"/healthz\",le=\"0.05\"} 1"),
            "{page}"
        );
        assert!(
            page.contains("larder_database_write_seconds_bucket{le=\"0.0025\"} 1"),
            "{page}"
        );
        for name in [RESIDENT_BYTES, OPEN_FDS, MAX_FDS] {
            let line = page.lines().find(|line| line.starts_with(name));
            let value: f64 = line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(value > 1.0, "{name}: {value}");
        }
    }

    /// A name that is not in the table is in no documentation and in no alert.
    #[test]
    fn every_name_is_in_the_table_once() {
        let source = include_str!("metrics/table.rs");
        let names = source.split('"').skip(1).step_by(2);
        let is_name = |name: &&str| name.starts_with("larder_") || name.starts_with("process_");
        for name in names.filter(is_name) {
            let rows = METRICS.iter().filter(|metric| metric.name == name);
            assert_eq!(rows.count(), 1, "{name}");
        }
    }
}
