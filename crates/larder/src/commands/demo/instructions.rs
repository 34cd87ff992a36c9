//! What the demo tells a person to try.

use crate::commands::demo::{Ran, certificate};
use crate::commands::embedded::Embedded;
use anyhow::{Context as _, Result};
use std::path::Path;

pub(super) fn print(
    running: &Embedded,
    data: &Path,
    token: &str,
    link: &str,
    ran: &[Ran],
) -> Result<()> {
    let program = std::env::current_exe().context("find this program")?;
    let program = program.display();
    let ca = std::path::absolute(certificate::ca_path(data))?;
    let ca = ca.display();
    let (url, tls_url) = (&running.url, running.tls_url.as_deref().unwrap_or_default());
    let first = ran.first().context("no sample ran")?;
    let build = first.summary.build.number;
    let job = first
        .summary
        .nodes
        .first()
        .and_then(|node| node.job_number)
        .unwrap_or(build);
    say!(
        "
Sign in, once, to the page of the build:

    {link}

List its artifacts as CircleCI's API does, and as Buildkite's does:

    curl -H 'Circle-Token: {token}' {url}/api/v1.1/project/github/acme/demo/{job}/artifacts
    curl -H 'Authorization: Bearer {token}' {url}/v2/organizations/acme/pipelines/demo/builds/{build}/artifacts

Download them all with the documents' own recipe (it wants https, so it goes over TLS):

    export CIRCLE_TOKEN='?circle-token={token}'
    curl --cacert {ca} {tls_url}/api/v1.1/project/github/acme/demo/{job}/artifacts$CIRCLE_TOKEN | grep -o 'https://[^\"]*' > artifacts.txt
    <artifacts.txt xargs -P4 -I % wget --ca-certificate={ca} %$CIRCLE_TOKEN

Keep a file of your own:

    export LARDER_TOKEN=$({program} admin --data {data} token create --user admin --scopes admin)
    eval \"$({program} build start --url {url} --project github/acme/mine)\"
    {program} upload README.md
    {program} build finish

Ctrl-C ends the server; the store stays in {data} for the next demo.",
        data = std::path::absolute(data)?.display()
    );
    Ok(())
}
