//! Runs `CircleCI` job configs on this machine and moves artifacts to and from a larder.
//!
//! ```text
//! plan       a config's text → what one job does
//! ```

pub mod plan;
