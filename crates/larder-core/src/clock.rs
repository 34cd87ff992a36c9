//! The only place that reads the time; everything else is given a [`Clock`], so that a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01 in UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time and `millis` more.
    #[must_use]
    pub fn plus_ms(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// `2026-11-21T02:15:00.000Z`.
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000_000;
        let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
            return "1970-01-01T00:00:00.000Z".to_owned();
        };
        let format = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        time.format(format).unwrap_or_default()
    }

    /// Reads RFC 3339 in any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos() / 1_000_000)
            .ok()
            .map(Self)
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Set(Arc<Hands>),
}

/// A clock that stands still.
#[derive(Debug)]
struct Hands {
    now: AtomicI64,
    elapsed: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System {
            started: Instant::now(),
        })
    }

    /// A clock that stands still until [`Clock::set`] or [`Clock::advance_ms`]; clones share it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Set(Arc::new(Hands {
            now: AtomicI64::new(start.0),
            elapsed: AtomicI64::new(0),
        })))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => system_now(),
            Source::Set(hands) => Timestamp(hands.now.load(Ordering::SeqCst)),
        }
    }

    /// Milliseconds that passed since this clock was made, however the time of day was set meanwhile.
    pub fn elapsed_ms(&self) -> i64 {
        match &self.0 {
            Source::System { started } => {
                i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
            Source::Set(hands) => hands.elapsed.load(Ordering::SeqCst),
        }
    }

    /// Sets a manual clock to another time of day without that any passes; the machine's clock stays as it is.
    pub fn set(&self, to: Timestamp) {
        if let Source::Set(hands) = &self.0 {
            hands.now.store(to.0, Ordering::SeqCst);
        }
    }

    /// Lets time pass on a manual clock; the machine's clock stays as it is.
    pub fn advance_ms(&self, by: i64) {
        if let Source::Set(hands) = &self.0 {
            hands.now.fetch_add(by, Ordering::SeqCst);
            hands.elapsed.fetch_add(by, Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that the rule points to"
)]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds_and_read_back() {
        let time = Timestamp(1_795_227_300_123);
        assert_eq!(Timestamp::parse_rfc3339(&time.rfc3339()), Some(time));
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
