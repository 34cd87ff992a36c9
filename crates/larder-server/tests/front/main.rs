//! The front from outside: bytes on a socket, and what comes back.

mod configuration;
mod drain;
mod malformed;
mod middleware;
mod odd;
mod slow;
mod support;
mod tls;
