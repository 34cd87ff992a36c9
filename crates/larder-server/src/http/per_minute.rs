//! Counts of what may happen so often in a minute, for each of many keys, in memory that is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: i64 = 60_000;
/// So many keys are told apart in one minute; 64 bytes each or so. More share one count.
const KEYS_MAX: usize = 16_384;
/// Keys that share one count may together do so many times what one may.
const SHARED_FACTOR: u64 = 16;

/// Counts for each key.
#[derive(Debug)]
pub struct PerMinute<K> {
    limit: u64,
    window: Mutex<Window<K>>,
}

/// The minute at hand. A new minute begins with nothing, which bounds both memory and the wait.
#[derive(Debug)]
struct Window<K> {
    begins_at_ms: i64,
    counts: HashMap<K, u64>,
    shared: u64,
}

/// The limit is reached: 429 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// How long the client must wait, in seconds.
    pub retry_after_s: u64,
}

impl<K: Eq + Hash> PerMinute<K> {
    /// Allows `limit` for each key.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            window: Mutex::new(Window::at(0)),
        }
    }

    /// Counts one, at `now_ms` since 1970.
    pub fn count(&self, key: K, now_ms: i64) -> Result<(), TooMany> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..MINUTE_MS).contains(&(now_ms.saturating_sub(window.begins_at_ms))) {
            *window = Window::at(now_ms);
        }
        let is_told_apart = window.counts.contains_key(&key) || window.counts.len() < KEYS_MAX;
        let (count, limit) = if is_told_apart {
            (window.counts.entry(key).or_default(), self.limit)
        } else {
            let limit = self.limit.saturating_mul(SHARED_FACTOR);
            (&mut window.shared, limit)
        };
        *count = count.saturating_add(1);
        if *count <= limit {
            return Ok(());
        }
        let left_ms = window
            .begins_at_ms
            .saturating_add(MINUTE_MS)
            .saturating_sub(now_ms);
        let retry_after_s = u64::try_from(left_ms).unwrap_or(0).div_ceil(1000).max(1);
        Err(TooMany { retry_after_s })
    }

    /// Takes back one that was counted and should not have been.
    pub fn take_back(&self, key: &K) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match window.counts.get_mut(key) {
            Some(count) => *count = count.saturating_sub(1),
            None => window.shared = window.shared.saturating_sub(1),
        }
    }
}

impl<K> Window<K> {
    fn at(begins_at_ms: i64) -> Self {
        Self {
            begins_at_ms,
            counts: HashMap::new(),
            shared: 0,
        }
    }
}

/// Whoever has an IPv6 address has the 2⁶⁴ of its network too.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_rest_share_one_count() {
        let counts = PerMinute::new(1);
        let mut refused = 0;
        for number in 0..40_000_u32 {
            refused += usize::from(counts.count(number, 0).is_err());
        }
        assert_eq!(counts.window.lock().unwrap().counts.len(), KEYS_MAX);
        assert_eq!(refused, 40_000 - KEYS_MAX - 16);
    }

    #[test]
    fn a_clock_that_jumps_back_begins_a_new_minute() {
        let counts = PerMinute::new(1);
        assert_eq!(counts.count("a", 5_000_000), Ok(()));
        assert_eq!(counts.count("a", 4_000_000), Ok(()));
    }

    #[test]
    fn what_is_taken_back_may_happen_again() {
        let counts = PerMinute::new(1);
        for _ in 0..3 {
            assert_eq!(counts.count("a", 0), Ok(()));
            counts.take_back(&"a");
        }
        counts.count("a", 0).unwrap();
        assert!(counts.count("a", 0).is_err());
    }
}
