//! What is wrong with a config, where, and what was expected instead.

use std::fmt;

/// A place in a text, counted as editors do: the first line and the first column are 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// A config that cannot be run. Its text names the file, the line and the column as a compiler
/// would, and shows the line.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The config's name, as the user gave it.
    pub file: String,
    /// Where it is wrong, if the mistake is at one place.
    pub position: Option<Position>,
    /// What is wrong and what was expected.
    pub message: String,
    /// The line at `position`.
    pub line: Option<String>,
    /// A likely cause elsewhere, for people.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(Position { line, column }) => {
                write!(formatter, "{}:{line}:{column}: {}", self.file, self.message)?;
            }
            None => write!(formatter, "{}: {}", self.file, self.message)?,
        }
        if let (Some(position), Some(text)) = (self.position, &self.line) {
            let number = position.line.to_string();
            let margin = " ".repeat(number.len());
            let before = usize::try_from(position.column - 1).unwrap_or(0);
            let indent: String = text
                .chars()
                .take(before)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(formatter, "\n{number} | {text}\n{margin} | {indent}^")?;
        }
        match &self.hint {
            Some(hint) => write!(formatter, "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// What is wrong, before it is known in which file: what the parts of this module answer with.
#[derive(Debug)]
pub(super) struct Mistake {
    place: Option<Position>,
    /// What is wrong within the value at `place`, if it is a part of it.
    part: Option<String>,
    message: String,
    hint: Option<String>,
    is_syntax: bool,
}

impl Mistake {
    pub(super) fn at(place: Position, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            part: None,
            message: message.into(),
            hint: None,
            is_syntax: false,
        }
    }

    /// Of the whole config, or of something outside of it.
    pub(super) fn anywhere(message: impl Into<String>) -> Self {
        Self {
            place: None,
            part: None,
            message: message.into(),
            hint: None,
            is_syntax: false,
        }
    }

    /// A text that is no YAML.
    pub(super) fn of_syntax(place: Position, message: impl Into<String>) -> Self {
        let mut mistake = Self::at(place, message);
        mistake.is_syntax = true;
        mistake
    }

    /// Points at `part` within the value, however many lines that has.
    pub(super) fn within(mut self, part: &str) -> Self {
        if self.part.is_none() {
            self.part = Some(part.to_owned());
        }
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn in_text(self, file: &str, text: &str) -> ConfigError {
        let lines = Lines(text);
        let place = self.place.map(|place| {
            let part = self.part.as_deref();
            part.and_then(|part| lines.find(place, part))
                .unwrap_or(place)
        });
        let cause = place
            .filter(|_| self.is_syntax)
            .and_then(|place| lines.outdented_comment_before(place.line));
        ConfigError {
            file: file.to_owned(),
            position: place,
            message: self.message,
            line: place.and_then(|place| lines.shown(place.line)),
            hint: cause.or(self.hint),
        }
    }
}

/// A word of the config as messages quote it.
pub(super) fn quoted(word: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let line = word.lines().next().unwrap_or_default();
    if line.chars().count() > SHOWN_MAX || line.len() < word.trim_end().len() {
        let start: String = line.chars().take(SHOWN_MAX).map(printable).collect();
        return format!("`{start}…`");
    }
    let line: String = line.chars().map(printable).collect();
    format!("`{line}`")
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn shown(&self, number: u64) -> Option<String> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        // A line of a config that is longer than a screen helps nobody.
        let line = self.0.lines().nth(index)?;
        Some(line.chars().take(200).map(printable).collect())
    }

    /// Where `part` stands first from `from` on; nowhere if the text spells it in another way.
    fn find(&self, from: Position, part: &str) -> Option<Position> {
        let first = usize::try_from(from.line).ok()?.checked_sub(1)?;
        let before = usize::try_from(from.column).ok()?.checked_sub(1)?;
        for (index, line) in self.0.lines().enumerate().skip(first) {
            let skipped = if index == first { before } else { 0 };
            let start = line
                .char_indices()
                .nth(skipped)
                .map_or(line.len(), |(at, _)| at);
            if let Some(at) = line[start..].find(part) {
                return Some(Position {
                    line: index as u64 + 1,
                    column: line[..start + at].chars().count() as u64 + 1,
                });
            }
        }
        None
    }

    /// A comment that is indented less than the block scalar around it ends the scalar, and the
    /// error then shows up on the line after the comment: name the comment as the cause.
    fn outdented_comment_before(&self, number: u64) -> Option<String> {
        let lines: Vec<&str> = self.0.lines().collect();
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let wanted = indent(lines.get(at)?);
        let comment = (0..at)
            .rev()
            .find(|&index| !lines[index].trim().is_empty())?;
        let opener = (0..comment).rev().find(|&index| {
            let line = lines[index].trim();
            !line.is_empty() && !line.starts_with('#') && indent(lines[index]) < wanted
        })?;
        let opens_block = lines[opener]
            .trim_end()
            .trim_end_matches(['+', '-'])
            .ends_with(['|', '>']);
        let is_cause = lines[comment].trim_start().starts_with('#')
            && indent(lines[comment]) < wanted
            && opens_block;
        is_cause.then(|| {
            format!(
                "line {}: this comment is indented less than the text that line {} begins, and ends it; \
                 indent it with {wanted} spaces",
                comment + 1,
                opener + 1,
            )
        })
    }
}

/// A terminal obeys characters that a config has no use for: they are shown, but not as themselves.
fn printable(c: char) -> char {
    match c {
        '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
