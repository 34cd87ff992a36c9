//! `larder run` with no server named: a store of its own, `./.larder`.

use std::path::Path;
use std::process::Command;

use crate::support::{Finished, PATIENCE, Serve, larder, output_within, run};

const CONFIG: &str = "version: 2\njobs:\n  build:\n    machine: true\n    steps:\n      - run: mkdir out; echo kept > out/file\n      - store_artifacts: {path: out}\n";

#[test]
fn a_run_without_a_server_keeps_its_files_and_a_server_shows_them_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(".larder");
    for number in 1..=2 {
        let finished = run_in(folder.path()).is(0);
        let says = [
            format!("build {number}: http://127.0.0.1:7878/local/ada/"),
            "out/file  http://127.0.0.1:7878/".to_owned(),
            "kept in .larder: `larder serve --data .larder` shows them".to_owned(),
        ];
        for part in says {
            assert!(
                finished.stdout.contains(&part),
                "{part}: {}",
                finished.stdout
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(data.join(".gitignore")).unwrap(),
        "*\n"
    );
    let check = [
        "admin",
        "--data",
        data.to_str().unwrap(),
        "check",
        "--strict",
    ];
    assert!(run(&check).is(0).stdout.starts_with("2 artifacts"));

    let server = Serve::over(&data).start();
    let token = server.token();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let builds = format!(
        "/larder/v1/projects/local/ada/{}/builds",
        name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
    );
    let list = server.client().get(&builds, &token).unwrap().is(200).json();
    assert_eq!(list["builds"].as_array().unwrap().len(), 2);

    // A server that runs over the store is used as it is.
    let finished = run_in(folder.path()).is(0);
    let shown = format!("kept in .larder, which {} shows", server.url);
    assert!(finished.stdout.contains(&shown), "{}", finished.stdout);
    let list = server.client().get(&builds, &token).unwrap().is(200).json();
    assert_eq!(list["builds"].as_array().unwrap().len(), 3);
}

#[test]
fn runs_side_by_side_share_the_store_and_whoever_serves_it_goes_last() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        // All are prepared before the first begins: it reads what the others write.
        let runs = [(); 3].map(|()| prepare(folder.path()));
        for mut run in runs {
            scope.spawn(move || output_within(PATIENCE, &mut run).is(0));
        }
    });
    let data = folder.path().join(".larder");
    let check = [
        "admin",
        "--data",
        data.to_str().unwrap(),
        "check",
        "--strict",
    ];
    assert!(run(&check).is(0).stdout.starts_with("3 artifacts"));
}

#[test]
fn a_server_that_is_named_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    let mut unreachable = prepare(folder.path());
    unreachable
        .env("LARDER_URL", &url)
        .env("LARDER_TOKEN", "lrd_personal_x");
    output_within(PATIENCE, &mut unreachable)
        .is(3)
        .says(&[&url]);
    // A server without a token, and a variable that the CI left empty, are mistakes.
    let mut no_token = prepare(folder.path());
    no_token.env("LARDER_URL", &url);
    output_within(PATIENCE, &mut no_token)
        .is(2)
        .says(&["LARDER_TOKEN"]);
    let mut empty = prepare(folder.path());
    empty.env("LARDER_URL", "").env("LARDER_TOKEN", "");
    output_within(PATIENCE, &mut empty)
        .is(2)
        .says(&["LARDER_TOKEN"]);
    assert!(!folder.path().join(".larder").exists());
    // Neither does a config that cannot be run leave a store behind.
    let mut wrong = prepare(folder.path());
    std::fs::write(folder.path().join("config.yml"), "jobs: [").unwrap();
    output_within(PATIENCE, &mut wrong).is(2);
    assert!(!folder.path().join(".larder").exists());
    // Uploads are not kept anywhere that nobody named.
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let mut upload = larder(&["upload", "file"]);
    output_within(PATIENCE, upload.current_dir(folder.path()))
        .is(2)
        .says(&["LARDER_URL", "LARDER_TOKEN"]);
}

#[test]
fn variables_come_from_the_command_line_a_file_and_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("variables");
    std::fs::write(
        &file,
        "# a comment\nFROM_FILE=\"x y\"\nFROM_CALLER\nNOWHERE\n",
    )
    .unwrap();
    let with = |arguments: &[&str]| {
        let mut command = prepare(folder.path());
        let config = CONFIG.replace(
            "mkdir out; echo kept",
            "echo $A+$FROM_FILE+$FROM_CALLER+$PLAIN+${NOWHERE-unset}; mkdir out; echo kept",
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let caller = [("FROM_CALLER", "called"), ("PLAIN", "plainly")];
        command.args(arguments).envs(caller).env_remove("NOWHERE");
        output_within(PATIENCE, &mut command)
    };
    let finished = with(&["-e", "A=1", "-e", "PLAIN", "--env-file", "variables"]).is(0);
    let said = "1+\"x y\"+called+plainly+unset\n";
    assert!(finished.stdout.contains(said), "{}", finished.stdout);

    // A value may be a secret: a mistake is named without it.
    std::fs::write(&file, "OK=1\nexport B=s3cretvalue\n").unwrap();
    let finished = with(&["--env-file", "variables"])
        .is(2)
        .says(&["variables:2"]);
    assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    with(&["--env-file", "nowhere"])
        .is(2)
        .says(&["read nowhere"]);
}

fn run_in(folder: &Path) -> Finished {
    output_within(PATIENCE, &mut prepare(folder))
}

fn prepare(folder: &Path) -> Command {
    std::fs::write(folder.join("config.yml"), CONFIG).unwrap();
    let mut command = larder(&["run", "config.yml"]);
    command.current_dir(folder).env("USER", "ada");
    command
}
