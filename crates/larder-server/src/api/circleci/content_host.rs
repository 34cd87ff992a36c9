//! The hosts of artifacts, `https://24-88881093-gh.artifacts.example/0/path`: a host of its own for each job, where the
//! content host is set to a wildcard. The documents send tokens to such a host, so it takes every carrier of them; and
//! it answers with the bytes themselves, since a redirect elsewhere would take the `Circle-Token` header along.

use super::auth::Caller;
use super::error::{Error, invalid_build_specification, method_not_allowed};
use super::{artifacts, lookup};
use crate::config::JobHost;
use crate::http::download::Wish;
use crate::http::hosts::{RequestHost, is_for_every_host};
use crate::http::state::App;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use larder_core::What;
use larder_core::model::Principal;
use percent_encoding::percent_decode_str;

/// Answers requests to the host of a job and leaves others to the routes, signed links (`/d/…`) and probes on such a
/// host among them. The router is layered with it.
pub(crate) async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    let job = authority(&request).and_then(|authority| app.job_of_host(&authority));
    let path = request.uri().path();
    match job {
        Some(job) if !path.starts_with("/d/") && !is_for_every_host(path) => {
            respond(&app, &job, request.into_parts().0).await
        }
        Some(_) | None => next.run(request).await,
    }
}

async fn respond(app: &App, host: &JobHost, mut parts: Parts) -> Response {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let mut response = method_not_allowed();
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
    let Some((index, path)) = index_and_path(parts.uri.path()) else {
        return invalid_build_specification();
    };
    let Caller(who) = match Caller::from_request_parts(&mut parts, app).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    parts.extensions.insert(RequestHost::ContentWildcard {
        n: host.n,
        project: host.project,
        vcs: host.vcs.clone(),
    });
    let wish = Wish::of(&parts);
    let sent = serve(app, host, &index, &path, &who, &wish).await;
    sent.unwrap_or_else(|error| Error::from(error).into_response())
}

/// Sends a file of the job that the host means.
pub(crate) async fn serve(
    app: &App,
    host: &JobHost,
    index: &str,
    path: &str,
    who: &Principal,
    wish: &Wish,
) -> Result<Response, larder_core::Error> {
    let number = i64::try_from(host.project).unwrap_or_default();
    let project = app.larder().projects.by_number(who, number).await?;
    if project.organization.vcs.short() != host.vcs {
        return Err(match who {
            Principal::Anonymous => larder_core::Error::Unauthenticated,
            _ => larder_core::Error::NotFound(What::Project),
        });
    }
    let nodes = lookup::numbered(app, who, &project, &host.n.to_string()).await?;
    artifacts::send(app, who, &nodes, index, path, wish).await
}

/// `/0/path` in its parts, percent-decoded. `None` for what cannot name an artifact.
fn index_and_path(path: &str) -> Option<(String, String)> {
    let (index, path) = path.trim_start_matches('/').split_once('/')?;
    index.parse::<u32>().ok()?;
    let path = percent_decode_str(path).decode_utf8().ok()?;
    (!path.trim_matches('/').is_empty()).then(|| (index.to_owned(), path.into_owned()))
}

fn authority(request: &Request) -> Option<String> {
    let named = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    let header = request.headers().get(header::HOST);
    named
        .or_else(|| header.and_then(|host| host.to_str().ok()))
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_slashes_of_a_path_stay_for_the_lookup() {
        let both = |path| index_and_path(path).map(|(index, path)| format!("{index} {path}"));
        assert_eq!(both("/0//tmp/a%20b").as_deref(), Some("0 /tmp/a b"));
        assert_eq!(both("/static/x.css"), None);
        assert_eq!(both("/0/"), None);
        assert_eq!(both("/"), None);
        assert_eq!(both("/0/%ff"), None);
    }
}
