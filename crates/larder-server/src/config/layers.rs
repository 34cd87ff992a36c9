//! The settings of a file, the environment and the command line, each with the place where it was set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::keys::{KEYS, Key, Kind, VARIABLE_PREFIX};
use super::values::without_password;
use super::{Config, ConfigError, Overrides};

/// What was set, the later layers having replaced the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
}

#[derive(Debug)]
struct Setting {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File { path: PathBuf, line: usize },
    Variable(String),
    CommandLine(&'static str),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::CommandLine(option) => write!(formatter, "command line {option}"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

impl Layers {
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        // The parser's own words would quote the line, and it may hold a secret.
        let not_toml = |error: &toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(span.start));
            ConfigError(format!(
                "{}:{line}: this is not TOML: {}",
                path.display(),
                error.message()
            ))
        };
        let values: Table = text.parse().map_err(|error| not_toml(&error))?;
        let places = DeTable::parse(text).map_err(|error| not_toml(&error))?;
        for (name, value) in values {
            let (place, section) = place_of(places.get_ref(), &name);
            match value {
                Value::Table(section_values) if !KEYS.iter().any(|key| key.name == name) => {
                    for (key, value) in section_values {
                        let place = section.map_or(place, |section| place_of(section, &key).0);
                        let origin = Origin::File {
                            path: path.to_owned(),
                            line: line_of(place),
                        };
                        self.add(&format!("{name}.{key}"), value, origin)?;
                    }
                }
                value => {
                    let origin = Origin::File {
                        path: path.to_owned(),
                        line: line_of(place),
                    };
                    self.add(&name, value, origin)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn add_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in environment {
            if !variable.starts_with(VARIABLE_PREFIX) {
                continue;
            }
            let origin = Origin::Variable(variable.clone());
            let Some(key) = KEYS.iter().find(|key| key.variable() == variable) else {
                let known: Vec<_> = KEYS.iter().map(Key::variable).collect();
                return Err(unknown(&origin, &variable, &known));
            };
            self.add_text(key, &text, origin)?;
        }
        Ok(())
    }

    pub(super) fn add_overrides(&mut self, overrides: &Overrides) -> Result<(), ConfigError> {
        let options = [
            ("--data", "data", &overrides.data),
            ("--listen", "listen", &overrides.listen),
            ("--public-url", "public_url", &overrides.public_url),
            ("--tls-cert", "tls.cert", &overrides.tls_cert),
            ("--tls-key", "tls.key", &overrides.tls_key),
        ];
        for (option, name, text) in options {
            if let (Some(text), Some(key)) = (text, Key::named(name)) {
                self.add_text(key, text, Origin::CommandLine(option))?;
            }
        }
        Ok(())
    }

    /// All settings as one value.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        let mut table = Table::new();
        for setting in self.settings.values() {
            setting.put_into(&mut table);
        }
        // Each setting was tried alone, so this cannot fail.
        Config::try_from_table(table).map_err(ConfigError)
    }

    /// Where `name` was set.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.settings
            .get(name)
            .map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// An error about a setting that can be by itself, but not together with the others.
    pub(super) fn error(&self, name: &str, problem: &str) -> ConfigError {
        match self.settings.get(name) {
            Some(setting) => setting.error(problem),
            None => ConfigError(format!("{name}: {problem}")),
        }
    }

    fn add_text(
        &mut self,
        key: &'static Key,
        text: &str,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        let value = match key.kind {
            Kind::Text | Kind::Secret => Some(Value::String(text.to_owned())),
            Kind::Number { .. } => text.replace('_', "").parse().ok().map(Value::Integer),
            Kind::Flag => text.parse().ok().map(Value::Boolean),
            Kind::List => {
                let words = text
                    .split(',')
                    .map(str::trim)
                    .filter(|word| !word.is_empty());
                Some(Value::Array(
                    words.map(|word| Value::String(word.to_owned())).collect(),
                ))
            }
        };
        let Some(value) = value else {
            let setting = Setting {
                key,
                value: Value::String(text.to_owned()),
                origin,
            };
            return Err(setting.error(&format!("allowed is {}", key.allowed)));
        };
        self.add(key.name, value, origin)
    }

    fn add(&mut self, name: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some(key) = Key::named(name) else {
            let known: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
            return Err(unknown(&origin, name, &known));
        };
        let setting = Setting { key, value, origin };
        setting.try_alone()?;
        self.settings.insert(key.name, setting);
        Ok(())
    }
}

impl Setting {
    fn try_alone(&self) -> Result<(), ConfigError> {
        if let (Kind::Number { least, most }, Value::Integer(number)) = (self.key.kind, &self.value)
            && !(least..=most).contains(number)
        {
            return Err(self.error(&format!("allowed is {}", self.key.allowed)));
        }
        if self.value.as_str().is_some_and(str::is_empty) {
            return Err(self.error(&format!("it is empty; allowed is {}", self.key.allowed)));
        }
        let mut table = Table::new();
        self.put_into(&mut table);
        match Config::try_from_table(table) {
            Ok(_) => Ok(()),
            Err(reason) if self.key.kind == Kind::Secret => {
                // The reason may quote the value.
                drop(reason);
                Err(self.error(&format!("allowed is {}", self.key.allowed)))
            }
            Err(reason) => Err(self.error(&format!("{reason}; allowed is {}", self.key.allowed))),
        }
    }

    fn put_into(&self, table: &mut Table) {
        let (section, key) = self.key.section_and_key();
        if section.is_empty() {
            table.insert(key.to_owned(), self.value.clone());
        } else if let Value::Table(section) = table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
        {
            section.insert(key.to_owned(), self.value.clone());
        }
    }

    fn error(&self, problem: &str) -> ConfigError {
        let value = match (&self.value, self.key.kind) {
            (_, Kind::Secret) => "(secret)".to_owned(),
            (Value::String(text), _) => format!("\"{}\"", without_password(text).escape_debug()),
            (value, _) => value.to_string(),
        };
        ConfigError(format!(
            "{}: {} = {value}: {problem}",
            self.origin, self.key.name
        ))
    }
}

impl Config {
    fn try_from_table(table: Table) -> Result<Self, String> {
        Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

/// Where `name` begins in the text, and the table that it names, if it is one.
fn place_of<'table, 'text>(
    table: &'table DeTable<'text>,
    name: &str,
) -> (usize, Option<&'table DeTable<'text>>) {
    let entry = table.iter().find(|(key, _)| key.get_ref().as_ref() == name);
    entry.map_or((0, None), |(key, value)| {
        let section = match value.get_ref() {
            DeValue::Table(section) => Some(section),
            _ => None,
        };
        (key.span().start, section)
    })
}

/// An error about a name that does not exist, with the one that was probably meant.
fn unknown(origin: &Origin, name: &str, known: &[String]) -> ConfigError {
    let nearest = known
        .iter()
        .min_by_key(|candidate| distance(name, candidate));
    let meant = nearest.filter(|candidate| distance(name, candidate) <= 3);
    let hint = meant.map_or(String::new(), |meant| {
        format!("; perhaps `{meant}` is meant")
    });
    let origin = if matches!(origin, Origin::Variable(_)) {
        String::new()
    } else {
        format!("{origin}: ")
    };
    ConfigError(format!(
        "{origin}{name}: there is no such key{hint}. All keys are in docs/configuration.md"
    ))
}

/// How many letters must be put in, left out or changed to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // Names that long are no slips of the keyboard.
    for (i, letter) in one.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other_letter) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other_letter);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
