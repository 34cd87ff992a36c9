//! As much of YAML as the files of `deploy/` use, as JSON's values. All scalars are texts.

use granit_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The one document of a text.
#[track_caller]
pub(crate) fn parse(text: &str) -> Value {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.unwrap_or_else(|error| panic!("{error}"));
        let value = match event {
            Event::Scalar(text, ..) => Value::String(text.to_string()),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop().unwrap() {
                Open::List(values) => Value::Array(values),
                Open::Map(members, _) => Value::Object(members),
            },
            Event::Alias(..) => panic!("no file of ours has aliases"),
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(value),
            Some(Open::List(values)) => values.push(value),
            Some(Open::Map(members, key)) => match key.take() {
                None => *key = Some(value.as_str().unwrap().to_owned()),
                Some(key) => {
                    let twice = members.insert(key.clone(), value);
                    assert!(twice.is_none(), "{key} is there twice");
                }
            },
        }
    }
    root.unwrap()
}

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}
