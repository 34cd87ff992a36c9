//! What a workflow lists under `jobs`: each entry, with its matrix written out, is one slot or more.

use super::definitions::{Home, Noun};
use super::error::{Mistake, Position, quoted};
use super::fields::Fields;
use super::filters;
use super::filters::Ref;
use super::jobs::{Nature, nature};
use super::matrix;
use super::node::{Entry, Node, Value};
use super::parameters::Arguments;
use super::planner::{Given, Planner};
use super::workflow::JobEnd;

/// Keys of an entry that are not arguments of its job.
const KEYS: [&str; 14] = [
    "name",
    "requires",
    "filters",
    "matrix",
    "pre-steps",
    "post-steps",
    "type",
    "context",
    "serial-group",
    "max_auto_reruns",
    "override-with",
    "key",
    "unless",
    "when",
];

/// One job of a workflow before it is planned.
pub(super) struct Slot {
    pub(super) name: String,
    /// What the job is called in the config.
    pub(super) called: String,
    /// What `requires` may call it together with others: a matrix, or jobs that were numbered.
    pub(super) groups: Vec<String>,
    pub(super) place: Position,
    pub(super) nature: Nature,
    pub(super) requires: Vec<Required>,
    /// Why it is not run, if its filters keep it out.
    pub(super) refusal: Option<String>,
    arguments: Vec<Entry>,
    pub(super) before: Option<Node>,
    pub(super) after: Option<Node>,
}

/// What `requires` says.
pub(super) struct Required {
    pub(super) name: String,
    pub(super) ends: Vec<JobEnd>,
    pub(super) place: Position,
}

impl Slot {
    pub(super) fn given(&self) -> Vec<Given<'_>> {
        self.arguments.iter().map(Given::of_entry).collect()
    }

    /// Whether somebody who asks for `name` can mean it.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.called == name || self.groups.iter().any(|group| group == name)
    }
}

impl Planner {
    /// The slots of a workflow, in the order of the text; their names are unique.
    pub(super) fn slots(&self, jobs: &Node, built: Ref<'_>) -> Result<Vec<Slot>, Mistake> {
        let Some(items) = jobs.as_list() else {
            let message = format!(
                "`jobs` of a workflow: expected a list (lines that begin with `- `), found {}",
                jobs.kind()
            );
            return Err(Mistake::at(jobs.place, message));
        };
        let mut slots = Vec::new();
        for item in items {
            self.push_slots(item, built, &mut slots)?;
        }
        number_equal_names(&mut slots)?;
        Ok(slots)
    }

    fn push_slots(
        &self,
        item: &Node,
        built: Ref<'_>,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Mistake> {
        self.budget.spend_work(1, item.place)?;
        let nothing = Node::null(item.place);
        let (called, place, body) = match &item.value {
            Value::Scalar(scalar) => (scalar.text.to_string(), item.place, &nothing),
            Value::Map(map) => match map.entries() {
                [entry] => (entry.key.to_string(), entry.place, &entry.value),
                entries => {
                    let place = entries.get(1).map_or(item.place, |entry| entry.place);
                    let message = "a job of a workflow has one key, its name; indent what belongs to it below it";
                    return Err(Mistake::at(place, message));
                }
            },
            _ => {
                let message = format!("expected the name of a job, found {}", item.kind());
                return Err(Mistake::at(item.place, message));
            }
        };
        let fields = Fields::of(body, &format!("the job {}", quoted(&called)))?;
        let Some(written) = fields.node("matrix") else {
            slots.push(self.slot(&called, place, body, None, built)?);
            return Ok(());
        };
        let matrix = matrix::matrix(&self.fill(written, &self.scope())?, &self.budget)?;
        for combination in &matrix.combinations {
            let mut slot = self.slot(&called, place, body, Some(combination), built)?;
            slot.groups
                .push(matrix.alias.clone().unwrap_or_else(|| called.clone()));
            slots.push(slot);
        }
        Ok(())
    }

    fn slot(
        &self,
        called: &str,
        place: Position,
        body: &Node,
        combination: Option<&Arguments>,
        built: Ref<'_>,
    ) -> Result<Slot, Mistake> {
        self.budget.spend_job(place)?;
        let mut scope = self.scope();
        if let Some(combination) = combination {
            scope = scope.with_matrix(combination);
        }
        let body = self.fill(body, &scope)?;
        let fields = Fields::of(&body, &format!("the job {}", quoted(called)))?;
        let own_name = fields.node("name").and_then(Node::as_text);
        let base = match combination {
            Some(combination) => matrix::job_name(called, combination),
            None => called.to_owned(),
        };
        let count = body.as_map().map_or(0, |map| map.entries().len());
        self.budget.spend_work(count, place)?;
        let is_own = |entry: &&Entry| !KEYS.contains(&&*entry.key);
        let map = body.as_map();
        let mut arguments: Vec<Entry> = map
            .iter()
            .flat_map(|map| map.entries())
            .filter(is_own)
            .cloned()
            .collect();
        for (name, value) in combination.into_iter().flatten() {
            arguments.retain(|entry| *entry.key != **name);
            arguments.push(Entry {
                key: name.as_str().into(),
                place: value.place,
                value: value.clone(),
            });
        }
        let called = self.overridden(called, &fields);
        self.say_what_is_missing(&fields, built);
        let name = own_name.map_or(base, str::to_owned);
        self.budget
            .spend_text(name.len() * 2 + called.len(), place)?;
        Ok(Slot {
            name,
            called: called.to_owned(),
            groups: Vec::new(),
            place,
            nature: self.nature_of(called, &fields, place)?,
            requires: requires(&fields)?,
            refusal: filters::refusal(fields.node("filters"), built, &scope)?,
            arguments,
            before: fields.node("pre-steps").cloned(),
            after: fields.node("post-steps").cloned(),
        })
    }

    fn nature_of(&self, called: &str, fields: &Fields, place: Position) -> Result<Nature, Mistake> {
        let said = nature(fields.node("type"))?;
        if said != Nature::Work || self.definitions.is_outside(called) {
            return Ok(said);
        }
        let found = self
            .definitions
            .known(Home::CONFIG, Noun::Job, called, place)?;
        nature(found.node.as_map().and_then(|map| map.node("type")))
    }

    /// The job of an orb that `override-with` names, where the orb has it.
    fn overridden<'n>(&self, called: &'n str, fields: &'n Fields) -> &'n str {
        let Some(node) = fields.node("override-with") else {
            return called;
        };
        let Some(name) = node.as_text() else {
            return called;
        };
        let found = self
            .definitions
            .find(Home::CONFIG, Noun::Job, name, node.place);
        if let Ok(Some(_)) = found {
            return name;
        }
        // As documented: without that job the config's own is run.
        self.notices.say(format!(
            "The job {} is run as the config has it: {} is not here.",
            quoted(called),
            quoted(name)
        ));
        called
    }

    fn say_what_is_missing(&self, fields: &Fields, built: Ref<'_>) {
        if fields.node("context").is_some() {
            self.notices.say(
                "The config takes variables from contexts, which are not here; give them with -e NAME=VALUE.",
            );
        }
        let filters = fields.node("filters").and_then(Node::as_map);
        let asks_for_branch = filters.is_some_and(|it| it.node("branches").is_some());
        if asks_for_branch && built.branch.is_none() && built.tag.is_none() {
            self.notices.say(
                "No branch is known here: filters by branch let every job through; --branch NAME applies them.",
            );
        }
    }
}

/// Jobs that are listed several times without names get numbers: `test-1`, `test-2`.
fn number_equal_names(slots: &mut [Slot]) -> Result<(), Mistake> {
    let mut counts = std::collections::HashMap::<String, usize>::new();
    for slot in slots.iter() {
        *counts.entry(slot.name.clone()).or_default() += 1;
    }
    let mut numbers = std::collections::HashMap::<String, usize>::new();
    for slot in slots.iter_mut().filter(|slot| counts[&slot.name] > 1) {
        let number = numbers.entry(slot.name.clone()).or_default();
        *number += 1;
        let numbered = format!("{}-{number}", slot.name);
        slot.groups
            .push(std::mem::replace(&mut slot.name, numbered));
    }
    let mut names = std::collections::HashSet::new();
    for slot in slots.iter() {
        if !names.insert(slot.name.as_str()) {
            let message = format!("two jobs of this workflow are named {}", quoted(&slot.name));
            return Err(Mistake::at(slot.place, message));
        }
    }
    Ok(())
}

fn requires(fields: &Fields) -> Result<Vec<Required>, Mistake> {
    let Some(node) = fields.node("requires") else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    match node.as_list() {
        Some(items) => {
            for item in items {
                push_required(item, &mut all)?;
            }
        }
        None => push_required(node, &mut all)?,
    }
    Ok(all)
}

fn push_required(item: &Node, all: &mut Vec<Required>) -> Result<(), Mistake> {
    if let Some(map) = item.as_map() {
        for entry in map.entries() {
            all.push(Required {
                name: entry.key.to_string(),
                ends: ends(&entry.value)?,
                place: entry.place,
            });
        }
        return Ok(());
    }
    let Some(name) = item.as_text() else {
        let message = format!(
            "`requires`: expected the name of a job, found {}",
            item.kind()
        );
        return Err(Mistake::at(item.place, message));
    };
    all.push(Required {
        name: name.to_owned(),
        ends: vec![JobEnd::Success],
        place: item.place,
    });
    Ok(())
}

fn ends(node: &Node) -> Result<Vec<JobEnd>, Mistake> {
    const ALL: [JobEnd; 4] = [
        JobEnd::Success,
        JobEnd::Failed,
        JobEnd::Canceled,
        JobEnd::NotRun,
    ];
    let words: Vec<&Node> = match node.as_list() {
        Some(items) => items.iter().collect(),
        None => vec![node],
    };
    let mut ends = Vec::new();
    for word in words {
        let more: &[JobEnd] = match word.as_text() {
            Some("success") => &[JobEnd::Success],
            Some("failed") => &[JobEnd::Failed],
            Some("canceled") => &[JobEnd::Canceled],
            Some("not_run") => &[JobEnd::NotRun],
            // Nobody is without rights on their own machine.
            Some("unauthorized") => &[],
            Some("terminal") => &ALL,
            _ => {
                let message = format!(
                    "`requires`: expected success, failed, canceled, not_run, unauthorized or terminal, found {}",
                    word.kind()
                );
                return Err(Mistake::at(word.place, message));
            }
        };
        for &end in more {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
    }
    Ok(ends)
}
