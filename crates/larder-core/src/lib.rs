//! The larder itself; no HTTP.
//!
//! ```text
//! larder                                 the whole: every use case over one store
//! artifacts builds jobs projects steps   what callers may do, every state change   (the modules that APIs call)
//!   test_results
//! access signed_url signing_keys         who asks, and whether that is allowed
//! downloads                              what is downloaded from private projects, on its way into the log
//! deletion space                         what goes at once, and how much may stay
//! collect_garbage retention check lease  what the store does for itself
//!   backup
//! store                                  rows, bytes, time, keys and settings together
//! blobs                                  bytes: local disk, objects of a bucket, memory
//! metadata                               rows: every SQL statement, on SQLite and PostgreSQL
//! model                                  plain values, no I/O
//! ```
//!
//! Each line may use the lines below it, never those above.

mod access;
mod artifacts;
mod backup;
mod blobs;
mod builds;
mod check;
pub mod clock;
mod collect_garbage;
mod deletion;
mod downloads;
mod error;
mod jobs;
mod larder;
mod lease;
mod metadata;
pub mod model;
mod projects;
mod retention;
mod signed_url;
mod signing_keys;
mod space;
mod steps;
mod store;
mod test_results;

pub use access::{Access, IssuedToken, NewTokenRequest, SESSION_MS_MAX, SignedIn, Vouched};
pub use artifacts::{
    ArtifactFilter, Artifacts, Begun, DeletingScope, Holder, Kept, Link, Readable, Received,
};
pub use backup::{BackedUp, restore};
pub use blobs::{BlobsAddress, ByteStream, Incoming, S3Address};
pub use builds::{Announced, AnnouncedNode, BuildFilter, Builds};
pub use check::{CheckReport, Fault};
pub use collect_garbage::Swept;
pub use downloads::NotedDownloads;
pub use error::{Error, Lack, Result, TokenFault, What};
pub use jobs::{JobNodes, JobOfBuild, Jobs, RecentJobs};
pub use larder::{Larder, Stored};
pub use metadata::{DATABASE_WRITE_SECONDS, DatabaseAddress, PostgresAddress};
pub use projects::Projects;
pub use signing_keys::Signing;
pub use steps::{OUTPUT_CHUNK_BYTES_MAX, Steps};
pub use store::Settings;
pub use test_results::{TestPage, TestResults};
