//! A step that runs: what it printed last, and how much of its last line is shown already.

use super::style::plain_name;
use std::collections::VecDeque;
use std::time::Instant;

/// Lines that the summary shows of a step that failed.
const TAIL_LINES: usize = 20;
/// Longer lines are shown in pieces, so that memory is bounded.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Longest line of a summary.
const TAIL_LINE_BYTES_MAX: usize = 500;

/// A step between its start and its end.
#[derive(Debug)]
pub(super) struct RunningStep {
    pub(super) seq: u32,
    /// Safe to show.
    pub(super) name: String,
    pub(super) began: Instant,
    /// When it printed something.
    pub(super) heard: Instant,
    /// Files that it kept, and their bytes.
    pub(super) kept: (usize, u64),
    /// Lines about kept files that a terminal was not shown.
    pub(super) hidden: usize,
    /// The line that has not ended yet.
    rest: Vec<u8>,
    /// How much of it is on the screen.
    shown: usize,
    tail: VecDeque<String>,
}

/// A step that failed, for the summary.
#[derive(Clone, Debug)]
pub(super) struct FailedStep {
    pub(super) name: String,
    /// `failed with exit status 2`
    pub(super) outcome: String,
    pub(super) tail: Vec<String>,
}

impl RunningStep {
    pub(super) fn new(seq: u32, name: &str, now: Instant) -> Self {
        Self {
            seq,
            name: plain_name(name),
            began: now,
            heard: now,
            kept: (0, 0),
            hidden: 0,
            rest: Vec::new(),
            shown: 0,
            tail: VecDeque::new(),
        }
    }

    /// Takes output; gives the lines that are whole now, each without what is on the screen already.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let pieces = bytes.split_inclusive(|byte| *byte == b'\n');
        for piece in pieces.flat_map(|line| line.chunks(LINE_BYTES_MAX)) {
            self.rest.extend_from_slice(piece);
            if self.rest.ends_with(b"\n") || self.rest.len() >= LINE_BYTES_MAX {
                lines.extend(self.end_line());
            }
        }
        lines
    }

    /// What is left of an unfinished line, and the end of it.
    pub(super) fn end_line(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.rest);
        let shown = std::mem::take(&mut self.shown);
        if line.is_empty() {
            return None;
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        let seen = &line[..line.len().min(TAIL_LINE_BYTES_MAX)];
        let seen = String::from_utf8_lossy(seen);
        // Of a progress line that is written over itself, the last state; colours stay with the live output.
        let seen = seen.trim_end().rsplit('\r').next().unwrap_or_default();
        self.tail.push_back(without_sequences(seen));
        if self.tail.len() > TAIL_LINES {
            self.tail.pop_front();
        }
        Some(line.split_off(shown.min(line.len())))
    }

    /// Whether some of its unfinished line is on the screen.
    pub(super) fn is_shown_in_part(&self) -> bool {
        self.shown > 0
    }

    /// All that came of the unfinished line is on the screen now.
    pub(super) fn show_rest(&mut self) {
        self.shown = self.rest.len();
    }

    pub(super) fn failed(self, outcome: String) -> FailedStep {
        FailedStep {
            name: self.name,
            outcome,
            tail: self.tail.into(),
        }
    }
}

/// Without control characters and the sequences that `ESC [` begins.
fn without_sequences(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next() == Some('[') {
                chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
        } else if c == '\t' || !c.is_control() {
            plain.push(c);
        }
    }
    plain
}
