//! A larder in memory that speaks just enough of the native API for the agent's own logic. The
//! real server is tested against the real agent elsewhere.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use larder_protocol::{
    AnnounceBuild, AnnouncedBuild, AnnouncedJob, ArtifactBody, ArtifactList, ArtifactState,
    ErrorBody, FinishJob, JobBody, JobState, StepReport, TestReport,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub(crate) const USER_TOKEN: &str = "user-token";

#[derive(Default)]
pub(crate) struct State {
    pub(crate) builds: u32,
    /// Numbers of jobs that were given.
    pub(crate) job_numbers: i64,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Starts and ends of jobs, in order: `start NAME INDEX`, `end NAME INDEX STATE`.
    pub(crate) history: Vec<String>,
    /// Steps of this job are refused with 403.
    pub(crate) refused_job: Option<String>,
    /// Paths that the fake refuses with 400.
    pub(crate) refused: Vec<String>,
    /// Every so many requests one is answered 503, if this is not 0.
    pub(crate) flaky_every: u32,
    pub(crate) requests: u32,
    /// Output is counted instead of kept.
    pub(crate) discards_output: bool,
    /// Output of a step beyond this is refused with 413.
    pub(crate) output_bytes_max: Option<usize>,
    /// What lists say besides what was uploaded.
    pub(crate) extra: Vec<ArtifactBody>,
}

#[derive(Default)]
pub(crate) struct Job {
    pub(crate) token: String,
    /// Of the build, from 1.
    pub(crate) build: u32,
    pub(crate) name: String,
    /// None while it is queued.
    pub(crate) number: Option<i64>,
    pub(crate) index: u32,
    pub(crate) end: Option<FinishJob>,
    pub(crate) steps: BTreeMap<u32, StepReport>,
    pub(crate) output: BTreeMap<u32, Vec<u8>>,
    /// Bytes of each step's output that were counted instead of kept.
    pub(crate) discarded: BTreeMap<u32, u64>,
    pub(crate) artifacts: Vec<Kept>,
    /// Names of the tests in each report.
    pub(crate) tests: BTreeMap<u32, Vec<String>>,
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
            (&Method::GET, ["jobs", id]) => json(200, &state.job_body(id)),
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
            let is_queued = request.queued || job.queued;
            let job_number = (!is_queued).then(|| {
                self.job_numbers += 1;
                self.job_numbers
            });
            for index in 0..job.parallelism {
                let id = format!("job-{number}-{}-{index}", job.name);
                let token = format!("token-of-{id}");
                let known = Job {
                    token: token.clone(),
                    build: self.builds,
                    name: job.name.clone(),
                    number: job_number,
                    index,
                    ..Job::default()
                };
                if !is_queued {
                    self.history.push(format!("start {} {index}", job.name));
                }
                self.jobs.insert(id.clone(), known);
                jobs.push(AnnouncedJob {
                    id,
                    name: job.name.clone(),
                    number: job_number,
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

    /// The nodes of a job get one number when the first of them starts.
    fn start(&mut self, id: &str) -> JobBody {
        let (build, name) = (self.jobs[id].build, self.jobs[id].name.clone());
        let beside = self
            .jobs
            .values()
            .filter(|job| job.build == build && job.name == name);
        let known = beside.filter_map(|job| job.number).min();
        let number = known.unwrap_or_else(|| {
            self.job_numbers += 1;
            self.job_numbers
        });
        let job = self.jobs.get_mut(id).unwrap();
        assert!(job.end.is_none(), "{id} had ended");
        job.number = Some(number);
        self.history.push(format!("start {name} {}", job.index));
        JobBody {
            id: id.to_owned(),
            build_id: format!("build-{build}"),
            name,
            number: Some(number),
            index: job.index,
            ..running()
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
            (&Method::PATCH, []) => {
                let change: FinishJob = serde_json::from_slice(&body).unwrap();
                if change.state == JobState::Running {
                    return json(200, &self.start(id));
                }
                if job.end.is_none() {
                    let line = format!("end {} {} {:?}", job.name, job.index, change.state);
                    self.history.push(line);
                }
                let end = job.end.get_or_insert_with(|| change.clone());
                if end.state == change.state {
                    json(200, &())
                } else {
                    no(409, "conflict")
                }
            }
            (_, ["steps", ..]) if self.refused_job.as_ref() == Some(&job.name) => {
                no(403, "forbidden")
            }
            (&Method::POST, ["steps", seq, "output"]) if self.discards_output => {
                let kept = job.discarded.entry(seq.parse().unwrap()).or_default();
                assert_eq!(query, Some(format!("offset={kept}").as_str()));
                *kept += body.len() as u64;
                json(200, &())
            }
            (&Method::POST, ["steps", seq, "output"])
                if self.output_bytes_max.is_some_and(|most| {
                    let kept = job.output.get(&seq.parse().unwrap());
                    kept.is_some_and(|kept| kept.len() >= most)
                }) =>
            {
                no(413, "too_large")
            }
            (_, ["uploads" | "folders", ..]) => no(404, "no_such_route"),
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
            mode: None,
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

    fn job_body(&self, id: &str) -> JobBody {
        JobBody {
            id: id.to_owned(),
            index: self.jobs[id].index,
            ..running()
        }
    }

    /// Two at a time, so that paging is met.
    fn list(&self, id: &str, query: Option<&str>) -> ArtifactList {
        let start = query
            .and_then(|query| query.split_once("after="))
            .map_or(0, |(_, after)| after.parse().unwrap());
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
            (_, ["steps", ..]) if self.number.is_none() || self.end.is_some() => {
                no(409, "conflict")
            }
            (&Method::PUT, ["tests", number]) => {
                let report: TestReport = serde_json::from_slice(body).unwrap();
                let names = report.tests.into_iter().map(|test| test.name).collect();
                self.tests.insert(number.parse().unwrap(), names);
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

pub(crate) fn no(status: u16, code: &str) -> Response<Full<Bytes>> {
    json(
        status,
        &ErrorBody {
            code: code.to_owned(),
            message: format!("the fake says {code}"),
        },
    )
}

/// A job that runs, as a server tells of it.
pub(crate) fn running() -> JobBody {
    JobBody {
        id: String::new(),
        build_id: String::new(),
        name: "build".to_owned(),
        number: Some(1),
        index: 0,
        parallelism: 1,
        state: JobState::Running,
        exit_status: None,
        created_at: String::new(),
        started_at: None,
        finished_at: None,
        artifact_count: 0,
        total_bytes: 0,
    }
}
