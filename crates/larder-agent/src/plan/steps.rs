//! Steps: lists of them, conditions around them, and commands in the place of their names.

use super::builtin;
use super::definitions::{Found, Noun};
use super::error::{Mistake, Position, quoted};
use super::fields::{Fields, nearest};
use super::job::{Step, StepKind, When};
use super::node::{Node, Value};
use super::planner::{Callee, Frame, Given, Planner, only_there};

/// What an argument of the type `steps` comes to.
#[derive(Debug)]
pub(super) struct PlannedSteps {
    steps: Vec<Step>,
    /// Of their texts: each use costs them again.
    bytes: usize,
}

impl Planner {
    /// The steps of a list that has been filled in.
    pub(super) fn steps(&self, node: &Node, frame: &Frame<'_>) -> Result<Vec<Step>, Mistake> {
        let mut steps = Vec::new();
        self.push_steps(node, frame, &mut steps)?;
        Ok(steps)
    }

    /// An argument of the type `steps`.
    pub(super) fn steps_value(&self, value: &Node, frame: &Frame<'_>) -> Result<Node, Mistake> {
        match &value.value {
            Value::Steps(_) => return Ok(value.clone()),
            Value::List(_) => {}
            _ => {
                let message = format!("expected the type steps (a list), found {}", value.kind());
                return Err(Mistake::at(value.place, message));
            }
        }
        let before = self.budget.text_left();
        let steps = self.steps(value, frame)?;
        let bytes = before - self.budget.text_left();
        Ok(Node::steps(value.place, PlannedSteps { steps, bytes }))
    }

    fn push_steps(
        &self,
        node: &Node,
        frame: &Frame<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Mistake> {
        let _deeper = self.budget.deeper(node.place)?;
        match &node.value {
            Value::List(items) => {
                for item in items.iter() {
                    self.push_step(item, frame, steps)?;
                }
                Ok(())
            }
            Value::Steps(planned) => {
                self.budget.spend_steps(planned.steps.len(), node.place)?;
                self.budget.spend_text(planned.bytes, node.place)?;
                steps.extend_from_slice(&planned.steps);
                Ok(())
            }
            Value::Null => Ok(()),
            Value::Map(_) => Err(Mistake::at(
                node.place,
                "`steps` is a map; expected a list: begin the line of each step with `- `",
            )),
            Value::Scalar(_) | Value::Executor(_) => {
                let message = format!(
                    "`steps`: expected a list (lines that begin with `- `), found {}",
                    node.kind()
                );
                Err(Mistake::at(node.place, message))
            }
        }
    }

    fn push_step(
        &self,
        item: &Node,
        frame: &Frame<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Mistake> {
        self.budget.spend_work(1, item.place)?;
        match &item.value {
            Value::Scalar(scalar) => {
                let nothing = Node::null(item.place);
                self.push_named(&scalar.text, item.place, &nothing, frame, steps)
            }
            Value::Map(map) => match map.entries() {
                [entry] => self.push_named(&entry.key, entry.place, &entry.value, frame, steps),
                [] => Err(Mistake::at(
                    item.place,
                    "an empty map; expected a step such as `run`",
                )),
                [first, second, ..] => Err(Mistake::at(
                    second.place,
                    format!(
                        "a step has one key, but after {} comes {}; indent what belongs to {} below it",
                        quoted(&first.key),
                        quoted(&second.key),
                        quoted(&first.key)
                    ),
                )),
            },
            Value::List(_) | Value::Steps(_) => self.push_steps(item, frame, steps),
            Value::Null => Err(Mistake::at(
                item.place,
                "an empty step; expected one such as `run`",
            )),
            Value::Executor(_) => Err(Mistake::at(item.place, "an executor is no step")),
        }
    }

    fn push_named(
        &self,
        name: &str,
        place: Position,
        argument: &Node,
        frame: &Frame<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Mistake> {
        match name {
            "when" | "unless" => return self.push_conditional(name, argument, frame, steps),
            "steps" => return self.push_steps(argument, frame, steps),
            _ => {}
        }
        let is_builtin = builtin::NAMES.contains(&name);
        let found = self
            .definitions
            .find(frame.home, Noun::Command, name, place)?;
        // A command may wrap the step whose name it has.
        let command = found.filter(|found| !(is_builtin && frame.is_inside(found.home, name)));
        if let Some(found) = command {
            return self.push_command(name, &found, place, argument, frame, steps);
        }
        let step = match builtin::step(name, argument, place, &self.budget)? {
            Some(step) => step,
            None => self.unknown(name, place, frame)?,
        };
        self.budget.spend_steps(1, place)?;
        steps.push(step);
        Ok(())
    }

    fn push_conditional(
        &self,
        name: &str,
        argument: &Node,
        frame: &Frame<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Mistake> {
        let what = format!("`{name}`");
        let fields = Fields::strict(argument, &what, &["condition", "steps", "name"])?;
        if argument.is_null() {
            return Err(Mistake::at(
                argument.place,
                format!("{what} is empty; expected `condition` and `steps` indented below it"),
            ));
        }
        let inner = fields.required("steps")?;
        let condition = argument.as_map().and_then(|map| map.node("condition"));
        let Some(condition) = condition else {
            fields.required("condition")?;
            return Ok(());
        };
        let holds = super::condition::holds(condition, &frame.scope)?;
        if holds == (name == "when") {
            return self.push_steps(inner, frame, steps);
        }
        Ok(())
    }

    fn push_command(
        &self,
        name: &str,
        found: &Found,
        place: Position,
        argument: &Node,
        around: &Frame<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Mistake> {
        self.budget.spend_command(place)?;
        let short = name.rsplit('/').next().unwrap_or(name);
        let what = format!("the command {}", quoted(name));
        let frame = self.frame_of_command(found.home, short, around, place)?;
        let definition =
            Fields::strict(&found.node, &what, &["description", "parameters", "steps"])?;
        let given: Vec<Given<'_>> = match &argument.value {
            Value::Map(map) => map.entries().iter().map(Given::of_entry).collect(),
            Value::Null => Vec::new(),
            _ => {
                let message = format!(
                    "{what}: expected a map of arguments, found {}",
                    argument.kind()
                );
                return Err(Mistake::at(argument.place, message));
            }
        };
        let callee = Callee {
            what,
            declared: definition.node("parameters"),
            frame,
        };
        let arguments = self.bind(&callee, &given, place, around)?;
        let inside = callee.frame.with_parameters(&arguments);
        let body = self.fill(definition.required("steps")?, &inside.scope)?;
        self.push_steps(&body, &inside, steps)
    }

    /// Steps of the vendor's own services (keys, remote engines) are left out without harm, and
    /// named; what an orb would do is work that would silently be missing.
    fn unknown(&self, name: &str, place: Position, frame: &Frame<'_>) -> Result<Step, Mistake> {
        if !builtin::VENDOR_STEPS.contains(&name) {
            if let Some((orb, _)) = name.split_once('/') {
                let message = format!(
                    "there is no command {}: `orbs` has no {}",
                    quoted(name),
                    quoted(orb)
                );
                return Err(only_there(place, message));
            }
            let commands = self.definitions.names(frame.home, Noun::Command);
            let known = builtin::NAMES
                .iter()
                .chain(&builtin::VENDOR_STEPS)
                .copied()
                .chain(commands);
            if let Some(near) = nearest(name, known) {
                let message = format!("there is no step {}; did you mean `{near}`?", quoted(name));
                return Err(Mistake::at(place, message));
            }
        }
        self.budget.spend_text(name.len() * 2, place)?;
        Ok(Step {
            name: name.to_owned(),
            when: When::OnSuccess,
            kind: StepKind::Unknown(name.to_owned()),
        })
    }
}
