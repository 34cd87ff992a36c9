//! Sends files of one job: small ones many at a time, large ones in parts of which only those that
//! are missing are sent, each as often as it takes.

use super::collect::Found;
use super::file::{Measured, SMALL_BYTES_MAX, measure};
use super::secrets::Secrets;
use super::upload::StoredFile;
use crate::error::{Error, Result};
use crate::server::{Part, Server, WholeFile};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use larder_protocol::{ArtifactBody, BeginUpload, UploadBody};
use reqwest::Body;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Small files on their way at once: the server puts those that come together to disk together.
/// Each is in memory, so that this times 256 KiB is what they take.
const CONCURRENT_SMALL: usize = 48;
/// Other files on their way at once.
const CONCURRENT_LARGE: usize = 4;
/// Parts of one file on their way at once; what of them was sent is lost with the connection.
const CONCURRENT_PARTS: usize = 4;
/// Files measured at once: more threads would not read faster, and each has memory of its own.
const CONCURRENT_MEASURES: usize = 4;
/// Larger files go in parts.
const WHOLE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How often an upload that the server has forgotten is begun.
const BEGINNINGS_MAX: u32 = 3;

/// Sends files of one job.
#[derive(Clone, Debug)]
pub(crate) struct Uploader {
    server: Server,
    job: String,
    file_bytes_max: u64,
    secrets: Secrets,
    traffic: Arc<Traffic>,
    measuring: Arc<Semaphore>,
}

/// How far the files of an uploader are.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Bytes of files that were given to the network, those that had to be sent again included.
    sent: Arc<AtomicU64>,
    /// Why something is tried again, until somebody has taken it.
    trouble: Mutex<Option<String>>,
}

impl Traffic {
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().ok()?.take()
    }
}

impl Uploader {
    pub(crate) fn new(server: Server, job: String, file_bytes_max: u64, secrets: Secrets) -> Self {
        Self {
            server,
            job,
            file_bytes_max,
            secrets,
            traffic: Arc::default(),
            measuring: Arc::new(Semaphore::new(CONCURRENT_MEASURES)),
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    /// Sends all files, many at a time; answers come as they are done.
    pub(crate) fn keep_all(
        &self,
        files: impl IntoIterator<Item = (Found, Option<String>)>,
    ) -> impl Stream<Item = Result<StoredFile>> + Unpin {
        let (small, large): (Vec<_>, Vec<_>) = files.into_iter().partition(|(found, _)| {
            std::fs::symlink_metadata(&found.local)
                .is_ok_and(|metadata| metadata.len() <= SMALL_BYTES_MAX)
        });
        let keep = |(found, alias)| Box::pin(self.keep(found, alias));
        let small = stream::iter(small.into_iter().map(keep)).buffer_unordered(CONCURRENT_SMALL);
        let large = stream::iter(large.into_iter().map(keep)).buffer_unordered(CONCURRENT_LARGE);
        stream::select(small, large)
    }

    /// Sends one file; one that changes meanwhile is tried once more from its beginning.
    async fn keep(&self, found: Found, alias: Option<String>) -> Result<StoredFile> {
        match self.attempt(&found, alias.as_deref()).await {
            Err(Error::Changed { .. }) => self.attempt(&found, alias.as_deref()).await,
            answer => answer,
        }
    }

    async fn measure(&self, found: &Found) -> Result<Measured> {
        let (local, bytes_max) = (found.local.clone(), self.file_bytes_max);
        let secrets = self.secrets.clone();
        // Nobody closes it; without a permit it would only be more threads.
        let _permit = self.measuring.acquire().await;
        tokio::task::spawn_blocking(move || measure(&local, bytes_max, &secrets))
            .await
            .map_err(|error| Error::Usage(error.to_string()))?
    }

    async fn attempt(&self, found: &Found, alias: Option<&str>) -> Result<StoredFile> {
        let measured = self.measure(found).await?;
        let sent = Arc::new(AtomicU64::new(0));
        let upload = OneUpload {
            uploader: self,
            found,
            alias,
            measured: &measured,
            sent: &sent,
        };
        let answer = if measured.size > WHOLE_BYTES_MAX {
            upload.in_parts().await
        } else {
            upload.whole().await
        };
        let artifact = answer.map_err(|error| upload.explained(error))?;
        let sha256 = measured.sha256_hex();
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
            size: measured.size,
            sha256,
            sent_bytes: sent.load(Ordering::Relaxed),
            warning: measured.grew.then(|| {
                format!(
                    "{}: it grew while it was read; its first {} bytes are kept",
                    found.local.display(),
                    measured.size
                )
            }),
            artifact,
        })
    }
}

/// Tries again while a server that is known to be there is away.
struct Patience<'a> {
    uploader: &'a Uploader,
    tried: usize,
}

impl<'a> Patience<'a> {
    fn of(uploader: &'a Uploader) -> Self {
        Self { uploader, tried: 0 }
    }

    /// Waits and says `None` if it is to be tried again.
    async fn judge<T>(&mut self, answer: Result<T>) -> Option<Result<T>> {
        let error = match answer {
            Err(error) if is_passing(&error) => error,
            answer => return Some(answer),
        };
        let Some(&wait) = self.uploader.server.patience().get(self.tried) else {
            return Some(Err(error));
        };
        self.tried += 1;
        if let Ok(mut trouble) = self.uploader.traffic.trouble.lock() {
            *trouble = Some(format!("{error}; trying again"));
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
        None
    }
}

/// One file on its way.
struct OneUpload<'a> {
    uploader: &'a Uploader,
    found: &'a Found,
    alias: Option<&'a str>,
    measured: &'a Measured,
    /// Bytes of it that were given to the network.
    sent: &'a Arc<AtomicU64>,
}

impl OneUpload<'_> {
    async fn whole(&self) -> Result<ArtifactBody> {
        let sha256_base64 = self.measured.sha256_base64();
        let file = WholeFile {
            path: &self.found.path,
            alias: self.alias,
            mode: Some(self.mode()),
            size: self.measured.size,
            sha256_base64: &sha256_base64,
        };
        let (server, job) = (&self.uploader.server, &self.uploader.job);
        let mut patience = Patience::of(self.uploader);
        loop {
            let body = match self.measured.content() {
                Some(content) => {
                    self.count(content.len() as u64);
                    content.into()
                }
                None => self.body(0..self.measured.size),
            };
            let answer = server.put_artifact(job, &file, body).await;
            if let Some(answer) = patience.judge(self.unless_shrunk(answer)).await {
                return answer;
            }
        }
    }

    async fn in_parts(&self) -> Result<ArtifactBody> {
        let (server, job) = (&self.uploader.server, &self.uploader.job);
        let file = BeginUpload {
            path: self.found.path.clone(),
            size: self.measured.size,
            sha256: self.measured.sha256_hex(),
            alias: self.alias.map(str::to_owned),
            content_type: None,
            mode: Some(self.mode()),
        };
        for _ in 0..BEGINNINGS_MAX {
            let upload = match server.begin_upload(job, &file).await {
                Err(Error::Refused { code, .. }) if code == "no_such_route" => {
                    return self.whole().await;
                }
                answer => answer?,
            };
            if let Some(artifact) = upload.artifact {
                return Ok(artifact);
            }
            let answer = match self.send_missing(&upload).await {
                Ok(()) => server.finish_upload(job, &upload.id, &file).await,
                Err(error) => Err(error),
            };
            // Swept away meanwhile: the next beginning starts anew.
            if !matches!(
                &answer,
                Err(Error::Refused {
                    status: 404 | 410,
                    ..
                })
            ) {
                return answer;
            }
        }
        Err(Error::Damaged {
            what: format!("upload {}", self.found.path),
            reason: "the server forgets the upload again and again".to_owned(),
        })
    }

    async fn send_missing(&self, upload: &UploadBody) -> Result<()> {
        let size = self.measured.size;
        let is_plausible =
            upload.part_bytes > 0 && u64::from(upload.parts) == size.div_ceil(upload.part_bytes);
        if !is_plausible {
            return Err(Error::Damaged {
                what: format!("upload {}", self.found.path),
                reason: format!(
                    "the server wants {} parts of {} bytes of {size}",
                    upload.parts, upload.part_bytes
                ),
            });
        }
        let missing = (0..upload.parts).filter(|part| !upload.held.contains(part));
        let sending: Vec<BoxFuture<'_, Result<()>>> = missing
            .map(|part| self.send_part(upload, part).boxed())
            .collect();
        stream::iter(sending)
            .buffer_unordered(CONCURRENT_PARTS)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await
    }

    async fn send_part(&self, upload: &UploadBody, number: u32) -> Result<()> {
        let start = u64::from(number) * upload.part_bytes;
        let range = start..self.measured.size.min(start + upload.part_bytes);
        let (measured, part) = (self.measured.clone(), range.clone());
        let sha256_base64 = tokio::task::spawn_blocking(move || measured.sha256_base64_of(part))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|_| self.changed("it shrank"))?;
        let part = Part {
            path: &self.found.path,
            upload: &upload.id,
            number,
            size: range.end - range.start,
            sha256_base64: &sha256_base64,
        };
        let (server, job) = (&self.uploader.server, &self.uploader.job);
        let mut patience = Patience::of(self.uploader);
        loop {
            let answer = server.put_part(job, &part, self.body(range.clone())).await;
            if let Some(answer) = patience.judge(self.unless_shrunk(answer)).await {
                return answer;
            }
        }
    }

    fn body(&self, part: std::ops::Range<u64>) -> Body {
        let counts = [self.sent.clone(), self.uploader.traffic.sent.clone()];
        Body::wrap_stream(self.measured.pieces(part).inspect_ok(move |piece| {
            for count in &counts {
                count.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        }))
    }

    fn count(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.uploader
            .traffic
            .sent
            .fetch_add(bytes, Ordering::Relaxed);
    }

    fn mode(&self) -> String {
        format!("{:03o}", self.measured.mode)
    }

    /// A file that shrank breaks the connection off; that is not the server's silence.
    fn unless_shrunk<T>(&self, answer: Result<T>) -> Result<T> {
        match answer {
            Err(Error::Unreachable { .. }) if self.measured.has_shrunk() => {
                Err(self.changed("it shrank"))
            }
            answer => answer,
        }
    }

    /// The digest was true when it was measured: other bytes mean another file by now.
    fn explained(&self, error: Error) -> Error {
        match error {
            Error::Refused { code, .. } if code == "digest_mismatch" => {
                self.changed("its bytes are not those that were measured")
            }
            error => error,
        }
    }

    fn changed(&self, how: &'static str) -> Error {
        Error::Changed {
            what: self.found.local.display().to_string(),
            how,
        }
    }
}

fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        _ => false,
    }
}
