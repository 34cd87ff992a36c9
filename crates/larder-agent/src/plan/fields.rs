//! The keys of a map that the config language names: unknown ones are refused with the near one
//! that was probably meant.

use super::error::{Mistake, Position, quoted};
use super::node::{Map, Node, Value};
use std::rc::Rc;

/// A map with known keys, or nothing where a map may be left out.
pub(super) struct Fields {
    what: String,
    place: Position,
    map: Option<Rc<Map>>,
}

impl Fields {
    /// `what` is how messages call the map. Keys that are not `known` are refused.
    pub(super) fn strict(node: &Node, what: &str, known: &[&str]) -> Result<Self, Mistake> {
        let fields = Self::of(node, what)?;
        for entry in fields.map.iter().flat_map(|map| map.entries()) {
            if !known.contains(&&*entry.key) {
                return Err(unknown_key(&entry.key, entry.place, what, known));
            }
        }
        Ok(fields)
    }

    /// A map whose keys were looked at by the caller.
    pub(super) fn of(node: &Node, what: &str) -> Result<Self, Mistake> {
        let map = match &node.value {
            Value::Null => None,
            Value::Map(map) => Some(Rc::clone(map)),
            _ => {
                let message = format!(
                    "{what}: expected a map (lines of `key: value`), found {}",
                    node.kind()
                );
                return Err(Mistake::at(node.place, message));
            }
        };
        Ok(Self {
            what: what.to_owned(),
            place: node.place,
            map,
        })
    }

    /// Nothing where the key is missing or has no value.
    pub(super) fn node(&self, key: &str) -> Option<&Node> {
        let node = self.map.as_ref()?.node(key)?;
        (!node.is_null()).then_some(node)
    }

    pub(super) fn required(&self, key: &str) -> Result<&Node, Mistake> {
        self.node(key).ok_or_else(|| {
            let message = format!("{}: `{key}` is missing", self.what);
            Mistake::at(self.place, message)
        })
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, Mistake> {
        let Some(node) = self.node(key) else {
            return Ok(None);
        };
        match node.as_boolean() {
            Some(value) => Ok(Some(value)),
            None => Err(Mistake::at(
                node.place,
                format!("`{key}`: expected true or false, found {}", node.kind()),
            )),
        }
    }
}

pub(super) fn unknown_key(key: &str, place: Position, what: &str, known: &[&str]) -> Mistake {
    let message = format!("{what}: the key {} is not known", quoted(key));
    let message = match nearest(key, known.iter().copied()) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => format!("{message}; expected one of {}", known.join(", ")),
    };
    Mistake::at(place, message)
}

/// The candidate that a typing error away from `word` stands, if one does.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const LENGTH_MAX: usize = 64;
    const CANDIDATES_MAX: usize = 1_000;
    if word.len() > LENGTH_MAX {
        return None;
    }
    let reach = if word.len() < 4 { 1 } else { 2 };
    candidates
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= reach)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` or, with few candidates, all of them.
pub(super) fn suggestion<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
    kind: &str,
) -> String {
    const LISTED_MAX: usize = 20;
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("; did you mean `{near}`?");
    }
    let names: Vec<&str> = candidates.take(LISTED_MAX + 1).collect();
    match names.len() {
        0 => format!("; there are no {kind}"),
        n if n > LISTED_MAX => String::new(),
        _ => format!("; the {kind} are: {}", names.join(", ")),
    }
}
