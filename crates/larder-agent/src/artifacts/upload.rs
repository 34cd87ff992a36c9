//! Uploads: one file as often as it takes, many side by side, and the command for any CI.

use super::collect::{Collect, Found};
use super::destination::{Destination, plain};
use super::file::measure;
use super::secrets::Secrets;
use super::view::View;
use crate::error::{Error, Result};
use crate::server::{PATIENCE_MS, Server, Upload};
use futures_util::{Stream, StreamExt};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use larder_protocol::ArtifactBody;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files on their way at once.
const CONCURRENT_UPLOADS: usize = 8;

/// A file that the larder keeps.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Name of the artifact.
    pub path: String,
    /// Its other name (`$CIRCLE_ARTIFACTS/…`), if it has one.
    pub alias: Option<String>,
    /// Where it was read.
    pub local: PathBuf,
    /// Bytes, as measured here before they were sent.
    pub size: u64,
    /// SHA-256 as lower-case hex, as measured here before the bytes were sent.
    pub sha256: String,
    /// What the server says that it keeps.
    pub artifact: ArtifactBody,
}

/// What `larder upload` is to do.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Where to, with a token that may create artifacts in the job.
    pub server: Server,
    /// UUID of the job that the files belong to.
    pub job: String,
    /// Folder in which relative patterns are looked up; names of artifacts are relative to it.
    pub base: PathBuf,
    /// Files, folders and globs (`*`, `**`, `{a,b}`, `[a-z]`); one that begins with `!` excludes.
    pub patterns: Vec<String>,
    /// Put in front of the names; for one file without a trailing `/` it is the whole name.
    pub destination: Option<String>,
    /// Takes `.git` and well-known credential files too.
    pub include_all: bool,
    /// Larger files are refused by name; [`super::FILE_BYTES_MAX`] is the documented limit.
    pub file_bytes_max: u64,
}

/// What happens during an upload.
#[derive(Debug)]
#[non_exhaustive]
pub enum UploadEvent<'a> {
    /// The files are known and their upload begins.
    Planned {
        /// How many there are.
        files: usize,
    },
    /// A file is kept.
    Kept(&'a StoredFile),
    /// Something was left out, and why.
    Warning(&'a str),
    /// A file could not be kept, and why.
    Problem(&'a str),
}

/// What came of an upload.
#[derive(Debug, Default)]
pub struct UploadSummary {
    /// Kept, in the order in which they were done.
    pub files: Vec<StoredFile>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
    /// What could not be kept, and why; if there is any, the command failed.
    pub problems: Vec<String>,
}

/// Keeps the files that match the patterns, eight at a time.
///
/// A file that cannot be kept is a problem in the summary and does not stop the others; a server
/// that cannot be reached does. Patterns that cannot be read, and a pattern that matches nothing,
/// are usage errors.
pub async fn upload(
    options: UploadOptions,
    on_event: impl Fn(UploadEvent<'_>),
) -> Result<UploadSummary> {
    let selection = options.clone();
    let (files, warnings) = tokio::task::spawn_blocking(move || select(&selection))
        .await
        .map_err(|error| Error::Usage(error.to_string()))??;
    for warning in &warnings {
        on_event(UploadEvent::Warning(warning));
    }
    on_event(UploadEvent::Planned { files: files.len() });
    let uploader = Uploader {
        server: options.server,
        job: options.job,
        file_bytes_max: options.file_bytes_max,
        secrets: Secrets::default(),
    };
    let mut summary = UploadSummary {
        warnings,
        ..UploadSummary::default()
    };
    let mut answers = uploader.keep_all(files.into_iter().map(|found| (found, None)));
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(file) => {
                on_event(UploadEvent::Kept(&file));
                summary.files.push(file);
            }
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => {
                let problem = error.to_string();
                on_event(UploadEvent::Problem(&problem));
                summary.problems.push(problem);
            }
        }
    }
    Ok(summary)
}

/// Sends files of one job.
#[derive(Clone, Debug)]
pub(crate) struct Uploader {
    pub(crate) server: Server,
    pub(crate) job: String,
    pub(crate) file_bytes_max: u64,
    pub(crate) secrets: Secrets,
}

impl Uploader {
    /// Sends all files, a few at a time; answers come as they are done.
    pub(crate) fn keep_all(
        &self,
        files: impl IntoIterator<Item = (Found, Option<String>)>,
    ) -> impl Stream<Item = Result<StoredFile>> + Unpin {
        let uploads = files
            .into_iter()
            .map(|(found, alias)| Box::pin(self.keep(found, alias)));
        futures_util::stream::iter(uploads).buffer_unordered(CONCURRENT_UPLOADS)
    }

    /// Sends one file, again while the server is away: the same bytes under the same name again
    /// are not an error there.
    async fn keep(&self, found: Found, alias: Option<String>) -> Result<StoredFile> {
        let mut waits = PATIENCE_MS.iter();
        loop {
            match self.keep_once(&found, alias.as_deref()).await {
                Err(error) if is_passing(&error) => match waits.next() {
                    Some(&wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
                    None => return Err(error),
                },
                answer => return answer,
            }
        }
    }

    async fn keep_once(&self, found: &Found, alias: Option<&str>) -> Result<StoredFile> {
        let (local, bytes_max, secrets) = (
            found.local.clone(),
            self.file_bytes_max,
            self.secrets.clone(),
        );
        let measured = tokio::task::spawn_blocking(move || measure(&local, bytes_max, &secrets))
            .await
            .map_err(|error| Error::Usage(error.to_string()))??;
        let (size, sha256) = (measured.size, measured.sha256_hex());
        let sha256_base64 = measured.sha256_base64();
        let upload = Upload {
            path: &found.path,
            alias,
            size,
            sha256_base64: &sha256_base64,
            content: measured.into_stream(),
        };
        let sent = self.server.put_artifact(&self.job, upload).await;
        // A file that shrank breaks the connection off; that is not the server's silence.
        if matches!(&sent, Err(Error::Unreachable { .. }))
            && std::fs::metadata(&found.local).is_ok_and(|now| now.len() < size)
        {
            let reason = "it shrank while it was being read".to_owned();
            return Err(Error::Damaged {
                what: found.local.display().to_string(),
                reason,
            });
        }
        let artifact = sent?;
        if artifact.sha256.as_ref().is_some_and(|kept| *kept != sha256) {
            let reason = "the server keeps other bytes than were sent".to_owned();
            return Err(Error::Damaged {
                what: found.path.clone(),
                reason,
            });
        }
        Ok(StoredFile {
            path: found.path.clone(),
            alias: alias.map(str::to_owned),
            local: found.local.clone(),
            size,
            sha256,
            artifact,
        })
    }
}

fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        _ => false,
    }
}

/// The files that the patterns mean, each once.
fn select(options: &UploadOptions) -> Result<(Vec<Found>, Vec<String>)> {
    let base = options
        .base
        .canonicalize()
        .map_err(Error::io(options.base.display().to_string()))?;
    let (excluded, wanted): (Vec<_>, Vec<_>) = options
        .patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    let excluded = globs(excluded.iter().map(|pattern| &pattern[1..]))?;
    let view = View::default();
    let mut collect = Collect::new(&view, vec![base.clone()], options.include_all);
    for pattern in wanted {
        if pattern.is_empty() {
            // A variable that is not set, more likely than the whole folder.
            return Err(Error::Usage(
                "a pattern is empty: name files, folders or globs".to_owned(),
            ));
        }
        let before = collect.files.len();
        take(
            &mut collect,
            &base,
            pattern,
            options.destination.as_deref(),
            wanted_alone(options),
        )?;
        if collect.files.len() == before {
            return Err(Error::Usage(format!(
                "{pattern}: no file matches in {}",
                base.display()
            )));
        }
    }
    let Collect {
        mut files,
        warnings,
        ..
    } = collect;
    files.retain(|found| {
        let relative = found.local.strip_prefix(&base).unwrap_or(&found.local);
        !excluded.is_match(relative)
    });
    let mut names = std::collections::HashSet::new();
    files.retain(|found| names.insert(found.path.clone()));
    Ok((files, warnings))
}

fn wanted_alone(options: &UploadOptions) -> bool {
    options
        .patterns
        .iter()
        .filter(|pattern| !pattern.starts_with('!'))
        .count()
        == 1
}

/// A pattern that names an existing file or folder is that file or folder; any other is a glob.
fn take(
    collect: &mut Collect<'_>,
    base: &Path,
    pattern: &str,
    destination: Option<&str>,
    is_alone: bool,
) -> Result<()> {
    let path = base.join(pattern);
    if let Ok(resolved) = collect.view.resolve(&path) {
        let names = Destination {
            path: pattern,
            destination,
        };
        if resolved.is_dir() {
            // A folder keeps its own name below the destination, as a glob's files do.
            let folder = below(destination, &plain(pattern));
            collect.folder(&resolved, &folder);
        } else if is_alone {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            collect.file(&resolved, names.of_file(&name.unwrap_or_default()));
        } else {
            collect.file(&resolved, below(destination, &plain(pattern)));
        }
        return Ok(());
    }
    let wanted = globs([plain(pattern).as_str()])?;
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect();
    let Ok(root) = collect.view.resolve(&base.join(&fixed)) else {
        return Ok(());
    };
    let mut inner = Collect::new(collect.view, collect.allowed.clone(), collect.include_all);
    inner.folder(&root, &plain(&fixed.to_string_lossy()));
    collect.warnings.append(&mut inner.warnings);
    let inside = inner
        .files
        .into_iter()
        .filter(|found| wanted.is_match(&found.path));
    collect.files.extend(inside.map(|found| Found {
        path: below(destination, &found.path),
        ..found
    }));
    Ok(())
}

fn below(destination: Option<&str>, path: &str) -> String {
    plain(&format!("{}/{path}", destination.unwrap_or_default()))
}

pub(super) fn globs<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| Error::Usage(format!("pattern {pattern}: {}", error.kind())))?;
        set.add(glob);
    }
    set.build().map_err(|error| Error::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerAddress;

    fn selected(patterns: &[&str], destination: Option<&str>) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "dist/app.tar.gz",
            "dist/sub/b.txt",
            "dist/.hidden",
            "log/a.txt",
            "top.txt",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let address = ServerAddress {
            url: "http://127.0.0.1:1".into(),
            token: "t".into(),
            ca_pem: None,
        };
        let options = UploadOptions {
            server: Server::new(&address).unwrap(),
            job: String::new(),
            base: folder.path().to_owned(),
            patterns: patterns
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect(),
            destination: destination.map(str::to_owned),
            include_all: false,
            file_bytes_max: super::super::FILE_BYTES_MAX,
        };
        select(&options).map(|(files, _)| files.into_iter().map(|found| found.path).collect())
    }

    #[test]
    fn patterns_select_files_each_once() {
        let check = |patterns: &[&str], destination: Option<&str>, expected: &[&str]| {
            assert_eq!(
                selected(patterns, destination).unwrap(),
                expected,
                "{patterns:?} {destination:?}"
            );
        };
        check(
            &["dist"],
            None,
            &["dist/.hidden", "dist/app.tar.gz", "dist/sub/b.txt"],
        );
        check(&["dist/*"], None, &["dist/.hidden", "dist/app.tar.gz"]);
        check(
            &["**/*.txt"],
            None,
            &["dist/sub/b.txt", "log/a.txt", "top.txt"],
        );
        check(
            &["{log,dist/sub}/*.txt", "top.txt", "./top.txt"],
            None,
            &["dist/sub/b.txt", "log/a.txt", "top.txt"],
        );
        check(
            &["dist/**", "!**/.hidden"],
            Some("release"),
            &["release/dist/app.tar.gz", "release/dist/sub/b.txt"],
        );
        check(&["top.txt"], Some("renamed.txt"), &["renamed.txt"]);
        check(&["top.txt"], Some("in/"), &["in/top.txt"]);
        assert!(
            selected(&["nothing-*"], None)
                .unwrap_err()
                .to_string()
                .contains("no file matches")
        );
        assert!(
            selected(&["[a"], None)
                .unwrap_err()
                .to_string()
                .contains("pattern [a")
        );
        let unset = selected(&[""], None).unwrap_err();
        assert!(unset.to_string().contains("a pattern is empty"));
    }
}
