//! Logic statements: `and`, `or`, `not`, `equal`, `matches`, and expressions written as a text.

use super::error::Mistake;
use super::expression::{self, is_same, is_true};
use super::fields::{Fields, unknown_key};
use super::node::{Node, Value};
use super::scope::Scope;

const STATEMENTS: [&str; 5] = ["and", "or", "not", "equal", "matches"];

/// Whether a condition holds whose `<< … >>` have been filled in.
pub(super) fn holds(node: &Node, scope: &Scope<'_>) -> Result<bool, Mistake> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_filled && is_expression(&scalar.text) => {
            let value = expression::evaluate(&scalar.text, node.place, scope)?;
            Ok(is_true(&value))
        }
        Value::Map(map) => match map.entries() {
            // A statement without arguments.
            [] => Ok(false),
            [entry] => statement(&entry.key, &entry.value, scope).unwrap_or_else(|| {
                Err(unknown_key(
                    &entry.key,
                    entry.place,
                    "this condition",
                    &STATEMENTS,
                ))
            }),
            [_, second, ..] => Err(Mistake::at(
                second.place,
                "a condition has one key; put several under `and` or `or`",
            )),
        },
        Value::List(_) => Err(Mistake::at(
            node.place,
            "a list is no condition; put it under `and`, `or` or `equal`",
        )),
        Value::Null | Value::Scalar(_) | Value::Steps(_) | Value::Executor(_) => Ok(is_true(node)),
    }
}

fn is_expression(text: &str) -> bool {
    let names_value = ["pipeline.", "parameters.", "matrix."]
        .iter()
        .any(|root| text.contains(root));
    names_value || ["==", "!=", "=~"].iter().any(|sign| text.contains(sign))
}

fn statement(key: &str, node: &Node, scope: &Scope<'_>) -> Option<Result<bool, Mistake>> {
    Some(match key {
        "and" => all_of(node, key, scope).map(|all| all.iter().all(|&one| one)),
        "or" => all_of(node, key, scope).map(|all| all.iter().any(|&one| one)),
        "not" => holds(node, scope).map(|one| !one),
        "equal" => items(node, key).map(|items| items.iter().all(|item| is_same(&items[0], item))),
        "matches" => fits(node, scope),
        _ => return None,
    })
}

/// Every part is looked at, so that a mistake in one does not wait for the others' values.
fn all_of(node: &Node, key: &str, scope: &Scope<'_>) -> Result<Vec<bool>, Mistake> {
    items(node, key)?
        .iter()
        .map(|item| holds(item, scope))
        .collect()
}

fn items<'a>(node: &'a Node, key: &str) -> Result<&'a [Node], Mistake> {
    let message = match node.as_list() {
        Some([]) => format!("`{key}` is empty; expected a list of conditions or values"),
        Some(items) => return Ok(items),
        None => format!("`{key}`: expected a list, found {}", node.kind()),
    };
    Err(Mistake::at(node.place, message))
}

fn fits(node: &Node, scope: &Scope<'_>) -> Result<bool, Mistake> {
    let fields = Fields::strict(node, "`matches`", &["pattern", "value"])?;
    let written = fields.required("pattern")?;
    let Some(pattern) = written.as_text() else {
        let message = format!("`pattern`: expected a text, found {}", written.kind());
        return Err(Mistake::at(written.place, message));
    };
    let value = fields
        .node("value")
        .and_then(Node::as_text)
        .unwrap_or_default();
    scope
        .patterns
        .is_whole(pattern, value)
        .map_err(|message| Mistake::at(written.place, message))
}
