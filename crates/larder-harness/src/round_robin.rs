//! A proxy in front of several equal servers, as simple as one in front of real ones: it knows no HTTP.

use crate::acceptor::Acceptor;
use anyhow::Result;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

/// A server on the same machine accepts at once or never.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Gives each connection to the next server; one that refuses it is passed over.
#[derive(Debug)]
pub struct RoundRobin {
    acceptor: Acceptor,
    backends: Arc<RwLock<Vec<SocketAddr>>>,
}

impl RoundRobin {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(backends: Vec<SocketAddr>) -> Result<Self> {
        let backends = Arc::new(RwLock::new(backends));
        let (known, turn) = (Arc::clone(&backends), AtomicUsize::new(0));
        let acceptor = Acceptor::start(move |client| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let mut order = known.read().unwrap_or_else(PoisonError::into_inner).clone();
            let count = order.len().max(1);
            order.rotate_left(turn % count);
            thread::spawn(move || serve(&client, &order));
        })?;
        Ok(Self { acceptor, backends })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Gives connections to these servers from now on; those that are open stay where they are.
    pub fn replace(&self, backends: Vec<SocketAddr>) {
        *self
            .backends
            .write()
            .unwrap_or_else(PoisonError::into_inner) = backends;
    }
}

/// Passes bytes both ways until both sides have said their last; without any server the client is hung up on.
fn serve(client: &TcpStream, backends: &[SocketAddr]) {
    let connect = |address| TcpStream::connect_timeout(address, CONNECT_MAX).ok();
    let Some(server) = backends.iter().find_map(connect) else {
        return;
    };
    for stream in [client, &server] {
        // Only slower without it.
        drop(stream.set_nodelay(true));
    }
    thread::scope(|scope| {
        scope.spawn(|| pass(&server, client));
        pass(client, &server);
    });
}

/// Ends one direction when it ends, and both when it breaks.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    if io::copy(&mut from, &mut to).is_ok() {
        drop(to.shutdown(Shutdown::Write));
    } else {
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}
