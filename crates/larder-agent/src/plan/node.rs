//! A config's YAML as a tree: every value knows where it stands, and how much it weighs with all
//! that it holds, so that neither aliases nor parameters can blow it up.

use super::error::{Mistake, Position, quoted};
use super::executors::NamedExecutor;
use super::steps::PlannedSteps;
use std::collections::HashMap;
use std::rc::Rc;

/// Values of a tree with every alias and parameter written out.
const VALUES_MAX: u32 = 250_000;
/// Bytes of a tree's texts with every alias and parameter written out.
const BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Lists and maps within each other.
const DEPTH_MAX: u16 = 100;

/// A value of the config. Copies share what they hold.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Position,
    pub(super) value: Value,
    weight: Weight,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Rc<[Node]>),
    Map(Rc<Map>),
    /// What an argument of the type `steps` comes to.
    Steps(Rc<PlannedSteps>),
    /// What an argument of the type `executor` names, and where that name is known.
    Executor(Rc<NamedExecutor>),
}

/// Text, with what is needed to tell `true` from `"true"`.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: Rc<str>,
    /// Without quotes: it may mean a number, a boolean or nothing.
    pub(super) is_plain: bool,
    /// Came out of `<< … >>`: a value, never an expression itself.
    pub(super) is_filled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Weight {
    values: u32,
    bytes: u32,
    depth: u16,
    is_templated: bool,
}

/// A map in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<Entry>,
    index: HashMap<Rc<str>, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    pub(super) place: Position,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn null(place: Position) -> Self {
        Self::light(place, Value::Null, 0, false)
    }

    pub(super) fn scalar(place: Position, text: impl Into<Rc<str>>, is_plain: bool) -> Self {
        let text = text.into();
        if is_plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
            return Self::null(place);
        }
        let (bytes, is_templated) = (text.len(), text.contains("<<"));
        let scalar = Scalar {
            text,
            is_plain,
            is_filled: false,
        };
        Self::light(place, Value::Scalar(scalar), bytes, is_templated)
    }

    pub(super) fn list(place: Position, items: Vec<Node>) -> Result<Self, Mistake> {
        let weight = Weight::of(items.iter(), 0, false);
        Self::heavy(place, Value::List(items.into()), weight)
    }

    pub(super) fn map(place: Position, map: Map) -> Result<Self, Mistake> {
        let entries = &map.entries;
        let keys: usize = entries.iter().map(|entry| entry.key.len()).sum();
        let is_templated = entries.iter().any(|entry| entry.key.contains("<<"));
        let weight = Weight::of(entries.iter().map(|entry| &entry.value), keys, is_templated);
        Self::heavy(place, Value::Map(Rc::new(map)), weight)
    }

    pub(super) fn steps(place: Position, steps: PlannedSteps) -> Self {
        Self::light(place, Value::Steps(Rc::new(steps)), 0, false)
    }

    pub(super) fn executor(place: Position, executor: NamedExecutor) -> Self {
        Self::light(place, Value::Executor(Rc::new(executor)), 0, false)
    }

    /// The same value where `<< … >>` stood.
    pub(super) fn filled_at(&self, place: Position) -> Self {
        let mut node = self.clone();
        node.place = place;
        if let Value::Scalar(scalar) = &mut node.value {
            scalar.is_filled = true;
        }
        node
    }

    /// Whether `<<` stands anywhere in it.
    pub(super) fn is_templated(&self) -> bool {
        self.weight.is_templated
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Executor(executor) => executor.name(),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&Rc<Map>> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A boolean in any spelling of YAML 1.1.
    pub(super) fn as_boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_plain => boolean(&scalar.text),
            _ => None,
        }
    }

    pub(super) fn as_integer(&self) -> Option<i64> {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_plain => scalar.text.parse().ok(),
            _ => None,
        }
    }

    /// What stands here, for messages that say what was expected instead.
    pub(super) fn kind(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Steps(_) => "steps".to_owned(),
            Value::Executor(_) => "an executor".to_owned(),
            Value::Scalar(scalar) if !scalar.is_plain && means_more(&scalar.text) => {
                format!("the text {}", quoted(&format!("\"{}\"", scalar.text)))
            }
            Value::Scalar(scalar) => quoted(&scalar.text),
        }
    }

    fn light(place: Position, value: Value, bytes: usize, is_templated: bool) -> Self {
        let weight = Weight {
            values: 1,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            depth: 0,
            is_templated,
        };
        Self {
            place,
            value,
            weight,
        }
    }

    fn heavy(place: Position, value: Value, weight: Weight) -> Result<Self, Mistake> {
        let over = if weight.values > VALUES_MAX {
            format!("more than {VALUES_MAX} values")
        } else if weight.bytes > BYTES_MAX {
            format!("more than {BYTES_MAX} bytes")
        } else if weight.depth > DEPTH_MAX {
            format!("more than {DEPTH_MAX} lists and maps within each other")
        } else {
            return Ok(Self {
                place,
                value,
                weight,
            });
        };
        let message = format!(
            "this comes to {over} once its aliases and parameters are written out; that is the limit"
        );
        Err(Mistake::at(place, message))
    }
}

impl Weight {
    fn of<'a>(nodes: impl Iterator<Item = &'a Node>, bytes: usize, is_templated: bool) -> Self {
        let own = Self {
            values: 1,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            depth: 0,
            is_templated,
        };
        nodes.fold(own, |sum, node| Self {
            values: sum.values.saturating_add(node.weight.values),
            bytes: sum.bytes.saturating_add(node.weight.bytes),
            depth: sum.depth.max(node.weight.depth.saturating_add(1)),
            is_templated: sum.is_templated || node.weight.is_templated,
        })
    }
}

impl Map {
    /// The entry that has this key already, if one has.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<&Entry> {
        if let Some(&at) = self.index.get(&entry.key) {
            return self.entries.get(at);
        }
        self.index.insert(Rc::clone(&entry.key), self.entries.len());
        self.entries.push(entry);
        None
    }

    pub(super) fn node(&self, key: &str) -> Option<&Node> {
        self.index.get(key).map(|&at| &self.entries[at].value)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Whether a text would be something else without its quotes.
fn means_more(text: &str) -> bool {
    boolean(text).is_some() || text.parse::<f64>().is_ok()
}

/// The words of YAML 1.1, which configs were written for.
pub(super) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 3] = ["true", "yes", "on"];
    const FALSE: [&str; 3] = ["false", "no", "off"];
    let is_any = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_any(TRUE) {
        return Some(true);
    }
    is_any(FALSE).then_some(false)
}
