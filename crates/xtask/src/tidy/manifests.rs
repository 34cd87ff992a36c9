//! What the manifests may say: which crates stay apart, and where versions stand.

use super::Violation;
use super::tree::{File, Tree};

/// A crate, what it never depends on, and why.
struct Apart {
    manifest: &'static str,
    never: &'static [&'static str],
    /// Of those, what tests may use: to look from outside at what is inside.
    tests_may: &'static [&'static str],
    why: &'static str,
}

const HTTP: &[&str] = &[
    "actix-web",
    "axum",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "reqwest",
    "tower",
    "tower-http",
    "ureq",
];

const APART: &[Apart] = &[
    Apart {
        manifest: "crates/larder-core/Cargo.toml",
        never: HTTP,
        tests_may: &[],
        why: "the core has no HTTP",
    },
    Apart {
        manifest: "crates/larder-core/Cargo.toml",
        never: &["larder", "larder-server", "larder-agent", "larder-protocol"],
        tests_may: &[],
        why: "the core is below every other crate",
    },
    Apart {
        manifest: "crates/larder-agent/Cargo.toml",
        never: &[
            "rusqlite",
            "tokio-postgres",
            "deadpool-postgres",
            "sqlx",
            "diesel",
            "libsqlite3-sys",
        ],
        tests_may: &[],
        why: "the agent has no SQL",
    },
    Apart {
        manifest: "crates/larder-agent/Cargo.toml",
        never: &["larder", "larder-core", "larder-server"],
        tests_may: &[],
        why: "the agent knows the server by larder-protocol alone",
    },
    Apart {
        manifest: "crates/larder-harness/Cargo.toml",
        never: &[
            "larder",
            "larder-agent",
            "larder-core",
            "larder-protocol",
            "larder-server",
        ],
        tests_may: &[],
        why: "the harness is other people's servers; the tests of every crate use it",
    },
    Apart {
        manifest: "crates/larder-protocol/Cargo.toml",
        never: &["larder", "larder-core", "larder-server", "larder-agent"],
        tests_may: &[],
        why: "the protocol is plain values for both sides",
    },
    Apart {
        manifest: "crates/larder-server/Cargo.toml",
        never: &[
            "larder",
            "larder-agent",
            "rusqlite",
            "tokio-postgres",
            "sqlx",
        ],
        tests_may: &["rusqlite", "tokio-postgres"],
        why: "the server uses the core and knows neither agent nor engine",
    },
];

/// What is shipped, and so has no servers for tests among its dependencies.
const SHIPPED: &[&str] = &[
    "crates/larder/Cargo.toml",
    "crates/larder-agent/Cargo.toml",
    "crates/larder-core/Cargo.toml",
    "crates/larder-protocol/Cargo.toml",
    "crates/larder-server/Cargo.toml",
];

/// The same for each of them.
fn shipped() -> impl Iterator<Item = Apart> {
    SHIPPED.iter().map(|manifest| Apart {
        manifest,
        never: &["larder-harness"],
        tests_may: &["larder-harness"],
        why: "servers for tests are no part of what is shipped",
    })
}

/// Crates that must not know each other do not.
pub(super) fn crates_stay_apart(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in manifests(tree) {
        let tests_begin = file
            .lines()
            .find(|(_, line)| line.trim() == "[dev-dependencies]")
            .map_or(usize::MAX, |(number, _)| number);
        let shipped: Vec<_> = shipped().collect();
        let aparts = APART.iter().chain(&shipped);
        for apart in aparts.filter(|apart| apart.manifest == file.path) {
            for (line, name, _) in dependencies(file).filter(|(line, name, _)| {
                let is_for_tests = *line > tests_begin && apart.tests_may.contains(name);
                apart.never.contains(name) && !is_for_tests
            }) {
                violations.push(Violation {
                    file: file.path.clone(),
                    line,
                    rule: "crates",
                    advice: format!("remove `{name}`: {}", apart.why),
                });
            }
        }
    }
    violations
}

/// A member takes every dependency from the workspace.
pub(super) fn versions_stand_in_the_root(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in manifests(tree).filter(|file| file.path != "Cargo.toml") {
        for (line, name, value) in dependencies(file) {
            let inherits = value.replace(' ', "").contains("workspace=true");
            if !inherits || value.contains("version") {
                violations.push(Violation {
                    file: file.path.clone(),
                    line,
                    rule: "versions",
                    advice: format!("write `{name}.workspace = true` and put the version into the root Cargo.toml"),
                });
            }
        }
    }
    violations
}

/// Packages come from their ordinary registries; a mirror belongs in the settings of the machine that has one.
pub(super) fn no_registry_is_configured(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut add = |file: &File, line| {
        violations.push(Violation {
            file: file.path.clone(),
            line,
            rule: "registry",
            advice: "name no registry and no mirror: machines have settings of their own for that"
                .to_owned(),
        });
    };
    for file in &tree.files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        for (number, line) in file.lines() {
            let line = line.trim();
            let named = match name {
                "Cargo.lock" => {
                    line.starts_with("source = ")
                        && !line.contains("//github.com/rust-lang/crates.io-index\"")
                }
                "Cargo.toml" | "config.toml" => {
                    ["[source", "[registr", "registry =", "git ="]
                        .iter()
                        .any(|start| line.starts_with(start))
                        || line.contains("registry =")
                        || line.contains("git = \"")
                }
                ".npmrc" | "pip.conf" => true,
                "run" => ["GOPROXY=", "PIP_INDEX_URL=", "--index-url", "--registry"]
                    .iter()
                    .any(|word| line.contains(word)),
                _ => false,
            };
            if named {
                add(file, number);
            }
        }
    }
    violations
}

fn manifests(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files
        .iter()
        .filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"))
}

/// Line, name and the rest of each entry of a dependency table, whichever way it is spelled.
fn dependencies(file: &File) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut table = "";
    file.lines().filter_map(move |(number, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
            // `[dependencies.name]`: a table of its own has no place for `workspace = true` on one line.
            let (parent, name) = table.rsplit_once('.')?;
            return parent
                .ends_with("dependencies")
                .then_some((number, name, ""));
        }
        let (key, value) = line.split_once('=')?;
        let name = key.trim().split('.').next()?.trim_matches('"');
        (table.ends_with("dependencies") && !line.starts_with('#')).then(|| {
            let inherits = key.trim().ends_with(".workspace") && value.trim() == "true";
            (
                number,
                name,
                if inherits { "workspace = true" } else { value },
            )
        })
    })
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
    fn crates_that_are_strangers_stay_apart() {
        let rule = crates_stay_apart;
        check(
            rule,
            "crates/larder-core/Cargo.toml",
            "[dependencies]\nhyper.workspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-core/Cargo.toml",
            "[dev-dependencies]\nlarder-server = { workspace = true }",
            true,
        );
        check(
            rule,
            "crates/larder-server/Cargo.toml",
            "[dependencies]\nrusqlite.workspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-server/Cargo.toml",
            "[dev-dependencies]\nrusqlite.workspace = true",
            false,
        );
        check(
            rule,
            "crates/larder-agent/Cargo.toml",
            "[dependencies]\nrusqlite.workspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-agent/Cargo.toml",
            "[dependencies.larder-core]\nworkspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-agent/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nsqlx = \"1\"",
            true,
        );
        check(
            rule,
            "crates/larder-protocol/Cargo.toml",
            "[dependencies]\nlarder-core.workspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-server/Cargo.toml",
            "[dependencies]\nlarder-agent.workspace = true",
            true,
        );
        check(
            rule,
            "crates/larder-core/Cargo.toml",
            "[dependencies]\n# hyper = 1\nhttpdate.workspace = true",
            false,
        );
    }

    #[test]
    fn servers_for_tests_are_not_shipped() {
        let rule = crates_stay_apart;
        for manifest in SHIPPED {
            let dependency = "[dependencies]\nlarder-harness.workspace = true";
            check(rule, manifest, dependency, true);
            check(rule, manifest, &dependency.replace('[', "[dev-"), false);
        }
        check(
            rule,
            "crates/larder-harness/Cargo.toml",
            "[dev-dependencies]\nlarder-core.workspace = true",
            true,
        );
    }

    #[test]
    fn versions_stand_in_the_root_manifest() {
        let rule = versions_stand_in_the_root;
        check(
            rule,
            "crates/x/Cargo.toml",
            "[dependencies]\nserde = \"1\"",
            true,
        );
        check(
            rule,
            "crates/x/Cargo.toml",
            "[dev-dependencies]\nserde = { version = \"1\" }",
            true,
        );
        check(
            rule,
            "crates/x/Cargo.toml",
            "[dependencies]\ny = { path = \"../y\" }",
            true,
        );
        check(
            rule,
            "crates/x/Cargo.toml",
            "[package]\nname = \"x\"\n[dependencies]\nserde.workspace = true",
            false,
        );
        check(
            rule,
            "crates/x/Cargo.toml",
            "[dependencies]\nserde = { workspace = true, features = [\"rc\"] }",
            false,
        );
        check(
            rule,
            "Cargo.toml",
            "[workspace.dependencies]\nserde = \"1\"",
            false,
        );
    }

    #[test]
    fn no_registry_is_named() {
        let rule = no_registry_is_configured;
        check(rule, ".cargo/config.toml", "[source.mirror]", true);
        check(
            rule,
            "Cargo.toml",
            "x = { git = \"https://example.org/x\" }",
            true,
        );
        check(
            rule,
            "Cargo.lock",
            "source = \"sparse+https://mirror.example/\"",
            true,
        );
        check(
            rule,
            ".ci/run",
            "export GOPROXY=https://mirror.example",
            true,
        );
        check(
            rule,
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
            false,
        );
        check(
            rule,
            ".cargo/config.toml",
            "[alias]\nxtask = \"run\"",
            false,
        );
    }
}
