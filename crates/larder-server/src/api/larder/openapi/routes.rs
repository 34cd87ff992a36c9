//! Every route with what it takes and gives. A 401 goes with all but the document itself.

use super::Route;
use super::Shape::{Bytes, Json, Nothing, Text};
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post, Put};

/// All routes.
pub(super) fn all() -> Vec<Route> {
    [projects(), builds(), jobs(), artifacts(), steps()].concat()
}

fn projects() -> Vec<Route> {
    vec![
        Route::new(Get, "/larder/v1/openapi.json", "This document").gives(200, Json("object")),
        Route::new(
            Get,
            "/larder/v1/projects",
            "All projects that the caller has a role on",
        )
        .gives(200, Json("ProjectList"))
        .refuses(&[403]),
        Route::new(Get, "/larder/v1/projects/{vcs}/{org}/{name}", "One project")
            .gives(200, Json("ProjectBody"))
            .refuses(&[400, 404]),
    ]
}

fn builds() -> Vec<Route> {
    vec![
        Route::new(
            Post,
            "/larder/v1/projects/{vcs}/{org}/{name}/builds",
            "Announce a build; idempotent by external_id",
        )
        .takes(Json("AnnounceBuild"))
        .gives(201, Json("AnnouncedBuild"))
        .refuses(&[400, 403, 404, 413]),
        Route::new(
            Get,
            "/larder/v1/projects/{vcs}/{org}/{name}/builds",
            "Builds of a project, newest first",
        )
        .query(&["state", "branch", "before", "limit"])
        .gives(200, Json("BuildList"))
        .refuses(&[400, 403, 404]),
        Route::new(Get, "/larder/v1/builds/{id}", "One build with its jobs")
            .gives(200, Json("BuildBody"))
            .refuses(&[403, 404]),
        Route::new(
            Post,
            "/larder/v1/builds/{id}/jobs",
            "More jobs, or one job by itself; idempotent by name",
        )
        .takes(Json("AddJobs"))
        .gives(200, Json("AnnouncedJobs"))
        .refuses(&[400, 403, 404, 413]),
    ]
}

fn jobs() -> Vec<Route> {
    vec![
        Route::new(Get, "/larder/v1/jobs/{id}", "One node of a job")
            .gives(200, Json("JobBody"))
            .refuses(&[403, 404]),
        Route::new(
            Patch,
            "/larder/v1/jobs/{id}",
            "End a job, or start a queued one with the state running",
        )
        .takes(Json("FinishJob"))
        .gives(200, Json("JobBody"))
        .refuses(&[400, 403, 404, 409, 413]),
        Route::new(
            Post,
            "/larder/v1/jobs/{id}/heartbeat",
            "The job is alive: its lease begins anew",
        )
        .gives(204, Nothing)
        .refuses(&[403, 404]),
    ]
}

fn artifacts() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/larder/v1/builds/{id}/artifacts",
            "Artifacts of all jobs of a build, oldest first",
        )
        .query(&["state", "path", "after", "limit"])
        .gives(200, Json("ArtifactList"))
        .refuses(&[400, 403, 404]),
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/artifacts",
            "Artifacts of one node, oldest first",
        )
        .query(&["state", "path", "after", "limit"])
        .gives(200, Json("ArtifactList"))
        .refuses(&[400, 403, 404]),
        Route::new(
            Put,
            "/larder/v1/jobs/{id}/artifacts/{path}",
            "Keep a file; 200 if the newest of the path is the same",
        )
        .headers(&["Repr-Digest", "Larder-Alias", "Content-Type"])
        .takes(Bytes)
        .gives(201, Json("ArtifactBody"))
        .gives(200, Json("ArtifactBody"))
        .refuses(&[400, 403, 404, 409, 413, 422, 507]),
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/artifacts/{path}",
            "The bytes of the newest of that path or alias",
        )
        .gives(200, Bytes)
        .gives(206, Bytes)
        .gives(304, Nothing)
        .refuses(&[400, 403, 404, 410, 416]),
        Route::new(
            Delete,
            "/larder/v1/jobs/{id}/artifacts/{path}",
            "Delete the newest of that path or alias",
        )
        .gives(204, Nothing)
        .refuses(&[400, 403, 404]),
        Route::new(Get, "/larder/v1/artifacts/{id}", "One artifact")
            .gives(200, Json("ArtifactBody"))
            .refuses(&[403, 404]),
        Route::new(Delete, "/larder/v1/artifacts/{id}", "Delete an artifact")
            .gives(204, Nothing)
            .refuses(&[403, 404, 409, 410]),
        Route::new(Get, "/larder/v1/artifacts/{id}/content", "The bytes")
            .gives(200, Bytes)
            .gives(206, Bytes)
            .gives(304, Nothing)
            .refuses(&[403, 404, 410, 416]),
    ]
}

fn steps() -> Vec<Route> {
    vec![
        Route::new(Get, "/larder/v1/jobs/{id}/steps", "Steps of a job in order")
            .gives(200, Json("StepList"))
            .refuses(&[403, 404]),
        Route::new(
            Put,
            "/larder/v1/jobs/{id}/steps/{seq}",
            "Say where a step is; repeating it is no error",
        )
        .takes(Json("StepReport"))
        .gives(200, Json("StepBody"))
        .refuses(&[400, 403, 404, 413]),
        Route::new(
            Post,
            "/larder/v1/jobs/{id}/steps/{seq}/output",
            "Append output, at most 256 KiB; idempotent by offset",
        )
        .query(&["offset"])
        .takes(Bytes)
        .gives(200, Json("OutputKept"))
        .refuses(&[400, 403, 404, 409, 413]),
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/steps/{seq}/output",
            "At most 1 MiB of output; empty at the end",
        )
        .query(&["offset"])
        .gives(200, Text)
        .refuses(&[400, 403, 404]),
    ]
}
