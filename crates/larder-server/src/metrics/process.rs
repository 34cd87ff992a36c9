//! What the kernel says of this process.

use super::{MAX_FDS, OPEN_FDS, RESIDENT_BYTES};
use rustix::process::{Resource, getrlimit};

/// Reads the numbers now. What cannot be read keeps its last value.
pub(super) fn measure() {
    if let Some(kilobytes) = resident_kilobytes() {
        metrics::gauge!(RESIDENT_BYTES).set(kilobytes * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The folder itself is open while it is read.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        metrics::gauge!(OPEN_FDS).set(f64::from(open));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        metrics::gauge!(MAX_FDS).set(f64::from(most));
    }
}

fn resident_kilobytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
