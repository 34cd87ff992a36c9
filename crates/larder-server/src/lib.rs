//! The HTTP front and every API that the larder speaks.
//!
//! ```text
//! server             opens the store, listens, drains
//! app                what every handler is given; all routes
//! api/*, web         one folder for each API: the same files in each, strangers to each other
//! http               what APIs share and none of them defines
//! listener           sockets, timeouts, message framing
//! config             every setting; the only reader of the environment
//! ```
//!
//! Each line may use the lines below it, never those above.

pub mod admin;
pub mod api;
pub mod app;
pub mod http;
pub mod lock;
