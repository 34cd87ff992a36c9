//! The regular expressions of configs. They are Java's, which look ahead and behind.

use super::error::quoted;
use fancy_regex::RegexBuilder;
use std::cell::RefCell;
use std::collections::HashMap;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Steps of one search: patterns that look ahead can take forever.
const STEPS_MAX: usize = 20_000;
/// Bytes of one pattern, made ready.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Different searches: each can take milliseconds, and a matrix repeats the same ones.
const SEARCHES_MAX: usize = 1_000;

/// The searches that were made, with what they found.
#[derive(Default)]
pub(super) struct Patterns {
    found: RefCell<HashMap<Search, bool>>,
}

#[derive(Eq, Hash, PartialEq)]
struct Search {
    pattern: String,
    text: String,
    is_whole: bool,
}

impl Patterns {
    /// Whether the pattern fits the whole text.
    pub(super) fn is_whole(&self, pattern: &str, text: &str) -> Result<bool, String> {
        self.search(pattern, text, true)
    }

    /// Whether the pattern fits somewhere in the text.
    pub(super) fn is_found(&self, pattern: &str, text: &str) -> Result<bool, String> {
        self.search(pattern, text, false)
    }

    fn search(&self, pattern: &str, text: &str, is_whole: bool) -> Result<bool, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "the pattern is longer than {PATTERN_BYTES_MAX} bytes; that is the limit"
            ));
        }
        let search = Search {
            pattern: pattern.to_owned(),
            text: text.to_owned(),
            is_whole,
        };
        if let Some(&is_found) = self.found.borrow().get(&search) {
            return Ok(is_found);
        }
        if self.found.borrow().len() >= SEARCHES_MAX {
            return Err(format!(
                "the config comes to more than {SEARCHES_MAX} patterns to try; that is the limit"
            ));
        }
        let is_found = search.run()?;
        self.found.borrow_mut().insert(search, is_found);
        Ok(is_found)
    }
}

impl Search {
    fn run(&self) -> Result<bool, String> {
        let pattern = if self.is_whole {
            &format!("\\A(?:{})\\z", self.pattern)
        } else {
            &self.pattern
        };
        let regex = RegexBuilder::new(pattern)
            .backtrack_limit(STEPS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| format!("{} is no pattern: {error}", quoted(&self.pattern)))?;
        regex
            .is_match(&self.text)
            .map_err(|error| format!("{} cannot be tried: {error}", quoted(&self.pattern)))
    }
}
