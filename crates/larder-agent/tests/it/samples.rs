//! The samples, which are the documents' own examples.

use crate::fake::Fake;
use crate::{options, run, run_job, sample};
use larder_agent::Error;
use larder_protocol::{JobState, StepState};
use std::path::Path;
use std::process::Command;

pub(crate) async fn the_first_sample_keeps_its_two_files_twice_in_a_row() {
    let fake = Fake::start().await;
    let config = std::fs::read_to_string(sample("artifacts.yml")).unwrap();
    for number in 1..=2 {
        let summary = run(&fake, &config).await;
        assert_eq!(summary.exit_code(), 0, "{summary:?}");
        assert_eq!(summary.build.number, number);
        let node = &summary.nodes[0];
        assert_eq!(node.steps.len(), 3);
        assert!(
            node.steps
                .iter()
                .all(|step| step.state == StepState::Passed)
        );
        let artifact = &node.artifacts[0];
        assert_eq!(
            (artifact.path.as_str(), artifact.size),
            ("artifact-file", 17)
        );
        assert_eq!(artifact.artifact.sha256.as_ref(), Some(&artifact.sha256));

        let state = fake.state.lock().unwrap();
        let job = &state.jobs[&node.job_id];
        assert_eq!(job.paths(), ["artifact-file", "tmp/artifacts/artifact-2"]);
        assert_eq!(
            job.artifact("artifact-file").unwrap().bytes,
            "my artifact file\n"
        );
        let second = job.artifact("tmp/artifacts/artifact-2").unwrap();
        assert_eq!(second.bytes, "my artifact files in a dir\n");
        assert_eq!(job.end.as_ref().unwrap().state, JobState::Passed);
        let said = job.output_text(1);
        assert_eq!(
            said,
            "Uploading /tmp/artifact-1 to artifact-file\n  Uploading /tmp/artifact-1 (17 B): DONE\n"
        );
        assert!(
            job.output_text(2)
                .starts_with("Uploading /tmp/artifacts to tmp/artifacts\n")
        );
    }
    assert!(
        !Path::new("/tmp/artifacts/artifact-2").exists(),
        "the job had the machine's /tmp"
    );
}

pub(crate) async fn the_core_dump_sample_keeps_its_core_twice_in_a_row_and_on_two_nodes() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !has("gcc") || !has("make") || pattern.starts_with('|') {
        println!(
            "skipped: needs gcc, make and a core_pattern that is not a pipe (it is {})",
            pattern.trim()
        );
        return;
    }
    let fake = Fake::start().await;
    let config = std::fs::read_to_string(sample("core-dump.yml")).unwrap();
    for parallelism in [1, 2, 2] {
        let mut options = options(&fake, &config, &sample("core-dump"));
        options.parallelism = Some(parallelism);
        let summary = run_job(options, |_| {}).await.unwrap();
        assert_eq!(summary.exit_code(), 1);
        assert_eq!(summary.nodes.len(), parallelism as usize);
        for node in &summary.nodes {
            let state = fake.state.lock().unwrap();
            let job = &state.jobs[&node.job_id];
            let states: Vec<_> = node
                .steps
                .iter()
                .map(|step| (step.state, step.exit_status))
                .collect();
            let passed = StepState::Passed;
            assert_eq!(
                states[..2],
                [(passed, Some(0)), (passed, Some(0))],
                "{}",
                job.whole_output()
            );
            assert_eq!(states[2], (StepState::Failed, Some(134)));
            assert_eq!(
                states[3..],
                [(passed, Some(0)), (passed, None)],
                "{}",
                job.whole_output()
            );
            assert_eq!(
                (node.outcome, node.exit_status),
                (JobState::Failed, Some(134))
            );
            let said = job.output_text(2);
            assert_eq!(said.matches("Aborted (core dumped)").count(), 1, "{said}");
            assert!(said.contains("Exited with code 134\n"), "{said}");
            let path = job
                .paths()
                .into_iter()
                .find(|path| path.ends_with("!dump"))
                .unwrap_or_else(|| panic!("{:?} {}", job.paths(), job.whole_output()));
            let pid = path
                .strip_prefix("tmp/core_dumps/core.")
                .unwrap()
                .split('.')
                .next()
                .unwrap();
            pid.parse::<u32>().unwrap();
            assert!(path.contains("!work!dump"), "{path}");
            assert!(job.artifact(path).unwrap().bytes.starts_with(b"\x7fELF"));
            let end = job.end.as_ref().unwrap();
            assert_eq!((end.state, end.exit_status), (JobState::Failed, Some(134)));
            assert_eq!(job.index, node.index);
        }
    }
}

pub(crate) async fn a_server_that_is_away_for_a_moment_loses_nothing() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().flaky_every = 3;
    let config = std::fs::read_to_string(sample("artifacts.yml")).unwrap();
    let summary = run(&fake, &config).await;
    assert_eq!(summary.exit_code(), 0);
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    assert_eq!(job.paths(), ["artifact-file", "tmp/artifacts/artifact-2"]);
    assert!(
        job.output_text(2).ends_with("DONE\n"),
        "{}",
        job.output_text(2)
    );
    assert!(state.requests > 15 && job.end.is_some());
}

pub(crate) async fn the_config_as_documented_is_a_config_error() {
    let fake = Fake::start().await;
    let text = include_str!("../fixtures/core-dump-as-documented.yml");
    let error = run_job(options(&fake, text, Path::new("/")), |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Config(_)));
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().starts_with("config.yml:12:11: "),
        "{error}"
    );
    assert_eq!(
        fake.state.lock().unwrap().builds,
        0,
        "nothing is announced for a config that cannot run"
    );
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
