//! Reads everything that the samples kept back through both APIs and compares it with what was measured on this
//! machine before it was sent.

use crate::commands::demo::{Ran, certificate};
use crate::commands::embedded::Embedded;
use anyhow::{Context as _, Result, bail};
use larder_agent::artifacts::StoredFile;
use larder_agent::run::NodeSummary;
use larder_core::model::hex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// What came of a comparison.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Files asked for, once for each API.
    pub(super) files: usize,
    /// Those that came back as they were written.
    pub(super) equal: usize,
}

impl Compared {
    /// Whether something was compared and all of it was equal.
    pub(super) fn is_good(&self) -> bool {
        self.files > 0 && self.files == self.equal
    }
}

/// An artifact in CircleCI's list.
#[derive(Deserialize)]
struct CircleArtifact {
    path: String,
    node_index: u32,
    url: String,
}

/// An artifact in Buildkite's list.
#[derive(Deserialize)]
struct BuildkiteArtifact {
    path: String,
    job_id: String,
    download_url: String,
}

/// A client of both APIs.
struct Reader {
    client: reqwest::Client,
    token: String,
}

pub(super) async fn compare(
    running: &Embedded,
    data: &Path,
    token: &str,
    ran: &[Ran],
) -> Result<Compared> {
    let ca = std::fs::read(certificate::ca_path(data)).context("read the demo's certificate")?;
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
        .no_proxy()
        .build()?;
    let reader = Reader {
        client,
        token: token.to_owned(),
    };
    let mut compared = Compared::default();
    for ran in ran {
        let kept: usize = ran
            .summary
            .nodes
            .iter()
            .map(|node| node.artifacts.len())
            .sum();
        if kept == 0 {
            bail!("samples/{} kept no artifact", ran.name);
        }
        reader
            .compare_as_circleci(
                running.tls_url.as_deref().unwrap_or_default(),
                ran,
                &mut compared,
            )
            .await?;
        reader
            .compare_as_buildkite(&running.url, ran, &mut compared)
            .await?;
    }
    Ok(compared)
}

impl Reader {
    async fn compare_as_circleci(
        &self,
        url: &str,
        ran: &Ran,
        compared: &mut Compared,
    ) -> Result<()> {
        let number = ran
            .summary
            .nodes
            .first()
            .and_then(|node| node.job_number)
            .context("the job has no number")?;
        let list = format!("{url}/api/v1.1/project/github/acme/demo/{number}/artifacts");
        let artifacts: Vec<CircleArtifact> = serde_json::from_slice(&self.bytes(&list).await?)?;
        for (node, file) in kept_files(ran) {
            let found = artifacts
                .iter()
                .find(|it| it.path == file.path && it.node_index == node.index);
            self.compare_file(
                "CircleCI",
                ran,
                node,
                file,
                found.map(|it| it.url.as_str()),
                compared,
            )
            .await?;
        }
        expect_count("CircleCI", ran, artifacts.len())
    }

    async fn compare_as_buildkite(
        &self,
        url: &str,
        ran: &Ran,
        compared: &mut Compared,
    ) -> Result<()> {
        let number = ran.summary.build.number;
        let list = format!(
            "{url}/v2/organizations/acme/pipelines/demo/builds/{number}/artifacts?per_page=100"
        );
        let artifacts: Vec<BuildkiteArtifact> = serde_json::from_slice(&self.bytes(&list).await?)?;
        for (node, file) in kept_files(ran) {
            let found = artifacts
                .iter()
                .find(|it| it.path == file.path && it.job_id == node.job_id);
            self.compare_file(
                "Buildkite",
                ran,
                node,
                file,
                found.map(|it| it.download_url.as_str()),
                compared,
            )
            .await?;
        }
        expect_count("Buildkite", ran, artifacts.len())
    }

    async fn compare_file(
        &self,
        api: &str,
        ran: &Ran,
        node: &NodeSummary,
        file: &StoredFile,
        url: Option<&str>,
        compared: &mut Compared,
    ) -> Result<()> {
        compared.files += 1;
        let place = format!(
            "samples/{}, node {}, {} through {api}'s API",
            ran.name, node.index, file.path
        );
        let Some(url) = url else {
            eprintln!("missing: {place}");
            return Ok(());
        };
        let bytes = self.bytes(url).await.with_context(|| place.clone())?;
        if bytes.len() as u64 == file.size && hex(&Sha256::digest(&bytes)) == file.sha256 {
            compared.equal += 1;
        } else {
            eprintln!("different: {place}");
        }
        Ok(())
    }

    async fn bytes(&self, url: &str) -> Result<Vec<u8>> {
        let answer = self
            .client
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }
}

/// The files that the larder must have. Of equal names in one node the later one wins.
fn kept_files(ran: &Ran) -> impl Iterator<Item = (&NodeSummary, &StoredFile)> {
    ran.summary
        .nodes
        .iter()
        .flat_map(|node| node.artifacts.iter().map(move |file| (node, file)))
}

fn expect_count(api: &str, ran: &Ran, listed: usize) -> Result<()> {
    let kept = kept_files(ran).count();
    if listed != kept {
        bail!(
            "samples/{}: {kept} files were kept and {api}'s API lists {listed}",
            ran.name
        );
    }
    Ok(())
}
