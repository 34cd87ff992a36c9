//! A listening socket that can close and open again on the same port.

use crate::port;
use anyhow::{Context, Result};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Accepts on a thread of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    door: Arc<Door>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Door {
    state: Mutex<State>,
    changed: Condvar,
}

/// `Opening → Open → Closing → Closed → Opening`, and from each of them to `Gone`.
#[derive(Debug)]
enum State {
    /// The socket listens, and the thread has not taken it yet.
    Opening(TcpListener),
    Open,
    /// The thread is asked to let go of the socket.
    Closing,
    Closed,
    Gone,
}

impl Acceptor {
    /// Listens on a port of ours and hands each connection to `serve`, which returns at once.
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Result<Self> {
        let listener = port::listen()?;
        let address = listener.local_addr()?;
        let door = Arc::new(Door {
            state: Mutex::new(State::Opening(listener)),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&door);
        let thread = thread::spawn(move || accept(&accepting, &serve));
        Ok(Self {
            address,
            door,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the return on, the system refuses connections.
    pub(crate) fn close(&self) {
        let mut state = self.door.lock();
        if matches!(*state, State::Closed | State::Gone) {
            return;
        }
        *state = State::Closing;
        self.door.changed.notify_all();
        drop(state);
        self.wake();
        let closing = |state: &mut State| matches!(state, State::Closing);
        let waited = self.door.changed.wait_while(self.door.lock(), closing);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// From the return on, connections are accepted.
    pub(crate) fn open(&self) -> Result<()> {
        let mut state = self.door.lock();
        if matches!(*state, State::Closed) {
            let listener = TcpListener::bind(self.address)
                .with_context(|| format!("listen on {} again", self.address))?;
            *state = State::Opening(listener);
            self.door.changed.notify_all();
        }
        Ok(())
    }

    /// A connection that leads nowhere, for a thread that waits for one.
    fn wake(&self) {
        drop(TcpStream::connect(self.address));
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        *self.door.lock() = State::Gone;
        self.door.changed.notify_all();
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            drop(thread.join());
        }
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a socket to accept on; none when it is over.
    fn opened(&self) -> Option<TcpListener> {
        let mut state = self.lock();
        loop {
            match std::mem::replace(&mut *state, State::Open) {
                State::Opening(listener) => return Some(listener),
                State::Gone => {
                    *state = State::Gone;
                    return None;
                }
                State::Open | State::Closing | State::Closed => {
                    *state = State::Closed;
                    self.changed.notify_all();
                    let closed = |state: &mut State| matches!(state, State::Closed);
                    let waited = self.changed.wait_while(state, closed);
                    state = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

fn accept(door: &Door, serve: &impl Fn(TcpStream)) {
    while let Some(listener) = door.opened() {
        while let Ok((stream, _)) = listener.accept() {
            if !matches!(*door.lock(), State::Open) {
                break;
            }
            serve(stream);
        }
    }
}
