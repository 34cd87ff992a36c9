//! What the matrix asks about: projects of one shape that callers see or not, and addresses of what is not there.

use crate::matrix::callers::{self, Caller};
use crate::support::{START, TestLarder};
use larder_core::clock::Timestamp;
use larder_core::model::{EndState, NewBuild, NewJob, NewStep, Principal, StepState};
use larder_core::{Announced, AnnouncedNode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A UUID of which nothing is known.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
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
    /// What follows `/d/` in a link to the artifact.
    pub(crate) link: String,
    /// What follows `/sign-in/` in a user's link.
    pub(crate) sign_in: String,
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
        let test = TestLarder::start();
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
        let sign_in = {
            test.account("guest").await;
            let access = &test.larder.access;
            let link = access.sign_in_link(&Principal::Operator, "guest", "/");
            link.await.unwrap()
        };
        let (mut places, mut tokens) = (Vec::new(), Vec::new());
        for ((org, name, public), announced) in shapes.into_iter().zip(ended) {
            let blank = Place::nowhere(vcs);
            let place = Place {
                org,
                name,
                public,
                sign_in: sign_in.clone(),
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
    pub(crate) fn copy(&self) -> Self {
        Self {
            test: self.test.copy(),
            places: self.places.clone(),
            callers: self.callers.clone(),
        }
    }

    /// Every file of the blobs.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        files_below(&self.test.larder.settings().blobs, &mut files);
        files.sort();
        files
    }

    /// Every row of the store but what is noted without an act: when a token was last used, and numbers handed out.
    pub(crate) fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let path = self.test.larder.settings().database.clone();
        let database = rusqlite::Connection::open(path).unwrap();
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'counter'";
        let mut statement = database.prepare(names).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0));
        let names = names.unwrap().map(Result::unwrap);
        names
            .map(|name| {
                let rows = rows_of(&database, &name);
                (name, rows)
            })
            .collect()
    }
}

fn files_below(folder: &std::path::Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn rows_of(database: &rusqlite::Connection, table: &str) -> Vec<String> {
    let mut statement = database
        .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
        .unwrap();
    let columns = statement.column_names();
    let columns: Vec<String> = columns.map(ToOwned::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let mut text = String::new();
        for (index, column) in columns.iter().enumerate() {
            if column != "used_at" {
                let value: rusqlite::types::Value = row.get(index)?;
                write!(text, "{column}={value:?} ").unwrap();
            }
        }
        Ok(text)
    });
    rows.unwrap().map(Result::unwrap).collect()
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
            link: "no-link".to_owned(),
            sign_in: "no-link".to_owned(),
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
            link: link.unwrap().token,
            ..self
        };
        (place, tokens)
    }
}

fn on_main() -> NewBuild {
    NewBuild {
        branch: Some("main".to_owned()),
        ..NewBuild::default()
    }
}
