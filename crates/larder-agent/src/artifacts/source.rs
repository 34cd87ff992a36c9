//! Whose artifacts are meant, and finding them.

use super::pattern::Patterns;
use crate::error::{Error, Result};
use crate::server::{BuildFilter, Server};
use larder_protocol::{ArtifactBody, BuildBody, FolderBody, JobBody};
use std::cmp::Ordering;
use std::collections::HashMap;

/// More pages of artifacts than this are a server that never ends its list.
const ARTIFACT_PAGES_MAX: usize = 100_000;
/// Pages of builds, of 100 each, in which the latest one is looked for.
const BUILD_PAGES_MAX: usize = 20;

/// Whose artifacts are meant.
#[derive(Clone, Debug)]
pub struct ArtifactSource {
    /// Of which job or build.
    pub holder: Holder,
    /// Only jobs of this name.
    pub job_name: Option<String>,
    /// Only the nodes of this index.
    pub node: Option<u32>,
}

/// Which job or build.
#[derive(Clone, Debug)]
pub enum Holder {
    /// UUID of a job.
    Job(String),
    /// UUID of a build: all its jobs.
    Build(String),
    /// The newest build of a project that fits.
    Latest(LatestBuild),
}

/// The newest build of a project that fits.
#[derive(Clone, Debug)]
pub struct LatestBuild {
    /// `vcs/org/name`.
    pub project: String,
    /// Of this branch.
    pub branch: Option<String>,
    /// Of this tag.
    pub tag: Option<String>,
    /// In which state it has to be.
    pub state: LatestState,
    /// Whether builds of forks count.
    pub forks: bool,
}

/// In which state the latest build has to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LatestState {
    /// Passed.
    Successful,
    /// At its end, however it ended.
    #[default]
    Completed,
    /// Running builds too.
    Any,
}

impl LatestState {
    /// The server's words.
    fn words(self) -> &'static str {
        match self {
            Self::Successful => "passed",
            Self::Completed => "passed,failed,canceled",
            Self::Any => "",
        }
    }
}

/// Artifacts that were asked for, with the jobs that made them.
#[derive(Debug)]
pub struct Listing {
    /// Oldest first, of every state.
    pub artifacts: Vec<ArtifactBody>,
    /// By id.
    pub jobs: HashMap<String, JobBody>,
    /// For messages: `job …` or `build …`.
    pub holder: String,
    /// Kind and id, as in addresses.
    pub(crate) address: (&'static str, String),
}

impl Listing {
    /// The job that made an artifact, as a person would name it.
    pub fn job_label(&self, id: &str) -> String {
        match self.jobs.get(id) {
            Some(job) if job.parallelism > 1 => format!("{} (node {})", job.name, job.index),
            Some(job) => job.name.clone(),
            None => id.to_owned(),
        }
    }

    /// Which of two jobs is the same node run again, and what it keeps takes the place of what was there before.
    pub(crate) fn later_round<'a>(&self, one: &'a str, other: &'a str) -> Option<&'a str> {
        let (first, second) = (
            round_of(self.jobs.get(one)?),
            round_of(self.jobs.get(other)?),
        );
        let is_same_node = (first.0, first.1) == (second.0, second.1);
        match first.2.cmp(&second.2) {
            Ordering::Greater if is_same_node => Some(one),
            Ordering::Less if is_same_node => Some(other),
            _ => None,
        }
    }
}

/// Name and index of the node that a job is, and how often it was run: the third time it is `NAME (3)`, and as one of
/// several nodes `NAME[INDEX] (3)`.
fn round_of(job: &JobBody) -> (&str, u32, u32) {
    let told = || {
        let (name, round) = job.name.strip_suffix(')')?.rsplit_once(" (")?;
        let round = round.parse().ok().filter(|round| *round > 1)?;
        let node = || {
            let (name, index) = name.strip_suffix(']')?.rsplit_once('[')?;
            Some((name, index.parse().ok()?))
        };
        let (name, index) = node().unwrap_or((name, 0));
        Some((name, index, round))
    };
    let again = (job.parallelism == 1).then(told).flatten();
    again.unwrap_or((&job.name, job.index, 1))
}

/// Lists what matches the queries: names, folders or globs; none means all.
pub async fn list(
    server: &Server,
    source: &ArtifactSource,
    patterns: &Patterns,
) -> Result<Listing> {
    let (kind, id, jobs) = match &source.holder {
        Holder::Job(id) => ("jobs", id.clone(), vec![server.job(id).await?]),
        Holder::Build(id) => ("builds", id.clone(), server.build(id).await?.jobs),
        Holder::Latest(wanted) => {
            let build = latest(server, wanted).await?;
            ("builds", build.id, build.jobs)
        }
    };
    let jobs: HashMap<_, _> = jobs
        .into_iter()
        .filter(|job| {
            source
                .job_name
                .as_ref()
                .is_none_or(|name| *name == job.name)
        })
        .filter(|job| source.node.is_none_or(|node| node == job.index))
        .map(|job| (job.id.clone(), job))
        .collect();
    let holder = format!("{} {id}", kind.trim_end_matches('s'));
    if jobs.is_empty() {
        return Err(Error::Usage(format!(
            "{holder}: it has no job of that name and node; see --job-name and --node"
        )));
    }
    let is_meant = |artifact: &ArtifactBody| {
        jobs.contains_key(&artifact.job_id) && patterns.is_match(&artifact.path)
    };
    let artifacts = artifacts_that(server, kind, &id, is_meant).await?;
    Ok(Listing {
        artifacts,
        jobs,
        holder,
        address: (kind, id),
    })
}

/// Empty folders of those jobs; none if the server does not know such a thing.
pub(crate) async fn empty_folders(server: &Server, listing: &Listing) -> Result<Vec<FolderBody>> {
    let (kind, id) = &listing.address;
    match server.folders(kind, id).await {
        Ok(list) => Ok(list
            .folders
            .into_iter()
            .filter(|folder| listing.jobs.contains_key(&folder.job_id))
            .collect()),
        Err(Error::Refused {
            status: 404 | 405, ..
        }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Page by page, so that what is not meant is never there at once.
async fn artifacts_that(
    server: &Server,
    kind: &str,
    id: &str,
    is_meant: impl Fn(&ArtifactBody) -> bool,
) -> Result<Vec<ArtifactBody>> {
    let mut artifacts = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..ARTIFACT_PAGES_MAX {
        let page = match kind {
            "jobs" => server.job_artifacts(id, after.as_deref()).await?,
            _ => server.build_artifacts(id, after.as_deref()).await?,
        };
        artifacts.extend(page.artifacts.into_iter().filter(&is_meant));
        match page.next {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            Some(_) => break,
            None => return Ok(artifacts),
        }
    }
    Err(Error::Damaged {
        what: "list artifacts".to_owned(),
        reason: "the list has no end".to_owned(),
    })
}

async fn latest(server: &Server, wanted: &LatestBuild) -> Result<BuildBody> {
    let is_slug = wanted.project.split('/').count() == 3
        && wanted.project.split('/').all(|part| !part.is_empty());
    if !is_slug {
        return Err(Error::Usage(format!(
            "{}: a project is named as in github/acme/demo",
            wanted.project
        )));
    }
    let mut before: Option<String> = None;
    for _ in 0..BUILD_PAGES_MAX {
        let filter = BuildFilter {
            branch: wanted.branch.as_deref(),
            tag: wanted.tag.as_deref(),
            states: wanted.state.words(),
            before: before.as_deref(),
        };
        let page = server.builds(&wanted.project, &filter).await?;
        let fits = |build: &BuildBody| wanted.forks || !build.fork;
        if let Some(build) = page.builds.into_iter().find(fits) {
            // With its jobs, whatever the list tells of them.
            return server.build(&build.id).await;
        }
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let state = match wanted.state {
        LatestState::Successful => "successful ",
        LatestState::Completed => "finished ",
        LatestState::Any => "",
    };
    let branch = wanted
        .branch
        .as_ref()
        .map(|it| format!(" of the branch {it}"));
    let tag = wanted.tag.as_ref().map(|it| format!(" of the tag {it}"));
    Err(Error::Damaged {
        what: format!("find the latest build of {}", wanted.project),
        reason: format!(
            "there is no {state}build{}{}; see --branch, --tag, --any and --forks",
            branch.unwrap_or_default(),
            tag.unwrap_or_default()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_protocol::JobState;

    fn job(name: &str, index: u32, parallelism: u32) -> JobBody {
        JobBody {
            id: String::new(),
            build_id: String::new(),
            name: name.to_owned(),
            number: None,
            index,
            parallelism,
            state: JobState::Passed,
            exit_status: None,
            created_at: String::new(),
            started_at: None,
            finished_at: None,
            artifact_count: 0,
            total_bytes: 0,
        }
    }

    #[test]
    fn a_node_that_was_run_again_is_known_by_its_name() {
        let check = |first: JobBody, second: JobBody, expected: Option<&str>| {
            let told = format!("{} and {}", first.name, second.name);
            let listing = Listing {
                artifacts: Vec::new(),
                jobs: [("1".to_owned(), first), ("2".to_owned(), second)].into(),
                holder: String::new(),
                address: ("builds", String::new()),
            };
            assert_eq!(listing.later_round("1", "2"), expected, "{told}");
        };
        check(job("test", 0, 1), job("test (2)", 0, 1), Some("2"));
        check(job("test (10)", 0, 1), job("test (2)", 0, 1), Some("1"));
        check(job("test", 3, 4), job("test[3] (2)", 0, 1), Some("2"));
        check(job("test", 2, 4), job("test[3] (2)", 0, 1), None);
        check(job("test", 0, 2), job("test", 1, 2), None);
        check(job("test", 0, 1), job("lint (2)", 0, 1), None);
        check(job("test", 0, 1), job("test (1)", 0, 1), None);
        check(job("test", 0, 1), job("test (linux)", 0, 1), None);
    }
}
