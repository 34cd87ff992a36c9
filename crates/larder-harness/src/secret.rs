//! Passwords and keys for one run: nobody but this run ever knows them.

use anyhow::{Result, anyhow};
use std::fmt::Write as _;

/// This many random bytes, as lower-case hex.
pub(crate) fn hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| anyhow!("ask for random bytes: {error}"))?;
    let mut text = String::with_capacity(bytes * 2);
    for byte in random {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
