//! `/d/{token}/{name}`: where download links lead. The link is the right to read, so no credential is looked at: a client
//! that follows a redirect may bring its own along, and a wrong one must not spoil the download. The name at the end is
//! for people, the query means nothing.

mod error;

use crate::http::download::{Wish, send_or_redirect};
use crate::http::hosts::RequestHost;
use crate::http::routes::Routes;
use crate::http::state::App;
use axum::Extension;
use axum::extract::{RawPathParams, State};
use axum::response::Response;
use error::Error;
use larder_core::model::Principal;
use larder_core::{Readable, What};

/// The routes of download links.
pub(crate) fn routes() -> Routes {
    Routes::new(error::method_not_allowed)
        .get("/d/{token}", redeem)
        .get("/d/{token}/{*name}", redeem)
}

/// `GET` and `HEAD`
async fn redeem(
    State(app): State<App>,
    params: RawPathParams,
    host: Option<Extension<RequestHost>>,
    wish: Wish,
) -> Result<Response, Error> {
    let token = params.iter().find(|(key, _)| *key == "token");
    let token = token.map_or("", |(_, token)| token);
    let readable = app.larder().artifacts.readable_by_link(token).await?;
    if let Some(Extension(host)) = host
        && !may_be_shown_on(&app, &host, &readable).await?
    {
        return Err(larder_core::Error::NotFound(What::Artifact).into());
    }
    Ok(send_or_redirect(&app, &wish.without_query(), &readable).await?)
}

/// A job's own host shows that job's files only, so that no other job's page runs in its origin.
async fn may_be_shown_on(
    app: &App,
    host: &RequestHost,
    readable: &Readable,
) -> Result<bool, larder_core::Error> {
    let RequestHost::ContentWildcard { n, project, vcs } = host else {
        return Ok(true);
    };
    let artifact = readable.artifact();
    let jobs = &app.larder().jobs;
    let owner = jobs.seen(&Principal::Operator, artifact.job_id).await?;
    let owner = &owner.build.project;
    let is = |number: i64, named: u64| u64::try_from(number) == Ok(named);
    Ok(artifact.job_number.is_some_and(|number| is(number, *n))
        && is(owner.number, *project)
        && owner.organization.vcs.short() == vcs)
}
