//! Signing in with a password, and setting a new one by a link that works once.

use super::page::{Frame, html, problem};
use super::sign_in::{DeadLinkPage, SignInPage, begin, path_here};
use super::visitor::{Posted, Visitor};
use crate::http::per_minute::TooMany;
use askama::Template;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::Response;
use larder_core::Error;
use larder_core::model::Password;

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    secret: String,
    name: String,
    /// What was wrong with the last try.
    fault: Option<String>,
}

/// `POST /sign-in` with a name and a password. Whether there is such a user shows neither in the words nor in the time.
pub(super) async fn sign_in(posted: Posted) -> Response {
    let (to, name) = (path_here(posted.field("to")), posted.field("name"));
    let app = &posted.visitor.app;
    let now_ms = app.larder().clock().now().0;
    if let Err(TooMany { retry_after_s }) = app.password_tries().begin(posted.peer, name, now_ms) {
        let fault = format!("Too many tries. Try again in {retry_after_s} seconds.");
        let mut response = again(&posted, StatusCode::TOO_MANY_REQUESTS, to, fault);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, retry_after_s.into());
        return response;
    }
    let access = &app.larder().access;
    match access
        .sign_in_by_password(name, posted.exactly("password"))
        .await
    {
        Ok(Some(signed_in)) => {
            app.password_tries().succeeded(posted.peer, name);
            begin(&posted, &signed_in, &to).await
        }
        Ok(None) => {
            let fault = "Name or password is wrong.".to_owned();
            again(&posted, StatusCode::UNAUTHORIZED, to, fault)
        }
        Err(error) => problem(&posted.visitor.frame(), &error),
    }
}

/// `GET /password/{secret}`: only shows a form, so that whatever looks links over does not use them up.
pub(super) async fn form(visitor: Visitor, Path(secret): Path<String>) -> Response {
    show(&visitor, secret, StatusCode::OK, None).await
}

/// `POST /password/{secret}`
pub(super) async fn set(Path(secret): Path<String>, posted: Posted) -> Response {
    let password = posted.exactly("password");
    let bad = StatusCode::BAD_REQUEST;
    if password != posted.exactly("again") {
        let fault = Some("The two passwords differ.".to_owned());
        return show(&posted.visitor, secret, bad, fault).await;
    }
    let password = match Password::parse(password) {
        Ok(password) => password,
        Err(error) => {
            let fault = Some(format!("The {error}."));
            return show(&posted.visitor, secret, bad, fault).await;
        }
    };
    let access = &posted.visitor.app.larder().access;
    match access.set_password_by_link(&secret, password).await {
        Ok(signed_in) => begin(&posted, &signed_in, "/").await,
        Err(error) => refuse(&posted.visitor, &error),
    }
}

async fn show(
    visitor: &Visitor,
    secret: String,
    status: StatusCode,
    fault: Option<String>,
) -> Response {
    let access = &visitor.app.larder().access;
    match access.password_link_leads(&secret).await {
        Ok(user) => {
            let page = PasswordPage {
                frame: visitor.frame(),
                secret,
                name: user.name,
                fault,
            };
            html(status, &page)
        }
        Err(error) => refuse(visitor, &error),
    }
}

fn refuse(visitor: &Visitor, error: &Error) -> Response {
    let (frame, command) = (visitor.frame(), "larder admin user reset NAME");
    match error {
        Error::NotFound(_) => html(StatusCode::NOT_FOUND, &DeadLinkPage { frame, command }),
        other => problem(&frame, other),
    }
}

fn again(posted: &Posted, status: StatusCode, to: String, fault: String) -> Response {
    let (frame, fault) = (posted.visitor.frame(), Some(fault));
    html(status, &SignInPage { frame, to, fault })
}
