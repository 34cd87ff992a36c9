//! How steps run and what they keep, rule by rule.

use crate::fake::Fake;
use crate::{options, run, run_job, with_steps};
use larder_agent::run::{Event, Isolation, JobSummary};
use larder_protocol::{JobState, StepState};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) async fn no_step_sees_the_callers_secrets() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: env | sort\n      - run: (cat /proc/$$/environ; cat /proc/$PPID/environ || true) | tr '\\0' '\\n'\n\
         \x20     - run: echo 'export FROM_BASH_ENV=yes' >> $BASH_ENV\n      - run: echo \"bash_env=$FROM_BASH_ENV\"\n",
    );
    let mut options = options(&fake, &config, Path::new("/var/empty"));
    options.variables = vec![("GIVEN".to_owned(), "by -e".to_owned())];
    let summary = run_job(options, |_| {}).await.unwrap();
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    let said = job.whole_output();
    for (name, value) in crate::SECRETS {
        assert!(!said.contains(name) && !said.contains(value), "{said}");
    }
    for line in [
        "CI=true",
        "CIRCLECI=true",
        "CIRCLE_JOB=build",
        "CIRCLE_NODE_INDEX=0",
        "CIRCLE_NODE_TOTAL=1",
        "CIRCLE_BUILD_NUM=1",
        "CIRCLE_PROJECT_USERNAME=acme",
        "CIRCLE_PROJECT_REPONAME=demo",
        "CIRCLE_WORKING_DIRECTORY=~/project",
        "GIVEN=by -e",
        "bash_env=yes",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in {said}");
    }
    assert!(
        said.contains("CIRCLE_ARTIFACTS=/tmp/circle-artifacts."),
        "{said}"
    );
    assert_eq!(summary.exit_code(), 0, "{said}");
}

pub(crate) async fn store_artifacts_follows_the_documented_rules() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: mkdir -p ~/out doc/build/html dist && echo 1 > ~/out/a && echo 2 > doc/build/html/index.html && echo 3 > dist/x && touch dist/.empty\n\
         \x20     - store_artifacts: {path: ~/out}\n\
         \x20     - store_artifacts: {path: doc/build/html/}\n\
         \x20     - store_artifacts: {path: dist, destination: /}\n\
         \x20     - store_artifacts: {path: dist/x, destination: one/}\n\
         \x20     - store_artifacts: {path: dist/x, destination: renamed}\n\
         \x20     - store_artifacts: {path: /tmp/missing}\n\
         \x20     - store_artifacts: {path: 'dist/*'}\n\
         \x20     - store_artifacts: {path: $HOME/out}\n",
    );
    let summary = run(&fake, &config).await;
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert_eq!(
        job.paths(),
        [
            ".empty",
            "doc/build/html/index.html",
            "one/x",
            "renamed",
            "x",
            "~/out/a"
        ]
    );
    assert!(job.output_text(6).contains(
        "Uploading /tmp/missing to tmp/missing\n  No artifact files found at /tmp/missing\n"
    ));
    assert!(job.output_text(7).contains("No artifact files found at /"));
    assert!(job.output_text(8).contains("/$HOME/out\n"));
    assert_eq!(summary.exit_code(), 0, "{}", job.whole_output());
}

pub(crate) async fn conditions_and_exit_statuses_are_the_documented_ones() {
    let fake = Fake::start().await;
    let states = |summary: &JobSummary| -> Vec<_> {
        summary.nodes[0]
            .steps
            .iter()
            .map(|step| (step.state, step.exit_status))
            .collect()
    };
    let (passed, failed, skipped) = (StepState::Passed, StepState::Failed, StepState::Skipped);
    let summary = run(&fake, &with_steps(
        "      - run: {command: echo never, when: on_fail}\n      - run: set +o pipefail; false | true\n\
         \x20     - add_ssh_keys\n      - run: false | true\n      - run: echo not any more\n\
         \x20     - run: {command: echo x > /tmp/x, when: on_fail}\n      - run: {command: exit 7, when: always}\n\
         \x20     - store_artifacts: {path: /tmp/x}\n      - store_artifacts: {path: /tmp/x, destination: y, when: on_success}\n",
    )).await;
    let expected = [
        (skipped, None),
        (passed, Some(0)),
        (skipped, None),
        (failed, Some(1)),
        (skipped, None),
        (passed, Some(0)),
        (failed, Some(7)),
        (passed, None),
        (skipped, None),
    ];
    assert_eq!(states(&summary), expected);
    let node = &summary.nodes[0];
    assert_eq!(
        (node.outcome, node.exit_status, summary.exit_code()),
        (JobState::Failed, Some(1), 1)
    );
    assert_eq!(node.artifacts.len(), 1);
    assert!(
        node.warnings
            .iter()
            .any(|warning| warning.contains("add_ssh_keys"))
    );

    // A signal is 128 + n, whether the shell runs the command in its own place or not.
    let summary = run(&fake, &with_steps(
        "      - run: kill -SEGV $$\n      - run: {when: always, command: \"sh -c 'kill -9 $$'; echo not reached\"}\n\
         \x20     - run: {when: always, command: 'print(1 + 1)', shell: python3-is-not-here}\n\
         \x20     - run: {when: always, command: cat, shell: /bin/sh}\n\
         \x20     - run: {when: always, command: pwd, working_directory: no/such}\n",
    )).await;
    let expected = [
        (failed, Some(139)),
        (failed, Some(137)),
        (failed, Some(127)),
        (passed, Some(0)),
        (failed, Some(127)),
    ];
    assert_eq!(states(&summary), expected);
    let state = fake.state.lock().unwrap();
    let said = state.jobs[&summary.nodes[0].job_id].output_text(0);
    assert_eq!(said.matches("Segmentation fault").count(), 1, "{said}");
    assert!(said.ends_with("Exited with code 139\n"), "{said}");
}

pub(crate) async fn each_node_has_folders_of_its_own() {
    let fake = Fake::start().await;
    // No other process of this machine has a file of that name.
    let me = format!("/tmp/me-{}", std::process::id());
    let config = with_steps(&format!(
        "      - run: test -z \"$(ls -A ~ | grep -v ^project$)\" && test -z \"$(ls /tmp | grep -v ^circle-)\"\n\
         \x20     - run: echo $CIRCLE_NODE_INDEX > {me}; echo $CIRCLE_NODE_INDEX > ~/me\n\
         \x20     - run: test \"$(cat {me} ~/me | tr -d '\\n')\" = $CIRCLE_NODE_INDEX$CIRCLE_NODE_INDEX\n\
         \x20     - store_artifacts: {{path: {me}}}\n",
    ));
    for _ in 0..2 {
        let mut options = options(&fake, &config, Path::new("/var/empty"));
        options.parallelism = Some(3);
        let summary = run_job(options, |_| {}).await.unwrap();
        let state = fake.state.lock().unwrap();
        for node in &summary.nodes {
            let job = &state.jobs[&node.job_id];
            assert_eq!(node.outcome, JobState::Passed, "{}", job.whole_output());
            assert_eq!(
                job.artifact(&me[1..]).unwrap().bytes,
                format!("{}\n", node.index)
            );
        }
    }
    assert!(!Path::new(&me).exists());
}

pub(crate) async fn a_working_directory_of_its_own_is_made_and_taken_away() {
    let fake = Fake::start().await;
    let parent = format!("/var/tmp/it-{}", marker());
    let config = format!(
        "version: 2\njobs:\n  build:\n    working_directory: {parent}/app\n    parallelism: 2\n    steps:\n\
         \x20     - run: test -z \"$(ls -A)\" && pwd && echo $CIRCLE_NODE_INDEX > index\n\
         \x20     - store_artifacts: {{path: index}}\n"
    );
    for _ in 0..2 {
        let summary = run(&fake, &config).await;
        let state = fake.state.lock().unwrap();
        for node in &summary.nodes {
            let job = &state.jobs[&node.job_id];
            assert_eq!(node.outcome, JobState::Passed, "{}", job.whole_output());
            assert_eq!(
                job.artifact("index").unwrap().bytes,
                format!("{}\n", node.index)
            );
            assert_eq!(job.output_text(0), format!("{parent}/app\n"));
        }
    }
    assert!(!Path::new(&parent).exists());
}

pub(crate) async fn circle_artifacts_is_swept_up_under_both_names() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: {command: mkdir $CIRCLE_ARTIFACTS/sub; echo hi > \"$CIRCLE_ARTIFACTS/sub/é 1.txt\", environment: {CIRCLE_ARTIFACTS: /etc}}\n\
         \x20     - run: exit 3\n",
    );
    let summary = run(&fake, &config).await;
    assert_eq!(summary.nodes[0].exit_status, Some(3));
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    let kept = &job.artifacts[0].body;
    assert!(
        kept.path.starts_with("tmp/circle-artifacts.") && kept.path.ends_with("/sub/é 1.txt"),
        "{}",
        kept.path
    );
    assert_eq!(kept.alias.as_deref(), Some("$CIRCLE_ARTIFACTS/sub/é 1.txt"));
    assert_eq!(job.steps[&2].state, StepState::Passed);
}

pub(crate) async fn links_out_of_the_job_are_not_followed() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: mkdir out; echo in > inside; ln -s /etc/passwd out/passwd; ln -s /etc out/etc; ln -s ../inside out/inside; ln -s /tmp/y out/y; ln -s nowhere out/dangling; mkfifo out/fifo; ln -s /etc evil\n\
         \x20     - store_artifacts: {path: out}\n      - store_artifacts: {path: evil/passwd}\n",
    );
    let summary = run(&fake, &config).await;
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert_eq!(job.paths(), ["out/inside"], "{}", job.whole_output());
    for name in [
        "out/passwd",
        "out/etc",
        "out/y",
        "out/dangling",
        "out/fifo",
        "evil/passwd",
    ] {
        assert!(
            summary.nodes[0]
                .warnings
                .iter()
                .any(|warning| warning.contains(name)),
            "{name}"
        );
    }
}

pub(crate) async fn a_file_with_a_secret_is_refused_by_name() {
    let fake = Fake::start().await;
    let config = "version: 2\njobs:\n  build:\n    environment: {DEPLOY_TOKEN: s3cret-value}\n    steps:\n      - run: mkdir out; echo \"a $DEPLOY_TOKEN b\" > out/log; echo ok > out/fine\n      - store_artifacts: {path: out}\n";
    let summary = run(&fake, config).await;
    assert_eq!(summary.exit_code(), 1);
    let node = &summary.nodes[0];
    assert_eq!(node.artifacts.len(), 1);
    assert!(
        node.problems[0].contains("out/log") && node.problems[0].contains("DEPLOY_TOKEN"),
        "{:?}",
        node.problems
    );

    let mut lifted = options(&fake, config, Path::new("/var/empty"));
    lifted.allow_secrets = true;
    let summary = run_job(lifted, |_| {}).await.unwrap();
    assert_eq!(
        (summary.exit_code(), summary.nodes[0].artifacts.len()),
        (0, 2)
    );
}

pub(crate) async fn a_silent_step_is_ended_with_all_its_processes() {
    let fake = Fake::start().await;
    let marker = marker();
    let config = with_steps(&format!(
        "      - run: {{no_output_timeout: 0.3s, command: 'echo > $CIRCLE_ARTIFACTS/x; (setsid sleep {marker} &) ; sleep {marker}'}}\n\
         \x20     - run: {{command: echo, when: always}}\n"
    ));
    let start = Instant::now();
    let summary = run(&fake, &config).await;
    assert!(start.elapsed() < Duration::from_secs(20));
    let node = &summary.nodes[0];
    assert_eq!(node.outcome, JobState::TimedOut);
    assert_eq!(node.steps[0].state, StepState::TimedOut);
    assert_eq!(node.steps[1].state, StepState::Skipped);
    assert_eq!(
        node.artifacts.len(),
        1,
        "the sweep runs also after a timeout"
    );
    assert_eq!(processes(&marker), 0);
    let state = fake.state.lock().unwrap();
    assert!(
        state.jobs[&node.job_id]
            .output_text(0)
            .contains("Too long with no output")
    );
}

pub(crate) async fn a_cancelled_run_ends_its_whole_process_tree() {
    let fake = Fake::start().await;
    let marker = marker();
    let config = with_steps(&format!(
        "      - run: \"trap '' TERM; (trap '' TERM HUP; setsid sleep {marker}) & echo up; sleep {marker}\"\n\
         \x20     - store_artifacts: {{path: .}}\n"
    ));
    let options = options(&fake, &config, Path::new("/var/empty"));
    let cancel = options.cancel.clone();
    let summary = run_job(options, move |event| {
        if matches!(event, Event::Output { bytes, .. } if bytes.starts_with(b"up")) {
            cancel.cancel();
        }
    })
    .await
    .unwrap();
    let node = &summary.nodes[0];
    assert_eq!((node.outcome, summary.exit_code()), (JobState::Canceled, 1));
    assert_eq!(node.steps[0].state, StepState::Canceled);
    assert_eq!(node.steps[1].state, StepState::Skipped);
    assert_eq!(processes(&marker), 0);
    let state = fake.state.lock().unwrap();
    assert_eq!(
        state.jobs[&node.job_id].end.as_ref().unwrap().state,
        JobState::Canceled
    );
}

pub(crate) async fn what_a_step_leaves_behind_does_not_outlive_the_job() {
    let fake = Fake::start().await;
    let marker = marker();
    let config = with_steps(&format!(
        "      - run: (setsid sleep {marker} &) && echo done\n"
    ));
    let start = Instant::now();
    let summary = run(&fake, &config).await;
    assert_eq!(summary.exit_code(), 0);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(processes(&marker), 0);
}

pub(crate) async fn a_background_step_runs_until_the_jobs_end() {
    let fake = Fake::start().await;
    let marker = marker();
    let config = with_steps(&format!(
        "      - run: {{background: true, command: 'echo up > /tmp/up; sleep {marker}'}}\n\
         \x20     - run: until test -s /tmp/up; do sleep 0.01; done; pgrep -f 'sleep {marker}' || true\n"
    ));
    let summary = run(&fake, &config).await;
    let node = &summary.nodes[0];
    assert_eq!(node.outcome, JobState::Passed);
    assert_eq!(node.steps[0].state, StepState::Passed);
    assert_eq!(processes(&marker), 0);
}

pub(crate) async fn much_output_arrives_whole_and_in_order() {
    let fake = Fake::start().await;
    let seen = std::sync::Arc::new(Mutex::new(0));
    let count = seen.clone();
    let config = with_steps("      - run: seq 1 1000000; seq 1 3 >&2\n");
    let options = options(&fake, &config, Path::new("/var/empty"));
    let summary = run_job(options, move |event| {
        if let Event::Output { bytes, .. } = event {
            *count.lock().unwrap() += bytes.len();
        }
    })
    .await
    .unwrap();
    let numbers: Vec<String> = (1..=1_000_000)
        .chain(1..=3)
        .map(|number: u32| number.to_string())
        .collect();
    let expected = numbers.join(
        "
",
    ) + "
";
    let state = fake.state.lock().unwrap();
    let kept = &state.jobs[&summary.nodes[0].job_id].output[&0];
    assert!(
        *kept == expected.as_bytes(),
        "{} bytes of {}",
        kept.len(),
        expected.len()
    );
    assert_eq!(*seen.lock().unwrap(), expected.len());
}

pub(crate) async fn without_a_namespace_the_job_still_has_a_home_and_leaves_no_trace() {
    let fake = Fake::start().await;
    let name = format!("larder-it-{}", marker());
    let config = with_steps(&format!(
        "      - run: pwd; mkdir /tmp/{name} && touch /tmp/{name}/x ~/y $TMPDIR/z && test $HOME != /root\n\
         \x20     - store_artifacts: {{path: /tmp/{name}}}\n      - store_artifacts: {{path: ~/y}}\n"
    ));
    let in_run_folder = || {
        let mut options = options(&fake, &config, Path::new("/var/empty"));
        options.isolation = Isolation::RunFolder;
        options.parallelism = Some(2);
        options
    };
    let summary = run_job(in_run_folder(), |_| {}).await.unwrap();
    for node in &summary.nodes {
        let mut paths: Vec<_> = node
            .artifacts
            .iter()
            .map(|file| file.path.clone())
            .collect();
        paths.sort();
        assert_eq!(paths, [format!("tmp/{name}/x"), "~/y".to_owned()]);
    }
    let folder = Path::new("/tmp").join(&name);
    assert!(!folder.exists());

    std::fs::create_dir(&folder).unwrap();
    let error = run_job(in_run_folder(), |_| {}).await.unwrap_err();
    std::fs::remove_dir(&folder).unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(&name), "{error}");
    let builds = fake.state.lock().unwrap().builds;
    assert_eq!(builds, 1, "nothing is announced for a job that cannot run");
}

pub(crate) async fn a_system_without_namespaces_is_named_and_runs_the_job() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("sandbox");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' --namespace '*) echo 'larder sandbox: refused here' >&2; exit 127;; esac\nexec {} \"$@\"\n",
        std::env::current_exe().unwrap().display(),
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let config = with_steps("      - run: echo x > ~/x\n      - store_artifacts: {path: ~/x}\n");
    let mut options = options(&fake, &config, folder.path());
    options.sandbox_program = program;
    let notices = std::sync::Arc::new(Mutex::new(String::new()));
    let heard = notices.clone();
    let summary = run_job(options, move |event| {
        if let Event::Notice { text } = event {
            heard.lock().unwrap().push_str(text);
        }
    })
    .await
    .unwrap();
    assert_eq!(
        (summary.exit_code(), summary.nodes[0].artifacts.len()),
        (0, 1)
    );
    let notices = notices.lock().unwrap();
    assert!(
        notices.contains("no mount namespace (refused here)"),
        "{notices}"
    );
    assert!(notices.contains("names an executor"), "{notices}");
}

pub(crate) async fn a_server_that_is_away_is_error_3() {
    let mut fake = Fake::start().await;
    "http://127.0.0.1:1".clone_into(&mut fake.url);
    let options = options(
        &fake,
        &with_steps("      - run: echo\n"),
        Path::new("/var/empty"),
    );
    let error = run_job(options, |_| {}).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

/// A number of seconds that no other process sleeps.
pub(crate) fn marker() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("9{}{next:02}", std::process::id())
}

/// How many processes have the marker among their arguments.
pub(crate) fn processes(marker: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| {
            line.split(|byte| *byte == 0)
                .any(|arg| arg == marker.as_bytes())
        })
        .count()
}
