//! Downloads: the artifacts of a job or build, verified, and never outside the target folder.

use super::file::hex;
use super::upload::globs;
use crate::error::{Error, Result};
use crate::server::Server;
use futures_util::StreamExt;
use larder_protocol::{ArtifactBody, ArtifactState};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files on their way at once.
const CONCURRENT_DOWNLOADS: usize = 8;
/// More pages than this are a server that never ends its list.
const PAGES_MAX: usize = 100_000;

/// Whose artifacts are meant.
#[derive(Clone, Debug)]
pub enum DownloadSource {
    /// UUID of a job.
    Job(String),
    /// UUID of a build: the artifacts of all its jobs.
    Build(String),
}

/// What `larder download` is to do.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// Where from, with a token that may read artifacts.
    pub server: Server,
    /// Whose artifacts.
    pub source: DownloadSource,
    /// Names, folders or globs of artifacts; none means all.
    pub queries: Vec<String>,
    /// Folder to write into; it is made if it does not exist.
    pub target: PathBuf,
}

/// What happens during a download.
#[derive(Debug)]
#[non_exhaustive]
pub enum DownloadEvent<'a> {
    /// The artifacts are known and their download begins.
    Planned {
        /// How many there are.
        files: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A file is complete, verified and in place.
    Saved(&'a ArtifactBody, &'a Path),
    /// A file could not be saved, and why.
    Problem(&'a str),
}

/// What came of a download.
#[derive(Debug, Default)]
pub struct DownloadSummary {
    /// Saved files, in the order in which they were done.
    pub files: Vec<(ArtifactBody, PathBuf)>,
    /// What could not be saved, and why; if there is any, the command failed.
    pub problems: Vec<String>,
}

/// Saves the artifacts that match, eight at a time, each verified by its SHA-256 before it gets
/// its name.
///
/// A file that cannot be saved does not stop the others; a server that cannot be reached does.
/// Nothing that matches, and one name kept by two jobs, are usage errors.
pub async fn download(
    options: DownloadOptions,
    on_event: impl Fn(DownloadEvent<'_>),
) -> Result<DownloadSummary> {
    let chosen = choose(list(&options).await?, &options.queries)?;
    let bytes = chosen
        .iter()
        .filter_map(|artifact| u64::try_from(artifact.size).ok())
        .sum();
    on_event(DownloadEvent::Planned {
        files: chosen.len(),
        bytes,
    });
    std::fs::create_dir_all(&options.target)
        .map_err(Error::io(options.target.display().to_string()))?;
    let target = options
        .target
        .canonicalize()
        .map_err(Error::io(options.target.display().to_string()))?;
    let downloads = chosen.into_iter().map(|artifact| {
        let (server, target) = (options.server.clone(), target.clone());
        async move {
            save(&server, &artifact, &target)
                .await
                .map(|path| (artifact, path))
        }
    });
    let mut downloads =
        futures_util::stream::iter(downloads).buffer_unordered(CONCURRENT_DOWNLOADS);
    let mut summary = DownloadSummary::default();
    while let Some(answer) = downloads.next().await {
        match answer {
            Ok((artifact, path)) => {
                on_event(DownloadEvent::Saved(&artifact, &path));
                summary.files.push((artifact, path));
            }
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => {
                let problem = error.to_string();
                on_event(DownloadEvent::Problem(&problem));
                summary.problems.push(problem);
            }
        }
    }
    Ok(summary)
}

async fn list(options: &DownloadOptions) -> Result<Vec<ArtifactBody>> {
    let mut artifacts = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let page = match &options.source {
            DownloadSource::Job(id) => options.server.job_artifacts(id, after.as_deref()).await?,
            DownloadSource::Build(id) => {
                options.server.build_artifacts(id, after.as_deref()).await?
            }
        };
        artifacts.extend(page.artifacts);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(artifacts),
        }
    }
    Err(Error::Damaged {
        what: "list artifacts".to_owned(),
        reason: "the list has no end".to_owned(),
    })
}

/// The finished artifacts that match, the newest of each name.
fn choose(artifacts: Vec<ArtifactBody>, queries: &[String]) -> Result<Vec<ArtifactBody>> {
    let matcher = globs(queries.iter().map(String::as_str))?;
    let wants = |path: &str| {
        queries.is_empty()
            || matcher.is_match(path)
            || queries.iter().any(|query| {
                let query = query.trim_end_matches('/');
                path == query
                    || path
                        .strip_prefix(query)
                        .is_some_and(|rest| rest.starts_with('/'))
            })
    };
    let mut chosen: BTreeMap<String, ArtifactBody> = BTreeMap::new();
    for artifact in artifacts {
        if artifact.state != ArtifactState::Finished || !wants(&artifact.path) {
            continue;
        }
        let path = artifact.path.clone();
        let job = artifact.job_id.clone();
        if let Some(older) = chosen.insert(path, artifact)
            && older.job_id != job
        {
            let message = format!(
                "{}: kept by the jobs {} and {job}; name one with --job",
                older.path, older.job_id
            );
            return Err(Error::Usage(message));
        }
    }
    if chosen.is_empty() {
        return Err(Error::Usage("no artifact matches".to_owned()));
    }
    Ok(chosen.into_values().collect())
}

async fn save(server: &Server, artifact: &ArtifactBody, target: &Path) -> Result<PathBuf> {
    let path = inside(target, &artifact.path)?;
    let what = path.display().to_string();
    let mut content = Box::pin(server.open_artifact(artifact).await?);
    let folder = path.parent().unwrap_or(target);
    let mut file = tempfile::Builder::new()
        .prefix(".larder-")
        .tempfile_in(folder)
        .map_err(Error::io(&what))?;
    let mut digest = Sha256::new();
    let mut size: u64 = 0;
    while let Some(piece) = content.next().await {
        let piece = piece?;
        digest.update(&piece);
        size += piece.len() as u64;
        if i64::try_from(size).is_ok_and(|size| size > artifact.size) {
            break;
        }
        file.write_all(&piece).map_err(Error::io(&what))?;
    }
    let sha256 = hex(&digest.finalize());
    let is_whole = i64::try_from(size) == Ok(artifact.size)
        && artifact.sha256.as_ref().is_none_or(|it| *it == sha256);
    if !is_whole {
        let reason = "what arrived is not what the server keeps; try again".to_owned();
        return Err(Error::Damaged {
            what: artifact.path.clone(),
            reason,
        });
    }
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file()
        .set_permissions(readable)
        .map_err(Error::io(&what))?;
    file.persist(&path)
        .map_err(|error| Error::io(&what)(error.error))?;
    Ok(path)
}

/// Where the artifact goes, with its folder made; refused if that is outside of `target`.
fn inside(target: &Path, path: &str) -> Result<PathBuf> {
    let outside = || Error::Damaged {
        what: path.to_owned(),
        reason: format!("its name leads outside of {}, refused", target.display()),
    };
    let is_plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_plain || path.contains('\0') {
        return Err(outside());
    }
    let full = target.join(path);
    let parent = full.parent().ok_or_else(outside)?;
    // A link that lies in the way must not lead the folders elsewhere either.
    let mut existing = parent;
    while !existing.exists() && existing.symlink_metadata().is_err() {
        existing = existing.parent().ok_or_else(outside)?;
    }
    let real = existing.canonicalize().map_err(Error::io(path))?;
    if !real.starts_with(target) {
        return Err(outside());
    }
    std::fs::create_dir_all(parent).map_err(Error::io(path))?;
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_outside_of_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let target = root.join("target");
        std::fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&root, target.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("new"), target.join("dangling")).unwrap();
        for path in [
            "../x",
            "a/../../x",
            "/etc/x",
            "a//x",
            "link/x",
            "link/y/x",
            "dangling/x",
            "",
            ".",
            "a/\0",
        ] {
            assert!(inside(&target, path).is_err(), "{path:?}");
        }
        assert_eq!(
            inside(&target, "a/b/c d!.txt").unwrap(),
            target.join("a/b/c d!.txt")
        );
        assert!(target.join("a/b").is_dir());
    }
}
