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

/// The config's name and text: what every error about it shows.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Text<'_> {
    pub(super) fn error(
        self,
        position: Option<Position>,
        message: impl Into<String>,
    ) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            position,
            message: message.into(),
            line: position.and_then(|place| self.line(place.line)),
            hint: None,
        }
    }

    pub(super) fn yaml_error(self, error: &serde_saphyr::Error) -> ConfigError {
        let error = error.without_snippet();
        let position = error.location().and_then(position);
        let options = serde_saphyr::render_options! {
            formatter: &serde_saphyr::UserMessageFormatter,
        };
        let message = error.render_with_options(options);
        let message = in_plain_words(without_place(&message));
        let mut answer = self.error(position, message);
        answer.hint = position.and_then(|place| self.outdented_comment_before(place.line));
        answer
    }

    fn line(self, number: u64) -> Option<String> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        // A line of a config that is longer than a screen helps nobody.
        let line = self.text.lines().nth(index)?;
        Some(line.chars().take(200).collect())
    }

    /// A comment that is indented less than the block scalar around it ends the scalar, and the
    /// error then shows up on the line after the comment: name the comment as the cause.
    fn outdented_comment_before(self, number: u64) -> Option<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let wanted = indent(lines.get(at)?);
        let comment = (0..at)
            .rev()
            .find(|&index| !lines[index].trim().is_empty())?;
        let opener = (0..comment).rev().find(|&index| {
            let line = lines[index].trim();
            !line.is_empty() && !line.starts_with('#')
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

pub(super) fn position(location: serde_saphyr::Location) -> Option<Position> {
    (location.line() > 0).then(|| Position {
        line: location.line(),
        column: location.column().max(1),
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The parser's own words mean nothing to whoever writes configs.
fn in_plain_words(message: &str) -> String {
    message
        .replace(
            "expected sequence start",
            "expected a list (lines that begin with `- `)",
        )
        .replace(
            "expected mapping start",
            "expected a map (lines of `key: value`)",
        )
        .replace("invalid type: sequence", "a list cannot stand here")
        .replace("invalid type: map", "a map cannot stand here")
}

/// The library says the place at the end of some messages; ours stands in front.
fn without_place(message: &str) -> &str {
    let first = message.lines().next().unwrap_or_default();
    let cut = first
        .rfind(" at line ")
        .filter(|&at| first[at..].contains("column"));
    first[..cut.unwrap_or(first.len())]
        .trim_end_matches(|c: char| c == ':' || c == ',' || c.is_whitespace())
}
