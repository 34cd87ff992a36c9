//! A client of its own, so that nothing between the test and the socket mends what the server does: one request a
//! connection, blocking, over a plain socket.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{PATIENCE, wait_for};

/// Bytes of a body that are written at once.
const PIECE: usize = 64 * 1024;

/// Speaks to one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
}

/// A body on its way in.
pub(crate) struct Upload<'a> {
    /// The bytes.
    pub(crate) source: &'a mut dyn Read,
    /// `Content-Length`; chunks if there is none.
    pub(crate) declared: Option<u64>,
    /// Told the size of each piece that the socket took.
    pub(crate) sent: &'a mut dyn FnMut(usize),
}

/// An answer whose body is as long as its head said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// An answer's head, and its body still to be read.
pub(crate) struct Opened {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> io::Result<Answer> {
        self.send("GET", path, token, b"")
    }

    /// One request with a body at hand.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let upload = Upload {
            source: &mut &*body,
            declared: Some(body.len() as u64),
            sent: &mut |_| (),
        };
        self.open(method, path, token, upload)?.answer()
    }

    /// One request; the body of the answer is still to be read.
    pub(crate) fn open(
        &self,
        method: &str,
        path: &str,
        token: &str,
        mut upload: Upload<'_>,
    ) -> io::Result<Opened> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(self.head(method, path, token, upload.declared).as_bytes())?;
        // A server that says no before the last byte closes: its answer counts.
        let sent = send_body(&mut stream, &mut upload);
        match Opened::read(BufReader::new(stream)) {
            Ok(opened) => Ok(opened),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// Waits until the server says that it is ready.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        wait_for("a server that is ready", PATIENCE, || {
            let answer = self.get("/readyz", "").ok()?;
            (answer.status == 200).then_some(())
        });
    }

    /// The head of a request.
    pub(crate) fn head(
        &self,
        method: &str,
        path: &str,
        token: &str,
        declared: Option<u64>,
    ) -> String {
        let framing = match declared {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        let bearer = if token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {token}\r\n")
        };
        let address = self.address;
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{bearer}{framing}\r\n\r\n"
        )
    }

    /// A connection on which the caller writes what it wants.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

fn send_body(stream: &mut TcpStream, upload: &mut Upload<'_>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let size = upload.source.read(&mut piece)?;
        if size == 0 {
            break;
        }
        if upload.declared.is_none() {
            stream.write_all(format!("{size:x}\r\n").as_bytes())?;
            stream.write_all(&piece[..size])?;
            stream.write_all(b"\r\n")?;
        } else {
            stream.write_all(&piece[..size])?;
        }
        (upload.sent)(size);
    }
    if upload.declared.is_none() {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

impl Opened {
    /// Reads the head of the answer.
    pub(crate) fn read(mut stream: BufReader<TcpStream>) -> io::Result<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0]
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(lines[0].clone()))?;
        let header = |line: &String| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers = lines[1..].iter().map(header).collect();
        Ok(Self {
            status,
            headers,
            stream,
        })
    }

    /// The rest of the answer; one that breaks off before its declared end is an error.
    pub(crate) fn answer(mut self) -> io::Result<Answer> {
        let mut body = Vec::new();
        match self.declared() {
            Some(length) => {
                body.resize(usize::try_from(length).unwrap(), 0);
                self.stream.read_exact(&mut body)?;
            }
            None => {
                self.stream.read_to_end(&mut body)?;
            }
        }
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
        Ok(Answer {
            status: self.status,
            body,
        })
    }

    pub(crate) fn declared(&self) -> Option<u64> {
        self.header("content-length").parse().ok()
    }

    /// A header by its name in lower case; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A read with a timeout is interrupted when the whole machine is halted for a moment.
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                ended => return ended,
            }
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Asserts the status and gives the answer on.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
