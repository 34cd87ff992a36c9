//! How CircleCI says no: `{"message": "…"}`, and `{"error": {…}}` on v3. `docs/api/circleci.md` lists the words.

use crate::http::status::{message_of, note_detail, status_of};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_core::What;

/// In whose words something is refused. The generations of the API differ in what they tell whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Routes below `project/` of v1 and v1.1, and file routes: who has no token is told that there is no such build.
    Project,
    /// Routes about the caller: who has no token is asked to log in.
    Account,
    /// v2: a build is called a job.
    V2,
    /// v3: an object with an id, a title and a detail.
    V3,
}

impl Form {
    /// The form in which the generation that answers this path says no.
    pub(super) fn of_path(path: &str) -> Self {
        if path.starts_with("/api/v3/") {
            Self::V3
        } else if path.starts_with("/api/v2/") {
            Self::V2
        } else {
            Self::Project
        }
    }
}

/// A refusal in this API's words.
#[derive(Debug)]
pub(super) struct Error {
    form: Form,
    cause: larder_core::Error,
}

impl Error {
    /// A refusal in a form.
    pub(super) fn new(form: Form, cause: larder_core::Error) -> Self {
        Self { form, cause }
    }

    fn status(&self) -> StatusCode {
        match (&self.cause, self.form) {
            // Whether there is such a project is nobody's business without a token: only routes about the caller ask
            // for one.
            (larder_core::Error::Unauthenticated, Form::Project | Form::V2 | Form::V3) => {
                StatusCode::NOT_FOUND
            }
            (cause, _) => status_of(cause),
        }
    }

    fn message(&self) -> String {
        use larder_core::Error as Cause;
        match (&self.cause, self.form) {
            (Cause::Unauthenticated, Form::Account) => "You must log in first".into(),
            (Cause::Unauthenticated, Form::Project) => "Build not found".into(),
            (Cause::Unauthenticated, Form::V2 | Form::V3) => "Job not found.".into(),
            (Cause::InvalidToken(_), _) => "Invalid token provided.".into(),
            (Cause::Forbidden(_), _) => "Permission denied".into(),
            (Cause::NotFound(what) | Cause::Expired(what), form) => not_found(*what, form).into(),
            (other, _) => message_of(other),
        }
    }
}

/// Their "build" is our job, and v2 calls it a job too.
fn not_found(what: What, form: Form) -> &'static str {
    match (what, form) {
        (What::Build | What::Job, Form::Project | Form::Account) => "Build not found",
        (What::Build | What::Job, Form::V2 | Form::V3) => "Job not found.",
        (What::Project | What::Organization, _) => "Project not found",
        (What::Artifact, _) => "Artifact not found",
        (What::Step, _) => "Step not found",
        (What::Upload | What::User | What::Token | What::SignInLink | What::PasswordLink, _) => {
            "Not found"
        }
    }
}

impl From<larder_core::Error> for Error {
    fn from(cause: larder_core::Error) -> Self {
        Self::new(Form::Project, cause)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = refuse(self.form, status, &self.message());
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"larder\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        note_detail(&self.cause, &mut response);
        response
    }
}

fn refuse(form: Form, status: StatusCode, message: &str) -> Response {
    let body = match form {
        Form::Project | Form::Account | Form::V2 => serde_json::json!({ "message": message }),
        Form::V3 => {
            let title = status.canonical_reason().unwrap_or("Error");
            let id = title.to_lowercase().replace(' ', "-");
            serde_json::json!({ "error": { "id": id, "title": title, "detail": message } })
        }
    };
    (status, axum::Json(body)).into_response()
}

/// 405, to which the routes add `Allow`.
pub(super) fn method_not_allowed() -> Response {
    let message = "Method not allowed: this API only reads";
    refuse(Form::Project, StatusCode::METHOD_NOT_ALLOWED, message)
}

/// 405 of v3, to which the routes add `Allow`.
pub(super) fn method_not_allowed_v3() -> Response {
    let message = "Method not allowed: this API only reads";
    refuse(Form::V3, StatusCode::METHOD_NOT_ALLOWED, message)
}

/// What the artifact hosts say of an address that cannot name an artifact.
pub(super) fn invalid_build_specification() -> Response {
    (StatusCode::NOT_FOUND, "invalid build specification").into_response()
}

/// 404 for an address below this API that is none of its routes.
pub(super) async fn no_such_route(uri: axum::http::Uri) -> Response {
    let message = "Not found: docs/api/circleci.md lists the routes that are answered here";
    refuse(Form::of_path(uri.path()), StatusCode::NOT_FOUND, message)
}
