//! Arrows go one way: which modules of a crate may not name which others.

use super::Violation;
use super::paths::{module_of, named_paths};
use super::tree::Tree;

const RULE: &str = "arrows";

/// A part of a crate, what it may not name, and why.
struct Arrow {
    from: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const ARROWS: &[Arrow] = &[
    Arrow {
        from: "crates/larder-core/src/model/",
        never: &[
            "metadata",
            "blobs",
            "access",
            "artifacts",
            "builds",
            "jobs",
            "projects",
            "steps",
            "store",
        ],
        why: "the model is plain values; move the code that needs more into a use case",
    },
    Arrow {
        from: "crates/larder-core/src/metadata/",
        never: &[
            "blobs",
            "access",
            "artifacts",
            "builds",
            "jobs",
            "projects",
            "steps",
            "store",
        ],
        why: "metadata is rows; what callers may do belongs in a use case",
    },
    Arrow {
        from: "crates/larder-core/src/blobs/",
        never: &[
            "access",
            "artifacts",
            "builds",
            "jobs",
            "projects",
            "steps",
            "store",
        ],
        why: "blobs are bytes; what callers may do belongs in a use case",
    },
    Arrow {
        from: "crates/larder-server/src/http/",
        never: &["api", "web"],
        why: "`http` is what façades share; hand the value in instead",
    },
    Arrow {
        from: "crates/larder-server/src/api/",
        never: &["web"],
        why: "a façade knows no pages; move what both need into `http`",
    },
    Arrow {
        from: "crates/larder-server/src/web/",
        never: &["api"],
        why: "pages know no façade; move what both need into `http`",
    },
];

/// The folder whose folders are façades; each is a stranger to the others.
const FACADES: &str = "crates/larder-server/src/api/";

/// No module names one that stands above or beside it.
pub(super) fn keep_direction(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, rust) in tree.rust() {
        let Some((_, in_src)) = file.path.split_once("/src/") else {
            continue;
        };
        let arrows: Vec<_> = ARROWS
            .iter()
            .filter(|arrow| file.path.starts_with(arrow.from))
            .collect();
        let facade = file
            .path
            .strip_prefix(FACADES)
            .and_then(|path| path.split_once('/'));
        if arrows.is_empty() && facade.is_none() {
            continue;
        }
        for path in named_paths(&rust.code, &module_of(in_src)) {
            let named = path.segments.iter().map(String::as_str).collect::<Vec<_>>();
            let broken = arrows.iter().find(|arrow| {
                named
                    .first()
                    .is_some_and(|first| arrow.never.contains(first))
            });
            let advice = if let Some(arrow) = broken {
                format!("do not name `{}`: {}", named.join("::"), arrow.why)
            } else if facade.is_some_and(|(own, _)| is_stranger(&named, own)) {
                format!(
                    "façades are strangers: move what `{}` offers into `http` or the core",
                    named.join("::")
                )
            } else {
                continue;
            };
            violations.push(Violation {
                file: file.path.clone(),
                line: path.line,
                rule: RULE,
                advice,
            });
        }
    }
    violations
}

/// Whether a path leads from the façade `own` to another one, or to the list of all.
fn is_stranger(named: &[&str], own: &str) -> bool {
    named.first() == Some(&"api") && named.get(1) != Some(&own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violations;

    fn check(file: &str, code: &str, broken: bool) {
        let found = violations(keep_direction, &[(file, code)]);
        assert_eq!(
            found.len(),
            usize::from(broken),
            "{file}: {code}: {found:?}"
        );
    }

    #[test]
    fn facades_are_strangers() {
        let file = "crates/larder-server/src/api/circleci/error.rs";
        check(file, "use crate::api::buildkite::Error;", true);
        check(file, "use super::super::buildkite::Error;", true);
        check(file, "fn f() -> super::super::buildkite::Error {}", true);
        check(
            file,
            "use crate::{api::{circleci::x, buildkite}, http};",
            true,
        );
        check(file, "use crate::api;", true);
        check(
            file,
            "#[cfg(test)]\nmod tests { use super::super::super::larder::X; }",
            true,
        );
        check(
            "crates/larder-server/src/api/buildkite/rest/mod.rs",
            "use super::super::larder::X;",
            true,
        );
        check(file, "use crate::api::circleci::auth;", false);
        check(file, "use super::auth; // not crate::api::buildkite", false);
        check(
            "crates/larder-server/src/api/buildkite/rest/mod.rs",
            "use super::agent::X;",
            false,
        );
        check(
            "crates/larder-server/src/api/mod.rs",
            "use crate::api::buildkite::routes;",
            false,
        );
    }

    #[test]
    fn lower_layers_do_not_name_higher_ones() {
        check(
            "crates/larder-core/src/model/job.rs",
            "use crate::metadata::Tx;",
            true,
        );
        check(
            "crates/larder-core/src/metadata/jobs.rs",
            "use crate::blobs::BlobStore;",
            true,
        );
        check(
            "crates/larder-core/src/metadata/mod.rs",
            "use crate::{model, artifacts::Artifacts};",
            true,
        );
        check(
            "crates/larder-core/src/blobs/local.rs",
            "use super::super::access::authorize;",
            true,
        );
        check(
            "crates/larder-server/src/http/range.rs",
            "use crate::api::circleci::Error;",
            true,
        );
        check(
            "crates/larder-server/src/web/pages.rs",
            "use crate::api::circleci::Error;",
            true,
        );
        check(
            "crates/larder-server/src/api/circleci/mod.rs",
            "use crate::web::page;",
            true,
        );
        check(
            "crates/larder-core/src/metadata/mod.rs",
            "mod jobs; use self::jobs::X; use crate::model::Job;",
            false,
        );
        check(
            "crates/larder-core/src/metadata/a.rs",
            "use super::jobs::X; use crate::metadata::jobs::X;",
            false,
        );
        check(
            "crates/larder-core/src/jobs.rs",
            "use crate::metadata::jobs;",
            false,
        );
    }
}
