//! The samples: the documents' own examples, run by the agent on this machine.

use crate::cli::DemoArguments;
use crate::commands::demo::{PROJECT, Ran};
use crate::commands::view::RunView;
use anyhow::{Context as _, Result};
use larder_agent::run::{self, BuildFacts, RunOptions};
use larder_agent::server::ServerAddress;
use std::fs;
use std::path::{Path, PathBuf};

const ARTIFACTS: &str = include_str!("../../../../../samples/artifacts.yml");
const CORE_DUMP: &str = include_str!("../../../../../samples/core-dump.yml");
const MAKEFILE: &str = include_str!("../../../../../samples/core-dump/Makefile");
const MAIN_C: &str = include_str!("../../../../../samples/core-dump/main.c");

/// Runs the samples that this machine can run; names the others.
pub(super) async fn run_all(url: &str, token: &str, arguments: &DemoArguments) -> Result<Vec<Ran>> {
    let sources = arguments.data.join("samples");
    let empty = sources.join("artifacts");
    fs::create_dir_all(&empty).with_context(|| format!("make {}", empty.display()))?;
    let mut ran = vec![run_one("artifacts.yml", ARTIFACTS, &empty, url, token, arguments).await?];
    if let Some(missing) = ["make", "gcc"]
        .into_iter()
        .find(|tool| find_tool(tool).is_none())
    {
        say!("\nskipped: core-dump.yml needs `{missing}`, which is not on the PATH");
        return Ok(ran);
    }
    let crashing = sources.join("core-dump");
    fs::create_dir_all(&crashing).with_context(|| format!("make {}", crashing.display()))?;
    fs::write(crashing.join("Makefile"), MAKEFILE).context("write the sample's Makefile")?;
    fs::write(crashing.join("main.c"), MAIN_C).context("write the sample's main.c")?;
    say!("\nThe next job fails on purpose: its program crashes, and its core file is kept.");
    ran.push(run_one("core-dump.yml", CORE_DUMP, &crashing, url, token, arguments).await?);
    Ok(ran)
}

async fn run_one(
    name: &'static str,
    config: &str,
    source: &Path,
    url: &str,
    token: &str,
    arguments: &DemoArguments,
) -> Result<Ran> {
    say!("\n# samples/{name}");
    let server = ServerAddress {
        url: url.to_owned(),
        token: token.to_owned(),
        ca_pem: None,
    };
    let program = std::env::current_exe().context("find this program")?;
    let mut options = RunOptions::new(name, config, PROJECT, server, source, program);
    options.facts = BuildFacts {
        branch: Some("main".to_owned()),
        message: Some(format!("samples/{name}")),
        ..BuildFacts::default()
    };
    options.parallelism = Some(arguments.parallelism);
    options.caller_environment = std::env::vars_os().collect();
    options.cancel = run::cancel_on_signals()?;
    let view = RunView::new();
    let shown = view.clone();
    let summary = run::run(options, move |event| shown.show(&event)).await?;
    let summary = summary.only_job().context("a sample has one job")?;
    view.summarize(&summary);
    Ok(Ran { name, summary })
}

/// A program of that name on the PATH.
fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
