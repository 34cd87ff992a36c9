//! `larder demo`: a server over a store that is kept, the sample builds run for real, and links to what they made.

mod certificate;
mod instructions;
mod read_back;
mod samples;

use crate::cli::DemoArguments;
use crate::commands::embedded::Embedded;
use crate::commands::serve::stop_on_signals;
use crate::failure::{FAILED, Failure};
use larder_agent::run::JobSummary;
use std::process::ExitCode;

/// Where the samples run: the names of the documents' own examples.
pub(super) const PROJECT: &str = "github/acme/demo";
/// A sample that ran.
pub(super) struct Ran {
    /// Name of the sample.
    pub(super) name: &'static str,
    /// What came of it.
    pub(super) summary: JobSummary,
}

pub(crate) async fn run(arguments: DemoArguments) -> Result<ExitCode, Failure> {
    let tls = || certificate::tls(&arguments.data).map(Some);
    let running = Embedded::open(&arguments.data, tls)
        .await
        .map_err(Failure::usage)?;
    let stop = stop_on_signals()?;
    say!("larder demo: listening on {}", running.url);
    let token = running.issue_token("demo", "admin").await?;
    let ran = samples::run_all(&running.url, &token, &arguments).await?;
    let code = if arguments.once {
        let compared = read_back::compare(&running, &arguments.data, &token, &ran).await?;
        say!(
            "{} files read back through both APIs, {} of them as they were written",
            compared.files,
            compared.equal
        );
        ExitCode::from(if compared.is_good() { 0 } else { FAILED })
    } else {
        let scopes = "view-builds,read_user,read_organizations,read_pipelines";
        let reader = running.issue_token("demo", scopes).await?;
        // To the page of the first sample's build.
        let number = ran.first().map_or(1, |ran| ran.summary.build.number);
        let page = format!("/{PROJECT}/builds/{number}");
        let link = running.sign_in_link(&page).await?;
        instructions::print(&running, &arguments.data, &reader, &link, &ran)?;
        stop.cancelled().await;
        ExitCode::SUCCESS
    };
    running.end().await?;
    Ok(code)
}
