//! Hides secrets in what a job prints: the values of its secret variables, and whatever has the
//! form of a larder's token. One pass, in order, and never more in memory than the longest secret.

use super::Run;
use crate::artifacts::Secrets;
use crate::plan::StepKind;
use aho_corasick::AhoCorasick;
use larder_protocol::AnnouncedJob;
use std::borrow::Cow;
use std::sync::Arc;

/// What is printed in the place of a secret.
const MASK: &[u8] = b"****";
/// How tokens begin, and how many letters, digits and `_` follow at least: a token has more than 50.
const TOKEN_START: &[u8] = b"lrd_";
const TOKEN_BYTES_MIN: usize = 24;

/// The secrets of a job: of the variables that its steps get, of those that the caller has and the
/// steps do not get, and the tokens that the agent itself was given.
pub(super) fn secrets(run: &Run, job: &AnnouncedJob) -> Secrets {
    let of_steps = run.plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Run(run) => Some(&run.environment),
        _ => None,
    });
    let given = run.options.variables.iter();
    let of_config = given
        .chain(&run.plan.environment)
        .chain(of_steps.flatten())
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let caller = run.options.caller_environment.iter();
    let of_caller = caller.filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    let own = [
        ("LARDER_TOKEN", run.options.server.token.as_str()),
        ("LARDER_TOKEN", job.token.as_str()),
    ];
    Secrets::among(of_caller.chain(of_config).chain(own))
}

/// What is to be hidden; cheap to clone.
#[derive(Clone)]
pub(super) struct Mask {
    patterns: Arc<Patterns>,
}

struct Patterns {
    /// The texts, after the start of a token.
    texts: Vec<Vec<u8>>,
    automaton: Option<AhoCorasick>,
    longest: usize,
}

impl Mask {
    pub(super) fn new(secrets: &Secrets) -> Self {
        let mut texts = vec![TOKEN_START.to_owned()];
        texts.extend(secrets.lines().map(<[u8]>::to_owned));
        texts[1..].sort_unstable();
        texts.dedup();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = Secrets::automaton(&texts);
        Self {
            patterns: Arc::new(Patterns {
                texts,
                automaton,
                longest: longest.max(TOKEN_START.len() + TOKEN_BYTES_MIN),
            }),
        }
    }

    /// For one stream of bytes.
    pub(super) fn stream(&self) -> Stream {
        Stream {
            patterns: self.patterns.clone(),
            held: Vec::new(),
            shown: 0,
            masked: 0,
            in_token: false,
        }
    }

    /// A whole text without its secrets.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut stream = self.stream();
        let mut masked = stream.push(text.as_bytes());
        masked.extend(stream.flush());
        if masked == text.as_bytes() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }

    /// The text itself if there is nothing to hide in it.
    pub(super) fn hide(&self, text: String) -> String {
        let masked = match self.text(&text) {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        };
        masked.unwrap_or(text)
    }
}

/// One stream of bytes on its way. What is pushed comes out at once, except for an end that may be
/// the start of a secret: that waits for the next piece or for [`Stream::flush`].
pub(super) struct Stream {
    patterns: Arc<Patterns>,
    /// The end of what was pushed, in which a secret may have begun.
    held: Vec<u8>,
    /// So many bytes of that have come out already, as they were or masked.
    shown: usize,
    /// So many bytes of that belong to a secret whose mask has come out already.
    masked: usize,
    /// The mask that came out last is that of a token, which may go on.
    in_token: bool,
}

impl Stream {
    /// What can be shown after this piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let known = self.held.len();
        self.held.extend_from_slice(piece);
        let (spans, open_token) = self.spans(known);
        let keep_from = self.held.len() - self.patterns.open_end(&self.held);
        let (out, cursor) = self.render(&spans, keep_from);
        let begun = spans
            .iter()
            .filter(|span| !span.is_new || span.start < keep_from);
        let masked = begun.map(|span| span.end).max().unwrap_or(0);
        // A token that begins later is found again with the next piece.
        let goes_on = self.in_token && token_bytes(&self.held[known..]) == piece.len();
        self.in_token = goes_on || open_token.is_some_and(|start| start < keep_from);
        self.held.drain(..keep_from);
        self.shown = cursor - keep_from;
        self.masked = masked.saturating_sub(keep_from);
        out
    }

    /// What was held back, because nothing followed it for a while. A secret that goes on later is
    /// masked from there.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        let known = self.held.len();
        let (spans, _) = self.spans(known);
        let (out, _) = self.render(&spans, known);
        self.shown = known;
        self.masked = spans.iter().map(|span| span.end).max().unwrap_or(0);
        out
    }

    /// Whether something waits for [`Stream::flush`].
    pub(super) fn holds_back(&self) -> bool {
        self.shown < self.held.len()
    }

    /// Where secrets are in what is held, in order and apart from each other, and where a token
    /// begins that reaches the end. `known` bytes are not new.
    fn spans(&self, known: usize) -> (Vec<Span>, Option<usize>) {
        let end = self.held.len();
        let more = if self.in_token {
            token_bytes(&self.held[known..])
        } else {
            0
        };
        let mut open_token = None;
        let begun = if more > 0 { known + more } else { self.masked };
        let mut spans = vec![Span {
            start: 0,
            end: begun,
            is_new: false,
        }];
        let automaton = self.patterns.automaton.iter();
        for found in automaton.flat_map(|automaton| automaton.find_overlapping_iter(&self.held)) {
            let (start, mut found_end) = (found.start(), found.end());
            if found.pattern().as_usize() == 0 {
                let rest = token_bytes(&self.held[found_end..]);
                if rest < TOKEN_BYTES_MIN {
                    continue;
                }
                found_end += rest;
                if found_end == end {
                    open_token.get_or_insert(start);
                }
            }
            spans.push(Span {
                start,
                end: found_end,
                is_new: true,
            });
        }
        // That whose mask has come out stays the first of those at the same place.
        spans.sort_by_key(|span| span.start);
        let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans.into_iter().filter(|span| span.end > span.start) {
            match apart.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => apart.push(span),
            }
        }
        (apart, open_token)
    }

    /// What of the first `to` bytes has not come out yet, and up to where it has then: a secret
    /// that begins there is masked to its end.
    fn render(&self, spans: &[Span], to: usize) -> (Vec<u8>, usize) {
        let mut out = Vec::with_capacity(to);
        let mut cursor = self.shown;
        for span in spans.iter().filter(|span| span.start < to) {
            if span.start > cursor {
                out.extend_from_slice(&self.held[cursor..span.start]);
            }
            if span.end > cursor && span.is_new {
                out.extend_from_slice(MASK);
            }
            cursor = cursor.max(span.end);
        }
        if cursor < to {
            out.extend_from_slice(&self.held[cursor..to]);
            cursor = to;
        }
        (out, cursor)
    }
}

/// A secret within what is held.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// Its mask has not come out yet.
    is_new: bool,
}

impl Patterns {
    /// Length of the longest end of the bytes that may be the start of a secret.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let longest = bytes.len().min(self.longest - 1);
        let is_open = |end: &[u8]| {
            let begins_text = |text: &Vec<u8>| text.len() > end.len() && text.starts_with(end);
            let is_short_token = || {
                end.strip_prefix(TOKEN_START).is_some_and(|rest| {
                    rest.len() < TOKEN_BYTES_MIN && token_bytes(rest) == rest.len()
                })
            };
            self.texts.iter().any(begins_text) || is_short_token()
        };
        (1..=longest)
            .rev()
            .find(|length| is_open(&bytes[bytes.len() - length..]))
            .unwrap_or(0)
    }
}

/// How many bytes at the start can belong to a token.
fn token_bytes(bytes: &[u8]) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = bytes.iter().position(|byte| !belongs(byte));
    end.unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: [&str; 5] = [
        "abcabcabd",
        "abdabdabdx",
        "aaaaaaaa",
        "bdxlrd_ab\nlrd_abcd",
        "s3cret-value",
    ];

    fn mask() -> Mask {
        let names = ["A_TOKEN", "B_TOKEN", "C_TOKEN", "D_TOKEN", "E_TOKEN"];
        Mask::new(&Secrets::among(names.into_iter().zip(VALUES)))
    }

    /// The same by looking at each place of the whole text.
    fn plain(text: &[u8]) -> Vec<u8> {
        let lines: Vec<&[u8]> = VALUES
            .iter()
            .flat_map(|value| value.split('\n').map(str::as_bytes))
            .collect();
        let mut out = Vec::new();
        let mut end = 0;
        for at in 0..text.len() {
            let rest = &text[at..];
            let mut length = 0;
            for line in &lines {
                if rest.starts_with(line) {
                    length = length.max(line.len());
                }
            }
            if let Some(token) = rest.strip_prefix(TOKEN_START)
                && token_bytes(token) >= TOKEN_BYTES_MIN
            {
                length = length.max(TOKEN_START.len() + token_bytes(token));
            }
            if length > 0 && at >= end {
                out.extend_from_slice(MASK);
            }
            end = end.max(at + length);
            if at >= end {
                out.push(text[at]);
            }
        }
        out
    }

    #[test]
    fn secrets_are_hidden_and_all_else_is_as_it_was() {
        let check = |text: &str, expected: &str| assert_eq!(mask().text(text), expected, "{text}");
        check("plain text\n", "plain text\n");
        check("a s3cret-value b", "a **** b");
        check("s3cret-values3cret-value", "********");
        check("s3cret-valu", "s3cret-valu");
        check("xabcabcabdabdabdxy", "x****y");
        check("aaaaaaaaaaaaaaaaaaaaab", "****b");
        check("lrd_abcd is a line of its own", "**** is a line of its own");
        check(
            "token lrd_personal_0123456789abcdefghijklmnopqrstuvwxyz.",
            "token ****.",
        );
        check("lrd_short", "lrd_short");
    }

    #[test]
    fn a_secret_that_comes_slowly_is_hidden_from_where_it_went_on() {
        let mut stream = mask().stream();
        assert_eq!(stream.push(b"> s3c"), b"> ");
        assert!(stream.holds_back());
        assert_eq!(stream.flush(), b"s3c");
        assert!(!stream.holds_back());
        assert_eq!(stream.flush(), b"");
        assert_eq!(stream.push(b"ret-value!"), b"****!");
        assert_eq!(stream.push(b"aaaaaaaaa"), b"****");
        assert_eq!(stream.flush(), b"");
        assert_eq!(stream.push(b"aaz"), b"z");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn any_cut_of_the_stream_gives_the_same_text(
            words in prop::collection::vec(
                prop_oneof![
                    Just("a"), Just("b"), Just("d"), Just("x"), Just("abc"), Just("abd"),
                    Just("lrd_"), Just("bdxlrd_"), Just("aaaa"), Just("\n"), Just("s3cret-"),
                    Just("value"), Just("0123456789"), Just("."), Just("abcabcabd"),
                ],
                0..40,
            ),
            cuts in prop::collection::vec(0usize..6, 1..60),
        ) {
            let text = words.concat().into_bytes();
            let mask = mask();
            let mut stream = mask.stream();
            let (mut rest, mut out) = (text.as_slice(), Vec::new());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                out.extend(stream.push(piece));
                prop_assert!(stream.held.len() < stream.patterns.longest);
                rest = after;
            }
            out.extend(stream.push(rest));
            out.extend(stream.flush());
            let [out, expected] = [out, plain(&text)].map(|it| String::from_utf8(it).unwrap());
            prop_assert_eq!(out, expected);
        }
    }
}
