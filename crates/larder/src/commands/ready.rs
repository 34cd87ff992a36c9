//! `larder ready`: whether a server takes work, for health checks where no other program is at hand.

use crate::cli::ReadyArguments;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use std::process::ExitCode;
use std::time::Duration;

/// The server itself gives its stores two seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// No answer of a server is longer, and whatever else answers there is not read to its end.
const ANSWER_BYTES_MAX: usize = 1_000;
/// The server cannot be reached.
const UNREACHABLE: u8 = 3;

pub(crate) async fn run(arguments: ReadyArguments) -> Result<ExitCode, Failure> {
    let address = format!("{}/readyz", arguments.url.trim_end_matches('/'));
    let address = reqwest::Url::parse(&address)
        .with_context(|| format!("read the address {}", arguments.url))
        .map_err(Failure::usage)?;
    // A proxy for the way out does not lead to the server beside us.
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_WITHIN);
    if let Some(path) = &arguments.ca {
        let pem = std::fs::read(path).with_context(|| format!("read {}", path.display()));
        let certificate = reqwest::Certificate::from_pem(&pem.map_err(Failure::usage)?)?;
        client = client.tls_certs_merge([certificate]);
    }
    let mut answer = match client.build()?.get(address.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("ask {address}"));
            eprintln!("larder: {error:#}");
            return Ok(ExitCode::from(UNREACHABLE));
        }
    };
    let status = answer.status();
    let mut text = Vec::new();
    while text.len() < ANSWER_BYTES_MAX
        && let Some(more) = answer.chunk().await?
    {
        text.extend_from_slice(&more);
    }
    text.truncate(ANSWER_BYTES_MAX);
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_end();
    if status == reqwest::StatusCode::OK {
        say!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!("{address} is not ready: {status}: {text}").into())
}
