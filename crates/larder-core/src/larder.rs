//! The larder as a whole: every use case over one store.

use crate::access::Access;
use crate::artifacts::Artifacts;
use crate::builds::Builds;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::jobs::Jobs;
use crate::metadata::DatabaseAddress;
use crate::metadata::{blobs, builds, instance};
use crate::projects::Projects;
use crate::steps::Steps;
use crate::store::{Settings, Store};
use crate::test_results::TestResults;
use std::sync::Arc;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Finished artifacts whose bytes have not been given up.
    pub artifacts: u64,
    /// Their sizes together, equal content counted each time.
    pub artifact_bytes: u64,
    /// Distinct contents.
    pub blobs: u64,
    /// Their sizes together.
    pub blob_bytes: u64,
}

/// An open larder. Clones share it.
#[derive(Clone, Debug)]
pub struct Larder {
    /// Who asks: users, tokens, sign-in links.
    pub access: Access,
    /// Organizations and projects.
    pub projects: Projects,
    /// Builds.
    pub builds: Builds,
    /// Jobs.
    pub jobs: Jobs,
    /// Steps of jobs and their output.
    pub steps: Steps,
    /// Results of the tests of jobs.
    pub test_results: TestResults,
    /// Artifacts and their bytes.
    pub artifacts: Artifacts,
    pub(crate) store: Arc<Store>,
}

impl Larder {
    /// Opens the store, makes it when it is not there. Of an embedded store only one process may have it open: the caller holds the lock.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self> {
        let store = Store::open(settings, clock).await?;
        Ok(Self::over(Arc::new(store)))
    }

    fn over(store: Arc<Store>) -> Self {
        Self {
            access: Access(store.clone()),
            projects: Projects(store.clone()),
            builds: Builds(store.clone()),
            jobs: Jobs(store.clone()),
            steps: Steps(store.clone()),
            test_results: TestResults(store.clone()),
            artifacts: Artifacts(store.clone()),
            store,
        }
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.store.clock
    }

    /// The settings that it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.store.settings
    }

    /// How much is kept, for people who watch over the store. Reads a row for each build and each blob.
    pub async fn stored(&self) -> Result<Stored> {
        self.store
            .database
            .scan(async |tx| {
                let (artifacts, artifact_bytes) = builds::totals(tx).await?;
                let (blobs, blob_bytes) = blobs::totals(tx).await?;
                let count = |number: i64| u64::try_from(number).unwrap_or_default();
                Ok(Stored {
                    artifacts: count(artifacts),
                    artifact_bytes: count(artifact_bytes),
                    blobs: count(blobs),
                    blob_bytes: count(blob_bytes),
                })
            })
            .await
    }

    /// Whether rows can be read and written now; writes one.
    pub async fn probe_database(&self) -> Result<()> {
        // Through the files that are open, rows could still be written, and no next start would find them.
        if let DatabaseAddress::Sqlite(file) = &self.store.settings.database
            && !file.exists()
        {
            return Err(Error::Unavailable("the database's file is gone".into()));
        }
        self.store.database.write(instance::touch).await
    }

    /// Whether bytes can be written now; writes some and takes them away.
    pub async fn probe_blobs(&self) -> Result<()> {
        self.store.blobs.probe().await
    }
}
