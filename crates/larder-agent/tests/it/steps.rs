//! What steps print and how they end, however they behave.

use crate::fake::Fake;
use crate::semantics::{marker, processes};
use crate::{options, run, with_steps};
use larder_agent::run::Event;
use larder_protocol::{JobState, StepState};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) async fn a_hundred_megabytes_arrive_in_order_and_are_not_held_in_memory() {
    const LINES: u64 = 2_000_000;
    let fake = Fake::start().await;
    fake.state.lock().unwrap().discards_output = true;
    // Fifty bytes a line, each with its number.
    let config = with_steps(&format!(
        "      - run: awk 'BEGIN {{ for (i = 0; i < {LINES}; i++) printf \"%048d.\\n\", i }}'\n"
    ));
    let before = anonymous_memory();
    let seen = std::sync::Arc::new(std::sync::Mutex::new((0_u64, Vec::new(), 0_u64)));
    let heard = seen.clone();
    let options = options(&fake, &config, Path::new("/var/empty"));
    let summary = crate::run_job(options, move |event| {
        let Event::Output { bytes, .. } = event else {
            return;
        };
        let mut seen = heard.lock().unwrap();
        let (next, rest, memory) = &mut *seen;
        rest.extend_from_slice(bytes);
        let whole = rest.len() / 50 * 50;
        for line in rest.drain(..whole).as_slice().chunks(50) {
            let number = std::str::from_utf8(&line[..48]).unwrap();
            assert_eq!(number.parse::<u64>().unwrap(), *next);
            *next += 1;
        }
        if next.is_multiple_of(1000) {
            *memory = anonymous_memory().max(*memory);
        }
    })
    .await
    .unwrap();
    assert_eq!(summary.exit_code(), 0);
    let (lines, rest, memory) = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((lines, rest.len()), (LINES, 0));
    let state = fake.state.lock().unwrap();
    let kept = state.jobs[&summary.nodes[0].job_id].discarded[&0];
    assert_eq!(kept, LINES * 50);
    let grown = memory.saturating_sub(before) / 1024;
    assert!(grown < 48 * 1024, "{grown} KiB more than before");
}

pub(crate) async fn output_that_the_server_does_not_take_is_named() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().output_bytes_max = Some(1_000_000);
    let config = with_steps(
        "      - run: {name: talk, command: 'seq 1 1000000'}\n      - run: echo after\n",
    );
    let summary = run(&fake, &config).await;
    let node = &summary.nodes[0];
    assert_eq!(node.outcome, JobState::Passed);
    let is_named = |warning: &String| {
        warning.starts_with("talk: the server keeps only the first ") && warning.contains(" bytes")
    };
    assert!(node.warnings.iter().any(is_named), "{:?}", node.warnings);
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&node.job_id];
    assert!(job.output_text(0).starts_with("1\n2\n3\n"));
    assert_eq!(job.output_text(1), "after\n");
}

pub(crate) async fn odd_output_is_kept_as_it_is() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: printf 'no newline'\n\
         \x20     - run: printf '\\377\\000\\001\\r\\n\\033[1m'\n\
         \x20     - run: head -c 3000000 /dev/zero | tr '\\0' x\n\
         \x20     - run: exec >&- 2>&-; sleep 0.3\n\
         \x20     - run: printf 'half a line'; exit 3\n",
    );
    let summary = run(&fake, &config).await;
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert_eq!(job.output[&0], b"no newline");
    assert_eq!(job.output[&1], b"\xff\0\x01\r\n\x1b[1m");
    assert!(job.output[&2].len() == 3_000_000 && job.output[&2].iter().all(|it| *it == b'x'));
    assert_eq!(job.steps[&3].state, StepState::Passed);
    let lingered = summary.nodes[0].steps[3].duration;
    assert!(lingered >= Duration::from_millis(300), "{lingered:?}");
    assert_eq!(job.output[&4], b"half a line\nExited with code 3\n");
}

pub(crate) async fn a_silent_step_ends_as_the_vendor_says_it() {
    let fake = Fake::start().await;
    for (timeout, command, said) in [
        ("0.2s", "sleep 60", "exceeded 200ms"),
        ("0.2s", "exec >&- 2>&-; sleep 60", "exceeded 200ms"),
        (
            "0.2s",
            "echo up; trap '' TERM; sleep 60 & wait",
            "exceeded 200ms",
        ),
    ] {
        let start = Instant::now();
        let config = with_steps(&format!(
            "      - run: {{no_output_timeout: {timeout}, command: \"{command}\"}}\n"
        ));
        let summary = run(&fake, &config).await;
        assert!(start.elapsed() < Duration::from_secs(15), "{command}");
        let node = &summary.nodes[0];
        assert_eq!(node.outcome, JobState::TimedOut, "{command}");
        let status = node.steps[0].exit_status.unwrap();
        assert!([137, 143].contains(&status), "{command}: {status}");
        let state = fake.state.lock().unwrap();
        let output = state.jobs[&node.job_id].output_text(0);
        let expected = format!("Too long with no output ({said}): context deadline exceeded\n");
        assert!(output.ends_with(&expected), "{output}");
    }
}

pub(crate) async fn a_daemon_that_holds_the_output_does_not_hold_the_job() {
    let fake = Fake::start().await;
    let start = Instant::now();
    let config = with_steps(
        "      - run: (setsid sh -c 'trap \"\" TERM HUP; while :; do echo again; sleep 0.01; done' &) && echo done\n\
         \x20     - run: {background: true, command: 'echo from the background; sleep 60'}\n\
         \x20     - run: sleep 0.2\n",
    );
    let summary = run(&fake, &config).await;
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(summary.exit_code(), 0);
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert!(job.output_text(0).contains("done\n"));
    assert!(job.output_text(1).starts_with("from the background\n"));
}

pub(crate) async fn what_a_step_leaves_may_end_its_work() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: 'exec > >(sleep 0.3; tee log); echo to both'\n\
         \x20     - run: cat log\n\
         \x20     - run: sleep 60 >/dev/null 2>&1 & echo left\n\
         \x20     - run: {background: true, command: 'echo up; sleep 60'}\n\
         \x20     - run: sleep 0.2\n",
    );
    let start = Instant::now();
    let summary = run(&fake, &config).await;
    assert!(start.elapsed() < Duration::from_secs(20));
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert_eq!(summary.exit_code(), 0, "{}", job.whole_output());
    assert_eq!(job.output_text(0), "to both\n");
    assert_eq!(job.output_text(1), "to both\n");
    assert_eq!(job.output_text(2), "left\n");
    let node = &summary.nodes[0];
    assert!(node.duration < node.steps.iter().map(|step| step.duration).sum());
    // It was meant to run until then.
    assert_eq!(job.output_text(3), "up\n");
}

pub(crate) async fn what_a_step_leaves_running_serves_later_steps_and_ends_with_the_job() {
    let fake = Fake::start().await;
    for (last, outcome) in [("true", JobState::Passed), ("exit 7", JobState::Failed)] {
        let marker = marker();
        let answers = |name: &str, output: &str| {
            format!(
                "      - run: 'mkfifo {name}; (trap \"\" HUP; while read word < {name}; do \
                 echo heard; echo $word > new; mv new {name}-said; done) {output} & echo up'\n"
            )
        };
        let asks = |name: &str| {
            format!(
                "      - run: {{no_output_timeout: 20s, command: 'echo {name} again > {name}; \
                 until test -e {name}-said; do sleep 0.01; done; cat {name}-said'}}\n"
            )
        };
        let config = with_steps(&format!(
            "{}{}{}{}      - run: '(setsid sleep {marker} &) > /dev/null 2>&1'\n      - run: {last}\n",
            answers("quiet", "> /dev/null 2>&1"),
            answers("loud", ""),
            asks("loud"),
            asks("quiet"),
        ));
        let summary = run(&fake, &config).await;
        let node = &summary.nodes[0];
        let state = fake.state.lock().unwrap();
        let job = &state.jobs[&node.job_id];
        assert_eq!(node.outcome, outcome, "{}", job.whole_output());
        assert_eq!(job.output_text(0), "up\n");
        let loud = job.output_text(1);
        let named = "up\nLeft running until the job's end, its further output unseen: ";
        assert!(loud.starts_with(named), "{loud}");
        assert_eq!(job.output_text(2), "loud again\n");
        assert_eq!(job.output_text(3), "quiet again\n");
        assert!(node.steps[1].duration < Duration::from_secs(10));
        assert_eq!(processes(&marker), 0);
    }
}

pub(crate) async fn all_that_steps_left_running_ends_at_the_same_time() {
    let fake = Fake::start().await;
    let marker = marker();
    let step = format!("      - run: (trap '' TERM; exec sleep {marker}) >/dev/null 2>&1 &\n");
    let wait = format!(
        "      - run: until test $(pgrep -fc '^sleep {marker}') = 6; do sleep 0.01; done\n"
    );
    let start = Instant::now();
    let summary = run(&fake, &with_steps(&(step.repeat(6) + &wait))).await;
    // Each of them gets two seconds before it is killed.
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(summary.exit_code(), 0);
    assert_eq!(processes(&marker), 0);
}

pub(crate) async fn circle_artifacts_cannot_be_moved() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: echo 'export CIRCLE_ARTIFACTS=/elsewhere FOO=bar' >> $BASH_ENV\n\
         \x20     - run: {name: try, command: 'echo $FOO > $CIRCLE_ARTIFACTS/x', environment: {CIRCLE_ARTIFACTS: /etc}}\n\
         \x20     - run: test $FOO = bar && echo $CIRCLE_WORKFLOW_ID\n",
    );
    let mut options = options(&fake, &config, Path::new("/var/empty"));
    options.variables = vec![("CIRCLE_WORKFLOW_ID".to_owned(), "given".to_owned())];
    let summary = crate::run_job(options, |_| {}).await.unwrap();
    let node = &summary.nodes[0];
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&node.job_id];
    assert_eq!(summary.exit_code(), 0, "{}", job.whole_output());
    assert_eq!(job.artifacts[0].bytes, "bar\n");
    assert_eq!(job.output_text(2), "given\n");
    for who in ["$BASH_ENV", "try"] {
        let start = format!("{who}: CIRCLE_ARTIFACTS cannot be set");
        let warned = node.warnings.iter().filter(|it| it.starts_with(&start));
        assert_eq!(warned.count(), 1, "{:?}", node.warnings);
    }
}

pub(crate) async fn a_shell_with_options_runs_and_a_missing_folder_is_named() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: {shell: /bin/bash -euo pipefail, command: 'echo \"$-\"; false | true; echo no'}\n\
         \x20     - run: {when: always, shell: /bin/sh, command: 'false; echo goes on'}\n\
         \x20     - run: {when: always, working_directory: no/such, command: pwd}\n\
         \x20     - run: {when: always, shell: /no/such/shell -e, command: pwd}\n",
    );
    let summary = run(&fake, &config).await;
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    let said = job.output_text(0);
    assert!(
        said.contains('e') && said.contains('u') && !said.contains("no"),
        "{said}"
    );
    assert_eq!(job.output_text(1), "goes on\n");
    let said = job.output_text(2);
    assert!(
        said.contains("no/such: No such file or directory"),
        "{said}"
    );
    assert!(said.contains("an earlier step must make it"), "{said}");
    assert!(job.output_text(3).contains("start /no/such/shell"));
}

/// Anonymous memory of this process in bytes.
fn anonymous_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1024
}
