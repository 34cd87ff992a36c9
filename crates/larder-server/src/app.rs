//! All routes, and the service that they make together.

use crate::http::routes::Routes;
use crate::http::session::carry_session;
use crate::http::state::App;
use axum::Router;
use axum::middleware::from_fn_with_state;

/// Every route of every API and page, with its table.
pub fn routes() -> Routes {
    crate::api::routes().merge(crate::web::routes())
}

/// The service of all routes, under the path of the public address.
pub fn router(app: App) -> Router {
    let path = app.base_path().to_owned();
    // The host decides before the path does: on the host of a job, every path is one of its files.
    let by_host = from_fn_with_state(app.clone(), crate::api::content_host);
    let router = routes()
        .into_router()
        .fallback(crate::web::nothing_here)
        .layer(from_fn_with_state(app.clone(), carry_session))
        .layer(by_host)
        .with_state(app);
    if path.is_empty() {
        router
    } else {
        Router::new().nest(&path, router)
    }
}
