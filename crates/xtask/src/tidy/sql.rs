//! SQL stands in one folder, and its one text is read by both engines.

use super::Violation;
use super::rust_text::holds_word;
use super::tree::Tree;

const METADATA: &str = "crates/larder-core/src/metadata/";
const MIGRATIONS: &str = "crates/larder-core/migrations/";

/// How a statement begins. What follows must be white space, so that an HTTP method alone is none.
const STATEMENTS: &[&str] = &[
    "SELECT",
    "INSERT INTO",
    "INSERT OR",
    "UPDATE",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE INDEX",
    "CREATE UNIQUE",
    "ALTER TABLE",
    "DROP TABLE",
    "PRAGMA",
];

/// Words that one of the engines lacks or reads otherwise, and what to write in their place.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("AUTOINCREMENT", "reserve numbers from `counter`"),
    ("SERIAL", "reserve numbers from `counter`"),
    ("BIGSERIAL", "reserve numbers from `counter`"),
    (
        "BOOLEAN",
        "store the time at which the flag was set, or NULL",
    ),
    ("INTEGER", "write {key} or BIGINT"),
    ("TIMESTAMP", "store milliseconds in a BIGINT"),
    ("DATETIME", "store milliseconds in a BIGINT"),
    ("JSONB", "store TEXT"),
    ("BLOB", "write {bytes}"),
    ("BYTEA", "write {bytes}"),
    ("TEXT", "write {text}: it sorts by bytes on both engines"),
    (
        "LIKE",
        "compare ranges of the key: it folds case on one engine only",
    ),
    ("ILIKE", "compare ranges of the key"),
    ("GLOB", "compare ranges of the key"),
];

/// Words that no statement uses either.
const FOREIGN_IN_STATEMENTS: &[&str] = &[
    "AUTOINCREMENT",
    "LIKE",
    "ILIKE",
    "GLOB",
    "INSERT OR",
    "REPLACE INTO",
];

/// Only `metadata/` holds SQL.
pub(super) fn stays_in_metadata(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let outside = tree
        .rust()
        .filter(|(file, _)| !file.path.starts_with(METADATA) && !file.is_test());
    for (file, rust) in outside {
        let statements = rust
            .strings
            .iter()
            .filter(|(line, text)| is_statement(text) && !rust.is_test_line(*line));
        violations.extend(statements.map(|(line, _)| Violation {
            file: file.path.clone(),
            line: *line,
            rule: "sql",
            advice: format!("move the statement into a function of {METADATA}"),
        }));
    }
    violations
}

/// Migrations and statements keep to the words that both engines read alike.
pub(super) fn speaks_both_dialects(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut add = |file: &str, line, word: &str, instead: &str| {
        let advice = format!("{word} is not in both dialects: {instead}");
        violations.push(Violation {
            file: file.to_owned(),
            line,
            rule: "dialect",
            advice,
        });
    };
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(MIGRATIONS) && file.extension() == "sql")
    {
        for (number, line) in file.lines() {
            let code = line
                .split("--")
                .next()
                .unwrap_or_default()
                .replace("{text}", "");
            for (word, instead) in FOREIGN_WORDS.iter().filter(|(word, _)| uses(&code, word)) {
                add(&file.path, number, word, instead);
            }
        }
    }
    for (file, rust) in tree
        .rust()
        .filter(|(file, _)| file.path.starts_with(METADATA))
    {
        for (line, text) in rust.strings.iter().filter(|(_, text)| is_statement(text)) {
            for word in FOREIGN_IN_STATEMENTS
                .iter()
                .filter(|word| holds_word(text, word))
            {
                add(&file.path, *line, word, "write it in words that both have");
            }
        }
    }
    violations
}

/// Whether a line of a migration uses `word`. Case says nothing in SQL, but `blob` is also a table here.
fn uses(code: &str, word: &str) -> bool {
    holds_word(code, word) || word != "BLOB" && holds_word(&code.to_uppercase(), word)
}

fn is_statement(literal: &str) -> bool {
    let start = literal.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
    STATEMENTS.iter().any(|statement| {
        start
            .strip_prefix(statement)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace() || c == '\\'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violations;

    fn check(file: &str, code: &str, broken: bool) {
        let found = violations(stays_in_metadata, &[(file, code)]);
        assert_eq!(
            found.len(),
            usize::from(broken),
            "{file}: {code}: {found:?}"
        );
    }

    #[test]
    fn sql_stays_in_metadata() {
        check(
            "crates/larder-core/src/jobs.rs",
            "query(\"SELECT id FROM job\");",
            true,
        );
        check(
            "crates/larder-core/src/jobs.rs",
            "query(r#\"\n  UPDATE job SET x = 1\"#);",
            true,
        );
        check(
            "crates/larder-server/src/app.rs",
            "\"PRAGMA user_version\"",
            true,
        );
        check(
            "crates/larder-server/src/app.rs",
            "\"DELETE FROM job\"",
            true,
        );
        check(
            "crates/larder-server/src/app.rs",
            "[\"DELETE\", \"UPDATE\", \"DELETE /larder/v1/jobs\"] // SELECT 1",
            false,
        );
        check(
            "crates/larder-core/src/metadata/jobs.rs",
            "query(\"SELECT id FROM job\");",
            false,
        );
        check(
            "crates/larder-server/tests/it/jobs.rs",
            "query(\"SELECT id FROM job\");",
            false,
        );
        check(
            "crates/larder-core/src/jobs.rs",
            "#[cfg(test)]\nmod tests { const X: &str = \"SELECT 1\"; }",
            false,
        );
    }

    #[test]
    fn migrations_keep_to_both_dialects() {
        let check = |sql: &str, broken: usize| {
            let found = violations(
                speaks_both_dialects,
                &[("crates/larder-core/migrations/0002_x.sql", sql)],
            );
            assert_eq!(found.len(), broken, "{sql}: {found:?}");
        };
        check(
            "CREATE TABLE t (pk {key}, name {text} NOT NULL, at BIGINT, digest {bytes});",
            0,
        );
        check("-- no BOOLEAN here\nCREATE INDEX likely ON t (name);", 0);
        for (word, _) in FOREIGN_WORDS {
            check(&format!("CREATE TABLE t (\n  x {word}\n);"), 1);
        }
        check("SELECT 1 WHERE x like 'a%'", 1);
    }

    #[test]
    fn statements_keep_to_both_dialects() {
        let file = "crates/larder-core/src/metadata/jobs.rs";
        for word in FOREIGN_IN_STATEMENTS
            .iter()
            .filter(|word| !word.ends_with("INTO") && !word.ends_with("OR"))
        {
            let code = format!("query(\"SELECT 1 FROM t WHERE a {word} 'x'\");");
            assert_eq!(
                violations(speaks_both_dialects, &[(file, &code)]).len(),
                1,
                "{word}"
            );
        }
        assert_eq!(
            violations(
                speaks_both_dialects,
                &[(file, "\"INSERT OR IGNORE INTO t VALUES (1)\"")]
            )
            .len(),
            1
        );
        assert_eq!(
            violations(speaks_both_dialects, &[(file, "\"SELECT 1 FROM likely\"")]).len(),
            0
        );
    }
}
