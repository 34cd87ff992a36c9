//! The HTTP front and every API that the larder speaks.

pub mod config;
pub mod http;
pub mod listener;
pub mod log;
pub mod metrics;
