//! Several jobs in one run: when they run, what they hand on, and how they end.

use crate::fake::Fake;
use crate::semantics::{marker, processes};
use crate::{options, with_steps};
use larder_agent::Error;
use larder_agent::plan::{JobEnd, Requirement, Selection, Workflow, WorkflowJob, plan};
use larder_agent::run::{Event, JobSummary, RunOptions, RunSummary, run_planned};
use larder_protocol::JobState;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) async fn a_job_runs_when_all_that_it_requires_have_passed() {
    let fake = Fake::start().await;
    let steps = "      - run: echo $CIRCLE_JOB $CIRCLE_BUILD_NUM $CIRCLE_WORKFLOW_ID $CIRCLE_WORKFLOW_JOB_ID; test ! -e /tmp/x; touch /tmp/x ~/x\n";
    let diamond = workflow(&[
        job("top", &[], steps),
        job("left", &["top"], steps),
        job("right", &["top"], steps),
        job("bottom", &["left", "right"], steps),
    ]);
    let summary = run(&fake, vec![diamond]).await;
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    let state = fake.state.lock().unwrap();
    let at = |line: &str| {
        let position = state.history.iter().position(|known| known == line);
        position.unwrap_or_else(|| panic!("{line} in {:?}", state.history))
    };
    assert!(at("end top 0 Passed") < at("start left 0").min(at("start right 0")));
    assert!(at("start bottom 0") > at("end left 0 Passed").max(at("end right 0 Passed")));
    assert_eq!(at("end bottom 0 Passed"), 7);
    for summary in summary.jobs() {
        let node = &summary.nodes[0];
        let said = state.jobs[&node.job_id].output_text(0);
        let number = node.job_number.unwrap();
        let (name, id) = (&summary.job, &node.job_id);
        assert_eq!(said, format!("{name} {number} build-1 {id}\n"));
    }
    let mut numbers: Vec<_> = summary.jobs().map(|job| job.nodes[0].job_number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
}

pub(crate) async fn what_requires_a_failed_job_is_not_run_unless_it_asks_for_that() {
    let fake = Fake::start().await;
    let fine = "      - run: echo fine\n";
    let mut after_failure = job("after-failure", &["broken"], fine);
    after_failure.requires[0].ends = vec![JobEnd::Failed, JobEnd::Canceled];
    let mut after_unrun = job("after-unrun", &["never"], fine);
    after_unrun.requires[0].ends = vec![JobEnd::NotRun];
    let jobs = [
        job("broken", &[], "      - run: exit 3\n"),
        job("fine", &[], fine),
        job("never", &["broken", "fine"], fine),
        job("nor-this", &["never"], fine),
        after_failure,
        after_unrun,
    ];
    let not_run = Arc::new(Mutex::new(Vec::new()));
    let heard = not_run.clone();
    let options = options(&fake, "", Path::new("/var/empty"));
    let summary = run_planned(options, vec![workflow(&jobs)], move |event| {
        if let Event::JobNotRun { job, reason, .. } = event {
            heard.lock().unwrap().push(format!("{job}: {reason}"));
        }
    })
    .await
    .unwrap();
    assert_eq!(summary.exit_code(), 1);
    let ends: Vec<_> = summary
        .jobs()
        .map(|job| (job.job.as_str(), job.end))
        .collect();
    let expected = [
        ("broken", JobEnd::Failed),
        ("fine", JobEnd::Success),
        ("never", JobEnd::NotRun),
        ("nor-this", JobEnd::NotRun),
        ("after-failure", JobEnd::Success),
        ("after-unrun", JobEnd::Success),
    ];
    assert_eq!(ends, expected);
    let not_run = not_run.lock().unwrap();
    assert_eq!(
        *not_run,
        ["never: broken failed", "nor-this: never was not run"]
    );
    let state = fake.state.lock().unwrap();
    let end = |name: &str| state.jobs[&format!("job-1-{name}-0")].end.clone().unwrap();
    assert_eq!(end("broken").exit_status, Some(3));
    assert_eq!(end("never").state, JobState::Canceled);
    assert_eq!(end("nor-this").state, JobState::Canceled);
    assert_eq!(state.jobs["job-1-never-0"].number, None);
}

pub(crate) async fn jobs_run_side_by_side_up_to_a_bound() {
    let fake = Fake::start().await;
    let shared = tempfile::tempdir_in("/var/tmp").unwrap();
    let at = shared.path().display();
    // Each ends only when the other has begun.
    let wait = |own: &str, other: &str| {
        format!("      - run: touch {at}/{own}; until test -e {at}/{other}; do sleep 0.01; done\n")
    };
    let jobs = [
        job("a", &[], &wait("a", "b")),
        job("b", &[], &wait("b", "a")),
    ];
    let mut two = options(&fake, "", Path::new("/var/empty"));
    two.jobs_max = Some(2);
    let summary = run_with(two, vec![workflow(&jobs)]).await;
    assert_eq!(summary.exit_code(), 0, "{summary:?}");

    // Each node ends only when all three have begun, and fails if another job is under way. The first one
    // takes the folder away, perhaps before the others have seen what they wait for.
    let together = format!(
        "      - run: mkdir -p {at}/busy/$CIRCLE_JOB; touch {at}/busy/$CIRCLE_JOB/$CIRCLE_NODE_INDEX; \
         test $(ls {at}/busy) = $CIRCLE_JOB; \
         until test $(ls {at}/busy/$CIRCLE_JOB | grep -c '[0-9]$') = $CIRCLE_NODE_TOTAL; do sleep 0.01; done; \
         touch {at}/busy/$CIRCLE_JOB/$CIRCLE_NODE_INDEX-done; \
         until ! test -e {at}/busy/$CIRCLE_JOB || \
         test $(ls {at}/busy/$CIRCLE_JOB | grep -c done) = $CIRCLE_NODE_TOTAL; do sleep 0.01; done; \
         if test $CIRCLE_NODE_INDEX = 0; then mv {at}/busy/$CIRCLE_JOB {at}/$CIRCLE_JOB-was; fi\n"
    );
    let mut nodes = job("nodes", &[], &together);
    nodes.plan.parallelism = 3;
    let jobs = [nodes, job("d", &[], &together), job("e", &["d"], &together)];
    let mut one = options(&fake, "", Path::new("/var/empty"));
    one.jobs_max = Some(1);
    let summary = run_with(one, vec![workflow(&jobs)]).await;
    assert_eq!(summary.exit_code(), 0, "{summary:?}");
    let numbers: Vec<_> = summary
        .jobs()
        .flat_map(|job| job.nodes.iter().map(|node| node.job_number.unwrap()))
        .collect();
    assert_eq!(numbers[0], numbers[1], "the nodes of a job share a number");
    assert_eq!(numbers[1], numbers[2]);
    let state = fake.state.lock().unwrap();
    let mut running = std::collections::BTreeSet::new();
    // Those of the first run come before.
    for line in &state.history[4..] {
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "start" => running.insert((words[1], words[2])),
            _ => running.remove(&(words[1], words[2])),
        };
        let jobs: std::collections::BTreeSet<_> = running.iter().map(|(job, _)| job).collect();
        assert!(jobs.len() <= 1, "{:?}", state.history);
    }
}

pub(crate) async fn a_canceled_run_ends_every_job() {
    let fake = Fake::start().await;
    let marker = marker();
    let endless = format!("      - run: (setsid sleep {marker} &); echo up; sleep {marker}\n");
    let jobs = [
        job("a", &[], &endless),
        job("b", &[], &endless),
        job("later", &["a"], &endless),
    ];
    let mut options = options(&fake, "", Path::new("/var/empty"));
    options.jobs_max = Some(2);
    let (cancel, up) = (options.cancel.clone(), Mutex::new(0));
    let summary = run_planned(options, vec![workflow(&jobs)], move |event| {
        if matches!(event, Event::Output { bytes, .. } if bytes.starts_with(b"up")) {
            let mut up = up.lock().unwrap();
            *up += 1;
            if *up == 2 {
                cancel.cancel();
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(summary.exit_code(), 1);
    assert!(summary.jobs().all(|job| job.end == JobEnd::Canceled));
    assert_eq!(processes(&marker), 0);
    let state = fake.state.lock().unwrap();
    for job in state.jobs.values() {
        assert_eq!(job.end.as_ref().unwrap().state, JobState::Canceled);
    }
}

pub(crate) async fn each_workflow_is_a_build_of_its_own() {
    let fake = Fake::start().await;
    let steps = "      - run: echo $CIRCLE_WORKFLOW_ID\n";
    let mut first = workflow(&[job("build", &[], steps), job("test", &["build"], steps)]);
    first.name = Some("first".to_owned());
    let mut second = workflow(&[job("build", &[], "      - run: exit 1\n")]);
    second.name = Some("second".to_owned());
    let summary = run(&fake, vec![first, second]).await;
    assert_eq!(summary.exit_code(), 1);
    let [first, second] = &summary.workflows[..] else {
        panic!("{summary:?}")
    };
    assert_eq!(
        (first.name.as_deref(), first.build.number),
        (Some("first"), 1)
    );
    assert_eq!(
        (second.name.as_deref(), second.build.number),
        (Some("second"), 2)
    );
    assert!(first.jobs.iter().all(JobSummary::passed));
    assert_eq!(second.jobs[0].end, JobEnd::Failed);
    let state = fake.state.lock().unwrap();
    assert_eq!(state.jobs["job-1-test-0"].output_text(0), "build-1\n");
}

pub(crate) async fn a_job_that_breaks_off_takes_the_others_with_it_and_all_are_ended() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().refused_job = Some("refused".to_owned());
    let marker = marker();
    let jobs = [
        job("long", &[], &format!("      - run: sleep {marker}\n")),
        job("refused", &[], "      - run: echo\n"),
        job("later", &["long"], "      - run: echo\n"),
    ];
    let mut options = options(&fake, "", Path::new("/var/empty"));
    options.jobs_max = Some(2);
    let error = run_planned(options, vec![workflow(&jobs)], |_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Refused { status: 403, .. }),
        "{error}"
    );
    assert_eq!(processes(&marker), 0);
    let state = fake.state.lock().unwrap();
    let end = |name: &str| {
        let job = &state.jobs[&format!("job-1-{name}-0")];
        job.end.as_ref().unwrap().state
    };
    assert_eq!(end("refused"), JobState::Failed);
    assert_eq!(end("long"), JobState::Canceled);
    assert_eq!(end("later"), JobState::Canceled);
}

/// A job with these steps, indented by six, that runs when those jobs have passed.
fn job(name: &str, requires: &[&str], steps: &str) -> WorkflowJob {
    let planned = plan("config.yml", &with_steps(steps), &Selection::default());
    let mut job = planned.unwrap().remove(0).jobs.remove(0);
    name.clone_into(&mut job.plan.job);
    job.requires = requires
        .iter()
        .map(|job| Requirement {
            job: (*job).to_owned(),
            ends: vec![JobEnd::Success],
        })
        .collect();
    job
}

fn workflow(jobs: &[WorkflowJob]) -> Workflow {
    Workflow {
        name: None,
        jobs: jobs.to_vec(),
        notices: Vec::new(),
    }
}

async fn run(fake: &Fake, workflows: Vec<Workflow>) -> RunSummary {
    run_with(options(fake, "", Path::new("/var/empty")), workflows).await
}

async fn run_with(options: RunOptions, workflows: Vec<Workflow>) -> RunSummary {
    run_planned(options, workflows, |_| {}).await.unwrap()
}
