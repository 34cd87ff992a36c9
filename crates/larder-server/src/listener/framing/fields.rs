//! The header fields that decide where a message ends and whom it is for.

use super::head::{HttpVersion, RequestLine, is_token_byte};
use super::{BodyLength, Refusal};

/// What the fields of one head have said so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    count: usize,
    hosts: usize,
    host: Vec<u8>,
    content_length: Option<u64>,
    is_chunked: bool,
}

impl Fields {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.count += 1;
        let (name, value) = split_field(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            check_host(value)?;
            self.host = value.to_vec();
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.is_some() {
                return Err(Refusal::bad("the request has two Content-Length fields"));
            }
            self.content_length = Some(parse_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked {
                return Err(Refusal::bad("the request has two Transfer-Encoding fields"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::new(
                    501,
                    "the only Transfer-Encoding spoken here is `chunked`",
                ));
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"expect")
            && !value.eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal::new(
                417,
                "the only expectation met here is `100-continue`",
            ));
        } else if name.eq_ignore_ascii_case(b"upgrade") && !value.eq_ignore_ascii_case(b"h2c") {
            // Java's client offers h2c with every request, and RFC 9110, 7.8 lets us stay with HTTP/1.1.
            return Err(Refusal::bad(
                "no other protocol than HTTP/1.1 is spoken here; send no Upgrade",
            ));
        }
        Ok(())
    }

    /// What follows the head, once all fields are here.
    pub(super) fn body_length(&self, request_line: &RequestLine) -> Result<BodyLength, Refusal> {
        if self.hosts > 1 {
            return Err(Refusal::bad("the request has two Host fields"));
        }
        if self.hosts == 0 && request_line.version == HttpVersion::V1_1 {
            return Err(Refusal::bad("the request has no Host field"));
        }
        if let Some(authority) = &request_line.authority
            && !authority.eq_ignore_ascii_case(&self.host)
        {
            return Err(Refusal::bad(
                "the host in the request line is not the one in the Host field",
            ));
        }
        match (self.content_length, self.is_chunked) {
            (Some(_), true) => Err(Refusal::bad(
                "the request has both Content-Length and Transfer-Encoding",
            )),
            (None, true) if request_line.version == HttpVersion::V1_0 => {
                Err(Refusal::bad("HTTP/1.0 knows no Transfer-Encoding"))
            }
            (None, true) => Ok(BodyLength::Chunked),
            (Some(length), false) => Ok(BodyLength::Bytes(length)),
            (None, false) => Ok(BodyLength::None),
        }
    }
}

/// Name and value of a field line, the value without the blanks around it.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::bad(
            "a header line begins with a blank (line folding is not allowed)",
        ));
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Err(Refusal::bad("a header line has no colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
        return Err(Refusal::bad(
            "a header name is empty or has a character that names cannot have",
        ));
    }
    if value
        .iter()
        .any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
    {
        return Err(Refusal::bad("a header value has a control character"));
    }
    Ok((name, trim_blanks(value)))
}

fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Digits only: no sign, no list, nothing that two readers could take for two numbers.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad("Content-Length is not a plain number"));
    }
    let too_large = Refusal::new(413, "Content-Length is larger than any file can be");
    let length = value
        .iter()
        .try_fold(0_u64, |length, digit| {
            length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .ok_or(too_large)?;
    if i64::try_from(length).is_err() {
        return Err(too_large);
    }
    Ok(length)
}

/// A host name or address with an optional port, and nothing that some reader could take for a path or a user.
fn check_host(value: &[u8]) -> Result<(), Refusal> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(byte);
    let is_authority = http::uri::Authority::try_from(value).is_ok();
    if value.is_empty() || !value.iter().all(is_plain) || !is_authority {
        return Err(Refusal::bad(
            "the Host field is not a host name with an optional port",
        ));
    }
    Ok(())
}
