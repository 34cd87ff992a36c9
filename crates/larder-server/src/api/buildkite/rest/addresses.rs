//! The absolute addresses in bodies, all under the public URL, and the ids that Buildkite's GraphQL would give.

use crate::http::encode_segment;
use crate::http::state::App;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_core::model::{Artifact, Build, JobId, Organization, Project};

/// `…/v2/organizations/{org}`
pub(super) fn organization(app: &App, organization: &Organization) -> String {
    let slug = encode_segment(&organization.slug);
    format!("{}/v2/organizations/{slug}", app.public_url())
}

/// `…/pipelines/{pipeline}`
pub(super) fn pipeline(app: &App, project: &Project) -> String {
    let organization = organization(app, &project.organization);
    format!("{organization}/pipelines/{}", encode_segment(&project.name))
}

/// `…/builds/{number}`
pub(super) fn build(app: &App, project: &Project, number: i64) -> String {
    format!("{}/builds/{number}", pipeline(app, project))
}

/// `…/jobs/{job}`
pub(super) fn job(app: &App, build: &Build, job: JobId) -> String {
    format!(
        "{}/jobs/{job}",
        self::build(app, &build.project, build.number)
    )
}

/// `…/artifacts/{id}`: below the build, also where the list was asked for by the organization alone.
pub(super) fn artifact(app: &App, project: &Project, artifact: &Artifact) -> String {
    let build = build(app, project, artifact.build_number);
    format!("{build}/jobs/{}/artifacts/{}", artifact.job_id, artifact.id)
}

/// The page for people of an organization.
pub(super) fn organization_page(app: &App, organization: &Organization) -> String {
    let name = encode_segment(&organization.name);
    format!("{}/{}/{name}", app.public_url(), organization.vcs)
}

/// The page for people of a pipeline.
pub(super) fn pipeline_page(app: &App, project: &Project) -> String {
    let organization = organization_page(app, &project.organization);
    format!("{organization}/{}", encode_segment(&project.name))
}

/// The page for people of a build.
pub(super) fn build_page(app: &App, build: &Build) -> String {
    format!(
        "{}/builds/{}",
        pipeline_page(app, &build.project),
        build.number
    )
}

/// What Buildkite's GraphQL names a thing: the base64 of its kind and its UUID.
pub(super) fn graphql_id(kind: &str, id: impl std::fmt::Display) -> String {
    STANDARD.encode(format!("{kind}---{id}"))
}
