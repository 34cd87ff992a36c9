//! Where the program meets the world: the environment, the time, and memory without the compiler's care.

use super::Violation;
use super::rust_text::RustText;
use super::tree::{File, Tree};

/// A file or a folder (ending in `/`) in which something is allowed.
type Places = &'static [&'static str];

/// The server's configuration and the command line; xtask is a command line of its own, and the harness runs in tests.
const READ_ENVIRONMENT: Places = &[
    "crates/larder-harness/src/",
    "crates/larder-server/src/config.rs",
    "crates/larder-server/src/config/",
    "crates/larder/src/",
    "crates/xtask/src/",
];

/// The wall clock has one reader.
const READ_TIME: Places = &["crates/larder-core/src/clock.rs"];

/// A stopwatch is allowed where a socket or a child process is waited for, or where it is only reported how
/// long something took: these measure real waiting, which a clock that a test sets cannot do.
const READ_STOPWATCH: Places = &[
    "crates/larder-core/src/clock.rs",
    "crates/larder-core/src/metadata/mod.rs",
    "crates/larder-server/src/listener/",
    "crates/larder-server/src/listener.rs",
    "crates/larder-server/src/http/request_log.rs",
    "crates/larder-agent/src/",
    "crates/larder-harness/src/",
    "crates/larder/src/",
    "crates/xtask/src/",
];

/// The modules that may hold `unsafe`, each with the reason that no safe call does the same.
const HOLD_UNSAFE: &[(&str, &str)] = &[(
    "crates/larder-agent/src/run/sandbox/",
    "entering a namespace between fork and exec has no safe form",
)];

const ENVIRONMENT: &[&str] = &[
    "env::var",
    "env::vars",
    "env::var_os",
    "env::vars_os",
    "env::set_var",
    "env::remove_var",
];
const TIME: &[&str] = &[
    "SystemTime::now",
    "OffsetDateTime::now_utc",
    "OffsetDateTime::now_local",
    "UtcDateTime::now",
    "Utc::now",
    "Local::now",
];
const STOPWATCH: &[&str] = &["Instant::now"];

/// Only configuration and the command line read the environment.
pub(super) fn environment_is_read_at_the_edge(tree: &Tree) -> Vec<Violation> {
    let advice =
        "only the server's config.rs and the command line read the environment; hand the value in";
    let mut violations =
        in_product_code(tree, "environment", ENVIRONMENT, READ_ENVIRONMENT, advice);
    let grouped = tree
        .rust()
        .filter(|(file, _)| !is_in(file, READ_ENVIRONMENT) && !file.is_test());
    for (file, rust) in grouped {
        let lines = rust.lines_with("env").into_iter().filter(|&line| {
            let code = rust.code.lines().nth(line - 1).unwrap_or_default();
            code.contains("env::{") && code.contains("var") && !rust.is_test_line(line)
        });
        violations.extend(lines.map(|line| violation(file, line, "environment", advice)));
    }
    violations
}

/// Only `clock.rs` reads the time; a stopwatch has a few more places.
pub(super) fn time_comes_from_the_clock(tree: &Tree) -> Vec<Violation> {
    let advice = "only clock.rs reads the time; take a `Clock` or a `Timestamp` as a parameter";
    let mut violations = in_product_code(tree, "time", TIME, READ_TIME, advice);
    let advice =
        "measure only what is waited for (the list is in tidy/effects.rs); else take a `Clock`";
    violations.extend(in_product_code(
        tree,
        "time",
        STOPWATCH,
        READ_STOPWATCH,
        advice,
    ));
    violations
}

/// `unsafe` stands only in the modules listed above.
pub(super) fn unsafe_code_is_listed(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        if HOLD_UNSAFE
            .iter()
            .any(|(place, _)| file.path.starts_with(place))
        {
            continue;
        }
        let advice = "find the safe call, or list the module with its reason in tidy/effects.rs";
        let lines = rust.lines_with("unsafe").into_iter();
        violations.extend(lines.map(|line| violation(file, line, "unsafe", advice)));
    }
    violations
}

fn in_product_code(
    tree: &Tree,
    rule: &'static str,
    words: &[&str],
    allowed: Places,
    advice: &str,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree
        .rust()
        .filter(|(file, _)| !is_in(file, allowed) && !file.is_test())
    {
        for line in product_lines(rust, words) {
            violations.push(violation(file, line, rule, advice));
        }
    }
    violations
}

fn product_lines(rust: &RustText, words: &[&str]) -> Vec<usize> {
    let lines = words.iter().flat_map(|word| rust.lines_with(word));
    lines.filter(|&line| !rust.is_test_line(line)).collect()
}

fn is_in(file: &File, places: Places) -> bool {
    places
        .iter()
        .any(|place| file.path == *place || place.ends_with('/') && file.path.starts_with(place))
}

fn violation(file: &File, line: usize, rule: &'static str, advice: &str) -> Violation {
    Violation {
        file: file.path.clone(),
        line,
        rule,
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Rule, violations};

    fn check(rule: Rule, file: &str, code: &str, broken: bool) {
        let found = violations(rule, &[(file, code)]);
        assert_eq!(
            found.len(),
            usize::from(broken),
            "{file}: {code}: {found:?}"
        );
    }

    #[test]
    fn the_environment_is_read_at_the_edge() {
        let rule = environment_is_read_at_the_edge;
        let code = "let home = std::env::var_os(\"HOME\");";
        check(rule, "crates/larder-core/src/store.rs", code, true);
        check(
            rule,
            "crates/larder-server/src/app.rs",
            "for x in env::vars() {}",
            true,
        );
        check(
            rule,
            "crates/larder-agent/src/run/step.rs",
            "use std::env::{args, vars};",
            true,
        );
        check(rule, "crates/larder-server/src/config.rs", code, false);
        check(rule, "crates/larder/src/run.rs", code, false);
        check(
            rule,
            "crates/larder-agent/src/run/step.rs",
            "env::temp_dir(); // env::var",
            false,
        );
        check(rule, "crates/larder/tests/system/main.rs", code, false);
    }

    #[test]
    fn the_time_is_read_by_the_clock() {
        let rule = time_comes_from_the_clock;
        check(
            rule,
            "crates/larder-core/src/clock.rs",
            "SystemTime::now()",
            false,
        );
        check(
            rule,
            "crates/larder-core/src/jobs.rs",
            "SystemTime::now()",
            true,
        );
        check(
            rule,
            "crates/larder-agent/src/run/step.rs",
            "time::OffsetDateTime::now_utc()",
            true,
        );
        check(
            rule,
            "crates/larder-core/src/jobs.rs",
            "Instant::now()",
            true,
        );
        check(
            rule,
            "crates/larder-server/src/api/mod.rs",
            "tokio::time::Instant::now()",
            true,
        );
        check(
            rule,
            "crates/larder-server/src/listener/timer.rs",
            "Instant::now()",
            false,
        );
        check(
            rule,
            "crates/larder-core/src/jobs.rs",
            "#[cfg(test)]\nmod tests { fn f() { Instant::now() } }",
            false,
        );
    }

    #[test]
    fn unsafe_code_is_listed_by_module() {
        let rule = unsafe_code_is_listed;
        check(
            rule,
            "crates/larder-core/src/jobs.rs",
            "unsafe { f() }",
            true,
        );
        check(
            rule,
            "crates/larder-core/tests/it/main.rs",
            "unsafe { f() }",
            true,
        );
        check(
            rule,
            "crates/larder-core/src/jobs.rs",
            "#[expect(unsafe_code)] // unsafe",
            false,
        );
        check(
            rule,
            "crates/larder-agent/src/run/sandbox/namespace.rs",
            "unsafe { f() }",
            false,
        );
    }
}
