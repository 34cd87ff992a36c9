//! What steps get from the `circleci` on their PATH.

use crate::fake::Fake;
use crate::{options, run, with_steps};
use larder_agent::run::Isolation;
use larder_protocol::{JobState, StepState};
use std::path::Path;

pub(crate) async fn two_nodes_share_the_tests_between_them() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: mkdir -p t/x && touch t/1.go t/2.go t/x/3.go t/x/4.txt 't/x/5 6.go'\n\
         \x20     - run: circleci tests glob 't/**/*.go' | circleci tests split > part; cat part\n\
         \x20     - run: circleci tests glob 't/**/*.go' | circleci-agent tests run --split-by=timings --command='xargs -d \"\\n\" -n 1 echo ran'\n\
         \x20     - run: 'circleci env subst \"node ${CIRCLE_NODE_INDEX} ${NONE:-none}\"; echo \"$PATH\" | cut -d: -f1'\n",
    );
    for isolation in [Isolation::Automatic, Isolation::RunFolder] {
        let mut options = options(&fake, &config, Path::new("/var/empty"));
        options.parallelism = Some(2);
        options.isolation = isolation;
        let summary = crate::run_job(options, |_| {}).await.unwrap();
        let state = fake.state.lock().unwrap();
        let jobs: Vec<_> = summary
            .nodes
            .iter()
            .map(|node| &state.jobs[&node.job_id])
            .collect();
        let said = jobs[0].whole_output();
        assert_eq!(summary.exit_code(), 0, "{said}");
        assert_eq!(jobs[0].output_text(1), "t/1.go\nt/x/3.go\n");
        assert_eq!(jobs[1].output_text(1), "t/2.go\nt/x/5 6.go\n");
        let ran = jobs[1].output_text(2);
        assert!(ran.ends_with("ran t/2.go\nran t/x/5 6.go\n"), "{ran}");
        assert!(ran.contains("Falling back to weighting by name"), "{ran}");
        let substituted = jobs[1].output_text(3);
        assert!(substituted.starts_with("node 1 none\n"), "{substituted}");
        assert!(substituted.ends_with("/agent/bin\n"), "{substituted}");
    }
}

pub(crate) async fn a_step_can_halt_its_job() {
    let fake = Fake::start().await;
    let steps = |halting: &str| {
        with_steps(&format!(
            "      - run: {halting}\n      - run: {{command: echo, when: always}}\n      - store_artifacts: {{path: .}}\n"
        ))
    };
    let states = |summary: &larder_agent::run::JobSummary| -> Vec<_> {
        let steps = summary.nodes[0].steps.iter();
        steps.map(|step| step.state).collect()
    };
    let (passed, failed, skipped) = (StepState::Passed, StepState::Failed, StepState::Skipped);
    for name in ["circleci", "circleci-agent"] {
        let halting =
            format!("\"{name} step halt; echo the step itself goes on > $CIRCLE_ARTIFACTS/x\"");
        let summary = run(&fake, &steps(&halting)).await;
        assert_eq!(states(&summary), [passed, skipped, skipped, passed]);
        assert_eq!(summary.nodes[0].outcome, JobState::Passed);
        assert_eq!(summary.nodes[0].artifacts.len(), 1);
    }
    let summary = run(&fake, &steps("circleci step halt; exit 3")).await;
    assert_eq!(states(&summary), [failed, skipped, skipped]);
    assert_eq!(summary.exit_code(), 1);
}

pub(crate) async fn what_the_shim_does_not_know_goes_to_what_is_installed() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let config = with_steps(
        "      - run: circleci config validate x || echo code $?\n\
         \x20     - run: circleci tests glob 'a[' || echo code $?\n\
         \x20     - run: {command: 'circleci config validate x y', environment: {PATH: INSTALLED}}\n",
    );
    let installed = folder.path().join("circleci");
    std::fs::write(&installed, "#!/bin/sh\necho installed: \"$@\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&installed, mode).unwrap();
    let config = config.replace("INSTALLED", folder.path().to_str().unwrap());
    let mut options = options(&fake, &config, Path::new("/var/empty"));
    // Whatever the machine has installed is not what is tested here.
    options.variables = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let summary = crate::run_job(options, |_| {}).await.unwrap();
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    let said = job.output_text(0);
    assert!(said.contains("config validate x: not here"), "{said}");
    assert!(said.ends_with("code 127\n"), "{said}");
    let said = job.output_text(1);
    assert!(said.contains("a[") && said.ends_with("code 1\n"), "{said}");
    assert_eq!(job.output_text(2), "installed: config validate x y\n");
}
