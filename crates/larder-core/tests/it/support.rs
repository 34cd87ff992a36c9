//! A store in a folder that goes with it.

use crate::stores::Beside;
use futures_util::StreamExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    Artifact, ArtifactPath, Job, NewArtifact, NewBuild, NewJob, Principal, ProjectSlug, Scopes,
};
use larder_core::{
    Announced, DatabaseAddress, Error, Incoming, Kept, Larder, NewTokenRequest, Settings,
};

pub(crate) const OPERATOR: &Principal = &Principal::Operator;

pub(crate) struct TestStore {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    pub(crate) folder: tempfile::TempDir,
    /// The store beside the larder's back.
    pub(crate) beside: Beside,
}

impl TestStore {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        let mut settings = Settings::in_folder(folder.path());
        change(&mut settings);
        let beside = Beside::place(&mut settings).await;
        let larder = Larder::open(settings, clock.clone()).await.unwrap();
        Self {
            larder,
            clock,
            folder,
            beside,
        }
    }

    /// Closes the store and opens it again, with its default settings, at another time.
    pub(crate) async fn reopen_at(self, now: Timestamp) -> Self {
        let Self {
            larder,
            folder,
            beside,
            ..
        } = self;
        let settings = Settings {
            database: larder.settings().database.clone(),
            blobs: larder.settings().blobs.clone(),
            signing: larder.settings().signing.clone(),
            ..Settings::in_folder(folder.path())
        };
        drop(larder);
        let clock = Clock::manual(now);
        let larder = Larder::open(settings, clock.clone()).await.unwrap();
        Self {
            larder,
            clock,
            folder,
            beside,
        }
    }

    pub(crate) async fn build(&self, new: NewBuild, jobs: &[(&str, u32)]) -> Announced {
        let jobs = jobs
            .iter()
            .map(|(name, parallelism)| NewJob {
                name: (*name).to_owned(),
                parallelism: *parallelism,
                queued: false,
            })
            .collect();
        let slug = slug();
        self.larder
            .builds
            .announce(OPERATOR, &slug, new, jobs)
            .await
            .unwrap()
    }

    /// A build of one running job.
    pub(crate) async fn job(&self) -> Job {
        self.build(NewBuild::default(), &[("build", 1)])
            .await
            .nodes
            .remove(0)
            .job
    }

    pub(crate) async fn keep(&self, job: &Job, path: &str, bytes: &[u8]) -> Result<Kept, Error> {
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
        let incoming = Incoming::from_bytes(bytes.to_vec());
        self.larder
            .artifacts
            .keep(OPERATOR, job.id, new, incoming)
            .await
    }

    pub(crate) async fn bytes(&self, artifact: &Artifact) -> Result<Vec<u8>, Error> {
        bytes_in(&self.larder, artifact).await
    }

    /// A user with a personal token of every scope.
    pub(crate) async fn user(&self, name: &str, admin: bool) -> String {
        self.larder
            .access
            .create_user(OPERATOR, name, admin)
            .await
            .unwrap();
        let request = NewTokenRequest {
            user: name.to_owned(),
            description: String::new(),
            scopes: Scopes::all(),
            project: None,
            expires_at: None,
        };
        self.larder
            .access
            .issue_token(OPERATOR, request)
            .await
            .unwrap()
            .secret
    }

    /// Files of blobs on the disk.
    pub(crate) fn blob_files(&self) -> Vec<std::path::PathBuf> {
        self.beside.blob_files().unwrap()
    }

    /// How many files or objects hold bytes that rows name.
    pub(crate) async fn blob_count(&self) -> usize {
        if self.has_files() {
            return self.blob_files().len();
        }
        let sql = "SELECT COUNT(*) FROM container WHERE state <> 'intent'";
        usize::try_from(self.beside.number(sql).await).unwrap()
    }

    /// Whether rows and bytes are files of this machine.
    pub(crate) fn is_embedded(&self) -> bool {
        let database = &self.larder.settings().database;
        self.has_files() && matches!(database, DatabaseAddress::Sqlite(_))
    }

    /// Whether bytes are files, which a test can look at and harm.
    pub(crate) fn has_files(&self) -> bool {
        self.beside.blob_files().is_some()
    }
}

pub(crate) fn slug() -> ProjectSlug {
    ProjectSlug::parse("github/acme/demo").unwrap()
}

/// All bytes of an artifact, as a larder gives them.
pub(crate) async fn bytes_in(larder: &Larder, artifact: &Artifact) -> Result<Vec<u8>, Error> {
    let readable = larder.artifacts.readable(OPERATOR, artifact.id).await?;
    let mut stream = larder.artifacts.open(&readable, None).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Error::Unavailable(error.to_string()))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
