//! From text to a tree: aliases followed, merge keys merged, duplicate keys refused, everything
//! within its limits.

use super::error::{Mistake, Position, quoted};
use super::node::{Entry, Map, Node, Value};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError};
use std::collections::HashMap;
use std::rc::Rc;

/// Longest config: nobody writes a longer one by hand.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// The one document of `text`.
pub(super) fn read(text: &str) -> Result<Node, Mistake> {
    if text.len() > CONFIG_BYTES_MAX {
        return Err(Mistake::anywhere(format!(
            "the config has {} bytes; the limit is {CONFIG_BYTES_MAX}",
            text.len()
        )));
    }
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_mistake(&error, text))?;
        builder.take(event, position(span.start))?;
    }
    builder.root.ok_or_else(|| {
        Mistake::anywhere("the config is empty; expected `version`, `jobs` and so on")
    })
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// By the parser's number; one that is still being read is not there yet.
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
}

/// A list or a map that has begun.
struct Open {
    place: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    own: Map,
    merged: Vec<Node>,
    key: Option<Key>,
}

struct Key {
    text: Rc<str>,
    place: Position,
    is_merge: bool,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Position) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => Err(Mistake::at(
                place,
                "a second document begins here; a config is one",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                // `!!str 1` is as good as quotes.
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let text: Rc<str> = text.into();
                if self.takes_key(&text, place, is_plain) {
                    self.remember(anchor, &Node::scalar(place, text, is_plain));
                    return Ok(());
                }
                self.close(Node::scalar(place, text, is_plain), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let message = "this alias means something that it is a part of itself";
                    return Err(Mistake::at(place, message));
                };
                if self.needs_key() {
                    let Some(text) = node.as_text() else {
                        return Err(complex_key(place));
                    };
                    self.takes_key(&Rc::from(text), place, false);
                    return Ok(());
                }
                self.close(node, 0)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(place, anchor, Content::Map(OpenMap::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: Position, anchor: usize, content: Content) -> Result<(), Mistake> {
        if self.needs_key() {
            return Err(complex_key(place));
        }
        self.open.push(Open {
            place,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Mistake> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let node = match open.content {
            Content::List(items) => Node::list(open.place, items)?,
            Content::Map(map) => Node::map(open.place, map.merge())?,
        };
        self.close(node, open.anchor)
    }

    fn needs_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map(map), .. }) if map.key.is_none())
    }

    /// Whether a map is open that this is a key of.
    fn takes_key(&mut self, text: &Rc<str>, place: Position, is_plain: bool) -> bool {
        match self.open.last_mut() {
            Some(Open {
                content: Content::Map(map),
                ..
            }) if map.key.is_none() => {
                map.key = Some(Key {
                    text: Rc::clone(text),
                    place,
                    is_merge: is_plain && &**text == "<<",
                });
                true
            }
            _ => false,
        }
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Mistake> {
        self.remember(anchor, &node);
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open {
                content: Content::List(items),
                ..
            }) => items.push(node),
            Some(Open {
                content: Content::Map(map),
                ..
            }) => map.value(node)?,
        }
        Ok(())
    }
}

impl OpenMap {
    fn value(&mut self, node: Node) -> Result<(), Mistake> {
        let Some(key) = self.key.take() else {
            return Ok(());
        };
        if key.is_merge {
            return self.merge_later(key.place, node);
        }
        let entry = Entry {
            key: Rc::clone(&key.text),
            place: key.place,
            value: node,
        };
        match self.own.insert(entry) {
            None => Ok(()),
            Some(first) => Err(Mistake::at(
                key.place,
                format!(
                    "the key {} stands here a second time; the first is on line {}",
                    quoted(&key.text),
                    first.place.line
                ),
            )),
        }
    }

    fn merge_later(&mut self, place: Position, node: Node) -> Result<(), Mistake> {
        let maps = match &node.value {
            Value::Map(_) => vec![node],
            Value::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
                items.to_vec()
            }
            _ => {
                let message = format!(
                    "`<<` merges maps: expected an alias of a map or a list of them, found {}",
                    node.kind()
                );
                return Err(Mistake::at(place, message));
            }
        };
        self.merged.extend(maps);
        Ok(())
    }

    /// What is merged comes first, and gives way to the map's own keys and to what was merged before.
    fn merge(self) -> Map {
        if self.merged.is_empty() {
            return self.own;
        }
        let mut all = Map::default();
        let merged = self.merged.iter().filter_map(Node::as_map);
        for entry in merged.flat_map(|map| map.entries()) {
            if self.own.node(&entry.key).is_none() {
                all.insert(entry.clone());
            }
        }
        for entry in self.own.entries() {
            all.insert(entry.clone());
        }
        all
    }
}

fn complex_key(place: Position) -> Mistake {
    Mistake::at(place, "a key is a text; a list or a map cannot be one")
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1) as u64,
        column: marker.col() as u64 + 1,
    }
}

fn syntax_mistake(error: &ScanError, text: &str) -> Mistake {
    let mut place = position(*error.marker());
    let index = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
    let line = text.lines().nth(index).unwrap_or_default();
    let mut hint = None;
    let message = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            // The parser has gone over it already.
            if let Some(at) = line.chars().position(|c| c == '\t') {
                place.column = at as u64 + 1;
            }
            "a tab stands here; YAML is indented with spaces only".to_owned()
        }
        ErrorKind::UnknownAnchor => {
            "no anchor of this name stands before this alias; expected `&name` at a value above".to_owned()
        }
        ErrorKind::SimpleKeyExpected => "expected `key: value`; a `:` is missing".to_owned(),
        ErrorKind::MappingValueNotAllowed => {
            "a `key: value` cannot stand here; indent it like its neighbours, or put quotes around a text with `: `"
                .to_owned()
        }
        ErrorKind::ExpectedBlockMappingKey => {
            "this is indented like no key above it; indent it like its neighbours".to_owned()
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "expected `- ` as in the items above, or less indentation".to_owned()
        }
        ErrorKind::BlockSequenceEntryNotAllowed => {
            "a list cannot begin here; put it on a line of its own".to_owned()
        }
        ErrorKind::UnclosedQuotedScalar => "this text begins with a quote that is never closed".to_owned(),
        ErrorKind::UnclosedFlowCollection { open } => format!("the `{open}` is never closed"),
        ErrorKind::RecursionLimitExceeded => {
            "the limit of 255 lists and maps within each other is passed".to_owned()
        }
        ErrorKind::InvalidQuotedScalarIndent => {
            hint = unclosed_quote_before(text, index);
            "a text in quotes goes on to here; expected its closing quote above, or more indentation"
                .to_owned()
        }
        _ => error.info(),
    };
    let mistake = Mistake::of_syntax(place, message);
    match hint {
        Some(hint) => mistake.with_hint(hint),
        None => mistake,
    }
}

/// A quote that is forgotten shows up only where the text can go on no longer.
fn unclosed_quote_before(text: &str, line: usize) -> Option<String> {
    let lines = text.lines().take(line).enumerate();
    let is_odd = |line: &str, quote: char| line.matches(quote).count() % 2 == 1;
    let open = lines.filter(|(_, line)| is_odd(line, '"') || is_odd(line, '\''));
    let (index, _) = open.last()?;
    Some(format!(
        "line {}: a quote opens here that is not closed",
        index + 1
    ))
}
