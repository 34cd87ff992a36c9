//! What callers may do with artifacts. Every permission check on artifacts is in this folder.

mod commit;
mod folders;
mod keep;
mod measure;
mod read;
mod upload;

pub use keep::{Kept, Received};
pub(crate) use measure::Prefixes;
pub use read::{Link, Readable};
pub use upload::Begun;

use crate::access::{Action, Resource, absent, authorize};
use crate::error::{Error, Result, What};
use crate::jobs::JobNodes;
use crate::metadata::artifacts::{self as rows, AsOf, Conditions, Of};
use crate::metadata::{Room, Tx, audit, blobs, builds, parts, projects};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Build, Cursor, Job, JobId, Offset, Page, Principal,
    Project,
};
use crate::store::Store;
use std::sync::Arc;

/// Rows that are looked at together when a pattern is searched for.
const MATCHING_BATCH: u32 = 1_000;

/// Artifacts and their bytes.
#[derive(Clone, Debug)]
pub struct Artifacts(pub(crate) Arc<Store>);

/// Whose artifacts a list holds.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// All nodes of a build.
    Build(&'a Build),
    /// One node of it.
    Job(&'a Build, &'a Job),
}

/// Which artifacts a list holds.
#[derive(Clone, Debug, Default)]
pub struct ArtifactFilter {
    /// In one of these states; empty for all but deleted ones.
    pub states: Vec<ArtifactState>,
    /// Of this path, in which `*` stands for any run of characters, `/` included, and nothing else is special.
    pub path: Option<String>,
}

/// Which scope is enough to delete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeletingScope {
    /// `delete_artifacts`.
    Delete,
    /// `delete_artifacts` or `write_artifacts`, as Buildkite's document says.
    DeleteOrWrite,
}

impl Artifacts {
    /// The artifact of that id in whatever state but deleted, with its project. Needs `read_artifacts`.
    pub async fn artifact(&self, who: &Principal, id: ArtifactId) -> Result<(Artifact, Project)> {
        let (artifact, build) = self.by_id(who, id, Action::ReadArtifacts).await?;
        Ok((artifact, build.project))
    }

    /// Which node made the artifact, for whoever may see the project; what may be done with it is asked later. So an API
    /// can check the address of an artifact that its caller may delete but not read.
    pub async fn maker(&self, who: &Principal, id: ArtifactId) -> Result<JobId> {
        let (artifact, _) = self.by_id(who, id, Action::SeeProject).await?;
        Ok(artifact.job_id)
    }

    /// Finished artifacts of all nodes of a job, by node and path; of equal paths only the newest.
    pub async fn of_nodes(&self, who: &Principal, nodes: &JobNodes) -> Result<Vec<Artifact>> {
        authorize(
            who,
            Action::ReadArtifacts,
            Resource::build(&nodes.build.project, nodes.build.pk),
        )?;
        let jobs: Vec<_> = nodes.nodes.iter().map(|node| node.pk).collect();
        let as_of = self.0.as_of_now();
        self.0
            .database
            .scan(async move |tx| {
                let mut artifacts = Vec::new();
                for job in &jobs {
                    artifacts.append(&mut rows::by_path(tx, as_of, *job).await?);
                }
                Ok(artifacts)
            })
            .await
    }

    /// A page by number, in order of creation.
    pub async fn page(
        &self,
        who: &Principal,
        holder: Holder<'_>,
        filter: &ArtifactFilter,
        offset: Offset,
    ) -> Result<Page<Artifact>> {
        holder.authorize(who)?;
        let conditions = filter.conditions(holder);
        let pattern = filter.pattern().map(str::to_owned);
        let as_of = self.0.as_of_now();
        self.0
            .database
            .scan(async move |tx| {
                let Some(pattern) = &pattern else {
                    let total = rows::count(tx, as_of, &conditions).await?;
                    return Ok(Page {
                        items: rows::page(tx, as_of, &conditions, offset).await?,
                        total,
                    });
                };
                let mut items = rows::after(tx, as_of, &conditions, None, u32::MAX).await?;
                items.retain(|artifact| matches_pattern(pattern, artifact.path.as_str()));
                let total = items.len() as u64;
                let items = items
                    .into_iter()
                    .skip(offset.skip as usize)
                    .take(offset.limit as usize)
                    .collect();
                Ok(Page { items, total })
            })
            .await
    }

    /// At most `limit` artifacts after a place, in order of creation.
    pub async fn after(
        &self,
        who: &Principal,
        holder: Holder<'_>,
        filter: &ArtifactFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Artifact>> {
        holder.authorize(who)?;
        let conditions = filter.conditions(holder);
        let pattern = filter.pattern().map(str::to_owned);
        let as_of = self.0.as_of_now();
        self.0
            .database
            .scan(async move |tx| match &pattern {
                Some(pattern) => {
                    matching_after(tx, as_of, &conditions, pattern, cursor, limit).await
                }
                None => rows::after(tx, as_of, &conditions, cursor, limit).await,
            })
            .await
    }

    /// Deletes an artifact: it answers as not found at once, and its bytes are freed by the sweeper. One that has
    /// expired stays expired, and says so.
    pub async fn delete(
        &self,
        who: &Principal,
        id: ArtifactId,
        scope: DeletingScope,
    ) -> Result<()> {
        let (artifact, build) = self.by_id(who, id, scope.action()).await?;
        if artifact.state == ArtifactState::Expired {
            return Err(Error::Expired(What::Artifact));
        }
        let (who, as_of) = (who.clone(), self.0.as_of_now());
        let now = as_of.now;
        self.0
            .database
            .write_in(Room::Project(build.project.number), async move |tx| {
                // With its build, its bytes were given back.
                let found = builds::by_pk(tx, build.pk).await?;
                let build = found.ok_or(Error::NotFound(What::Artifact))?;
                let (from, to) = (artifact.state, ArtifactState::Deleted);
                if !rows::move_on(tx, as_of, artifact.number, from, to).await? {
                    return Err(Error::Conflict(
                        "the artifact has just changed; look at it again".into(),
                    ));
                }
                if artifact.state == ArtifactState::Finished {
                    let bytes = i64::try_from(artifact.size).unwrap_or(0);
                    builds::add_to_counts(tx, artifact.build_pk, artifact.job_pk, -1, -bytes)
                        .await?;
                    projects::give_back(tx, build.project.number, bytes).await?;
                }
                parts::free(tx, artifact.number).await?;
                if let Some(blob) = artifact.blob_pk {
                    blobs::condemn_unless_used(tx, blob, now).await?;
                }
                let slug = build.project.slug();
                let what = format!("{slug} artifact {}", artifact.id);
                audit::record_in(tx, now, &who, &slug, "delete artifact", &what).await
            })
            .await
    }

    /// Deletes the newest finished artifact of a node under that path or alias; reading it is not needed.
    pub async fn delete_by_path(
        &self,
        who: &Principal,
        build: &Build,
        job: &Job,
        path: &str,
        scope: DeletingScope,
    ) -> Result<()> {
        authorize(
            who,
            scope.action(),
            Resource::job(&build.project, build.pk, job.pk),
        )?;
        let found = self.newest(job, path, ArtifactState::Finished).await?;
        let artifact = found.ok_or_else(|| absent(who, What::Artifact))?;
        self.delete(who, artifact.id, scope).await
    }

    /// The artifact and its build, after asking whether `action` is allowed.
    async fn by_id(
        &self,
        who: &Principal,
        id: ArtifactId,
        action: Action,
    ) -> Result<(Artifact, Build)> {
        let as_of = self.0.as_of_now();
        let found = self
            .0
            .database
            .read(async move |tx| match rows::by_id(tx, as_of, id).await? {
                Some(artifact) => Ok(builds::by_pk(tx, artifact.build_pk)
                    .await?
                    .map(|build| (artifact, build))),
                None => Ok(None),
            })
            .await?;
        let (artifact, build) = found.ok_or_else(|| absent(who, What::Artifact))?;
        let resource = Resource::job(&build.project, build.pk, artifact.job_pk);
        match authorize(who, action, resource) {
            Err(Error::NotFound(_)) => return Err(Error::NotFound(What::Artifact)),
            other => other?,
        }
        if artifact.state == ArtifactState::Deleted {
            return Err(Error::NotFound(What::Artifact));
        }
        Ok((artifact, build))
    }
}

impl DeletingScope {
    fn action(self) -> Action {
        match self {
            Self::Delete => Action::DeleteArtifacts,
            Self::DeleteOrWrite => Action::DeleteArtifactsAsWriter,
        }
    }
}

impl<'a> Holder<'a> {
    fn authorize(self, who: &Principal) -> Result<()> {
        let resource: Resource<'a> = match self {
            Self::Build(build) => Resource::build(&build.project, build.pk),
            Self::Job(build, job) => Resource::job(&build.project, build.pk, job.pk),
        };
        authorize(who, Action::ReadArtifacts, resource)
    }

    fn rows(self) -> Of {
        match self {
            Self::Build(build) => Of::Build(build.pk),
            Self::Job(_, job) => Of::Job(job.pk),
        }
    }
}

impl ArtifactFilter {
    fn conditions(&self, holder: Holder<'_>) -> Conditions {
        let states = if self.states.is_empty() {
            ArtifactState::ALL
                .into_iter()
                .filter(|state| *state != ArtifactState::Deleted)
                .collect()
        } else {
            self.states.clone()
        };
        let of = holder.rows();
        let path = self.path.clone().filter(|path| !path.contains('*'));
        Conditions { of, states, path }
    }

    fn pattern(&self) -> Option<&str> {
        self.path.as_deref().filter(|path| path.contains('*'))
    }
}

/// At most `limit` artifacts after a place whose path has the pattern's form. The pattern is not SQL's, so that rows are
/// looked at a batch at a time.
async fn matching_after(
    tx: &mut Tx,
    as_of: AsOf,
    conditions: &Conditions,
    pattern: &str,
    mut cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Artifact>> {
    let mut found = Vec::new();
    loop {
        let batch = rows::after(tx, as_of, conditions, cursor, MATCHING_BATCH).await?;
        let is_last = batch.len() < MATCHING_BATCH as usize;
        cursor = batch.last().map(Artifact::cursor);
        let room = limit as usize - found.len();
        let matching = batch
            .into_iter()
            .filter(|artifact| matches_pattern(pattern, artifact.path.as_str()));
        found.extend(matching.take(room));
        if is_last || found.len() == limit as usize {
            return Ok(found);
        }
    }
}

/// `*` is any run of characters, `/` included; everything else stands for itself; both ends are anchored. Linear in the
/// length of the text for each `*`, whatever the pattern.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.len() >= part.len() && rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(
            matches_pattern(pattern, text),
            expected,
            "{pattern} on {text}"
        );
    }

    #[test]
    fn a_star_crosses_folders_and_nothing_else_is_special() {
        check("*.zip", "out/x.zip", true);
        check("RELEASES", "out/RELEASES", false);
        check("dist/**/*", "dist/index.html", false);
        check("dist/**/*", "dist/a/index.html", true);
        check("*", "anything/at/all", true);
        check("a?c", "abc", false);
        check("[ab]", "[ab]", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*a", "a", false);
        check("*é", "café", true);
    }
}
