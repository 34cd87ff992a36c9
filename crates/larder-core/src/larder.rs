//! The larder as a whole: every use case over one store.

use crate::access::Access;
use crate::artifacts::Artifacts;
use crate::builds::Builds;
use crate::clock::Clock;
use crate::error::Result;
use crate::jobs::Jobs;
use crate::metadata::instance;
use crate::projects::Projects;
use crate::steps::Steps;
use crate::store::{Settings, Store};
use std::sync::Arc;

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
    /// Artifacts and their bytes.
    pub artifacts: Artifacts,
    pub(crate) store: Arc<Store>,
}

impl Larder {
    /// Opens the store, makes it when it is not there. Only one process may have it open: the caller holds the lock.
    pub fn open(settings: Settings, clock: Clock) -> Result<Self> {
        Store::open(settings, clock).map(|store| Self::over(Arc::new(store)))
    }

    fn over(store: Arc<Store>) -> Self {
        Self {
            access: Access(store.clone()),
            projects: Projects(store.clone()),
            builds: Builds(store.clone()),
            jobs: Jobs(store.clone()),
            steps: Steps(store.clone()),
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

    /// Whether rows and bytes can be read and written now; writes some of both.
    pub async fn probe(&self) -> Result<()> {
        self.store.database.write(instance::touch).await?;
        self.store.blobs.probe().await
    }
}
