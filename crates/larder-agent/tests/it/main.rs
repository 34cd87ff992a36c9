//! The agent against a larder in memory. This program is also the sandbox program of the runs that
//! it starts, hence its own `main`; arguments select tests by parts of their names.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

mod documents;
mod fake;
mod samples;
mod semantics;
mod transfer;

use larder_agent::run::{Event, JobSummary, RunOptions};
use larder_agent::server::ServerAddress;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Secrets of the caller that no step may see; the whole program runs with them in its environment.
const SECRETS: [(&str, &str); 2] = [
    ("GITHUB_TOKEN", "ghp_of_the_caller"),
    ("LARDER_TOKEN", "lrd_of_the_caller"),
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args
        .next_if(|arg| arg == larder_agent::sandbox::SUBCOMMAND)
        .is_some()
    {
        return larder_agent::sandbox::enter(args);
    }
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    if std::env::vars_os().all(|(name, _)| name != SECRETS[0].0) {
        let error = Command::new(std::env::current_exe().unwrap())
            .args(&args)
            .envs(SECRETS)
            .exec();
        panic!("start again with secrets: {error}");
    }
    run_tests(&args)
}

type Test = (&'static str, fn());

/// Tests of this program: `test!(module::name)`, an async function without arguments.
macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((
            concat!(stringify!($module), "::", stringify!($name)),
            (|| block_on($module::$name())) as fn(),
        )),*]
    };
}

fn run_tests(args: &[String]) -> ExitCode {
    let tests: [Test; _] = tests![
        samples::the_first_sample_keeps_its_two_files_twice_in_a_row,
        samples::the_core_dump_sample_keeps_its_core_twice_in_a_row_and_on_two_nodes,
        samples::a_server_that_is_away_for_a_moment_loses_nothing,
        samples::the_config_as_documented_is_a_config_error,
        documents::any_number_of_steps_can_store_artifacts,
        documents::circle_artifacts_is_empty_before_each_build_and_stays_where_it_is,
        semantics::no_step_sees_the_callers_secrets,
        semantics::store_artifacts_follows_the_documented_rules,
        semantics::conditions_and_exit_statuses_are_the_documented_ones,
        semantics::each_node_has_folders_of_its_own,
        semantics::a_working_directory_of_its_own_is_made_and_taken_away,
        semantics::circle_artifacts_is_swept_up_under_both_names,
        semantics::links_out_of_the_job_are_not_followed,
        semantics::a_file_with_a_secret_is_refused_by_name,
        semantics::a_silent_step_is_ended_with_all_its_processes,
        semantics::a_cancelled_run_ends_its_whole_process_tree,
        semantics::what_a_step_leaves_behind_does_not_outlive_it,
        semantics::a_background_step_runs_until_the_jobs_end,
        semantics::much_output_arrives_whole_and_in_order,
        semantics::without_a_namespace_the_job_still_has_a_home_and_leaves_no_trace,
        semantics::a_system_without_namespaces_is_named_and_runs_the_job,
        semantics::a_server_that_is_away_is_error_3,
        transfer::uploads_and_downloads_are_each_others_inverse,
        transfer::a_hostile_list_writes_nothing_outside,
        transfer::a_file_that_is_refused_does_not_stop_the_others,
    ];
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut failed = Vec::new();
    for (name, test) in tests.iter().filter(|(name, _)| is_wanted(name)) {
        let start = Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        let word = if passed { "ok" } else { "FAILED" };
        println!(
            "test {name} ... {word} ({:.2} s)",
            start.elapsed().as_secs_f64()
        );
        if !passed {
            failed.push(name);
        }
    }
    println!("\n{} failed {failed:?}", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Options of a run against the fake, in a folder of this test.
fn options(fake: &fake::Fake, config: &str, source: &Path) -> RunOptions {
    let address = ServerAddress {
        url: fake.url.clone(),
        token: fake::USER_TOKEN.to_owned(),
        ca_pem: None,
    };
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut options = RunOptions::new(
        "config.yml",
        config,
        "github/acme/demo",
        address,
        source,
        program,
    );
    options.caller_environment = std::env::vars_os().collect();
    options
}

/// Runs a config whose output nobody watches.
async fn run(fake: &fake::Fake, config: &str) -> JobSummary {
    let source = tempfile::tempdir().unwrap();
    larder_agent::run::run(options(fake, config, source.path()), |_: Event<'_>| {})
        .await
        .unwrap()
}

/// A config of one job with these steps, indented by six.
fn with_steps(steps: &str) -> String {
    format!("version: 2\njobs:\n  build:\n    docker: [{{image: any}}]\n    steps:\n{steps}")
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}
