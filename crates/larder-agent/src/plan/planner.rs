//! What every part of planning works with.

use super::budget::Budget;
use super::condition;
use super::definitions::{Definitions, EXPAND_FIRST, Home};
use super::error::{Mistake, Position, quoted};
use super::fields::suggestion;
use super::node::{Entry, Node};
use super::parameters::{self, Arguments, Kind};
use super::pattern::Patterns;
use super::pipeline::Pipeline;
use super::scope::Scope;
use super::substitution;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Arguments that a message names.
const MISSING_SHOWN_MAX: usize = 20;
/// Commands within each other.
const COMMANDS_DEPTH_MAX: usize = 50;

pub(super) struct Planner {
    pub(super) definitions: Definitions,
    pub(super) pipeline: Pipeline,
    pub(super) budget: Budget,
    /// Whether `<< … >>` means something in this config.
    pub(super) is_templated: bool,
    pub(super) patterns: Patterns,
    pub(super) notices: Notices,
}

/// Where a text stands: whose names it uses and whose values.
#[derive(Clone)]
pub(super) struct Frame<'a> {
    pub(super) home: Home,
    pub(super) scope: Scope<'a>,
    /// The commands around it, the outermost first.
    trail: Vec<(Home, String)>,
}

/// What is called with arguments.
pub(super) struct Callee<'a> {
    /// How messages call it.
    pub(super) what: String,
    pub(super) declared: Option<&'a Node>,
    /// Where its defaults stand.
    pub(super) frame: Frame<'a>,
}

/// An argument of a call.
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) place: Position,
    pub(super) value: &'a Node,
}

impl<'a> Frame<'a> {
    pub(super) fn with_parameters(&self, parameters: &'a Arguments) -> Self {
        Self {
            home: self.home,
            scope: self.scope.with_parameters(parameters),
            trail: self.trail.clone(),
        }
    }

    /// Whether this is inside of the command.
    pub(super) fn is_inside(&self, home: Home, command: &str) -> bool {
        let inner = self.trail.last();
        inner.is_some_and(|(inner_home, inner)| *inner_home == home && inner == command)
    }
}

impl Planner {
    /// Where the config itself, or the top of an orb, stands.
    pub(super) fn frame(&self, home: Home) -> Frame<'_> {
        Frame {
            home,
            scope: self.scope(),
            trail: Vec::new(),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            is_templated: self.is_templated,
            pipeline: &self.pipeline,
            patterns: &self.patterns,
            parameters: None,
            matrix: None,
        }
    }

    pub(super) fn fill(&self, node: &Node, scope: &Scope<'_>) -> Result<Node, Mistake> {
        substitution::fill(node, scope, &self.budget)
    }

    /// Whether a condition holds that has not been filled in.
    pub(super) fn holds(&self, node: &Node, scope: &Scope<'_>) -> Result<bool, Mistake> {
        condition::holds(&self.fill(node, scope)?, scope)
    }

    /// The frame of a command that is called in `around`.
    pub(super) fn frame_of_command(
        &self,
        home: Home,
        name: &str,
        around: &Frame<'_>,
        place: Position,
    ) -> Result<Frame<'_>, Mistake> {
        let mut trail = around.trail.clone();
        let is_known = |known: &(Home, String)| known.0 == home && known.1 == name;
        if let Some(first) = trail.iter().position(is_known) {
            let mut cycle: Vec<&str> = trail[first..]
                .iter()
                .map(|(_, name)| name.as_str())
                .collect();
            cycle.push(name);
            let message = format!(
                "the command {} calls itself: {}",
                quoted(name),
                cycle.join(" → ")
            );
            return Err(Mistake::at(place, message));
        }
        if trail.len() >= COMMANDS_DEPTH_MAX {
            let message = format!(
                "more than {COMMANDS_DEPTH_MAX} commands within each other; that is the limit"
            );
            return Err(Mistake::at(place, message));
        }
        trail.push((home, name.to_owned()));
        Ok(Frame {
            home,
            scope: self.scope(),
            trail,
        })
    }

    /// The values of what `callee` declares: given ones, then defaults.
    pub(super) fn bind(
        &self,
        callee: &Callee<'_>,
        given: &[Given<'_>],
        place: Position,
        around: &Frame<'_>,
    ) -> Result<Arguments, Mistake> {
        let declared = parameters::declarations(callee.declared)?;
        for argument in given {
            if !declared.contains_key(argument.name) {
                let known = declared.keys().map(String::as_str);
                let near = suggestion(argument.name, known, "parameters");
                let message = format!(
                    "{} has no parameter {}{near}",
                    callee.what,
                    quoted(argument.name)
                );
                return Err(Mistake::at(argument.place, message));
            }
        }
        let given: BTreeMap<&str, &Given<'_>> = given
            .iter()
            .map(|argument| (argument.name, argument))
            .collect();
        let mut arguments = Arguments::new();
        let mut missing = Vec::new();
        for (name, declaration) in &declared {
            self.budget.spend_work(1, place)?;
            let argument = given.get(name.as_str());
            let value = match (argument, &declaration.default) {
                (Some(argument), _) if !argument.value.is_null() => {
                    self.resolve(&declaration.kind, argument.value, around)?
                }
                (_, Some(default)) => {
                    let filled = self.fill(default, &callee.frame.scope)?;
                    self.resolve(&declaration.kind, &filled, &callee.frame)?
                }
                _ => {
                    missing.push(format!("`{name}`"));
                    continue;
                }
            };
            arguments.insert(name.clone(), declaration.kind.accept(name, &value)?);
        }
        if missing.is_empty() {
            return Ok(arguments);
        }
        missing.truncate(MISSING_SHOWN_MAX);
        let message = format!("{} needs {}", callee.what, missing.join(", "));
        Err(Mistake::at(place, message))
    }

    /// Steps and executors mean what they mean where they are written, so they are resolved there.
    fn resolve(&self, kind: &Kind, value: &Node, frame: &Frame<'_>) -> Result<Node, Mistake> {
        match kind {
            Kind::Steps => self.steps_value(value, frame),
            Kind::Executor => self.executor_value(value, frame),
            _ => Ok(value.clone()),
        }
    }
}

/// What the config asks for and does not get here, each said once.
#[derive(Default)]
pub(super) struct Notices {
    said: RefCell<BTreeSet<String>>,
    pending: RefCell<Vec<String>>,
}

impl Notices {
    pub(super) fn say(&self, notice: impl Into<String>) {
        let notice = notice.into();
        if self.said.borrow_mut().insert(notice.clone()) {
            self.pending.borrow_mut().push(notice);
        }
    }

    /// Those since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        self.pending.take()
    }
}

/// A mistake about something that only the vendor's service does.
pub(super) fn only_there(place: Position, message: impl Into<String>) -> Mistake {
    Mistake::at(place, message).with_hint(EXPAND_FIRST)
}

impl<'a> Given<'a> {
    pub(super) fn of_entry(entry: &'a Entry) -> Self {
        Self {
            name: &entry.key,
            place: entry.place,
            value: &entry.value,
        }
    }
}
