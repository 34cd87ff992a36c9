//! What a server does by itself: jobs that are not heard of any more time out, and what nothing needs is freed.

use crate::metrics::RETENTION_HELD;
use larder_core::Larder;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sweeps every `interval` until `stop`.
pub(crate) async fn sweep(larder: Larder, interval: Duration, stop: CancellationToken) {
    loop {
        sweep_once(&larder).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

async fn sweep_once(larder: &Larder) {
    match larder.jobs.time_out_unheard().await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "jobs timed out that were not heard of"),
        Err(error) => tracing::error!(%error, "time out jobs"),
    }
    let swept = larder.collect_garbage().await;
    if let Ok(swept) = &swept {
        metrics::gauge!(RETENTION_HELD).set(f64::from(u8::from(swept.held.is_some())));
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
        Err(error) => tracing::error!(%error, "collect garbage"),
    }
}
