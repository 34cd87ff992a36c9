//! Pages and the `Link` header that leads through them.

use crate::api::buildkite::rest::answer;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::query::Query;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use larder_core::model::Offset;
use serde::Serialize;

/// Entries of a page when the client says nothing.
const PER_PAGE_DEFAULT: u64 = 30;
/// Most entries of a page; more are cut to it in silence, as the original does.
const PER_PAGE_MAX: u64 = 100;
/// Entries that can be paged over: skipping is work, and no list that people page through is longer.
const SKIP_MAX: u64 = 100_000;

/// Which page of a list is wanted, and where the list is.
#[derive(Debug)]
pub(super) struct Pages {
    path: String,
    /// The whole query, for whoever has other questions about it.
    pub(super) query: Query,
    page: u64,
    per_page: u64,
}

impl FromRequestParts<App> for Pages {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Error> {
        Ok(Self::of(parts.uri.path(), Query::of(parts)))
    }
}

impl Pages {
    fn of(path: &str, query: Query) -> Self {
        Self {
            path: path.trim_end_matches('/').to_owned(),
            page: positive(query.first("page")).unwrap_or(1),
            per_page: positive(query.first("per_page"))
                .unwrap_or(PER_PAGE_DEFAULT)
                .min(PER_PAGE_MAX),
            query,
        }
    }

    /// Where the page begins and how much is in it.
    pub(super) fn offset(&self) -> Result<Offset, Error> {
        let skip = (self.page - 1).saturating_mul(self.per_page);
        let skip = u32::try_from(skip.min(SKIP_MAX + 1)).unwrap_or(u32::MAX);
        if u64::from(skip) > SKIP_MAX {
            let message = format!(
                "Invalid page: only the first {SKIP_MAX} entries of a list can be paged over. Narrow the list by its filters."
            );
            return Err(Error::mistaken(message));
        }
        let limit = u32::try_from(self.per_page).unwrap_or(u32::MAX);
        Ok(Offset { skip, limit })
    }

    /// Entries of a page at most.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.per_page).unwrap_or(usize::MAX)
    }

    /// The address of this page of a list that goes by cursor.
    pub(super) fn this(&self, app: &App) -> String {
        self.by_cursor(app, &[])
    }

    /// The address of the page after a cursor.
    pub(super) fn after(&self, app: &App, cursor: &str) -> String {
        self.by_cursor(app, &[("after", cursor.to_owned())])
    }

    fn by_cursor(&self, app: &App, cursor: &[(&str, String)]) -> String {
        let mut replaced = vec![("per_page", self.per_page.to_string())];
        replaced.extend_from_slice(cursor);
        let query = self.query.sorted_with(&replaced);
        format!("{}{}?{query}", app.public_url(), self.path)
    }

    /// The answer with a page of a list that has `total` entries.
    pub(super) fn answer(&self, app: &App, items: &impl Serialize, total: u64) -> Response {
        let mut response = answer::json(StatusCode::OK, items);
        let link = self.link(app.public_url(), total);
        if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    /// The answer with a page of a list that is short enough to be here as a whole.
    pub(super) fn answer_of_all<T, B: Serialize>(
        &self,
        app: &App,
        all: &[T],
        body: impl Fn(&T) -> B,
    ) -> Result<Response, Error> {
        let offset = self.offset()?;
        let page = all
            .iter()
            .skip(offset.skip as usize)
            .take(offset.limit as usize);
        let items: Vec<B> = page.map(body).collect();
        Ok(self.answer(app, &items, all.len() as u64))
    }

    /// `None` when everything is on one page.
    fn link(&self, public_url: &str, total: u64) -> Option<String> {
        let last = total.div_ceil(self.per_page);
        if last <= 1 {
            return None;
        }
        let mut items = Vec::new();
        let mut item = |rel: &str, page: u64| {
            // `page` stands before `per_page`, and `per_page` is always there: `pybuildkite` reads no other order.
            let replaced = [
                ("page", page.to_string()),
                ("per_page", self.per_page.to_string()),
            ];
            let query = self.query.sorted_with(&replaced);
            items.push(format!(
                "<{public_url}{}?{query}>; rel=\"{rel}\"",
                self.path
            ));
        };
        if self.page < last {
            item("next", self.page + 1);
            item("last", last);
        }
        if self.page > 1 {
            item("prev", last.min(self.page - 1));
            item("first", 1);
        }
        Some(items.join(", "))
    }
}

/// A number from 1 on; `None` for 0 and for what is no number, both of which clients send for the default. What is too
/// large to count is the largest.
fn positive(text: Option<&str>) -> Option<u64> {
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    match text.parse() {
        Ok(0) => None,
        Ok(number) => Some(number),
        Err(_) => Some(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, total: u64, expected: Option<&str>) {
        let pages = Pages::of("/v2/builds/", Query::parse(query));
        let link = pages.link("http://h", total);
        let short = link.map(|link| link.replace("http://h/v2/builds", ""));
        assert_eq!(short.as_deref(), expected, "{query} of {total}");
    }

    #[test]
    fn links_lead_forward_and_back() {
        check("", 30, None);
        check("page=9", 30, None);
        check(
            "",
            31,
            Some(r#"<?page=2&per_page=30>; rel="next", <?page=2&per_page=30>; rel="last""#),
        );
        check(
            "per_page=10&page=2&state=new",
            25,
            Some(concat!(
                r#"<?page=3&per_page=10&state=new>; rel="next", <?page=3&per_page=10&state=new>; rel="last", "#,
                r#"<?page=1&per_page=10&state=new>; rel="prev", <?page=1&per_page=10&state=new>; rel="first""#
            )),
        );
        check(
            "per_page=10&page=3",
            25,
            Some(r#"<?page=2&per_page=10>; rel="prev", <?page=1&per_page=10>; rel="first""#),
        );
        check(
            "per_page=10&page=8",
            25,
            Some(r#"<?page=3&per_page=10>; rel="prev", <?page=1&per_page=10>; rel="first""#),
        );
    }

    #[track_caller]
    fn check_offset(query: &str, expected: Option<(u32, u32)>) {
        let offset = Pages::of("/v2/builds", Query::parse(query)).offset();
        assert_eq!(
            offset.ok().map(|offset| (offset.skip, offset.limit)),
            expected,
            "{query}"
        );
    }

    #[test]
    fn what_is_no_page_is_the_first_and_pages_are_cut_to_a_hundred() {
        check_offset("", Some((0, 30)));
        check_offset("page=0&per_page=0", Some((0, 30)));
        check_offset("page=-1&per_page=x", Some((0, 30)));
        check_offset("page=3&per_page=1000", Some((200, 100)));
        check_offset("page=1001&per_page=100", Some((100_000, 100)));
        check_offset("page=1002&per_page=100", None);
        check_offset("page=99999999999999999999999&per_page=100", None);
    }
}
