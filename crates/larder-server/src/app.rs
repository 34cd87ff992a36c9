//! All routes, and the service that they make together.

use crate::http::hosts::{Hosts, RequestHost, accept_host, is_for_every_host};
use crate::http::invalid_tokens::{Limiter, limit_unknown_tokens};
use crate::http::proxied::{hear_proxy, with_whole_path};
use crate::http::request_log::log_request;
use crate::http::routes::Routes;
use crate::http::session::carry_session;
use crate::http::state::App;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use std::sync::Arc;
use tower::Layer as _;
use tower::util::MapRequestLayer;

/// How the template of every route ends that sends an artifact by where it lies, as pages and jobs name it.
const FILE_OF_A_JOB: &str = "/artifacts/{index}/{*path}";
/// How the templates of download links begin.
const LINK: &str = "/d/";

/// Every route of every API and page, with its table.
pub fn routes() -> Routes {
    crate::api::routes().merge(crate::web::routes())
}

/// What a server serves: all routes under the path of the public address, behind what every request passes first.
pub fn service(app: App, hosts: Hosts, limiter: Limiter) -> Router {
    let base_path: Arc<str> = app.base_path().into();
    let sign_in = app.sign_in().clone();
    let service = router(app)
        .layer(from_fn_with_state(limiter, limit_unknown_tokens))
        .layer(from_fn_with_state(base_path.clone(), keep_to_files))
        .layer(from_fn_with_state(sign_in, hear_proxy))
        .layer(from_fn_with_state(Arc::new(hosts), accept_host))
        .layer(from_fn(log_request));
    if base_path.is_empty() {
        return service;
    }
    // Layers run when the route is known, which hangs on the path.
    let whole = MapRequestLayer::new(move |request| with_whole_path(request, &base_path));
    Router::new().fallback_service(whole.layer(service))
}

fn router(app: App) -> Router {
    let path = app.base_path().to_owned();
    // The host decides before the path does: on the host of a job, every path is one of its files.
    let by_host = from_fn_with_state(app.clone(), crate::api::content_host);
    let inner = routes()
        .into_router()
        .fallback(crate::web::nothing_here)
        .layer(from_fn_with_state(app.clone(), carry_session))
        .with_state(app.clone());
    let service = if path.is_empty() {
        inner
    } else {
        // Whoever probes often knows nothing but an address.
        let probes = crate::web::probes().into_router().with_state(app);
        probes.nest(&path, inner).fallback(crate::web::nothing_here)
    };
    service.layer(by_host)
}

/// On the one host of users' files nothing answers but what sends a file: what runs there reaches no API.
async fn keep_to_files(
    State(base_path): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    let extensions = request.extensions();
    let is_content_host = extensions.get() == Some(&RequestHost::Content);
    let template = extensions.get().map_or("", MatchedPath::as_str);
    // Nothing but probes is outside of the path.
    let template = template.strip_prefix(&*base_path).unwrap_or(template);
    let sends_files = template.starts_with(LINK) || template.ends_with(FILE_OF_A_JOB);
    if is_content_host && !sends_files && !is_for_every_host(template) {
        return crate::web::nothing_here().await;
    }
    next.run(request).await
}
