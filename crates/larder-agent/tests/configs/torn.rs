//! Configs that an editor, a merge or a bad copy has torn: every one is read or refused at a place
//! that it has.

use crate::{configs, fixtures};
use larder_agent::plan::{Selection, plan};
use std::fs;

/// Every line would take seconds for each of the tests, and teaches no more.
const STEP: usize = 3;

#[test]
fn a_config_without_its_end_is_read_or_refused_at_a_place_that_it_has() {
    for_each_config(|name, lines| {
        for end in (0..lines.len()).step_by(STEP) {
            check(name, &lines[..end].concat());
        }
    });
}

#[test]
fn a_config_without_one_line_is_read_or_refused_at_a_place_that_it_has() {
    for_each_config(|name, lines| {
        for left_out in (1..lines.len()).step_by(STEP) {
            let rest = [&lines[..left_out], &lines[left_out + 1..]].concat();
            check(name, &rest.concat());
        }
    });
}

#[test]
fn a_config_with_one_line_moved_is_read_or_refused_at_a_place_that_it_has() {
    for_each_config(|name, lines| {
        for moved in (2..lines.len()).step_by(STEP) {
            let line = lines[moved];
            let line = line.strip_prefix("  ").unwrap_or(line);
            let torn = [&lines[..moved], &[line], &lines[moved + 1..]].concat();
            check(name, &torn.concat());
        }
    });
}

fn for_each_config(tear: impl Fn(&str, &[&str])) {
    for name in configs("configs") {
        let text = fs::read_to_string(fixtures("configs").join(&name)).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        tear(&name, &lines);
    }
}

#[track_caller]
fn check(name: &str, text: &str) {
    let selection = Selection {
        branch: Some("main".to_owned()),
        ..Selection::default()
    };
    let Err(error) = plan(name, text, &selection) else {
        return;
    };
    let said = error.to_string();
    assert!(said.starts_with(name), "{said}");
    let Some(place) = error.position else {
        return;
    };
    // The place may be the end, which is after the last character of the last line or below it.
    let line = text.lines().nth(usize::try_from(place.line).unwrap() - 1);
    let width = line.map_or(0, |line| line.chars().count());
    let is_in_text =
        place.line <= text.lines().count() as u64 + 1 && place.column <= width as u64 + 2;
    assert!(is_in_text, "{said}\nin:\n{text}");
}
