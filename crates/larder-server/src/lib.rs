//! The HTTP front and every API that the larder speaks.
//!
//! ```text
//! server             listens, drains
//! store              the store that the settings name
//! background         what a server does by itself
//! app                what every handler is given; all routes
//! api/*, web         one folder for each API: the same files in each, strangers to each other
//! http               what APIs share and none of them defines
//! listener           sockets, timeouts, message framing
//! admin, lock        what an operator does to the store, and who owns it
//! config             every setting; the only reader of the environment
//! log, metrics       what the server says of itself
//! ```
//!
//! Each line may use the lines below it, never those above.

pub mod admin;
mod api;
pub mod app;
mod background;
pub mod config;
pub mod http;
pub mod listener;
pub mod lock;
pub mod log;
pub mod metrics;
mod server;
mod store;
mod web;

pub use server::Server;
pub use store::{is_shared, open_store, restore_store, store_exists};
