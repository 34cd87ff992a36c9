//! Broken configs and what they answer.

use crate::{assert_snapshot, check_all, configs, fixtures, table};
use larder_agent::plan::{Selection, plan};
use std::collections::BTreeSet;
use std::fs;

/// The text of a config is text before it comes here: whoever reads the file refuses this one.
const NOT_TEXT: &str = "not-utf-8.yml";

#[test]
fn every_mistake_is_answered_where_it_is_and_in_words_that_help() {
    let rows = table("errors");
    let rows: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let named: BTreeSet<String> = rows
        .iter()
        .map(|row| row[0].split_whitespace().next().unwrap().to_owned())
        .collect();
    let mut found = configs("errors");
    assert!(found.remove(NOT_TEXT));
    assert!(found.len() >= 30, "{} configs", found.len());
    assert_eq!(named, found);
    check_all(
        rows.into_iter().map(|row| (row[0].to_owned(), row)),
        |_, row| check(&row),
    );
}

fn check(row: &[&str]) {
    let (file, place) = row[0].split_once(' ').unwrap();
    let text = fs::read_to_string(fixtures("errors").join(file)).unwrap();
    let selection = Selection {
        branch: Some("main".to_owned()),
        ..Selection::default()
    };
    let Err(error) = plan(file, &text, &selection) else {
        panic!("{file}: nothing is wrong with it")
    };
    let said = error.to_string();
    let found = match error.position {
        Some(position) => format!("{}:{}", position.line, position.column),
        None => "-".to_owned(),
    };
    assert_eq!(found, place, "{said}");
    for words in &row[1..] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    assert_snapshot("errors", file.trim_end_matches(".yml"), &said);
}
