//! All processes that came from this one, however they tried to get away.

use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// A process that survives SIGKILL this long waits for a device; nothing here can end it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Who takes the exit status of a child that ended; it can be taken only once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reaping {
    /// This call does.
    Here,
    /// Another thread does.
    Elsewhere,
}

/// The programs of those of another process that live, each name once.
pub(super) fn programs_below(process: i32) -> Vec<String> {
    let mut names: Vec<String> = list(process).into_iter().filter_map(program).collect();
    names.sort();
    names.dedup();
    names
}

/// Takes the exit status of all children that have ended; whether there are others. Whoever lost its
/// parent is a child of this process, so that without children there is nobody at all.
pub(super) fn reap_ended() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// The name of the program that a process runs, as the kernel keeps it.
fn program(pid: Pid) -> Option<String> {
    let name = std::fs::read(format!("/proc/{}/comm", pid.as_raw_nonzero())).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// Ends them all: politely at first, by force after `grace`.
pub(super) fn end_all(grace: Duration, reaping: Reaping) {
    let start = Instant::now();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut is_asked = false;
    loop {
        if reaping == Reaping::Here {
            reap_ended();
        }
        let alive = list(own);
        if alive.is_empty() || start.elapsed() > grace + GIVE_UP_AFTER {
            return;
        }
        let is_time_up = start.elapsed() >= grace;
        if is_time_up || !is_asked {
            for pid in alive {
                let signal = if is_time_up {
                    Signal::KILL
                } else {
                    Signal::TERM
                };
                // It may have ended meanwhile; that is what is wanted.
                let _ = rustix::process::kill_process(pid, signal);
                let _ = rustix::process::kill_process(pid, Signal::CONT);
            }
            is_asked = true;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Those of a process that live: zombies have ended already.
fn list(process: i32) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Some(parent) = std::fs::read_to_string(entry.path().join("stat"))
            .ok()
            .as_deref()
            .and_then(parent)
        else {
            continue;
        };
        children.entry(parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![process];
    while let Some(pid) = open.pop() {
        let own = children.remove(&pid).unwrap_or_default();
        found.extend(own.iter().filter_map(|pid| Pid::from_raw(*pid)));
        open.extend(own);
    }
    found
}

/// Parent of the process with this `/proc/PID/stat`, unless it has ended. The name in the
/// parentheses may itself hold parentheses.
pub(super) fn parent(stat: &str) -> Option<i32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_placed_whatever_its_name_is() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) Z 1 (b) S 8 12"), Some(8));
        assert_eq!(parent("12 (sh) Z 7 12 12 0"), None);
        assert_eq!(parent(""), None);
    }
}
