//! The table: every route, and what it asks of its caller.

use axum::http::Method;
use larder_core::model::{Role, Scope};

/// A route and what it asks.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) template: String,
    pub(crate) dialect: Dialect,
    pub(crate) needs: Needs,
    /// The status for whoever may.
    pub(crate) ok: u16,
    pub(crate) query: &'static str,
    pub(crate) body: &'static str,
    pub(crate) trace: Trace,
}

/// In whose words a route says no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// Routes about things: 404 without a token.
    CircleCi,
    /// Routes about the caller: 401 without a token.
    CircleCiAccount,
    Buildkite,
    Native,
    /// Plain text, and no look at tokens.
    Plain,
    /// A page for people: no look at tokens, and who is not signed in is led to the door.
    Page,
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    /// Nothing; a token is not looked at.
    Nothing,
    /// The route answers 404 to whoever asks; a token is not looked at.
    NoSuchRoute,
    /// The route answers 404 to callers.
    NoSuchRouteForCallers,
    /// A secret in a form, which nobody here sends.
    SecretInForm,
    /// Nothing of who is not signed in; who is, is led on.
    NotSignedIn,
    /// The secret in the address, and no token; without it, this status.
    SecretInAddress(u16),
    /// Any token that works.
    AnyToken,
    /// A user's token, for all of the user's projects.
    PersonalToken,
    /// A user's token with one of these scopes; what comes is the caller's own.
    Own(&'static [Scope]),
    /// Something that a project of the caller's holds.
    On {
        level: Level,
        scopes: &'static [Scope],
        role: Role,
        job: JobMay,
    },
}

/// What an address names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Level {
    Organization,
    Project,
    /// A build, or something in it.
    Build,
}

/// Which jobs may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JobMay {
    Never,
    /// Every job of the project.
    OfProject,
    /// Every job of the build.
    OfBuild,
    /// That job itself.
    Itself,
}

/// What a change leaves behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trace {
    /// It changes nothing.
    Reads,
    /// A row in `audit`.
    Audited,
    /// What a job tells of itself many times a second; the rows of the job and its steps are the record.
    Telling,
}

const fn reads(level: Level, scopes: &'static [Scope], job: JobMay) -> Needs {
    Needs::On {
        level,
        scopes,
        role: Role::Reader,
        job,
    }
}

const fn writes(level: Level, scopes: &'static [Scope], job: JobMay) -> Needs {
    Needs::On {
        level,
        scopes,
        role: Role::Writer,
        job,
    }
}

const SEE_PROJECT: Needs = reads(Level::Project, &[], JobMay::OfProject);
const READ_PIPELINE: Needs = reads(Level::Project, &[Scope::ReadPipelines], JobMay::Never);
const LIST_BUILDS: Needs = reads(Level::Project, &[Scope::ReadBuilds], JobMay::Never);
const READ_BUILD: Needs = reads(Level::Build, &[Scope::ReadBuilds], JobMay::OfBuild);
const READ_ARTIFACTS: Needs = reads(Level::Build, &[Scope::ReadArtifacts], JobMay::OfBuild);
const ANNOUNCE: Needs = writes(Level::Project, &[Scope::WriteBuilds], JobMay::Never);
const ADD_JOBS: Needs = writes(Level::Build, &[Scope::WriteBuilds], JobMay::Never);
const RUN_JOB: Needs = writes(Level::Build, &[Scope::WriteBuilds], JobMay::Itself);
const KEEP: Needs = writes(Level::Build, &[Scope::WriteArtifacts], JobMay::Itself);
const DELETE: Needs = writes(Level::Build, &[Scope::DeleteArtifacts], JobMay::Never);
const DELETE_AS_WRITER: Needs = writes(
    Level::Build,
    &[Scope::DeleteArtifacts, Scope::WriteArtifacts],
    JobMay::Never,
);

const DELETE_BUILD: Needs = administers(Level::Build);
const DELETE_PROJECT: Needs = administers(Level::Project);

const fn administers(level: Level) -> Needs {
    Needs::On {
        level,
        scopes: &[Scope::Admin],
        role: Role::Admin,
        job: JobMay::Never,
    }
}

const fn organization(scopes: &'static [Scope]) -> Needs {
    reads(Level::Organization, scopes, JobMay::Never)
}

/// Every row.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = circleci();
    rows.extend(buildkite());
    rows.extend(native());
    rows.extend(plain());
    rows.extend(pages());
    rows
}

pub(crate) fn circleci() -> Vec<Row> {
    use Dialect::{CircleCi, CircleCiAccount};
    let mut rows = Vec::new();
    for generation in ["/api/v1.1", "/api/v1"] {
        let get = |dialect, rest: &str, needs| get(dialect, &format!("{generation}{rest}"), needs);
        rows.extend([
            get(CircleCiAccount, "/me", Needs::PersonalToken),
            get(
                CircleCiAccount,
                "/projects",
                Needs::Own(&[Scope::ReadBuilds]),
            ),
            get(
                CircleCiAccount,
                "/recent-builds",
                Needs::Own(&[Scope::ReadBuilds]),
            ),
            get(CircleCi, "/{*elsewhere}", Needs::NoSuchRoute),
        ]);
        let vcs = if generation == "/api/v1" {
            ""
        } else {
            "/{vcs}"
        };
        let of_project = [
            ("", LIST_BUILDS),
            ("/tree/{*branch}", LIST_BUILDS),
            ("/{number}", READ_BUILD),
            ("/{number}/tests", READ_BUILD),
            ("/{number}/output/{step}/{index}", READ_BUILD),
            ("/{number}/artifacts", READ_ARTIFACTS),
            ("/{number}/artifacts/{index}/{*path}", READ_ARTIFACTS),
        ];
        rows.extend(of_project.map(|(rest, needs)| {
            let rest = format!("/project{vcs}/{{username}}/{{project}}{rest}");
            get(CircleCi, &rest, needs)
        }));
    }
    rows.extend(circleci_newer());
    rows.extend([
        get(
            CircleCi,
            "/output/job/{job}/artifacts/{index}/{*path}",
            READ_ARTIFACTS,
        ),
        get(CircleCi, "/output/{*elsewhere}", Needs::NoSuchRoute),
    ]);
    rows.extend(
        ["gh", "github", "bb", "bitbucket", "gl", "gitlab"].map(|vcs| {
            let rest = "{username}/{project}/{number}/artifacts/{index}/{*path}";
            get(CircleCi, &format!("/{vcs}/{rest}"), READ_ARTIFACTS)
        }),
    );
    rows
}

/// v2 and v3.
fn circleci_newer() -> [Row; 10] {
    let newer = [
        (
            "v2/project/{vcs}/{username}/{project}/{number}/artifacts",
            READ_ARTIFACTS,
        ),
        (
            "v2/project/{vcs}/{username}/{project}/job/{number}",
            READ_BUILD,
        ),
        ("v2/project/{slug}/{number}/artifacts", READ_ARTIFACTS),
        ("v2/project/{slug}/job/{number}", READ_BUILD),
        (
            "v2/project/{vcs}/{username}/{project}/{number}/tests",
            READ_BUILD,
        ),
        ("v2/project/{slug}/{number}/tests", READ_BUILD),
        ("v2/workflow/{id}/job", READ_BUILD),
        ("v2/{*elsewhere}", Needs::NoSuchRoute),
        ("v3/jobs/{id}/artifacts", READ_ARTIFACTS),
        ("v3/{*elsewhere}", Needs::NoSuchRoute),
    ];
    newer.map(|(rest, needs)| get(Dialect::CircleCi, &format!("/api/{rest}"), needs))
}

pub(crate) fn buildkite() -> Vec<Row> {
    let get = |template: &str, needs| get(Dialect::Buildkite, template, needs);
    let mut rows = vec![
        get("/v2", Needs::Nothing),
        get("/v2/meta", Needs::Nothing),
        get("/v2/user", Needs::Own(&[Scope::ReadUser])),
        get("/v2/access-token", Needs::AnyToken),
        Row {
            method: Method::DELETE,
            ok: 204,
            trace: Trace::Audited,
            ..get("/v2/access-token", Needs::AnyToken)
        },
        get("/v2/builds", Needs::Own(&[Scope::ReadBuilds])),
        get("/v2/organizations", Needs::Own(&[Scope::ReadOrganizations])),
    ];
    let organization = [
        ("", organization(&[Scope::ReadOrganizations])),
        ("/builds", organization(&[Scope::ReadBuilds])),
        ("/pipelines", organization(&[Scope::ReadPipelines])),
        ("/pipelines/{pipeline}", READ_PIPELINE),
        ("/pipelines/{pipeline}/builds", LIST_BUILDS),
    ];
    rows.extend(
        organization.map(|(rest, needs)| get(&format!("/v2/organizations/{{org}}{rest}"), needs)),
    );
    let build = "/v2/organizations/{org}/pipelines/{pipeline}/builds/{number}";
    rows.extend([
        get(build, READ_BUILD),
        get(&format!("{build}/jobs"), READ_BUILD),
        get(&format!("{build}/artifacts"), READ_ARTIFACTS),
    ]);
    for holder in [build, "/v2/organizations/{org}"] {
        let artifact = format!("{holder}/jobs/{{job}}/artifacts/{{id}}");
        rows.extend([
            get(&format!("{holder}/jobs/{{job}}"), READ_BUILD),
            get(&format!("{holder}/jobs/{{job}}/artifacts"), READ_ARTIFACTS),
            get(&artifact, READ_ARTIFACTS),
            Row {
                method: Method::DELETE,
                ok: 204,
                trace: Trace::Audited,
                ..get(&artifact, DELETE_AS_WRITER)
            },
            Row {
                ok: 302,
                ..get(&format!("{artifact}/download"), READ_ARTIFACTS)
            },
        ]);
    }
    let slashed = rows.iter().map(|row| Row {
        template: format!("{}/", row.template),
        ..row.clone()
    });
    let slashed: Vec<_> = slashed.collect();
    rows.extend(slashed);
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ];
    rows.extend(methods.map(|method| Row {
        method,
        ..get("/v2/{*rest}", Needs::NoSuchRouteForCallers)
    }));
    rows
}

pub(crate) fn native() -> Vec<Row> {
    let get = |rest: &str, needs| get(Dialect::Native, &format!("/larder/v1/{rest}"), needs);
    let projects = Needs::Own(&[Scope::ReadPipelines, Scope::ReadBuilds]);
    let mut rows = vec![
        get("openapi.json", Needs::Nothing),
        get("projects", projects),
        get("projects/{vcs}/{org}/{name}", SEE_PROJECT),
        get("projects/{vcs}/{org}/{name}/builds", LIST_BUILDS),
        get("builds/{id}", READ_BUILD),
        get("builds/{id}/artifacts", READ_ARTIFACTS),
        get("jobs/{id}", READ_BUILD),
        get("jobs/{id}/artifacts", READ_ARTIFACTS),
        get("jobs/{id}/artifacts/{*path}", READ_ARTIFACTS),
        get("builds/{id}/folders", READ_ARTIFACTS),
        get("jobs/{id}/folders", READ_ARTIFACTS),
        get("jobs/{id}/uploads/{upload}", KEEP),
        get("jobs/{id}/steps", READ_BUILD),
        get("jobs/{id}/tests", READ_BUILD),
        get("jobs/{id}/steps/{seq}/output", READ_BUILD),
        get("artifacts/{id}", READ_ARTIFACTS),
        get("artifacts/{id}/content", READ_ARTIFACTS),
    ];
    rows.extend(native_changes());
    rows.extend(native_uploads());
    rows.extend(native_telling());
    rows
}

fn native_changes() -> Vec<Row> {
    let change = |method, rest: &str, needs, body, ok| Row {
        method,
        ok,
        body,
        trace: Trace::Audited,
        ..get(Dialect::Native, &format!("/larder/v1/{rest}"), needs)
    };
    let (put, post, patch, delete) = (Method::PUT, Method::POST, Method::PATCH, Method::DELETE);
    let builds = "projects/{vcs}/{org}/{name}/builds";
    let (by_path, by_id) = ("jobs/{id}/artifacts/{*path}", "artifacts/{id}");
    let (build, job) = (r#"{"jobs":[{"name":"first"}]}"#, r#"{"name":"more"}"#);
    let end = r#"{"state":"passed","exit_status":0}"#;
    let report = r#"{"tests":[{"name":"a","result":"success","run_time_ms":1}]}"#;
    vec![
        change(post.clone(), builds, ANNOUNCE, build, 201),
        change(post, "builds/{id}/jobs", ADD_JOBS, job, 200),
        change(patch, "jobs/{id}", RUN_JOB, end, 200),
        change(put.clone(), by_path, KEEP, "new", 201),
        change(put, "jobs/{id}/tests/{report}", RUN_JOB, report, 204),
        change(delete.clone(), by_path, DELETE, "", 204),
        change(delete.clone(), "builds/{id}", DELETE_BUILD, "", 204),
        change(
            delete.clone(),
            "projects/{vcs}/{org}/{name}",
            DELETE_PROJECT,
            "",
            204,
        ),
        change(delete, by_id, DELETE, "", 204),
    ]
}

/// Uploads in parts, and empty folders.
fn native_uploads() -> [Row; 5] {
    let (upload, begin) = (
        "uploads/{upload}",
        r#"{"path":"b","size":3,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#,
    );
    let change = |method, rest: &str, body, ok| Row {
        method,
        ok,
        body,
        trace: Trace::Audited,
        ..get(
            Dialect::Native,
            &format!("/larder/v1/jobs/{{id}}/{rest}"),
            KEEP,
        )
    };
    [
        change(Method::POST, "uploads", begin, 201),
        change(Method::DELETE, upload, "", 204),
        change(Method::POST, &format!("{upload}/finish"), "", 201),
        // What is told is told by the upload that it is a part of.
        Row {
            trace: Trace::Telling,
            ..change(
                Method::PUT,
                &format!("{upload}/parts/{{part}}"),
                "part",
                204,
            )
        },
        change(Method::PUT, "folders/{*path}", "", 201),
    ]
}

/// What a job tells of itself.
fn native_telling() -> [Row; 3] {
    let tell = |method, rest: &str, query, body, ok| Row {
        method,
        ok,
        query,
        body,
        trace: Trace::Telling,
        ..get(
            Dialect::Native,
            &format!("/larder/v1/jobs/{{id}}/{rest}"),
            RUN_JOB,
        )
    };
    let step = r#"{"name":"make","state":"passed","exit_status":0}"#;
    [
        tell(Method::POST, "heartbeat", "", "", 204),
        tell(Method::PUT, "steps/{seq}", "", step, 200),
        tell(Method::POST, "steps/{seq}/output", "?offset=4", " it", 200),
    ]
}

pub(crate) fn plain() -> Vec<Row> {
    let get = |template, needs| get(Dialect::Plain, template, needs);
    vec![
        get("/d/{token}", Needs::SecretInAddress(403)),
        get("/d/{token}/{*name}", Needs::SecretInAddress(403)),
        get("/assets/larder.css", Needs::Nothing),
        get("/healthz", Needs::Nothing),
        get("/readyz", Needs::Nothing),
    ]
}

pub(crate) fn pages() -> Vec<Row> {
    let get = |template, needs| get(Dialect::Page, template, needs);
    let change = |template, needs, body, ok| Row {
        method: Method::POST,
        ok,
        body,
        trace: Trace::Audited,
        ..get(template, needs)
    };
    let leads_on = |template, needs| Row {
        ok: 302,
        ..get(template, needs)
    };
    let build = "/{vcs}/{org}/{project}/builds/{number}";
    let of_build = |rest: &str| {
        let template = format!("{build}/{rest}");
        self::get(Dialect::Page, &template, READ_BUILD)
    };
    let token = "name=laptop&scope=read_user";
    vec![
        get("/", Needs::Own(&[])),
        get("/{vcs}/{org}/{project}", LIST_BUILDS),
        leads_on("/{vcs}/{org}/{project}/{number}", READ_BUILD),
        get(build, READ_BUILD),
        of_build("steps"),
        of_build("steps/{job}/{seq}"),
        of_build("steps/{job}/{seq}/raw"),
        of_build("tests"),
        of_build("tests/{job}"),
        get("/sign-in", Needs::NotSignedIn),
        change("/sign-in", Needs::SecretInForm, "token=", 303),
        get("/sign-in/{secret}", Needs::SecretInAddress(404)),
        change("/sign-in/{secret}", Needs::SecretInAddress(404), "", 303),
        get("/password/{secret}", Needs::SecretInAddress(404)),
        change(
            "/password/{secret}",
            Needs::SecretInAddress(404),
            "password=battery+staple&again=battery+staple",
            303,
        ),
        change("/sign-out", Needs::Own(&[]), "", 303),
        leads_on("/account/api", Needs::Nothing),
        get("/settings/tokens", Needs::Own(&[])),
        get("/settings/tokens/new", Needs::Own(&[])),
        change("/settings/tokens", Needs::Own(&[]), token, 200),
        change(
            "/settings/tokens/{id}/revoke",
            Needs::NoSuchRouteForCallers,
            "",
            303,
        ),
    ]
}

fn get(dialect: Dialect, template: &str, needs: Needs) -> Row {
    Row {
        method: Method::GET,
        template: template.to_owned(),
        dialect,
        needs,
        ok: 200,
        query: "",
        body: "",
        trace: Trace::Reads,
    }
}
