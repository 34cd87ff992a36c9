//! What must stay secret stays out of all that is shown and kept.

use crate::fake::Fake;
use crate::{SECRETS, options};
use larder_agent::run::{Event, JobSummary};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

const CONFIG: &str = "version: 2
jobs:
  build:
    environment:
      DEPLOY_TOKEN: s3cret-value
      CACHE_KEY: v1-dependencies
      PEM_KEY: |
        first-line-of-the-key
        second-line-of-it
    steps:
      - run: echo \"a $DEPLOY_TOKEN b $CACHE_KEY\"; printf s3cret; sleep 0.05; echo -value.
      - run: echo \"$PEM_KEY\" | sed -n 2p; echo lrd_personal_0123456789abcdefghijklmnopqrstuvwxyz
      - run: {name: 'deploy with s3cret-value', command: 'echo s3cret-value | wc -c'}
      - run: {command: echo s3cret-value, when: on_fail}
      - run: echo GITHUB LARDER
      - run: |
          head -c 100000 /dev/zero | tr '\\0' x > long; (cat long; echo \"$DEPLOY_TOKEN\") > refused
          printf %s \"$PEM_KEY\" > $CIRCLE_ARTIFACTS/pem; echo GITHUB > $CIRCLE_ARTIFACTS/caller
      - store_artifacts: {path: refused}
      - store_artifacts: {path: long}
";

/// Runs the config; the second value is everything that was said, by events and to the server.
async fn run(fake: &Fake, allow_secrets: bool) -> (JobSummary, String) {
    let config = CONFIG
        .replace("GITHUB", SECRETS[0].1)
        .replace("LARDER", SECRETS[1].1);
    let mut options = options(fake, &config, Path::new("/var/empty"));
    options.allow_secrets = allow_secrets;
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let summary = crate::run_job(options, move |event| {
        let mut said = heard.lock().unwrap();
        match event {
            Event::Output { bytes, .. } => said.extend_from_slice(bytes),
            Event::StepStarted { name, .. } => said.extend_from_slice(name.as_bytes()),
            Event::StepFinished { step, .. } => said.extend_from_slice(step.name.as_bytes()),
            _ => {}
        }
    })
    .await
    .unwrap();
    let mut said = String::from_utf8_lossy(&said.lock().unwrap()).into_owned();
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    let output = job.whole_output();
    write!(said, "{output} {:?} {summary:?}", job.steps).unwrap();
    (summary, said)
}

pub(crate) async fn no_secret_is_shown_or_kept() {
    let fake = Fake::start().await;
    for allow_secrets in [false, true] {
        let (summary, said) = run(&fake, allow_secrets).await;
        for secret in [
            "s3cret-value",
            "first-line-of-the-key",
            "second-line-of-it",
            "lrd_personal",
            SECRETS[0].1,
            SECRETS[1].1,
        ] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        let state = fake.state.lock().unwrap();
        let job = &state.jobs[&summary.nodes[0].job_id];
        assert_eq!(job.output_text(0), "a **** b v1-dependencies\n****.\n");
        assert_eq!(job.output_text(1), "****\n****\n");
        assert_eq!(job.output_text(2), "13\n", "steps themselves see the value");
        assert_eq!(job.steps[&2].name, "deploy with ****");
        assert_eq!(job.steps[&2].command.as_deref(), Some("echo **** | wc -c"));
    }
}

pub(crate) async fn files_with_secrets_are_kept_only_if_that_is_allowed() {
    let fake = Fake::start().await;
    let (summary, _) = run(&fake, false).await;
    let node = &summary.nodes[0];
    assert_eq!(summary.exit_code(), 1);
    let kept: Vec<&str> = node.artifacts.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(kept, ["long"]);
    for (file, variable) in [
        ("refused", "DEPLOY_TOKEN"),
        ("/pem", "PEM_KEY"),
        ("/caller", "GITHUB_TOKEN"),
    ] {
        let is_named = |problem: &String| problem.contains(file) && problem.contains(variable);
        assert!(node.problems.iter().any(is_named), "{:?}", node.problems);
    }
    let (summary, _) = run(&fake, true).await;
    assert_eq!(summary.exit_code(), 0);
    assert_eq!(summary.nodes[0].artifacts.len(), 4);
}

pub(crate) async fn the_environments_of_the_callers_are_hidden() {
    let fake = Fake::start().await;
    // The names only: their values would be masked in any case.
    let config = crate::with_steps(
        "      - run: |
          process=$$
          while test \"$process\" -gt 0; do
            (cat /proc/$process/environ /proc/$process/task/*/environ 2> /dev/null || true) | tr '\\0' '\\n' | cut -d= -f1
            process=$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$process/stat)
            echo up
          done
",
    );
    let options = options(&fake, &config, Path::new("/var/empty"));
    let summary = crate::run_job(options, |_| {}).await.unwrap();
    let state = fake.state.lock().unwrap();
    let said = state.jobs[&summary.nodes[0].job_id].whole_output();
    assert_eq!(summary.exit_code(), 0, "{said}");
    assert!(said.matches("up\n").count() > 2, "{said}");
    assert!(said.contains("CIRCLECI\n"), "a step sees its own: {said}");
    for (name, _) in SECRETS {
        assert!(!said.contains(name), "{said}");
    }
}

pub(crate) async fn what_only_begins_like_a_secret_is_shown_soon() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let seen = folder.path().join("seen");
    // The step waits until somebody has read its question.
    let config = format!(
        "version: 2\njobs:\n  build:\n    environment: {{DEPLOY_TOKEN: s3cret-value}}\n    steps:\n\
         \x20     - run: {{no_output_timeout: 10s, command: 'printf \"> s3c\"; until test -e {0}; do sleep 0.01; done; echo ret-value'}}\n",
        seen.display()
    );
    let options = options(&fake, &config, Path::new("/var/empty"));
    let summary = crate::run_job(options, move |event| {
        if matches!(event, Event::Output { bytes, .. } if bytes == b"s3c") {
            std::fs::write(&seen, "").unwrap();
        }
    })
    .await
    .unwrap();
    let state = fake.state.lock().unwrap();
    let said = state.jobs[&summary.nodes[0].job_id].whole_output();
    assert_eq!(said, "> s3c****\n");
    assert_eq!(summary.exit_code(), 0);
}
