//! `/d/{token}/{name}`: where download links lead. The link is the right to read, so no credential is looked at: a client
//! that follows a redirect may bring its own along, and a wrong one must not spoil the download. The name at the end is
//! for people, the query means nothing.

mod error;

use crate::http::download::{Wish, send};
use crate::http::routes::Routes;
use crate::http::state::App;
use axum::extract::{RawPathParams, State};
use axum::response::Response;
use error::Error;

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
    wish: Wish,
) -> Result<Response, Error> {
    let token = params.iter().find(|(key, _)| *key == "token");
    let token = token.map_or("", |(_, token)| token);
    let readable = app.larder().artifacts.readable_by_link(token).await?;
    Ok(send(&app, &wish.without_query(), &readable).await?)
}
