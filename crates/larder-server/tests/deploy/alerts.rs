//! The alert rules are over metrics that exist, and say what to do.

use crate::{text, yaml};
use larder_server::metrics::{Kind, METRICS};
use std::collections::BTreeSet;

/// What the parts of a histogram are called.
const OF_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Labels that Prometheus adds itself.
const OF_PROMETHEUS: [&str; 3] = ["job", "instance", "le"];

#[test]
fn every_alert_is_over_metrics_and_labels_that_exist_and_says_what_to_do() {
    let rules = yaml::parse(&text("deploy/alerts.yaml"));
    let mut names = BTreeSet::new();
    for group in rules["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let name = rule["alert"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            check_expression(name, rule["expr"].as_str().unwrap());
            let summary = rule["annotations"]["summary"].as_str().unwrap();
            let sentences = summary.matches(['.', ';']).count();
            assert!(sentences >= 2, "{name} does not say what to do: {summary}");
            let severity = rule["labels"]["severity"].as_str().unwrap();
            assert!(["page", "ticket"].contains(&severity), "{name}: {severity}");
        }
    }
    assert!(names.len() > 10, "{names:?}");
}

#[track_caller]
fn check_expression(alert: &str, expression: &str) {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expression.split(|letter| !is_letter(letter));
    let is_metric = |word: &&str| word.starts_with("larder_") || word.starts_with("process_");
    let named: Vec<_> = words.filter(is_metric).collect();
    assert!(!named.is_empty(), "{alert} is over nothing: {expression}");
    for name in named {
        let metric = METRICS.iter().find(|metric| match metric.kind {
            Kind::Counter | Kind::Gauge => metric.name == name,
            Kind::Histogram => OF_HISTOGRAM
                .iter()
                .any(|part| name.strip_suffix(part) == Some(metric.name)),
        });
        let metric = metric.unwrap_or_else(|| panic!("{alert}: there is no metric {name}"));
        for at in expression
            .match_indices(name)
            .map(|(at, _)| at + name.len())
        {
            let Some(selector) = expression[at..].strip_prefix('{') else {
                continue;
            };
            let (selector, _) = selector.split_once('}').unwrap();
            for matcher in selector.split("\",") {
                let label = matcher.split(['=', '!']).next().unwrap().trim();
                assert!(
                    metric.labels.contains(&label) || OF_PROMETHEUS.contains(&label),
                    "{alert}: {name} has no label {label}"
                );
            }
        }
    }
}

/// What is counted under a name of its own is in no table, and so on no page.
#[test]
fn sources_count_under_names_of_the_table_only() {
    let mut folders = vec![crate::root().join("crates")];
    let mut counted = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for word in ["counter", "gauge", "histogram"] {
                let call = format!("metrics::{word}!(");
                for after in text.split(&call).skip(1) {
                    let name = after.trim_start();
                    assert!(!name.starts_with('"'), "{}: {word}", path.display());
                    counted += 1;
                }
            }
        }
    }
    assert!(counted > 20, "{counted}");
}
