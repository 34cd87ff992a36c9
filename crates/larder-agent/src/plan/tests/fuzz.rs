//! Whatever stands in a config: an answer comes soon, and nothing panics.

use super::on_branch;
use crate::plan::{Selection, plan};
use proptest::prelude::*;

const SAMPLE: &str = include_str!("sample.yml");

fn try_all(text: &str) {
    for selection in [
        on_branch("main"),
        Selection {
            tag: Some("v1".to_owned()),
            ..Selection::default()
        },
        Selection {
            job: Some("test".to_owned()),
            ..on_branch("main")
        },
    ] {
        if let Err(error) = plan("config.yml", text, &selection) {
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn the_sample_is_right() {
    let workflows = super::all(SAMPLE);
    let names: Vec<_> = workflows
        .iter()
        .flat_map(|workflow| &workflow.jobs)
        .map(|job| job.plan.job.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "lint",
            "test-linux-1",
            "test-linux-2",
            "test-macos-1",
            "tools/report",
            "ship"
        ]
    );
}

fn pieces() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<< parameters.x >>".to_owned()),
        Just("<< pipeline.git.branch ==".to_owned()),
        Just("<<: *base".to_owned()),
        Just("*steps".to_owned()),
        Just("- ".to_owned()),
        Just(": ".to_owned()),
        Just("\n      ".to_owned()),
        Just("\t".to_owned()),
        Just("{[".to_owned()),
        Just("\u{0}é\\<<".to_owned()),
        "[ -~\n]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_sample_never_panics(
        edits in proptest::collection::vec((0.0..1.0f64, 0usize..30, pieces()), 1..6),
    ) {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for (at, cut, piece) in edits {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a text of some kilobytes")]
            let at = (at * text.len() as f64) as usize;
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        try_all(&text.into_iter().collect::<String>());
    }

    #[test]
    fn lines_in_another_order_never_panic(swaps in proptest::collection::vec((0usize..200, 0usize..200), 1..8)) {
        let mut lines: Vec<&str> = SAMPLE.lines().collect();
        for (one, other) in swaps {
            let count = lines.len();
            lines.swap(one % count, other % count);
        }
        try_all(&lines.join("\n"));
    }
}
