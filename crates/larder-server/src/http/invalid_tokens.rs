//! Unknown tokens are counted: nobody tries them out at the speed of a machine.
//!
//! Only tokens that look right and are not known count, and they are counted after the look-up, so a client with a
//! valid token is never refused because of a neighbour behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{StatusCode, header};
use larder_core::clock::Clock;

use crate::listener::PeerAddr;

const MINUTE_MS: i64 = 60_000;
/// So many addresses are told apart in one minute; 64 bytes each or so. More share one count.
const ADDRESSES_MAX: usize = 16_384;
/// Addresses that share one count may together do so many times what one may.
const SHARED_FACTOR: u64 = 16;

/// Counts unknown tokens for each client address, in memory.
#[derive(Debug)]
pub struct InvalidTokens {
    per_minute: u64,
    window: Mutex<Window>,
}

/// The minute at hand. A new minute begins with nothing, which bounds both memory and the wait.
#[derive(Debug, Default)]
struct Window {
    begins_at_ms: i64,
    counts: HashMap<IpAddr, u64>,
    shared: u64,
}

/// In the extensions of an answer: the request came with a token that looks right and is not known.
#[derive(Debug, Clone, Copy)]
pub struct UnknownToken;

/// Who counts, and by which clock. State of [`limit_unknown_tokens`].
#[derive(Debug, Clone)]
pub struct Limiter {
    /// The counts.
    pub counts: Arc<InvalidTokens>,
    /// The time.
    pub clock: Clock,
}

/// Makes the refusal of an unknown token a 429 with `Retry-After`, once an address has tried too many. The body stays
/// the one that the API has written in its own form. For `axum::middleware::from_fn_with_state`.
pub async fn limit_unknown_tokens(
    State(limiter): State<Limiter>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.ip);
    let mut response = next.run(request).await;
    let Some(address) = peer.filter(|_| response.extensions().get::<UnknownToken>().is_some())
    else {
        return response;
    };
    match limiter.counts.count(address, limiter.clock.now().0) {
        Ok(()) => response,
        Err(TooManyInvalidTokens { retry_after_s }) => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let headers = response.headers_mut();
            headers.remove(header::WWW_AUTHENTICATE);
            headers.insert(header::RETRY_AFTER, retry_after_s.into());
            response
        }
    }
}

/// The limit is reached: 429 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyInvalidTokens {
    /// How long the client must wait, in seconds.
    pub retry_after_s: u64,
}

impl InvalidTokens {
    /// Allows `per_minute` unknown tokens for each address.
    pub fn new(per_minute: u64) -> Self {
        Self {
            per_minute,
            window: Mutex::default(),
        }
    }

    /// Counts one unknown token from `address`, at `now_ms` since 1970.
    pub fn count(&self, address: IpAddr, now_ms: i64) -> Result<(), TooManyInvalidTokens> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..MINUTE_MS).contains(&(now_ms.saturating_sub(window.begins_at_ms))) {
            *window = Window {
                begins_at_ms: now_ms,
                ..Window::default()
            };
        }
        let client = client_of(address);
        let is_known = window.counts.contains_key(&client);
        let (count, limit) = if is_known || window.counts.len() < ADDRESSES_MAX {
            (window.counts.entry(client).or_default(), self.per_minute)
        } else {
            (
                &mut window.shared,
                self.per_minute.saturating_mul(SHARED_FACTOR),
            )
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
        Err(TooManyInvalidTokens { retry_after_s })
    }
}

/// Whoever has an IPv6 address has the 2⁶⁴ of its network too.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_one_waits_for_the_next_minute() {
        let tokens = InvalidTokens::new(3);
        let client = address("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(tokens.count(client, 1_000_000), Ok(()));
        }
        assert_eq!(
            tokens.count(client, 1_010_500),
            Err(TooManyInvalidTokens { retry_after_s: 50 })
        );
        assert_eq!(tokens.count(address("192.0.2.2"), 1_010_500), Ok(()));
        assert_eq!(
            tokens.count(client, 1_059_999),
            Err(TooManyInvalidTokens { retry_after_s: 1 })
        );
        assert_eq!(tokens.count(client, 1_060_000), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let tokens = InvalidTokens::new(1);
        assert_eq!(tokens.count(address("2001:db8::1"), 0), Ok(()));
        assert!(tokens.count(address("2001:db8::2"), 0).is_err());
        assert_eq!(tokens.count(address("2001:db8:0:1::1"), 0), Ok(()));
        assert_eq!(tokens.count(address("192.0.2.1"), 0), Ok(()));
        assert!(tokens.count(address("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn memory_is_bounded_and_the_rest_share_one_count() {
        let tokens = InvalidTokens::new(1);
        let mut refused = 0;
        for number in 0..40_000_u32 {
            refused += usize::from(tokens.count(IpAddr::V4(number.into()), 0).is_err());
        }
        assert_eq!(tokens.window.lock().unwrap().counts.len(), ADDRESSES_MAX);
        assert_eq!(refused, 40_000 - ADDRESSES_MAX - 16);
    }

    #[test]
    fn a_clock_that_jumps_back_begins_a_new_minute() {
        let tokens = InvalidTokens::new(1);
        assert_eq!(tokens.count(address("192.0.2.1"), 5_000_000), Ok(()));
        assert_eq!(tokens.count(address("192.0.2.1"), 4_000_000), Ok(()));
    }
}
