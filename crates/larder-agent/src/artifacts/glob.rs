//! A glob as a regular expression over characters: `?` is one character, not one byte.

use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// A compiled glob takes at most so much memory: braces multiply.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Whole names that match; the language is that of [`super::Patterns`].
#[derive(Clone, Debug)]
pub(crate) struct Glob(Regex);

impl Glob {
    /// Reads a glob; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expression = Translation::of(text)?;
        RegexBuilder::new(&expression)
            .size_limit(COMPILED_BYTES_MAX)
            .nest_limit(64)
            .build()
            .map(Self)
            .map_err(|_| "it is too large".to_owned())
    }

    pub(crate) fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    expression: String,
    /// Open braces.
    depth: usize,
    /// Whether a folder or an alternative begins here, where `**` is more than `*`.
    is_start: bool,
}

impl Translation<'_> {
    fn of(text: &str) -> Result<String, String> {
        let mut translation = Translation {
            rest: text.chars().peekable(),
            expression: String::from("^(?s:"),
            depth: 0,
            is_start: true,
        };
        while let Some(next) = translation.rest.next() {
            translation.character(next)?;
        }
        if translation.depth > 0 {
            return Err("a { is not closed".to_owned());
        }
        translation.expression.push_str(")$");
        Ok(translation.expression)
    }

    fn character(&mut self, next: char) -> Result<(), String> {
        let was_start = std::mem::replace(&mut self.is_start, false);
        match next {
            '\\' => match self.rest.next() {
                Some(plain) => self.literal(plain),
                None => return Err("nothing follows the \\".to_owned()),
            },
            '*' if self.rest.next_if_eq(&'*').is_some() => self.two_stars(was_start),
            '*' => self.expression.push_str("[^/]*"),
            '?' => self.expression.push_str("[^/]"),
            '[' => self.class()?,
            '{' => {
                self.depth += 1;
                self.expression.push_str("(?:");
                self.is_start = was_start;
            }
            ',' if self.depth > 0 => {
                self.expression.push('|');
                self.is_start = true;
            }
            '}' if self.depth > 0 => {
                self.depth -= 1;
                self.expression.push(')');
            }
            '}' => return Err("a } closes nothing".to_owned()),
            '/' => {
                self.expression.push('/');
                self.is_start = true;
            }
            plain => self.literal(plain),
        }
        Ok(())
    }

    fn two_stars(&mut self, is_start: bool) {
        match self.rest.peek() {
            Some('/') if is_start => {
                self.rest.next();
                self.expression.push_str("(?:[^/]+/)*");
                self.is_start = true;
            }
            None if is_start => self.expression.push_str(".+"),
            Some(',' | '}') if is_start && self.depth > 0 => self.expression.push_str(".+"),
            _ => self.expression.push_str("[^/]*"),
        }
    }

    /// After `[`; a `]` that comes first is one of the characters.
    fn class(&mut self) -> Result<(), String> {
        let open = || "a [ is not closed".to_owned();
        let is_negated = self
            .rest
            .next_if(|next| matches!(next, '!' | '^'))
            .is_some();
        self.expression
            .push_str(if is_negated { "[^/" } else { "[" });
        let mut is_first = true;
        loop {
            let first = match self.rest.next().ok_or_else(open)? {
                ']' if !is_first => break,
                '\\' => self.rest.next().ok_or_else(open)?,
                first => first,
            };
            is_first = false;
            self.in_class(first);
            // A range, unless the `-` is the last of them.
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|end| *end != ']') {
                self.rest.next();
                let end = match self.rest.next().ok_or_else(open)? {
                    '\\' => self.rest.next().ok_or_else(open)?,
                    end => end,
                };
                if end < first {
                    return Err(format!("the range {first}-{end} is upside down"));
                }
                self.expression.push('-');
                self.in_class(end);
            }
        }
        self.expression.push_str("&&[^/]]");
        Ok(())
    }

    fn in_class(&mut self, plain: char) {
        // Cannot fail: it is a String.
        let _ = write!(self.expression, "\\x{{{:x}}}", u32::from(plain));
    }

    fn literal(&mut self, plain: char) {
        self.expression
            .push_str(&regex::escape(plain.encode_utf8(&mut [0; 4])));
    }
}
