//! The front from outside: bytes on a socket, and what comes back.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what is missing is a failure"
)]

mod configuration;
mod drain;
mod malformed;
mod middleware;
mod odd;
mod slow;
mod support;
mod tls;
