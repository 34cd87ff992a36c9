//! Configs of the agent's fixtures that say `# runs here`, run for real: what a server then lists and
//! gives back is what their steps wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use crate::support::{PATIENCE, ServeProcess, Store, larder, output_within, run};

/// A config, its exit code, and what it keeps: `NODE PATH` and the content.
struct Runs {
    config: &'static str,
    exit: i32,
    kept: &'static [(&'static str, &'static str)],
}

const SCALARS: Runs = Runs {
    config: "scalars-of-every-kind.yml",
    exit: 0,
    kept: &[
        (
            "0 environment.txt",
            "plain text\none two three\nit's # not a comment\n42\n0755\n3.10\nyes\ntrue\nfalse\n\
             a: b\na#b\nhttps://host.example:8080/path?x=1&y=2#top\n",
        ),
        ("0 literal.txt", "literal: # is text\nafter an empty line\n"),
        ("0 folded.txt", "second\n"),
        ("0 quoted/double.txt", "a\tbé! \"quoted\" and continued\n"),
    ],
};

const HERE_DOCUMENTS: Runs = Runs {
    config: "here-documents.yml",
    exit: 0,
    kept: &[
        (
            "0 greeting.txt",
            "hello world\n  indented: yes\n# not a comment\n",
        ),
        ("0 script.sh", "#!/bin/sh\necho \"$HOME is not expanded\"\n"),
        (
            "0 shout.txt",
            "A HERE STRING\n<< parameters.nothing >> is text in version 2\n",
        ),
    ],
};

const BASH_ENV: Runs = Runs {
    config: "variables-through-bash-env.yml",
    exit: 0,
    kept: &[(
        "0 seen.txt",
        "LATER=from an earlier step\nSTAMP=BUILD\nFROM_IMAGE=image\nOVERRIDDEN=step\nEMPTY=.\n\
         CI=true CIRCLECI=true\nNODE=0/1\nOVERRIDDEN=job LIST=unset\n",
    )],
};

const ARTIFACTS: Runs = Runs {
    config: "artifacts-of-every-kind.yml",
    exit: 0,
    kept: &[
        ("0 out/one.txt", "1\n"),
        ("0 renamed.txt", "1\n"),
        ("0 folder/one.txt", "1\n"),
        ("0 out/deep/two.txt", "2\n"),
        ("0 out/deep/er/three.txt", "3\n"),
        ("0 trees/deep/two.txt", "2\n"),
        ("0 trees/deep/er/three.txt", "3\n"),
        ("0 three.txt", "3\n"),
        ("0 ~/logs/app.log", "l\n"),
        ("0 app.log", "l\n"),
        ("0 tmp/abs/absolute.txt", "a\n"),
        ("0 abs/absolute.txt", "a\n"),
        ("0 with space/a b (1),{x}.txt", "s\n"),
        ("0 coverage/.hidden/.last_run.json", "h\n"),
        ("0 nothing.txt", ""),
        ("0 $CIRCLE_ARTIFACTS/swept.txt", "swept\n"),
    ],
};

const FAILS: Runs = Runs {
    config: "reports-when-a-step-fails.yml",
    exit: 1,
    kept: &[
        ("0 log.txt", "before\nfailing\ngathered\nalways\n"),
        ("0 failed/log.txt", "before\nfailing\ngathered\nalways\n"),
    ],
};

const SMALL_SHELL: Runs = Runs {
    config: "shell-of-a-small-image.yml",
    exit: 1,
    kept: &[("0 log.txt", "one\ntwo\nthree\n")],
};

const SERVICE: Runs = Runs {
    config: "service-in-the-background.yml",
    exit: 0,
    kept: &[(
        "0 all.txt",
        "answer to ping\nanswer to request-1\nanswer to request-2\nanswer to request-3\n",
    )],
};

const TABS: Runs = Runs {
    config: "tabs-inside-of-scalars.yml",
    exit: 0,
    kept: &[
        (
            "0 Makefile",
            "all: a.txt\n\na.txt:\n\techo \"a tab stands before this line\" > a.txt\n\t@cat\ta.txt\n",
        ),
        ("0 tabs.txt", "2\n"),
        ("0 yes.txt", "yes\n"),
    ],
};

const OLD_FOLDER: Runs = Runs {
    config: "artifacts-through-the-old-folder.yml",
    exit: 1,
    kept: &[
        ("0 $CIRCLE_ARTIFACTS/screens/cherry-pie.png", "pixels\n"),
        ("0 $CIRCLE_ARTIFACTS/node.log", "node 0\n"),
    ],
};

const EMOJI: Runs = Runs {
    config: "names-with-emoji-and-accents.yml",
    exit: 0,
    kept: &[
        ("0 grüße.txt", "Grüß dich, Wörld 🌍!\nGrüß dich, मित्र!\n"),
        ("0 📦 отчёты/№ 1/отчёт ✓.txt", "„Guten Tag“ — 你好\n"),
        ("0 été/fin d’été.txt", "Fin d’été\n"),
    ],
};

const WORKSPACES: Runs = Runs {
    config: "workspaces-fan-out-fan-in.yml",
    exit: 0,
    kept: &[
        (
            "0 list.txt",
            "./a/b/deep.txt\n./part-x.txt\n./part-y.txt\n./part-z.txt\n",
        ),
        ("0 joined/a/b/deep.txt", "deep\n"),
        ("0 joined/part-x.txt", "part-x\n"),
        ("0 joined/part-y.txt", "part-y\n"),
        ("0 joined/part-z.txt", "part-z\n"),
    ],
};

const CACHES: Runs = Runs {
    config: "caches-with-fallback-keys.yml",
    exit: 0,
    kept: &[("0 restored.txt", "warm\n")],
};

const ESCAPED: Runs = Runs {
    config: "here-documents-escaped.yml",
    exit: 0,
    kept: &[
        ("0 world/greeting.txt", "hello world, bits: 8 4\n"),
        ("0 world/other.txt", "hello world\n1\n"),
        ("0 you/greeting.txt", "hello you, bits: 8 4\n"),
        ("0 you/other.txt", "hello you\n1\n"),
    ],
};

#[test]
fn configs_of_one_job_keep_what_their_steps_write() {
    let machine = Machine::start();
    for runs in [
        SCALARS,
        HERE_DOCUMENTS,
        BASH_ENV,
        ARTIFACTS,
        FAILS,
        SMALL_SHELL,
        SERVICE,
        TABS,
        OLD_FOLDER,
    ] {
        machine.check(&runs);
    }
}

#[test]
fn configs_of_a_workflow_keep_what_their_steps_write() {
    let machine = Machine::start();
    for runs in [EMOJI, WORKSPACES, CACHES, ESCAPED] {
        machine.check(&runs);
    }
}

/// What only the vendor can go on with.
const REFUSED: &str = "setup-for-a-dynamic-config.yml";

#[test]
fn every_config_can_be_checked_without_a_server() {
    for (folder, expected) in [("configs", 0), ("errors", 2)] {
        for entry in std::fs::read_dir(fixture(folder, "")).unwrap() {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                panic!("{}", path.display())
            };
            if path.extension().is_none_or(|extension| extension != "yml") {
                continue;
            }
            let exit = if name == REFUSED { 2 } else { expected };
            let finished = run(&["run", "--check", path.to_str().unwrap()]).is(exit);
            if exit == 2 {
                finished.says(&[name]);
            }
        }
    }
}

#[test]
fn a_config_comes_through_a_pipe_too() {
    let machine = Machine::start();
    let config = std::fs::File::open(fixture("configs", HERE_DOCUMENTS.config)).unwrap();
    let mut command = machine.larder_run("-", "github/acme/piped");
    output_within(PATIENCE, command.stdin(config)).is(0);
    assert_eq!(machine.kept("github/acme/piped"), HERE_DOCUMENTS.expected());
}

#[test]
fn a_config_that_is_no_text_is_refused_by_name() {
    let machine = Machine::start();
    let config = fixture("errors", "not-utf-8.yml");
    let mut command = machine.larder_run(&config, "github/acme/demo");
    output_within(PATIENCE, &mut command)
        .is(2)
        .says(&["not-utf-8.yml", "UTF-8"]);
}

#[test]
fn tests_are_split_over_nodes_without_loss() {
    let machine = Machine::start();
    let kept = machine.run("tests-split-over-nodes.yml", 0);
    let nodes = ["0", "1", "2"];
    let named = |name: &str| nodes.map(|node| kept[&format!("{node} {name}")].clone());
    let mine = named("mine.txt");
    let mut files: Vec<&str> = mine.iter().flat_map(|text| text.lines()).collect();
    files.sort_unstable();
    let mut expected = vec!["tests/slow/h.test".to_owned()];
    expected.extend(["a", "b", "c", "d", "e", "f", "g"].map(|n| format!("tests/unit/{n}.test")));
    assert_eq!(files, expected);
    assert!(
        mine.iter().all(|text| text.lines().count() >= 2),
        "{mine:?}"
    );
    let ran: usize = named("ran.txt")
        .iter()
        .map(|text| text.lines().count())
        .sum();
    assert_eq!(ran, 8);
}

/// A server and a folder to run from.
struct Machine {
    store: Store,
    server: ServeProcess,
    token: String,
}

impl Machine {
    fn start() -> Self {
        let store = Store::new();
        let server = store.serve().start();
        let token = server.token();
        std::fs::create_dir(store.beside("source")).unwrap();
        Self {
            store,
            server,
            token,
        }
    }

    fn check(&self, runs: &Runs) {
        let kept = self.run(runs.config, runs.exit);
        assert_eq!(kept, runs.expected(), "{}", runs.config);
    }

    /// Runs a config in a project of its own; what its jobs keep, `NODE PATH` → content.
    fn run(&self, config: &str, exit: i32) -> BTreeMap<String, String> {
        let project = format!("github/acme/{}", config.trim_end_matches(".yml"));
        let mut command = self.larder_run(&fixture("configs", config), &project);
        output_within(PATIENCE, &mut command).is(exit);
        self.kept(&project)
    }

    fn larder_run(&self, config: &str, project: &str) -> Command {
        let mut command = larder(&["run", config, "--project", project]);
        command
            .current_dir(self.store.beside("source"))
            .env("LARDER_URL", &self.server.url)
            .env("LARDER_TOKEN", &self.token);
        command
    }

    /// Everything that the jobs of a project keep, by the public list.
    fn kept(&self, project: &str) -> BTreeMap<String, String> {
        let client = self.server.client();
        let mut kept = BTreeMap::new();
        for number in 1.. {
            let job = format!("/api/v1.1/project/{project}/{number}/artifacts");
            let listed = client.get(&job, &self.token).unwrap();
            if listed.status == 404 {
                break;
            }
            for artifact in listed.is(200).json().as_array().unwrap() {
                let node = &artifact["node_index"];
                let path = artifact["path"].as_str().unwrap();
                let bytes = client.get(&format!("{job}/{node}/{}", encoded(path)), &self.token);
                let text = bytes.unwrap().is(200).text();
                let name = format!("{node} {}", artifact["pretty_path"].as_str().unwrap());
                let before = kept.insert(name, text);
                assert_eq!(before, None, "{path} is kept twice");
            }
        }
        kept
    }
}

impl Runs {
    fn expected(&self) -> BTreeMap<String, String> {
        let kept = self.kept.iter();
        kept.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }
}

fn fixture(folder: &str, name: &str) -> String {
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../larder-agent/tests/fixtures"
    );
    format!("{fixtures}/{folder}/{name}")
}

/// A path as part of a URL.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
    }
    text
}
