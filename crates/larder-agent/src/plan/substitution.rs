//! `<< … >>`: values in the place of their names. A text that is one expression and nothing else
//! takes the value's type; a here-document's `<<` and `\<<` stay.

use super::budget::Budget;
use super::error::{Mistake, quoted};
use super::expression;
use super::node::{Entry, Map, Node, Value};
use super::scope::Scope;
use std::rc::Rc;

/// Sections within each other.
const SECTIONS_DEPTH_MAX: usize = 20;
const ROOTS: [&str; 3] = ["parameters.", "pipeline.", "matrix."];

/// `node` with every expression in it replaced by its value. Call it once for each text: what a
/// value brings along is not looked at again.
pub(super) fn fill(node: &Node, scope: &Scope<'_>, budget: &Budget) -> Result<Node, Mistake> {
    if !scope.is_templated || !node.is_templated() {
        return Ok(node.clone());
    }
    budget.spend_work(1, node.place)?;
    match &node.value {
        Value::Scalar(scalar) => fill_text(node, &scalar.text, scope, budget),
        Value::List(items) => {
            let filled: Result<Vec<Node>, _> =
                items.iter().map(|item| fill(item, scope, budget)).collect();
            Node::list(node.place, filled?)
        }
        Value::Map(map) => {
            budget.spend_work(map.entries().len(), node.place)?;
            let mut filled = Map::default();
            for entry in map.entries() {
                let key = fill_key(entry, scope, budget)?;
                let value = fill(&entry.value, scope, budget)?;
                let place = entry.place;
                if filled.insert(Entry { key, place, value }).is_some() {
                    let message = "with its parameters filled in, this key stands here twice";
                    return Err(Mistake::at(place, message));
                }
            }
            Node::map(node.place, filled)
        }
        Value::Null | Value::Steps(_) | Value::Executor(_) => Ok(node.clone()),
    }
}

fn fill_key(entry: &Entry, scope: &Scope<'_>, budget: &Budget) -> Result<Rc<str>, Mistake> {
    if !entry.key.contains("<<") {
        return Ok(Rc::clone(&entry.key));
    }
    let node = Node::scalar(entry.place, Rc::clone(&entry.key), false);
    let filled = fill_text(&node, &entry.key, scope, budget)?;
    match filled.as_text() {
        Some(text) => Ok(text.into()),
        None => Err(Mistake::at(
            entry.place,
            format!("a key is a text, but this comes to {}", filled.kind()),
        )),
    }
}

fn fill_text(node: &Node, text: &str, scope: &Scope<'_>, budget: &Budget) -> Result<Node, Mistake> {
    let whole = text.trim();
    if whole.starts_with("<<")
        && let Piece::Expression { inner, end } = piece(node, whole, 0)?
        && end == whole.len()
    {
        let value = expression::evaluate(inner, node.place, scope);
        let value = value.map_err(|mistake| mistake.within(whole))?;
        return Ok(value.filled_at(node.place));
    }
    let mut filled = String::new();
    push_filled(&mut filled, node, text, scope, budget, 0)?;
    budget.spend_text(filled.len(), node.place)?;
    Ok(Node::scalar(node.place, filled, false).filled_at(node.place))
}

/// `text` is of `node`: all of it, or the inside of a section.
fn push_filled(
    filled: &mut String,
    node: &Node,
    text: &str,
    scope: &Scope<'_>,
    budget: &Budget,
    depth: usize,
) -> Result<(), Mistake> {
    if depth > SECTIONS_DEPTH_MAX {
        let message = format!(
            "more than {SECTIONS_DEPTH_MAX} sections `<<# … >>` within each other; that is the limit"
        );
        return Err(Mistake::at(node.place, message));
    }
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find("<<") {
        let start = from + found;
        match piece(node, text, start)? {
            Piece::Copied(end) => from = end,
            Piece::Escaped => {
                // Without the backslash.
                filled.push_str(&text[copied..start - 1]);
                copied = start;
                from = start + 2;
            }
            Piece::Expression { inner, end } => {
                let whole = &text[start..end];
                let value = expression::evaluate(inner, node.place, scope)
                    .map_err(|mistake| mistake.within(whole))?;
                filled.push_str(&text[copied..start]);
                push_value(filled, &value, whole)?;
                copied = end;
                from = end;
            }
            Piece::Section(section) => {
                let value = expression::evaluate(section.name, node.place, scope)
                    .map_err(|mistake| mistake.within(section.name))?;
                filled.push_str(&text[copied..start]);
                if expression::is_true(&value) != section.is_inverted {
                    push_filled(filled, node, section.body, scope, budget, depth + 1)?;
                }
                copied = section.end;
                from = section.end;
            }
        }
        if filled.len() > budget.text_left() {
            budget.spend_text(filled.len(), node.place)?;
        }
    }
    filled.push_str(&text[copied..]);
    Ok(())
}

fn push_value(filled: &mut String, value: &Node, whole: &str) -> Result<(), Mistake> {
    if value.is_null() {
        return Ok(());
    }
    match value.as_text() {
        Some(text) => {
            filled.push_str(text);
            Ok(())
        }
        None => Err(Mistake::at(
            value.place,
            format!(
                "{} is {} and cannot stand within a text; give it as the whole value",
                quoted(whole),
                value.kind()
            ),
        )
        .within(whole)),
    }
}

enum Piece<'a> {
    /// Nothing of ours up to here.
    Copied(usize),
    /// `\<<`
    Escaped,
    Expression {
        inner: &'a str,
        end: usize,
    },
    Section(Section<'a>),
}

/// `<<# NAME >>BODY<</ NAME >>`, which stands there if the value is true, or with `^` if it is not.
struct Section<'a> {
    name: &'a str,
    is_inverted: bool,
    body: &'a str,
    end: usize,
}

fn piece<'a>(node: &Node, text: &'a str, start: usize) -> Result<Piece<'a>, Mistake> {
    piece_at(text, start)
        .map_err(|message| Mistake::at(node.place, message).within(shown_part(text, start)))
}

/// What the `<<` at `start` begins.
fn piece_at(text: &str, start: usize) -> Result<Piece<'_>, String> {
    let after = &text[start..];
    if text[..start].ends_with('\\') {
        return Ok(Piece::Escaped);
    }
    let run = after.len() - after.trim_start_matches('<').len();
    if run > 2 {
        // `<<<` is the shell's.
        return Ok(Piece::Copied(start + run));
    }
    let line = after[2..].lines().next().unwrap_or_default();
    let Some(close) = line.find(">>") else {
        let is_meant = ROOTS.iter().any(|root| line.trim_start().starts_with(root));
        if is_meant {
            return Err("this `<<` is never closed; expected `>>` on the same line".to_owned());
        }
        return Ok(Piece::Copied(start + 2));
    };
    let inner = &line[..close];
    let end = start + 2 + close + 2;
    let word = inner.trim();
    if inner.contains("<<") {
        // A here-document whose line also has an expression.
        return Ok(Piece::Copied(start + 2));
    }
    if let Some(name) = word.strip_prefix(['#', '^']).map(str::trim)
        && names_value(name)
    {
        let is_inverted = word.starts_with('^');
        return section(text, name, is_inverted, end).map(Piece::Section);
    }
    if word.starts_with('/') && names_value(word) {
        return Err(format!(
            "{} ends a section that does not begin",
            quoted(&text[start..end])
        ));
    }
    if names_value(word) {
        return Ok(Piece::Expression { inner: word, end });
    }
    if is_dotted_name(word) {
        return Err(format!(
            "`{word}` is no value; expected one that begins with `parameters.`, `pipeline.` or `matrix.`, \
             or `\\<<` for a here-document"
        ));
    }
    Ok(Piece::Copied(start + 2))
}

/// The section whose first tag ends at `inside`.
fn section<'a>(
    text: &'a str,
    name: &'a str,
    is_inverted: bool,
    inside: usize,
) -> Result<Section<'a>, String> {
    let mut open = 1_usize;
    let mut from = inside;
    while let Some(found) = text[from..].find("<<") {
        let tag = from + found;
        from = tag + 2;
        let Some(close) = text[from..].find(">>") else {
            break;
        };
        let word = text[from..from + close].trim();
        let is_ours = |sign: char| {
            word.strip_prefix(sign)
                .is_some_and(|rest| rest.trim() == name)
        };
        if is_ours('#') || is_ours('^') {
            open += 1;
        } else if is_ours('/') {
            open -= 1;
        }
        if open == 0 {
            return Ok(Section {
                name,
                is_inverted,
                body: &text[inside..tag],
                end: from + close + 2,
            });
        }
    }
    Err(format!(
        "this section is never closed; expected `<</ {name} >>`"
    ))
}

fn shown_part(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default().trim_end()
}

/// Whether one of the roots stands in it at the beginning of a word.
fn names_value(text: &str) -> bool {
    ROOTS.iter().any(|root| {
        text.match_indices(root).any(|(at, _)| {
            !text[..at].ends_with(|c: char| {
                c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '$' | '/')
            }) || text.starts_with(['/', '#', '^'])
        })
    })
}

fn is_dotted_name(text: &str) -> bool {
    text.contains('.')
        && !text.starts_with('.')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// A definition without what is only for its callers: the defaults in there are filled in by
/// themselves.
pub(super) fn without_declarations(node: &Node) -> Result<Node, Mistake> {
    let Some(map) = node.as_map() else {
        return Ok(node.clone());
    };
    let mut body = Map::default();
    for entry in map.entries() {
        if !matches!(&*entry.key, "parameters" | "description") {
            body.insert(entry.clone());
        }
    }
    Node::map(node.place, body)
}
