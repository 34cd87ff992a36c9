//! The agent against a larder in memory. This program is also the sandbox program of the runs that
//! it starts, hence its own `main`; arguments select tests by parts of their names.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

mod caches;
mod cores;
mod documents;
mod endings;
mod fake;
mod masking;
mod samples;
mod scripted;
mod semantics;
mod shim;
mod steps;
mod transfer;
mod transfer_broken;
mod workflows;

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
    if args
        .next_if(|arg| arg == larder_agent::shim::SUBCOMMAND)
        .is_some()
    {
        return larder_agent::shim::enter(args, std::env::vars_os());
    }
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    if std::env::vars_os().all(|(name, _)| name != SECRETS[0].0) {
        let error = Command::new(std::env::current_exe().unwrap())
            .args(&args)
            .envs(SECRETS)
            .exec();
        panic!("start again with secrets: {error}");
    }
    if let Some((word, rest)) = args.split_first()
        && word == endings::AGENT
    {
        return endings::be_agent(rest);
    }
    run_tests(&args)
}

/// What takes too long to run unless it is named.
const SLOW: &str = "two_thousand";

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

const TESTS: &[Test] = &tests![
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
    semantics::what_a_step_leaves_behind_does_not_outlive_the_job,
    semantics::a_background_step_runs_until_the_jobs_end,
    semantics::much_output_arrives_whole_and_in_order,
    semantics::without_a_namespace_the_job_still_has_a_home_and_leaves_no_trace,
    semantics::a_system_without_namespaces_is_named_and_runs_the_job,
    semantics::a_server_that_is_away_is_error_3,
    steps::a_hundred_megabytes_arrive_in_order_and_are_not_held_in_memory,
    steps::output_that_the_server_does_not_take_is_named,
    steps::odd_output_is_kept_as_it_is,
    steps::a_silent_step_ends_as_the_vendor_says_it,
    steps::a_daemon_that_holds_the_output_does_not_hold_the_job,
    steps::what_a_step_leaves_may_end_its_work,
    steps::what_a_step_leaves_running_serves_later_steps_and_ends_with_the_job,
    steps::all_that_steps_left_running_ends_at_the_same_time,
    steps::circle_artifacts_cannot_be_moved,
    steps::a_shell_with_options_runs_and_a_missing_folder_is_named,
    cores::with_core_dumps_a_crash_is_kept_without_a_step,
    cores::the_limit_is_raised_no_further_than_it_goes,
    cores::a_death_by_signal_is_said_once,
    shim::two_nodes_share_the_tests_between_them,
    shim::a_step_can_halt_its_job,
    shim::what_the_shim_does_not_know_goes_to_what_is_installed,
    masking::no_secret_is_shown_or_kept,
    masking::what_only_begins_like_a_secret_is_shown_soon,
    masking::the_environments_of_the_callers_are_hidden,
    masking::files_with_secrets_are_kept_only_if_that_is_allowed,
    caches::a_cache_comes_back_in_a_later_run_and_its_key_is_written_once,
    caches::the_newest_cache_that_begins_with_a_key_is_found,
    caches::keys_are_filled_in_and_a_key_that_cannot_be_fails_the_step,
    caches::the_oldest_caches_go_when_all_are_too_large,
    caches::a_workspace_reaches_the_jobs_that_require_it_and_no_others,
    caches::what_is_not_there_to_persist_fails_the_step,
    caches::nothing_is_laid_down_outside_of_the_jobs_folders,
    caches::a_checkout_leaves_a_repository_and_refuses_other_files,
    caches::missing_test_results_fail_nothing_and_reports_are_swept,
    endings::circle_artifacts_is_swept_up_however_the_job_ends,
    endings::a_killed_agent_leaves_no_process_behind,
    endings::an_ordinary_user_runs_the_samples_twice_in_a_row,
    endings::many_steps_run_in_their_order,
    endings::two_thousand_steps_run_in_their_order,
    workflows::a_job_runs_when_all_that_it_requires_have_passed,
    workflows::what_requires_a_failed_job_is_not_run_unless_it_asks_for_that,
    workflows::jobs_run_side_by_side_up_to_a_bound,
    workflows::a_canceled_run_ends_every_job,
    workflows::each_workflow_is_a_build_of_its_own,
    workflows::a_job_that_breaks_off_takes_the_others_with_it_and_all_are_ended,
    transfer::uploads_and_downloads_are_each_others_inverse,
    transfer::a_hostile_list_writes_nothing_outside,
    transfer::a_file_that_is_refused_does_not_stop_the_others,
    transfer_broken::a_download_that_is_cut_goes_on_where_it_was,
    transfer_broken::the_same_command_goes_on_with_what_the_last_one_left,
    transfer_broken::a_server_that_lies_about_bytes_leaves_nothing,
    transfer_broken::ten_thousand_names_that_lead_outside_are_ten_thousand_problems,
    transfer_broken::a_file_that_changed_is_tried_once_more_and_then_named,
    transfer_broken::an_upload_that_the_server_forgot_begins_again_and_sends_what_is_missing,
    transfer_broken::a_server_that_wants_impossible_parts_is_refused,
    transfer_broken::an_answer_that_asks_for_patience_is_given_it,
];

fn run_tests(args: &[String]) -> ExitCode {
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| {
        (filters.is_empty() && !name.contains(SLOW))
            || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut failed = Vec::new();
    for (name, test) in TESTS.iter().filter(|(name, _)| is_wanted(name)) {
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

/// Runs a config of one job, whose output nobody watches.
async fn run(fake: &fake::Fake, config: &str) -> JobSummary {
    let source = tempfile::tempdir().unwrap();
    run_job(options(fake, config, source.path()), |_: Event<'_>| {})
        .await
        .unwrap()
}

/// Runs a config of one job.
async fn run_job(
    options: RunOptions,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> larder_agent::Result<JobSummary> {
    let summary = larder_agent::run::run(options, on_event).await?;
    Ok(summary.only_job().unwrap())
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
