//! Every route with what it takes and gives. A 401 goes with all but the document itself.

use super::Route;
use super::Shape::{Bytes, Json, Nothing, Text};
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post, Put};

/// All routes.
pub(super) fn all() -> Vec<Route> {
    [
        projects(),
        builds(),
        jobs(),
        artifacts(),
        uploads(),
        folders(),
        steps(),
        tests(),
    ]
    .concat()
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
        Route::new(
            Delete,
            "/larder/v1/projects/{vcs}/{org}/{name}",
            "Delete a project with all that it holds; its name is free at once",
        )
        .gives(204, Nothing)
        .refuses(&[400, 403, 404]),
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
        .refuses(&[400, 403, 404, 413, 415]),
        Route::new(
            Get,
            "/larder/v1/projects/{vcs}/{org}/{name}/builds",
            "Builds of a project, newest first",
        )
        .query(&["state", "branch", "tag", "before", "limit"])
        .gives(200, Json("BuildList"))
        .refuses(&[400, 403, 404]),
        Route::new(Get, "/larder/v1/builds/{id}", "One build with its jobs")
            .gives(200, Json("BuildBody"))
            .refuses(&[403, 404]),
        Route::new(
            Delete,
            "/larder/v1/builds/{id}",
            "Delete a build with all that it holds",
        )
        .gives(204, Nothing)
        .refuses(&[403, 404]),
        Route::new(
            Post,
            "/larder/v1/builds/{id}/jobs",
            "More jobs, or one job by itself; idempotent by name",
        )
        .takes(Json("AddJobs"))
        .gives(200, Json("AnnouncedJobs"))
        .refuses(&[400, 403, 404, 413, 415]),
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
        .refuses(&[400, 403, 404, 409, 413, 415]),
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
        .headers(&["Repr-Digest", "Larder-Alias", "Larder-Mode", "Content-Type"])
        .takes(Bytes)
        .gives(201, Json("ArtifactBody"))
        .gives(200, Json("ArtifactBody"))
        .refuses(&[400, 403, 404, 409, 413, 415, 422, 507]),
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

fn uploads() -> Vec<Route> {
    vec![
        Route::new(
            Post,
            "/larder/v1/jobs/{id}/uploads",
            "Begin an upload in parts, or find it again; with an artifact in the answer nothing is to be sent",
        )
        .takes(Json("BeginUpload"))
        .gives(201, Json("UploadBody"))
        .gives(200, Json("UploadBody"))
        .refuses(&[400, 403, 404, 409, 413, 415, 422, 507]),
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/uploads/{upload}",
            "Where an upload is",
        )
        .gives(200, Json("UploadBody"))
        .refuses(&[403, 404]),
        Route::new(
            Delete,
            "/larder/v1/jobs/{id}/uploads/{upload}",
            "Give an upload up",
        )
        .gives(204, Nothing)
        .refuses(&[403, 404, 409]),
        Route::new(
            Put,
            "/larder/v1/jobs/{id}/uploads/{upload}/parts/{part}",
            "Send one part, whole; in any order, and again without harm",
        )
        .headers(&["Repr-Digest"])
        .takes(Bytes)
        .gives(204, Nothing)
        .refuses(&[400, 403, 404, 409, 415, 422, 507]),
        Route::new(
            Post,
            "/larder/v1/jobs/{id}/uploads/{upload}/finish",
            "Make the artifact of all parts; 200 if it was made before",
        )
        .gives(201, Json("ArtifactBody"))
        .gives(200, Json("ArtifactBody"))
        .refuses(&[403, 404, 409, 422, 507]),
    ]
}

fn folders() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/larder/v1/builds/{id}/folders",
            "Empty folders of all jobs of a build, at most 10,000",
        )
        .gives(200, Json("FolderList"))
        .refuses(&[403, 404]),
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/folders",
            "Empty folders of one node",
        )
        .gives(200, Json("FolderList"))
        .refuses(&[403, 404]),
        Route::new(
            Put,
            "/larder/v1/jobs/{id}/folders/{path}",
            "Keep an empty folder; 200 if it was there",
        )
        .headers(&["Larder-Mode"])
        .gives(201, Json("FolderBody"))
        .gives(200, Json("FolderBody"))
        .refuses(&[400, 403, 404, 409]),
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
        .refuses(&[400, 403, 404, 413, 415]),
        Route::new(
            Post,
            "/larder/v1/jobs/{id}/steps/{seq}/output",
            "Append output, at most 256 KiB; idempotent by offset",
        )
        .query(&["offset"])
        .takes(Bytes)
        .gives(200, Json("OutputKept"))
        .refuses(&[400, 403, 404, 409, 413, 415]),
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

fn tests() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/larder/v1/jobs/{id}/tests",
            "Results of a job's tests: failures, then errors, what was skipped and what passed",
        )
        .query(&["result", "after", "limit"])
        .gives(200, Json("TestList"))
        .refuses(&[400, 403, 404]),
        Route::new(
            Put,
            "/larder/v1/jobs/{id}/tests/{report}",
            "Keep the results of one report; the same report again replaces it",
        )
        .takes(Json("TestReport"))
        .gives(204, Nothing)
        .refuses(&[400, 403, 404, 413, 415]),
    ]
}
