//! A store in a folder of its own, and what is needed to put files into it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Answer, Client, Finished, PATIENCE, Serve, ServeProcess, larder, output_within};

/// Where the tests announce their builds.
pub(crate) const PROJECT: &str = "github/acme/demo";

/// The folder of a store; removed at the end.
pub(crate) struct Store {
    folder: tempfile::TempDir,
    settings: Settings,
}

/// Settings of the environment, which say where rows and bytes are; none of an embedded store.
pub(crate) type Settings = Vec<(String, String)>;

/// A running job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Store {
    /// One that does not exist yet.
    pub(crate) fn new() -> Self {
        Self::with(Settings::new())
    }

    /// A folder of one of the servers over a store that is elsewhere.
    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings,
        }
    }

    /// Whether all of it is in the folder.
    pub(crate) fn is_embedded(&self) -> bool {
        self.settings.is_empty()
    }

    /// The folder that `--data` names.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder beside it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn serve(&self) -> Serve {
        Serve::over(&self.data()).settings(&self.settings)
    }

    /// Runs `larder admin` on it.
    #[track_caller]
    pub(crate) fn admin(&self, arguments: &[&str]) -> Finished {
        admin(&self.data(), &self.settings, arguments)
    }

    /// A token that may do everything.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.admin(&TOKEN).is(0).stdout.trim().to_owned()
    }
}

/// Makes a token that may do everything.
const TOKEN: [&str; 6] = ["token", "create", "--user", "admin", "--scopes", "admin"];

/// Runs `larder admin` on the store of a folder and of settings.
#[track_caller]
fn admin(data: &Path, settings: &Settings, arguments: &[&str]) -> Finished {
    let mut command = larder(&["admin", "--data", data.to_str().unwrap()]);
    command.args(arguments).envs(settings.iter().cloned());
    output_within(PATIENCE, &mut command)
}

impl ServeProcess {
    /// Runs `larder admin` through its socket; where the store is shared, beside it.
    #[track_caller]
    pub(crate) fn admin(&self, arguments: &[&str]) -> Finished {
        admin(self.data(), self.settings(), arguments)
    }

    /// A token that may do everything.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.admin(&TOKEN).is(0).stdout.trim().to_owned()
    }
}

impl Client {
    /// Announces a build with one job.
    #[track_caller]
    pub(crate) fn announce(&self, token: &str) -> Job {
        let path = format!("/larder/v1/projects/{PROJECT}/builds");
        let body = json!({"branch": "main", "jobs": [{"name": "build", "parallelism": 1}]});
        let answer = self.send("POST", &path, token, body.to_string().as_bytes());
        let answer = answer.unwrap().is(201).json();
        let job = &answer["jobs"][0];
        Job {
            id: text(&job["id"]),
            token: text(&job["token"]),
        }
    }

    /// Keeps one file; the name needs no encoding.
    pub(crate) fn put(&self, job: &Job, name: &str, bytes: &[u8]) -> std::io::Result<Answer> {
        self.send("PUT", &job.artifact(name), &job.token, bytes)
    }
}

impl Job {
    /// Where one of its artifacts is kept and read.
    pub(crate) fn artifact(&self, name: &str) -> String {
        format!("/larder/v1/jobs/{}/artifacts/{name}", self.id)
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
