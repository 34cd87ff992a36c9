//! Which part of a config is meant, and for what commit.

use super::budget::Budget;
use super::definitions::{Definitions, Home, Noun, section};
use super::error::{ConfigError, Mistake, quoted};
use super::expression::{is_same, is_true};
use super::fields::{nearest, suggestion};
use super::filters::{Ref, branch_refusal};
use super::job::Plan;
use super::jobs::{Nature, Request, needed};
use super::node::{Entry, Map, Node};
use super::pattern::Patterns;
use super::pipeline::Pipeline;
use super::planner::{Notices, Planner, only_there};
use super::slots::Slot;
use super::workflow::{Workflow, WorkflowJob};
use super::workflows::Outcome;
use super::yaml;
use std::rc::Rc;

/// What of a config is to be run, and what its expressions may ask about.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only this job, by itself, with what the workflow gives it where only one names it.
    pub job: Option<String>,
    /// Only this workflow; otherwise every one whose conditions hold.
    pub workflow: Option<String>,
    /// Values of the config's own `parameters`.
    pub parameters: Vec<(String, String)>,
    /// `vcs/organization/name`.
    pub project: Option<String>,
    /// Branch that is built: filters and `pipeline.git.branch` ask for it.
    pub branch: Option<String>,
    /// Tag that is built.
    pub tag: Option<String>,
    /// Commit that is built.
    pub revision: Option<String>,
    /// Where the code comes from.
    pub repository_url: Option<String>,
}

/// Reads a config of version 2, 2.0 or 2.1 and plans what `selection` means: usually one workflow,
/// several if the config has several whose conditions hold.
///
/// `file` is the config's name for messages. Refused are configs over 1 MiB, duplicate keys, and
/// what comes to more than 250,000 values, 16 MiB of text, 10,000 steps or 2,000 jobs with its
/// aliases, commands and matrices written out. `docs/api/circleci.md` says what of the language
/// is run.
pub fn plan(file: &str, text: &str, selection: &Selection) -> Result<Vec<Workflow>, ConfigError> {
    plan_text(text, selection).map_err(|mistake| mistake.in_text(file, text))
}

impl Plan {
    /// Plans one job by itself: `job`, or `build` if none is named.
    pub fn parse(file: &str, text: &str, job: Option<&str>) -> Result<Self, ConfigError> {
        let selection = Selection {
            job: job.map(str::to_owned),
            ..Selection::default()
        };
        let workflows = plan(file, text, &selection)?;
        let first = workflows.into_iter().next().and_then(|mut workflow| {
            let mut plan = (!workflow.jobs.is_empty()).then(|| workflow.jobs.remove(0).plan)?;
            plan.notices = workflow.notices;
            Some(plan)
        });
        first.ok_or_else(|| Mistake::anywhere("no job is left to run").in_text(file, text))
    }
}

fn plan_text(text: &str, selection: &Selection) -> Result<Vec<Workflow>, Mistake> {
    let root = yaml::read(text)?;
    let Some(config) = root.as_map() else {
        let message = format!(
            "a config is a map (lines of `key: value`); found {}",
            root.kind()
        );
        return Err(Mistake::at(root.place, message));
    };
    let planner = Planner {
        is_templated: check_version(config)?,
        definitions: Definitions::of_config(config)?,
        pipeline: Pipeline::new(selection, config.node("parameters"))?,
        budget: Budget::new(),
        patterns: Patterns::default(),
        notices: Notices::default(),
    };
    check_setup(config, &planner, selection)?;
    let workflows = section(config, "workflows")?;
    let named: Vec<&Entry> = workflows
        .iter()
        .flat_map(|map| map.entries())
        .filter(|entry| &*entry.key != "version")
        .collect();
    if named.is_empty() {
        return planner.without_workflows(selection, workflows.as_ref());
    }
    let wanted = wanted_workflows(named, selection)?;
    match &selection.job {
        Some(job) => planner.job_of_workflows(job, &wanted, selection),
        None => planner.all_of_workflows(&wanted, selection),
    }
}

/// Whether `<< … >>` means something in this config.
fn check_version(config: &Map) -> Result<bool, Mistake> {
    let Some(version) = config.node("version") else {
        return Err(Mistake::anywhere(
            "there is no `version`; expected `version: 2.1`, 2 or 2.0",
        ));
    };
    match version.as_text() {
        Some("2" | "2.0") => Ok(false),
        Some("2.1") => Ok(true),
        _ => Err(Mistake::at(
            version.place,
            format!(
                "version {} is not known here; expected 2, 2.0 or 2.1",
                version.kind()
            ),
        )),
    }
}

/// A setup config makes another one and asks the vendor to go on with that.
fn check_setup(config: &Map, planner: &Planner, selection: &Selection) -> Result<(), Mistake> {
    let Some(setup) = config.node("setup").filter(|node| is_true(node)) else {
        return Ok(());
    };
    if selection.job.is_none() {
        return Err(only_there(
            setup.place,
            "this is a setup config: its jobs make another config, and only the vendor goes on with that one; \
             name one of its jobs with --job, or give the config that it makes",
        ));
    }
    planner
        .notices
        .say("This is a setup config: what it would go on with is not run.");
    Ok(())
}

fn wanted_workflows<'a>(
    named: Vec<&'a Entry>,
    selection: &Selection,
) -> Result<Vec<&'a Entry>, Mistake> {
    let Some(wanted) = &selection.workflow else {
        return Ok(named);
    };
    if let Some(found) = named.iter().find(|entry| *entry.key == **wanted) {
        return Ok(vec![found]);
    }
    let known = named.iter().map(|entry| &*entry.key);
    let near = suggestion(wanted, known, "workflows");
    let message = format!("there is no workflow {}{near}", quoted(wanted));
    Err(Mistake::anywhere(message))
}

impl Selection {
    fn built(&self) -> Ref<'_> {
        Ref {
            branch: self.branch.as_deref(),
            tag: self.tag.as_deref(),
        }
    }
}

impl Planner {
    fn without_workflows(
        &self,
        selection: &Selection,
        section: Option<&Rc<Map>>,
    ) -> Result<Vec<Workflow>, Mistake> {
        if let Some(wanted) = &selection.workflow {
            let message = match section {
                None => format!(
                    "there is no workflow {}: the config has no `workflows`",
                    quoted(wanted)
                ),
                Some(_) => format!(
                    "there is no workflow {}: `workflows` is empty",
                    quoted(wanted)
                ),
            };
            return Err(Mistake::anywhere(message));
        }
        let Some(wanted) = &selection.job else {
            self.check_branches(selection)?;
            return self.raw_job("build", false);
        };
        self.raw_job(wanted, true)
    }

    /// Version 2 has branches at the job, where no workflow says it better.
    fn check_branches(&self, selection: &Selection) -> Result<(), Mistake> {
        let nowhere = super::error::Position { line: 1, column: 1 };
        let Some(found) = self
            .definitions
            .find(Home::CONFIG, Noun::Job, "build", nowhere)?
        else {
            return Ok(());
        };
        let branches = found.node.as_map().and_then(|map| map.node("branches"));
        let Some(branches) = branches.filter(|node| !node.is_null()) else {
            return Ok(());
        };
        match branch_refusal(branches, selection.built(), &self.patterns)? {
            None => Ok(()),
            Some(reason) => Err(Mistake::at(
                branches.place,
                format!("nothing is left to run: job `build`: {reason}"),
            )),
        }
    }

    /// A job by its name in `jobs`, with nothing from a workflow.
    fn raw_job(&self, name: &str, is_named: bool) -> Result<Vec<Workflow>, Mistake> {
        let jobs = || self.definitions.names(Home::CONFIG, Noun::Job);
        let nowhere = super::error::Position { line: 1, column: 1 };
        let Some(found) = self
            .definitions
            .find(Home::CONFIG, Noun::Job, name, nowhere)?
        else {
            let names: Vec<&str> = jobs().take(20).collect();
            let message = match (names.as_slice(), is_named, nearest(name, jobs())) {
                ([], _, _) => {
                    "there are no jobs; expected a map `jobs` with a job named `build`".to_owned()
                }
                (_, true, Some(near)) => {
                    format!("there is no job {}; did you mean `{near}`?", quoted(name))
                }
                (names, true, None) => format!(
                    "there is no job {}; the jobs are: {}",
                    quoted(name),
                    names.join(", ")
                ),
                (names, false, _) => format!(
                    "there is no job `build`; name one of these with --job: {}",
                    names.join(", ")
                ),
            };
            return Err(Mistake::anywhere(message));
        };
        let needed = needed(&found)?;
        if !needed.is_empty() {
            let message = format!(
                "the job {} needs values for {}, and no workflow gives them",
                quoted(name),
                needed.join(", ")
            );
            return Err(Mistake::at(found.node.place, message));
        }
        let plan = self.job(&Request {
            name,
            called: name,
            definition: &found,
            given: &[],
            place: found.node.place,
            before: None,
            after: None,
        })?;
        Ok(vec![self.alone(plan)])
    }

    fn alone(&self, plan: Plan) -> Workflow {
        Workflow {
            name: None,
            jobs: vec![WorkflowJob {
                plan,
                requires: Vec::new(),
            }],
            notices: self.notices.take(),
        }
    }

    /// One job with what the workflow that lists it gives it.
    fn job_of_workflows(
        &self,
        name: &str,
        workflows: &[&Entry],
        selection: &Selection,
    ) -> Result<Vec<Workflow>, Mistake> {
        let mut listed: Vec<(&str, Slot)> = Vec::new();
        for entry in workflows {
            let jobs = entry.value.as_map().and_then(|map| map.node("jobs"));
            for slot in self.slots(jobs.unwrap_or(&entry.value), selection.built())? {
                if slot.is_called(name) {
                    listed.push((&entry.key, slot));
                }
            }
        }
        // Notices are about what is run.
        drop(self.notices.take());
        if listed.iter().any(|(_, slot)| slot.name == name) {
            listed.retain(|(_, slot)| slot.name == name);
        }
        let Some((_, first)) = listed.first() else {
            return self.raw_job(name, true);
        };
        if !listed.iter().all(|(_, slot)| is_same_work(first, slot)) {
            return Err(ambiguous(name, &listed));
        }
        if first.nature == Nature::Approval {
            let message = format!("{} is an approval, no job that could be run", quoted(name));
            return Err(Mistake::at(first.place, message));
        }
        let plan = self.slot_plan(first)?;
        Ok(vec![self.alone(plan)])
    }

    fn all_of_workflows(
        &self,
        workflows: &[&Entry],
        selection: &Selection,
    ) -> Result<Vec<Workflow>, Mistake> {
        const SHOWN_MAX: usize = 10;
        let is_named = selection.workflow.is_some();
        let mut planned = Vec::new();
        let mut reasons = Vec::new();
        for entry in workflows {
            match self.workflow(entry, selection.built(), is_named)? {
                Outcome::Planned(workflow) => planned.push(workflow),
                Outcome::LeftOut(reason) => {
                    reasons.push(format!("workflow {}: {reason}", quoted(&entry.key)));
                }
            }
        }
        let rest = self.notices.take();
        let Some(first) = planned.first_mut() else {
            reasons.truncate(SHOWN_MAX);
            let message = format!("nothing is left to run: {}", reasons.join("; "));
            return Err(Mistake::anywhere(message));
        };
        first.notices.extend(rest);
        Ok(planned)
    }
}

/// Whether two slots would do the same.
fn is_same_work(one: &Slot, other: &Slot) -> bool {
    let (mine, theirs) = (one.given(), other.given());
    let has_same = |name: &str, value: &Node| {
        let known = theirs.iter().find(|given| given.name == name);
        known.is_some_and(|given| is_same(given.value, value))
    };
    let adds_nothing = |slot: &Slot| slot.before.is_none() && slot.after.is_none();
    one.place == other.place && one.name == other.name
        || one.called == other.called
            && mine.len() == theirs.len()
            && mine.iter().all(|given| has_same(given.name, given.value))
            && adds_nothing(one)
            && adds_nothing(other)
}

fn ambiguous(name: &str, listed: &[(&str, Slot)]) -> Mistake {
    const SHOWN_MAX: usize = 20;
    let is_one_name = listed.iter().all(|(_, slot)| slot.name == name);
    let mut names: Vec<&str> = listed
        .iter()
        .map(|(workflow, slot)| {
            if is_one_name {
                workflow
            } else {
                slot.name.as_str()
            }
        })
        .collect();
    names.dedup();
    names.truncate(SHOWN_MAX);
    let names = names.join(", ");
    let message = if is_one_name {
        format!(
            "several workflows list the job {} with other arguments; choose one of them with --workflow: {names}",
            quoted(name)
        )
    } else {
        format!(
            "{} stands for several jobs of the workflows; name one of them with --job: {names}",
            quoted(name)
        )
    };
    Mistake::anywhere(message)
}
