//! Runs `CircleCI` job configs on this machine and moves artifacts to and from a larder.
//!
//! ```text
//! ci         what a CI's environment says of its build
//! run        runs a job: nodes, steps, processes, what they keep
//! artifacts  collects, uploads and downloads files
//! server     the native API, spoken over HTTP
//! plan       a config's text → what one job does
//! error      why something could not be carried out
//! ```
//!
//! Each line may use the lines below it, never those above. The crate reads no environment
//! variables, no clock and no command line: its callers pass what they found there.

pub mod artifacts;
pub mod ci;
pub mod error;
pub mod plan;
pub mod run;
pub mod server;

pub use error::{Error, Result};
pub use run::{sandbox, shim};
