//! JSON in the two spellings of this API: compact for clients that ask for `application/json`, otherwise as the
//! documents print it, `[ {` and `"key" : value`. A `/` is never escaped: the documents' recipes grep the raw text.

use crate::http::state::App;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::convert::Infallible;
use std::io;

/// The spelling that a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spelling {
    /// No byte more than needed.
    Compact,
    /// As the documents print it.
    Pretty,
}

impl FromRequestParts<App> for Spelling {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        let accept = parts
            .headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok());
        Ok(Self::of_accept(accept.unwrap_or_default()))
    }
}

impl Spelling {
    /// The first type that is asked for decides; no `Accept` at all means the documents' spelling, never EDN.
    fn of_accept(accept: &str) -> Self {
        let first = accept.split([',', ';']).next().unwrap_or_default().trim();
        if first.eq_ignore_ascii_case("application/json") {
            Self::Compact
        } else {
            Self::Pretty
        }
    }

    /// An answer with this body.
    pub(super) fn answer(self, body: &impl Serialize) -> Result<Response, larder_core::Error> {
        let text = self
            .text(body)
            .map_err(|error| larder_core::Error::internal("spell an answer", error))?;
        Ok(answer_of(text.into()))
    }

    /// What stands around the items of an object with a list and, after it, a list without any.
    pub(super) fn lists(self, list: &str, empty: &str) -> AroundItems {
        let (open, between, end, close) = match self {
            Self::Compact => (
                format!(r#"{{"{list}":["#),
                ",",
                "]",
                format!(r#","{empty}":[]}}"#),
            ),
            Self::Pretty => (
                format!("{{\n  \"{list}\" : ["),
                ", ",
                " ]",
                format!(",\n  \"{empty}\" : []\n}}"),
            ),
        };
        let space = if self == Self::Pretty { " " } else { "" };
        AroundItems {
            empty: format!("{open}]{close}"),
            open: format!("{open}{space}"),
            between,
            close: format!("{end}{close}"),
        }
    }

    /// An item of such a list.
    pub(super) fn item(self, item: &impl Serialize) -> Result<Vec<u8>, larder_core::Error> {
        self.text_at(1, item)
            .map_err(|error| larder_core::Error::internal("spell an item", error))
    }

    fn text(self, body: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        self.text_at(0, body)
    }

    /// A body that stands so deep in others.
    fn text_at(self, depth: usize, body: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        match self {
            Self::Compact => serde_json::to_writer(&mut text, body)?,
            Self::Pretty => {
                body.serialize(&mut Serializer::with_formatter(
                    &mut text,
                    Documented {
                        depth,
                        has_value: false,
                    },
                ))?;
            }
        }
        Ok(text)
    }
}

/// An answer with a spelled body, which may come piece by piece.
pub(super) fn answer_of(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (VARY, "Accept"),
    ];
    (headers, body).into_response()
}

/// What stands around the items of a list that is spelled piece by piece.
#[derive(Debug)]
pub(super) struct AroundItems {
    /// Before the first.
    pub(super) open: String,
    /// Between two.
    pub(super) between: &'static str,
    /// After the last.
    pub(super) close: String,
    /// All of it where there are none.
    pub(super) empty: String,
}

/// The spelling of the documents, which is Jackson's: members of an object on lines of their own, elements of an array
/// side by side.
#[derive(Debug, Default)]
struct Documented {
    depth: usize,
    has_value: bool,
}

impl Documented {
    fn new_line<W: io::Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Documented {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.has_value = false;
        writer.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.has_value { b" ]" } else { b"]" })
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b" " } else { b", " })
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.new_line(writer)?;
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" : ")
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_take_lines_and_arrays_do_not() {
        let body = json!({ "b": {}, "c": [1, 2], "d": "x/y", "items": [{ "a": 1 }, { "a": [] }] });
        let text = String::from_utf8(Spelling::Pretty.text(&body).unwrap()).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "b" : {},
          "c" : [ 1, 2 ],
          "d" : "x/y",
          "items" : [ {
            "a" : 1
          }, {
            "a" : []
          } ]
        }
        "#);
    }

    #[test]
    fn a_list_spelled_piece_by_piece_is_spelled_as_at_once() {
        for spelling in [Spelling::Compact, Spelling::Pretty] {
            let around = spelling.lists("tests", "exceptions");
            let item = spelling.item(&json!({ "a": 1 })).unwrap();
            let item = String::from_utf8(item).unwrap();
            let pieces = [&around.open, &item, around.between, &item, &around.close].concat();
            let whole = json!({ "tests": [{ "a": 1 }, { "a": 1 }], "exceptions": [] });
            assert_spelled(spelling, &pieces, &whole);
            let none = json!({ "tests": [], "exceptions": [] });
            assert_spelled(spelling, &around.empty, &none);
        }
    }

    /// `lists` orders its members, the map of `json!` sorts them.
    #[track_caller]
    fn assert_spelled(spelling: Spelling, pieces: &str, whole: &serde_json::Value) {
        #[derive(Serialize)]
        struct Ordered<'a> {
            tests: &'a serde_json::Value,
            exceptions: &'a serde_json::Value,
        }
        let ordered = Ordered {
            tests: &whole["tests"],
            exceptions: &whole["exceptions"],
        };
        let text = String::from_utf8(spelling.text(&ordered).unwrap()).unwrap();
        assert_eq!(pieces, text);
    }

    #[test]
    fn only_clients_that_ask_for_json_first_get_it_compact() {
        for accept in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json, */*",
        ] {
            assert_eq!(Spelling::of_accept(accept), Spelling::Compact, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/edn",
            "text/html, application/json",
        ] {
            assert_eq!(Spelling::of_accept(accept), Spelling::Pretty, "{accept}");
        }
    }
}
