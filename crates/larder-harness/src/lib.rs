//! Real servers for tests, and the faults that networks add. Nothing that is shipped has this crate.
//!
//! Everything here is blocking and runs on threads of its own, so that a test with or without a runtime can use it.
//!
//! - `port`: ports that nobody is given by chance
//! - `process`: a server's process and its children: how it starts, pauses and dies
//! - `server`: one that is started, stopped and killed again and again
//! - `secret`: passwords and keys for one run
//! - `postgres`: a private PostgreSQL
//! - `certificate`: its certificate, for tests of TLS
//! - `garage`: a private Garage, which speaks S3
//! - `acceptor`: a listening socket that can close and open again
//! - `chaos_proxy`: a proxy that cuts, stalls and delays
//! - `round_robin`: a proxy in front of several equal servers

mod acceptor;
#[cfg(feature = "tls")]
mod certificate;
mod chaos_proxy;
mod garage;
mod port;
mod postgres;
mod process;
mod round_robin;
mod secret;
mod server;

pub use chaos_proxy::{ChaosProxy, Mode, Moment, Side};
pub use garage::Garage;
pub use postgres::{Postgres, PostgresOptions};
pub use round_robin::RoundRobin;
