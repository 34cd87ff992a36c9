//! The framing of a chunked body: sizes, extensions and trailers are judged, the data is only counted.

use super::Refusal;
use super::fields::split_field;
use super::head::without_line_end;

/// `fffffffffffffff`: 15 digits cannot overflow, and no chunk is that long.
const SIZE_DIGITS_MAX: usize = 15;
/// Nobody sends extensions; a short one does no harm.
const EXTENSION_BYTES_MAX: usize = 256;
/// All trailer lines together, in bytes.
const TRAILER_BYTES_MAX: usize = 4 * 1024;
/// Fields that say how to read the message or whom it is for have no place after it (RFC 9110, 6.5.1).
const TRAILERS_FORBIDDEN: [&str; 20] = [
    "authorization",
    "cache-control",
    "circle-token",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Reads one chunked body.
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Data {
        left: u64,
    },
    DataEnd,
    Trailers,
    Done,
}

impl ChunkReader {
    pub(super) fn plain_bytes(&self) -> u64 {
        match self.place {
            Place::Data { left } => left,
            _ => 0,
        }
    }

    pub(super) fn pass(&mut self, length: u64) {
        if let Place::Data { left } = &mut self.place {
            *left -= length;
            if *left == 0 {
                self.place = Place::DataEnd;
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// How many bytes at the front of `input` are one whole piece of framing; 0 when more are needed.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        match self.place {
            Place::Size => self.size_line(input),
            Place::DataEnd => self.data_end(input),
            Place::Trailers => self.trailers(input),
            Place::Data { .. } | Place::Done => Ok(0),
        }
    }

    fn size_line(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let line = match end {
            Some(end) => without_line_end(&input[..end])?,
            None => input.strip_suffix(b"\r").unwrap_or(input),
        };
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let rest = &line[digits..];
        let is_size = (1..=SIZE_DIGITS_MAX).contains(&digits) || (digits == 0 && input.is_empty());
        let is_extension = rest.is_empty() || rest[0] == b';';
        if !is_size || !is_extension || !rest.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::bad(
                "a chunk does not begin with its size in hexadecimal digits",
            ));
        }
        if rest.len() > EXTENSION_BYTES_MAX {
            return Err(Refusal::bad("a chunk extension is longer than 256 bytes"));
        }
        let Some(end) = end else { return Ok(0) };
        let size = line[..digits]
            .iter()
            .fold(0, |size, &digit| size * 16 + hex_value(digit));
        self.place = if size == 0 {
            Place::Trailers
        } else {
            Place::Data { left: size }
        };
        Ok(end + 1)
    }

    fn data_end(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        match input {
            [b'\r', b'\n', ..] => {
                self.place = Place::Size;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(Refusal::bad("a chunk is longer than its size says")),
        }
    }

    /// The trailers go on together, when all of them are here: until then a bad one can still be refused.
    fn trailers(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let mut start = 0;
        while let Some(length) = input[start..].iter().position(|&byte| byte == b'\n') {
            let line = without_line_end(&input[start..start + length])?;
            start += length + 1;
            if start > TRAILER_BYTES_MAX {
                break;
            }
            if line.is_empty() {
                self.place = Place::Done;
                return Ok(start);
            }
            check_trailer(line)?;
        }
        if input.len().max(start) > TRAILER_BYTES_MAX {
            return Err(Refusal::new(431, "the trailers are longer than 4 KiB"));
        }
        Ok(0)
    }
}

fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    let (name, _) = split_field(line)?;
    if TRAILERS_FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
    {
        return Err(Refusal::bad(
            "a trailer has a name that is not allowed after the body",
        ));
    }
    Ok(())
}

fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    })
}
