//! `larder run`: runs the jobs of a config here and shows them as they go.

use crate::cli::{Executor, RunArguments};
use crate::commands::offline::Offline;
use crate::commands::view::RunView;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow, bail};
use larder_agent::plan::{self, Selection, Workflow};
use larder_agent::run::{self, BuildFacts, Event, Isolation, RunOptions, Unfinished};
use larder_agent::server::ServerAddress;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Configs are a few kilobytes; a larger one is something else.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Where CircleCI looks for it.
const DEFAULT_CONFIG: &str = ".circleci/config.yml";

pub(crate) async fn run(arguments: RunArguments) -> Result<ExitCode, Failure> {
    if arguments.executor == Executor::Docker {
        return Err(Failure::usage(anyhow!(
            "--executor docker is not built yet: steps run in the host's shell"
        )));
    }
    let source = std::env::current_dir().context("find the current folder")?;
    if arguments.resume {
        return resume(&arguments, &source).await;
    }
    let config = read_config(config_path(&arguments)).map_err(Failure::usage)?;
    let project = match &arguments.project {
        Some(project) => project.clone(),
        None => run::default_project(&variable("USER").unwrap_or("user".to_owned()), &source),
    };
    // Before anything is made: a config that cannot be run leaves nothing behind.
    let workflows = planned(&arguments, &config, &project, &source)?;
    if arguments.check {
        check(&workflows);
        return Ok(ExitCode::SUCCESS);
    }
    let parameters = pairs(&arguments.parameters).map_err(Failure::usage)?;
    let environment = std::env::vars_os().collect::<Vec<_>>();
    let given = variables(&arguments, &environment)?;
    let place = Place::find(&arguments, &source).await?;
    let mut options = RunOptions::new(
        config_path(&arguments).display().to_string(),
        config,
        project,
        place.address.clone(),
        &source,
        std::env::current_exe().context("find this program")?,
    );
    options.is_local_store = place.offline.is_some();
    options.facts = facts(&arguments, &source);
    options.parameters = parameters;
    options.variables = given;
    options.job = arguments.job;
    options.workflow = arguments.workflow;
    options.jobs_max = arguments.jobs.map(|jobs| jobs as usize);
    options.parallelism = arguments.parallelism;
    options.core_dumps = arguments.core_dumps;
    options.include_all = arguments.include_all;
    options.allow_secrets = arguments.allow_secrets;
    options.caller_environment = environment;
    if arguments.host {
        options.isolation = Isolation::Host;
    }
    watch(options, None, place).await
}

/// Takes up the newest run that broke off.
async fn resume(arguments: &RunArguments, source: &Path) -> Result<ExitCode, Failure> {
    let name = arguments.config.as_ref();
    let name = name.map(|config| config.display().to_string());
    let unfinished =
        Unfinished::newest(None, source, arguments.project.as_deref(), name.as_deref())?;
    let Some(unfinished) = unfinished else {
        return Err(Failure::usage(anyhow!(
            "there is no unfinished run of {} to resume: those that ended, and those that still run, cannot be",
            name.unwrap_or_else(|| source.display().to_string())
        )));
    };
    match (unfinished.is_local_store(), arguments.server.is_absent()) {
        (true, false) => {
            return Err(Failure::usage(anyhow!(
                "the unfinished run keeps its files in ./.larder: resume it without LARDER_URL and LARDER_TOKEN"
            )));
        }
        (false, true) => {
            return Err(Failure::usage(anyhow!(
                "the unfinished run keeps its files at {}: set LARDER_URL and LARDER_TOKEN",
                unfinished.server_url()
            )));
        }
        _ => {}
    }
    let (name, config) = unfinished.config();
    let is_other = name != "-" && read_config(Path::new(name)).is_ok_and(|now| now != config);
    if is_other {
        eprintln!(
            "note: {name} has changed since; the run goes on with the config that it began with"
        );
    }
    let place = Place::find(arguments, source).await?;
    let program = std::env::current_exe().context("find this program")?;
    let environment = std::env::vars_os().collect();
    let options = unfinished.options(place.address.clone(), environment, program);
    watch(options, Some(unfinished), place).await
}

/// Where a run keeps its files.
struct Place {
    address: ServerAddress,
    /// If that is a store of its own.
    offline: Option<Offline>,
}

impl Place {
    async fn find(arguments: &RunArguments, source: &Path) -> Result<Self, Failure> {
        let offline = Offline::unless_named(&arguments.server, source).await?;
        let address = match &offline {
            Some(offline) => offline.address.clone(),
            None => arguments.server.address()?,
        };
        Ok(Self { address, offline })
    }
}

/// Runs, or takes up a run, and shows it as it goes.
async fn watch(
    mut options: RunOptions,
    unfinished: Option<Unfinished>,
    place: Place,
) -> Result<ExitCode, Failure> {
    options.caches = caches();
    options.cancel = run::cancel_on_signals()?;
    let mut view = RunView::new();
    if let Some(offline) = &place.offline {
        view = offline.view(view);
    }
    let shown = view.clone();
    let show = move |event: Event<'_>| shown.show(&event);
    let ran = match unfinished {
        Some(unfinished) => run::resume(unfinished, options, show).await,
        None => run::run(options, show).await,
    };
    // Also when it went wrong: others may use the store through this process.
    let kept = match place.offline {
        Some(offline) => Some(offline.end().await?),
        None => None,
    };
    let summary = ran?;
    view.summarize_run(&summary);
    if let Some(kept) = kept {
        say!("{kept}");
    }
    Ok(ExitCode::from(summary.exit_code()))
}

fn config_path(arguments: &RunArguments) -> &Path {
    let given = arguments.config.as_deref();
    given.unwrap_or(Path::new(DEFAULT_CONFIG))
}

/// What is built: the folder's own facts, except for what the command line says.
fn facts(arguments: &RunArguments, source: &Path) -> BuildFacts {
    let mut facts = BuildFacts::of_folder(source);
    if arguments.tag.is_some() {
        facts.branch = None;
        facts.tag.clone_from(&arguments.tag);
    }
    if arguments.branch.is_some() {
        facts.branch.clone_from(&arguments.branch);
    }
    if arguments.revision.is_some() {
        facts.revision.clone_from(&arguments.revision);
    }
    facts
}

/// What the config would run; what is wrong with it is the error.
fn planned(
    arguments: &RunArguments,
    config: &str,
    project: &str,
    source: &Path,
) -> Result<Vec<Workflow>, Failure> {
    let facts = facts(arguments, source);
    let selection = Selection {
        job: arguments.job.clone(),
        workflow: arguments.workflow.clone(),
        parameters: pairs(&arguments.parameters).map_err(Failure::usage)?,
        project: Some(project.to_owned()),
        branch: facts.branch,
        tag: facts.tag,
        revision: facts.revision,
        repository_url: facts.repository_url,
    };
    let name = config_path(arguments).display().to_string();
    plan::plan(&name, config, &selection)
        .map_err(|error| Failure::from(larder_agent::Error::from(error)))
}

/// Says what the config would run.
fn check(workflows: &[Workflow]) {
    for workflow in workflows {
        let jobs: Vec<&str> = workflow
            .jobs
            .iter()
            .map(|job| job.plan.job.as_str())
            .collect();
        let count = match jobs.len() {
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        };
        let place = workflow
            .name
            .as_ref()
            .map_or(String::new(), |name| format!(" in workflow {name}"));
        say!("ok: {count}{place}: {}", jobs.join(", "));
    }
    if workflows.is_empty() {
        say!("ok: no workflow has a job for this branch or tag");
    }
}

/// Where the caches of all projects are: `${XDG_CACHE_HOME:-~/.cache}/larder/caches`.
fn caches() -> Option<PathBuf> {
    let absolute = |name: &str| Some(PathBuf::from(variable(name)?)).filter(|it| it.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("larder").join("caches"))
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
    read.with_context(|| {
        let path = path.display();
        format!("read the config {path}; name one: larder run FILE, or `-` for the standard input")
    })?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        bail!(
            "the config {} is larger than {CONFIG_BYTES_MAX} bytes: name the config itself, or let its steps call scripts",
            path.display()
        );
    }
    Ok(text)
}

/// The file's variables, and then those of the command line, which win; a name alone takes the
/// caller's value, if there is one.
fn variables(
    arguments: &RunArguments,
    caller: &[(OsString, OsString)],
) -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    if let Some(path) = &arguments.env_file {
        let read = std::fs::read_to_string(path);
        let text = read.with_context(|| format!("read {}", path.display()));
        let text = text.map_err(Failure::usage)?;
        variables = run::parse_env_file(&path.display().to_string(), &text, caller)?;
    }
    for text in &arguments.env {
        variables.extend(run::parse_variable(text, caller)?);
    }
    Ok(variables)
}

fn pairs(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    given
        .iter()
        .map(|line| match line.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok((name.trim().to_owned(), value.to_owned()))
            }
            _ => bail!("`{line}` is not of the form NAME=VALUE"),
        })
        .collect()
}

/// A variable of the environment that is not empty; the command line may read it for the agent.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the environment for the agent"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
