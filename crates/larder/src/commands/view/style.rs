//! Colours, and names that are safe to show.

use std::io::IsTerminal as _;

/// Longest name that is shown, in characters.
const NAME_CHARS_MAX: usize = 120;

/// How the standard output is written to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// A person looks at it.
    pub(super) is_terminal: bool,
    /// Words come in colours.
    pub(super) has_colour: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// A step begins.
    Heading,
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// A person should know.
    Note,
    /// Who says it.
    Label,
}

impl Style {
    /// By what the standard output is, `NO_COLOR` (<https://no-color.org>), `CLICOLOR_FORCE` and `CLICOLOR`.
    pub(super) fn of_standard_output() -> Self {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_dumb = value("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = std::io::stdout().is_terminal() && !is_dumb;
        let forced = value("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = value("CLICOLOR").is_some_and(|value| value == "0");
        Self {
            is_terminal,
            has_colour: value("NO_COLOR").is_none() && (forced || (is_terminal && !refused)),
        }
    }

    /// The text in the colour of its meaning, or as it is.
    pub(super) fn paint(self, meaning: Meaning, text: &str) -> String {
        let code = match meaning {
            Meaning::Heading => "1",
            Meaning::Good => "32",
            Meaning::Bad => "31",
            Meaning::Note => "33",
            Meaning::Label => "36",
        };
        if self.has_colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The first line of a name, without what a terminal would obey.
pub(super) fn plain_name(name: &str) -> String {
    let mut lines = name.trim().lines();
    let first = lines.next().unwrap_or_default();
    let mut plain: String = first
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(NAME_CHARS_MAX)
        .collect();
    if lines.next().is_some() || first.chars().count() > NAME_CHARS_MAX {
        plain.push('…');
    }
    plain
}
