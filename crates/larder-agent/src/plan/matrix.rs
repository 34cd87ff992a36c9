//! `matrix`: one job for each combination of values.

use super::budget::{Budget, JOBS_MAX};
use super::error::{Mistake, quoted};
use super::fields::Fields;
use super::node::Node;
use super::parameters::Arguments;
use std::collections::BTreeMap;

/// Parameters of one matrix.
const PARAMETERS_MAX: usize = 50;

pub(super) struct Matrix {
    /// What `requires` may call all of its jobs.
    pub(super) alias: Option<String>,
    /// The values of each job.
    pub(super) combinations: Vec<Arguments>,
}

/// Reads a `matrix` that has been filled in.
pub(super) fn matrix(node: &Node, budget: &Budget) -> Result<Matrix, Mistake> {
    let fields = Fields::strict(node, "`matrix`", &["parameters", "exclude", "alias"])?;
    let written = fields.required("parameters")?;
    let Some(map) = written.as_map() else {
        let message = format!(
            "`parameters` of a matrix: expected a map from names to lists of values, found {}",
            written.kind()
        );
        return Err(Mistake::at(written.place, message));
    };
    if map.entries().len() > PARAMETERS_MAX {
        let message =
            format!("this matrix has more than {PARAMETERS_MAX} parameters; that is the limit");
        return Err(Mistake::at(written.place, message));
    }
    // Their names in order: names and order of the jobs come from it.
    let mut columns: BTreeMap<&str, &[Node]> = BTreeMap::new();
    for entry in map.entries() {
        let Some(values) = entry.value.as_list().filter(|values| !values.is_empty()) else {
            let message = format!(
                "{} of a matrix: expected a list of values, found {}",
                quoted(&entry.key),
                entry.value.kind()
            );
            return Err(Mistake::at(entry.value.place, message));
        };
        columns.insert(&entry.key, values);
    }
    let count = columns
        .values()
        .try_fold(1_usize, |count, values| count.checked_mul(values.len()))
        .filter(|&count| count <= JOBS_MAX);
    let Some(count) = count else {
        let message = format!("this matrix makes more than {JOBS_MAX} jobs; that is the limit");
        return Err(Mistake::at(node.place, message));
    };
    let all_excluded = excluded(&fields)?;
    budget.spend_work(
        count.saturating_mul(columns.len() + all_excluded.len()),
        node.place,
    )?;
    let mut combinations = all_combinations(columns);
    for excluded in &all_excluded {
        combinations.retain(|one| !is_excluded(one, excluded));
    }
    if combinations.is_empty() {
        let message = "`exclude` leaves no job of this matrix";
        return Err(Mistake::at(node.place, message));
    }
    let alias = fields.node("alias").and_then(Node::as_text);
    Ok(Matrix {
        alias: alias.map(str::to_owned),
        combinations,
    })
}

/// The values of the first column change last.
fn all_combinations(columns: BTreeMap<&str, &[Node]>) -> Vec<Arguments> {
    let mut combinations = vec![Arguments::new()];
    for (name, values) in columns {
        let mut longer = Vec::with_capacity(combinations.len() * values.len());
        for one in &combinations {
            for value in values {
                let mut one = one.clone();
                one.insert(name.to_owned(), value.clone());
                longer.push(one);
            }
        }
        combinations = longer;
    }
    combinations
}

/// `NAME-v1-v2`, with the values in the order of the parameters' names.
pub(super) fn job_name(base: &str, combination: &Arguments) -> String {
    combination
        .values()
        .fold(base.to_owned(), |mut name, value| {
            name.push('-');
            name.push_str(value.as_text().unwrap_or("value"));
            name
        })
}

fn excluded(fields: &Fields) -> Result<Vec<BTreeMap<String, String>>, Mistake> {
    let Some(node) = fields.node("exclude") else {
        return Ok(Vec::new());
    };
    let wrong = |node: &Node| {
        let message = format!(
            "`exclude` of a matrix: expected a list of maps from parameters to values, found {}",
            node.kind()
        );
        Mistake::at(node.place, message)
    };
    let items = node.as_list().ok_or_else(|| wrong(node))?;
    items
        .iter()
        .map(|item| {
            let map = item.as_map().ok_or_else(|| wrong(item))?;
            map.entries()
                .iter()
                .map(|entry| match entry.value.as_text() {
                    Some(text) => Ok((entry.key.to_string(), text.to_owned())),
                    None => Err(wrong(&entry.value)),
                })
                .collect()
        })
        .collect()
}

fn is_excluded(combination: &Arguments, excluded: &BTreeMap<String, String>) -> bool {
    !excluded.is_empty()
        && excluded
            .iter()
            .all(|(name, text)| combination.get(name).and_then(Node::as_text) == Some(text))
}
