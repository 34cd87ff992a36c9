//! The native API below `/larder/v1`: what the larder's own agent and command speak, and whatever can send JSON.
//! `docs/api/larder.md` is the reference, `openapi.rs` the same for machines.

mod artifacts;
mod auth;
mod builds;
mod error;
mod extract;
mod file_headers;
mod folders;
mod jobs;
mod openapi;
mod projects;
mod steps;
mod tests;
mod uploads;

use crate::http::routes::Routes;

/// The routes of this API.
pub(crate) fn routes() -> Routes {
    Routes::new(error::method_not_allowed)
        .get("/larder/v1/openapi.json", openapi::document)
        .get("/larder/v1/projects", projects::list)
        .get("/larder/v1/projects/{vcs}/{org}/{name}", projects::project)
        .delete("/larder/v1/projects/{vcs}/{org}/{name}", projects::delete)
        .post(
            "/larder/v1/projects/{vcs}/{org}/{name}/builds",
            builds::announce,
        )
        .get(
            "/larder/v1/projects/{vcs}/{org}/{name}/builds",
            builds::of_project,
        )
        .get("/larder/v1/builds/{id}", builds::build)
        .delete("/larder/v1/builds/{id}", builds::delete)
        .post("/larder/v1/builds/{id}/jobs", builds::add_jobs)
        .get("/larder/v1/builds/{id}/artifacts", artifacts::of_build)
        .get("/larder/v1/jobs/{id}", jobs::job)
        .patch("/larder/v1/jobs/{id}", jobs::change)
        .post("/larder/v1/jobs/{id}/heartbeat", jobs::hear)
        .get("/larder/v1/jobs/{id}/artifacts", artifacts::of_job)
        .put("/larder/v1/jobs/{id}/artifacts/{*path}", artifacts::keep)
        .get(
            "/larder/v1/jobs/{id}/artifacts/{*path}",
            artifacts::content_by_path,
        )
        .delete(
            "/larder/v1/jobs/{id}/artifacts/{*path}",
            artifacts::delete_by_path,
        )
        .post("/larder/v1/jobs/{id}/uploads", uploads::begin)
        .get("/larder/v1/jobs/{id}/uploads/{upload}", uploads::upload)
        .delete("/larder/v1/jobs/{id}/uploads/{upload}", uploads::give_up)
        .put(
            "/larder/v1/jobs/{id}/uploads/{upload}/parts/{part}",
            uploads::receive,
        )
        .post(
            "/larder/v1/jobs/{id}/uploads/{upload}/finish",
            uploads::finish,
        )
        .get("/larder/v1/builds/{id}/folders", folders::of_build)
        .get("/larder/v1/jobs/{id}/folders", folders::of_job)
        .put("/larder/v1/jobs/{id}/folders/{*path}", folders::keep)
        .get("/larder/v1/jobs/{id}/steps", steps::of_job)
        .put("/larder/v1/jobs/{id}/steps/{seq}", steps::report)
        .post("/larder/v1/jobs/{id}/steps/{seq}/output", steps::append)
        .get("/larder/v1/jobs/{id}/steps/{seq}/output", steps::output)
        .get("/larder/v1/jobs/{id}/tests", tests::of_job)
        .put("/larder/v1/jobs/{id}/tests/{report}", tests::keep)
        .get("/larder/v1/artifacts/{id}", artifacts::artifact)
        .delete("/larder/v1/artifacts/{id}", artifacts::delete)
        .get("/larder/v1/artifacts/{id}/content", artifacts::content)
        .stray("/larder/v1", error::no_such_route)
        .stray("/larder/v1/", error::no_such_route)
        .stray("/larder/v1/{*stray}", error::no_such_route)
}
