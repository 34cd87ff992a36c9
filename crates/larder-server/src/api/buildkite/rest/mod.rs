//! Buildkite's REST API v2, as far as its artifacts and the clients that look for them need it.
//!
//! Every path is also answered with a `/` at its end, without a redirect: `pybuildkite` asks so.

mod access_token;
mod addresses;
mod answer;
mod artifacts;
mod auth;
mod builds;
mod error;
mod jobs;
mod organizations;
mod pages;
mod pipelines;
mod place;
mod query;
mod root;
mod user;

use crate::http::routes::Routes;

/// A route, and the same with a `/` at its end.
macro_rules! route {
    ($routes:ident, $method:ident, [$($part:literal),+], $handler:path) => {
        $routes = $routes
            .$method(concat!($($part),+), $handler)
            .$method(concat!($($part),+, "/"), $handler);
    };
}

/// The routes of this API.
pub(super) fn routes() -> Routes {
    let mut routes = Routes::new(error::method_not_allowed);
    route!(routes, get, ["/v2"], root::greeting);
    route!(routes, get, ["/v2/meta"], root::meta);
    route!(routes, get, ["/v2/user"], user::user);
    route!(routes, get, ["/v2/access-token"], access_token::show);
    route!(routes, delete, ["/v2/access-token"], access_token::revoke);
    route!(routes, get, ["/v2/builds"], builds::of_all);
    route!(routes, get, ["/v2/organizations"], organizations::list);
    routes
        .merge(of_organization())
        .merge(of_pipeline())
        .merge(unknown())
}

/// Below an organization.
fn of_organization() -> Routes {
    let mut routes = Routes::new(error::method_not_allowed);
    route!(routes, get, ["/v2/organizations/{org}"], organizations::one);
    route!(
        routes,
        get,
        ["/v2/organizations/{org}", "/builds"],
        builds::of_organization
    );
    route!(
        routes,
        get,
        ["/v2/organizations/{org}", "/pipelines"],
        pipelines::list
    );
    route!(
        routes,
        get,
        ["/v2/organizations/{org}", "/jobs/{job}"],
        jobs::one
    );
    route!(
        routes,
        get,
        ["/v2/organizations/{org}", "/jobs/{job}/artifacts"],
        artifacts::of_job
    );
    route!(
        routes,
        get,
        ["/v2/organizations/{org}", "/jobs/{job}/artifacts/{id}"],
        artifacts::one
    );
    route!(
        routes,
        delete,
        ["/v2/organizations/{org}", "/jobs/{job}/artifacts/{id}"],
        artifacts::delete
    );
    route!(
        routes,
        get,
        [
            "/v2/organizations/{org}",
            "/jobs/{job}/artifacts/{id}/download"
        ],
        artifacts::download
    );
    routes
}

/// Below a pipeline: the form that the bodies carry.
fn of_pipeline() -> Routes {
    let mut routes = Routes::new(error::method_not_allowed);
    macro_rules! below_build {
        ($method:ident, $rest:literal, $handler:path) => {
            route!(
                routes,
                $method,
                [
                    "/v2/organizations/{org}/pipelines/{pipeline}/builds/{number}",
                    $rest
                ],
                $handler
            );
        };
    }
    route!(
        routes,
        get,
        ["/v2/organizations/{org}/pipelines/{pipeline}"],
        pipelines::one
    );
    route!(
        routes,
        get,
        ["/v2/organizations/{org}/pipelines/{pipeline}/builds"],
        builds::of_pipeline
    );
    below_build!(get, "", builds::one);
    below_build!(get, "/artifacts", artifacts::of_build);
    below_build!(get, "/jobs", jobs::of_build);
    below_build!(get, "/jobs/{job}", jobs::one);
    below_build!(get, "/jobs/{job}/artifacts", artifacts::of_job);
    below_build!(get, "/jobs/{job}/artifacts/{id}", artifacts::one);
    below_build!(delete, "/jobs/{job}/artifacts/{id}", artifacts::delete);
    below_build!(
        get,
        "/jobs/{job}/artifacts/{id}/download",
        artifacts::download
    );
    routes
}

/// Whatever else lies below `/v2`, by whatever method.
fn unknown() -> Routes {
    Routes::new(error::method_not_allowed)
        .get("/v2/{*rest}", root::unknown)
        .put("/v2/{*rest}", root::unknown)
        .post("/v2/{*rest}", root::unknown)
        .patch("/v2/{*rest}", root::unknown)
        .delete("/v2/{*rest}", root::unknown)
}
