//! The HTTP front and every API that the larder speaks.

pub mod config;
pub mod listener;
pub mod metrics;
