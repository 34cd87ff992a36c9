//! As much HTTP/1.1 as a measurement needs, over one kept connection, so that the client costs little.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Of an answer's body, this much is kept to be looked at; the rest is read and counted.
const KEPT_MAX: u64 = 64 * 1024;

/// Longer than any measured request takes on a slow disk.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection that is kept open from request to request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// One request, whose body is a piece sent again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) piece: &'a [u8],
    pub(crate) repeated: u64,
}

impl<'a> Request<'a> {
    /// Reads what is at a path.
    pub(crate) fn get(path: &'a str, token: Option<&'a str>) -> Self {
        Self {
            method: "GET",
            path,
            token,
            piece: &[],
            repeated: 0,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// The first bytes of the body.
    pub(crate) start: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::with_capacity(256 * 1024, stream),
            address,
        })
    }

    /// Sends one request and reads the whole answer; any status but a 2xx is an error.
    pub(crate) fn ask(&mut self, request: Request<'_>) -> Result<Answer> {
        let Request { method, path, .. } = request;
        let answer = self
            .exchange(request)
            .with_context(|| format!("{method} {path}"))?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path}: {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.start)
        );
        Ok(answer)
    }

    fn exchange(&mut self, request: Request<'_>) -> Result<Answer> {
        let Request {
            method,
            path,
            token,
            piece,
            repeated,
        } = request;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if let Some(token) = token {
            head += &["Authorization: Bearer ", token, "\r\n"].concat();
        }
        if repeated > 0 {
            let length = (piece.len() as u64 * repeated).to_string();
            head += &[
                "Content-Type: application/octet-stream\r\nContent-Length: ",
                &length,
                "\r\n",
            ]
            .concat();
        }
        head += "\r\n";
        let stream = self.stream.get_mut();
        if repeated == 1 {
            // In one packet, as any client sends a small file.
            stream.write_all(&[head.as_bytes(), piece].concat())?;
        } else {
            stream.write_all(head.as_bytes())?;
            (0..repeated).try_for_each(|_| stream.write_all(piece))?;
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("no status in `{status_line}`"))?;
        let mut length = 0;
        let mut chunked = false;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", value)) => {
                    length = value.trim().parse().context("read Content-Length")?;
                }
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        let mut start = Vec::new();
        if chunked {
            length = self.chunks(&mut start)?;
        } else {
            self.body(length, &mut start)?;
        }
        Ok(Answer {
            status,
            length,
            start,
        })
    }

    fn chunks(&mut self, start: &mut Vec<u8>) -> Result<u64> {
        let mut total = 0;
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16)
                .with_context(|| format!("no chunk size in `{line}`"))?;
            self.body(size, start)?;
            self.line()?;
            total += size;
            if size == 0 {
                return Ok(total);
            }
        }
    }

    fn body(&mut self, length: u64, start: &mut Vec<u8>) -> Result<()> {
        let kept = length.min(KEPT_MAX - start.len() as u64);
        self.stream.by_ref().take(kept).read_to_end(start)?;
        let mut left = length - kept;
        while left > 0 {
            let read = self.stream.fill_buf()?.len();
            ensure!(read > 0, "the answer ended {left} bytes early");
            let passed = left.min(read as u64);
            self.stream.consume(usize::try_from(passed)?);
            left -= passed;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.by_ref().take(KEPT_MAX).read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Asks a server that answers `wire` and gives what the client made of it.
    fn ask(wire: &'static str) -> Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request)?;
            stream.write_all(wire.as_bytes())?;
            Ok(())
        });
        let answer = Connection::open(address)?.ask(Request::get("/", None));
        server
            .join()
            .map_err(|_| anyhow::anyhow!("the server panicked"))??;
        answer
    }

    #[test]
    fn both_framings_are_read() {
        let plain = ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        assert_eq!(
            (plain.length, plain.start.as_slice()),
            (5, b"hello".as_slice())
        );
        let chunked = ask(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        );
        assert_eq!(chunked.unwrap().start, b"hello");
    }

    #[test]
    fn a_refusal_and_a_short_answer_are_errors() {
        assert!(ask("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(ask("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello").is_err());
        assert!(ask("").is_err());
    }
}
