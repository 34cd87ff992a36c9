//! `cargo xtask tidy`: the rules of the architecture that the compiler does not keep, as code.
//!
//! A rule is a function from the tree to its violations; each has a test that shows it a violation.

mod arrows;
mod documents;
mod effects;
mod manifests;
mod paths;
mod rust_text;
mod sql;
mod text;
mod tree;

use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;
use tree::Tree;

/// One place that breaks a rule.
#[derive(Debug)]
struct Violation {
    file: String,
    line: usize,
    rule: &'static str,
    /// What to do about it.
    advice: String,
}

type Rule = fn(&Tree) -> Vec<Violation>;

const RULES: &[Rule] = &[
    arrows::keep_direction,
    documents::architecture_is_short,
    documents::links_lead_somewhere,
    documents::named_tests_exist,
    documents::promises_are_tested,
    effects::environment_is_read_at_the_edge,
    effects::time_comes_from_the_clock,
    effects::unsafe_code_is_listed,
    manifests::crates_stay_apart,
    manifests::versions_stand_in_the_root,
    manifests::no_registry_is_configured,
    sql::stays_in_metadata,
    sql::speaks_both_dialects,
    text::files_are_short,
    text::files_say_what_they_are,
    text::no_glob_is_exported,
    text::no_private_paths,
    text::nothing_is_left_to_do,
];

/// Checks the repository at `root` and prints every violation as `file:line: rule: what to do`.
pub(crate) fn check(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut violations: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    violations.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!(
            "{} places break a rule of the architecture",
            violations.len()
        );
    }
    println!("{} files keep {} rules", tree.files.len(), RULES.len());
    Ok(())
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            advice,
        } = self;
        write!(out, "{file}:{line}: {rule}: {advice}")
    }
}

/// Shows `rule` a tree and gives `file:line` of each violation.
#[cfg(test)]
fn violations(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let found = rule(&Tree::of(files));
    found
        .iter()
        .map(|violation| format!("{}:{}", violation.file, violation.line))
        .collect()
}
