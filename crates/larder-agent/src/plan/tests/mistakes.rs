//! Mistakes that people make, and inputs that mean harm: each is refused in words that help.

use super::refused;

fn build(steps: &str) -> String {
    format!("version: 2.1\njobs:\n  build:\n    machine: true\n    steps:\n{steps}")
}

fn flow(jobs: &str) -> String {
    format!(
        "version: 2.1\njobs:\n  build: {{parameters: {{v: {{type: string, default: a}}, n: {{type: integer, default: 1}}}}, steps: [checkout]}}\n\
         workflows:\n  main:\n    jobs:\n{jobs}"
    )
}

fn check(text: &str, place: &str, words: &str) {
    let said = refused(text);
    let expected = format!("config.yml:{place}");
    assert!(said.starts_with(&expected), "{place} in {said}");
    assert!(said.contains(words), "{words} in {said}");
}

/// Of a step that stands on line 6, from column 9 on.
#[test]
fn a_mistake_in_a_step_is_said_where_it_is() {
    for (step, place, words) in [
        ("run: {comand: a}", "6:15: ", "did you mean `command`"),
        ("run: {name: a}", "6:14: ", "`command` is missing"),
        ("run:", "6:9: ", "`run` is empty"),
        (
            "run:\n        command: a",
            "7:9: ",
            "indent what belongs to `run`",
        ),
        ("chekout", "6:9: ", "did you mean `checkout`"),
        (
            "store_artifact: {path: a}",
            "6:9: ",
            "did you mean `store_artifacts`",
        ),
        (
            "store_artifacts: {path: [a]}",
            "6:33: ",
            "expected a text, found a list",
        ),
        ("save_cache: {key: a}", "6:21: ", "`paths` is missing"),
        (
            "run: {command: a, background: maybe}",
            "6:39: ",
            "expected true or false, found `maybe`",
        ),
        (
            "run: echo << parameters.nmae >>",
            "6:22: ",
            "no parameter `nmae`",
        ),
        (
            "run: |\n          echo\n          echo << pipeline.git.brunch >>",
            "8:19: ",
            "did you mean `git.branch`",
        ),
        ("run: echo << foo.bar >>", "6:19: ", "`foo.bar` is no value"),
        ("run: echo << parameters.x", "6:19: ", "never closed"),
        (
            "run: a<<# parameters.x >>b<</ parameters.y >>",
            "6:15: ",
            "never closed",
        ),
        ("run: a<</ parameters.x >>", "6:15: ", "does not begin"),
        (
            "when: {condition: {or: []}, steps: []}",
            "6:32: ",
            "`or` is empty",
        ),
    ] {
        check(&build(&format!("      - {step}\n")), place, words);
    }
    check(
        &build("      run: make\n"),
        "6:7: ",
        "begin the line of each step with `- `",
    );
}

#[test]
fn a_mistake_in_a_condition_is_said_where_it_is() {
    for (step, place, words) in [
        ("when: {steps: []}", "6:15: ", "`condition` is missing"),
        (
            "when: {condition: {xor: []}, steps: []}",
            "6:28: ",
            "`xor` is not known",
        ),
        (
            "when: {condition: 'pipeline.git.branch = 1', steps: []}",
            "6:27: ",
            "expected `==`",
        ),
        (
            "when: {condition: 'pipeline.git.branch ==', steps: []}",
            "6:27: ",
            "found the end",
        ),
    ] {
        check(&build(&format!("      - {step}\n")), place, words);
    }
}

/// Of the job of a workflow that stands on line 7, from column 9 on.
#[test]
fn a_mistake_in_a_workflow_is_said_where_it_is() {
    for (job, place, words) in [
        ("biuld", "7:9: ", "did you mean `build`"),
        (
            "build: {n: two}",
            "7:20: ",
            "expected the type integer, found `two`",
        ),
        (
            "build: {v: 3}",
            "7:20: ",
            "expected the type string, found `3`",
        ),
        ("build: {w: 3}", "7:17: ", "no parameter `w`"),
        (
            "build: {filters: {branches: {only: '/(/'}}}",
            "7:44: ",
            "is no pattern",
        ),
        (
            "build: {filters: {branch: {only: a}}}",
            "7:27: ",
            "did you mean `branches`",
        ),
        (
            "build: {name: b, requires: [bild]}\n      - build",
            "7:37: ",
            "is no job of this workflow; did you mean `build`",
        ),
        (
            "build: {name: a, requires: [b]}\n      - build: {name: b, requires: [a]}",
            "7:9: ",
            "a → b → a",
        ),
        (
            "build\n        requires: [a]",
            "8:17: ",
            "cannot stand here",
        ),
        ("build:\n        requires: [a]", "8:9: ", "has one key"),
    ] {
        check(&flow(&format!("      - {job}\n")), place, words);
    }
}

#[test]
fn a_mistake_in_the_document_is_said_where_it_is() {
    for (text, place, words) in [
        ("jobs:\n\tbuild:\n", "3:1: ", "a tab"),
        (
            "jobs: {build: {stepps: [checkout]}}\n",
            "2:16: ",
            "did you mean `steps`",
        ),
        (
            "setup: true\njobs: {build: {steps: []}}\n",
            "2:8: ",
            "setup config",
        ),
        ("jobs: {build: {steps: *nothing}}\n", "2:", "anchor"),
        (
            "jobs: {build: {executor: nod, steps: []}}\nexecutors: {node: {machine: true}}\n",
            "2:26: ",
            "did you mean `node`",
        ),
        (
            "x: &a 1\njobs: {build: {<<: *a, steps: []}}\n",
            "3:16: ",
            "expected an alias of a map",
        ),
        (
            "jobs: {build: {steps: []}}\njobs: {}\n",
            "3:1: ",
            "a second time; the first is on line 2",
        ),
        (
            "jobs: {build: {parameters: {a: {type: int}}, steps: []}}\n",
            "2:",
            "expected one of string",
        ),
        (
            "jobs: {build: {docker: a, steps: []}}\n",
            "2:24: ",
            "`- image:`",
        ),
        (
            "jobs: {build: {parallelism: 100, steps: []}}\n",
            "2:29: ",
            "from 1 to 64",
        ),
        (
            "jobs: {build: {environment: {A: [1]}, steps: []}}\n",
            "2:33: ",
            "the variable `A`",
        ),
        (
            "jobs: {build: {steps: []}}\n---\na: 1\n",
            "3:1: ",
            "a second document",
        ),
        ("a: &a [*a]\n", "2:8: ", ""),
        (
            "orbs: {a: {jobs: {b: {steps: []}}}}\njobs: {build: {steps: [a/c]}}\n",
            "3:24: ",
            "has no command `c`",
        ),
    ] {
        check(&format!("version: 2.1\n{text}"), place, words);
    }
    check("", " ", "the config is empty");
    check("- a\n", "1:1: ", "a config is a map");
    check("version: 2.1\n", " ", "there are no jobs");
}

fn check_limit(text: &str, words: &str) {
    let said = refused(text);
    let start: String = said.chars().take(500).collect();
    assert!(said.contains(words), "{words} in {start}");
}

#[test]
fn commands_that_multiply_meet_a_named_limit() {
    let calls = |levels: usize, times: usize| -> String {
        let line = |level: usize| {
            let next = format!("c{}, ", level + 1).repeat(times);
            format!("  c{level}: {{steps: [{next}]}}\n")
        };
        (0..levels).map(line).collect()
    };
    let start = "version: 2.1\njobs: {build: {steps: [c0]}}\ncommands:\n";
    let doubling = format!("{start}{}", calls(30, 2));
    check_limit(
        &format!("{doubling}  c30: {{steps: []}}\n"),
        "values to look at",
    );
    check_limit(
        &format!("{doubling}  c30: {{steps: [checkout]}}\n"),
        "10000 steps",
    );
    let deep = format!("{start}{}  c60: {{steps: []}}\n", calls(60, 1));
    check_limit(&deep, "50 commands within each other");
}

#[test]
fn a_matrix_meets_a_named_limit() {
    let many: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let many = many.join(", ");
    let matrix = format!("{{parameters: {{a: [{many}], b: [{many}]}}}}");
    let text = format!(
        "version: 2.1\njobs: {{build: {{steps: []}}}}\nworkflows: {{m: {{jobs: [{{build: {{matrix: {matrix}}}}}]}}}}\n"
    );
    check_limit(&text, "2000 jobs");
}

#[test]
fn text_that_multiplies_meets_a_named_limit() {
    let long = "x".repeat(1_000);
    let command = |level: usize| {
        let next = level + 1;
        format!(
            "  c{level}:\n    parameters: {{t: {{type: string}}}}\n    \
             steps: [{{c{next}: {{t: '<< parameters.t >><< parameters.t >>'}}}}]\n"
        )
    };
    let commands: String = (0..15).map(command).collect();
    let text = format!(
        "version: 2.1\njobs: {{build: {{steps: [c0: {{t: {long}}}]}}}}\ncommands:\n{commands}  \
         c15:\n    parameters: {{t: {{type: string}}}}\n    steps: [{{run: << parameters.t >>}}]\n"
    );
    check_limit(&text, "bytes of text");
    // The same long command by an alias, again and again.
    let again = "{run: *long}, ".repeat(9_000);
    let text =
        format!("version: 2.1\nx: &long {long}{long}\njobs: {{build: {{steps: [{again}]}}}}\n");
    check_limit(&text, "16777216 bytes");
}

#[test]
fn what_is_deep_or_long_meets_a_named_limit() {
    let deep = "[".repeat(150) + &"]".repeat(150);
    check_limit(
        &format!("version: 2.1\njobs: {{build: {{steps: {deep}}}}}\n"),
        "100 lists and maps",
    );
    check_limit(&"#".repeat(1024 * 1024 + 1), "the limit is 1048576");
    let nots = "not ".repeat(60);
    check_limit(
        &build(&format!(
            "      - when: {{condition: '{nots} pipeline.number == 1', steps: []}}\n"
        )),
        "more than 50 parentheses",
    );
}

/// Each is small and well within YAML's own limits; what they come to is not.
#[test]
fn what_would_take_long_is_refused_soon() {
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| -> String { (0..count).map(line).collect() };
    let nested = |inner: &str| {
        let open = "{when: {condition: true, steps: [".repeat(25);
        format!("{open}{inner}{}", "]}}".repeat(25))
    };
    let commands = lines(40, &|n| {
        format!("  c{n}: {{steps: [{}]}}\n", nested(&format!("c{}", n + 1)))
    });
    check_limit(
        &format!(
            "version: 2.1\njobs: {{build: {{steps: [c0]}}}}\ncommands:\n{commands}  c40: {{steps: []}}\n"
        ),
        "100 lists of steps within each other",
    );
    let patterns = lines(1_200, &|n| format!("/(a+)+{n}/, "));
    check_limit(
        &flow(&format!(
            "      - build: {{filters: {{branches: {{only: [{patterns}]}}}}}}\n"
        )),
        "1000 patterns to try",
    );
    let columns = lines(60, &|n| format!("p{n}: [a], "));
    check_limit(
        &flow(&format!(
            "      - build: {{matrix: {{parameters: {{{columns}}}}}}}\n"
        )),
        "50 parameters",
    );
    let many = "      - build\n".repeat(1_400);
    let last = lines(600, &|n| {
        format!("      - build: {{name: k{n}, requires: [build]}}\n")
    });
    check_limit(&flow(&format!("{many}{last}")), "that is the limit");
    let empty = "'', ".repeat(1_000);
    let calls = "s, ".repeat(1_000);
    check_limit(
        &format!(
            "version: 2.1\ncommands: {{s: {{steps: [{{save_cache: {{key: a, paths: [{empty}]}}}}]}}}}\n\
             jobs: {{build: {{steps: [{calls}]}}}}\n"
        ),
        "bytes of text",
    );
    let variables = lines(20_000, &|n| format!("V{n}: , "));
    let jobs = lines(100, &|n| format!("  j{n}: {{executor: e, steps: []}}\n"));
    let names = lines(100, &|n| format!("j{n}, "));
    check_limit(
        &format!(
            "version: 2.1\nexecutors: {{e: {{environment: {{{variables}}}}}}}\njobs:\n{jobs}\
             workflows: {{all: {{jobs: [{names}]}}}}\n"
        ),
        "bytes of text",
    );
}
