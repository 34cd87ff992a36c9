//! Signing in, by a one-time link, a password or a token, and out.

use super::page::{Frame, html, problem, see_other};
use super::password;
use super::visitor::{Posted, Visitor};
use crate::http::session;
use crate::http::status::{note_detail, status_of};
use askama::Template;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use larder_core::{Error, SignedIn};

/// Addresses that sign-in leads to may be so long, in bytes.
const TARGET_BYTES_MAX: usize = 4_096;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    pub(super) frame: Frame,
    /// Where to go on, if that is not the first page.
    pub(super) to: String,
    /// What was wrong with the last try.
    pub(super) fault: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct LinkPage {
    frame: Frame,
    secret: String,
    name: String,
}

#[derive(Template)]
#[template(path = "sign_in_link_dead.html")]
pub(super) struct DeadLinkPage {
    pub(super) frame: Frame,
    /// Makes another one.
    pub(super) command: &'static str,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage<'a> {
    frame: Frame,
    to: &'a str,
}

/// `GET /sign-in?to=…`
pub(super) async fn form(visitor: Visitor, Query(query): Query<Vec<(String, String)>>) -> Response {
    let to = query.iter().find(|(name, _)| name == "to");
    let to = path_here(to.map_or("", |(_, to)| to.as_str()));
    if visitor.who.user().is_some() {
        return see_other(&visitor.frame(), &to);
    }
    let frame = visitor.frame();
    let fault = None;
    html(StatusCode::OK, &SignInPage { frame, to, fault })
}

/// `POST /sign-in`: with a password where there is one, else with a token.
pub(super) async fn by_form(posted: Posted) -> Response {
    if posted.has("password") {
        return password::sign_in(posted).await;
    }
    by_token(posted).await
}

async fn by_token(posted: Posted) -> Response {
    let to = path_here(posted.field("to"));
    let access = &posted.visitor.app.larder().access;
    match access.sign_in_by_token(posted.field("token")).await {
        Ok(signed_in) => begin(&posted, &signed_in, &to).await,
        Err(error @ (Error::InvalidToken(_) | Error::Forbidden(_))) => {
            let fault = match &error {
                Error::Forbidden(_) => {
                    "Only a personal token with the scope admin signs in: whoever is signed in may do all that you may."
                        .to_owned()
                }
                other => format!("{other}."),
            };
            let frame = posted.visitor.frame();
            let fault = Some(fault);
            let mut response = html(status_of(&error), &SignInPage { frame, to, fault });
            note_detail(&error, &mut response);
            response
        }
        Err(error) => problem(&posted.visitor.frame(), &error),
    }
}

/// `GET /sign-in/{secret}`: only shows a button, so that whatever looks links over does not use them up.
pub(super) async fn link(visitor: Visitor, Path(secret): Path<String>) -> Response {
    let access = &visitor.app.larder().access;
    match access.sign_in_link_leads(&secret).await {
        Ok((user, _)) => {
            let page = LinkPage {
                frame: visitor.frame(),
                secret,
                name: user.name,
            };
            html(StatusCode::OK, &page)
        }
        Err(error) => refuse_link(&visitor, &error),
    }
}

/// `POST /sign-in/{secret}`
pub(super) async fn by_link(Path(secret): Path<String>, posted: Posted) -> Response {
    let access = &posted.visitor.app.larder().access;
    match access.sign_in_by_link(&secret).await {
        Ok(signed_in) => {
            let to = path_here(signed_in.path.as_deref().unwrap_or_default());
            begin(&posted, &signed_in, &to).await
        }
        Err(error) => refuse_link(&posted.visitor, &error),
    }
}

/// `POST /sign-out`
pub(super) async fn out(posted: Posted) -> Response {
    let ended = match posted.visitor.user() {
        Ok(_) => posted.end_session().await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        return posted.visitor.refuse(&error);
    }
    let app = &posted.visitor.app;
    let mut response = match &app.sign_in().sign_out_url {
        Some(to) => on_to_the_proxy(&posted.visitor, to.as_str()),
        None => see_other(&posted.visitor.frame(), "/sign-in"),
    };
    let cookie = session::no_cookie(app);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// A page that leads on. Not a redirect: browsers that hold forms to this host hold the redirects of their answers to it
/// too, and the proxy's page may be elsewhere.
fn on_to_the_proxy(visitor: &Visitor, to: &str) -> Response {
    let frame = Frame {
        user: None,
        ..visitor.frame()
    };
    let mut response = html(StatusCode::OK, &SignedOutPage { frame, to });
    if let Ok(refresh) = HeaderValue::try_from(format!("0; url={to}")) {
        response.headers_mut().insert(header::REFRESH, refresh);
    }
    response
}

/// The browser gets the new session; the one that it had before is over.
pub(super) async fn begin(posted: &Posted, signed_in: &SignedIn, to: &str) -> Response {
    if let Err(error) = posted.end_session().await {
        return problem(&posted.visitor.frame(), &error);
    }
    let mut response = see_other(&posted.visitor.frame(), to);
    let cookie = session::cookie(&posted.visitor.app, &signed_in.secret);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn refuse_link(visitor: &Visitor, error: &Error) -> Response {
    let (frame, command) = (visitor.frame(), "larder admin user link NAME");
    match error {
        Error::NotFound(_) => html(StatusCode::NOT_FOUND, &DeadLinkPage { frame, command }),
        other => problem(&frame, other),
    }
}

/// The path, if it cannot lead to another host, else that of the first page. Browsers read `//host`, `/\host` and paths
/// with tabs in them as addresses of other hosts.
pub(super) fn path_here(to: &str) -> String {
    let is_path = to.starts_with('/') && !to.starts_with("//");
    let is_plain = to
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain && to.len() <= TARGET_BYTES_MAX {
        to.to_owned()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_to_paths_of_this_host_only() {
        let good = "/api/v1.1/project/gh/a/b/1/artifacts/0//tmp/x?filter=completed";
        assert_eq!(path_here(good), good);
        for wrong in [
            "",
            "x",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x",
            "/ü",
        ] {
            assert_eq!(path_here(wrong), "/", "{wrong:?}");
        }
    }
}
