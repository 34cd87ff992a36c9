//! From the text of a config to plain values: what the jobs of a workflow do, step by step. No file
//! is read and no process is started here.
//!
//! ```text
//! selection     what the caller means → workflows, or one job
//! workflows     order, what waits for what, what is left out
//! slots         entries of a workflow's `jobs`   matrix, filters
//! jobs          a definition with its arguments → a plan   executors
//! steps         lists, conditions, commands   builtin, environment
//! planner       frames, arguments, notices   definitions, parameters, budget
//! condition     logic   expression, pattern
//! substitution  `<< … >>`   scope, pipeline
//! yaml          text → tree   node, fields
//! error         what is wrong, where
//! ```
//!
//! Each line may use the lines below it; only what nests (`steps`, arguments) also calls up.

mod budget;
mod builtin;
mod condition;
mod definitions;
mod environment;
mod error;
mod executors;
mod expression;
mod fields;
mod filters;
mod job;
mod jobs;
mod matrix;
mod node;
mod parameters;
mod pattern;
mod pipeline;
mod planner;
mod scope;
mod selection;
mod slots;
mod steps;
mod substitution;
mod workflow;
mod workflows;
mod yaml;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, Position};
pub use job::{
    AttachWorkspace, Checkout, PersistToWorkspace, Plan, RestoreCache, Run, SaveCache, Step,
    StepKind, StoreArtifacts, StoreTestResults, When,
};
pub use selection::{Selection, plan};
pub use workflow::{JobEnd, Requirement, Workflow, WorkflowJob};
