//! Declared parameters: their types, their defaults, and whether a value fits.

use super::error::{Mistake, Position, quoted};
use super::fields::{Fields, nearest, suggestion};
use super::node::{Node, Value, boolean};
use std::collections::BTreeMap;

/// Values of parameters by their names.
pub(super) type Arguments = BTreeMap<String, Node>;

/// A parameter that a job, command, executor or the config declares.
pub(super) struct Declaration {
    pub(super) kind: Kind,
    pub(super) default: Option<Node>,
    pub(super) place: Position,
}

/// The type of a parameter.
pub(super) enum Kind {
    Text,
    Boolean,
    Integer,
    Choice(Vec<String>),
    Executor,
    Steps,
    VariableName,
}

const KINDS: [&str; 7] = [
    "string",
    "boolean",
    "integer",
    "enum",
    "executor",
    "steps",
    "env_var_name",
];

/// The `parameters` of something.
pub(super) fn declarations(node: Option<&Node>) -> Result<BTreeMap<String, Declaration>, Mistake> {
    let Some(node) = node.filter(|node| !node.is_null()) else {
        return Ok(BTreeMap::new());
    };
    let Some(map) = node.as_map() else {
        let message = format!(
            "`parameters`: expected a map from names to their `type`, found {}",
            node.kind()
        );
        return Err(Mistake::at(node.place, message));
    };
    map.entries()
        .iter()
        .map(|entry| {
            let what = format!("the parameter {}", quoted(&entry.key));
            let known = ["type", "default", "description", "enum"];
            let fields = Fields::strict(&entry.value, &what, &known)?;
            let declaration = Declaration {
                kind: kind(&fields, &what)?,
                default: entry
                    .value
                    .as_map()
                    .and_then(|map| map.node("default"))
                    .cloned(),
                place: entry.place,
            };
            Ok((entry.key.to_string(), declaration))
        })
        .collect()
}

fn kind(fields: &Fields, what: &str) -> Result<Kind, Mistake> {
    let written = fields.required("type")?;
    let kind = match written.as_text().unwrap_or_default() {
        "string" => Kind::Text,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "executor" => Kind::Executor,
        "steps" => Kind::Steps,
        "env_var_name" => Kind::VariableName,
        "enum" => {
            let list = fields.required("enum")?;
            let words = list.as_list().map(|items| {
                items
                    .iter()
                    .filter_map(|item| item.as_text().map(str::to_owned))
                    .collect()
            });
            let Some(words) = words else {
                let message = format!("{what}: `enum`: expected a list of its values");
                return Err(Mistake::at(list.place, message));
            };
            Kind::Choice(words)
        }
        other => {
            let near = match nearest(other, KINDS.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", KINDS.join(", ")),
            };
            let message = format!("{what}: the type {} is not known; {near}", written.kind());
            return Err(Mistake::at(written.place, message));
        }
    };
    Ok(kind)
}

impl Kind {
    fn name(&self) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Executor => "executor".to_owned(),
            Self::Steps => "steps".to_owned(),
            Self::VariableName => "env_var_name".to_owned(),
        }
    }

    /// `value` as a value of this type. Steps and executors are resolved by whoever binds them.
    pub(super) fn accept(&self, name: &str, value: &Node) -> Result<Node, Mistake> {
        let accepted = match self {
            Self::Text => accept_text(value),
            Self::Boolean => value
                .as_boolean()
                .map(|is| Node::scalar(value.place, if is { "true" } else { "false" }, true)),
            Self::Integer => value.as_integer().map(|_| value.clone()),
            Self::Choice(words) => value
                .as_text()
                .filter(|text| words.iter().any(|word| word == text))
                .map(|_| value.clone()),
            Self::VariableName => value
                .as_text()
                .filter(|text| is_variable_name(text))
                .map(|_| value.clone()),
            Self::Executor | Self::Steps => Some(value.clone()),
        };
        accepted.ok_or_else(|| {
            let message = format!(
                "the parameter {}: expected the type {}, found {}",
                quoted(name),
                self.name(),
                value.kind()
            );
            let mistake = Mistake::at(value.place, message);
            match (self, value.as_text()) {
                (Self::Text, Some(text)) => {
                    mistake.with_hint(format!("put it in quotes to make it a text: \"{text}\""))
                }
                _ => mistake,
            }
        })
    }
}

/// Whole numbers and booleans are not texts; something such as `3.10` is, as it is written.
fn accept_text(value: &Node) -> Option<Node> {
    match &value.value {
        Value::Null => Some(Node::scalar(value.place, "", false)),
        Value::Scalar(scalar) if scalar.is_plain => {
            let is_other = value.as_integer().is_some()
                || matches!(&*scalar.text, "true" | "false" | "True" | "False");
            (!is_other).then(|| Node::scalar(value.place, scalar.text.clone(), false))
        }
        Value::Scalar(_) => Some(value.clone()),
        Value::Executor(executor) => executor
            .name()
            .map(|name| Node::scalar(value.place, name, false)),
        Value::List(_) | Value::Map(_) | Value::Steps(_) => None,
    }
}

pub(super) fn is_variable_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The config's own parameters, with the values that the caller gave.
pub(super) fn of_pipeline(
    declared: Option<&Node>,
    given: &[(String, String)],
) -> Result<Arguments, Mistake> {
    let declared = declarations(declared)?;
    for (name, _) in given {
        if !declared.contains_key(name) {
            let near = suggestion(
                name,
                declared.keys().map(String::as_str),
                "pipeline parameters",
            );
            let message = format!(
                "the config declares no pipeline parameter {}{near}",
                quoted(name)
            );
            return Err(Mistake::anywhere(message));
        }
    }
    let mut arguments = Arguments::new();
    for (name, declaration) in &declared {
        if matches!(
            declaration.kind,
            Kind::Executor | Kind::Steps | Kind::VariableName
        ) {
            let message = format!(
                "the pipeline parameter {}: expected the type string, boolean, integer or enum",
                quoted(name)
            );
            return Err(Mistake::at(declaration.place, message));
        }
        let from_caller = given.iter().rev().find(|(given, _)| given == name);
        let value = match (from_caller, &declaration.default) {
            (Some((_, text)), _) => value_of_text(&declaration.kind, text, declaration.place),
            (None, Some(default)) => default.clone(),
            (None, None) => {
                let message = format!(
                    "the pipeline parameter {} has no `default`, and no value was given for it",
                    quoted(name)
                );
                return Err(Mistake::at(declaration.place, message));
            }
        };
        arguments.insert(name.clone(), declaration.kind.accept(name, &value)?);
    }
    Ok(arguments)
}

/// What the caller wrote has no quotes to tell its type by.
fn value_of_text(kind: &Kind, text: &str, place: Position) -> Node {
    let is_plain = match kind {
        Kind::Boolean => boolean(text).is_some(),
        Kind::Integer => true,
        _ => false,
    };
    Node::scalar(place, text, is_plain)
}
