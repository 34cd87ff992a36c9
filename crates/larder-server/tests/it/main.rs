//! Requests to the whole server in process; folders mirror the addresses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod circleci;
mod support;
