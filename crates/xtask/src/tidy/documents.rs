//! What the documents claim: their links lead somewhere, the tests that they name exist, and the map is short.

use super::Violation;
use super::tree::{File, Tree};
use std::collections::HashSet;

/// ARCHITECTURE.md is read before the code; longer, it is not read.
const ARCHITECTURE_LINES_MAX: usize = 150;

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
    let mut names = Vec::new();
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
        let cell = column
            .and_then(|column| cells.get(column))
            .copied()
            .unwrap_or_default();
        names.extend(
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(|name| (number, name)),
        );
    }
    names
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
    let mut names = HashSet::new();
    for (_, rust) in tree.rust() {
        for (at, _) in rust.code.match_indices("fn ") {
            let rest = rust.code[at + 3..].trim_start();
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            names.insert(&rest[..end]);
        }
    }
    names
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
}
