//! Crashes of steps: what they say, and the cores that they leave under this machine's pattern.

use crate::fake::Fake;
use crate::{options, with_steps};
use larder_protocol::StepState;
use std::path::Path;
use std::process::Command;

const CRASH: &str = "echo 'int main(void) { __builtin_trap(); }' > a.c && gcc -O0 -o crash a.c";

/// Whether this machine writes cores as files and has a compiler.
fn makes_cores() -> bool {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let has_compiler = Command::new("gcc").arg("--version").output().is_ok();
    let hard = Command::new("/bin/sh")
        .args(["-c", "ulimit -Hc"])
        .output()
        .unwrap();
    let makes = has_compiler && !pattern.starts_with('|') && hard.stdout != b"0\n";
    if !makes {
        eprintln!("skipped: this machine writes no core files here, or has no gcc");
    }
    makes
}

pub(crate) async fn with_core_dumps_a_crash_is_kept_without_a_step() {
    if !makes_cores() {
        return;
    }
    let fake = Fake::start().await;
    let config = with_steps(&format!(
        "      - run: {CRASH}\n      - run: ./crash\n      - run: {{when: always, command: './crash || true'}}\n"
    ));
    for core_dumps in [true, false] {
        let mut options = options(&fake, &config, Path::new("/var/empty"));
        options.core_dumps = core_dumps;
        let summary = crate::run_job(options, |_| {}).await.unwrap();
        let node = &summary.nodes[0];
        let state = fake.state.lock().unwrap();
        let job = &state.jobs[&node.job_id];
        let said = job.output_text(1);
        assert!(said.ends_with("Exited with code 132\n"), "{said}");
        assert_eq!(said.matches("Illegal instruction").count(), 1, "{said}");
        assert_eq!(node.steps[2].state, StepState::Passed);
        if !core_dumps {
            assert!(job.paths().is_empty());
            assert!(!said.contains("core dumped"), "{said}");
            let is_explained = |warning: &String| warning.contains("--core-dumps");
            assert!(node.warnings.iter().any(is_explained), "{said}");
            continue;
        }
        assert!(
            said.contains("Illegal instruction (core dumped)\n"),
            "{said}"
        );
        let paths = job.paths();
        assert_eq!(paths.len(), 2, "{}", job.whole_output());
        for (path, step) in paths
            .iter()
            .zip(["core-dumps/1/core.", "core-dumps/2/core."])
        {
            assert!(path.starts_with(step) && path.ends_with("!crash"), "{path}");
            assert!(job.artifact(path).unwrap().bytes.starts_with(b"\x7fELF"));
        }
    }
}

pub(crate) async fn the_limit_is_raised_no_further_than_it_goes() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let program = folder.path().join("sandbox");
    let me = std::env::current_exe().unwrap();
    let script = format!("#!/bin/sh\nulimit -Hc 0; exec {} \"$@\"\n", me.display());
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let config = with_steps("      - run: ulimit -c; kill -ABRT $$\n");
    let mut options = options(&fake, &config, Path::new("/var/empty"));
    options.sandbox_program = program;
    options.core_dumps = true;
    let summary = crate::run_job(options, |_| {}).await.unwrap();
    let state = fake.state.lock().unwrap();
    let said = state.jobs[&summary.nodes[0].job_id].output_text(0);
    assert!(said.starts_with("0\nAborted\n"), "{said}");
    assert!(said.ends_with("Exited with code 134\n"), "{said}");
}

pub(crate) async fn a_death_by_signal_is_said_once() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: kill -ABRT $$\n\
         \x20     - run: {when: always, command: \"bash -c 'kill -SEGV $$'; exit $?\"}\n\
         \x20     - run: {when: always, command: 'kill -KILL $$'}\n\
         \x20     - run: {when: always, shell: /bin/sh, command: 'kill -FPE $$'}\n",
    );
    let summary = crate::run(&fake, &config).await;
    let state = fake.state.lock().unwrap();
    let job = &state.jobs[&summary.nodes[0].job_id];
    for (seq, words, code) in [
        (0, "Aborted", 134),
        (1, "Segmentation fault", 139),
        (2, "Killed", 137),
        (3, "Floating point exception", 136),
    ] {
        let said = job.output_text(seq);
        assert_eq!(said.matches(words).count(), 1, "{said}");
        assert!(
            said.ends_with(&format!("Exited with code {code}\n")),
            "{said}"
        );
        assert_eq!(summary.nodes[0].steps[seq as usize].exit_status, Some(code));
    }
}
