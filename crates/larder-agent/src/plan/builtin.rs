//! The steps that the config language itself has, as `docs/api/circleci.md` lists them.

use super::budget::Budget;
use super::environment::variables;
use super::error::{Mistake, Position, quoted};
use super::fields::Fields;
use super::job::{
    AttachWorkspace, Checkout, PersistToWorkspace, RestoreCache, Run, SaveCache, Step, StepKind,
    StoreArtifacts, StoreTestResults, When,
};
use super::node::{Node, Value};
use std::time::Duration;

/// The documented default for a step that prints nothing.
const NO_OUTPUT_TIMEOUT: Duration = Duration::from_mins(10);

/// Steps that are run here.
pub(super) const NAMES: [&str; 9] = [
    "run",
    "checkout",
    "deploy",
    "store_artifacts",
    "store_test_results",
    "save_cache",
    "restore_cache",
    "persist_to_workspace",
    "attach_workspace",
];

/// Steps of the vendor's own services: they are named and skipped.
pub(super) const VENDOR_STEPS: [&str; 2] = ["add_ssh_keys", "setup_remote_docker"];

const RUN_KEYS: [&str; 10] = [
    "command",
    "name",
    "shell",
    "environment",
    "background",
    "working_directory",
    "no_output_timeout",
    "when",
    // A failed step is not run again here: the failure is what one wants to see.
    "max_auto_reruns",
    "auto_rerun_delay",
];

/// The step `name`, if the language has it. `node` is what stands after the name.
pub(super) fn step(
    name: &str,
    node: &Node,
    place: Position,
    budget: &Budget,
) -> Result<Option<Step>, Mistake> {
    let reader = Reader {
        what: format!("`{name}`"),
        place,
        node,
        budget,
    };
    let step = match name {
        "run" | "deploy" => reader.run(name)?,
        "checkout" => reader.checkout()?,
        "store_artifacts" => reader.store_artifacts()?,
        "store_test_results" => reader.store_test_results()?,
        "save_cache" => reader.save_cache()?,
        "restore_cache" => reader.restore_cache()?,
        "persist_to_workspace" => reader.persist_to_workspace()?,
        "attach_workspace" => reader.attach_workspace()?,
        _ => return Ok(None),
    };
    Ok(Some(step))
}

struct Reader<'a> {
    what: String,
    place: Position,
    node: &'a Node,
    budget: &'a Budget,
}

impl Reader<'_> {
    fn run(&self, word: &str) -> Result<Step, Mistake> {
        let fields = match &self.node.value {
            Value::Scalar(_) => {
                let command = self.command(self.node)?;
                return Ok(Step {
                    name: self.first_name(&command)?,
                    when: When::OnSuccess,
                    kind: StepKind::Run(plain_run(command)),
                });
            }
            Value::Null => {
                let message = format!(
                    "`{word}` is empty; expected a command, or `command` indented below it"
                );
                return Err(Mistake::at(self.place, message));
            }
            _ => self.fields(&RUN_KEYS)?,
        };
        let command = self.command(fields.required("command")?)?;
        let no_output_timeout = match fields.node("no_output_timeout") {
            None => NO_OUTPUT_TIMEOUT,
            Some(written) => written.as_text().and_then(duration).ok_or_else(|| {
                let message = format!(
                    "no_output_timeout: expected a time such as 30s, 20m or 1.25h, found {}",
                    written.kind()
                );
                Mistake::at(written.place, message)
            })?,
        };
        let name = match self.text(&fields, "name")? {
            Some(name) => name,
            None => self.first_name(&command)?,
        };
        Ok(Step {
            name,
            when: when(&fields, When::OnSuccess)?,
            kind: StepKind::Run(Run {
                shell: self.text(&fields, "shell")?,
                environment: variables(fields.node("environment"), self.budget)?,
                working_directory: self.text(&fields, "working_directory")?,
                no_output_timeout,
                background: fields.boolean("background")?.unwrap_or(false),
                ..plain_run(command)
            }),
        })
    }

    fn command(&self, node: &Node) -> Result<String, Mistake> {
        let command = self.budget.text(node, "`command`")?;
        if command.trim().is_empty() {
            return Err(Mistake::at(
                node.place,
                "the `command` of this step is empty",
            ));
        }
        Ok(command)
    }

    /// The documented name of a step without one: its whole command.
    fn first_name(&self, command: &str) -> Result<String, Mistake> {
        self.budget.spend_text(command.len(), self.place)?;
        Ok(command.trim_end().to_owned())
    }

    fn checkout(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["path", "method", "name", "when"])?;
        let path = self
            .text(&fields, "path")?
            .unwrap_or_else(|| ".".to_owned());
        self.step(
            &fields,
            "Checkout code",
            When::OnSuccess,
            StepKind::Checkout(Checkout { path }),
        )
    }

    fn store_artifacts(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["path", "destination", "name", "when"])?;
        let path = self.path(&fields, "path")?;
        let destination = self.text(&fields, "destination")?;
        if let (Some(to), Some(node)) = (&destination, fields.node("destination"))
            && to.split('/').any(|part| part == "..")
        {
            let message =
                "the `destination` has a part `..`; expected a path inside the job's artifacts";
            return Err(Mistake::at(node.place, message));
        }
        let kind = StepKind::StoreArtifacts(StoreArtifacts { path, destination });
        self.step(&fields, "Uploading artifacts", When::Always, kind)
    }

    fn store_test_results(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["path", "name", "when"])?;
        let path = self.path(&fields, "path")?;
        let kind = StepKind::StoreTestResults(StoreTestResults { path });
        self.step(&fields, "Uploading test results", When::Always, kind)
    }

    fn save_cache(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["key", "paths", "name", "when"])?;
        let kind = StepKind::SaveCache(SaveCache {
            key: self.path(&fields, "key")?,
            paths: self.texts(fields.required("paths")?, "paths")?,
        });
        self.step(&fields, "Saving Cache", When::OnSuccess, kind)
    }

    fn restore_cache(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["key", "keys", "name", "when"])?;
        let mut keys = Vec::new();
        if let Some(key) = self.text(&fields, "key")? {
            keys.push(key);
        }
        if let Some(list) = fields.node("keys") {
            keys.extend(self.texts(list, "keys")?);
        }
        if keys.is_empty() {
            let message = "`restore_cache`: `keys` is missing; expected `key` or a list `keys`";
            return Err(Mistake::at(self.place, message));
        }
        let kind = StepKind::RestoreCache(RestoreCache { keys });
        self.step(&fields, "Restoring Cache", When::OnSuccess, kind)
    }

    fn persist_to_workspace(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["root", "paths", "name", "when"])?;
        let kind = StepKind::PersistToWorkspace(PersistToWorkspace {
            root: self.path(&fields, "root")?,
            paths: self.texts(fields.required("paths")?, "paths")?,
        });
        self.step(&fields, "Persisting to Workspace", When::OnSuccess, kind)
    }

    fn attach_workspace(&self) -> Result<Step, Mistake> {
        let fields = self.fields(&["at", "name", "when"])?;
        let at = self.path(&fields, "at")?;
        let kind = StepKind::AttachWorkspace(AttachWorkspace { at });
        self.step(&fields, "Attaching Workspace", When::OnSuccess, kind)
    }

    fn step(
        &self,
        fields: &Fields,
        name: &str,
        default: When,
        kind: StepKind,
    ) -> Result<Step, Mistake> {
        self.budget.spend_text(name.len(), self.place)?;
        Ok(Step {
            name: self
                .text(fields, "name")?
                .unwrap_or_else(|| name.to_owned()),
            when: when(fields, default)?,
            kind,
        })
    }

    fn fields(&self, known: &[&str]) -> Result<Fields, Mistake> {
        if self.node.is_null() {
            // Messages about what is missing point at the step.
            return Fields::strict(&Node::null(self.place), &self.what, known);
        }
        Fields::strict(self.node, &self.what, known)
    }

    fn text(&self, fields: &Fields, key: &str) -> Result<Option<String>, Mistake> {
        fields
            .node(key)
            .map(|node| self.budget.text(node, &format!("`{key}`")))
            .transpose()
    }

    /// A text that must be there and say something.
    fn path(&self, fields: &Fields, key: &str) -> Result<String, Mistake> {
        let node = fields.required(key)?;
        let text = self.budget.text(node, &format!("`{key}`"))?;
        if text.is_empty() {
            return Err(Mistake::at(
                node.place,
                format!("the `{key}` of this step is empty"),
            ));
        }
        Ok(text)
    }

    fn texts(&self, node: &Node, key: &str) -> Result<Vec<String>, Mistake> {
        let what = format!("`{key}`");
        match node.as_list() {
            Some(items) => items
                .iter()
                .map(|item| self.budget.text(item, &what))
                .collect(),
            None => Ok(vec![self.budget.text(node, &what)?]),
        }
    }
}

fn plain_run(command: String) -> Run {
    Run {
        command,
        shell: None,
        environment: Vec::new(),
        working_directory: None,
        no_output_timeout: NO_OUTPUT_TIMEOUT,
        background: false,
    }
}

fn when(fields: &Fields, default: When) -> Result<When, Mistake> {
    let Some(written) = fields.node("when") else {
        return Ok(default);
    };
    match written.as_text() {
        Some("on_success") => Ok(When::OnSuccess),
        Some("on_fail") => Ok(When::OnFail),
        Some("always") => Ok(When::Always),
        other => Err(Mistake::at(
            written.place,
            format!(
                "when {}: expected on_success, on_fail or always",
                other.map_or_else(|| written.kind(), quoted)
            ),
        )),
    }
}

/// `20m`, `1.25h`, `1h30m`, `5s`; a bare number is seconds. At most a day.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0.0;
    loop {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..letters] {
                "" | "s" => 1.0,
                "ms" => 0.001,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[letters..];
        if rest.is_empty() {
            break;
        }
    }
    (total > 0.0 && total <= 86_400.0).then(|| Duration::from_secs_f64(total))
}
