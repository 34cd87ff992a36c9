//! Ends that a job does not choose: signals, timeouts, other users, very long jobs.

use crate::fake::Fake;
use crate::semantics::{marker, processes};
use crate::{options, run, run_job, sample, with_steps};
use larder_agent::run::{Event, JobSummary};
use larder_protocol::{JobState, StepState};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The first argument with which this program is an agent: server, config, source, nodes.
pub(crate) const AGENT: &str = "agent";
/// Whoever waits longer than this waits for nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a config as `larder run` would, and prints what its steps print.
pub(crate) fn be_agent(args: &[String]) -> ExitCode {
    let [url, config, source, nodes] = args else {
        panic!("{args:?}")
    };
    let (config, nodes) = (std::fs::read_to_string(config).unwrap(), nodes.parse());
    let fake = Fake {
        url: url.clone(),
        state: std::sync::Arc::default(),
    };
    let mut options = options(&fake, &config, Path::new(source));
    options.parallelism = Some(nodes.unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary = runtime.block_on(async {
        options.cancel = larder_agent::run::cancel_on_signals().unwrap();
        run_job(options, |event| {
            if let Event::Output { bytes, .. } = event {
                print!("{}", String::from_utf8_lossy(bytes));
            }
        })
        .await
    });
    ExitCode::from(summary.map_or(9, |summary| summary.exit_code()))
}

pub(crate) async fn circle_artifacts_is_swept_up_however_the_job_ends() {
    let fake = Fake::start().await;
    let check = |summary: &JobSummary, outcome: JobState| {
        let node = &summary.nodes[0];
        assert_eq!(node.outcome, outcome, "{summary:?}");
        let aliases: Vec<_> = node
            .artifacts
            .iter()
            .map(|file| file.artifact.alias.as_deref())
            .collect();
        assert_eq!(aliases, [Some("$CIRCLE_ARTIFACTS/x")]);
        let state = fake.state.lock().unwrap();
        assert_eq!(
            state.jobs[&node.job_id].end.as_ref().unwrap().state,
            outcome
        );
    };
    let keep = "      - run: echo > $CIRCLE_ARTIFACTS/x\n";
    check(&run(&fake, &with_steps(keep)).await, JobState::Passed);
    let failed = format!("{keep}      - run: exit 1\n");
    check(&run(&fake, &with_steps(&failed)).await, JobState::Failed);
    let silent = format!("{keep}      - run: {{command: sleep 1000, no_output_timeout: 0.2s}}\n");
    check(&run(&fake, &with_steps(&silent)).await, JobState::TimedOut);

    let endless = format!("{keep}      - run: echo up; sleep 1000\n");
    let options = options(&fake, &with_steps(&endless), Path::new("/var/empty"));
    let cancel = options.cancel.clone();
    let canceled = run_job(options, move |event| {
        if matches!(event, Event::Output { bytes, .. } if bytes.starts_with(b"up")) {
            cancel.cancel();
        }
    });
    check(&canceled.await.unwrap(), JobState::Canceled);
}

pub(crate) async fn a_killed_agent_leaves_no_process_behind() {
    let fake = Fake::start().await;
    let scratch = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let marker = marker();
        let steps = format!(
            "      - run: (trap '' TERM HUP; setsid sleep {marker}) >/dev/null 2>&1 &\n\
             \x20     - run: {{background: true, command: sleep {marker}}}\n\
             \x20     - run: (trap '' TERM HUP; setsid sleep {marker}) & echo up; sleep {marker}\n"
        );
        let config = scratch.path().join("config.yml");
        std::fs::write(&config, with_steps(&steps)).unwrap();
        let mut agent = start_agent(&[], &fake, &config, "/var/empty", 1);
        // Held until its end: it must not meet a closed pipe.
        let lines = wait_for_line(&mut agent, "up");
        let pid = Pid::from_raw(agent.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let status = wait(agent).await;
        drop(lines);
        let start = Instant::now();
        while processes(&marker) > 0 && start.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(processes(&marker), 0, "after {signal:?}");
        let state = fake.state.lock().unwrap();
        let job = state.jobs.values().max_by_key(|job| job.build).unwrap();
        let end = job.end.as_ref().map(|end| end.state);
        if signal == Signal::KILL {
            assert_eq!((status, end), (None, None));
        } else {
            assert_eq!((status, end), (Some(1), Some(JobState::Canceled)));
        }
    }
}

pub(crate) async fn an_ordinary_user_runs_the_samples_twice_in_a_row() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run as somebody else; as an ordinary user, all tests do");
        return;
    }
    let fake = Fake::start().await;
    let somebody: &[&str] = &[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let may_run = Command::new(somebody[0])
        .args(&somebody[1..])
        .arg(std::env::current_exe().unwrap())
        .arg("--list")
        .output();
    if !may_run.is_ok_and(|answer| answer.status.success()) {
        println!("skipped: needs setpriv, and a program that others may start");
        return;
    }
    for _ in 0..2 {
        let empty = tempfile::tempdir_in("/var/tmp").unwrap();
        open_to_all(empty.path());
        let source = empty.path().to_str().unwrap();
        let agent = start_agent(somebody, &fake, &sample("artifacts.yml"), source, 2);
        assert_eq!(wait(agent).await, Some(0));
    }
    let state = fake.state.lock().unwrap();
    assert_eq!(state.jobs.len(), 4);
    for job in state.jobs.values() {
        let said = job.whole_output();
        let expected = ["artifact-file", "tmp/artifacts/artifact-2"];
        assert_eq!(job.paths(), expected, "{said}");
        for (name, value) in crate::SECRETS {
            assert!(!said.contains(name) && !said.contains(value), "{said}");
        }
    }
}

pub(crate) async fn many_steps_run_in_their_order() {
    steps_run_in_their_order(200).await;
}

/// Takes a minute, so that it runs only where it is named.
pub(crate) async fn two_thousand_steps_run_in_their_order() {
    steps_run_in_their_order(2_000).await;
}

async fn steps_run_in_their_order(count: usize) {
    let fake = Fake::start().await;
    let mut steps = String::new();
    for number in 0..count {
        writeln!(steps, "      - run: echo {number} >> all; echo {number}").unwrap();
    }
    steps += "      - run: seq 0 $(($(wc -l < all) - 1)) | cmp - all\n";
    let summary = run(&fake, &with_steps(&steps)).await;
    assert_eq!(summary.exit_code(), 0);
    let steps = &summary.nodes[0].steps;
    assert_eq!(steps.len(), count + 1);
    assert!(steps.iter().all(|step| step.state == StepState::Passed));
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    for (number, output) in (0..count).zip(job.output.values()) {
        assert_eq!(*output, format!("{number}\n").as_bytes());
    }
}

/// This program as an agent, started by the words before it.
fn start_agent(words: &[&str], fake: &Fake, config: &Path, source: &str, nodes: u32) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut words = words
        .iter()
        .map(std::ffi::OsString::from)
        .collect::<Vec<_>>();
    words.push(program.into());
    Command::new(&words[0])
        .args(&words[1..])
        .args([AGENT, &fake.url])
        .arg(config)
        .args([source, &nodes.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for_line(agent: &mut Child, line: &str) -> Lines<BufReader<ChildStdout>> {
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert!(lines.any(|said| said.unwrap() == line), "no {line}");
    lines
}

/// Its exit status; none if a signal ended it.
async fn wait(mut agent: Child) -> Option<i32> {
    let waiting = tokio::task::spawn_blocking(move || agent.wait().unwrap().code());
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap()
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
