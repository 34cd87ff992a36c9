//! `larder demo`: a server over a store that is kept, the sample builds run for real, and links to what they made.

mod certificate;
mod instructions;
mod read_back;
mod samples;

use crate::cli::DemoArguments;
use crate::commands::serve::stop_on_signals;
use crate::failure::{FAILED, Failure};
use anyhow::{Context as _, Result};
use larder_agent::run::JobSummary;
use larder_core::NewTokenRequest;
use larder_core::model::{Principal, Scopes};
use larder_server::config::{Config, LogLevel, Overrides};
use larder_server::{Server, log};
use std::path::Path;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Where the samples run: the names of the documents' own examples.
pub(super) const PROJECT: &str = "github/acme/demo";
/// Who looks at it.
const USER: &str = "admin";

/// A server that serves until the demo ends.
struct Running {
    /// Where people and agents reach it.
    url: String,
    /// Where it is reached over TLS.
    tls_url: String,
    larder: larder_core::Larder,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// A sample that ran.
pub(super) struct Ran {
    /// Name of the sample.
    pub(super) name: &'static str,
    /// What came of it.
    pub(super) summary: JobSummary,
}

pub(crate) async fn run(arguments: DemoArguments) -> Result<ExitCode, Failure> {
    let running = start(&arguments.data).await.map_err(Failure::usage)?;
    say!("larder demo: listening on {}", running.url);
    let token = issue_token(&running, "admin").await?;
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
        let reader = issue_token(
            &running,
            "view-builds,read_user,read_organizations,read_pipelines",
        )
        .await?;
        let link = sign_in_link(&running, &ran).await?;
        instructions::print(&running, &arguments.data, &reader, &link, &ran)?;
        running.stop.cancelled().await;
        ExitCode::SUCCESS
    };
    running.stop.cancel();
    running.task.await.context("end the server")?;
    Ok(code)
}

async fn start(data: &Path) -> Result<Running> {
    let overrides = Overrides {
        data: Some(data.display().to_string()),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Overrides::default()
    };
    let mut config = Config::from_layers(None, [], &overrides)?;
    config.log.level = LogLevel::Warn;
    log::begin(config.log);
    let mut server = Server::open(config, None).await?;
    let tls_url = server.also_listen_with_tls(certificate::tls(data)?).await?;
    // Makes the user on the first demo; the demo prints a link of its own.
    server.first_sign_in_link().await?;
    let (url, larder) = (server.public_url().to_owned(), server.larder().clone());
    let stop = stop_on_signals()?;
    let task = tokio::spawn(server.serve(stop.clone()));
    Ok(Running {
        url,
        tls_url,
        larder,
        stop,
        task,
    })
}

async fn issue_token(running: &Running, scopes: &str) -> Result<String> {
    let request = NewTokenRequest {
        user: USER.to_owned(),
        description: "demo".to_owned(),
        scopes: Scopes::parse(scopes).map_err(anyhow::Error::msg)?,
        project: None,
        expires_at: Some(running.larder.clock().now().plus_ms(24 * 60 * 60 * 1000)),
    };
    Ok(running
        .larder
        .access
        .issue_token(&Principal::Operator, request)
        .await?
        .secret)
}

/// A link that signs in once and leads to the page of the first sample's build.
async fn sign_in_link(running: &Running, ran: &[Ran]) -> Result<String> {
    let number = ran.first().map_or(1, |ran| ran.summary.build.number);
    let page = format!("/{PROJECT}/builds/{number}");
    let secret = running
        .larder
        .access
        .sign_in_link(&Principal::Operator, USER, &page)
        .await?;
    Ok(format!("{}/sign-in/{secret}", running.url))
}
