//! Parameters, commands, executors, orbs inside the config, conditions.

use super::{commands_of, job, refused, step_names};
use crate::plan::{Plan, StepKind, When};

#[test]
fn parameters_are_filled_in_and_keep_their_types() {
    let plan = job(r"
version: 2.1
parameters:
  image: {type: string, default: cimg/base}
jobs:
  build:
    parameters:
      nodes: {type: integer, default: 2}
      quiet: {type: boolean, default: true}
      color: {type: enum, enum: [red, blue], default: blue}
      variable: {type: env_var_name, default: MY_TOKEN}
    docker: [{image: << pipeline.parameters.image >>}]
    parallelism: << parameters.nodes >>
    environment:
      IMAGE: << pipeline.parameters.image >>
      QUIET: << parameters.quiet >>
      YES: yes
      VERSION: 3.10
    steps:
      - run:
          command: echo <<parameters.color>> << parameters.quiet >> $<< parameters.variable >>
          background: << parameters.quiet >>
      - run: |
          cat <<EOF > file
          EOF
          cat <<-EOF >> file
          EOF
          cat <<< text >> file
          echo \<< parameters.color >>
");
    assert_eq!(plan.parallelism, 2);
    let value = |name: &str| {
        plan.environment
            .iter()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(value("IMAGE"), "cimg/base");
    assert_eq!(value("QUIET"), "true");
    assert_eq!(value("YES"), "yes");
    assert_eq!(value("VERSION"), "3.10");
    let commands = commands_of(&plan);
    assert_eq!(commands[0], "echo blue true $MY_TOKEN");
    assert!(commands[1].contains("cat <<EOF > file\n"));
    assert!(commands[1].contains("cat <<-EOF >> file\n"));
    assert!(commands[1].contains("cat <<< text >> file\n"));
    assert!(commands[1].contains("echo << parameters.color >>\n"));
    assert!(matches!(&plan.steps[0].kind, StepKind::Run(run) if run.background));
}

#[test]
fn nothing_is_filled_in_before_version_2_1() {
    let plan = job("version: 2\njobs: {build: {steps: [{run: 'echo << parameters.x >> \\<< y'}]}}");
    assert_eq!(commands_of(&plan), ["echo << parameters.x >> \\<< y"]);
}

#[test]
fn merge_keys_give_way_to_own_keys_and_to_earlier_ones() {
    let plan = job(r"
version: 2
x-one: &one {A: one, B: one, C: one}
x-two: &two {B: two, D: two}
x-run: &run {name: Shared, command: shared}
jobs:
  build:
    environment:
      A: own
      <<: [*two, *one]
    steps:
      - run: {<<: *run, command: own}
      - run:
          <<: *run
          <<: {shell: /bin/sh}
");
    let mut pairs: Vec<_> = plan
        .environment
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    pairs.sort();
    assert_eq!(pairs, ["A=own", "B=two", "C=one", "D=two"]);
    assert_eq!(commands_of(&plan), ["own", "shared"]);
    assert_eq!(step_names(&plan), ["Shared", "Shared"]);
    assert!(
        matches!(&plan.steps[1].kind, StepKind::Run(run) if run.shell.as_deref() == Some("/bin/sh"))
    );
}

#[test]
fn commands_stand_in_the_place_of_their_names() {
    let plan = job(r"
version: 2.1
commands:
  greet:
    parameters:
      to: {type: string}
      after: {type: steps, default: []}
    steps:
      - run: echo hello << parameters.to >>
      - steps: << parameters.after >>
  all:
    parameters: {who: {type: string, default: you}}
    steps:
      - greet: {to: << parameters.who >>}
      - greet:
          to: me
          after:
            - run: echo after << parameters.who >>
            - when:
                condition: << parameters.who >>
                steps: [{run: echo inner}]
  checkout:
    steps: [{run: echo before}, checkout]
jobs:
  build:
    steps:
      - checkout
      - all
");
    let names = step_names(&plan);
    assert_eq!(
        names,
        [
            "echo before",
            "Checkout code",
            "echo hello you",
            "echo hello me",
            "echo after you",
            "echo inner"
        ]
    );
}

#[test]
fn a_command_that_calls_itself_is_refused_with_its_circle() {
    let said = refused(
        "version: 2.1\ncommands:\n  a: {steps: [b]}\n  b: {steps: [{when: {condition: true, steps: [a]}}]}\n\
         jobs: {build: {steps: [a]}}\n",
    );
    assert!(said.contains("a → b → a"), "{said}");
    let said = refused(
        "version: 2.1\ncommands:\n  a: {parameters: {s: {type: steps, default: [a]}}, steps: []}\n\
         jobs: {build: {steps: [a]}}\n",
    );
    assert!(said.contains("a → a"), "{said}");
}

#[test]
fn executors_bring_their_surroundings_along_and_take_arguments() {
    let text = r"
version: 2.1
executors:
  node:
    parameters: {version: {type: string, default: '18'}}
    docker:
      - image: cimg/node:<< parameters.version >>
        environment: {NODE: << parameters.version >>, A: image}
      - image: postgres
        environment: {PG: 1}
    environment: {A: executor, B: executor}
    working_directory: ~/node
    shell: /bin/sh
  small: {machine: true, resource_class: small}
jobs:
  build:
    executor: {name: node, version: '20'}
    environment: [{B: job}, C=job]
    working_directory: ~/own
    steps: [checkout]
  pick:
    parameters: {on: {type: executor, default: node}}
    executor: << parameters.on >>
    steps: [{run: echo << parameters.on >>}]
";
    let plan = job(text);
    let pairs: Vec<_> = plan
        .environment
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(
        pairs,
        [
            "NODE=20",
            "A=image",
            "A=executor",
            "B=executor",
            "B=job",
            "C=job"
        ]
    );
    assert_eq!(plan.working_directory, "~/own");
    assert_eq!(plan.shell.as_deref(), Some("/bin/sh"));
    assert_eq!(plan.notices.len(), 1);
    let plan = Plan::parse("config.yml", text, Some("pick")).unwrap();
    assert_eq!(plan.working_directory, "~/node");
    assert_eq!(commands_of(&plan), ["echo node"]);
}

#[test]
fn orbs_inside_the_config_use_their_own_names() {
    let text = r"
version: 2.1
orbs:
  outside: circleci/node@5
  tools:
    orbs:
      inner:
        commands: {say: {steps: [{run: echo inner}]}}
    executors: {box: {machine: true, working_directory: /orb}}
    commands:
      wrap:
        parameters: {body: {type: steps}}
        steps: [{run: echo begin}, {steps: << parameters.body >>}, own, inner/say]
      own: {steps: [{run: echo orbs own}]}
    jobs:
      work:
        parameters: {on: {type: executor, default: box}}
        executor: << parameters.on >>
        steps: [own]
commands:
  own: {steps: [{run: echo configs own}]}
executors: {mine: {machine: true, working_directory: /mine}}
jobs:
  build:
    executor: tools/box
    steps:
      - tools/wrap: {body: [own]}
  uses:
    steps: [outside/install]
workflows:
  main:
    jobs:
      - build
      - tools/work: {name: with-mine, on: mine}
      - tools/work: {name: with-box}
";
    let plan = Plan::parse("config.yml", text, Some("build")).unwrap();
    assert_eq!(plan.working_directory, "/orb");
    assert_eq!(
        commands_of(&plan),
        [
            "echo begin",
            "echo configs own",
            "echo orbs own",
            "echo inner"
        ]
    );
    let workflows = super::all(text);
    let folders: Vec<_> = workflows[0]
        .jobs
        .iter()
        .map(|job| job.plan.working_directory.as_str())
        .collect();
    assert_eq!(folders, ["/orb", "/mine", "/orb"]);
    let said = Plan::parse("config.yml", text, Some("uses"))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("circleci/node@5") && said.contains("circleci config process"),
        "{said}"
    );
    assert!(said.starts_with("config.yml:29:13: "), "{said}");
}

/// Conditions on a branch `main` with the parameters of the sample below.
#[test]
fn conditions_are_decided_when_planning() {
    let holds = |condition: &str, wanted: bool| {
        let text = format!(
            "version: 2.1\nparameters: {{flag: {{type: boolean, default: false}}, word: {{type: string, default: abc}}}}\n\
             jobs:\n  build:\n    steps:\n      - when:\n          condition: {condition}\n          steps: [{{run: a}}]\n      \
             - unless:\n          condition: {condition}\n          steps: [{{run: b}}]\n"
        );
        let plan = super::alone_on(&text, "build", "main");
        let expected = if wanted { "a" } else { "b" };
        assert_eq!(step_names(&plan), [expected], "{condition}");
    };
    for (condition, wanted) in [
        ("true", true),
        ("no", false),
        ("0", false),
        ("''", false),
        ("null", false),
        ("some text", true),
        ("<< pipeline.parameters.flag >>", false),
        ("<< pipeline.parameters.word >>", true),
        ("<< pipeline.git.tag >>", false),
        ("{not: << pipeline.parameters.flag >>}", true),
        ("{and: [true, << pipeline.parameters.word >>]}", true),
        ("{and: [true, false]}", false),
        (
            "{or: [false, {equal: [main, << pipeline.git.branch >>]}]}",
            true,
        ),
        ("{equal: [1, 1, 2]}", false),
        ("{equal: [webhook, << pipeline.trigger_source >>]}", true),
        (
            "{matches: {pattern: '^ma.n$', value: << pipeline.git.branch >>}}",
            true,
        ),
        (
            "{matches: {pattern: '^(?!main).*$', value: << pipeline.git.branch >>}}",
            false,
        ),
        (
            "pipeline.git.branch == \"main\" and not pipeline.parameters.flag",
            true,
        ),
        (
            "pipeline.git.branch != 'main' or pipeline.parameters.word starts-with 'ab'",
            true,
        ),
        ("not (pipeline.git.branch == 'main')", false),
        ("pipeline.number >= 1 && pipeline.git.branch =~ /^m/", true),
        (
            "<< pipeline.git.branch == \"main\" and pipeline.git.branch.is_default >>",
            true,
        ),
        ("pipeline.parameters.flag", false),
        ("not pipeline.git.branch == 'main'", false),
        ("not pipeline.parameters.flag == true", true),
        ("pipeline.number == '1'", false),
        ("pipeline.number == 1", true),
        ("{equal: ['1', << pipeline.number >>]}", false),
        ("{equal: ['', << pipeline.git.tag >>]}", true),
        (
            "{matches: {pattern: 'mai', value: << pipeline.git.branch >>}}",
            false,
        ),
    ] {
        holds(condition, wanted);
    }
}

#[test]
fn every_step_of_the_language_is_read() {
    let plan = job(r"
version: 2.1
jobs:
  build:
    steps:
      - checkout: {path: src, method: blobless}
      - restore_cache: {key: v1}
      - restore_cache: {keys: [a, b], name: Get}
      - save_cache: {key: v1, paths: [x, y], when: always}
      - persist_to_workspace: {root: ., paths: dist}
      - attach_workspace: {at: /tmp/ws}
      - store_test_results: {path: out}
      - store_artifacts: {path: out, when: on_fail}
      - deploy: {command: ship}
      - add_ssh_keys: {fingerprints: [a]}
      - setup_remote_docker
      - run: {command: a, when: on_fail, max_auto_reruns: 3, auto_rerun_delay: 10s}
      - unheard_of_step
");
    let seen: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.when))
        .collect();
    let expected = [
        ("Checkout code", When::OnSuccess),
        ("Restoring Cache", When::OnSuccess),
        ("Get", When::OnSuccess),
        ("Saving Cache", When::Always),
        ("Persisting to Workspace", When::OnSuccess),
        ("Attaching Workspace", When::OnSuccess),
        ("Uploading test results", When::Always),
        ("Uploading artifacts", When::OnFail),
        ("ship", When::OnSuccess),
        ("add_ssh_keys", When::OnSuccess),
        ("setup_remote_docker", When::OnSuccess),
        ("a", When::OnFail),
        ("unheard_of_step", When::OnSuccess),
    ];
    assert_eq!(seen, expected);
    let unknown = plan
        .steps
        .iter()
        .filter(|step| matches!(step.kind, StepKind::Unknown(_)));
    assert_eq!(unknown.count(), 3);
    assert!(
        matches!(&plan.steps[2].kind, StepKind::RestoreCache(cache) if cache.keys == ["a", "b"])
    );
    assert!(matches!(&plan.steps[4].kind, StepKind::PersistToWorkspace(p) if p.paths == ["dist"]));
}

#[test]
fn an_expression_has_the_value_of_one_of_its_sides() {
    let text = r#"
version: 2.1
jobs:
  build:
    parallelism: << pipeline.git.branch == "main" and 10 or 1 >>
    steps:
      - run: echo "<< pipeline.git.tag or "no tag" >>" << pipeline.git.branch >>
"#;
    let plan = super::alone_on(text, "build", "main");
    assert_eq!(plan.parallelism, 10);
    assert_eq!(commands_of(&plan), ["echo \"no tag\" main"]);
    assert_eq!(super::alone_on(text, "build", "dev").parallelism, 1);
}

#[test]
fn an_executor_is_compared_with_what_it_says() {
    let text = r"
version: 2.1
executors:
  linux: {docker: [{image: a}]}
  macos: &mac {macos: {xcode: 15.0.0}}
jobs:
  test:
    parameters: {os: {type: executor}}
    executor: << parameters.os >>
    steps:
      - when: {condition: {equal: [*mac, << parameters.os >>]}, steps: [{run: mac}]}
      - when: {condition: {equal: [linux, << parameters.os >>]}, steps: [{run: linux}]}
workflows: {all: {jobs: [{test: {matrix: {parameters: {os: [linux, macos]}}}}]}}
";
    let workflows = super::all(text);
    let steps: Vec<_> = workflows[0]
        .jobs
        .iter()
        .map(|job| commands_of(&job.plan))
        .collect();
    assert_eq!(steps, [["linux"], ["mac"]]);
}
