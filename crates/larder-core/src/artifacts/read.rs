//! The bytes of artifacts, and links that stand for the right to read them.

use crate::access::{Access, Action, Resource, absent, authorize};
use crate::artifacts::Artifacts;
use crate::blobs::ByteStream;
use crate::downloads::Download;
use crate::error::{Error, Result, TokenFault, What};
use crate::metadata::artifacts as rows;
use crate::metadata::blobs;
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Build, ByteRange, Job, Principal, Project,
};
use crate::signed_url::{Claim, Purpose, Subject};
use std::time::Duration;

/// How long an address of the bucket is good: as long as a link of ours.
const PRESIGNED: Duration = Duration::from_mins(1);

/// A finished artifact that the caller may read: there is no other way to its bytes.
#[derive(Clone, Debug)]
pub struct Readable {
    artifact: Artifact,
    /// What the log says of a download, if it says anything: what all may read is not noted.
    note: Option<Download>,
}

impl Readable {
    /// The artifact.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

/// A link that stands for the right to read one artifact for a minute.
#[derive(Clone)]
pub struct Link {
    /// What follows `/d/` in the address.
    pub token: String,
    /// The artifact to which it leads.
    pub artifact: Artifact,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Link")
            .field("artifact", &self.artifact.id)
            .finish_non_exhaustive()
    }
}

impl Artifacts {
    /// The artifact of that id, for reading.
    pub async fn readable(&self, who: &Principal, id: ArtifactId) -> Result<Readable> {
        let (artifact, build) = self.by_id(who, id, Action::ReadArtifacts).await?;
        finished(who, &build.project, artifact)
    }

    /// The newest finished artifact of a node under that path or alias, for reading; [`Error::Expired`] if the
    /// retention of all of them is over.
    pub async fn readable_by_path(
        &self,
        who: &Principal,
        build: &Build,
        job: &Job,
        path: &str,
    ) -> Result<Readable> {
        authorize(
            who,
            Action::ReadArtifacts,
            Resource::job(&build.project, build.pk, job.pk),
        )?;
        let found = match self.newest(job, path, ArtifactState::Finished).await? {
            Some(artifact) => Some(artifact),
            None => self.newest(job, path, ArtifactState::Expired).await?,
        };
        let found = found.ok_or_else(|| absent(who, What::Artifact))?;
        finished(who, &build.project, found)
    }

    /// The newest artifact of a node in that state under that path or alias.
    pub(super) async fn newest(
        &self,
        job: &Job,
        path: &str,
        state: ArtifactState,
    ) -> Result<Option<Artifact>> {
        let (as_of, pk, wanted) = (self.0.as_of_now(), job.pk, path.to_owned());
        self.0
            .database
            .read(
                async move |tx| match rows::newest(tx, as_of, pk, &wanted, state).await? {
                    Some(artifact) => Ok(Some(artifact)),
                    None => rows::newest_by_alias(tx, as_of, pk, &wanted, state).await,
                },
            )
            .await
    }

    /// Signs a link to the artifact of that id, in the caller's name.
    pub async fn link(&self, who: &Principal, id: ArtifactId) -> Result<Link> {
        let artifact = self.readable(who, id).await?.artifact;
        let claim = Claim {
            purpose: Purpose::Download,
            target: artifact.id.0,
            subject: Subject::of(who).ok_or(Error::Unauthenticated)?,
            expires_at: Purpose::Download.expiry(self.0.clock.now()),
        };
        Ok(Link {
            token: self.0.keys.sign(&claim),
            artifact,
        })
    }

    /// The artifact to which a link leads, if the link is good now and whoever asked for it may still read.
    pub async fn readable_by_link(&self, token: &str) -> Result<Readable> {
        let claim = self
            .0
            .keys
            .verify(token, Purpose::Download, self.0.clock.now())
            .await??;
        let principal = match claim.subject {
            Subject::Operator => Principal::Operator,
            Subject::Token(id) => Access(self.0.clone()).principal_of_token(id).await?,
            Subject::Session(id) => Access(self.0.clone()).principal_of_session(id).await?,
            Subject::Vouched(id) => Access(self.0.clone()).principal_of_vouched(id).await?,
        };
        // Whoever holds the link learns no more than that it does not work any more.
        let readable = self.readable(&principal, ArtifactId(claim.target)).await;
        readable.map_err(|error| match error {
            Error::NotFound(_) | Error::Forbidden(_) | Error::Unauthenticated => {
                Error::NotFound(What::Artifact)
            }
            other => other,
        })
    }

    /// An address where the bucket itself gives the bytes to whoever has it, for a minute; none where the larder sends
    /// them. `answer` are the headers that the bucket shall answer with, by its own names for them.
    pub async fn presigned(
        &self,
        readable: &Readable,
        answer: &[(&'static str, String)],
    ) -> Result<Option<String>> {
        let artifact = &readable.artifact;
        let blob = artifact.blob_pk.ok_or(Error::NotFound(What::Artifact))?;
        let extents = self
            .0
            .database
            .read(async move |tx| blobs::extents(tx, blob).await)
            .await?;
        let blobs = &self.0.blobs;
        let address = blobs
            .presigned(&extents, artifact.size, PRESIGNED, answer)
            .await?;
        if address.is_some() {
            self.note_download(readable);
        }
        Ok(address)
    }

    fn note_download(&self, readable: &Readable) {
        if let Some(note) = &readable.note {
            self.0.downloads.note(note, self.0.clock.now());
        }
    }

    /// The bytes of an artifact, or a range of them. A read of the whole is checked as it passes: bytes that are not
    /// those that were kept end in an error, never in a complete answer.
    pub async fn open(&self, readable: &Readable, range: Option<ByteRange>) -> Result<ByteStream> {
        let artifact = &readable.artifact;
        if let Some(range) = range
            && (range.start >= range.end || range.end > artifact.size)
        {
            return Err(Error::RangeNotSatisfiable {
                size: artifact.size,
            });
        }
        let blob = artifact.blob_pk.ok_or(Error::NotFound(What::Artifact))?;
        let found = self
            .0
            .database
            .read(async move |tx| {
                Ok((
                    blobs::by_pk(tx, blob).await?,
                    blobs::extents(tx, blob).await?,
                ))
            })
            .await?;
        let (Some(blob), extents) = found else {
            return Err(Error::NotFound(What::Artifact));
        };
        let whole = ByteRange {
            start: 0,
            end: artifact.size,
        };
        let stream = self.0.blobs.open(&extents, range.unwrap_or(whole)).await?;
        self.note_download(readable);
        Ok(match range {
            None => stream.checked(blob.digests.crc32),
            Some(_) => stream,
        })
    }
}

fn finished(who: &Principal, project: &Project, artifact: Artifact) -> Result<Readable> {
    match artifact.state {
        ArtifactState::Finished => Ok(Readable {
            note: Download::noted(who, project, &artifact),
            artifact,
        }),
        ArtifactState::Expired => Err(Error::Expired(What::Artifact)),
        ArtifactState::New | ArtifactState::Error | ArtifactState::Deleted => {
            Err(Error::NotFound(What::Artifact))
        }
    }
}

impl From<crate::signed_url::Refusal> for Error {
    fn from(refusal: crate::signed_url::Refusal) -> Self {
        match refusal {
            crate::signed_url::Refusal::Expired => Self::InvalidToken(TokenFault::Expired),
            crate::signed_url::Refusal::Forged => Self::InvalidToken(TokenFault::Unknown),
        }
    }
}
