//! What a trusted proxy says of a request: whom it has signed in, and that it took the path of the public address away.
//!
//! Neither is believed of anybody else. A client behind the proxy can send the same headers, so the proxy must set or
//! remove each of them on every request; `deploy/nginx.conf` shows how. `X-Forwarded-Host` is not read at all: proxies
//! hand on what clients wrote there, and with it a page of a user's could speak to the main host.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use larder_core::Vouched;

use crate::config::SignInConfig;
use crate::http::session::is_main_host;
use crate::listener::PeerAddr;

/// In which a proxy says what it took away from the path.
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// In the extensions of a request to the main host: whom a trusted proxy has signed in.
#[derive(Clone, Debug)]
pub(crate) struct VouchedCaller(pub(crate) Arc<Vouched>);

/// Reads whom the proxy has signed in into the request's extensions, and takes the headers away, so that nothing behind
/// this reads them again. What cannot be understood is refused: a guess could let in somebody else. For
/// `from_fn_with_state`, behind what tells hosts apart.
pub(crate) async fn hear_proxy(
    State(sign_in): State<Arc<SignInConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(user_header) = &sign_in.user_header else {
        return next.run(request).await;
    };
    let is_believed = is_from_proxy(&request) && is_main_host(request.extensions());
    if is_believed {
        match said(&sign_in, request.headers()) {
            Ok(Some(vouched)) => {
                let vouched = VouchedCaller(Arc::new(vouched));
                request.extensions_mut().insert(vouched);
            }
            Ok(None) => {}
            Err(reason) => {
                tracing::warn!(reason, "refused what a trusted proxy says of a user");
                return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response();
            }
        }
    }
    let headers = request.headers_mut();
    headers.remove(user_header.name());
    if let Some(groups_header) = &sign_in.groups_header {
        headers.remove(groups_header.name());
    }
    next.run(request).await
}

/// The request with the path that routes begin with: the one that it had before the proxy took `base_path` away, if a
/// trusted proxy says that it did.
pub(crate) fn with_whole_path(mut request: Request<Body>, base_path: &str) -> Request<Body> {
    let path = request.uri().path_and_query();
    let path = path.map_or("/", PathAndQuery::as_str).to_owned();
    let rest = if has_lost(&request, base_path) {
        path.as_str()
    } else {
        path.strip_prefix(base_path).unwrap_or_default()
    };
    // The first page has no slash in the table of routes, and one in the address.
    let whole = match rest.strip_prefix('/') {
        Some(query) if query.is_empty() || query.starts_with('?') => format!("{base_path}{query}"),
        Some(_) => format!("{base_path}{rest}"),
        // What is no path, like `*`, and what is another path stay as they are and find no route.
        None => return request,
    };
    if let Ok(whole) = whole.parse::<Uri>() {
        *request.uri_mut() = whole;
    }
    request
}

/// Whether a trusted proxy says that it took this path away.
fn has_lost(request: &Request<Body>, base_path: &str) -> bool {
    let mut prefixes = request.headers().get_all(&PREFIX).iter();
    let (Some(prefix), None) = (prefixes.next(), prefixes.next()) else {
        return false;
    };
    let prefix = prefix.to_str().unwrap_or_default();
    prefix.trim_end_matches('/') == base_path && is_from_proxy(request)
}

fn is_from_proxy(request: &Request<Body>) -> bool {
    let peer = request.extensions().get::<PeerAddr>();
    peer.is_some_and(|peer| peer.is_through_proxy)
}

/// Whom the headers name; nobody if there is no name in them.
fn said(sign_in: &SignInConfig, headers: &HeaderMap) -> Result<Option<Vouched>, &'static str> {
    let Some(user_header) = &sign_in.user_header else {
        return Ok(None);
    };
    let name = only(headers, user_header.name())?;
    let groups = match &sign_in.groups_header {
        Some(header) => only(headers, header.name())?,
        None => "",
    };
    if name.is_empty() {
        return Ok(None);
    }
    let groups: Vec<&str> = groups.split(',').map(str::trim).collect();
    let admin = sign_in.admin_group.as_deref();
    let is_admin = admin.is_some_and(|admin| groups.contains(&admin));
    let roles = sign_in
        .groups
        .iter()
        .filter(|rule| groups.contains(&rule.group.as_str()))
        .map(|rule| rule.grants.clone())
        .collect();
    Vouched::new(name, is_admin, roles)
        .map(Some)
        .map_err(|_| "the proxy's header names no user that can be")
}

/// The one value of that name, empty if there is none.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, &'static str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str);
    if values.next().is_some() {
        return Err("the proxy's header is there twice");
    }
    match value {
        None => Ok(""),
        Some(Ok(value)) => Ok(value.trim()),
        Some(Err(_)) => Err("the proxy's header is not plain text"),
    }
}
