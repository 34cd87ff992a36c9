//! A proxy that does to connections what networks do: it cuts, stalls and delays them when a test says so.

mod judge;
mod line;

use crate::acceptor::Acceptor;
use anyhow::Result;
use judge::Rule;
use line::Line;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to connections, new ones and those that are open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Nothing.
    Pass,
    /// New connections are refused by the system, as where nobody listens.
    Refuse,
    /// New connections are accepted and closed at once.
    HangUp,
    /// Nothing goes on and nothing ends, as where a cable was pulled. Bytes that came meanwhile pass afterwards.
    Stall,
    /// Each piece waits so long, both ways.
    Delay(Duration),
    /// A connection ends when so many bytes have passed towards one side since this was set: that many arrive.
    CutAfter {
        /// Towards whom they pass.
        towards: Side,
        /// How many.
        bytes: u64,
    },
    /// A connection ends when these bytes come from the client, in one piece or in several.
    CutAt {
        /// The bytes; they are looked for from when this was set.
        pattern: Vec<u8>,
        /// Whether the server gets them.
        moment: Moment,
    },
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Who connected to the proxy.
    Client,
    /// Whom the proxy connected to.
    Server,
}

/// When a connection is cut that carries a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// The server never sees the end of the pattern.
    Before,
    /// The server sees all, and the client is cut off when the server begins to answer: it did what it was asked,
    /// and the client does not know.
    After,
}

/// A proxy in front of one server, on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct ChaosProxy {
    acceptor: Acceptor,
    network: Arc<Network>,
}

/// What all connections share.
#[derive(Debug)]
struct Network {
    target: SocketAddr,
    rule: Mutex<Rule>,
    /// The rule changed, or a line was cut.
    changed: Condvar,
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    accepted: AtomicU64,
    cuts: AtomicU64,
}

impl ChaosProxy {
    /// Passes connections to `target` until told otherwise.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let network = Arc::new(Network {
            target,
            rule: Mutex::new(Rule::default()),
            changed: Condvar::new(),
            lines: Mutex::new(BTreeMap::new()),
            accepted: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&network);
        let acceptor = Acceptor::start(move |client| accepting.accept(client))?;
        Ok(Self { acceptor, network })
    }

    /// Where it listens; it stays the same.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Does this from now on.
    pub fn set(&self, mode: Mode) -> Result<()> {
        self.change(mode, false)
    }

    /// Does this until the first connection was cut, and passes everything from then on: who tries again succeeds.
    pub fn set_once(&self, mode: Mode) -> Result<()> {
        self.change(mode, true)
    }

    /// Cuts every open connection now and says how many those were.
    pub fn cut_all(&self) -> usize {
        let lines: Vec<_> = self.network.lines().values().cloned().collect();
        lines.iter().filter(|line| line.cut(&self.network)).count()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.network.accepted.load(Ordering::SeqCst)
    }

    /// How many of those are open.
    pub fn open_connections(&self) -> usize {
        self.network.lines().len()
    }

    /// How many of those were cut or hung up on.
    pub fn cuts(&self) -> u64 {
        self.network.cuts.load(Ordering::SeqCst)
    }

    fn change(&self, mode: Mode, is_once: bool) -> Result<()> {
        let refuses = mode == Mode::Refuse;
        if refuses {
            self.acceptor.close();
        }
        self.network.rule().set(mode, is_once);
        self.network.changed.notify_all();
        if refuses {
            Ok(())
        } else {
            self.acceptor.open()
        }
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.acceptor.close();
        self.cut_all();
    }
}

impl Network {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::SeqCst);
        let rule = self.rule();
        if rule.mode == Mode::HangUp {
            let version = rule.version;
            drop(rule);
            return self.count_cut(version);
        }
        drop(rule);
        let line = Arc::new(Line::new(client));
        self.lines().insert(number, Arc::clone(&line));
        let network = Arc::clone(self);
        thread::spawn(move || {
            line.carry(&network);
            network.lines().remove(&number);
        });
    }

    /// A cut that a rule asked for ends a rule that holds only once.
    fn count_cut(&self, version: u64) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
        self.rule().was_kept(version);
        self.changed.notify_all();
    }

    /// Lets everybody who waits look again. With the lock, so that nobody is between a look and a wait.
    fn wake(&self) {
        let _rule = self.rule();
        self.changed.notify_all();
    }

    fn rule(&self) -> MutexGuard<'_, Rule> {
        self.rule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
