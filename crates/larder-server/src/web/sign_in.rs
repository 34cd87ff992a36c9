//! Where a one-time sign-in link leads. There are no pages to sign in to yet, and the page says so; the link stays good.

use crate::http::state::App;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// `GET /sign-in/{secret}`
pub(super) async fn page(State(app): State<App>, Path(secret): Path<String>) -> Response {
    match app.larder().access.sign_in_link_leads(&secret).await {
        Ok((user, path)) => {
            let text = format!(
                "This link is good for {}. It will lead to {path} once larder has pages.\n\n\
                 Until then use the APIs or the command line:\n\n    \
                 larder admin token create --user {} --scopes read_builds,read_artifacts\n",
                user.name, user.name
            );
            plain(StatusCode::OK, text)
        }
        Err(_) => plain(
            StatusCode::NOT_FOUND,
            "This link is not good any more. Make a new one: larder admin user link NAME\n"
                .to_owned(),
        ),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text).into_response()
}
