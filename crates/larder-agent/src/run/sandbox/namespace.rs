//! A mount namespace: folders that only one step's processes see. An ordinary user gets it inside
//! a user namespace in which they keep their own numbers.

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::UnshareFlags;
use std::fs;
use std::path::PathBuf;

/// Nobody starts a job deeper than this.
const CALLERS_MAX: usize = 64;

/// Leaves the caller's mount namespace and lays each first folder over its second.
pub(super) fn enter(mounts: &[(PathBuf, PathBuf)]) -> Result<(), String> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if unshare(UnshareFlags::NEWNS).is_err() {
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)
            .map_err(|error| format!("get a mount namespace: {error}"))?;
        keep_own_numbers(user.as_raw(), group.as_raw())
            .map_err(|error| format!("map user and group: {error}"))?;
    }
    // Nothing that is mounted from here on may show outside.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| format!("make mounts private: {error}"))?;
    for (from, onto) in mounts {
        mount_bind(from, onto)
            .map_err(|error| format!("lay {} over {}: {error}", from.display(), onto.display()))?;
    }
    hide_callers();
    Ok(())
}

/// Lays nothing over the environments of the agent and of those that it came from: the caller's
/// tokens are there, and a step that looks into `/proc` has no use for them. A system that does not
/// let it happen runs the step all the same.
fn hide_callers() {
    let mut process = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    for _ in 0..CALLERS_MAX {
        let Some(pid) = process.filter(|pid| *pid > 0) else {
            return;
        };
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        process = super::descendants::parent(&stat);
        let _ = mount_bind("/dev/null", folder.join("environ"));
        // Each thread has the same once more.
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
        let _ = mount("none", folder.join("task"), "tmpfs", flags, None);
    }
}

#[expect(
    unsafe_code,
    reason = "the safe function of the library is deprecated in favour of this one"
)]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the one hazard of the call is `FILES`, after which threads see different tables of
    // open files. No caller passes it, and there is no other thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

fn keep_own_numbers(user: u32, group: u32) -> std::io::Result<()> {
    // The kernel lets an ordinary user map a group only after giving up `setgroups`.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
