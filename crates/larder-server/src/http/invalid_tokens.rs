//! Unknown tokens are counted: nobody tries them out at the speed of a machine.
//!
//! Only tokens that look right and are not known count, and they are counted after the look-up, so a client with a
//! valid token is never refused because of a neighbour behind the same address.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{StatusCode, header};
use larder_core::clock::Clock;

use crate::http::per_minute::{PerMinute, TooMany, client_of};
use crate::listener::PeerAddr;

/// Counts unknown tokens for each client address, in memory.
#[derive(Debug)]
pub struct InvalidTokens(PerMinute<IpAddr>);

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
        Err(TooMany { retry_after_s }) => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let headers = response.headers_mut();
            headers.remove(header::WWW_AUTHENTICATE);
            headers.insert(header::RETRY_AFTER, retry_after_s.into());
            response
        }
    }
}

impl InvalidTokens {
    /// Allows `per_minute` unknown tokens for each address.
    pub fn new(per_minute: u64) -> Self {
        Self(PerMinute::new(per_minute))
    }

    /// Counts one unknown token from `address`, at `now_ms` since 1970.
    pub fn count(&self, address: IpAddr, now_ms: i64) -> Result<(), TooMany> {
        self.0.count(client_of(address), now_ms)
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
            Err(TooMany { retry_after_s: 50 })
        );
        assert_eq!(tokens.count(address("192.0.2.2"), 1_010_500), Ok(()));
        assert_eq!(
            tokens.count(client, 1_059_999),
            Err(TooMany { retry_after_s: 1 })
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
}
