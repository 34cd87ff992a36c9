//! The larder itself; no HTTP.
//!
//! ```text
//! larder                                 the whole: every use case over one store
//! artifacts builds jobs projects steps   what callers may do, every state change   (the modules that APIs call)
//! access signed_url                      who asks, and whether that is allowed
//! collect_garbage retention check        what the store does for itself
//! store                                  rows, bytes, time, keys and settings together
//! metadata                               rows: every SQL statement
//! blobs                                  bytes: local disk, memory
//! model                                  plain values, no I/O
//! ```
//!
//! Each line may use the lines below it, never those above.

mod access;
mod artifacts;
mod blobs;
mod builds;
mod check;
pub mod clock;
mod collect_garbage;
mod error;
mod jobs;
mod larder;
mod metadata;
pub mod model;
mod projects;
mod retention;
mod signed_url;
mod steps;
mod store;

pub use access::{Access, IssuedToken, NewTokenRequest, SESSION_MS_MAX, SignedIn};
pub use artifacts::{
    ArtifactFilter, Artifacts, DeletingScope, Holder, Kept, Link, Readable, Received,
};
pub use blobs::{ByteStream, Incoming};
pub use builds::{Announced, AnnouncedNode, BuildFilter, Builds};
pub use check::{CheckReport, Fault};
pub use collect_garbage::Swept;
pub use error::{Error, Lack, Result, TokenFault, What};
pub use jobs::{JobNodes, JobOfBuild, Jobs, RecentJobs};
pub use larder::Larder;
pub use projects::Projects;
pub use steps::{OUTPUT_CHUNK_BYTES_MAX, Steps};
pub use store::Settings;
