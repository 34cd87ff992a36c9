//! Files on their way to and from the larder: which ones, under which names, and their bytes.

mod collect;
mod destination;
mod download;
mod file;
mod glob;
pub(crate) mod junit;
mod open;
mod pattern;
mod receive;
mod secrets;
mod select;
mod source;
mod target;
mod upload;
mod uploader;
mod view;

pub use collect::printable;
pub use download::{
    DownloadEvent, DownloadOptions, DownloadSummary, SavedFile, download, download_to,
};
pub use pattern::Patterns;
pub use source::{ArtifactSource, Holder, LatestBuild, LatestState, Listing, list};
pub use upload::{
    ChosenFiles, IfNoFiles, PlannedFile, StoredFile, UploadEvent, UploadOptions, UploadSummary,
    choose_files, plan_upload, upload, upload_chosen, upload_file,
};

pub(crate) use collect::{Collect, Found, OWN_FOLDERS};
pub(crate) use destination::Destination;
pub(crate) use secrets::Secrets;
pub(crate) use uploader::Uploader;
pub(crate) use view::{Mount, View};

/// The documented limit of one file: 3 GB.
pub const FILE_BYTES_MAX: u64 = 3_000_000_000;
