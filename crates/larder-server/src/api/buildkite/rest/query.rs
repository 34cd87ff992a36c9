//! The query of a request: pairs in the order in which they came. Rails spells lists `state[]=…`.

use crate::api::buildkite::rest::error::Error;
use crate::http::encode_segment;
use axum::http::request::Parts;
use larder_core::clock::Timestamp;
use percent_encoding::percent_decode_str;

/// The pairs of a query, decoded. Its length is bounded by that of the request's head.
#[derive(Clone, Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The query of a request.
    pub(super) fn of(parts: &Parts) -> Self {
        Self::parse(parts.uri.query().unwrap_or_default())
    }

    /// Reads a query; a key without `=` has an empty value.
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(decoded.collect())
    }

    /// The first value under a key that is not empty.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let found = pairs.find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// All values under `key` and `key[]` that are not empty.
    pub(super) fn all(&self, key: &str) -> Vec<&str> {
        let is_key = |name: &str| name.strip_suffix("[]").unwrap_or(name) == key;
        let pairs = self.0.iter();
        let found = pairs.filter(|(name, value)| is_key(name) && !value.is_empty());
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a key says yes.
    pub(super) fn is_true(&self, key: &str) -> bool {
        matches!(self.first(key), Some("true" | "1"))
    }

    /// A time: RFC 3339, the form with a blank and `UTC` that this API also writes, or a day.
    pub(super) fn time(&self, key: &str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.first(key) else {
            return Ok(None);
        };
        let parsed = read_time(text).ok_or_else(|| {
            let right = "Use ISO 8601, such as 2015-05-09T21:05:59.874Z.";
            Error::mistaken(format!("Invalid {key}: {text}. {right}"))
        });
        parsed.map(Some)
    }

    /// The query sorted by key and with some keys replaced. Every key has its `=`: `pybuildkite` reads no other form.
    pub(super) fn sorted_with(&self, replaced: &[(&str, String)]) -> String {
        let is_replaced = |name: &str| replaced.iter().any(|(key, _)| *key == name);
        let kept = self.0.iter().filter(|(name, _)| !is_replaced(name));
        let mut pairs: Vec<(&str, &str)> = kept.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        pairs.extend(replaced.iter().map(|(key, value)| (*key, value.as_str())));
        // Stable: values of a list keep their order.
        pairs.sort_by_key(|(key, _)| *key);
        let encoded = pairs
            .iter()
            .map(|(key, value)| format!("{}={}", encode_segment(key), encode_segment(value)));
        encoded.collect::<Vec<_>>().join("&")
    }
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn read_time(text: &str) -> Option<Timestamp> {
    let forms = [
        text.to_owned(),
        // A `+` of an offset that was sent unencoded has become a blank.
        text.replace(' ', "+"),
        text.replacen(' ', "T", 1).replace(" UTC", "Z"),
        format!("{text}T00:00:00Z"),
    ];
    forms.iter().find_map(|form| Timestamp::parse_rfc3339(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_spellings_and_empty_values_are_none() {
        let query =
            Query::parse("state[]=passed&state%5B%5D=failed&state=running&branch=&x&page=2");
        assert_eq!(query.all("state"), ["passed", "failed", "running"]);
        assert_eq!(query.first("branch"), None);
        assert_eq!(query.first("page"), Some("2"));
    }

    #[test]
    fn a_rewritten_query_is_sorted_and_each_key_has_its_value() {
        let query = Query::parse("z&per_page=7&state[]=b&state[]=a&page=1&a=x+y%26");
        let replaced = [("page", "2".to_owned()), ("per_page", "30".to_owned())];
        assert_eq!(
            query.sorted_with(&replaced),
            "a=x%20y%26&page=2&per_page=30&state%5B%5D=b&state%5B%5D=a&z="
        );
    }

    #[test]
    fn times_are_read_in_every_form_that_clients_send() {
        let time = Timestamp::parse_rfc3339("2015-05-09T21:05:59Z");
        for form in [
            "2015-05-09T21:05:59Z",
            "2015-05-09T21:05:59.000Z",
            "2015-05-09 21:05:59 UTC",
            "2015-05-09T23:05:59 02:00",
            "2015-05-09T23:05:59+02:00",
        ] {
            assert_eq!(read_time(form), time, "{form}");
        }
        assert_eq!(
            read_time("2015-05-09"),
            Timestamp::parse_rfc3339("2015-05-09T00:00:00Z")
        );
        assert_eq!(read_time("yesterday"), None);
    }
}
