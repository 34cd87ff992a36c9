//! `GET /larder/v1/openapi.json`: this API for machines. One line for each route; a test holds the table of routes and
//! this document together. It is no secret and the only thing here that needs no token.

mod routes;

use crate::api::larder::extract::Json;
use crate::http::state::App;
use axum::extract::State;
use larder_protocol as wire;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi,
    OpenApiBuilder, Paths, Ref, Required, ResponseBuilder, Schema, Server,
};

/// Serves the document.
pub(super) async fn document(State(app): State<App>) -> Json<OpenApi> {
    Json(openapi(app.public_url()))
}

/// What a body holds.
#[derive(Clone, Copy)]
enum Shape {
    /// JSON of the type of that name.
    Json(&'static str),
    /// Any bytes.
    Bytes,
    /// What a step printed.
    Text,
    /// No body.
    Nothing,
}

/// One route.
#[derive(Clone)]
struct Route {
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    headers: &'static [&'static str],
    takes: Shape,
    gives: Vec<(u16, Shape)>,
    refuses: &'static [u16],
}

fn openapi(public_url: &str) -> OpenApi {
    let mut paths = Paths::new();
    for route in routes::all() {
        paths.add_path_operation(route.path, vec![route.method.clone()], route.operation());
    }
    let about = "Announce builds and jobs from any CI, keep their files, and list, fetch and delete them. \
        Every GET answers HEAD too. A refusal is always `{code, message}`.";
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Larder")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(about))
                .build(),
        )
        .servers(Some([Server::new(public_url)]))
        .paths(paths)
        .components(Some(components().build()))
        .build()
}

impl Route {
    fn new(method: HttpMethod, path: &'static str, summary: &'static str) -> Self {
        let gives = Vec::new();
        Self {
            method,
            path,
            summary,
            query: &[],
            headers: &[],
            takes: Shape::Nothing,
            gives,
            refuses: &[],
        }
    }

    fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    fn headers(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }

    fn takes(self, takes: Shape) -> Self {
        Self { takes, ..self }
    }

    fn gives(mut self, status: u16, shape: Shape) -> Self {
        self.gives.push((status, shape));
        self
    }

    fn refuses(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }

    fn operation(&self) -> Operation {
        let mut operation = OperationBuilder::new().summary(Some(self.summary));
        for name in parts_of(self.path) {
            operation = operation.parameter(parameter(name, ParameterIn::Path, Required::True));
        }
        for name in self.query {
            let is_required = *name == "offset" && self.method == HttpMethod::Post;
            let required = if is_required {
                Required::True
            } else {
                Required::False
            };
            operation = operation.parameter(parameter(name, ParameterIn::Query, required));
        }
        for name in self.headers {
            operation = operation.parameter(parameter(name, ParameterIn::Header, Required::False));
        }
        if let Some((media_type, content)) = content(self.takes) {
            let body = RequestBodyBuilder::new()
                .content(media_type, content)
                .required(Some(Required::True))
                .build();
            operation = operation.request_body(Some(body));
        }
        for (status, shape) in &self.gives {
            let response = ResponseBuilder::new().description(meaning(*status));
            let response = match content(*shape) {
                Some((media_type, content)) => response.content(media_type, content),
                None => response,
            };
            operation = operation.response(status.to_string(), response.build());
        }
        if self.path == "/larder/v1/openapi.json" {
            return operation.build();
        }
        for status in self.refuses.iter().chain(&[401]) {
            let refusal = ResponseBuilder::new().description(meaning(*status));
            let refusal = refusal.content(
                "application/json",
                Content::new(Some(Ref::from_schema_name("ErrorBody"))),
            );
            operation = operation.response(status.to_string(), refusal.build());
        }
        operation
            .security(SecurityRequirement::new("bearer", [] as [&str; 0]))
            .build()
    }
}

/// Names in the braces of a template.
fn parts_of(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
}

fn parameter(
    name: &str,
    place: ParameterIn,
    required: Required,
) -> utoipa::openapi::path::Parameter {
    let (kind, about) = match name {
        "vcs" => (Type::String, "github, bitbucket, gitlab, circleci or local"),
        "org" => (Type::String, "Name of the organization or user"),
        "name" => (Type::String, "Name of the project in it"),
        "id" => (Type::String, "UUID"),
        "upload" => (
            Type::String,
            "UUID of the upload, which its artifact will have",
        ),
        "part" => (Type::Integer, "Place of the part in the file, from 0"),
        "Larder-Mode" => (Type::String, "Permission bits in octal, 000 to 777"),
        "seq" => (Type::Integer, "Place of the step in the job, from 0"),
        "path" if matches!(place, ParameterIn::Path) => (
            Type::String,
            "Path of the artifact; each of its components percent-encoded, with `/` between them",
        ),
        "path" => (
            Type::String,
            "Only this path; `*` stands for any run of characters, `/` included",
        ),
        "state" => (Type::String, "Only these states, separated by commas"),
        "tag" => (Type::String, "Only this tag"),
        "result" => (
            Type::String,
            "Only failure, error, skipped or success; several separated by commas",
        ),
        "report" => (Type::Integer, "Number of the report in the job, from 0"),
        "branch" => (Type::String, "Only this branch"),
        "before" | "after" => (Type::String, "The `next` of the page before"),
        "limit" => (Type::Integer, "Entries on a page"),
        "offset" => (Type::Integer, "Place in the output in bytes"),
        "Repr-Digest" => (
            Type::String,
            "`sha-256=:BASE64:`, checked (RFC 9530); Content-Digest means the same",
        ),
        "Larder-Alias" => (
            Type::String,
            "Another name for the file, percent-encoded UTF-8",
        ),
        _ => (
            Type::String,
            "Media type that the file is served with; the extension decides if it is left out",
        ),
    };
    let schema = ObjectBuilder::new().schema_type(kind).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(Schema::Object(schema)))
        .build()
}

fn content(shape: Shape) -> Option<(&'static str, Content)> {
    let object = |kind| Schema::Object(ObjectBuilder::new().schema_type(kind).build());
    let binary = || {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        Schema::Object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(format))
                .build(),
        )
    };
    match shape {
        Shape::Nothing => None,
        Shape::Json("object") => {
            Some(("application/json", Content::new(Some(object(Type::Object)))))
        }
        Shape::Json(name) => Some((
            "application/json",
            Content::new(Some(Ref::from_schema_name(name))),
        )),
        Shape::Bytes => Some((
            "application/octet-stream",
            ContentBuilder::new().schema(Some(binary())).build(),
        )),
        Shape::Text => Some(("text/plain", Content::new(Some(object(Type::String))))),
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done",
        201 => "Made",
        204 => "Done; there is nothing to say",
        206 => "The range that was asked for",
        304 => "The client has it already",
        400 => "Something in the request is mistaken; the message names it",
        401 => "A token is needed, or it is not valid",
        403 => "The token or its user may not do this",
        404 => "There is no such thing for this caller",
        409 => "The state of the thing does not allow it",
        410 => "Its retention is over",
        416 => "No byte of the range is there",
        413 => "Larger than the limit, which the message names",
        415 => "Packed: send the bytes as they are",
        422 => "The bytes do not have the digest that was sent with them; nothing was kept",
        507 => "No space is left",
        _ => "See the message",
    }
}

fn components() -> ComponentsBuilder {
    let about = "A token of the form `lrd_…`, or the token of a job";
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(about))
        .build();
    ComponentsBuilder::new()
        .schema_from::<wire::AddJobs>()
        .schema_from::<wire::AnnounceBuild>()
        .schema_from::<wire::AnnounceJob>()
        .schema_from::<wire::AnnouncedBuild>()
        .schema_from::<wire::AnnouncedJob>()
        .schema_from::<wire::AnnouncedJobs>()
        .schema_from::<wire::ArtifactBody>()
        .schema_from::<wire::ArtifactList>()
        .schema_from::<wire::ArtifactState>()
        .schema_from::<wire::BeginUpload>()
        .schema_from::<wire::BuildBody>()
        .schema_from::<wire::BuildList>()
        .schema_from::<wire::ErrorBody>()
        .schema_from::<wire::FinishJob>()
        .schema_from::<wire::FolderBody>()
        .schema_from::<wire::FolderList>()
        .schema_from::<wire::JobBody>()
        .schema_from::<wire::JobState>()
        .schema_from::<wire::OutputKept>()
        .schema_from::<wire::ProjectBody>()
        .schema_from::<wire::ProjectList>()
        .schema_from::<wire::StepBody>()
        .schema_from::<wire::StepList>()
        .schema_from::<wire::StepReport>()
        .schema_from::<wire::StepState>()
        .schema_from::<wire::UploadBody>()
        .schema_from::<wire::TestBody>()
        .schema_from::<wire::TestList>()
        .schema_from::<wire::TestReport>()
        .schema_from::<wire::TestResult>()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_names_every_route_and_no_other() {
        let routed: BTreeSet<_> = crate::api::larder::routes()
            .table()
            .into_iter()
            .map(|(method, path)| (method.as_str().to_lowercase(), path.replace("{*", "{")))
            .collect();
        let document = serde_json::to_value(openapi("https://larder.example")).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.clone(), path.clone()));
            }
        }
        assert_eq!(described, routed);
    }

    #[test]
    fn every_type_that_is_referred_to_is_described() {
        let document = serde_json::to_value(openapi("https://larder.example")).unwrap();
        let known = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        let referred: BTreeSet<_> = text
            .split("#/components/schemas/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(referred.len() > 20, "{referred:?}");
        for name in referred {
            assert!(known.contains_key(name), "{name} is not described");
        }
    }

    #[test]
    fn types_and_addresses_are_this_servers() {
        let document = serde_json::to_value(openapi("https://larder.example/ci")).unwrap();
        assert_eq!(document["servers"][0]["url"], "https://larder.example/ci");
        let put = &document["paths"]["/larder/v1/jobs/{id}/artifacts/{path}"]["put"];
        assert_eq!(put["security"][0]["bearer"], serde_json::json!([]));
        assert!(put["responses"]["422"].is_object() && put["responses"]["401"].is_object());
        assert!(document["paths"]["/larder/v1/openapi.json"]["get"]["security"].is_null());
    }
}
