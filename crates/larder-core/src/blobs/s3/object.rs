//! Sends what comes from a client to be an object: small bodies at once, larger ones in parts.

use super::PendingObject;
use super::fault::meaning;
use super::spool::Spool;
use crate::blobs::{Incoming, Measure};
use crate::error::{Error, Result};
use crate::metadata::blobs;
use futures_util::StreamExt as _;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::task::JoinHandle;

/// Bodies up to this many bytes are gathered in memory, as long as they take to come.
const GATHERED_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a part of an object: 10,000 of them, which is the most that S3 takes, are 80 GiB.
const PART_BYTES: u64 = 8 * 1024 * 1024;

/// Takes all bytes of `incoming`, at most `limit` of them, and sends them. When this returns the object is complete.
pub(super) async fn send<M: Measure>(
    object: &mut PendingObject,
    mut incoming: Incoming,
    limit: u64,
    measure: M,
) -> Result<M::Measured> {
    let declared = incoming.declared();
    if declared.is_some_and(|declared| declared <= GATHERED_BYTES_MAX) {
        return send_gathered(object, incoming, declared.unwrap_or(0), measure).await;
    }
    let mut sending = Sending::default();
    let mut spool = Spool::new(&object.shared.spool, measure).await?;
    let mut received = 0;
    while let Some(chunk) = incoming.next().await {
        let mut chunk = chunk.map_err(Error::UploadInterrupted)?;
        received += chunk.len() as u64;
        if received > limit {
            return Err(Error::TooLarge { limit });
        }
        while spool.length() + chunk.len() as u64 > PART_BYTES {
            let room = usize::try_from(PART_BYTES - spool.length()).unwrap_or(0);
            spool.push(&chunk.split_to(room)).await?;
            sending.part(object, &mut spool).await?;
        }
        spool.push(&chunk).await?;
    }
    if sending.id.is_none() {
        let _room = object.shared.room().await?;
        let bytes = spool.take().await?;
        put(object, bytes.into()).await?;
    } else {
        sending.part(object, &mut spool).await?;
        sending.complete(object).await?;
    }
    spool.finish()
}

async fn send_gathered<M: Measure>(
    object: &mut PendingObject,
    mut incoming: Incoming,
    declared: u64,
    mut measure: M,
) -> Result<M::Measured> {
    let mut gathered = Vec::new();
    let mut received = 0;
    while let Some(chunk) = incoming.next().await {
        let chunk = chunk.map_err(Error::UploadInterrupted)?;
        received += chunk.len() as u64;
        if received > declared {
            let more = "more bytes came than were declared";
            return Err(Error::UploadInterrupted(more.into()));
        }
        measure.update(&chunk);
        gathered.push(chunk);
    }
    put(object, gathered.into_iter().collect()).await?;
    Ok(measure.finish())
}

async fn put(object: &mut PendingObject, payload: PutPayload) -> Result<()> {
    match object.shared.bucket.put(&object.path, payload).await {
        Ok(_) => Ok(()),
        Err(error) => {
            object.doubt();
            Err(meaning(error))
        }
    }
}

/// An object on its way in parts.
#[derive(Default)]
struct Sending {
    id: Option<String>,
    sent: Vec<PartId>,
    /// The part that is sent while the next one comes.
    under_way: Option<JoinHandle<Result<PartId>>>,
}

impl Sending {
    /// Sends what is in the spool as the next part.
    async fn part(
        &mut self,
        object: &mut PendingObject,
        spool: &mut Spool<impl Measure>,
    ) -> Result<()> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.begin(object).await?,
        };
        self.wait(object).await?;
        let room = object.shared.room().await?;
        let bytes = spool.take().await?;
        let (shared, path, at) = (object.shared.clone(), object.path.clone(), self.sent.len());
        self.under_way = Some(tokio::spawn(async move {
            let sent = shared.bucket.put_part(&path, &id, at, bytes.into()).await;
            drop(room);
            sent.map_err(meaning)
        }));
        Ok(())
    }

    /// The sending is on record before it has parts, so that it can be given up after a crash.
    async fn begin(&mut self, object: &mut PendingObject) -> Result<String> {
        let begun = object.shared.bucket.create_multipart(&object.path).await;
        let id = begun.map_err(meaning)?;
        let (container, to_note) = (object.container, id.clone());
        let noted = object
            .shared
            .database
            .write(async move |tx| blobs::note_sending(tx, container, &to_note).await);
        if let Err(error) = noted.await {
            // Nobody else will ever know of it.
            let _ = object
                .shared
                .bucket
                .abort_multipart(&object.path, &id)
                .await;
            return Err(error);
        }
        self.id = Some(id.clone());
        Ok(id)
    }

    async fn wait(&mut self, object: &mut PendingObject) -> Result<()> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(());
        };
        let sent = under_way
            .await
            .map_err(|error| Error::internal("send a part", error))?;
        if sent.is_err() {
            object.doubt();
        }
        self.sent.push(sent?);
        Ok(())
    }

    async fn complete(mut self, object: &mut PendingObject) -> Result<()> {
        self.wait(object).await?;
        let id = self.id.unwrap_or_default();
        let completed = object
            .shared
            .bucket
            .complete_multipart(&object.path, &id, self.sent)
            .await;
        match completed {
            Ok(_) => Ok(()),
            Err(error) => {
                object.doubt();
                Err(meaning(error))
            }
        }
    }
}
