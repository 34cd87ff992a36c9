//! What the matrix asks about: projects of one shape that callers see or not, and addresses of what is not there.

use crate::matrix::callers::{self, Caller};
use crate::support::{START, TestLarder};
use larder_core::clock::Timestamp;
use larder_core::model::{
    ArtifactId, ArtifactPath, EndState, JobId, NewArtifact, NewBuild, NewJob, NewStep, Principal,
    Sha256Digest, StepState,
};
use larder_core::{Announced, AnnouncedNode, Incoming};
use std::collections::BTreeMap;

/// A UUID of which nothing is known.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
/// SHA-256 of `part`.
const PART: &str = "37a680133bd09342f934afb8dd2c7d9e1b624da5f35e3a38adb103e37c055ed1";
/// SHA-256 of `whole`.
const WHOLE: &str = "5d5766cf2d78701614200418ee1450690d9af12c84d52545e4802f001ad53099";
/// One millisecond more than a job's token lives after the job.
const TOKEN_GONE_MS: i64 = 10 * 60 * 1000 + 1;

/// What an address may name, as far as it names it: one project, a build of it, a running job, an artifact.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) vcs: &'static str,
    pub(crate) org: &'static str,
    pub(crate) name: &'static str,
    pub(crate) public: bool,
    pub(crate) build: String,
    pub(crate) build_number: i64,
    pub(crate) job: String,
    /// Or `latest`.
    pub(crate) job_number: String,
    /// Of the node and of the step.
    pub(crate) index: u32,
    pub(crate) path: &'static str,
    pub(crate) artifact: String,
    /// An upload that awaits its one part.
    pub(crate) upload: String,
    /// An upload of which every part has come.
    pub(crate) whole_upload: String,
    /// What follows `/d/` in a link to the artifact.
    pub(crate) link: String,
    /// What follows `/sign-in/` in a user's link.
    pub(crate) sign_in: String,
    /// What follows `/password/` in that user's link.
    pub(crate) password: String,
}

/// Tokens of the jobs of a place.
pub(crate) struct JobTokens {
    /// Of the job that addresses name.
    pub(crate) own: String,
    /// Of its other node.
    pub(crate) other_node: String,
    /// Of another job of the same build.
    pub(crate) same_build: String,
    /// Of a job of another build.
    pub(crate) other_build: String,
    /// Of a job of the same build that ended a little longer ago than its token lives.
    pub(crate) ended: String,
}

/// A larder with its places and everybody who asks.
pub(crate) struct World {
    pub(crate) test: TestLarder,
    pub(crate) places: Vec<Place>,
    pub(crate) callers: Vec<Caller>,
}

impl World {
    /// Projects whose code is on this host.
    pub(crate) async fn of(vcs: &'static str) -> Self {
        let test = TestLarder::start().await;
        let shapes = [
            ("acme", "demo", false),
            ("acme", "hidden-pantry", false),
            ("other", "secret-pantry", false),
            ("acme", "open", true),
        ];
        let mut ended = Vec::new();
        for (org, name, public) in shapes {
            let slug = format!("{vcs}/{org}/{name}");
            test.project(&slug, public).await;
            let announced = test.build(&slug, on_main(), &[("ended", 1)]).await;
            ended.push(announced);
        }
        for announced in &ended {
            let job = announced.nodes[0].job.id;
            let jobs = &test.larder.jobs;
            let finished = jobs.finish(&Principal::Operator, job, EndState::Passed, None);
            finished.await.unwrap();
        }
        test.clock.set(Timestamp(START.0 + TOKEN_GONE_MS));
        let (sign_in, password) = {
            test.account("guest").await;
            let access = &test.larder.access;
            // A link for a password ends those that were there.
            let password = access.password_link(&Principal::Operator, "guest").await;
            let link = access.sign_in_link(&Principal::Operator, "guest", "/");
            (link.await.unwrap(), password.unwrap())
        };
        let (mut places, mut tokens) = (Vec::new(), Vec::new());
        for ((org, name, public), announced) in shapes.into_iter().zip(ended) {
            let blank = Place::nowhere(vcs);
            let place = Place {
                org,
                name,
                public,
                sign_in: sign_in.clone(),
                password: password.clone(),
                ..blank
            };
            let (place, of_jobs) = place.furnish(&test, &announced).await;
            places.push(place);
            tokens.push(of_jobs);
        }
        let callers = callers::all(&test, &places, &tokens).await;
        Self {
            test,
            places,
            callers,
        }
    }

    /// The same again, to be changed.
    pub(crate) async fn copy(&self) -> Self {
        Self {
            test: self.test.copy().await,
            places: self.places.clone(),
            callers: self.callers.clone(),
        }
    }

    /// Every file or object of the blobs.
    pub(crate) async fn files(&self) -> Vec<String> {
        self.test.beside.blobs().await
    }

    /// Every row of the store but what is noted without an act: when a token was last used, numbers handed out, and
    /// objects that are intended.
    pub(crate) async fn rows(&self) -> BTreeMap<String, Vec<Vec<String>>> {
        let beside = &self.test.beside;
        let tables = beside.tables().await;
        let noted = |table: &&String| !["counter", "schema_version"].contains(&table.as_str());
        let tables: Vec<_> = tables.into_iter().filter(|table| noted(&table)).collect();
        let query = |table: &String| match table.as_str() {
            "token" => {
                "SELECT id, name, description, scopes, revoked_at FROM token ORDER BY 1".to_owned()
            }
            "session" => "SELECT id, account_pk, expires_at FROM session ORDER BY 1".to_owned(),
            "container" => "SELECT * FROM container WHERE state <> 'intent' ORDER BY 1".to_owned(),
            _ => format!("SELECT * FROM {table} ORDER BY 1, 2"),
        };
        let queries: Vec<_> = tables.iter().map(query).collect();
        let answers = beside.ask_all(&queries).await;
        tables.into_iter().zip(answers).collect()
    }
}

impl Place {
    pub(crate) fn slug(&self) -> String {
        format!("{}/{}/{}", self.vcs, self.org, self.name)
    }

    /// The word for the host of the code that v2 writes.
    pub(crate) fn short_vcs(&self) -> &'static str {
        match self.vcs {
            "bitbucket" => "bb",
            "gitlab" => "gl",
            _ => "gh",
        }
    }

    /// An address of nothing at all.
    pub(crate) fn nowhere(vcs: &'static str) -> Self {
        Self {
            vcs,
            org: "nobody",
            name: "nothing",
            public: false,
            build: NOBODY.to_owned(),
            build_number: 99,
            job: NOBODY.to_owned(),
            job_number: "99".to_owned(),
            index: 0,
            path: "dir/a.txt",
            artifact: NOBODY.to_owned(),
            upload: NOBODY.to_owned(),
            whole_upload: NOBODY.to_owned(),
            link: "no-link".to_owned(),
            sign_in: "no-link".to_owned(),
            password: "no-link".to_owned(),
        }
    }

    /// A project that is not there, in an organization that is.
    pub(crate) fn absent_in_organization(&self) -> Self {
        Self {
            org: self.org,
            ..Self::nowhere(self.vcs)
        }
    }

    /// A build that is not there, in a project that is.
    pub(crate) fn absent_in_project(&self) -> Self {
        Self {
            name: self.name,
            public: self.public,
            ..self.absent_in_organization()
        }
    }

    /// Other things of the place, which are not there: who may know nothing of the place is told the same of them.
    pub(crate) fn beside(&self) -> [Self; 2] {
        let other_node = Self {
            index: 7,
            ..self.clone()
        };
        let other_file = Self {
            path: "dir/none",
            ..self.clone()
        };
        [other_node, other_file]
    }

    /// Its latest job.
    pub(crate) fn latest(&self) -> Self {
        Self {
            job_number: "latest".to_owned(),
            ..self.clone()
        }
    }

    /// Puts the same things into each place.
    async fn furnish(self, test: &TestLarder, ended: &Announced) -> (Self, JobTokens) {
        let operator = &Principal::Operator;
        let add = [("build", 2), ("test", 1)].map(|(name, parallelism)| NewJob {
            name: name.to_owned(),
            parallelism,
            queued: false,
        });
        let build = &ended.build;
        let builds = &test.larder.builds;
        let nodes = builds.add_jobs(operator, build.id, add.to_vec()).await;
        let nodes: [AnnouncedNode; 3] = nodes.unwrap().try_into().unwrap();
        let [own, other_node, same_build] = nodes;
        let later = test.build(&self.slug(), on_main(), &[("later", 1)]).await;
        let job = &own.job;
        let artifact = test.keep(job.id, "dir/a.txt", "what is kept").await;
        let upload = begin(test, job.id, "part", PART).await;
        let whole = begin(test, job.id, "whole", WHOLE).await;
        let bytes = Incoming::from_bytes("whole");
        let artifacts = &test.larder.artifacts;
        let received = artifacts.receive_part(operator, job.id, whole, 0, None, bytes);
        received.await.unwrap();
        let step = NewStep {
            name: "make".to_owned(),
            command: None,
            state: StepState::Running,
            exit_status: None,
        };
        let steps = &test.larder.steps;
        steps.report(operator, job.id, 0, step).await.unwrap();
        let printed = steps.append(operator, job.id, 0, 0, "made".into());
        printed.await.unwrap();
        let link = test.larder.artifacts.link(operator, artifact.id).await;
        let tokens = JobTokens {
            own: own.token,
            other_node: other_node.token,
            same_build: same_build.token,
            other_build: later.nodes[0].token.clone(),
            ended: ended.nodes[0].token.clone(),
        };
        let place = Self {
            build: build.id.to_string(),
            build_number: build.number,
            job: own.job.id.to_string(),
            job_number: own.job.number.unwrap().to_string(),
            artifact: artifact.id.to_string(),
            upload: upload.to_string(),
            whole_upload: whole.to_string(),
            link: link.unwrap().token,
            ..self
        };
        (place, tokens)
    }
}

/// Begins the upload of a file that is named after what it says.
async fn begin(test: &TestLarder, job: JobId, says: &str, sha256: &str) -> ArtifactId {
    let new = NewArtifact {
        size: Some(says.len() as u64),
        sha256: Sha256Digest::parse_hex(sha256),
        ..NewArtifact::new(ArtifactPath::parse(says).unwrap(), "text/plain")
    };
    let artifacts = &test.larder.artifacts;
    let begun = artifacts.begin_upload(&Principal::Operator, job, new).await;
    begun.unwrap().upload.artifact.id
}

fn on_main() -> NewBuild {
    NewBuild {
        branch: Some("main".to_owned()),
        ..NewBuild::default()
    }
}
