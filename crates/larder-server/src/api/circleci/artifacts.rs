//! Artifacts of v1 and v1.1: the list of a job, and the file itself.

use super::auth::Caller;
use super::error::Error;
use super::extract::{Parameters, Path};
use super::json::Spelling;
use super::lookup::{Filter, JobPath, Latest};
use crate::http::download::{self, Wish};
use crate::http::encode_path;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::model::{Artifact, Principal, Project, Vcs};
use larder_core::{JobNodes, Readable, What};
use serde::{Deserialize, Serialize};

/// Exactly the documented four keys, in the documented order.
#[derive(Serialize)]
struct ArtifactBody<'a> {
    path: &'a str,
    pretty_path: &'a str,
    node_index: u32,
    url: String,
}

/// A job's path and that of a file in it.
#[derive(Debug, Deserialize)]
pub(super) struct FilePath {
    #[serde(flatten)]
    job: JobPath,
    index: String,
    path: String,
}

/// `GET /api/v1.1/project/:vcs-type/:username/:project/:build_num/artifacts`, and with `latest` in place of the number.
/// There the documents' default is no filter.
pub(super) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let latest = Latest::of(&parameters, None)?;
    let nodes = path.named(&app, &who, &latest).await?;
    let artifacts = app.larder().artifacts.of_nodes(&who, &nodes).await?;
    let body: Vec<_> = artifacts
        .iter()
        .map(|artifact| ArtifactBody::of(&app, &nodes.build.project, artifact))
        .collect();
    Ok(spelling.answer(&body)?)
}

/// `GET …/:build_num/artifacts/:container-index/path/to/artifact`, and with `latest` in place of the number. Here the
/// documents' default is `completed`.
pub(super) async fn file(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<FilePath>,
    parameters: Parameters,
    wish: Wish,
) -> Result<Response, Error> {
    let latest = Latest::of(&parameters, Some(Filter::Completed))?;
    let nodes = path.job.named(&app, &who, &latest).await?;
    Ok(send(&app, &who, &nodes, &path.index, &path.path, &wish).await?)
}

/// `GET /gh/:org/:repo/:build_num/artifacts/:idx/path`: the file's address on the 1.0 site, with the host of the code in
/// its first segment.
pub(super) async fn file_of(
    vcs: Vcs,
    app: State<App>,
    caller: Caller,
    Path(path): Path<FilePath>,
    parameters: Parameters,
    wish: Wish,
) -> Result<Response, Error> {
    let job = path.job.on(vcs);
    file(
        app,
        caller,
        Path(FilePath { job, ..path }),
        parameters,
        wish,
    )
    .await
}

/// Sends the newest file of a node under a path, which is written in any of the ways that addresses in the wild have.
/// The caller may see the job, so what is missing now is the artifact, whoever asks.
pub(super) async fn send(
    app: &App,
    who: &Principal,
    nodes: &JobNodes,
    index: &str,
    path: &str,
    wish: &Wish,
) -> Result<Response, larder_core::Error> {
    let node = index.parse().ok().and_then(|index| nodes.node(index));
    let Some(node) = node else {
        return Err(larder_core::Error::NotFound(What::Artifact));
    };
    let artifacts = &app.larder().artifacts;
    let mut found: Result<Readable, _> = Err(larder_core::Error::NotFound(What::Artifact));
    for path in spellings(path) {
        found = artifacts
            .readable_by_path(who, &nodes.build, node, &path)
            .await;
        match &found {
            Err(larder_core::Error::NotFound(_) | larder_core::Error::Unauthenticated) => {}
            Ok(_) | Err(_) => break,
        }
    }
    match found {
        Err(larder_core::Error::Unauthenticated) => {
            Err(larder_core::Error::NotFound(What::Artifact))
        }
        Ok(readable) => download::send(app, wish, &readable).await,
        Err(error) => Err(error),
    }
}

/// The paths that an address may mean. Artifacts of the 1.0 time had absolute paths, so that slashes double; and some
/// clients write a space as `+`.
fn spellings(path: &str) -> Vec<String> {
    let trailing = if path.ends_with('/') { "/" } else { "" };
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = parts.join("/") + trailing;
    let spaced = plain.replace('+', " ");
    if spaced == plain {
        vec![plain]
    } else {
        vec![plain, spaced]
    }
}

impl<'a> ArtifactBody<'a> {
    fn of(app: &App, project: &Project, artifact: &'a Artifact) -> Self {
        Self {
            path: artifact.path.as_str(),
            pretty_path: pretty_path(artifact),
            node_index: artifact.job_index,
            url: url_of(app, project, artifact),
        }
    }
}

/// What 1.0 showed to people, `$CIRCLE_ARTIFACTS/…`; since 2.0 the path itself.
fn pretty_path(artifact: &Artifact) -> &str {
    artifact.alias.as_deref().unwrap_or(artifact.path.as_str())
}

/// The address of an artifact's file, which never changes: below a host of its job where the content host is a
/// wildcard, otherwise below the job's id, which a job knows before it uploads.
pub(super) fn url_of(app: &App, project: &Project, artifact: &Artifact) -> String {
    let path = encode_path(artifact.path.as_str());
    let index = artifact.job_index;
    let host = artifact
        .job_number
        .and_then(|number| app.job_content_url(project, number));
    if let Some(host) = host {
        return format!("{host}/{index}/{path}");
    }
    let (public, job) = (app.public_url(), artifact.job_id);
    format!("{public}/output/job/{job}/artifacts/{index}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_slashes_are_one_and_a_plus_may_be_a_space() {
        assert_eq!(spellings("/tmp//a"), ["tmp/a"]);
        assert_eq!(spellings("a+b/"), ["a+b/", "a b/"]);
    }
}
