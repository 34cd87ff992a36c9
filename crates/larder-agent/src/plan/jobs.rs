//! Jobs: a definition with its arguments becomes a plan.

use super::definitions::Found;
use super::error::{Mistake, Position, quoted};
use super::executors::Surroundings;
use super::fields::{Fields, nearest};
use super::job::{Plan, Step};
use super::node::Node;
use super::parameters::{self, Arguments};
use super::planner::{Callee, Frame, Given, Planner, only_there};
use super::substitution::without_declarations;

/// More nodes than this on one machine are a mistake in the config.
const PARALLELISM_MAX: u32 = 64;
/// Where steps run if nothing says otherwise.
const WORKING_DIRECTORY: &str = "~/project";

const KEYS: [&str; 17] = [
    "docker",
    "machine",
    "macos",
    "executor",
    "shell",
    "steps",
    "working_directory",
    "parallelism",
    "environment",
    "branches",
    "resource_class",
    "circleci_ip_ranges",
    "parameters",
    "description",
    "retention",
    "type",
    "max_auto_reruns",
];

/// A job as somebody asks for it.
pub(super) struct Request<'a> {
    /// Its name in the workflow.
    pub(super) name: &'a str,
    /// What it is called in the config.
    pub(super) called: &'a str,
    pub(super) definition: &'a Found,
    pub(super) given: &'a [Given<'a>],
    /// Where it is asked for.
    pub(super) place: Position,
    /// Steps that the workflow adds, filled in.
    pub(super) before: Option<&'a Node>,
    pub(super) after: Option<&'a Node>,
}

/// What kind of job a definition or a workflow makes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Nature {
    /// It has steps.
    Work,
    /// Somebody presses a button.
    Approval,
    /// Nothing at all: it is there to be waited for.
    NoOp,
}

/// Reads a key `type`.
pub(super) fn nature(node: Option<&Node>) -> Result<Nature, Mistake> {
    let Some(node) = node.filter(|node| !node.is_null()) else {
        return Ok(Nature::Work);
    };
    match node.as_text() {
        Some("build") => Ok(Nature::Work),
        Some("approval") => Ok(Nature::Approval),
        Some("no-op" | "noop") => Ok(Nature::NoOp),
        Some(word @ ("lock" | "unlock" | "release")) => Err(only_there(
            node.place,
            format!("a job of the type {word} is a matter of the vendor's service"),
        )),
        _ => Err(Mistake::at(
            node.place,
            format!("`type`: expected approval or no-op, found {}", node.kind()),
        )),
    }
}

impl Planner {
    pub(super) fn job(&self, request: &Request<'_>) -> Result<Plan, Mistake> {
        let what = format!("the job {}", quoted(request.called));
        let found = request.definition;
        let declared = found.node.as_map().and_then(|map| map.node("parameters"));
        let callee = Callee {
            what,
            declared,
            frame: self.frame(found.home),
        };
        let outside = self.frame(super::definitions::Home::CONFIG);
        let arguments: Arguments = self.bind(&callee, request.given, request.place, &outside)?;
        let frame = callee.frame.with_parameters(&arguments);
        let count = found.node.as_map().map_or(0, |map| map.entries().len());
        self.budget.spend_work(count, request.place)?;
        let body = self.fill(&without_declarations(&found.node)?, &frame.scope)?;
        let fields = Fields::of(&body, &callee.what)?;
        self.check_keys(&body, &callee.what)?;
        let mut steps = self.added(request.before, &outside)?;
        match fields.node("steps") {
            Some(list) => steps.extend(self.steps(list, &frame)?),
            None if nature(fields.node("type"))? == Nature::NoOp => {}
            None => {
                let place = found.node.place;
                let message = format!("job {} has no `steps`", quoted(request.called));
                return Err(Mistake::at(place, message));
            }
        }
        steps.extend(self.added(request.after, &outside)?);
        let around = self.around(&fields, &frame)?;
        self.budget.spend_text(request.name.len(), request.place)?;
        Ok(Plan {
            job: request.name.to_owned(),
            parallelism: parallelism(&fields)?,
            working_directory: around
                .working_directory
                .unwrap_or_else(|| WORKING_DIRECTORY.to_owned()),
            shell: around.shell,
            environment: around.environment,
            steps,
            notices: Vec::new(),
        })
    }

    fn added(&self, steps: Option<&Node>, frame: &Frame<'_>) -> Result<Vec<Step>, Mistake> {
        steps.map_or(Ok(Vec::new()), |steps| self.steps(steps, frame))
    }

    /// The executor's, and over it the job's own.
    fn around(&self, fields: &Fields, frame: &Frame<'_>) -> Result<Surroundings, Mistake> {
        let mut around = match fields.node("executor") {
            Some(executor) => self.executor(executor, frame)?,
            None => Surroundings::default(),
        };
        let own = self.surroundings(fields)?;
        around.environment.extend(own.environment);
        around.shell = own.shell.or(around.shell);
        around.working_directory = own.working_directory.or(around.working_directory);
        Ok(around)
    }

    /// A typing error is refused; a key that is merely new to us is named and left out.
    fn check_keys(&self, body: &Node, what: &str) -> Result<(), Mistake> {
        for entry in body.as_map().iter().flat_map(|map| map.entries()) {
            if KEYS.contains(&&*entry.key) {
                continue;
            }
            if let Some(near) = nearest(&entry.key, KEYS.into_iter()) {
                let message = format!(
                    "{what}: the key {} is not known; did you mean `{near}`?",
                    quoted(&entry.key)
                );
                return Err(Mistake::at(entry.place, message));
            }
            self.notices.say(format!(
                "The key {} of {what} is not known here and is left out.",
                quoted(&entry.key)
            ));
        }
        Ok(())
    }
}

/// Names of the parameters that a job needs and has no default for.
pub(super) fn needed(found: &Found) -> Result<Vec<String>, Mistake> {
    let declared = found.node.as_map().and_then(|map| map.node("parameters"));
    let declared = parameters::declarations(declared)?;
    let needed = declared
        .into_iter()
        .filter(|(_, one)| one.default.is_none());
    Ok(needed.map(|(name, _)| name).collect())
}

fn parallelism(fields: &Fields) -> Result<u32, Mistake> {
    let Some(written) = fields.node("parallelism") else {
        return Ok(1);
    };
    match written.as_text().and_then(|text| text.parse().ok()) {
        Some(nodes @ 1..=PARALLELISM_MAX) => Ok(nodes),
        _ => Err(Mistake::at(
            written.place,
            format!(
                "parallelism: expected a number from 1 to {PARALLELISM_MAX}, found {}",
                written.kind()
            ),
        )),
    }
}
