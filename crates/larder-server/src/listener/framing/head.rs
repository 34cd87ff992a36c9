//! One request head, judged line by line as it arrives.

use super::fields::Fields;
use super::{BodyLength, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, Refusal, TARGET_BYTES_MAX};

/// The methods that any route here has. Others never reach one.
const METHODS: [&[u8]; 7] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS",
];
/// Longer words are not methods.
const METHOD_BYTES_MAX: usize = 32;

/// Reads one head; thrown away at its end.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Up to here no line feed is left to find.
    scanned: usize,
    /// Where the line at hand begins.
    line_start: usize,
    /// One empty line before the request line is allowed (RFC 9112, 2.2).
    had_empty_line: bool,
    request_line: Option<RequestLine>,
    fields: Fields,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpVersion {
    V1_0,
    V1_1,
}

#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) version: HttpVersion,
    /// The authority of an absolute-form target.
    pub(super) authority: Option<Vec<u8>>,
}

impl HeadReader {
    /// The head's length and what it says about its body, once its empty line is here.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Option<(usize, BodyLength)>, Refusal> {
        while let Some(offset) = input[self.scanned..].iter().position(|&byte| byte == b'\n') {
            let end = self.scanned + offset;
            let line = without_line_end(&input[self.line_start..end])?;
            self.scanned = end + 1;
            self.line_start = end + 1;
            if self.scanned > HEAD_BYTES_MAX {
                return Err(TOO_LONG);
            }
            if self.line(line)? {
                return Ok(Some((self.scanned, self.body_length()?)));
            }
        }
        self.scanned = input.len();
        self.judge_unfinished(&input[self.line_start..])?;
        if input.len() > HEAD_BYTES_MAX {
            return Err(TOO_LONG);
        }
        Ok(None)
    }

    /// Whether `line` was the empty one that ends the head.
    fn line(&mut self, line: &[u8]) -> Result<bool, Refusal> {
        match (&self.request_line, line.is_empty()) {
            (Some(_), true) => return Ok(true),
            (Some(_), false) => {
                self.fields.add(line)?;
                if self.fields.count() > HEAD_FIELDS_MAX {
                    return Err(Refusal::new(
                        431,
                        "the request has more than 64 header fields",
                    ));
                }
            }
            (None, true) if self.had_empty_line => {
                return Err(Refusal::bad("empty lines stand before the request line"));
            }
            (None, true) => self.had_empty_line = true,
            (None, false) => self.request_line = Some(RequestLine::parse(line)?),
        }
        Ok(false)
    }

    fn body_length(&self) -> Result<BodyLength, Refusal> {
        match &self.request_line {
            Some(request_line) => self.fields.body_length(request_line),
            None => Err(Refusal::bad("the request line is missing")),
        }
    }

    /// A line that will be refused anyway need not be waited for.
    fn judge_unfinished(&self, line: &[u8]) -> Result<(), Refusal> {
        if self.request_line.is_some() {
            return Ok(());
        }
        if line.starts_with(&[0x16, 0x03]) {
            return Err(Refusal::bad(
                "this port speaks plain HTTP and the request begins like TLS; use http://",
            ));
        }
        let method = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        let is_begun_well = method.iter().all(|&byte| is_token_byte(byte)) || line == b"\r";
        if !is_begun_well || method.len() > METHOD_BYTES_MAX {
            return Err(Refusal::bad(
                "the request line does not begin with a method",
            ));
        }
        if line.len() > METHOD_BYTES_MAX + TARGET_BYTES_MAX {
            return Err(TARGET_TOO_LONG);
        }
        Ok(())
    }
}

const TOO_LONG: Refusal = Refusal::new(431, "the request's head is longer than 16 KiB");
const TARGET_TOO_LONG: Refusal = Refusal::new(414, "the request target is longer than 8 KiB");

impl RequestLine {
    fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Refusal::bad(
                "the request line is not a method, a target and a version with one space between them",
            ));
        };
        check_method(method)?;
        if target.len() > TARGET_BYTES_MAX {
            return Err(TARGET_TOO_LONG);
        }
        let version = parse_version(version)?;
        let authority = parse_target(method, target)?;
        Ok(Self { version, authority })
    }
}

fn check_method(method: &[u8]) -> Result<(), Refusal> {
    if METHODS.contains(&method) {
        return Ok(());
    }
    if method == b"CONNECT" || method == b"TRACE" {
        return Err(Refusal::new(405, "this method is not allowed here"));
    }
    if method.is_empty()
        || method.len() > METHOD_BYTES_MAX
        || !method.iter().all(|&byte| is_token_byte(byte))
    {
        return Err(Refusal::bad(
            "the request line does not begin with a method",
        ));
    }
    Err(Refusal::new(501, "this method is unknown here"))
}

fn parse_version(version: &[u8]) -> Result<HttpVersion, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(HttpVersion::V1_1),
        b"HTTP/1.0" => Ok(HttpVersion::V1_0),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::new(
                505,
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            ))
        }
        _ => Err(Refusal::bad(
            "the request line does not end with an HTTP version",
        )),
    }
}

/// Checks the target and gives the authority of one in absolute form.
fn parse_target(method: &[u8], target: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Err(Refusal::bad("the request target has a control character"));
    }
    if target.contains(&b'#') {
        return Err(Refusal::bad("the request target has a fragment"));
    }
    let uri = http::Uri::try_from(target).map_err(|_| {
        Refusal::bad("the request target has a character that must be percent-encoded")
    })?;
    match target {
        [b'/', ..] => Ok(None),
        b"*" if method == b"OPTIONS" => Ok(None),
        _ => {
            let scheme = uri.scheme_str().unwrap_or_default();
            match uri.authority() {
                Some(authority) if scheme == "http" || scheme == "https" => {
                    Ok(Some(authority.as_str().as_bytes().to_vec()))
                }
                _ => Err(Refusal::bad(
                    "the request target is neither a path nor an http or https address",
                )),
            }
        }
    }
}

/// The line without its carriage return; a line feed alone, or a carriage return elsewhere, is refused.
pub(super) fn without_line_end(line: &[u8]) -> Result<&[u8], Refusal> {
    let Some(line) = line.strip_suffix(b"\r") else {
        return Err(Refusal::bad(
            "a line ends with a line feed without a carriage return",
        ));
    };
    if line.contains(&b'\r') {
        return Err(Refusal::bad("a line has a carriage return in its middle"));
    }
    Ok(line)
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
