//! `circleci tests split`: which of a job's nodes runs which tests. Every node works that out for
//! itself, from the same list, so the answer must not depend on anything else.

use std::cmp::Reverse;

/// By what tests are dealt out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Weights {
    /// By their names alone, in turn.
    #[default]
    Name,
    /// By the sizes of the files that they are.
    FileSize,
    /// By how long they took before.
    Timings,
}

/// What `tests split` and `tests run` are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Options {
    pub(super) weights: Weights,
    /// This node, from 0.
    pub(super) index: usize,
    /// How many nodes there are; at least 1.
    pub(super) total: usize,
    pub(super) shows_counts: bool,
    /// `--command` of `tests run`.
    pub(super) command: Option<String>,
    /// Where the list is, if not on the standard input.
    pub(super) file: Option<String>,
}

/// Options that change nothing here: how timings are matched to tests, and how much is said.
const WITHOUT_EFFECT: [&str; 4] = ["timings-type", "time-default", "verbose", "debug"];
/// Of those, the ones that have a value.
const WITH_VALUE: [&str; 2] = ["timings-type", "time-default"];

impl Options {
    /// `--NAME=VALUE` and `--NAME VALUE` are the same. The node is that of the job unless another is
    /// named.
    pub(super) fn parse(
        args: &[&str],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut options = Self {
            weights: Weights::default(),
            index: number("CIRCLE_NODE_INDEX", variable("CIRCLE_NODE_INDEX"), 0)?,
            total: number("CIRCLE_NODE_TOTAL", variable("CIRCLE_NODE_TOTAL"), 1)?,
            shows_counts: false,
            command: None,
            file: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let Some(option) = arg.strip_prefix("--") else {
                options.file = Some((*arg).to_owned());
                continue;
            };
            let (name, given) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let mut value = || {
                let value = given.or_else(|| args.next().copied());
                value
                    .map(str::to_owned)
                    .ok_or(format!("--{name}: its value is missing"))
            };
            match name {
                "split-by" => options.weights = weights(&value()?)?,
                "index" => options.index = number("--index", Some(value()?), 0)?,
                "total" => options.total = number("--total", Some(value()?), 1)?,
                "command" => options.command = Some(value()?),
                "show-counts" => options.shows_counts = true,
                _ if WITH_VALUE.contains(&name) => drop(value()?),
                _ if WITHOUT_EFFECT.contains(&name) => {}
                _ => return Err(format!("--{name}: not an option that larder knows")),
            }
        }
        if options.total == 0 {
            return Err("--total=0: expected the number of nodes, from 1".to_owned());
        }
        if options.index >= options.total {
            return Err(format!(
                "node {} of {}: nodes are counted from 0",
                options.index, options.total
            ));
        }
        Ok(options)
    }
}

fn weights(text: &str) -> Result<Weights, String> {
    match text {
        "name" | "testname" => Ok(Weights::Name),
        "filesize" => Ok(Weights::FileSize),
        "timings" => Ok(Weights::Timings),
        other => Err(format!(
            "--split-by={other}: expected name, filesize or timings"
        )),
    }
}

fn number(what: &str, text: Option<String>, otherwise: usize) -> Result<usize, String> {
    let Some(text) = text else {
        return Ok(otherwise);
    };
    text.trim()
        .parse()
        .map_err(|_| format!("{what}: {text} is not a number"))
}

/// The tests of a list, one a line.
pub(super) fn names(list: &str) -> Vec<String> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The tests of one node. The parts of all nodes are the whole list, each test in one of them.
pub(super) fn part(names: &[String], options: &Options, size: impl Fn(&str) -> u64) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    match options.weights {
        Weights::Name | Weights::Timings => names
            .into_iter()
            .skip(options.index)
            .step_by(options.total.max(1))
            .collect(),
        Weights::FileSize => balanced(names, options, size),
    }
}

/// The largest first, each to the node that has the least so far.
fn balanced(names: Vec<String>, options: &Options, size: impl Fn(&str) -> u64) -> Vec<String> {
    let mut sized: Vec<(u64, String)> = names.into_iter().map(|name| (size(&name), name)).collect();
    // The sort keeps the order by name among files of one size.
    sized.sort_by_key(|(size, _)| Reverse(*size));
    let mut loads = vec![(0_u64, 0_usize); options.total];
    let mut own = Vec::new();
    for (size, name) in sized {
        // Among empty files the count decides, or they would all go to the first node.
        let Some(least) = (0..loads.len()).min_by_key(|node| loads[*node]) else {
            break;
        };
        loads[least].0 = loads[least].0.saturating_add(size);
        loads[least].1 += 1;
        if least == options.index {
            own.push(name);
        }
    }
    own.sort();
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(args: &[&str]) -> Result<Options, String> {
        let variable = |name: &str| match name {
            "CIRCLE_NODE_INDEX" => Some("1".to_owned()),
            "CIRCLE_NODE_TOTAL" => Some("2".to_owned()),
            _ => None,
        };
        Options::parse(args, variable)
    }

    /// As many bytes as its name has, except for files that are empty or missing.
    fn size(name: &str) -> u64 {
        if name.starts_with('-') {
            0
        } else {
            name.len() as u64
        }
    }

    #[test]
    fn the_node_is_the_jobs_unless_another_is_named() {
        let parsed =
            options(&["--split-by=filesize", "--timings-type", "file", "list.txt"]).unwrap();
        assert_eq!((parsed.index, parsed.total), (1, 2));
        assert_eq!(parsed.weights, Weights::FileSize);
        assert_eq!(parsed.file.as_deref(), Some("list.txt"));
        let parsed = options(&["--index", "2", "--total=3", "--show-counts", "--verbose"]).unwrap();
        assert_eq!(
            (parsed.index, parsed.total, parsed.shows_counts),
            (2, 3, true)
        );
        assert_eq!(parsed.file, None);
        let check = |args: &[&str], said: &str| {
            let error = options(args).unwrap_err();
            assert!(error.contains(said), "{args:?}: {error}");
        };
        check(&["--index=2"], "node 2 of 2");
        check(&["--total=0"], "expected the number of nodes");
        check(&["--total"], "value is missing");
        check(&["--total=two"], "not a number");
        check(&["--split-by=luck"], "expected name");
        check(&["--shuffle"], "--shuffle");
    }

    #[test]
    fn tests_are_dealt_out_in_turn_or_by_weight() {
        let check = |args: &[&str], list: &str, expected: &[&str]| {
            let found = part(&names(list), &options(args).unwrap(), size);
            assert_eq!(found, expected, "{args:?} {list:?}");
        };
        check(&["--index=0"], "c\nb\n\n a \nd\n", &["a", "c"]);
        check(&["--index=1"], "c\nb\na\r\nd", &["b", "d"]);
        check(&["--index=1", "--split-by=timings"], "a\nb", &["b"]);
        check(&[], "", &[]);
        check(
            &["--index=0", "--split-by=filesize"],
            "aaaa\nb\ncc\nd",
            &["aaaa"],
        );
        check(
            &["--index=1", "--split-by=filesize"],
            "aaaa\nb\ncc\nd",
            &["b", "cc", "d"],
        );
        let empty = ["--index=0", "--split-by=filesize"];
        check(&empty, "-1\n-2\n-3\n-4", &["-1", "-3"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn the_parts_of_all_nodes_are_the_whole_list(
            mut list in prop::collection::vec("[a-c]{1,6}", 0..30),
            total in 1usize..6,
            by in prop_oneof![Just("name"), Just("filesize"), Just("timings")],
        ) {
            let mut all = Vec::new();
            for index in 0..total {
                let args = [
                    format!("--index={index}"),
                    format!("--total={total}"),
                    format!("--split-by={by}"),
                ];
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                all.extend(part(&list, &options(&args).unwrap(), size));
            }
            all.sort();
            list.sort();
            prop_assert_eq!(all, list);
        }
    }
}
