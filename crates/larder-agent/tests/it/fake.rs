//! A larder in memory that speaks just enough of the native API for the agent's own logic. The
//! real server is tested against the real agent elsewhere.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use larder_protocol::{
    AnnounceBuild, AnnouncedBuild, AnnouncedJob, ArtifactBody, ArtifactList, ArtifactState,
    ErrorBody, FinishJob, StepReport,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub(crate) const USER_TOKEN: &str = "user-token";

#[derive(Default)]
pub(crate) struct State {
    pub(crate) builds: u32,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Paths that the fake refuses with 400.
    pub(crate) refused: Vec<String>,
    /// Every so many requests one is answered 503, if this is not 0.
    pub(crate) flaky_every: u32,
    pub(crate) requests: u32,
    /// What lists say besides what was uploaded.
    pub(crate) extra: Vec<ArtifactBody>,
}

#[derive(Default)]
pub(crate) struct Job {
    pub(crate) token: String,
    pub(crate) index: u32,
    pub(crate) end: Option<FinishJob>,
    pub(crate) steps: BTreeMap<u32, StepReport>,
    pub(crate) output: BTreeMap<u32, Vec<u8>>,
    pub(crate) artifacts: Vec<Kept>,
}

pub(crate) struct Kept {
    pub(crate) body: ArtifactBody,
    pub(crate) bytes: Bytes,
}

impl Job {
    pub(crate) fn artifact(&self, path: &str) -> Option<&Kept> {
        self.artifacts
            .iter()
            .rev()
            .find(|kept| kept.body.path == path)
    }

    pub(crate) fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<_> = self
            .artifacts
            .iter()
            .map(|kept| kept.body.path.as_str())
            .collect();
        paths.sort_unstable();
        paths
    }

    pub(crate) fn output_text(&self, seq: u32) -> String {
        String::from_utf8_lossy(self.output.get(&seq).map_or(&[], Vec::as_slice)).into_owned()
    }

    pub(crate) fn whole_output(&self) -> String {
        self.output
            .keys()
            .map(|seq| self.output_text(*seq))
            .collect()
    }
}

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self {
            url,
            state: Arc::default(),
        };
        let serving = fake.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let fake = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let fake = fake.clone();
                        async move { Ok::<_, std::convert::Infallible>(fake.answer(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        fake
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts
            .uri
            .path()
            .trim_start_matches("/larder/v1/")
            .to_owned();
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .unwrap()
                    .into_owned()
            })
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let bearer = header("authorization").unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        if state.requests.is_multiple_of(state.flaky_every) {
            return no(503, "unavailable");
        }
        match (&parts.method, segments.as_slice()) {
            (&Method::POST, ["projects", _, _, _, "builds"]) => {
                assert_eq!(bearer, format!("Bearer {USER_TOKEN}"));
                let request: AnnounceBuild = serde_json::from_slice(&body).unwrap();
                json(201, &state.announce(&request, &self.url))
            }
            (&Method::GET, ["jobs", id, "artifacts"]) => {
                json(200, &state.list(id, parts.uri.query()))
            }
            (&Method::GET, ["files", id, number]) => {
                let number: i64 = number.parse().unwrap();
                let kept = state.jobs[*id]
                    .artifacts
                    .iter()
                    .find(|kept| kept.body.number == number)
                    .unwrap();
                Response::new(Full::new(kept.bytes.clone()))
            }
            (method, ["jobs", id, rest @ ..]) => {
                let headers = ["repr-digest", "content-length", "larder-alias"].map(header);
                let query = parts.uri.query();
                state.change(method, id, rest, &bearer, headers, body, query, &self.url)
            }
            _ => no(404, "not_found"),
        }
    }
}

impl State {
    fn announce(&mut self, request: &AnnounceBuild, url: &str) -> AnnouncedBuild {
        self.builds += 1;
        let number = i64::from(self.builds);
        let mut jobs = Vec::new();
        for job in &request.jobs {
            for index in 0..job.parallelism {
                let id = format!("job-{number}-{index}");
                let token = format!("token-of-{id}");
                self.jobs.insert(
                    id.clone(),
                    Job {
                        token: token.clone(),
                        index,
                        ..Job::default()
                    },
                );
                jobs.push(AnnouncedJob {
                    id,
                    name: job.name.clone(),
                    number: Some(number),
                    index,
                    token,
                });
            }
        }
        AnnouncedBuild {
            id: format!("build-{number}"),
            number,
            url: format!("{url}/builds/{number}"),
            jobs,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    fn change(
        &mut self,
        method: &Method,
        id: &str,
        rest: &[&str],
        bearer: &str,
        headers: [Option<String>; 3],
        body: Bytes,
        query: Option<&str>,
        url: &str,
    ) -> Response<Full<Bytes>> {
        let Some(job) = self.jobs.get_mut(id) else {
            return no(404, "not_found");
        };
        if bearer != format!("Bearer {}", job.token) {
            return no(401, "unauthenticated");
        }
        match (method, rest) {
            (&Method::PUT, ["artifacts", path @ ..]) => {
                let path = path.join("/");
                if self.refused.contains(&path) {
                    return no(400, "bad_path");
                }
                json(201, &self.keep(id, path, headers, body, url))
            }
            _ => job.change(method, rest, &body, query),
        }
    }

    fn keep(
        &mut self,
        id: &str,
        path: String,
        [digest, length, alias]: [Option<String>; 3],
        bytes: Bytes,
        url: &str,
    ) -> ArtifactBody {
        use base64::Engine;
        use sha2::Digest;
        let sha256 = sha2::Sha256::digest(&bytes);
        let encoded = base64::engine::general_purpose::STANDARD.encode(sha256);
        assert_eq!(
            digest,
            Some(format!("sha-256=:{encoded}:")),
            "digest of {path}"
        );
        assert_eq!(length, Some(bytes.len().to_string()), "length of {path}");
        let alias = alias.map(|alias| {
            percent_encoding::percent_decode_str(&alias)
                .decode_utf8()
                .unwrap()
                .into_owned()
        });
        let number = i64::try_from(
            self.jobs
                .values()
                .map(|job| job.artifacts.len())
                .sum::<usize>(),
        )
        .unwrap();
        let body = ArtifactBody {
            id: format!("artifact-{number}"),
            number,
            job_id: id.to_owned(),
            build_id: String::new(),
            path,
            alias,
            state: ArtifactState::Finished,
            size: i64::try_from(bytes.len()).unwrap(),
            content_type: String::new(),
            sha1: None,
            sha256: Some(format!("{:x}", Bytes::copy_from_slice(&sha256))),
            created_at: String::new(),
            finished_at: None,
            url: format!("{url}/larder/v1/files/{id}/{number}"),
        };
        self.jobs.get_mut(id).unwrap().artifacts.push(Kept {
            body: body.clone(),
            bytes,
        });
        body
    }

    /// Two at a time, so that paging is met.
    fn list(&self, id: &str, query: Option<&str>) -> ArtifactList {
        let start = query
            .and_then(|query| query.strip_prefix("after="))
            .map_or(0, |it| it.parse().unwrap());
        let all: Vec<_> = self.jobs[id]
            .artifacts
            .iter()
            .map(|kept| kept.body.clone())
            .chain(self.extra.clone())
            .collect();
        let next = (start + 2 < all.len()).then(|| (start + 2).to_string());
        ArtifactList {
            artifacts: all.into_iter().skip(start).take(2).collect(),
            next,
        }
    }
}

impl Job {
    fn change(
        &mut self,
        method: &Method,
        rest: &[&str],
        body: &Bytes,
        query: Option<&str>,
    ) -> Response<Full<Bytes>> {
        match (method, rest) {
            (&Method::PATCH, []) => {
                self.end = Some(serde_json::from_slice(body).unwrap());
                json(200, &())
            }
            (&Method::PUT, ["steps", seq]) => {
                self.steps
                    .insert(seq.parse().unwrap(), serde_json::from_slice(body).unwrap());
                json(200, &())
            }
            (&Method::POST, ["steps", seq, "output"]) => {
                assert!(body.len() <= larder_protocol::OUTPUT_CHUNK_BYTES_MAX);
                let kept = self.output.entry(seq.parse().unwrap()).or_default();
                assert_eq!(query, Some(format!("offset={}", kept.len()).as_str()));
                kept.extend_from_slice(body);
                json(200, &())
            }
            _ => no(404, "not_found"),
        }
    }
}

fn json(status: u16, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    let body = Full::new(serde_json::to_vec(body).unwrap().into());
    Response::builder().status(status).body(body).unwrap()
}

fn no(status: u16, code: &str) -> Response<Full<Bytes>> {
    json(
        status,
        &ErrorBody {
            code: code.to_owned(),
            message: format!("the fake says {code}"),
        },
    )
}
