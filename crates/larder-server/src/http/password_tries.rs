//! How often passwords may be tried: nobody guesses them at the speed of a machine, neither from one address nor for one
//! account from many.

use crate::http::per_minute::{PerMinute, TooMany, client_of};
use std::net::IpAddr;

/// Tries that fail from one address in a minute: an office behind one address mistypes less often.
const OF_ADDRESS: u64 = 20;
/// Tries that fail for one name in a minute, whether or not there is such a user.
const OF_NAME: u64 = 10;
/// No user has a longer name, so that those that are longer are one.
const NAME_BYTES_MAX: usize = 100;

/// Counts tries that fail, in memory.
#[derive(Debug)]
pub struct PasswordTries {
    addresses: PerMinute<IpAddr>,
    names: PerMinute<String>,
}

impl PasswordTries {
    /// Lets a try begin at `now_ms` since 1970. It counts as one that fails until [`PasswordTries::succeeded`] says
    /// otherwise, so that many at once are no way around.
    pub fn begin(&self, address: Option<IpAddr>, name: &str, now_ms: i64) -> Result<(), TooMany> {
        if let Some(address) = address {
            self.addresses.count(client_of(address), now_ms)?;
        }
        self.names.count(key(name), now_ms)
    }

    /// The try did not fail.
    pub fn succeeded(&self, address: Option<IpAddr>, name: &str) {
        if let Some(address) = address {
            self.addresses.take_back(&client_of(address));
        }
        self.names.take_back(&key(name));
    }
}

impl Default for PasswordTries {
    fn default() -> Self {
        Self {
            addresses: PerMinute::new(OF_ADDRESS),
            names: PerMinute::new(OF_NAME),
        }
    }
}

fn key(name: &str) -> String {
    match name.len() {
        0..=NAME_BYTES_MAX => name.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_name_have_each_their_limit() {
        let tries = PasswordTries::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for number in 0..20 {
            let name = format!("user-{number}");
            assert_eq!(tries.begin(address(1), &name, 0), Ok(()));
        }
        assert!(tries.begin(address(1), "another", 30_000).is_err());
        for last in 2..12 {
            assert_eq!(tries.begin(address(last), "ada", 0), Ok(()));
        }
        let waits = tries.begin(address(20), "ada", 15_000);
        assert_eq!(waits, Err(TooMany { retry_after_s: 45 }));
        assert_eq!(tries.begin(address(20), "ada", 60_000), Ok(()));
    }

    #[test]
    fn tries_that_succeed_do_not_count() {
        let tries = PasswordTries::default();
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        for _ in 0..100 {
            assert_eq!(tries.begin(address, "ada", 0), Ok(()));
            tries.succeeded(address, "ada");
        }
    }
}
