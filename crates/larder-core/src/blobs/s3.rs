//! Bytes as objects of a bucket, one object a container, for any number of servers.
//!
//! An object is on record as intended before its first byte is sent, under a key that was never used: so whatever is
//! left of a sending that did not end well is an overdue row, and no sweep lists the bucket. Nothing relies on the
//! bucket to refuse a key that exists.

mod address;
mod fault;
mod object;
mod probe;
mod spool;

pub use address::S3Address;

use crate::blobs::{ByteStream, Incoming, Measure, Pending, Written, pieces};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::metadata::Database;
use crate::metadata::blobs::{self, Extent};
use crate::model::ByteRange;
use bytes::Bytes;
use fault::meaning;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Parts of objects in memory at a time, of all uploads together: what they wait for otherwise lies on the disk.
const PARTS_IN_MEMORY_MAX: usize = 8;
/// How long a sending may take. Nothing of an upload that goes on is condemned before.
const INTENT_MS: i64 = 24 * 60 * 60 * 1000;
/// After a failure whose outcome is unknown, the bucket may still complete what it was sent.
const UNKNOWN_MS: i64 = 10 * 60 * 1000;

/// The objects of a bucket under a prefix.
pub(crate) struct S3Blobs {
    shared: Arc<Shared>,
    /// Whether downloads may be sent to the bucket.
    pub(super) redirect: bool,
}

/// What sendings go on with when whoever asked for them has gone.
struct Shared {
    bucket: AmazonS3,
    /// The same bucket, for answers that take as long as they take.
    reader: AmazonS3,
    prefix: String,
    /// Folder of parts that wait to be sent.
    spool: std::path::PathBuf,
    in_memory: Arc<Semaphore>,
    database: Arc<Database>,
    clock: Clock,
}

/// Finds out what is wrong with a bucket before anything is made that relies on it.
pub(crate) async fn try_bucket(address: &S3Address) -> Result<()> {
    let bucket = address.bucket(Some(address::REQUEST_TIMEOUT))?;
    let folder = Path::from(format!("{}/probe", address.prefix));
    let found = probe::probe(&bucket, &folder).await;
    let found = found.map_err(|error| probe::refusal(address, &error))?;
    tracing::info!(bucket = address.shown(), %found, "blobs are objects");
    Ok(())
}

impl S3Blobs {
    /// The bucket, which [`try_bucket`] has tried.
    pub(crate) fn open(
        address: &S3Address,
        spool: std::path::PathBuf,
        database: Arc<Database>,
        clock: Clock,
    ) -> Result<Self> {
        let shared = Shared {
            bucket: address.bucket(Some(address::REQUEST_TIMEOUT))?,
            reader: address.bucket(None)?,
            prefix: address.prefix.clone(),
            in_memory: Arc::new(Semaphore::new(PARTS_IN_MEMORY_MAX)),
            spool,
            database,
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
            redirect: address.redirect,
        })
    }

    pub(super) async fn write<M: Measure>(
        &self,
        incoming: Incoming,
        limit: u64,
        measure: M,
    ) -> Result<Written<M::Measured>> {
        if incoming.declared().is_some_and(|declared| declared > limit) {
            return Err(Error::TooLarge { limit });
        }
        let key = uuid::Uuid::new_v4().simple().to_string();
        let mut object = self.shared.intend(&key).await?;
        let measured = object::send(&mut object, incoming, limit, measure).await?;
        Ok(Written {
            key,
            measured,
            container: Some(object.container),
            pending: Pending::Object(object),
        })
    }

    /// The first object is asked for at once, so that a missing one is an error and not a cut answer.
    pub(super) async fn open_range(
        &self,
        extents: &[Extent],
        range: ByteRange,
    ) -> Result<ByteStream> {
        let mut pieces: VecDeque<_> = pieces(extents, range).into();
        let first = match pieces.pop_front() {
            Some(piece) => Some(self.shared.get(piece).await.map_err(meaning)?),
            None => None,
        };
        let state = (self.shared.clone(), first, pieces);
        let chunks =
            futures_util::stream::try_unfold(state, async |(shared, mut open, mut rest)| {
                loop {
                    if let Some(stream) = &mut open
                        && let Some(chunk) = stream.try_next().await?
                    {
                        return Ok(Some((chunk, (shared, open, rest))));
                    }
                    let Some(piece) = rest.pop_front() else {
                        return Ok(None);
                    };
                    open = Some(shared.get(piece).await?);
                }
            });
        let chunks = chunks.map_err(|error: object_store::Error| std::io::Error::other(error));
        Ok(ByteStream::new(
            exactly(chunks, range.length()),
            range.length(),
        ))
    }

    pub(super) async fn holds(&self, extents: Vec<Extent>) -> Result<bool> {
        for extent in extents {
            match self
                .shared
                .bucket
                .head(&self.shared.path_of(&extent.container))
                .await
            {
                Ok(found) if found.size >= extent.start + extent.length => {}
                Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(meaning(error)),
            }
        }
        Ok(true)
    }

    /// Removes an object, and what was sent of one that was not completed.
    pub(super) async fn delete(&self, key: &str, sending: Option<&str>) -> Result<()> {
        let path = self.shared.path_of(key);
        if let Some(sending) = sending {
            let sending = sending.to_owned();
            match self.shared.bucket.abort_multipart(&path, &sending).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(meaning(error)),
            }
        }
        match self.shared.bucket.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(meaning(error)),
        }
    }

    pub(super) async fn keys(&self) -> Result<Vec<String>> {
        self.listed()
            .await
            .map(|listed| listed.into_iter().filter_map(Result::ok).collect())
    }

    pub(super) async fn strays(&self) -> Result<Vec<String>> {
        self.listed()
            .await
            .map(|listed| listed.into_iter().filter_map(Result::err).collect())
    }

    /// Every object under the prefix: by its key, or by its path where it is none of ours.
    async fn listed(&self) -> Result<Vec<Result<String, String>>> {
        let prefix = self.shared.path_of("");
        let mut objects = self.shared.bucket.list(Some(&prefix));
        let mut listed = Vec::new();
        while let Some(object) = objects.try_next().await.map_err(meaning)? {
            let name = object.location.filename().unwrap_or_default().to_owned();
            let is_ours = object.location == self.shared.path_of(&name) && is_key(&name);
            listed.push(if is_ours {
                Ok(name)
            } else {
                Err(object.location.to_string())
            });
        }
        Ok(listed)
    }

    pub(super) async fn probe(&self) -> Result<()> {
        // What is not there tells as much of whether the bucket answers as what is.
        match self.shared.bucket.head(&self.shared.path_of("probe")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(meaning(error)),
        }
    }

    /// An address that gives the bytes to whoever has it, for a while, if they are one whole object.
    pub(super) async fn presigned(
        &self,
        extents: &[Extent],
        size: u64,
        life: Duration,
        answer: &[(&'static str, String)],
    ) -> Result<Option<String>> {
        let [extent] = extents else { return Ok(None) };
        if !self.redirect || extent.start != 0 || extent.length != size {
            return Ok(None);
        }
        let get = "GET"
            .parse()
            .map_err(|error| Error::internal("name a method", error))?;
        let options = SignedUrlOptions::default().with_query(answer.iter().cloned());
        let path = self.shared.path_of(&extent.container);
        let signed = self
            .shared
            .bucket
            .signed_url_opts(get, &path, life, &options)
            .await;
        signed.map(|url| Some(url.to_string())).map_err(meaning)
    }
}

impl std::fmt::Debug for S3Blobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("S3Blobs")
            .field("bucket", &self.shared.bucket)
            .field("prefix", &self.shared.prefix)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Keys are ours: hexadecimal digits, of which the last two spread the objects over prefixes.
    fn path_of(&self, key: &str) -> Path {
        let fan = key.get(key.len().saturating_sub(2)..).unwrap_or("");
        Path::from(format!("{}/{fan}/{key}", self.prefix))
    }

    /// Room for one part in memory.
    async fn room(&self) -> Result<OwnedSemaphorePermit> {
        let room = self.in_memory.clone().acquire_owned().await;
        room.map_err(|error| Error::internal("wait for memory", error))
    }

    async fn get(
        &self,
        piece: Extent,
    ) -> object_store::Result<futures_util::stream::BoxStream<'static, object_store::Result<Bytes>>>
    {
        let range = piece.start..piece.start + piece.length;
        let options = GetOptions {
            range: Some(range.into()),
            ..GetOptions::default()
        };
        let got = self
            .reader
            .get_opts(&self.path_of(&piece.container), options)
            .await?;
        Ok(got.into_stream())
    }

    /// Puts an object on record before anything of it is sent.
    async fn intend(self: &Arc<Self>, key: &str) -> Result<PendingObject> {
        let (container, intended) = (self.database.number().await?, key.to_owned());
        let deadline = self.clock.now().plus_ms(INTENT_MS);
        self.database
            .write(async move |tx| blobs::intend(tx, container, &intended, deadline).await)
            .await?;
        Ok(PendingObject {
            shared: self.clone(),
            container,
            path: self.path_of(key),
            overdue_in_ms: Some(0),
        })
    }
}

/// An object that is on record and which no other row names yet. Dropped unkept, it is overdue at once.
pub(super) struct PendingObject {
    shared: Arc<Shared>,
    container: i64,
    path: Path,
    /// After how long the sweep may take it; none once it is kept.
    overdue_in_ms: Option<i64>,
}

impl PendingObject {
    pub(super) fn keep(&mut self) {
        self.overdue_in_ms = None;
    }

    /// The bucket may yet complete what it was sent.
    fn doubt(&mut self) {
        self.overdue_in_ms = Some(UNKNOWN_MS);
    }
}

impl Drop for PendingObject {
    fn drop(&mut self) {
        let Some(overdue_in_ms) = self.overdue_in_ms else {
            return;
        };
        let (shared, container) = (self.shared.clone(), self.container);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let deadline = shared.clock.now().plus_ms(overdue_in_ms);
            let noted = shared
                .database
                .write(async move |tx| blobs::give_up_intent(tx, container, deadline).await);
            // It is overdue in a day in any case.
            if let Err(error) = noted.await {
                tracing::warn!(%error, "note that an object is not needed");
            }
        });
    }
}

impl std::fmt::Debug for PendingObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PendingObject")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn is_key(name: &str) -> bool {
    name.len() == 32
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The same bytes; an end before there were so many is an error.
fn exactly(
    chunks: impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    length: u64,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let state = (Box::pin(chunks), length);
    futures_util::stream::try_unfold(state, async |(mut chunks, left)| {
        match chunks.next().await.transpose()? {
            Some(chunk) => {
                let left = left.saturating_sub(chunk.len() as u64);
                Ok(Some((chunk, (chunks, left))))
            }
            None if left > 0 => Err(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "a blob is shorter than its row says",
            )),
            None => Ok(None),
        }
    })
}
