//! CircleCI's artifacts API: v1, v1.1, v2 and v3 as far as artifacts need them. `docs/api/circleci.md` is the reference.
//!
//! Nothing here creates or deletes: every route is a `GET`.

mod account;
mod artifacts;
mod auth;
mod builds;
pub(crate) mod content_host;
mod error;
mod extract;
mod json;
mod lookup;
mod output;
mod steps;
mod summary;
mod tests;
mod v2;
mod v3;

use crate::http::routes::Routes;
use larder_core::model::Vcs;

/// File routes of the 1.0 site: where the code is, in each spelling, and what follows.
const SITE: [(&str, Vcs); 6] = [
    (
        "/gh/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Github,
    ),
    (
        "/github/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Github,
    ),
    (
        "/bb/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Bitbucket,
    ),
    (
        "/bitbucket/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Bitbucket,
    ),
    (
        "/gl/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Gitlab,
    ),
    (
        "/gitlab/{username}/{project}/{number}/artifacts/{index}/{*path}",
        Vcs::Gitlab,
    ),
];

/// The routes of this API.
pub(crate) fn routes() -> Routes {
    v1_1().merge(v1()).merge(v2()).merge(v3()).merge(site())
}

fn v1_1() -> Routes {
    Routes::new(error::method_not_allowed)
        .get("/api/v1.1/me", account::me)
        .get("/api/v1.1/projects", account::projects)
        .get("/api/v1.1/recent-builds", builds::recent)
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}",
            builds::of_project,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/tree/{*branch}",
            builds::of_branch,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/{number}",
            builds::one,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/{number}/tests",
            tests::v1_1,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/{number}/output/{step}/{index}",
            steps::output,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/{number}/artifacts",
            artifacts::list,
        )
        .get(
            "/api/v1.1/project/{vcs}/{username}/{project}/{number}/artifacts/{index}/{*path}",
            artifacts::file,
        )
        .get("/api/v1.1/{*elsewhere}", error::no_such_route)
}

/// The same without the host of the code, which is GitHub.
fn v1() -> Routes {
    Routes::new(error::method_not_allowed)
        .get("/api/v1/me", account::me)
        .get("/api/v1/projects", account::projects)
        .get("/api/v1/recent-builds", builds::recent)
        .get("/api/v1/project/{username}/{project}", builds::of_project)
        .get(
            "/api/v1/project/{username}/{project}/tree/{*branch}",
            builds::of_branch,
        )
        .get("/api/v1/project/{username}/{project}/{number}", builds::one)
        .get(
            "/api/v1/project/{username}/{project}/{number}/tests",
            tests::v1_1,
        )
        .get(
            "/api/v1/project/{username}/{project}/{number}/output/{step}/{index}",
            steps::output,
        )
        .get(
            "/api/v1/project/{username}/{project}/{number}/artifacts",
            artifacts::list,
        )
        .get(
            "/api/v1/project/{username}/{project}/{number}/artifacts/{index}/{*path}",
            artifacts::file,
        )
        .get("/api/v1/{*elsewhere}", error::no_such_route)
}

fn v2() -> Routes {
    Routes::new(error::method_not_allowed)
        .get(
            "/api/v2/project/{vcs}/{username}/{project}/{number}/artifacts",
            v2::artifacts,
        )
        .get(
            "/api/v2/project/{vcs}/{username}/{project}/job/{number}",
            v2::job,
        )
        .get(
            "/api/v2/project/{slug}/{number}/artifacts",
            v2::artifacts_of_slug,
        )
        .get("/api/v2/project/{slug}/job/{number}", v2::job_of_slug)
        .get(
            "/api/v2/project/{vcs}/{username}/{project}/{number}/tests",
            tests::v2,
        )
        .get("/api/v2/project/{slug}/{number}/tests", tests::v2_of_slug)
        .get("/api/v2/workflow/{id}/job", v2::workflow_jobs)
        .get("/api/v2/{*elsewhere}", error::no_such_route)
}

fn v3() -> Routes {
    Routes::new(error::method_not_allowed_v3)
        .get("/api/v3/jobs/{id}/artifacts", v3::artifacts)
        .get("/api/v3/{*elsewhere}", error::no_such_route)
}

fn site() -> Routes {
    let routes = Routes::new(error::method_not_allowed)
        .get("/output/job/{job}/artifacts/{index}/{*path}", output::file)
        .get("/output/{*elsewhere}", output::elsewhere);
    SITE.into_iter().fold(routes, |routes, (template, vcs)| {
        routes.get(
            template,
            async move |app, caller, path, parameters, wish| {
                artifacts::file_of(vcs, app, caller, path, parameters, wish).await
            },
        )
    })
}
