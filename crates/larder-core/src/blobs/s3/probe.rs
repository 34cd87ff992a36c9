//! Finds out at the start what a bucket can do, and says in one line what is wrong with it.

use super::address::S3Address;
use super::fault::brief;
use crate::error::Error;
use object_store::aws::AmazonS3;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

const WORD: &[u8] = b"larder";

/// Writes, reads a range, deletes, and begins and gives up a sending in parts: what was found, in a line.
pub(super) async fn probe(bucket: &AmazonS3, folder: &Path) -> object_store::Result<String> {
    // Servers that start together do not meet at one name.
    let path = folder
        .clone()
        .join(uuid::Uuid::new_v4().simple().to_string());
    bucket.put(&path, PutPayload::from_static(WORD)).await?;
    let range = bucket.get_range(&path, 1..4).await;
    bucket.delete(&path).await?;
    if range?.as_ref() != &WORD[1..4] {
        return Err(object_store::Error::NotImplemented {
            operation: "a read of a range".into(),
            implementer: "the bucket".into(),
        });
    }
    let sending = bucket.create_multipart(&path).await?;
    bucket.abort_multipart(&path, &sending).await?;
    Ok("can write, read ranges, delete, and take objects in parts".to_owned())
}

/// Why the bucket cannot be used, for whoever set it up.
pub(super) fn refusal(address: &S3Address, error: &object_store::Error) -> Error {
    let said = brief(error);
    let hint = |word: &str| said.contains(word) || error.to_string().contains(word);
    let what = if hint("NoSuchBucket") {
        format!(
            "there is no bucket `{}`: make it, or check blobs.url",
            address.bucket
        )
    } else if hint("AuthorizationHeaderMalformed") || hint("region") {
        format!(
            "the region `{}` is wrong: check blobs.region",
            address.region
        )
    } else if hint("SignatureDoesNotMatch") {
        "the secret key is wrong: check blobs.secret_key".to_owned()
    } else if hint("InvalidAccessKeyId") || hint("No such key") {
        "the access key is not known: check blobs.access_key".to_owned()
    } else if matches!(
        error,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
    ) {
        "the keys may not read and write there: check blobs.access_key, blobs.secret_key and the bucket's policy".to_owned()
    } else {
        format!("it cannot be reached: check blobs.endpoint ({said})")
    };
    Error::invalid("blobs.url", format!("{}: {what}", address.shown()))
}
