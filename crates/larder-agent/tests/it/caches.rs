//! What jobs find of other jobs' work: caches, workspaces, the checkout, test results.

use crate::fake::{Fake, Job};
use crate::{options, run, run_job, with_steps};
use larder_agent::plan::JobEnd;
use larder_agent::run::{JobSummary, RunOptions, RunSummary};
use larder_protocol::{JobState, StepState};
use std::path::Path;

/// A run of one job with a folder for caches, and what its job is on the server.
async fn run_cached(fake: &Fake, caches: &Path, steps: &str) -> JobSummary {
    run_job(with_caches(fake, caches, steps), |_| {})
        .await
        .unwrap()
}

fn with_caches(fake: &Fake, caches: &Path, steps: &str) -> RunOptions {
    let mut options = options(fake, &with_steps(steps), Path::new("/var/empty"));
    options.caches = Some(caches.to_owned());
    options
}

/// The output of all steps, with the job's end beside it.
fn said(fake: &Fake, summary: &JobSummary) -> String {
    let state = fake.state.lock().unwrap();
    let job: &Job = &state.jobs[&summary.nodes[0].job_id];
    format!("{:?}: {}", summary.nodes[0].outcome, job.whole_output())
}

pub(crate) async fn a_cache_comes_back_in_a_later_run_and_its_key_is_written_once() {
    let fake = Fake::start().await;
    let caches = tempfile::tempdir().unwrap();
    let save = "      - save_cache: {key: v1-all, paths: [~/.deps, node_modules, /tmp/built, /etc/passwd, missing]}\n";
    let first = format!(
        "      - run: mkdir -p ~/.deps/sub node_modules/.bin /tmp/built; echo 1 > ~/.deps/sub/lib; echo x > node_modules/run.sh; chmod 751 node_modules/run.sh; ln -s ../run.sh node_modules/.bin/run; ln -s /etc/passwd node_modules/outside; echo o > /tmp/built/o; touch -d @1000 /tmp/built/o\n{save}"
    );
    let summary = run_cached(&fake, caches.path(), &first).await;
    let text = said(&fake, &summary);
    assert!(
        text.contains("Left out /etc/passwd: it is outside"),
        "{text}"
    );
    assert!(
        text.contains("Left out missing: it does not exist"),
        "{text}"
    );
    assert!(text.contains("Stored cache v1-all: 5 files"), "{text}");

    let second = format!(
        "      - restore_cache: {{key: v1-all}}\n\
         \x20     - run: test \"$(cat ~/.deps/sub/lib node_modules/.bin/run /tmp/built/o | tr -d '\\n')\" = 1xo\n\
         \x20     - run: test \"$(stat -c %a node_modules/run.sh)\" = 751 && test \"$(stat -c %Y /tmp/built/o)\" = 1000\n\
         \x20     - run: test \"$(readlink node_modules/outside)\" = /etc/passwd\n\
         \x20     - run: echo 2 > ~/.deps/sub/lib\n{save}"
    );
    let summary = run_cached(&fake, caches.path(), &second).await;
    let text = said(&fake, &summary);
    assert!(text.starts_with("Passed"), "{text}");
    assert!(
        text.contains("Found the cache v1-all of job 1: 5 files"),
        "{text}"
    );
    assert!(text.contains("a key is written once"), "{text}");

    let third =
        "      - restore_cache: {key: v1-all}\n      - run: test \"$(cat ~/.deps/sub/lib)\" = 1\n";
    let summary = run_cached(&fake, caches.path(), third).await;
    assert_eq!(summary.exit_code(), 0, "{}", said(&fake, &summary));

    // Another project has caches of its own.
    let mut other = with_caches(&fake, caches.path(), third);
    "github/acme/other".clone_into(&mut other.project);
    let summary = run_job(other, |_| {}).await.unwrap();
    let text = said(&fake, &summary);
    assert!(text.contains("No cache is found for key: v1-all"), "{text}");
    assert_eq!(summary.nodes[0].steps[0].state, StepState::Passed);
}

pub(crate) async fn the_newest_cache_that_begins_with_a_key_is_found() {
    let fake = Fake::start().await;
    let caches = tempfile::tempdir().unwrap();
    for key in ["deps-1", "deps-2", "deps-10", "other"] {
        let steps = format!(
            "      - run: echo {key} > x\n      - save_cache: {{key: {key}, paths: [x]}}\n"
        );
        run_cached(&fake, caches.path(), &steps).await;
    }
    let check = async |keys: &str, expected: &str| {
        let steps = format!(
            "      - restore_cache: {{keys: [{keys}]}}\n      - run: cat x || echo nothing\n"
        );
        let summary = run_cached(&fake, caches.path(), &steps).await;
        let text = said(&fake, &summary);
        assert!(text.ends_with(&format!("\n{expected}\n")), "{keys}: {text}");
    };
    check("deps-1", "deps-1").await;
    check("deps-", "deps-10").await;
    check("deps-2x, deps-2", "deps-2").await;
    check("nope, ot", "other").await;
    check("nope", "nothing").await;
}

pub(crate) async fn keys_are_filled_in_and_a_key_that_cannot_be_fails_the_step() {
    let fake = Fake::start().await;
    let caches = tempfile::tempdir().unwrap();
    let steps = "      - run: {command: printf hello > lock, environment: {X: y}}\n\
         \x20     - save_cache: {key: 'v-{{ .Branch }}-{{ .Environment.CI }}-{{ .Environment.NONE }}-{{ .BuildNum }}-{{ checksum \"lock\" }}', paths: [lock]}\n\
         \x20     - restore_cache: {key: 'v-main-{{ checksum \"missing\" }}'}\n";
    let mut options = with_caches(&fake, caches.path(), steps);
    options.facts.branch = Some("main".to_owned());
    let summary = run_job(options, |_| {}).await.unwrap();
    let text = said(&fake, &summary);
    // `printf hello | sha256sum | xxd -r -p | base64`
    let key = "v-main-true-<no value>-1-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    assert!(
        text.contains(&format!("Stored cache {key}: 1 files")),
        "{text}"
    );
    assert!(
        text.contains("Error: the key needs the checksum of missing"),
        "{text}"
    );
    assert_eq!(summary.nodes[0].steps[2].state, StepState::Failed);
}

pub(crate) async fn the_oldest_caches_go_when_all_are_too_large() {
    let fake = Fake::start().await;
    let caches = tempfile::tempdir().unwrap();
    let save = async |key: &str, bytes: u32| {
        let steps = format!(
            "      - run: head -c {bytes} /dev/zero > x\n      - save_cache: {{key: {key}, paths: [x]}}\n"
        );
        let mut options = with_caches(&fake, caches.path(), &steps);
        options.cache_bytes_max = 1_000;
        run_job(options, |_| {}).await.unwrap()
    };
    for key in ["a", "b", "c"] {
        save(key, 400).await;
    }
    let too_large = save("d", 1_001).await;
    assert!(too_large.passed());
    let warning = &too_large.nodes[0].warnings[0];
    assert!(warning.contains("cache d is not stored"), "{warning}");
    let steps = "      - restore_cache: {key: a}\n      - restore_cache: {key: b}\n\
         \x20     - restore_cache: {key: c}\n      - restore_cache: {key: d}\n";
    let text = said(&fake, &run_cached(&fake, caches.path(), steps).await);
    for (key, is_there) in [("a", false), ("b", true), ("c", true), ("d", false)] {
        assert_eq!(
            text.contains(&format!("Found the cache {key} ")),
            is_there,
            "{text}"
        );
    }
    let folder = caches.path().join("github/acme/demo");
    let left = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 3, "two caches and the lock");
}

const WORKSPACES: &str = "version: 2.1
jobs:
  first:
    docker: [{image: any}]
    steps:
      - run: mkdir -p out/bin out/empty other; echo 1 > out/bin/tool; chmod 755 out/bin/tool; echo a > out/both; echo no > other/x; ln -s bin/tool out/link
      - persist_to_workspace: {root: out, paths: [bin, empty, link, 'bo*']}
  second:
    docker: [{image: any}]
    steps:
      - attach_workspace: {at: /tmp/ws}
      - run: test -x /tmp/ws/bin/tool && test -d /tmp/ws/empty && test -L /tmp/ws/link && test \"$(cat /tmp/ws/link)\" = 1 && test ! -e /tmp/ws/x
      - run: echo b > /tmp/ws/both
      - persist_to_workspace: {root: /tmp/ws, paths: [both]}
  third:
    docker: [{image: any}]
    parallelism: 2
    steps:
      - attach_workspace: {at: ~/ws}
      - run: test \"$(cat ~/ws/both ~/ws/bin/tool | tr -d '\\n')\" = b1
  stranger:
    docker: [{image: any}]
    steps:
      - attach_workspace: {at: .}
      - run: test -z \"$(ls -A)\"
workflows:
  main:
    jobs:
      - first
      - second: {requires: [first]}
      - third: {requires: [second]}
      - stranger
";

pub(crate) async fn a_workspace_reaches_the_jobs_that_require_it_and_no_others() {
    let fake = Fake::start().await;
    for _ in 0..2 {
        let summary = run_all(&fake, WORKSPACES).await;
        let state = fake.state.lock().unwrap();
        for job in summary.jobs() {
            let node = &job.nodes[0];
            let said = state.jobs[&node.job_id].whole_output();
            assert_eq!(node.outcome, JobState::Passed, "{}: {said}", job.job);
        }
        assert_eq!(summary.jobs().count(), 4);
        let stranger = summary.jobs().find(|job| job.job == "stranger").unwrap();
        let said = state.jobs[&stranger.nodes[0].job_id].output_text(0);
        assert!(said.contains("Nothing to attach"), "{said}");
    }
}

pub(crate) async fn what_is_not_there_to_persist_fails_the_step() {
    let fake = Fake::start().await;
    let summary = run(
        &fake,
        &with_steps(
            "      - run: mkdir out\n      - persist_to_workspace: {root: out, paths: [missing, '*.o']}\n",
        ),
    )
    .await;
    assert_eq!(summary.end, JobEnd::Failed);
    let text = said(&fake, &summary);
    let expected = "The specified paths did not match any files in out";
    assert!(text.contains(expected), "{text}");
    let summary = run(
        &fake,
        &with_steps("      - persist_to_workspace: {root: gone, paths: [.]}\n"),
    )
    .await;
    assert_eq!(summary.end, JobEnd::Failed);
}

pub(crate) async fn nothing_is_laid_down_outside_of_the_jobs_folders() {
    let fake = Fake::start().await;
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    let caches = tempfile::tempdir().unwrap();
    let at = outside.path().display();
    let save = "      - run: mkdir -p d; echo x > d/x\n      - save_cache: {key: k, paths: [d]}\n";
    run_cached(&fake, caches.path(), save).await;
    let restore = format!(
        "      - run: ln -s {at} d\n      - restore_cache: {{key: k}}\n      - run: test -f d/x && test ! -L d\n"
    );
    let summary = run_cached(&fake, caches.path(), &restore).await;
    assert_eq!(summary.exit_code(), 0, "{}", said(&fake, &summary));

    let config = format!(
        "version: 2.1\njobs:\n  a:\n    machine: true\n    steps:\n      - run: echo x > x\n      - persist_to_workspace: {{root: ., paths: [x]}}\n\
         \x20 b:\n    machine: true\n    steps:\n      - run: ln -s {at} out\n      - attach_workspace: {{at: out/deeper}}\n\
         workflows: {{w: {{jobs: [a, b: {{requires: [a]}}]}}}}\n"
    );
    let summary = run_all(&fake, &config).await;
    let last = summary.jobs().last().unwrap();
    assert_eq!(last.end, JobEnd::Failed);
    let text = said(&fake, last);
    assert!(text.contains("outside of the job's own folders"), "{text}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

pub(crate) async fn a_checkout_leaves_a_repository_and_refuses_other_files() {
    let fake = Fake::start().await;
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir(source.path().join(".git")).unwrap();
    std::fs::write(source.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(source.path().join("file"), "source\n").unwrap();
    let run_here = async |steps: &str| {
        let options = options(&fake, &with_steps(steps), source.path());
        run_job(options, |_| {}).await.unwrap()
    };
    let summary = run_here(
        "      - checkout\n      - run: test -f file && echo mine > file\n      - checkout\n      - run: grep -q mine file\n\
         \x20     - checkout: {path: sub/new}\n      - run: grep -q source sub/new/file\n",
    )
    .await;
    assert_eq!(summary.exit_code(), 0, "{}", said(&fake, &summary));
    let summary =
        run_here("      - run: touch other\n      - checkout\n      - run: echo no\n").await;
    let text = said(&fake, &summary);
    assert!(
        text.contains("is neither empty nor a git repository: it has other"),
        "{text}"
    );
    assert_eq!(summary.nodes[0].steps[2].state, StepState::Skipped);
    assert_eq!(summary.exit_code(), 1);
}

pub(crate) async fn missing_test_results_fail_nothing_and_reports_are_swept() {
    let fake = Fake::start().await;
    let summary = run(
        &fake,
        &with_steps(
            "      - run: test -d \"$CIRCLE_TEST_REPORTS\" && test -z \"$(ls -A $CIRCLE_TEST_REPORTS)\"\n\
             \x20     - store_test_results: {path: missing}\n      - run: mkdir -p r/a; echo '<testsuite><testcase name=\"one\" classname=\"c\"/></testsuite>' > r/a/x.xml; echo > r/y.txt; echo '<a' > r/broken.xml\n\
             \x20     - store_test_results: {path: r}\n      - run: echo '<testsuite><testcase name=\"two\"/></testsuite>' > $CIRCLE_TEST_REPORTS/x.xml; exit 1\n",
        ),
    )
    .await;
    let steps = &summary.nodes[0].steps;
    assert_eq!(steps[1].state, StepState::Passed);
    assert_eq!(steps[3].state, StepState::Passed);
    let last = steps.last().unwrap();
    assert_eq!(last.name, "Uploading $CIRCLE_TEST_REPORTS");
    assert_eq!((last.state, summary.exit_code()), (StepState::Passed, 1));
    let text = said(&fake, &summary);
    assert!(text.contains("No test results (*.xml) found at"), "{text}");
    assert!(text.contains("r/broken.xml: no test results"), "{text}");
    let state = fake.state.lock().unwrap();
    let tests: Vec<_> = state.jobs[&summary.nodes[0].job_id].tests.iter().collect();
    assert_eq!(
        tests,
        [(&0, &vec!["one".to_owned()]), (&1, &vec!["two".to_owned()])]
    );
}

async fn run_all(fake: &Fake, config: &str) -> RunSummary {
    let mut options = options(fake, config, Path::new("/var/empty"));
    // One after the other, so that what a job must not see is there when it runs.
    options.jobs_max = Some(1);
    larder_agent::run::run(options, |_| {}).await.unwrap()
}
