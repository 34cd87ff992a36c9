//! What the documents claim: their links lead somewhere, the tests that they name exist, and the map is short.

use super::Violation;
use super::rust_text::{RustText, line_of};
use super::tree::{File, Tree};
use std::collections::HashSet;

/// ARCHITECTURE.md is read before the code; longer, it is not read.
const ARCHITECTURE_LINES_MAX: usize = 150;

/// What these promise is held by tests: no row of theirs goes without one.
const PROMISES: [&str; 2] = ["README.md", "docs/source-documents.md"];

/// ARCHITECTURE.md has at most 150 lines.
pub(super) fn architecture_is_short(tree: &Tree) -> Vec<Violation> {
    let map = tree
        .files
        .iter()
        .filter(|file| file.path == "ARCHITECTURE.md");
    map.filter(|file| file.text.lines().count() > ARCHITECTURE_LINES_MAX)
        .map(|file| {
            let advice = format!(
                "{ARCHITECTURE_LINES_MAX} lines at most: move detail to the code that it describes"
            );
            violation(file, ARCHITECTURE_LINES_MAX + 1, "length", advice)
        })
        .collect()
}

/// A link from a document to a file of the repository leads to one.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in documents(tree) {
        for (number, target) in links(file) {
            let Some(path) = resolve(&file.path, target) else {
                continue;
            };
            if !tree.holds(&path) {
                let advice = format!("`{target}` leads nowhere: name a file of the repository");
                violations.push(violation(file, number, "link", advice));
            }
        }
    }
    violations
}

/// In the README and under `docs/`, a name in backticks in a table's column "test" is a function of the tree.
pub(super) fn named_tests_exist(tree: &Tree) -> Vec<Violation> {
    let functions = function_names(tree);
    let mut violations = Vec::new();
    let claiming =
        documents(tree).filter(|file| file.path.starts_with("docs/") || file.path == "README.md");
    for file in claiming {
        for (number, name) in tests_named(file) {
            // `module::name` and `file.rs: name` say where to look; the name is what must exist.
            let function = name.rsplit(':').next().unwrap_or(name).trim();
            if !functions.contains(function) {
                let advice =
                    format!("no function is called `{name}`: name the test that holds this row");
                violations.push(violation(file, number, "named test", advice));
            }
        }
    }
    violations
}

/// In the README and in the table of the source documents' statements, every row of a table with a column "test" names
/// tests, and what it names is test code.
pub(super) fn promises_are_tested(tree: &Tree) -> Vec<Violation> {
    let tests = test_names(tree);
    let mut violations = Vec::new();
    for file in documents(tree).filter(|file| PROMISES.contains(&&*file.path)) {
        for (number, cell) in test_cells(file) {
            let named: Vec<_> = quoted(cell).collect();
            if named.is_empty() {
                let advice = "this row names no test: name the one that holds it".to_owned();
                violations.push(violation(file, number, "tested promise", advice));
            }
            for name in named.into_iter().filter(|name| !tests.contains(name)) {
                let advice = format!("`{name}` is no test: name one that holds this row");
                violations.push(violation(file, number, "tested promise", advice));
            }
        }
    }
    violations
}

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.extension() == "md")
}

/// The line and target of each `](target)` outside fenced code.
fn links(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    let prose = file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    prose.flat_map(|(number, line)| {
        let starts = line.match_indices("](").map(|(at, found)| at + found.len());
        starts.filter_map(move |start| {
            let target = line[start..].split(')').next()?;
            Some((number, target.split_whitespace().next().unwrap_or_default()))
        })
    })
}

/// The path in the repository that `target`, written in `document`, means; none for addresses and anchors.
fn resolve(document: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or_default();
    if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." if parts.pop().is_none() => return Some(target.to_owned()),
            "" | "." | ".." => {}
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The line and text of each name in backticks that stands in a table's column "test" or "tests".
fn tests_named(file: &File) -> Vec<(usize, &str)> {
    let cells = test_cells(file).into_iter();
    cells
        .flat_map(|(number, cell)| quoted(cell).map(move |name| (number, name)))
        .collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The line and text of each cell in a table's column "test" or "tests", without the head and the line below it.
fn test_cells(file: &File) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut column = None;
    let mut in_table = false;
    for (number, line) in file.lines() {
        if !line.trim_start().starts_with('|') {
            in_table = false;
            continue;
        }
        let cells = cells(line);
        if !in_table {
            in_table = true;
            column = cells
                .iter()
                .position(|cell| ["test", "tests"].contains(&cell.to_lowercase().as_str()));
            continue;
        }
        let is_rule = cells
            .iter()
            .all(|cell| cell.trim_matches(['-', ':']).is_empty())
            && cells.iter().any(|cell| !cell.is_empty());
        if let Some(column) = column.filter(|_| !is_rule) {
            found.push((number, cells.get(column).copied().unwrap_or_default()));
        }
    }
    found
}

/// The cells of a table's row; a `|` behind a backslash or inside backticks separates nothing.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim();
    let mut cells = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in row.bytes().enumerate() {
        if byte == b'|' && !quoted && !escaped {
            cells.push(row[start..at].trim());
            start = at + 1;
        }
        quoted ^= byte == b'`';
        escaped = byte == b'\\';
    }
    cells.push(row[start..].trim());
    cells.remove(0);
    cells
}

/// The name of every function in the tree, those that macros write out included where they say `fn`.
fn function_names(tree: &Tree) -> HashSet<&str> {
    let all = tree.rust().flat_map(|(_, rust)| functions(rust));
    all.map(|(_, name)| name).collect()
}

/// The name of every function that is test code.
fn test_names(tree: &Tree) -> HashSet<&str> {
    let tests = tree.rust().flat_map(|(file, rust)| {
        functions(rust)
            .filter(|(at, _)| file.is_test() || rust.is_test_line(line_of(&rust.code, *at)))
    });
    tests.map(|(_, name)| name).collect()
}

/// Where each function of a file begins, and its name.
fn functions(rust: &RustText) -> impl Iterator<Item = (usize, &str)> {
    rust.code.match_indices("fn ").map(|(at, _)| {
        let name = rust.code[at + 3..].trim_start();
        let end = name
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(name.len());
        (at, &name[..end])
    })
}

fn violation(file: &File, line: usize, rule: &'static str, advice: String) -> Violation {
    Violation {
        file: file.path.clone(),
        line,
        rule,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violations;

    #[test]
    fn the_map_is_short() {
        let check = |lines: usize, broken: bool| {
            let found = violations(
                architecture_is_short,
                &[("ARCHITECTURE.md", &"x\n".repeat(lines))],
            );
            assert_eq!(found.len(), usize::from(broken), "{lines} lines");
        };
        check(ARCHITECTURE_LINES_MAX, false);
        check(ARCHITECTURE_LINES_MAX + 1, true);
    }

    #[test]
    fn a_link_leads_to_a_file() {
        let check = |text: &str, broken: bool| {
            let files = [
                ("docs/api/a.md", text),
                ("docs/b.md", ""),
                ("crates/x/src/lib.rs", "//! X"),
            ];
            assert_eq!(
                violations(links_lead_somewhere, &files).len(),
                usize::from(broken),
                "{text}"
            );
        };
        check(
            "see [b](../b.md#part), [x](../../crates/x) and [web](https://example.org/y)",
            false,
        );
        check(
            "[here](#part) [code](../../crates/x/src/lib.rs \"the crate\")",
            false,
        );
        check("```\n[b](nowhere.md)\n```", false);
        check("see [b](b.md)", true);
        check("see [b](../../../b.md)", true);
    }

    #[test]
    fn a_test_named_in_a_document_is_a_function() {
        let check = |table: &str, broken: bool| {
            let files = [
                ("docs/api/a.md", table),
                ("crates/x/tests/it/a.rs", "#[test]\nfn lists_all() {}"),
            ];
            let found = violations(named_tests_exist, &files);
            assert_eq!(found.len(), usize::from(broken), "{table}: {found:?}");
        };
        check("| route | test |\n|---|---|\n| `a` | `lists_all` |", false);
        check(
            "| route | Test |\n|---|---|\n| `x|y` | `a::lists_all`, later |",
            false,
        );
        check(
            "| route | note |\n|---|---|\n| `a` | `lists_nothing` |",
            false,
        );
        check(
            "| route | test |\n|---|---|\n| `a` | `lists_nothing` |",
            true,
        );
        check(
            "| test | route |\n|:--|---|\n| `lists_all` and `lists_nothing` | `a` |",
            true,
        );
    }

    #[test]
    fn a_promise_without_a_test_is_named() {
        let check = |rows: &str, broken: &[&str]| {
            let table = format!("| what | test |\n|:-|--|\n{rows}");
            let files = [
                ("README.md", &*table),
                ("docs/api/a.md", &table),
                ("crates/x/tests/it/a.rs", "#[test]\nfn lists_all() {}"),
                (
                    "crates/x/src/lib.rs",
                    "fn list() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn lists_one() {}\n}",
                ),
            ];
            assert_eq!(violations(promises_are_tested, &files), broken, "{rows}");
        };
        check("| a | `lists_all`, system: `lists_one` |", &[]);
        check("| a | `lists_all` |\n| b | later |", &["README.md:4"]);
        check("| a | |\n| b |", &["README.md:3", "README.md:4"]);
        check("| a | `lists_all` and `list` |", &["README.md:3"]);
        check("| a | `gone` |", &["README.md:3"]);
    }
}
