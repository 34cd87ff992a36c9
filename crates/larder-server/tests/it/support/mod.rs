//! A larder of its own for each test, in a folder that goes with it, with a clock that stands still, and requests to its
//! service without a socket.

mod answer;
mod ask;

pub(crate) use answer::Answer;

use crate::stores::Beside;
use axum::Router;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    Artifact, ArtifactPath, EndState, Job, JobId, NewArtifact, NewBuild, NewJob, Principal,
    Project, ProjectSlug, Role, Scopes,
};
use larder_core::{Announced, Incoming, Larder, NewTokenRequest, Settings};
use larder_server::app;
use larder_server::config::{Config, ServeHtml, SignInConfig};
use larder_server::http::hosts::Hosts;
use larder_server::http::invalid_tokens::{InvalidTokens, Limiter};
use larder_server::http::state::{App, AppSettings};
use std::sync::Arc;

/// When every test begins: 2026-11-21T02:15:00.123Z.
pub(crate) const START: Timestamp = Timestamp(1_795_227_300_123);
/// Where the test's larder says it is.
pub(crate) const URL: &str = "https://larder.test";
/// So many unknown tokens from one address are refused with 401 in a minute.
pub(crate) const UNKNOWN_TOKENS_MAX: u64 = 3;
/// The project that most tests work on.
pub(crate) const DEMO: &str = "github/acme/demo";

/// An open larder.
pub(crate) struct TestLarder {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    pub(crate) app: App,
    router: Router,
    /// Holds `home/data`, the store's folder, and nothing else.
    pub(crate) folder: tempfile::TempDir,
    /// The store beside the larder's back.
    pub(crate) beside: Beside,
}

/// What a server serves, over an open larder.
pub(crate) fn service_over(larder: &Larder, public_url: &str, content_url: Option<&str>) -> Router {
    service_behind(larder, public_url, content_url, SignInConfig::default()).1
}

/// The same behind a proxy that signs users in.
pub(crate) fn service_behind(
    larder: &Larder,
    public_url: &str,
    content_url: Option<&str>,
    sign_in: SignInConfig,
) -> (App, Router) {
    let config = Config {
        public_url: Some(public_url.parse().unwrap()),
        content_url: content_url.map(|url| url.to_owned().try_into().unwrap()),
        ..Config::default()
    };
    let hosts = Hosts::new(&config, config.listen);
    let addresses = AppSettings {
        public_url: public_url.parse().unwrap(),
        content_url: config.content_url,
        serve_html: ServeHtml::Render,
        sign_in: Arc::new(sign_in),
    };
    let limiter = Limiter {
        counts: Arc::new(InvalidTokens::new(UNKNOWN_TOKENS_MAX)),
        clock: larder.clock().clone(),
    };
    let app = App::new(larder.clone(), addresses);
    (app.clone(), app::service(app, hosts, limiter))
}

impl TestLarder {
    pub(crate) async fn start() -> Self {
        Self::start_with(None, |_| ()).await
    }

    /// With one private project.
    pub(crate) async fn with_demo() -> Self {
        let test = Self::start().await;
        test.project(DEMO, false).await;
        test
    }

    /// With a host for user content.
    pub(crate) async fn with_content_url(content_url: &str) -> Self {
        Self::start_with(Some(content_url), |_| ()).await
    }

    /// Somewhere else than at [`URL`].
    pub(crate) async fn at(public_url: &str, content_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, START, public_url, content_url, |_| ()).await
    }

    /// With other settings.
    pub(crate) async fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_with(None, change).await
    }

    /// The same store behind a proxy that signs users in.
    pub(crate) fn behind(
        self,
        public_url: &str,
        content_url: Option<&str>,
        sign_in: SignInConfig,
    ) -> Self {
        let (app, router) = service_behind(&self.larder, public_url, content_url, sign_in);
        Self {
            app,
            router,
            ..self
        }
    }

    async fn start_with(content_url: Option<&str>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, START, URL, content_url, change).await
    }

    /// A larder with rows of its own, which are as they are here now, over the same bytes.
    pub(crate) async fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("home/data");
        std::fs::create_dir_all(&data).unwrap();
        let keys = "signing-keys.json";
        if let Ok(text) = std::fs::read(self.larder.settings().data.join(keys)) {
            std::fs::write(data.join(keys), text).unwrap();
        }
        let mut settings = Settings::in_folder(data);
        settings.blobs = self.larder.settings().blobs.clone();
        let beside = self.beside.copy_to(&mut settings).await;
        Self::over(folder, settings, beside, self.clock.now(), URL, None).await
    }

    async fn in_folder(
        folder: tempfile::TempDir,
        now: Timestamp,
        public_url: &str,
        content_url: Option<&str>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::in_folder(folder.path().join("home/data"));
        change(&mut settings);
        let beside = Beside::place(&mut settings).await;
        Self::over(folder, settings, beside, now, public_url, content_url).await
    }

    async fn over(
        folder: tempfile::TempDir,
        settings: Settings,
        beside: Beside,
        now: Timestamp,
        public_url: &str,
        content_url: Option<&str>,
    ) -> Self {
        let clock = Clock::manual(now);
        let larder = Larder::open(settings, clock.clone()).await.unwrap();
        let no_one = SignInConfig::default();
        let (app, router) = service_behind(&larder, public_url, content_url, no_one);
        Self {
            larder,
            clock,
            app,
            router,
            folder,
            beside,
        }
    }

    pub(crate) async fn project(&self, slug: &str, public: bool) -> Project {
        let slug = ProjectSlug::parse(slug).unwrap();
        let projects = &self.larder.projects;
        let created = projects.create(&Principal::Operator, &slug, public).await;
        created.unwrap()
    }

    /// A user without a role.
    pub(crate) async fn account(&self, name: &str) {
        let access = &self.larder.access;
        let created = access.create_user(&Principal::Operator, name, false).await;
        created.unwrap();
    }

    /// A user who is admin everywhere.
    pub(crate) async fn root(&self, name: &str) {
        let access = &self.larder.access;
        let created = access.create_user(&Principal::Operator, name, true).await;
        created.unwrap();
    }

    /// A user with a role on a project.
    pub(crate) async fn user(&self, name: &str, role: Role, slug: &str) {
        self.account(name).await;
        self.grant(name, role, slug).await;
    }

    /// A user with a role on a project, and a token of the user.
    pub(crate) async fn member(&self, name: &str, role: Role, slug: &str, scopes: &str) -> String {
        self.user(name, role, slug).await;
        self.token(name, scopes).await
    }

    /// A user without a role, and a token of the user.
    pub(crate) async fn outsider(&self, name: &str, scopes: &str) -> String {
        self.account(name).await;
        self.token(name, scopes).await
    }

    /// A token of a user who is admin everywhere.
    pub(crate) async fn admin(&self) -> String {
        self.root("root").await;
        self.token("root", "admin").await
    }

    /// Gives a user one more role.
    pub(crate) async fn grant(&self, user: &str, role: Role, slug: &str) {
        let (access, slug) = (&self.larder.access, ProjectSlug::parse(slug).unwrap());
        let granted = access.grant(&Principal::Operator, user, &slug, role).await;
        granted.unwrap();
    }

    /// A personal token of a user, which does not expire.
    pub(crate) async fn token(&self, user: &str, scopes: &str) -> String {
        self.token_for(user, scopes, None, None).await
    }

    /// A token of a user for one project only.
    pub(crate) async fn project_token(&self, user: &str, slug: &str, scopes: &str) -> String {
        self.token_for(user, scopes, Some(slug), None).await
    }

    /// A token of a user: for one project only, or for some time only.
    pub(crate) async fn token_for(
        &self,
        user: &str,
        scopes: &str,
        project: Option<&str>,
        expires_at: Option<Timestamp>,
    ) -> String {
        let request = NewTokenRequest {
            user: user.to_owned(),
            description: "a test's".to_owned(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: project.map(|slug| ProjectSlug::parse(slug).unwrap()),
            expires_at,
        };
        let access = &self.larder.access;
        let issued = access.issue_token(&Principal::Operator, request).await;
        issued.unwrap().secret
    }

    /// Announces a build with running jobs of these names and numbers of nodes.
    pub(crate) async fn build(&self, slug: &str, new: NewBuild, jobs: &[(&str, u32)]) -> Announced {
        let slug = ProjectSlug::parse(slug).unwrap();
        let jobs = jobs.iter().map(|(name, parallelism)| NewJob {
            name: (*name).to_owned(),
            parallelism: *parallelism,
            queued: false,
        });
        let (builds, jobs) = (&self.larder.builds, jobs.collect());
        let announced = builds.announce(&Principal::Operator, &slug, new, jobs);
        announced.await.unwrap()
    }

    /// Announces a build of a branch of the demo project, whose one job runs.
    pub(crate) async fn job(&self, branch: &str) -> Job {
        let new = NewBuild {
            branch: Some(branch.to_owned()),
            ..NewBuild::default()
        };
        let announced = self.build(DEMO, new, &[("build", 1)]).await;
        announced.nodes.into_iter().next().unwrap().job
    }

    /// Ends a job.
    pub(crate) async fn finish(&self, job: JobId, end: EndState, exit_status: Option<i32>) {
        let jobs = &self.larder.jobs;
        let finished = jobs.finish(&Principal::Operator, job, end, exit_status);
        finished.await.unwrap();
    }

    /// Keeps a file for a job.
    pub(crate) async fn keep(&self, job: JobId, path: &str, bytes: impl AsRef<[u8]>) -> Artifact {
        self.keep_as(job, path, None, bytes).await
    }

    /// The same under an alias.
    pub(crate) async fn keep_as(
        &self,
        job: JobId,
        path: &str,
        alias: Option<&str>,
        bytes: impl AsRef<[u8]>,
    ) -> Artifact {
        let new = NewArtifact {
            alias: alias.map(str::to_owned),
            ..NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain")
        };
        let incoming = Incoming::from_bytes(bytes.as_ref().to_vec());
        let artifacts = &self.larder.artifacts;
        let kept = artifacts.keep(&Principal::Operator, job, new, incoming);
        kept.await.unwrap().artifact
    }
}
