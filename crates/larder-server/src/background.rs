//! What a server does by itself: jobs that are not heard of any more time out, what nothing needs is freed, and downloads
//! come into the log.

use crate::http::status;
use crate::metrics::{
    ARTIFACT_BYTES, ARTIFACTS, BLOB_BYTES, BLOBS, JOBS_TIMED_OUT, LOST_DOWNLOADS, RETENTION_HELD,
    SWEEPS_FAILED, SWEPT, SWEPT_AT,
};
use larder_core::Larder;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often what is stored is counted: it takes a row for each build and blob.
const COUNTED_EVERY: Duration = Duration::from_mins(5);

/// Counts what is stored, for the metrics, until `stop`.
pub(crate) async fn count_stored(larder: Larder, stop: CancellationToken) {
    loop {
        count_once(&larder).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(COUNTED_EVERY) => {}
        }
    }
}

async fn count_once(larder: &Larder) {
    let stored = match larder.stored().await {
        Ok(stored) => stored,
        Err(error) => {
            status::count(&error);
            tracing::error!(%error, "count what is stored");
            return;
        }
    };
    let numbers = [
        (ARTIFACTS, stored.artifacts),
        (ARTIFACT_BYTES, stored.artifact_bytes),
        (BLOBS, stored.blobs),
        (BLOB_BYTES, stored.blob_bytes),
    ];
    for (name, number) in numbers {
        metrics::gauge!(name).set(approximately(number));
    }
}

/// Gauges are floating numbers: exact up to eight petabytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody needs the last byte of petabytes"
)]
fn approximately(number: u64) -> f64 {
    number as f64
}

/// What only one server over a store does at a time.
const SWEEP: &str = "sweep";
/// Longer than most sweeps take; another server that begins one beside it does no harm.
const SWEEP_LEASE: Duration = Duration::from_mins(10);

/// Sweeps every `interval` until `stop`, unless another server over the same store does.
pub(crate) async fn sweep(larder: Larder, interval: Duration, stop: CancellationToken) {
    let lease_ms = i64::try_from(SWEEP_LEASE.max(interval * 2).as_millis()).unwrap_or(i64::MAX);
    loop {
        match larder.takes_lease(SWEEP, lease_ms).await {
            Ok(true) => sweep_once(&larder).await,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "ask whose turn it is to sweep"),
        }
        if let Err(error) = larder.refresh_keys().await {
            tracing::error!(%error, "look for new signing keys");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(interval) => {}
        }
    }
    if let Err(error) = larder.gives_lease_back(SWEEP).await {
        tracing::warn!(%error, "leave the sweep to another server");
    }
}

/// Downloads wait so long for their rows in the log.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Brings downloads into the log each second until `stop`, which is given when the last answer has ended, and once more.
pub(crate) async fn note_downloads(larder: Larder, stop: CancellationToken) {
    let mut has_warned = false;
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(NOTE_EVERY) => false,
        };
        match larder.note_downloads().await {
            Ok(done) if done.lost > 0 => {
                metrics::counter!(LOST_DOWNLOADS).increment(done.lost);
                if !has_warned {
                    has_warned = true;
                    let lost = done.lost;
                    tracing::warn!(
                        lost,
                        "downloads came faster than the log could take them; it counts those that it lacks"
                    );
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "note downloads"),
        }
        if is_last {
            return;
        }
    }
}

async fn sweep_once(larder: &Larder) {
    match larder.jobs.time_out_unheard().await {
        Ok(0) => {}
        Ok(jobs) => {
            metrics::counter!(JOBS_TIMED_OUT).increment(jobs as u64);
            tracing::info!(jobs, "jobs timed out that were not heard of");
        }
        Err(error) => tracing::error!(%error, "time out jobs"),
    }
    let swept = larder.collect_garbage().await;
    if let Ok(swept) = &swept {
        metrics::gauge!(RETENTION_HELD).set(f64::from(u8::from(swept.held.is_some())));
        let now = u64::try_from(larder.clock().now().0 / 1000).unwrap_or_default();
        metrics::gauge!(SWEPT_AT).set(approximately(now));
        let numbers = [
            ("abandoned", swept.abandoned),
            ("expired", swept.expired),
            ("freed", swept.freed),
            ("orphans", swept.orphans),
        ];
        for (what, number) in numbers {
            metrics::counter!(SWEPT, "what" => what).increment(number);
        }
    }
    match swept {
        Ok(swept) if swept == larder_core::Swept::default() => {}
        Ok(swept) => {
            if let Some(why) = &swept.held {
                tracing::error!(
                    why,
                    "nothing expires: look at the clock and at the retention, then `larder admin retention resume`"
                );
            }
            let larder_core::Swept {
                abandoned,
                expired,
                freed,
                orphans,
                held: _,
            } = swept;
            tracing::info!(
                abandoned,
                expired,
                freed,
                orphans,
                "freed what nothing needs"
            );
        }
        Err(error) => {
            status::count(&error);
            metrics::counter!(SWEEPS_FAILED).increment(1);
            tracing::error!(%error, "collect garbage");
        }
    }
}
