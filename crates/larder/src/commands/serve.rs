//! `larder serve`: the server.

use crate::cli::ServeArguments;
use crate::failure::Failure;
use larder_server::config::{Config, Overrides};
use larder_server::{Server, log};
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let overrides = Overrides {
        data: arguments.data,
        listen: arguments.listen,
        public_url: arguments.public_url,
        tls_cert: arguments.tls_cert,
        tls_key: arguments.tls_key,
    };
    let config = Config::load(arguments.config.as_deref(), &overrides).map_err(Failure::usage)?;
    log::begin(config.log);
    let server = Server::open(config, None).await.map_err(Failure::usage)?;
    if let Some(link) = server.first_sign_in_link().await? {
        eprintln!(
            "A new store, with the user `admin`. This link signs in once within ten minutes:\n\n    {link}\n"
        );
    }
    let stop = stop_on_signals()?;
    say!("listening on {}", server.address());
    std::io::stdout().flush()?;
    server.serve(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
pub(crate) fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        stopping.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(stop)
}
