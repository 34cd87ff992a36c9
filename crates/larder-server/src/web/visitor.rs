//! Who looks at a page, and what of a form is believed.

use super::page::{self, Frame, foreign_form, html, problem};
use crate::http::session::{self, SignedInHere};
use crate::http::state::App;
use crate::listener::PeerAddr;
use askama::Template;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use larder_core::model::{Principal, UserPrincipal};
use larder_core::{Error, What};
use std::net::IpAddr;

/// Whoever looks at a page, signed in or not. Pages are on the main host and on no other.
pub(super) struct Visitor {
    pub(super) app: App,
    pub(super) who: Principal,
    /// The page that was asked for; the first one for what a form sent, which cannot be led back to.
    pub(super) here: Uri,
}

/// The fields of a form that a page of ours sent.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    /// The address that it came from.
    pub(super) peer: Option<IpAddr>,
    headers: HeaderMap,
    fields: Vec<(String, String)>,
}

impl Visitor {
    /// What stands around the page.
    pub(super) fn frame(&self) -> Frame {
        let user = self.who.user();
        Frame {
            base: self.app.base_path().to_owned(),
            user: user.map(|user| user.user.name.clone()),
            signs_out: !self.who.is_vouched_for() || self.app.sign_in().sign_out_url.is_some(),
        }
    }

    /// The user who is signed in.
    pub(super) fn user(&self) -> Result<&UserPrincipal, Error> {
        self.who.user().ok_or(Error::Unauthenticated)
    }

    /// What to say of a thing that is not there.
    pub(super) fn missing(&self, what: What) -> Error {
        match self.who {
            Principal::Anonymous => Error::Unauthenticated,
            Principal::Operator | Principal::User(_) | Principal::Job(_) => Error::NotFound(what),
        }
    }

    /// The page, or why there is none. Who is not signed in is asked to, and led back here.
    pub(super) fn answer<T: Template>(&self, page: Result<T, Error>) -> Response {
        match page {
            Ok(page) => html(StatusCode::OK, &page),
            Err(error) => self.refuse(&error),
        }
    }

    /// Why there is no page.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        match (error, &self.who) {
            (Error::Unauthenticated, Principal::Anonymous) => {
                session::ask_to_sign_in(&self.app, &self.here)
            }
            _ => problem(&self.frame(), error),
        }
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        if !session::is_main_host(&parts.extensions) {
            return Err(page::nothing_here().await);
        }
        let mut visitor = Self {
            app: app.clone(),
            who: Principal::Anonymous,
            here: match parts.method {
                Method::GET | Method::HEAD => parts.uri.clone(),
                _ => Uri::from_static("/"),
            },
        };
        match session::signed_in(app, &parts.extensions, &parts.headers).await {
            Ok(SignedInHere::User(who)) => visitor.who = who,
            Ok(SignedInHere::Nobody) => {}
            Ok(SignedInHere::Disabled) => return Err(page::disabled_account(&visitor.frame())),
            Err(error) => return Err(problem(&visitor.frame(), &error)),
        }
        Ok(visitor)
    }
}

impl Posted {
    /// The first value of that name, without white space around it; empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.exactly(name).trim()
    }

    /// The same with its white space, which counts in passwords.
    pub(super) fn exactly(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether there is a field of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// Every value of that name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter();
        fields
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Ends the session of the browser that sent the form, if it has one.
    pub(super) async fn end_session(&self) -> Result<(), Error> {
        let app = &self.visitor.app;
        match session::secret(app, &self.headers) {
            Some(secret) => app.larder().access.sign_out(secret).await,
            None => Ok(()),
        }
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        if !is_from_here(app, &parts.headers) {
            return Err(foreign_form(&visitor.frame()));
        }
        let headers = parts.headers.clone();
        let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.ip);
        let form = Form::from_request(Request::from_parts(parts, body), app).await;
        let Form(fields) = form.map_err(IntoResponse::into_response)?;
        Ok(Self {
            visitor,
            peer,
            headers,
            fields,
        })
    }
}

/// Whether a page of ours sent it, or a person by hand. Browsers that do not say so in `Sec-Fetch-Site` say where a form
/// comes from in `Origin`.
fn is_from_here(app: &App, headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => headers
            .get(header::ORIGIN)
            .is_some_and(|origin| origin == app.origin()),
    }
}
