//! Files on their way to and from the larder: which ones, under which names, and their bytes.

mod collect;
mod destination;
mod download;
mod file;
mod secrets;
mod upload;
mod view;

pub use download::{DownloadEvent, DownloadOptions, DownloadSource, DownloadSummary, download};
pub use upload::{StoredFile, UploadEvent, UploadOptions, UploadSummary, upload};

pub(crate) use collect::{Collect, Found, OWN_FOLDERS};
pub(crate) use destination::Destination;
pub(crate) use secrets::Secrets;
pub(crate) use upload::Uploader;
pub(crate) use view::{Mount, View};

/// The documented limit of one file: 3 GB.
pub const FILE_BYTES_MAX: u64 = 3_000_000_000;
