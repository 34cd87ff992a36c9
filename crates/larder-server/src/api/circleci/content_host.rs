//! The hosts of artifacts, `https://24-88881093-gh.artifacts.example/0/path`: a host of its own for each job, where the
//! content host is set to a wildcard. The documents send tokens to such a host, so it takes every carrier of them; and
//! it answers with the bytes themselves, since a redirect elsewhere would take the `Circle-Token` header along.

use super::auth::Caller;
use super::error::{Error, invalid_build_specification, method_not_allowed};
use super::{artifacts, lookup};
use crate::app::App;
use crate::http::download::Wish;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use larder_core::What;
use larder_core::model::Principal;
use percent_encoding::percent_decode_str;

/// The job that a host's name means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ContentHost {
    /// Number of the job in its project.
    pub(crate) number: String,
    /// Number of the project.
    pub(crate) project: String,
    /// CircleCI's short word for the host of the code.
    pub(crate) vcs: String,
}

/// Answers requests to the host of a job and leaves others to the routes, signed links (`/d/…`) on such a host among
/// them. The router is layered with it.
pub(crate) async fn answer(State(app): State<App>, request: Request, next: Next) -> Response {
    let template = app.wildcard_content_url();
    let host = template.and_then(|template| {
        let authority = authority(&request)?;
        ContentHost::parse(template, &authority)
    });
    match host {
        Some(host) if !request.uri().path().starts_with("/d/") => {
            respond(&app, &host, request.into_parts().0).await
        }
        Some(_) | None => next.run(request).await,
    }
}

async fn respond(app: &App, host: &ContentHost, mut parts: Parts) -> Response {
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
    let wish = Wish::of(&parts);
    let sent = serve(app, host, &index, &path, &who, &wish).await;
    sent.unwrap_or_else(|error| Error::from(error).into_response())
}

/// Sends a file of the job that the host means.
pub(crate) async fn serve(
    app: &App,
    host: &ContentHost,
    index: &str,
    path: &str,
    who: &Principal,
    wish: &Wish,
) -> Result<Response, larder_core::Error> {
    let number = host.project.parse().unwrap_or_default();
    let project = app.larder().projects.by_number(who, number).await?;
    if project.organization.vcs.short() != host.vcs {
        return Err(match who {
            Principal::Anonymous => larder_core::Error::Unauthenticated,
            _ => larder_core::Error::NotFound(What::Project),
        });
    }
    let nodes = lookup::numbered(app, who, &project, &host.number).await?;
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

impl ContentHost {
    /// Reads a host's name (with its port, if it has one) against the template of the content host.
    pub(crate) fn parse(template: &str, authority: &str) -> Option<Self> {
        let (scheme, rest) = template.split_once("://")?;
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let wanted = rest.split('/').next()?.trim_end_matches(default_port);
        let mut authority = authority.trim_end_matches(default_port);
        let mut host = Self {
            number: String::new(),
            project: String::new(),
            vcs: String::new(),
        };
        let mut wanted = wanted;
        while let Some((literal, rest)) = wanted.split_once('{') {
            authority = strip_prefix_ignoring_case(authority, literal)?;
            let (name, rest) = rest.split_once('}')?;
            let (place, plain): (_, fn(u8) -> bool) = match name {
                "n" => (&mut host.number, |byte| byte.is_ascii_digit()),
                "project" => (&mut host.project, |byte| byte.is_ascii_digit()),
                "vcs" => (&mut host.vcs, |byte| byte.is_ascii_lowercase()),
                _ => return None,
            };
            let end = authority.bytes().take_while(|byte| plain(*byte)).count();
            let (value, after) = authority.split_at(end);
            if value.is_empty() {
                return None;
            }
            value.clone_into(place);
            (authority, wanted) = (after, rest);
        }
        let complete = [&host.number, &host.project, &host.vcs]
            .iter()
            .all(|part| !part.is_empty());
        (authority.eq_ignore_ascii_case(wanted) && complete).then_some(host)
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, authority: &str, expected: Option<(&str, &str, &str)>) {
        let host = ContentHost::parse(template, authority);
        let parts = host
            .as_ref()
            .map(|host| (&*host.number, &*host.project, &*host.vcs));
        assert_eq!(parts, expected, "{authority} against {template}");
    }

    #[test]
    fn a_host_is_read_against_the_template_and_nothing_else_passes() {
        let template = "https://{n}-{project}-{vcs}.artifacts.example";
        check(
            template,
            "24-88881093-gh.artifacts.example",
            Some(("24", "88881093", "gh")),
        );
        check(
            template,
            "24-88881093-gh.artifacts.example:443",
            Some(("24", "88881093", "gh")),
        );
        check(template, "24-88881093-gh.artifacts.example:8443", None);
        check(template, "24-88881093-gh.artifacts.example.evil.test", None);
        check(template, "24-gh.artifacts.example", None);
        check(template, "x-1-gh.artifacts.example", None);
        check(template, "artifacts.example", None);
        check(
            "http://{vcs}.{n}.{project}.test:81/",
            "bb.1.2.test:81",
            Some(("1", "2", "bb")),
        );
        check(
            "https://{n}.artifacts.example",
            "24.artifacts.example",
            None,
        );
    }

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
