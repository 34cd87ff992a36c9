//! A server that answers whatever a test tells it to, byte for byte, and closes after each answer: broken ones
//! too.

use larder_agent::server::{Server, ServerAddress};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Everything that was asked, in order.
pub(crate) type Log = Arc<Mutex<Vec<Asked>>>;

/// Starts one; `answer` is told the request and how many there were before of the same line.
pub(crate) async fn server(
    answer: impl Fn(&Asked, usize) -> Vec<u8> + Send + Sync + 'static,
) -> (Server, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ServerAddress {
        url: format!("http://{}", listener.local_addr().unwrap()),
        token: "a-token".to_owned(),
        ca_pem: None,
    };
    let log = Log::default();
    let (written, answer) = (log.clone(), Arc::new(answer));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, written.clone(), answer.clone()));
        }
    });
    (Server::new(&address).unwrap(), log)
}

async fn serve(mut stream: TcpStream, log: Log, answer: Arc<impl Fn(&Asked, usize) -> Vec<u8>>) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut body = read.split_off(end);
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    let mut asked = Asked {
        line: line.to_owned(),
        head: head.clone(),
        body: Vec::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |it| it.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    asked.body = body;
    let bytes = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|known| known.line == asked.line).count();
        log.push(asked.clone());
        answer(&asked, before)
    };
    // The client may have had enough.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A whole answer.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(crate) fn json(status: &str, body: &impl serde::Serialize) -> Vec<u8> {
    answer(status, "", &serde_json::to_vec(body).unwrap())
}

/// The larder's way to say no.
pub(crate) fn no(status: &str, code: &str) -> Vec<u8> {
    json(
        status,
        &larder_protocol::ErrorBody {
            code: code.to_owned(),
            message: "as the script says".to_owned(),
        },
    )
}
