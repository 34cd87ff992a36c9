//! One connection through the proxy: two sockets, and a thread for each direction.

use super::judge::{Seen, Verdict};
use super::{Mode, Network, Side};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

/// Bytes that are judged at once.
const PIECE: usize = 16 * 1024;

/// The version of no rule that was ever set.
const NO_RULE: u64 = 0;

/// A client, and its server from when that has been reached.
#[derive(Debug)]
pub(super) struct Line {
    client: TcpStream,
    server: OnceLock<TcpStream>,
    /// Somebody cuts it, and everybody else comes too late.
    is_claimed: AtomicBool,
    /// It was cut, and that was counted.
    is_cut: AtomicBool,
    /// The version of the rule that wants the next answer lost.
    loses_answer: AtomicU64,
}

impl Line {
    pub(super) fn new(client: TcpStream) -> Self {
        Self {
            client,
            server: OnceLock::new(),
            is_claimed: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            loses_answer: AtomicU64::new(NO_RULE),
        }
    }

    /// Carries bytes both ways until both sides have said their last, or until it is cut.
    pub(super) fn carry(&self, network: &Network) {
        self.wait_while_stalled(network);
        let Ok(server) = TcpStream::connect(network.target) else {
            return self.hang_up();
        };
        let server = self.server.get_or_init(|| server);
        for stream in [&self.client, server] {
            // Only slower without it.
            drop(stream.set_nodelay(true));
        }
        // A cut that came before the server was reached found one socket only.
        if self.is_cut() {
            return self.hang_up();
        }
        thread::scope(|scope| {
            scope.spawn(|| self.pass(network, server, &self.client, Side::Client));
            self.pass(network, &self.client, server, Side::Server);
        });
    }

    /// Ends both sides at once. Whether it was this call that did.
    pub(super) fn cut(&self, network: &Network) -> bool {
        self.cut_by(network, NO_RULE)
    }

    fn cut_by(&self, network: &Network, version: u64) -> bool {
        if self.is_claimed.swap(true, Ordering::SeqCst) {
            return false;
        }
        // Before anybody can see the end: whoever sees it may look at the count, or try again at once.
        network.count_cut(version);
        self.is_cut.store(true, Ordering::SeqCst);
        network.wake();
        self.hang_up();
        true
    }

    fn hang_up(&self) {
        for stream in [Some(&self.client), self.server.get()]
            .into_iter()
            .flatten()
        {
            // The other side may have been quicker.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    fn wait_while_stalled(&self, network: &Network) {
        let stalled = |rule: &mut super::Rule| rule.mode == Mode::Stall && !self.is_cut();
        let waited = network.changed.wait_while(network.rule(), stalled);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// One direction.
    fn pass(&self, network: &Network, mut from: &TcpStream, mut to: &TcpStream, towards: Side) {
        let mut buffer = vec![0; PIECE];
        let mut seen = Seen::default();
        loop {
            let read = from.read(&mut buffer);
            if towards == Side::Client && self.answer_is_lost(network) {
                break;
            }
            let piece = match read {
                // Its last word is the last word to the other side, too.
                Ok(0) => break drop(to.shutdown(Shutdown::Write)),
                Ok(read) => &buffer[..read],
                Err(_) => break self.hang_up(),
            };
            let (verdict, version) = self.judged(network, &mut seen, towards, piece);
            let passes = match verdict {
                Verdict::CutAfter(bytes) => &piece[..bytes],
                _ => piece,
            };
            if verdict == Verdict::LoseAnswer {
                // Before the server can answer.
                self.loses_answer.store(version, Ordering::SeqCst);
            }
            if self.is_cut() || to.write_all(passes).is_err() {
                break self.hang_up();
            }
            if let Verdict::CutAfter(_) = verdict {
                self.cut_by(network, version);
                break;
            }
        }
    }

    fn answer_is_lost(&self, network: &Network) -> bool {
        match self.loses_answer.load(Ordering::SeqCst) {
            NO_RULE => false,
            version => {
                self.cut_by(network, version);
                true
            }
        }
    }

    /// What becomes of a piece, once it has waited as long as it has to; and the version of the rule that says so.
    fn judged(
        &self,
        network: &Network,
        seen: &mut Seen,
        towards: Side,
        piece: &[u8],
    ) -> (Verdict, u64) {
        let came = Instant::now();
        let mut rule = network.rule();
        loop {
            if self.is_cut() {
                return (Verdict::Pass, rule.version);
            }
            let limit = match rule.judge(seen, towards, piece) {
                Verdict::Wait(limit) => limit,
                verdict => return (verdict, rule.version),
            };
            let left = limit.map(|delay| delay.saturating_sub(came.elapsed()));
            rule = match left {
                Some(left) if left.is_zero() => return (Verdict::Pass, rule.version),
                Some(left) => {
                    let waited = network.changed.wait_timeout(rule, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = network.changed.wait(rule);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}
