//! From the text of a config to plain values: what one job does, step by step. No file is read
//! and no process is started here.

mod config;
mod convert;
mod error;
mod job;

pub use error::{ConfigError, Position};
pub use job::{Checkout, Plan, Run, Step, StepKind, StoreArtifacts, When};
