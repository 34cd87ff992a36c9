//! Workflows: which jobs are run, in which order, and what each waits for.

use super::definitions::{Found, Home, Noun};
use super::error::{Mistake, quoted};
use super::fields::{Fields, suggestion};
use super::filters::Ref;
use super::job::Plan;
use super::jobs::{Nature, Request};
use super::node::{Entry, Node};
use super::planner::Planner;
use super::slots::{Required, Slot};
use super::workflow::{Requirement, Workflow, WorkflowJob};
use std::collections::{BTreeSet, HashMap, HashSet};

const KEYS: [&str; 8] = [
    "jobs",
    "when",
    "unless",
    "triggers",
    "max_auto_reruns",
    "name",
    "description",
    "version",
];

/// What a requirement costs besides the name in it, in bytes.
const REQUIREMENT_COST: usize = 64;

/// What becomes of a workflow.
pub(super) enum Outcome {
    Planned(Workflow),
    /// And why.
    LeftOut(String),
}

impl Planner {
    /// The workflow of `entry`. One that the caller named is run whatever its conditions say.
    pub(super) fn workflow(
        &self,
        entry: &Entry,
        built: Ref<'_>,
        is_named: bool,
    ) -> Result<Outcome, Mistake> {
        let name = quoted(&entry.key);
        let fields = Fields::strict(&entry.value, &format!("the workflow {name}"), &KEYS)?;
        if let Some(reason) = self.condition_against(&fields)? {
            if !is_named {
                return Ok(Outcome::LeftOut(reason));
            }
            self.notices.say(format!(
                "The workflow {name} is run because you named it: {reason}."
            ));
        }
        if fields.node("triggers").is_some() && !is_named {
            self.notices.say(format!(
                "The workflow {name} has a schedule of its own and is not run; name it with --workflow to run it now."
            ));
            return Ok(Outcome::LeftOut("it is run by a schedule".to_owned()));
        }
        let slots = self.slots(fields.required("jobs")?, built)?;
        let required = self.required_slots(&slots)?;
        let order = order(&slots, &required)?;
        let refusals = refusals(&slots, &required, &order);
        let jobs = self.kept_jobs(&slots, &required, &order, &refusals)?;
        if jobs.is_empty() {
            return Ok(Outcome::LeftOut(why_nothing(&slots, &order, &refusals)));
        }
        Ok(Outcome::Planned(Workflow {
            name: Some(entry.key.to_string()),
            jobs,
            notices: self.notices.take(),
        }))
    }

    /// Why the workflow's own conditions keep it from running, if they do.
    fn condition_against(&self, fields: &Fields) -> Result<Option<String>, Mistake> {
        for (key, wanted) in [("when", true), ("unless", false)] {
            if let Some(node) = fields.node(key)
                && self.holds(node, &self.scope())? != wanted
            {
                let line = node.place.line;
                let says = if wanted { "does not hold" } else { "holds" };
                return Ok(Some(format!("its `{key}` (line {line}) {says}")));
            }
        }
        Ok(None)
    }

    /// For each slot, the slots that it waits for and how they must end.
    fn required_slots<'s>(
        &self,
        slots: &'s [Slot],
    ) -> Result<Vec<Vec<(usize, &'s Required)>>, Mistake> {
        let mut names = HashMap::new();
        let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, slot) in slots.iter().enumerate() {
            names.insert(slot.name.as_str(), index);
            for group in &slot.groups {
                groups.entry(group).or_default().push(index);
            }
        }
        let mut all = Vec::with_capacity(slots.len());
        for slot in slots {
            let mut own = Vec::new();
            for required in &slot.requires {
                let name = required.name.as_str();
                let found = match (names.get(name), groups.get(name)) {
                    (Some(&index), _) => vec![index],
                    (None, Some(group)) => group.clone(),
                    (None, None) => {
                        let known = slots.iter().map(|slot| slot.name.as_str());
                        let near = suggestion(name, known, "jobs of this workflow");
                        let message = format!(
                            "{} requires {}, which is no job of this workflow{near}",
                            quoted(&slot.name),
                            quoted(name)
                        );
                        return Err(Mistake::at(required.place, message));
                    }
                };
                self.budget.spend_work(found.len(), required.place)?;
                own.extend(found.into_iter().map(|index| (index, required)));
            }
            all.push(own);
        }
        Ok(all)
    }

    fn kept_jobs(
        &self,
        slots: &[Slot],
        required: &[Vec<(usize, &Required)>],
        order: &[usize],
        refusals: &[Option<String>],
    ) -> Result<Vec<WorkflowJob>, Mistake> {
        let mut requirements: Vec<Vec<Requirement>> = vec![Vec::new(); slots.len()];
        let mut jobs = Vec::new();
        for &index in order.iter().filter(|&&index| refusals[index].is_none()) {
            let slot = &slots[index];
            let mut own: Vec<Requirement> = Vec::new();
            let mut seen = HashSet::new();
            for &(other, required) in &required[index] {
                if refusals[other].is_some() {
                    continue;
                }
                let more: &[Requirement] = if slots[other].nature == Nature::Approval {
                    &requirements[other]
                } else {
                    &[Requirement {
                        job: slots[other].name.clone(),
                        ends: required.ends.clone(),
                    }]
                };
                for one in more {
                    let cost = one.job.len() + REQUIREMENT_COST;
                    self.budget.spend_text(cost, slot.place)?;
                    if seen.insert(one.clone()) {
                        own.push(one.clone());
                    }
                }
            }
            requirements[index] = own;
            if slot.nature == Nature::Approval {
                self.notices.say(format!(
                    "{} is approved: you are the one who runs it.",
                    quoted(&slot.name)
                ));
                continue;
            }
            jobs.push(WorkflowJob {
                plan: self.slot_plan(slot)?,
                requires: requirements[index].clone(),
            });
        }
        Ok(jobs)
    }

    /// What the job of a slot does.
    pub(super) fn slot_plan(&self, slot: &Slot) -> Result<Plan, Mistake> {
        let definition = match slot.nature {
            Nature::NoOp => nothing_to_do(slot)?,
            _ => self
                .definitions
                .known(Home::CONFIG, Noun::Job, &slot.called, slot.place)?,
        };
        self.job(&Request {
            name: &slot.name,
            called: &slot.called,
            definition: &definition,
            given: &slot.given(),
            place: slot.place,
            before: slot.before.as_ref(),
            after: slot.after.as_ref(),
        })
    }
}

/// A definition for a job that is only there to be waited for.
fn nothing_to_do(slot: &Slot) -> Result<Found, Mistake> {
    let mut map = super::node::Map::default();
    map.insert(Entry {
        key: "steps".into(),
        place: slot.place,
        value: Node::list(slot.place, Vec::new())?,
    });
    Ok(Found {
        home: Home::CONFIG,
        node: Node::map(slot.place, map)?,
    })
}

/// Every slot after all that it waits for, otherwise in the order of the text.
fn order(slots: &[Slot], required: &[Vec<(usize, &Required)>]) -> Result<Vec<usize>, Mistake> {
    let mut waits_for: Vec<usize> = required.iter().map(Vec::len).collect();
    let mut waiting_for: Vec<Vec<usize>> = vec![Vec::new(); slots.len()];
    for (index, own) in required.iter().enumerate() {
        for &(other, _) in own {
            waiting_for[other].push(index);
        }
    }
    let mut ready: BTreeSet<usize> = (0..slots.len())
        .filter(|&index| waits_for[index] == 0)
        .collect();
    let mut order = Vec::with_capacity(slots.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &later in &waiting_for[index] {
            waits_for[later] -= 1;
            if waits_for[later] == 0 {
                ready.insert(later);
            }
        }
    }
    let is_placed: Vec<bool> = waits_for.iter().map(|&count| count == 0).collect();
    match is_placed.iter().position(|&is_placed| !is_placed) {
        None => Ok(order),
        Some(start) => Err(cycle(slots, required, &is_placed, start)),
    }
}

/// Of slots that wait for each other, one circle.
fn cycle(
    slots: &[Slot],
    required: &[Vec<(usize, &Required)>],
    is_placed: &[bool],
    start: usize,
) -> Mistake {
    const SHOWN_MAX: usize = 12;
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let next = required[last].iter().find(|&&(other, _)| !is_placed[other]);
        let Some(&(next, _)) = next else {
            break;
        };
        let first = path.iter().position(|&index| index == next);
        path.push(next);
        if let Some(first) = first {
            path.drain(..first);
            break;
        }
    }
    let names: Vec<&str> = path
        .iter()
        .take(SHOWN_MAX)
        .map(|&index| slots[index].name.as_str())
        .collect();
    let message = format!(
        "jobs of this workflow wait for each other: {}",
        names.join(" → ")
    );
    Mistake::at(slots[path[0]].place, message)
}

/// Why each slot is not run: its own filters, or those of all that it waits for. What is left out is
/// not waited for, as documented, as long as something else is.
fn refusals(
    slots: &[Slot],
    required: &[Vec<(usize, &Required)>],
    order: &[usize],
) -> Vec<Option<String>> {
    let mut refusals: Vec<Option<String>> = vec![None; slots.len()];
    for &index in order {
        let own = slots[index].refusal.clone();
        let inherited = || {
            let &(first, _) = required[index].first()?;
            let mut others = required[index].iter().map(|&(other, _)| other);
            let is_none_left = others.all(|other| refusals[other].is_some());
            is_none_left.then(|| {
                format!(
                    "it requires {}, which is left out",
                    quoted(&slots[first].name)
                )
            })
        };
        refusals[index] = own.or_else(inherited);
    }
    refusals
}

fn why_nothing(slots: &[Slot], order: &[usize], refusals: &[Option<String>]) -> String {
    const SHOWN_MAX: usize = 8;
    let reasons: Vec<String> = order
        .iter()
        .filter_map(|&index| {
            let reason = refusals[index].as_ref()?;
            Some(format!("job {}: {reason}", quoted(&slots[index].name)))
        })
        .take(SHOWN_MAX)
        .collect();
    if reasons.is_empty() {
        return "it has no jobs with steps".to_owned();
    }
    reasons.join("; ")
}
