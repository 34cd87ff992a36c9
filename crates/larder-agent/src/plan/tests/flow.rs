//! Workflows: order, requirements, filters, matrices, approvals, and what the caller selects.

use super::{all, commands_of, on_branch, planned, refused, refused_for};
use crate::plan::{JobEnd, Selection, Workflow};

const JOBS: &str = "
version: 2.1
jobs:
  build: {steps: [{run: build}]}
  test:
    parameters:
      version: {type: string, default: '1'}
      os: {type: string, default: linux}
    steps: [{run: test << parameters.version >> << parameters.os >>}]
  deploy: {steps: [{run: deploy}]}
";

fn flow(jobs: &str) -> String {
    let indented = jobs.replace('\n', "\n      ");
    format!("{JOBS}workflows:\n  version: 2\n  main:\n    jobs:\n      {indented}\n")
}

/// Each job with what it waits for: `deploy<test,build`.
fn shape(workflow: &Workflow) -> Vec<String> {
    workflow
        .jobs
        .iter()
        .map(|job| {
            let requires: Vec<_> = job.requires.iter().map(|one| one.job.as_str()).collect();
            match requires.as_slice() {
                [] => job.plan.job.clone(),
                names => format!("{}<{}", job.plan.job, names.join(",")),
            }
        })
        .collect()
}

fn check(jobs: &str, expected: &[&str]) {
    let workflows = all(&flow(jobs));
    assert_eq!(shape(&workflows[0]), expected, "{jobs}");
}

#[test]
fn jobs_come_after_what_they_wait_for() {
    check(
        "- deploy: {requires: [test, build]}\n- test: {requires: [build]}\n- build",
        &["build", "test<build", "deploy<test,build"],
    );
    check(
        "- build: {name: first}\n- deploy: {requires: [first]}",
        &["first", "deploy<first"],
    );
    check(
        "- build\n- deploy: {requires: build}",
        &["build", "deploy<build"],
    );
}

#[test]
fn a_matrix_is_a_job_for_each_combination_in_the_order_of_its_names() {
    check(
        "- test:\n    matrix:\n      parameters: {version: ['0.1', '0.2'], os: [macos, linux]}\n      exclude: [{version: '0.2', os: linux}]\n- deploy: {requires: [test]}",
        &[
            "test-macos-0.1",
            "test-macos-0.2",
            "test-linux-0.1",
            "deploy<test-macos-0.1,test-macos-0.2,test-linux-0.1",
        ],
    );
    check(
        "- test:\n    name: t-<< matrix.version >>\n    matrix: {alias: tests, parameters: {version: ['1', '2']}}\n- deploy: {requires: [tests]}\n- build: {requires: [t-2]}",
        &["t-1", "t-2", "deploy<t-1,t-2", "build<t-2"],
    );
    let workflows = all(&flow(
        "- test:\n    matrix: {parameters: {version: ['7']}}\n    os: << matrix.version >>",
    ));
    assert_eq!(commands_of(&workflows[0].jobs[0].plan), ["test 7 7"]);
    check(
        "- build\n- build\n- deploy: {requires: [build]}",
        &["build-1", "build-2", "deploy<build-1,build-2"],
    );
}

#[test]
fn requirements_say_how_a_job_must_end() {
    let text = flow(
        "- build\n- test: {requires: [{build: failed}]}\n- deploy: {requires: [{build: [success, canceled]}, {test: terminal}]}",
    );
    let workflows = all(&text);
    let ends: Vec<_> = workflows[0]
        .jobs
        .iter()
        .flat_map(|job| &job.requires)
        .map(|one| one.ends.clone())
        .collect();
    assert_eq!(ends[0], [JobEnd::Failed]);
    assert_eq!(ends[1], [JobEnd::Success, JobEnd::Canceled]);
    assert_eq!(
        ends[2],
        [
            JobEnd::Success,
            JobEnd::Failed,
            JobEnd::Canceled,
            JobEnd::NotRun
        ]
    );
    let said = refused(&flow("- build\n- test: {requires: [{build: faild}]}"));
    assert!(said.contains("expected success, failed"), "{said}");
}

#[test]
fn an_approval_hands_on_what_it_waits_for() {
    let workflows = all(&flow(
        "- build\n- hold: {type: approval, requires: [build]}\n- hold2: {type: approval, requires: [hold]}\n- deploy: {requires: [hold2]}",
    ));
    assert_eq!(shape(&workflows[0]), ["build", "deploy<build"]);
    let said = workflows[0].notices.join("\n");
    assert!(
        said.contains("`hold` is approved: you are the one who runs it"),
        "{said}"
    );
}

#[test]
fn a_no_op_job_is_there_to_be_waited_for() {
    let workflows = all(&flow("- gate: {type: no-op}\n- deploy: {requires: [gate]}"));
    assert_eq!(shape(&workflows[0]), ["gate", "deploy<gate"]);
    assert!(workflows[0].jobs[0].plan.steps.is_empty());
}

#[test]
fn filters_keep_jobs_out_and_all_that_wait_for_them() {
    let kept = |filters: &str, branch: Option<&str>, tag: Option<&str>| {
        let text = flow(&format!(
            "- build: {{filters: {filters}}}\n- deploy: {{filters: {{tags: {{only: /.*/}}}}, requires: [build]}}\n- test: {{filters: {{tags: {{only: /.*/}}}}}}"
        ));
        let selection = Selection {
            branch: branch.map(str::to_owned),
            tag: tag.map(str::to_owned),
            ..Selection::default()
        };
        let jobs = shape(&planned(&text, &selection)[0]);
        assert_eq!(
            jobs.len() % 2,
            1,
            "build and deploy come and go together: {jobs:?}"
        );
        jobs.len() == 3
    };
    for (filters, branch, expected) in [
        ("{branches: {only: main}}", "main", true),
        ("{branches: {only: main}}", "other", false),
        ("{branches: {only: [a, /rel.*/]}}", "release", true),
        ("{branches: {only: /rel/}}", "release", false),
        ("{branches: {ignore: /rel.*/}}", "release", false),
        ("{branches: {ignore: [x]}}", "release", true),
        ("{branches: {only: '/^(?!skip).*$/'}}", "skip-this", false),
        ("{branches: {only: '/^(?!skip).*$/'}}", "run-this", true),
        ("{branches: {only: '/feature\\/.*/'}}", "feature/x", true),
        ("{tags: {only: v1}}", "main", true),
        (
            "pipeline.git.branch == \"main\" or pipeline.git.branch starts-with \"dep\"",
            "depend",
            true,
        ),
        ("pipeline.git.branch == \"main\"", "other", false),
    ] {
        assert_eq!(
            kept(filters, Some(branch), None),
            expected,
            "{filters} {branch}"
        );
    }
    for (filters, tag, expected) in [
        ("{branches: {only: main}}", "v1", false),
        ("{tags: {only: /v.*/}}", "v1", true),
        (
            "{tags: {only: /v.*/}, branches: {ignore: /.*/}}",
            "v1",
            true,
        ),
        ("{tags: {ignore: /v.*/}}", "v1", false),
    ] {
        assert_eq!(kept(filters, None, Some(tag)), expected, "{filters} {tag}");
    }
}

#[test]
fn what_is_left_out_is_named_when_nothing_is_left() {
    let text =
        flow("- build: {filters: {branches: {only: release}}}\n- deploy: {requires: [build]}")
            + "  second: {when: {equal: [dev, << pipeline.git.branch >>]}, jobs: [test]}\n\
           \x20 nightly: {triggers: [{schedule: {cron: '0 0 * * *'}}], jobs: [test]}\n";
    let said = refused(&text);
    for part in [
        "job `build`: its `branches` (line 15) leave out the branch `main`",
        "job `deploy`: it requires `build`",
        "workflow `second`: its `when` (line 17) does not hold",
        "workflow `nightly`: it is run by a schedule",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let only = |workflow: &str| Selection {
        workflow: Some(workflow.to_owned()),
        ..on_branch("main")
    };
    for name in ["second", "nightly"] {
        let workflows = planned(&text, &only(name));
        assert_eq!(workflows[0].name.as_deref(), Some(name));
        assert_eq!(shape(&workflows[0]), ["test"]);
    }
    let said = refused_for(&text, &only("secnd"));
    assert!(said.contains("did you mean `second`"), "{said}");
}

#[test]
fn filters_by_branch_without_a_branch_are_said_not_to_apply() {
    let text = flow("- build: {filters: {branches: {only: release}}}\n- test");
    let said = |selection: &Selection| planned(&text, selection)[0].notices.join("\n");
    let nowhere = said(&Selection::default());
    assert!(nowhere.contains("--branch NAME applies them"), "{nowhere}");
    assert_eq!(said(&on_branch("release")), "");
}

#[test]
fn every_workflow_runs_whose_conditions_hold() {
    let text = format!(
        "{JOBS}workflows:\n  a: {{when: << pipeline.git.branch.is_default >>, jobs: [build]}}\n  \
         b: {{unless: pipeline.git.branch == 'main', jobs: [test]}}\n  c: {{jobs: [deploy]}}\n"
    );
    let names = |branch: &str| -> Vec<String> {
        let workflows = planned(&text, &on_branch(branch));
        workflows
            .into_iter()
            .filter_map(|workflow| workflow.name)
            .collect()
    };
    assert_eq!(names("main"), ["a", "c"]);
    assert_eq!(names("dev"), ["b", "c"]);
}

#[test]
fn steps_of_the_workflow_stand_around_the_jobs_own() {
    let workflows = all(&flow(
        "- build:\n    pre-steps: [{run: before}]\n    post-steps: [{run: after, }]\n    context: [org]\n    serial-group: x\n    max_auto_reruns: 2",
    ));
    assert_eq!(
        commands_of(&workflows[0].jobs[0].plan),
        ["before", "build", "after"]
    );
    assert!(
        workflows[0].notices[0].contains("contexts"),
        "{:?}",
        workflows[0].notices
    );
}

#[test]
fn one_job_by_name_has_what_its_workflow_gives_it() {
    let text = flow(
        "- test: {name: unit, version: '9', filters: {branches: {only: never}}}\n- test:\n    name: m-<< matrix.os >>\n    matrix: {parameters: {os: [a, b]}}\n- hold: {type: approval}",
    ) + "  other: {jobs: [{test: {name: twice, version: '1'}}]}\n  third: {jobs: [{test: {name: twice, version: '2'}}]}\n";
    let alone = |name: &str| Selection {
        job: Some(name.to_owned()),
        ..on_branch("main")
    };
    let command = |name: &str| {
        let workflows = planned(&text, &alone(name));
        assert_eq!(workflows[0].name, None);
        assert_eq!(workflows[0].jobs.len(), 1);
        commands_of(&workflows[0].jobs[0].plan).join(";")
    };
    assert_eq!(command("unit"), "test 9 linux");
    assert_eq!(command("m-b"), "test 1 b");
    assert_eq!(command("deploy"), "deploy");
    let said = |name: &str, part: &str| {
        let said = refused_for(&text, &alone(name));
        assert!(said.contains(part), "{part} in {said}");
    };
    said("test", "unit, m-a, m-b");
    said("twice", "--workflow: other, third");
    said("hold", "approval");
    said("buid", "did you mean `build`");
    let mut selection = alone("twice");
    selection.workflow = Some("third".to_owned());
    let workflows = planned(&text, &selection);
    assert_eq!(commands_of(&workflows[0].jobs[0].plan), ["test 2 linux"]);
}

#[test]
fn a_job_of_version_2_knows_its_branches() {
    let text =
        "version: 2\njobs:\n  build:\n    branches: {ignore: gh-pages}\n    steps: [{run: a}]\n";
    assert_eq!(shape(&all(text)[0]), ["build"]);
    let said = refused_for(text, &on_branch("gh-pages"));
    assert!(said.contains("leave out the branch `gh-pages`"), "{said}");
}

#[test]
fn parameters_of_the_pipeline_come_from_the_caller() {
    let text = "version: 2.1\nparameters:\n  n: {type: integer, default: 1}\n  on: {type: boolean, default: false}\n  w: {type: string, default: ''}\n\
        jobs: {build: {parallelism: << pipeline.parameters.n >>, steps: [{run: 'w<< pipeline.parameters.w >>'}, {when: {condition: << pipeline.parameters.on >>, steps: [{run: on}]}}]}}\n";
    let given = |pairs: &[(&str, &str)]| Selection {
        parameters: pairs
            .iter()
            .map(|&(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        ..on_branch("main")
    };
    let plan = planned(text, &given(&[("n", "3"), ("on", "true"), ("w", "7")]))
        .remove(0)
        .jobs
        .remove(0)
        .plan;
    assert_eq!(plan.parallelism, 3);
    assert_eq!(commands_of(&plan), ["w7", "on"]);
    let said = refused_for(text, &given(&[("n", "many")]));
    assert!(
        said.contains("expected the type integer, found `many`"),
        "{said}"
    );
    let said = refused_for(text, &given(&[("m", "1")]));
    assert!(
        said.contains("did you mean `n`") || said.contains("n, on, w"),
        "{said}"
    );
}

#[test]
fn a_job_may_be_overridden_by_one_of_an_orb_in_the_config() {
    let text = flow("- build: {override-with: tools/other}\n- deploy: {override-with: away/other}")
        + "orbs:\n  away: a/b@1\n  tools: {jobs: {other: {steps: [{run: other}]}}}\n";
    let workflows = all(&text);
    assert_eq!(shape(&workflows[0]), ["build", "deploy"]);
    assert_eq!(commands_of(&workflows[0].jobs[0].plan), ["other"]);
    assert_eq!(commands_of(&workflows[0].jobs[1].plan), ["deploy"]);
    let said = workflows[0].notices.join("\n");
    assert!(said.contains("`away/other` is not here"), "{said}");
}
