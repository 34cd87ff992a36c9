//! Runs that are killed, or lose their server, and are taken up: nothing that was done is done again.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Client, Finished, Made, PATIENCE, PROJECT, ServeProcess, Store, larder, sha256_of, wait_for,
};
use crate::transfer::counting::Counting;

const MIB: u64 = 1024 * 1024;
/// What a kill may cost: of the file, the four parts that were on their way, each a 128th of it, and the run's own messages.
const PERCENT_PER_KILL: u64 = 5;
/// On a machine that others use too.
const LONG: Duration = Duration::from_mins(4);

#[test]
fn a_run_that_is_killed_six_times_sends_little_twice() {
    kill_again_and_again(6, 256 * MIB);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn a_run_that_is_killed_twenty_times_in_1_gib_sends_little_twice() {
        super::kill_again_and_again(20, 1024 * super::MIB);
    }
}

/// The agent and the server take turns to be killed while one file is on its way.
fn kill_again_and_again(kills: u64, size: u64) {
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let mut made = Made::new(seed);
    let mut scene = Scene::new(
        "      - run: echo once >> \"$HERE/count\"; cp \"$HERE/large\" ~/large\n\
         \x20     - store_artifacts: {path: ~/large, destination: large}\n\
         \x20     - run: echo end >> \"$HERE/count\"\n",
    );
    let digest = write_large(&scene.here.path().join("large"), &mut made, size);
    let mut agent = scene.run(&["c.yml"]);
    for kill in 0..kills {
        let at = size * (kill + 1) / (kills + 1) + made.below(size / (kills + 1) / 2);
        wait_for("bytes on their way", LONG, || {
            assert_runs(&mut agent);
            (scene.counting.sent() >= at).then_some(())
        });
        if kill % 2 == 0 {
            agent.kill().unwrap();
            agent.wait().unwrap();
            agent = scene.run(&["--resume"]);
        } else {
            scene.server.kill();
            scene.serve_again();
        }
        println!("kill {kill} after {} MiB", at / MIB);
    }
    end_of(agent, LONG).is(0);
    let again = scene.counting.sent().saturating_sub(size);
    println!("{} MiB again", again / MIB);
    assert!(
        again <= kills * size * PERCENT_PER_KILL / 100,
        "{again} bytes were sent twice"
    );
    assert_eq!(scene.read("count"), "once\nend\n");
    let build = scene.only_build();
    assert_eq!(build["state"], "passed", "{build}");
    let kept = scene.artifacts(&build);
    let [kept] = kept.as_array().unwrap().as_slice() else {
        panic!("{kept}")
    };
    assert_eq!(kept["path"], "large");
    assert_eq!(kept["sha256"], digest.as_str());
    scene.server.admin(&["check"]).is(0);
}

#[test]
fn steps_that_ended_are_not_run_again_and_the_one_that_was_killed_is() {
    let scene = Scene::new(
        "      - run: echo first >> \"$HERE/count\"; echo 'export KEPT=yes' >> \"$BASH_ENV\"\n\
         \x20     - run: {command: 'echo service >> \"$HERE/count\"; touch /tmp/up; sleep 1000', background: true}\n\
         \x20     - run: until test -e /tmp/up; do sleep 0.01; done; rm /tmp/up; echo file > ~/file; echo swept > $CIRCLE_ARTIFACTS/swept; exit 7\n\
         \x20     - run: {command: echo never, when: on_success}\n\
         \x20     - run: {command: 'echo killed >> \"$HERE/count\"; echo said; touch \"$HERE/begun\"; until test -e \"$HERE/go\"; do sleep 0.01; done', when: always}\n\
         \x20     - run: {command: 'test \"$KEPT\" = yes && cat ~/file && until test -e /tmp/up; do sleep 0.01; done; echo last >> \"$HERE/count\"', when: on_fail}\n",
    );
    let mut agent = scene.run(&["c.yml"]);
    scene.wait_for_file("begun", &mut agent);
    let build = scene.only_build();
    wait_for("the step's output at the server", PATIENCE, || {
        (scene.output(&build, 4) == "said\n").then_some(())
    });
    agent.kill().unwrap();
    agent.wait().unwrap();
    // The folder's config is another one by now.
    fs::write(scene.here.path().join("c.yml"), "version: 2\njobs: {}\n").unwrap();
    fs::write(scene.here.path().join("go"), "").unwrap();
    // Neither of these is the run that broke off.
    end_of(scene.run(&["--resume", "other.yml"]), PATIENCE)
        .is(2)
        .says(&["no unfinished run of other.yml"]);
    let finished = end_of(scene.run(&["--resume"]), PATIENCE)
        .is(1)
        .says(&["c.yml has changed since"]);
    assert!(finished.stdout.contains("build 1"), "{}", finished.stdout);
    // What runs in the background is started again beside the step that was killed.
    let count = scene.read("count");
    let mut lines: Vec<_> = count.lines().collect();
    lines.sort_unstable();
    let expected = ["first", "killed", "killed", "last", "service", "service"];
    assert_eq!(lines, expected);
    let build = scene.only_build();
    assert_eq!(build["state"], "failed", "{build}");
    assert_eq!(build["jobs"][0]["exit_status"], 7);
    let steps = scene.steps(&build);
    let states: Vec<_> = steps
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    let expected = [
        "passed", "passed", "failed", "skipped", "passed", "passed", "passed",
    ];
    assert_eq!(states, expected, "{steps:?}");
    assert_eq!(scene.output(&build, 4), "said\n(resumed)\nsaid\n");
    assert_eq!(scene.output(&build, 5), "file\n");
    let kept = scene.artifacts(&build);
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
    assert_eq!(kept[0]["alias"], "$CIRCLE_ARTIFACTS/swept");
    // It has ended now.
    end_of(scene.run(&["--resume"]), PATIENCE)
        .is(2)
        .says(&["no unfinished run"]);
}

#[test]
fn a_run_outlives_a_server_that_stays_away() {
    let mut scene = Scene::new(
        "      - run: echo first >> \"$HERE/count\"\n\
         \x20     - run: touch \"$HERE/begun\"; until test -e \"$HERE/go\"; do sleep 0.01; done; echo second >> \"$HERE/count\"\n\
         \x20     - run: echo third >> \"$HERE/count\"; test ! -e \"$HERE/again\"\n",
    );
    let mut agent = scene.run(&["c.yml"]);
    scene.wait_for_file("begun", &mut agent);
    // While it lives it is nobody else's.
    end_of(scene.run(&["--resume"]), PATIENCE)
        .is(2)
        .says(&["no unfinished run"]);
    scene.server.kill();
    fs::write(scene.here.path().join("go"), "").unwrap();
    let ended = end_of(agent, LONG).is(3);
    assert!(
        ended.stderr.trim_end().ends_with("larder run --resume"),
        "{}",
        ended.stderr
    );
    // Still away: nothing is lost by trying.
    end_of(scene.run(&["--resume"]), LONG).is(3);
    scene.serve_again();
    end_of(scene.run(&["--resume"]), PATIENCE).is(0);
    assert_eq!(scene.read("count"), "first\nsecond\nthird\n");
    let build = scene.only_build();
    assert_eq!(build["state"], "passed", "{build}");
}

#[test]
fn a_job_that_the_server_ended_meanwhile_is_not_taken_up() {
    let scene = Scene::new("      - run: touch \"$HERE/begun\"; sleep 1000\n");
    let mut agent = scene.run(&["c.yml"]);
    scene.wait_for_file("begun", &mut agent);
    agent.kill().unwrap();
    agent.wait().unwrap();
    let build = scene.only_build();
    let job = format!(
        "/larder/v1/jobs/{}",
        build["jobs"][0]["id"].as_str().unwrap()
    );
    let end = br#"{"state":"canceled"}"#;
    let ended = scene.client().send("PATCH", &job, &scene.token, end);
    ended.unwrap().is(200);
    end_of(scene.run(&["--resume"]), PATIENCE).is(1).says(&[
        "build (node 0)",
        "canceled",
        "begin anew",
    ]);
    end_of(scene.run(&["--resume"]), PATIENCE)
        .is(2)
        .says(&["no unfinished run"]);
}

#[test]
fn a_run_without_a_server_is_taken_up_too() {
    let scene = Scene::new(
        "      - run: echo first >> \"$HERE/count\"; mkdir out; echo kept > out/file\n\
         \x20     - run: touch \"$HERE/begun\"; until test -e \"$HERE/go\"; do sleep 0.01; done\n\
         \x20     - store_artifacts: {path: out}\n",
    );
    let mut agent = scene.run_offline(&["c.yml", "-e", "HERE"]);
    scene.wait_for_file("begun", &mut agent);
    agent.kill().unwrap();
    agent.wait().unwrap();
    fs::write(scene.here.path().join("go"), "").unwrap();
    // With a server it would be another build.
    end_of(scene.run(&["--resume"]), PATIENCE)
        .is(2)
        .says(&["./.larder"]);
    let finished = end_of(scene.run_offline(&["--resume"]), PATIENCE).is(0);
    assert!(finished.stdout.contains("build 1: "), "{}", finished.stdout);
    assert!(finished.stdout.contains("out/file"), "{}", finished.stdout);
    assert_eq!(scene.read("count"), "first\n");
}

/// A server, a folder with a config, and something between the two that counts.
struct Scene {
    store: Store,
    server: ServeProcess,
    token: String,
    counting: Counting,
    /// Not below `/tmp`, which steps do not see.
    here: tempfile::TempDir,
}

impl Scene {
    /// The steps of one job are indented by six.
    fn new(steps: &str) -> Self {
        let store = Store::new();
        // The server has to know by which address it is spoken to.
        let counting = Counting::new();
        let server = serve(&store, &counting);
        let here = tempfile::tempdir_in("/var/tmp").unwrap();
        let config = format!("version: 2\njobs:\n  build:\n    machine: true\n    steps:\n{steps}");
        fs::write(here.path().join("c.yml"), config).unwrap();
        Self {
            token: server.token(),
            counting,
            store,
            server,
            here,
        }
    }

    fn run(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .env("LARDER_URL", &self.counting.url)
            .env("LARDER_TOKEN", &self.token);
        if !arguments.contains(&"--resume") {
            command.args(["-e", "HERE", "--project", PROJECT]);
        }
        command.spawn().unwrap()
    }

    fn run_offline(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = larder(&[&["run"], arguments].concat());
        command
            .current_dir(self.here.path())
            .env("HERE", self.here.path())
            .env("USER", "ada")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn serve_again(&mut self) {
        self.server = serve(&self.store, &self.counting);
    }

    fn client(&self) -> Client {
        self.server.client()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.here.path().join(name)).unwrap()
    }

    #[track_caller]
    fn wait_for_file(&self, name: &str, agent: &mut Child) {
        let path: PathBuf = self.here.path().join(name);
        wait_for(name, PATIENCE, || {
            assert_runs(agent);
            path.exists().then_some(())
        });
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.client().get(path, &self.token);
        answer.unwrap().is(200).json()
    }

    fn only_build(&self) -> Value {
        let list = self.get(&format!("/larder/v1/projects/{PROJECT}/builds"));
        let [build] = list["builds"].as_array().unwrap().as_slice() else {
            panic!("{list}")
        };
        build.clone()
    }

    fn artifacts(&self, build: &Value) -> Value {
        let id = build["id"].as_str().unwrap();
        self.get(&format!("/larder/v1/builds/{id}/artifacts?state=finished"))["artifacts"].clone()
    }

    fn steps(&self, build: &Value) -> Vec<Value> {
        let id = build["jobs"][0]["id"].as_str().unwrap();
        let list = self.get(&format!("/larder/v1/jobs/{id}/steps"));
        list["steps"].as_array().unwrap().clone()
    }

    fn output(&self, build: &Value, seq: u32) -> String {
        let id = build["jobs"][0]["id"].as_str().unwrap();
        let path = format!("/larder/v1/jobs/{id}/steps/{seq}/output");
        let answer = self.client().get(&path, &self.token).unwrap().is(200);
        String::from_utf8(answer.body).unwrap()
    }
}

fn serve(store: &Store, counting: &Counting) -> ServeProcess {
    let serve = store.serve().variable("LARDER__PUBLIC_URL", &counting.url);
    let server = serve.start();
    counting.lead_to(server.address());
    server
}

#[track_caller]
fn assert_runs(agent: &mut Child) {
    if let Some(status) = agent.try_wait().unwrap() {
        let (mut said, mut stderr) = (String::new(), agent.stderr.take().unwrap());
        stderr.read_to_string(&mut said).unwrap();
        panic!("it ended early, {status}: {said}");
    }
}

#[track_caller]
fn end_of(mut agent: Child, within: Duration) -> Finished {
    // Its streams are short: they fit into the pipes.
    wait_for("the end of the run", within, || agent.try_wait().unwrap());
    agent.wait_with_output().unwrap().into()
}

/// Writes a file of which no two parts are equal, and gives its digest.
fn write_large(path: &Path, made: &mut Made, size: u64) -> String {
    let mut piece = made.bytes(usize::try_from(MIB).unwrap());
    let file = File::create(path).unwrap();
    let mut whole = Vec::new();
    for number in 0..size / MIB {
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all_at(&piece, number * MIB).unwrap();
        whole.extend_from_slice(&piece);
    }
    sha256_of(&whole)
}
