//! The session of a browser, as a carrier of who asks. What a trusted proxy says of who is signed in there counts in its
//! place, wherever a session would and no further.
//!
//! On the APIs it counts for `GET` and `HEAD` of artifact routes and for nothing else, only where no token came along,
//! and never on a host of users' content. A browser in which nobody is signed in is sent to sign in and back from there,
//! whether or not what it asked for exists.

use crate::http::encode_path;
use crate::http::hosts::RequestHost;
use crate::http::proxied::VouchedCaller;
use crate::http::state::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use larder_core::model::Principal;
use larder_core::{Error, SESSION_MS_MAX};

/// A browser takes this name only with `Secure`, without `Domain` and for all paths, so no neighbour can plant it.
const COOKIE: &str = "__Host-larder_session";
/// The name on plain HTTP, where browsers refuse the other.
const PLAIN_COOKIE: &str = "larder_session";

/// What somebody reads whom the proxy lets in and the larder does not.
pub const DISABLED: &str =
    "Your account is disabled here. An operator of this larder can enable it.\n";

/// In the extensions of a request: who is signed in, on routes where that counts.
#[derive(Clone, Debug)]
struct SessionCaller(Principal);

/// In the extensions of an answer: it was refused because nobody asked.
#[derive(Clone, Copy, Debug)]
pub struct SignInWanted;

/// Who is signed in, if that counts for this request. Only those who came with no token may ask.
pub fn caller(parts: &Parts) -> Option<Principal> {
    let caller = parts.extensions.get::<SessionCaller>();
    caller.map(|SessionCaller(who)| who.clone())
}

/// Who is signed in in a browser.
#[derive(Debug)]
pub enum SignedInHere {
    /// Nobody.
    Nobody,
    /// A user.
    User(Principal),
    /// Somebody whose account is disabled, by a proxy that cannot know it.
    Disabled,
}

/// Who is signed in in the browser that sends this request.
pub async fn signed_in(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<SignedInHere, Error> {
    let access = &app.larder().access;
    if let Some(VouchedCaller(vouched)) = extensions.get() {
        let user = access.vouched(vouched).await?;
        return Ok(user.map_or(SignedInHere::Disabled, SignedInHere::User));
    }
    let user = match secret(app, headers) {
        Some(secret) => access.session(secret).await?,
        None => None,
    };
    Ok(user.map_or(SignedInHere::Nobody, SignedInHere::User))
}

/// The secret of the session that these headers carry.
pub fn secret<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let wanted = cookie_name(app);
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// The cookie that makes a browser keep a session.
pub fn cookie(app: &App, secret: &str) -> HeaderValue {
    let seconds = SESSION_MS_MAX / 1000;
    cookie_of(app, &format!("{secret}; Max-Age={seconds}"))
}

/// The cookie that makes a browser forget its session.
pub fn no_cookie(app: &App) -> HeaderValue {
    cookie_of(app, "; Max-Age=0")
}

/// Whether the host that was asked is that of the pages and APIs, and no host of users' content.
pub fn is_main_host(extensions: &Extensions) -> bool {
    matches!(extensions.get(), None | Some(RequestHost::Main))
}

/// 302 to the page that lets people in and leads them back to `here`.
pub fn ask_to_sign_in(app: &App, here: &Uri) -> Response {
    let path = here.path_and_query().map_or("/", |path| path.as_str());
    let target = format!("{}/sign-in?to={}", app.base_path(), encode_path(path));
    let headers = [
        (header::LOCATION, target.as_str()),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Says on artifact routes who is signed in, and sends browsers in which nobody is to sign in. The router is layered with
/// it.
pub async fn carry_session(
    State(app): State<App>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let counts = matches!(*request.method(), Method::GET | Method::HEAD)
        && is_main_host(request.extensions())
        && matched.is_some_and(|route| is_of_artifacts(&app, route.as_str()));
    if !counts {
        return next.run(request).await;
    }
    match signed_in(&app, request.extensions(), request.headers()).await {
        Ok(SignedInHere::User(who)) => {
            request.extensions_mut().insert(SessionCaller(who));
            next.run(request).await
        }
        Ok(SignedInHere::Disabled) => {
            let response = next.run(request).await;
            // Whoever came with a token was not asked to sign in.
            match response.extensions().get::<SignInWanted>() {
                Some(_) => (StatusCode::FORBIDDEN, DISABLED).into_response(),
                None => response,
            }
        }
        Ok(SignedInHere::Nobody) => {
            let here = is_navigation(request.headers()).then(|| request.uri().clone());
            let response = next.run(request).await;
            match here {
                Some(here) if response.extensions().get::<SignInWanted>().is_some() => {
                    ask_to_sign_in(&app, &here)
                }
                Some(_) | None => response,
            }
        }
        Err(error) => {
            tracing::error!(%error, "look for a session");
            next.run(request).await
        }
    }
}

/// Every API names its artifacts so.
fn is_of_artifacts(app: &App, template: &str) -> bool {
    let template = template.strip_prefix(app.base_path()).unwrap_or(template);
    template.split('/').any(|segment| segment == "artifacts")
}

/// A person follows a link or typed an address; scripts and programs do not claim that.
fn is_navigation(headers: &HeaderMap) -> bool {
    let mode = headers.get("sec-fetch-mode");
    mode.is_some_and(|mode| mode == "navigate")
}

fn cookie_name(app: &App) -> &'static str {
    if app.is_https() { COOKIE } else { PLAIN_COOKIE }
}

fn cookie_of(app: &App, value_and_age: &str) -> HeaderValue {
    let secure = if app.is_https() { "; Secure" } else { "" };
    let text = format!(
        "{}={value_and_age}; Path=/; HttpOnly; SameSite=Lax{secure}",
        cookie_name(app)
    );
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
