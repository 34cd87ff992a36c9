//! Pages for people and probes for machines.
//!
//! Pages are written here and need no script: `page.rs` has what they share and the headers they are sent with,
//! `visitor.rs` who looks at them and what of theirs is believed. The words of the pages are in `templates/`.

mod assets;
mod build;
mod build_steps;
mod build_tests;
mod format;
mod health;
mod page;
mod password;
mod projects;
mod sign_in;
mod step;
mod tokens;
mod visitor;

pub(crate) use page::nothing_here;

use crate::http::routes::Routes;

/// The routes that say whether the server is alive and ready.
pub(crate) fn probes() -> Routes {
    Routes::new(page::method_not_allowed)
        .get("/healthz", health::alive)
        .get("/readyz", health::ready)
}

/// The routes of pages and probes.
pub(crate) fn routes() -> Routes {
    probes()
        .get("/assets/larder.css", assets::style)
        .get("/", projects::home)
        .get("/{vcs}/{org}/{project}", projects::builds)
        .get("/{vcs}/{org}/{project}/{number}", build::of_job)
        .get("/{vcs}/{org}/{project}/builds/{number}", build::artifacts)
        .get(
            "/{vcs}/{org}/{project}/builds/{number}/steps",
            build_steps::steps,
        )
        .get(
            "/{vcs}/{org}/{project}/builds/{number}/steps/{job}/{seq}",
            step::page,
        )
        .get(
            "/{vcs}/{org}/{project}/builds/{number}/steps/{job}/{seq}/raw",
            step::raw,
        )
        .get(
            "/{vcs}/{org}/{project}/builds/{number}/tests",
            build_tests::of_build,
        )
        .get(
            "/{vcs}/{org}/{project}/builds/{number}/tests/{job}",
            build_tests::of_node,
        )
        .get("/sign-in", sign_in::form)
        .post("/sign-in", sign_in::by_form)
        .get("/sign-in/{secret}", sign_in::link)
        .post("/sign-in/{secret}", sign_in::by_link)
        .get("/password/{secret}", password::form)
        .post("/password/{secret}", password::set)
        .post("/sign-out", sign_in::out)
        .get("/account/api", tokens::moved)
        .get("/settings/tokens", tokens::list)
        .post("/settings/tokens", tokens::add)
        .get("/settings/tokens/new", tokens::form)
        .post("/settings/tokens/{id}/revoke", tokens::revoke)
}
