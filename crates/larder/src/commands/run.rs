//! `larder run`: runs a job of a config here and shows it as it goes.

use crate::cli::{Executor, RunArguments};
use crate::commands::view::RunView;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow, bail};
use larder_agent::run::{self, BuildFacts, Isolation, RunOptions};
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

/// Configs are a few kilobytes; a larger one is something else.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

pub(crate) async fn run(arguments: RunArguments) -> Result<ExitCode, Failure> {
    if arguments.executor == Executor::Docker {
        return Err(Failure::usage(anyhow!(
            "--executor docker is not built yet: steps run in the host's shell"
        )));
    }
    let config = read_config(&arguments.config).map_err(Failure::usage)?;
    let source = std::env::current_dir().context("find the current folder")?;
    let project = match &arguments.project {
        Some(project) => project.clone(),
        None => run::default_project(&user_name(), &source),
    };
    let mut options = RunOptions::new(
        arguments.config.display().to_string(),
        config,
        project,
        arguments.server.address()?,
        &source,
        std::env::current_exe().context("find this program")?,
    );
    options.facts = BuildFacts::of_folder(&source);
    options.job = arguments.job;
    options.parallelism = arguments.parallelism;
    options.include_all = arguments.include_all;
    options.allow_secrets = arguments.allow_secrets;
    options.caller_environment = std::env::vars_os().collect();
    options.variables =
        variables(&arguments.env, arguments.env_file.as_deref()).map_err(Failure::usage)?;
    if arguments.host {
        options.isolation = Isolation::Host;
    }
    options.cancel = run::cancel_on_signals()?;
    let view = RunView::new();
    let shown = view.clone();
    let summary = run::run(options, move |event| shown.show(&event)).await?;
    view.summarize(&summary);
    Ok(ExitCode::from(summary.exit_code()))
}

fn read_config(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(CONFIG_BYTES_MAX + 1)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text))
    };
    read.with_context(|| format!("read the config {}", path.display()))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        bail!(
            "the config {} is larger than {CONFIG_BYTES_MAX} bytes",
            path.display()
        );
    }
    Ok(text)
}

/// The file's variables, and then those of the command line, which win.
fn variables(given: &[String], file: Option<&Path>) -> anyhow::Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    if let Some(path) = file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let meant = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        lines.extend(text.lines().filter(meant).map(str::to_owned));
    }
    lines.extend_from_slice(given);
    lines
        .into_iter()
        .map(|line| match line.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok((name.trim().to_owned(), value.to_owned()))
            }
            _ => bail!("`{line}` is not of the form NAME=VALUE"),
        })
        .collect()
}

/// The user's name for `local/USER/FOLDER`; the command line may read the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the environment for the agent"
)]
fn user_name() -> String {
    std::env::var("USER").unwrap_or_else(|_| "user".to_owned())
}
