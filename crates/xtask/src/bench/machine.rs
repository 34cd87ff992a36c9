//! The machine that is measured on, and what it says about processes.

use crate::process::{self, command};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Length of a tick of `/proc/PID/stat`, the same on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What a reader of the report has to know about a machine.
#[derive(Debug)]
pub(crate) struct Machine {
    cores: usize,
    model: String,
    file_system: String,
    day: String,
}

impl Machine {
    /// This machine now, with the file system of a folder; what it does not say is `unknown`.
    pub(crate) fn of(folder: &Path) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, model)| model);
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            model: model.to_owned(),
            file_system: said(
                "findmnt",
                &[
                    "--noheadings",
                    "--output=FSTYPE",
                    "--target",
                    &folder.display().to_string(),
                ],
            ),
            day: said("date", &["--utc", "+%Y-%m-%d"]),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            cores,
            model,
            file_system,
            day,
        } = self;
        write!(
            formatter,
            "{day}, {cores} processors ({model}), {file_system}"
        )
    }
}

/// Anonymous resident memory of a process, in bytes.
pub(crate) fn memory(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok());
    kilobytes
        .map(|kilobytes: u64| kilobytes * 1024)
        .with_context(|| format!("no RssAnon in {path}"))
}

/// Processor time that a process has used until now, in the kernel and outside.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    ticks(&stat, 2)
        .map(|ticks| TICK * ticks)
        .with_context(|| format!("no processor time in {path}"))
}

/// As [`processor_time`], with what the children used that it has waited for.
pub(crate) fn processor_time_of_tree(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let all = ticks(&stat, 4).with_context(|| format!("no processor time in {path}"))?;
    Ok(TICK * all)
}

/// Fields 14 and on, two or four of them, of `proc(5)`; the second field, a name in parentheses, may hold anything.
fn ticks(stat: &str, fields: usize) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields = after_name.split_whitespace().skip(11).take(fields);
    let ticks: Vec<u32> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ticks.len() >= 2).then(|| ticks.iter().sum())
}

/// Has everything of the folder's file system written to the disk.
pub(crate) fn sync(folder: &Path) -> Result<()> {
    let mut sync = command("sync");
    let status = sync.arg("--file-system").arg(folder).status();
    let status = status.context("start sync")?;
    anyhow::ensure!(status.success(), "sync {}: {status}", folder.display());
    Ok(())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = process::command(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match text {
        Ok(text) if !text.is_empty() => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 12 34 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat, 2), Some(46));
        assert_eq!(ticks("7 (a) S 1", 2), None);
        assert!(processor_time(std::process::id()).is_ok());
        assert!(memory(std::process::id()).unwrap() > 0);
    }
}
