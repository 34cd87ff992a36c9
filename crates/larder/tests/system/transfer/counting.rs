//! Something between an agent and its server that counts what is sent, and that stays where it is when the server
//! comes back somewhere else.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Forwards connections and counts the bytes that go to the server.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) url: String,
    server: Arc<Mutex<Option<SocketAddr>>>,
    sent: Arc<AtomicU64>,
}

impl Counting {
    /// Leads nowhere until it is told where.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let counting = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            server: Arc::default(),
            sent: Arc::default(),
        };
        let accepting = counting.clone();
        // Ends with the test program.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let forwarding = accepting.clone();
                std::thread::spawn(move || forwarding.forward(client));
            }
        });
        counting
    }

    /// The server is there now.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.server.lock().unwrap() = Some(server);
    }

    /// Bytes that went to the server so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn forward(&self, client: TcpStream) {
        let address = *self.server.lock().unwrap();
        // Without a server the client sees its connection end, as it would without us.
        let Some(Ok(server)) = address.map(TcpStream::connect) else {
            return;
        };
        let (answers, asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || copy(answers, asker, &AtomicU64::new(0)));
        copy(client, server, &self.sent);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut piece) {
        count.fetch_add(size as u64, Ordering::Relaxed);
        if to.write_all(&piece[..size]).is_err() {
            break;
        }
    }
    // Either end may be gone.
    let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}
