//! `larder.example.toml` and `docs/configuration.md`, written from the table of keys.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, Kind};

/// The example file: every key with its meaning, all of them commented out.
pub fn example_file() -> String {
    let mut text = String::from(
        "# All settings of `larder serve --config FILE`. Each line that is commented out shows the default, or, where\n\
         # nothing is the default, an example. docs/configuration.md says how the file, the environment and the\n\
         # command line come together. A test writes this file from the code: do not edit it by hand.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (its_section, name) = key.section_and_key();
        if its_section != section {
            section = its_section;
            let _ = write!(text, "\n[{section}]\n");
        }
        text.push('\n');
        for line in wrap(key.meaning, 116) {
            let _ = writeln!(text, "# {line}");
        }
        for line in wrap(&format!("Allowed: {}.", key.allowed), 116) {
            let _ = writeln!(text, "# {line}");
        }
        let note = if key.default.is_some() {
            ""
        } else {
            "   # not set by default"
        };
        let _ = writeln!(text, "# {name} = {}{note}", key.example);
    }
    text
}

/// The documentation page.
pub fn configuration_page() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| key | default | environment | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` | {} Allowed: {}. |",
            key.name,
            default_cell(key),
            key.variable(),
            cell(key.meaning),
            cell(key.allowed),
        );
    }
    text
}

const INTRODUCTION: &str = "\
# Configuration

<!-- A test writes this page from the code: do not edit it by hand. -->

`larder serve` takes its settings from four places; each wins over the ones before:

1. the defaults below,
2. the TOML file of `--config FILE` ([`larder.example.toml`](../larder.example.toml) shows every key),
3. environment variables: `LARDER__`, then the section, two underscores and the key, in capitals
   (`LARDER__LIMITS__MAX_FILE_BYTES`); keys without a section have none (`LARDER__PUBLIC_URL`); lists have commas,
4. the command line: `--data`, `--listen`, `--public-url`, `--tls-cert`, `--tls-key`.

A key that does not exist or a value that cannot be stops the start with one message: where it was set, the key, the
value, and what is allowed. Secrets are never printed. `LARDER_URL`, `LARDER_TOKEN` and `LARDER_JOB` (with one
underscore) are for the commands that talk to a server and set nothing here.

";

fn default_cell(key: &Key) -> String {
    match (key.default, key.kind) {
        (None, _) => "–".to_owned(),
        (Some(default), Kind::Text) => format!("`{}`", default.trim_matches('"')),
        (Some(default), _) => format!("`{default}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.len() - 1;
        if !lines[line].is_empty() && lines[line].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !lines[line].is_empty() {
                lines[line].push(' ');
            }
            lines[line].push_str(word);
        }
    }
    lines
}
