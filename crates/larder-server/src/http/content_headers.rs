//! The header fields of users' files: a browser that shows one must gain nothing by it.
//!
//! A file of a build is a page of a stranger. It is shown without our origin (`sandbox`), its type is never guessed,
//! and where it could not be shown safely it is saved instead.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::content_type::{UNKNOWN, content_type_of, with_charset};
use crate::config::ServeHtml;

/// Which host a file is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The host of the pages and the APIs.
    MainHost,
    /// The one host of `content_url`.
    ContentHost,
    /// A job's own host: the wildcard form of `content_url`.
    JobHost,
}

/// What to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Show it where that is safe.
    Inline,
    /// Save it.
    Attachment,
}

/// A file that is about to be sent, as far as its header fields care.
#[derive(Debug, Clone, Copy)]
pub struct Content<'file> {
    /// The artifact's path; its last part is the name to save it under.
    pub path: &'file str,
    /// The stored content type; without one the path decides.
    pub content_type: Option<&'file str>,
    /// What the request wishes.
    pub disposition: Disposition,
    /// Which host sends it.
    pub place: Place,
    /// Whether a tree link names it: the link is the permission, so other origins may read it.
    pub is_tree_link: bool,
    /// Whether pages are shown as pages.
    pub serve_html: ServeHtml,
}

/// The kinds that need different treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Can hold scripts that a browser runs: HTML, SVG, XML.
    Active,
    /// Scripts and style sheets: harmless alone.
    Subresource,
    Pdf,
    Other,
}

impl Content<'_> {
    /// All header fields that the file's kind and place ask for; length, range and digest are not among them.
    pub fn headers(&self) -> HeaderMap {
        let content_type = self.content_type();
        let kind = kind_of(&content_type);
        let mut headers = HeaderMap::with_capacity(12);
        for (name, value) in ALWAYS {
            headers.insert(name.clone(), HeaderValue::from_static(value));
        }
        let shown_type = if self.serve_html == ServeHtml::Text
            && matches!(kind, Kind::Active | Kind::Subresource)
        {
            "text/plain; charset=utf-8"
        } else {
            &content_type
        };
        headers.insert(header::CONTENT_TYPE, value_or(shown_type, UNKNOWN));
        headers.insert(header::CONTENT_DISPOSITION, self.content_disposition(kind));
        if let Some(policy) = self.policy(kind) {
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(policy),
            );
        }
        self.insert_origin_fields(&mut headers);
        headers
    }

    /// What a bucket is asked to answer with in our place, by its names for it (docs.aws.amazon.com, `GetObject`). It can
    /// set no policy, so everything is to be saved.
    pub fn presigned_answer(&self) -> Vec<(&'static str, String)> {
        let disposition = content_disposition(Disposition::Attachment, self.path);
        let disposition = disposition.to_str().unwrap_or("attachment");
        vec![
            ("response-content-type", self.content_type()),
            ("response-content-disposition", disposition.to_owned()),
        ]
    }

    fn content_type(&self) -> String {
        match self.content_type.map(str::trim) {
            Some(stored) if is_media_type(stored) => with_charset(stored),
            _ => content_type_of(self.path),
        }
    }

    /// Chrome's viewer of PDF files refuses to work in a sandbox, so there they are not sandboxed on a host that has
    /// nothing else, and saved on the main host.
    fn policy(&self, kind: Kind) -> Option<&'static str> {
        let is_rendered = self.serve_html == ServeHtml::Render;
        match (kind, self.place) {
            (Kind::Pdf, Place::ContentHost | Place::JobHost) => None,
            // The origin is this job's alone, so its pages may use storage.
            (Kind::Active, Place::JobHost) if is_rendered => Some(
                "sandbox allow-scripts allow-popups allow-forms allow-same-origin allow-modals allow-downloads",
            ),
            (Kind::Active, _) if is_rendered => {
                Some("sandbox allow-scripts allow-popups allow-forms")
            }
            _ => Some("sandbox"),
        }
    }

    fn insert_origin_fields(&self, headers: &mut HeaderMap) {
        let resource_policy = if self.is_tree_link {
            // A sandboxed page has no origin, so to its own modules, fonts and fetches every host is another one.
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            );
            "cross-origin"
        } else {
            headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
            if self.place == Place::MainHost {
                "same-site"
            } else {
                "cross-origin"
            }
        };
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static(resource_policy));
    }

    fn content_disposition(&self, kind: Kind) -> HeaderValue {
        let is_saved = self.disposition == Disposition::Attachment
            || (kind == Kind::Pdf && self.place == Place::MainHost);
        content_disposition(
            if is_saved {
                Disposition::Attachment
            } else {
                Disposition::Inline
            },
            self.path,
        )
    }
}

/// Whether the request wants the answer for a service worker, which would outlive the page: 403 for users' files.
pub fn is_for_service_worker(headers: &HeaderMap) -> bool {
    headers.contains_key("service-worker")
}

/// `Content-Disposition` for the last part of `path`: once in plain ASCII, once exact (RFC 6266).
pub fn content_disposition(disposition: Disposition, path: &str) -> HeaderValue {
    let word = match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let name = path
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("file");
    let is_safe =
        |letter: char| letter.is_ascii_graphic() && !"\"\\%;'".contains(letter) || letter == ' ';
    let plain: String = name
        .chars()
        .map(|letter| if is_safe(letter) { letter } else { '_' })
        .collect();
    let mut value = format!("{word}; filename=\"{plain}\"");
    if plain != name {
        let _ = write!(
            value,
            "; filename*=UTF-8''{}",
            utf8_percent_encode(name, NOT_ATTR_CHAR)
        );
    }
    value_or(&value, word)
}

/// Everything but `attr-char` of RFC 8187.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What every file gets, whatever it is.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "private, no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    ),
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
];

fn kind_of(content_type: &str) -> Kind {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/pdf" => Kind::Pdf,
        "text/html" | "text/xml" | "application/xml" | "text/xsl" | "application/xslt+xml" => {
            Kind::Active
        }
        "text/css" => Kind::Subresource,
        other if other.ends_with("+xml") => Kind::Active,
        other if other.ends_with("javascript") || other.ends_with("ecmascript") => {
            Kind::Subresource
        }
        _ => Kind::Other,
    }
}

/// `type/subtype`, perhaps with parameters, in plain ASCII.
fn is_media_type(text: &str) -> bool {
    let is_token = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_essence = essence
        .split_once('/')
        .is_some_and(|(kind, subkind)| is_token(kind) && is_token(subkind));
    is_essence
        && text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic() && byte != b',')
        && text.len() <= 255
}

fn value_or(text: &str, otherwise: &'static str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(otherwise))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(path: &str) -> Content<'_> {
        Content {
            path,
            content_type: None,
            disposition: Disposition::Inline,
            place: Place::MainHost,
            is_tree_link: false,
            serve_html: ServeHtml::Render,
        }
    }

    #[track_caller]
    fn check(content: Content<'_>, name: &str, expected: Option<&str>) {
        let headers = content.headers();
        let value = headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value, expected, "{name} of {content:?}");
    }

    #[test]
    fn what_can_run_scripts_runs_them_in_a_sandbox() {
        let sandbox = Some("sandbox allow-scripts allow-popups allow-forms");
        for path in ["report/index.html", "a.svg", "junit.xml", "page.xhtml"] {
            check(content(path), "content-security-policy", sandbox);
        }
        let disguised = Content {
            content_type: Some("TEXT/HTML; charset=x"),
            ..content("a.txt")
        };
        check(disguised, "content-security-policy", sandbox);
        for path in ["a.txt", "a.png", "a.js", "a.css", "a.bin", "a.json"] {
            check(content(path), "content-security-policy", Some("sandbox"));
        }
    }

    #[test]
    fn a_job_s_own_host_lets_reports_use_storage() {
        let page = Content {
            place: Place::JobHost,
            ..content("index.html")
        };
        let policy = "sandbox allow-scripts allow-popups allow-forms allow-same-origin allow-modals allow-downloads";
        check(page, "content-security-policy", Some(policy));
        check(
            Content {
                place: Place::JobHost,
                ..content("a.txt")
            },
            "content-security-policy",
            Some("sandbox"),
        );
    }

    #[test]
    fn a_pdf_is_shown_on_a_content_host_and_saved_on_one_host() {
        check(
            content("a.pdf"),
            "content-disposition",
            Some("attachment; filename=\"a.pdf\""),
        );
        check(content("a.pdf"), "content-security-policy", Some("sandbox"));
        let elsewhere = Content {
            place: Place::ContentHost,
            ..content("a.pdf")
        };
        check(
            elsewhere,
            "content-disposition",
            Some("inline; filename=\"a.pdf\""),
        );
        check(elsewhere, "content-security-policy", None);
    }

    #[test]
    fn pages_can_be_shown_as_text() {
        for path in ["a.html", "a.css", "a.js", "a.xml", "a.svg"] {
            let text = Content {
                serve_html: ServeHtml::Text,
                ..content(path)
            };
            check(text, "content-type", Some("text/plain; charset=utf-8"));
            check(text, "content-security-policy", Some("sandbox"));
        }
        let picture = Content {
            serve_html: ServeHtml::Text,
            ..content("a.png")
        };
        check(picture, "content-type", Some("image/png"));
    }

    #[test]
    fn a_tree_link_can_be_read_from_the_sandbox() {
        let module = Content {
            is_tree_link: true,
            ..content("a.js")
        };
        check(module, "access-control-allow-origin", Some("*"));
        check(module, "cross-origin-resource-policy", Some("cross-origin"));
        check(module, "cross-origin-opener-policy", None);
        check(content("a.js"), "access-control-allow-origin", None);
        check(
            content("a.js"),
            "cross-origin-resource-policy",
            Some("same-site"),
        );
        check(
            content("a.js"),
            "cross-origin-opener-policy",
            Some("same-origin"),
        );
    }

    #[test]
    fn every_file_gets_the_fields_that_keep_it_in_its_place() {
        for path in ["a.html", "a.bin", "a.pdf"] {
            check(content(path), "x-content-type-options", Some("nosniff"));
            check(content(path), "referrer-policy", Some("no-referrer"));
            check(content(path), "cache-control", Some("private, no-store"));
            check(content(path), "x-robots-tag", Some("noindex"));
        }
    }

    #[test]
    fn a_stored_type_that_is_none_does_not_count() {
        for stored in [
            "",
            "text",
            "text/",
            "/html",
            "text/html, x/y",
            "text/h\u{e4}ml",
            "a b/c",
            "text/html\r\nx: y",
        ] {
            check(
                Content {
                    content_type: Some(stored),
                    ..content("a.png")
                },
                "content-type",
                Some("image/png"),
            );
        }
        let stored = Content {
            content_type: Some("text/plain"),
            ..content("a.png")
        };
        check(stored, "content-type", Some("text/plain; charset=utf-8"));
    }

    #[test]
    fn names_are_given_twice_when_they_are_not_plain() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            assert_eq!(content_disposition(Disposition::Attachment, path), expected);
        }
        check("dist/app 1.tar.gz", "attachment; filename=\"app 1.tar.gz\"");
        check(
            "a\"b\\c.txt",
            "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt",
        );
        check(
            "Ä.txt",
            "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%84.txt",
        );
        check("", "attachment; filename=\"file\"");
        check(
            "x\r\nset-cookie: a",
            "attachment; filename=\"x__set-cookie: a\"; filename*=UTF-8''x%0D%0Aset-cookie%3A%20a",
        );
    }

    proptest! {
        #[test]
        fn no_path_breaks_out_of_its_header(path in "\\PC*|[\\x00-\\x7f]*") {
            let value = content_disposition(Disposition::Inline, &path);
            let text = value.to_str().unwrap();
            prop_assert!(text.starts_with("inline; filename=\""));
            prop_assert_eq!(text.matches('"').count(), 2);
            prop_assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }
    }
}
