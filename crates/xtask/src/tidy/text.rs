//! How every file reads: its length, its first line, and words that do not belong in it.

use super::Violation;
use super::rust_text::line_of;
use super::tree::{File, Tree};

/// Beyond this many lines a file holds more than one noun.
const LINES_MAX: usize = 600;

/// Marks of work that was left undone; spelled apart so that this file keeps its own rule.
const LEFT_TO_DO: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];

/// Places that exist only where the code was written.
const PRIVATE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "wt/"),
    concat!("sha", "red/"),
    concat!("DES", "IGN"),
];

/// A file of Rust has at most 600 lines.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Violation> {
    let counted = tree
        .rust()
        .map(|(file, _)| (file, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| Violation {
            file: file.path.clone(),
            line: LINES_MAX + 1,
            rule: "length",
            advice: format!("{lines} lines, {LINES_MAX} at most: split it by noun"),
        })
        .collect()
}

/// A file of Rust begins by saying what it is; tests say it by their names.
pub(super) fn files_say_what_they_are(tree: &Tree) -> Vec<Violation> {
    let silent = tree.rust().map(|(file, _)| file).filter(|file| {
        !file.is_test()
            && !file.text.starts_with("//!")
            && !file.text.starts_with("#![doc = include_str!")
    });
    let advice = "begin the file with a `//!` line that says what it is";
    silent
        .map(|file| violation(file, 1, "module comment", advice))
        .collect()
}

/// `pub use x::*` hides what a module offers.
pub(super) fn no_glob_is_exported(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        for (at, _) in rust.code.match_indices("use ") {
            let line_start = rust.code[..at].rfind('\n').map_or(0, |end| end + 1);
            let is_public = rust.code[line_start..at].trim_start().starts_with("pub");
            let statement = rust.code[at..].split(';').next().unwrap_or_default();
            if is_public && statement.contains('*') {
                let line = line_of(&rust.code, at);
                violations.push(violation(
                    file,
                    line,
                    "glob",
                    "name each item that is exported",
                ));
            }
        }
    }
    violations
}

/// No file names a place that only one machine has.
pub(super) fn no_private_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        for (number, line) in file.lines() {
            for word in PRIVATE.iter().filter(|word| stands_alone(line, word)) {
                let advice = format!("remove `{word}`: readers of the repository do not have it");
                violations.push(violation(file, number, "private", &advice));
            }
        }
    }
    violations
}

/// What is left to do is in the issues, not in the code.
pub(super) fn nothing_is_left_to_do(tree: &Tree) -> Vec<Violation> {
    const CODE: &[&str] = &["rs", "sql", "toml", "html", "css", "js", "yml"];
    let mut violations = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| CODE.contains(&file.extension()))
    {
        for (number, line) in file.lines() {
            if LEFT_TO_DO.iter().any(|word| stands_alone(line, word)) {
                violations.push(violation(
                    file,
                    number,
                    "left undone",
                    "do it now, or write it down elsewhere",
                ));
            }
        }
    }
    violations
}

/// Whether `word` stands in `line` and no longer word or path goes through its start or end.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let ends_in_letter = word.ends_with(|c: char| c.is_alphanumeric());
        !(before.is_some_and(joined) || ends_in_letter && after.is_some_and(joined))
    })
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

    fn check(rule: Rule, file: &str, text: &str, broken: bool) {
        let found = violations(rule, &[(file, text)]);
        assert_eq!(
            found.len(),
            usize::from(broken),
            "{file}: {text}: {found:?}"
        );
    }

    #[test]
    fn a_long_file_is_split() {
        check(
            files_are_short,
            "crates/x/src/a.rs",
            &"\n".repeat(LINES_MAX),
            false,
        );
        check(
            files_are_short,
            "crates/x/src/a.rs",
            &"\n".repeat(LINES_MAX + 1),
            true,
        );
    }

    #[test]
    fn a_file_says_what_it_is() {
        let rule = files_say_what_they_are;
        check(rule, "crates/x/src/a.rs", "use std::fs;\n//! Late.\n", true);
        check(rule, "crates/x/src/a.rs", "//! What it is.\n", false);
        check(rule, "crates/x/tests/it/a.rs", "use std::fs;", false);
        check(rule, "crates/x/src/a/tests.rs", "use super::*;", false);
    }

    #[test]
    fn a_glob_is_not_exported() {
        let rule = no_glob_is_exported;
        check(rule, "crates/x/src/a.rs", "pub use b::*;", true);
        check(
            rule,
            "crates/x/src/a.rs",
            "pub(crate) use b::{c, d::*};",
            true,
        );
        check(
            rule,
            "crates/x/src/a.rs",
            "use b::*;\npub use c::d; // *",
            false,
        );
    }

    #[test]
    fn private_places_are_not_named() {
        for word in PRIVATE {
            check(
                no_private_paths,
                "docs/a.md",
                &format!("see {word} and more"),
                true,
            );
            check(no_private_paths, "docs/a.md", &format!("(../{word})"), true);
        }
        let harmless = format!("a{}b {}ER un{}b", PRIVATE[0], PRIVATE[4], PRIVATE[3]);
        check(no_private_paths, "docs/a.md", &harmless, false);
    }

    #[test]
    fn nothing_is_left_undone() {
        for word in LEFT_TO_DO {
            check(
                nothing_is_left_to_do,
                "crates/x/src/a.rs",
                &format!("// {word} later"),
                true,
            );
        }
        check(
            nothing_is_left_to_do,
            "crates/x/src/a.rs",
            "// METHODOLOGY",
            false,
        );
    }
}
