//! Variables, as a map or as a list of maps or of `NAME=value`.

use super::budget::Budget;
use super::error::{Mistake, Position, quoted};
use super::node::{Node, Value};

/// The variables in order; later ones win. Numbers and booleans are the text that is written.
pub(super) fn variables(
    node: Option<&Node>,
    budget: &Budget,
) -> Result<Vec<(String, String)>, Mistake> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let mut variables = Vec::new();
    match &node.value {
        Value::Map(_) => push_map(node, budget, &mut variables)?,
        Value::List(items) => {
            for item in items.iter() {
                match item.as_text().map(|text| text.split_once('=')) {
                    Some(Some((name, value))) => {
                        push(name, value, item.place, budget, &mut variables)?;
                    }
                    Some(None) => {
                        let message = format!("{}: expected NAME=value or a map", item.kind());
                        return Err(Mistake::at(item.place, message));
                    }
                    None => push_map(item, budget, &mut variables)?,
                }
            }
        }
        _ => return Err(no_variables(node)),
    }
    Ok(variables)
}

fn push_map(
    node: &Node,
    budget: &Budget,
    variables: &mut Vec<(String, String)>,
) -> Result<(), Mistake> {
    let Some(map) = node.as_map() else {
        return Err(no_variables(node));
    };
    for entry in map.entries() {
        let value = match entry.value.as_text() {
            Some(text) => text,
            None if entry.value.is_null() => "",
            None => {
                let message = format!(
                    "the variable {}: expected a text, found {}",
                    quoted(&entry.key),
                    entry.value.kind()
                );
                return Err(Mistake::at(entry.value.place, message));
            }
        };
        push(&entry.key, value, entry.place, budget, variables)?;
    }
    Ok(())
}

fn push(
    name: &str,
    value: &str,
    place: Position,
    budget: &Budget,
    variables: &mut Vec<(String, String)>,
) -> Result<(), Mistake> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let message = format!("{} cannot be the name of a variable", quoted(name));
        return Err(Mistake::at(place, message));
    }
    // With what two texts cost besides their bytes.
    budget.spend_text(name.len() + value.len() + 48, place)?;
    variables.push((name.to_owned(), value.to_owned()));
    Ok(())
}

fn no_variables(node: &Node) -> Mistake {
    let message = format!(
        "`environment`: expected a map from names of variables to values, found {}",
        node.kind()
    );
    Mistake::at(node.place, message)
}
