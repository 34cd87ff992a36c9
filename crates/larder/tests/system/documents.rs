//! Commands that documents print, run by a real `curl` as they are printed: only hosts, names and tokens are replaced.
//!
//! The download recipe of the first two documents is in `recipe.rs`.

use std::process::Command;

use serde_json::Value;

use crate::support::{Finished, Job, PATIENCE, PROJECT, ServeProcess, Store, output_within};

/// CircleCI's reference of API v1.1, and Buildkite's of artifacts.
const CIRCLECI: &str = include_str!("../../../../tests/fixtures/source-documents/003.txt");
const BUILDKITE: &str = include_str!("../../../../tests/fixtures/source-documents/004.txt");
const README: &str = include_str!("../../../../README.md");

/// Of the documented example `curl -L https://132-55688803-gh.circle-artifacts.com/0//tmp/…`.
const DOCUMENTED_HOST: &str = "https://132-55688803-gh.circle-artifacts.com";
const DOCUMENTED_FILE: &str = "tmp/circle-artifacts.7wgAaIU/file.txt";
/// Where the server believes to be, so that a shell in this test finds it nowhere else.
const PUBLIC_URL: &str = "http://larder.test";
const BYTES: &[u8] = b"the bytes\n";

#[test]
#[ignore = "needs curl"]
fn the_commands_of_circlecis_reference_work_as_printed() {
    let curl = Curl::start();
    curl.job(DOCUMENTED_FILE);
    let [list, file, latest] = &commands(CIRCLECI)[..] else {
        panic!("the reference prints three commands")
    };
    let listed = curl.run(list).is(200).json();
    let url = listed[0]["url"].as_str().unwrap();
    let (host, _) = url.split_once("/0/").unwrap();
    let label = host.strip_suffix(".circle-artifacts.com").unwrap();
    let label = label.strip_prefix("http://1-").unwrap();
    let project: u32 = label.strip_suffix("-gh").unwrap().parse().unwrap();
    assert!(project > 0, "{host}");
    assert_eq!(url, format!("{host}/0/{DOCUMENTED_FILE}"));

    // With its double slash, `-L` and the header.
    assert!(file.contains("/0//tmp/") && file.starts_with("curl -L "));
    let file = curl.run(&file.replace(DOCUMENTED_HOST, host)).is(200);
    assert_eq!(file.body.as_bytes(), BYTES);

    // As printed, a shell would end the command at the `&`.
    let (before, address) = latest.split_once(' ').unwrap();
    let (address, after) = address.split_once(' ').unwrap();
    let latest = format!("{before} '{address}' {after}");
    assert_eq!(curl.run(&latest).is(200).json(), listed);
}

#[test]
#[ignore = "needs curl"]
fn the_commands_of_buildkites_reference_work_as_printed() {
    let curl = Curl::start();
    let job = curl.job("dist/app.tar.gz");
    let [of_build, of_job, one, download, delete] = &commands(BUILDKITE)[..] else {
        panic!("the reference prints five commands")
    };
    let all = curl.run(of_build).is(200).json();
    let named = |command: &str| {
        let id = all[0]["id"].as_str().unwrap();
        let command = command.replace("{job.id}", &job.id).replace("{id}", id);
        let command = command.replace("{artifact.job.uuid}", &job.id);
        command.replace("{artifact.uuid}", id)
    };
    assert_eq!(curl.run(&named(of_job)).is(200).json(), all);
    let artifact = curl.run(&named(one)).is(200).json();
    assert_eq!(artifact, all[0]);
    assert_eq!(artifact["mime_type"], "application/x-gzip");

    let link = curl.run(&named(download)).is(302).json();
    let link = link["url"].as_str().unwrap();
    let bytes = curl.run(&format!("curl '{link}'")).is(200);
    assert_eq!(bytes.body.as_bytes(), BYTES);

    assert!(delete.contains("-X DELETE") && delete.contains("?access_token="));
    assert_eq!(curl.run(&named(delete)).is(204).body, "");
    curl.run(&named(one)).is(404);
    assert_eq!(curl.run(of_build).is(200).json(), Value::Array(Vec::new()));
}

#[test]
#[ignore = "needs curl"]
fn the_readmes_curl_lines_keep_a_file() {
    let curl = Curl::start();
    let (_, lines) = README.split_once("with nothing but `curl`").unwrap();
    let lines = lines.split("```").nth(1).unwrap();
    let [announce, put, finish] = &commands(lines)[..] else {
        panic!("the README prints three commands: {lines}")
    };
    std::fs::write(curl.store.beside("report.html"), BYTES).unwrap();
    let announced = curl.run(announce).is(201).json();
    let job = |name: &str| announced["jobs"][0][name].as_str().unwrap().to_owned();
    let with_job = |command: &str| {
        let command = command.replace("$JOB_TOKEN", &job("token"));
        command.replace("$JOB", &job("id"))
    };
    curl.run(&with_job(put)).is(201);
    let path = format!("/larder/v1/jobs/{}/artifacts/report.html", job("id"));
    let kept = curl.server.client().get(&path, &job("token")).unwrap();
    assert_eq!(kept.is(200).body, BYTES);
    let ended = curl.run(&with_job(finish)).is(200).json();
    assert_eq!(ended["state"], "passed");
}

/// The commands in a text, each from its `curl` to the end of its last line.
fn commands(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter(|line| line.starts_with("curl "));
    lines.map(str::to_owned).collect()
}

/// A shell with `curl`, whose every connection leads to a server of ours.
struct Curl {
    store: Store,
    server: ServeProcess,
    token: String,
}

/// What a command printed.
#[derive(Debug)]
struct Printed {
    status: u16,
    body: String,
}

impl Curl {
    fn start() -> Self {
        let store = Store::new();
        let hosts = "http://{n}-{project}-{vcs}.circle-artifacts.com";
        let serve = store.serve().variable("LARDER__CONTENT_URL", hosts);
        let server = serve.variable("LARDER__PUBLIC_URL", PUBLIC_URL).start();
        let token = server.token();
        // Settings, so that the commands stay as they are printed.
        let settings = format!(
            "silent\nshow-error\nnoproxy = \"*\"\nwrite-out = \"\\n%{{http_code}}\"\nconnect-to = \"::{}\"\n",
            server.address()
        );
        std::fs::write(store.beside(".curlrc"), settings).unwrap();
        Self {
            store,
            server,
            token,
        }
    }

    /// Job 1, of `main`, which keeps one file and passes.
    fn job(&self, file: &str) -> Job {
        let client = self.server.client();
        let job = client.announce(&self.token);
        client.put(&job, file, BYTES).unwrap().is(201);
        let path = format!("/larder/v1/jobs/{}", job.id);
        let ended = client.send("PATCH", &path, &job.token, br#"{"state":"passed"}"#);
        ended.unwrap().is(200);
        job
    }

    /// Runs a command with what stands for our names put in.
    fn run(&self, command: &str) -> Printed {
        let mut command = command.to_owned();
        for (placeholder, value) in [
            ("https://circleci.com", PUBLIC_URL),
            ("https://api.buildkite.com", PUBLIC_URL),
            ("http://api.buildkite.com", PUBLIC_URL),
            (":vcs-type/:username/:project", PROJECT),
            (":build_num", "1"),
            (":branch", "main"),
            (":filter", "successful"),
            ("<circle-token>", &self.token),
            ("{org.slug}", "acme"),
            ("{artifact.job.build.project.account.slug}", "acme"),
            ("{pipeline.slug}", "demo"),
            ("{artifact.job.build.project.slug}", "demo"),
            ("{build.number}", "1"),
            ("{artifact.job.build.number}", "1"),
            ("{access_token.token}", &self.token),
        ] {
            command = command.replace(placeholder, value);
        }
        println!("{command}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &command])
            .current_dir(self.store.beside(""));
        bash.env("CURL_HOME", self.store.beside(""));
        bash.env("TOKEN", &self.token).env("LARDER", PUBLIC_URL);
        Printed::of(&output_within(PATIENCE, &mut bash).is(0))
    }
}

impl Printed {
    fn of(finished: &Finished) -> Self {
        let (body, status) = finished.stdout.rsplit_once('\n').unwrap();
        Self {
            status: status.parse().unwrap(),
            body: body.to_owned(),
        }
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
