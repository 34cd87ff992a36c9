use crate::plan::{ConfigError, Plan, Position, StepKind, When};
use std::time::Duration;

fn parse(text: &str) -> Result<Plan, ConfigError> {
    Plan::parse("config.yml", text, None)
}

fn refused(text: &str) -> String {
    parse(text).expect_err("the config is wrong").to_string()
}

fn with_steps(steps: &str) -> String {
    format!("version: 2.1\njobs:\n  build:\n    docker: [{{image: a}}]\n    steps:\n{steps}")
}

#[test]
fn the_documents_first_example_is_three_steps_in_tmp() {
    let plan = parse(include_str!("../../../../../samples/artifacts.yml")).unwrap();
    assert_eq!(plan.working_directory, "/tmp");
    let names: Vec<_> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Creating Dummy Artifacts",
            "Uploading artifacts",
            "Uploading artifacts"
        ]
    );
    let StepKind::StoreArtifacts(store) = &plan.steps[1].kind else {
        panic!("the second step stores artifacts")
    };
    assert_eq!(store.path, "/tmp/artifact-1");
    assert_eq!(store.destination.as_deref(), Some("artifact-file"));
    assert_eq!(plan.steps[1].when, When::Always);
    assert_eq!(plan.notices.len(), 1);
}

#[test]
fn the_core_dump_example_as_documented_is_refused_where_the_comment_ends_the_text() {
    let text = include_str!("../../../tests/fixtures/core-dump-as-documented.yml");
    let error = parse(text).unwrap_err();
    assert_eq!(
        error.position,
        Some(Position {
            line: 12,
            column: 11
        }),
        "{error}"
    );
    let said = error.to_string();
    assert!(said.starts_with("config.yml:12:11: "), "{said}");
    assert!(
        said.contains("12 |           ulimit -c unlimited\n   |           ^"),
        "{said}"
    );
    assert!(said.contains("line 11: this comment"), "{said}");
}

#[test]
fn the_core_dump_example_runs_once_its_comment_is_indented() {
    let plan = parse(include_str!("../../../../../samples/core-dump.yml")).unwrap();
    assert_eq!(plan.steps.len(), 5);
    let StepKind::Run(run) = &plan.steps[2].kind else {
        panic!("the third step runs a command")
    };
    assert!(run.command.starts_with("# tell the operating system"));
    assert!(run.command.ends_with("./dump\n"));
    assert_eq!(plan.steps[3].when, When::OnFail);
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let plan = parse(
        "version: 2\nx-base: &base\n  working_directory: ~/app\n  environment: {A: 1, B: 3.10}\n\
         jobs:\n  build:\n    <<: *base\n    steps: [checkout]\n",
    )
    .unwrap();
    assert_eq!(plan.working_directory, "~/app");
    let expected = [
        ("A".to_owned(), "1".to_owned()),
        ("B".to_owned(), "3.10".to_owned()),
    ];
    assert_eq!(plan.environment, expected);
}

#[test]
fn every_spelling_of_a_step_is_read() {
    let plan = parse(&with_steps(
        "      - checkout:\n      - checkout: {path: src}\n      - run: make\n      - run: false\n\
         \x20     - run: {command: ls, name: List, when: always, no_output_timeout: 1.5m, background: true}\n\
         \x20     - save_cache: {key: k, paths: [a]}\n      - setup_remote_docker\n",
    ))
    .unwrap();
    assert!(matches!(&plan.steps[0].kind, StepKind::Checkout(c) if c.path == "."));
    assert!(matches!(&plan.steps[1].kind, StepKind::Checkout(c) if c.path == "src"));
    assert!(matches!(&plan.steps[2].kind, StepKind::Run(r) if r.command == "make"));
    assert!(matches!(&plan.steps[3].kind, StepKind::Run(r) if r.command == "false"));
    assert!(matches!(&plan.steps[4].kind, StepKind::Run(r)
        if r.no_output_timeout == Duration::from_secs(90) && r.background));
    assert!(matches!(&plan.steps[5].kind, StepKind::SaveCache(save) if save.paths == ["a"]));
    assert!(
        matches!(&plan.steps[6].kind, StepKind::Unknown(name) if name == "setup_remote_docker")
    );
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_was_expected() {
    let check = |text: &str, place: &str, words: &str| {
        let said = refused(text);
        assert!(said.starts_with(&format!("config.yml:{place}")), "{said}");
        assert!(said.contains(words), "{words} in {said}");
    };
    check("version: 3\njobs: {}\n", "1:10: ", "expected 2, 2.0 or 2.1");
    check("jobs: {}\n", " ", "there is no `version`");
    check("version: 2\njobs: {}\n", " ", "there are no jobs");
    check("version: 2\njobs: {a: {steps: []}}\n", " ", "--job: a");
    check("version: 2\njobs: {build: {}}\n", "2:15: ", "no `steps`");
    check(
        &with_steps("      - run: {command: a, when: never}\n"),
        "6:33: ",
        "expected on_success",
    );
    check(&with_steps("      - run: {comand: a}\n"), "6:", "comand");
    check(
        &with_steps("      - run: {command: a, no_output_timeout: soon}\n"),
        "6:",
        "20m",
    );
    check(
        &with_steps("      - run: a\n        name: b\n"),
        "7:9: ",
        "indent what belongs",
    );
    check(
        &with_steps("      - store_artifacts: {path: a, destination: ../b}\n"),
        "6:",
        "`..`",
    );
    check(
        &with_steps("      - store_artifacts: {destination: a}\n"),
        "6:",
        "path",
    );
    check("version: 2\nversion: 2\n", "2:1: ", "version");
    check("version: 2\njobs: [1, 2]\n", "2:7: ", "expected a map");
}

#[test]
fn a_step_that_stores_has_a_path_and_perhaps_a_destination() {
    let stored = |text: &str| {
        let plan = parse(&with_steps(text)).unwrap();
        match &plan.steps[0].kind {
            StepKind::StoreArtifacts(store) => (store.path.clone(), store.destination.clone()),
            other => panic!("{other:?}"),
        }
    };
    let with = stored("      - store_artifacts: {path: out, destination: to}\n");
    assert_eq!(with, ("out".to_owned(), Some("to".to_owned())));
    let without = stored("      - store_artifacts: {path: out}\n");
    assert_eq!(without, ("out".to_owned(), None));
    let said = refused(&with_steps(
        "      - store_artifacts: {path: out, prefix: to}\n",
    ));
    assert!(said.starts_with("config.yml:6:"), "{said}");
    assert!(
        said.contains("prefix") && said.contains("destination"),
        "{said}"
    );
}

#[test]
fn what_only_circleci_can_expand_is_refused_with_the_command_that_helps() {
    let said = refused(&with_steps("      - node/install\n"));
    assert!(said.contains("circleci config process"), "{said}");
    // A here-document is not a template, and in version 2 nothing is.
    parse(&with_steps(
        "      - run: |\n          cat <<EOF >>x\n          parameters.x\n          EOF\n",
    ))
    .unwrap();
    parse("version: 2\njobs: {build: {steps: [{run: 'echo << parameters.x >>'}]}}").unwrap();
}

#[test]
fn hostile_texts_are_refused_within_their_budget() {
    assert!(refused(&" ".repeat(1024 * 1024 + 1)).contains("the limit is"));
    refused(&"[".repeat(100_000));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(",");
        bomb =
            bomb + "a" + &level.to_string() + ": &a" + &level.to_string() + " [" + &inner + "]\n";
    }
    bomb.push_str("version: 2\njobs: {build: {steps: [checkout]}}\n");
    refused(&bomb);
}
