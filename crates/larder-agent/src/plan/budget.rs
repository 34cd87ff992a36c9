//! How much planning may come to: a config is small, but what it means can be endless.

use super::error::{Mistake, Position};
use super::node::Node;
use std::cell::Cell;

/// Steps of all jobs with every command written out.
const STEPS_MAX: usize = 10_000;
/// Jobs of all workflows with every matrix written out.
pub(super) const JOBS_MAX: usize = 2_000;
/// Bytes of all texts of all plans.
const TEXT_MAX: usize = 16 * 1024 * 1024;
/// Values looked at: commands without steps that call each other cost time all the same.
const WORK_MAX: usize = 2_000_000;

/// Lists of steps within each other, through commands, conditions and arguments: each costs stack.
const STEPS_DEPTH_MAX: usize = 100;
/// What a text costs besides its bytes.
const TEXT_COST: usize = 24;
/// Values that looking a command up is as much work as.
const COMMAND_WORK: usize = 50;

/// What is left of each.
pub(super) struct Budget {
    jobs: Cell<usize>,
    steps: Cell<usize>,
    text: Cell<usize>,
    work: Cell<usize>,
    depth: Cell<usize>,
}

/// A list of steps that is being looked at.
pub(super) struct Deeper<'a>(&'a Cell<usize>);

impl Drop for Deeper<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            jobs: Cell::new(JOBS_MAX),
            steps: Cell::new(STEPS_MAX),
            text: Cell::new(TEXT_MAX),
            work: Cell::new(WORK_MAX),
            depth: Cell::new(STEPS_DEPTH_MAX),
        }
    }

    pub(super) fn spend_job(&self, place: Position) -> Result<(), Mistake> {
        spend(&self.jobs, 1, place, || {
            format!("the workflows come to more than {JOBS_MAX} jobs; that is the limit")
        })
    }

    /// Counts one list of steps within another, until the answer is dropped.
    pub(super) fn deeper(&self, place: Position) -> Result<Deeper<'_>, Mistake> {
        spend(&self.depth, 1, place, || {
            format!(
                "more than {STEPS_DEPTH_MAX} lists of steps within each other; that is the limit"
            )
        })?;
        Ok(Deeper(&self.depth))
    }

    pub(super) fn spend_steps(&self, count: usize, place: Position) -> Result<(), Mistake> {
        spend(&self.steps, count, place, || {
            format!("the jobs come to more than {STEPS_MAX} steps; that is the limit")
        })
    }

    pub(super) fn spend_text(&self, bytes: usize, place: Position) -> Result<(), Mistake> {
        spend(&self.text, bytes, place, || {
            format!("the jobs come to more than {TEXT_MAX} bytes of text; that is the limit")
        })
    }

    /// A command is worth many values, whatever is in it.
    pub(super) fn spend_command(&self, place: Position) -> Result<(), Mistake> {
        self.spend_work(COMMAND_WORK, place)
    }

    pub(super) fn spend_work(&self, values: usize, place: Position) -> Result<(), Mistake> {
        spend(&self.work, values, place, || {
            format!("the config comes to more than {WORK_MAX} values to look at; that is the limit")
        })
    }

    pub(super) fn text_left(&self) -> usize {
        self.text.get()
    }

    /// A text of its own for the plan.
    pub(super) fn text(&self, node: &Node, what: &str) -> Result<String, Mistake> {
        let Some(text) = node.as_text() else {
            let message = format!("{what}: expected a text, found {}", node.kind());
            return Err(Mistake::at(node.place, message));
        };
        if text.contains('\0') {
            return Err(Mistake::at(node.place, "the text has a NUL character"));
        }
        self.spend_text(text.len() + TEXT_COST, node.place)?;
        Ok(text.to_owned())
    }
}

fn spend(
    left: &Cell<usize>,
    amount: usize,
    place: Position,
    message: impl FnOnce() -> String,
) -> Result<(), Mistake> {
    match left.get().checked_sub(amount) {
        Some(rest) => {
            left.set(rest);
            Ok(())
        }
        None => Err(Mistake::at(place, message())),
    }
}
