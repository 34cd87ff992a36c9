//! Requests to the whole server in process; folders mirror the addresses.

mod circleci;
mod support;
