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

/// Requests answered, by `method`, `route` and `status`.
pub const REQUESTS: &str = "larder_requests_total";
/// How long answers took, from the head to the last byte, in seconds, by `route`.
pub const REQUEST_SECONDS: &str = "larder_request_seconds";
/// Requests that were refused before they reached a route, by `status`.
pub const REFUSED: &str = "larder_refused_requests_total";
/// Bytes read from clients, heads included, TLS not.
pub const RECEIVED_BYTES: &str = "larder_received_bytes_total";
/// Bytes written to clients, heads included, TLS not.
pub const SENT_BYTES: &str = "larder_sent_bytes_total";
/// Open connections.
pub const CONNECTIONS: &str = "larder_connections";
/// Finished uploads, by `outcome`: `kept`, `refused` or `broken`.
pub const UPLOADS: &str = "larder_uploads_total";

/// 1 while the brake holds, so that nothing expires before an operator has looked; otherwise 0.
pub const RETENTION_HELD: &str = "larder_retention_held";

/// From a millisecond to the five minutes of a large file.
const SECONDS_BUCKETS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0,
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
            handle
        });
        Self(handle.clone())
    }

    /// All numbers now.
    pub fn render(&self) -> String {
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
    let seconds = Matcher::Full(REQUEST_SECONDS.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS_BUCKETS)
        .expect("the list of buckets is not empty")
}

fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests answered.");
    metrics::describe_histogram!(
        REQUEST_SECONDS,
        metrics::Unit::Seconds,
        "Time from the head to the last byte."
    );
    metrics::describe_counter!(REFUSED, "Requests refused before they reached a route.");
    metrics::describe_counter!(
        RECEIVED_BYTES,
        metrics::Unit::Bytes,
        "Bytes read from clients."
    );
    metrics::describe_counter!(
        SENT_BYTES,
        metrics::Unit::Bytes,
        "Bytes written to clients."
    );
    metrics::describe_gauge!(CONNECTIONS, "Open connections.");
    metrics::describe_counter!(UPLOADS, "Finished uploads.");
    metrics::describe_gauge!(
        RETENTION_HELD,
        "1 while nothing expires before an operator has looked."
    );
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
    }
}
