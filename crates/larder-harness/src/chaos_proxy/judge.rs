//! What the rule of the moment says about a piece of bytes.

use super::{Mode, Moment, Side};
use std::time::Duration;

/// What is done, and since which change.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) mode: Mode,
    /// Another one with each change, so that who counts bytes begins again.
    pub(super) version: u64,
    is_once: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            mode: Mode::Pass,
            version: 0,
            is_once: false,
        }
    }
}

impl Rule {
    pub(super) fn set(&mut self, mode: Mode, is_once: bool) {
        self.mode = mode;
        self.is_once = is_once;
        self.version += 1;
    }

    /// A connection was cut because of the rule of this version.
    pub(super) fn was_kept(&mut self, version: u64) {
        if self.is_once && self.version == version {
            self.set(Mode::Pass, false);
        }
    }

    /// What becomes of a piece on its way.
    pub(super) fn judge(&self, seen: &mut Seen, towards: Side, piece: &[u8]) -> Verdict {
        if seen.version != self.version {
            *seen = Seen::of(self.version);
        }
        match &self.mode {
            Mode::Pass | Mode::Refuse | Mode::HangUp => Verdict::Pass,
            Mode::Stall => Verdict::Wait(None),
            Mode::Delay(delay) => Verdict::Wait(Some(*delay)),
            Mode::CutAfter { towards: side, .. } if *side != towards => Verdict::Pass,
            Mode::CutAfter { bytes, .. } => {
                let left = bytes.saturating_sub(seen.bytes);
                seen.bytes += piece.len() as u64;
                match usize::try_from(left) {
                    Ok(left) if left <= piece.len() => Verdict::CutAfter(left),
                    _ => Verdict::Pass,
                }
            }
            Mode::CutAt { .. } if towards == Side::Client => Verdict::Pass,
            Mode::CutAt { pattern, moment } => {
                if !seen.finds(pattern, piece) {
                    return Verdict::Pass;
                }
                match moment {
                    Moment::Before => Verdict::CutAfter(0),
                    Moment::After => Verdict::LoseAnswer,
                }
            }
        }
    }
}

/// What one direction of a connection has seen since the rule changed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    version: u64,
    bytes: u64,
    /// The end of what passed, in which a pattern may have begun.
    tail: Vec<u8>,
}

impl Seen {
    fn of(version: u64) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    fn finds(&mut self, pattern: &[u8], piece: &[u8]) -> bool {
        self.tail.extend_from_slice(piece);
        let found = pattern.is_empty()
            || self
                .tail
                .windows(pattern.len())
                .any(|window| window == pattern);
        let kept = pattern.len().saturating_sub(1);
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        found
    }
}

/// What becomes of a piece.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Pass,
    /// Not now: after so long, or when the rule has changed.
    Wait(Option<Duration>),
    /// So many of its bytes pass, and then the connection is cut.
    CutAfter(usize),
    /// It passes, and the connection is cut when the answer begins.
    LoseAnswer,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: Mode, pieces: &[&str], verdicts: &[Verdict]) {
        let mut rule = Rule::default();
        rule.set(mode, false);
        let mut seen = Seen::default();
        let judged: Vec<_> = pieces
            .iter()
            .map(|piece| rule.judge(&mut seen, Side::Server, piece.as_bytes()))
            .collect();
        assert_eq!(judged, verdicts, "{rule:?}: {pieces:?}");
    }

    #[test]
    fn a_pattern_is_found_wherever_it_is_split() {
        let mode = |moment| Mode::CutAt {
            pattern: b"COMMIT".to_vec(),
            moment,
        };
        let before = || mode(Moment::Before);
        check(before(), &["COMMIT"], &[Verdict::CutAfter(0)]);
        check(
            before(),
            &["Q COM", "MIT"],
            &[Verdict::Pass, Verdict::CutAfter(0)],
        );
        check(
            before(),
            &["C", "O", "M", "M", "IT"],
            &[
                Verdict::Pass,
                Verdict::Pass,
                Verdict::Pass,
                Verdict::Pass,
                Verdict::CutAfter(0),
            ],
        );
        check(before(), &["COM", "COM"], &[Verdict::Pass, Verdict::Pass]);
        check(
            mode(Moment::After),
            &["BEGIN", "xCOMMITx"],
            &[Verdict::Pass, Verdict::LoseAnswer],
        );
    }

    #[test]
    fn exactly_so_many_bytes_pass() {
        let mode = |bytes, towards| Mode::CutAfter { towards, bytes };
        check(mode(0, Side::Server), &["x"], &[Verdict::CutAfter(0)]);
        check(
            mode(5, Side::Server),
            &["abc", "def"],
            &[Verdict::Pass, Verdict::CutAfter(2)],
        );
        check(mode(3, Side::Server), &["abc"], &[Verdict::CutAfter(3)]);
        check(mode(0, Side::Client), &["abc"], &[Verdict::Pass]);
    }

    #[test]
    fn a_rule_for_once_is_over_after_one_cut() {
        let mut rule = Rule::default();
        rule.set(Mode::HangUp, true);
        rule.was_kept(0);
        assert_eq!(rule.mode, Mode::HangUp, "that cut was of an older rule");
        rule.was_kept(rule.version);
        assert_eq!(rule.mode, Mode::Pass);
    }
}
