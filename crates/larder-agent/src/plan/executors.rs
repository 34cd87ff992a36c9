//! Executors: what of them matters to a shell on this machine, which is all that runs here.

use super::definitions::{Home, Noun};
use super::environment::variables;
use super::error::Mistake;
use super::fields::Fields;
use super::node::{Node, Value};
use super::parameters::Arguments;
use super::planner::{Callee, Frame, Given, Planner};
use super::substitution::without_declarations;

/// An executor that an argument names, and where that name is known.
#[derive(Debug)]
pub(super) struct NamedExecutor {
    written: Node,
    home: Home,
    /// What it says, to be compared with in conditions.
    definition: Node,
}

/// What a job takes over from its executor; its own keys win.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    pub(super) environment: Vec<(String, String)>,
    pub(super) shell: Option<String>,
    pub(super) working_directory: Option<String>,
}

impl NamedExecutor {
    pub(super) fn definition(&self) -> &Node {
        &self.definition
    }

    pub(super) fn name(&self) -> Option<&str> {
        name_of(&self.written)
    }
}

/// The name in `NAME` or `{name: NAME, …}`.
fn name_of(written: &Node) -> Option<&str> {
    match &written.value {
        Value::Map(map) => map.node("name").and_then(Node::as_text),
        _ => written.as_text(),
    }
}

impl Planner {
    /// An argument of the type `executor`: a name, or a map with `name` and arguments.
    pub(super) fn executor_value(&self, value: &Node, frame: &Frame<'_>) -> Result<Node, Mistake> {
        if matches!(value.value, Value::Executor(_)) {
            return Ok(value.clone());
        }
        let Some(name) = name_of(value) else {
            let message = format!(
                "expected the type executor: the name of one, or a map with `name`; found {}",
                value.kind()
            );
            return Err(Mistake::at(value.place, message));
        };
        let found = self
            .definitions
            .known(frame.home, Noun::Executor, name, value.place)?;
        let named = NamedExecutor {
            written: value.clone(),
            home: frame.home,
            definition: found.node,
        };
        Ok(Node::executor(value.place, named))
    }

    /// What `executor: …` brings along; `written` has been filled in.
    pub(super) fn executor(
        &self,
        written: &Node,
        frame: &Frame<'_>,
    ) -> Result<Surroundings, Mistake> {
        if let Value::Executor(named) = &written.value {
            return self.executor(&named.written, &self.frame(named.home));
        }
        let (name_node, given) = match &written.value {
            Value::Map(map) => {
                let name = Fields::of(written, "`executor`")?.required("name")?.clone();
                let given: Vec<Given<'_>> = map
                    .entries()
                    .iter()
                    .filter(|entry| &*entry.key != "name")
                    .map(Given::of_entry)
                    .collect();
                (name, given)
            }
            _ => (written.clone(), Vec::new()),
        };
        if let Value::Executor(named) = &name_node.value {
            return self.executor_with(&named.written, &given, &self.frame(named.home));
        }
        self.executor_with(&name_node, &given, frame)
    }

    fn executor_with(
        &self,
        name: &Node,
        given: &[Given<'_>],
        frame: &Frame<'_>,
    ) -> Result<Surroundings, Mistake> {
        let Some(text) = name.as_text() else {
            let message = format!(
                "`executor`: expected the name of one, or a map with `name`; found {}",
                name.kind()
            );
            return Err(Mistake::at(name.place, message));
        };
        let found = self
            .definitions
            .known(frame.home, Noun::Executor, text, name.place)?;
        let what = format!("the executor `{text}`");
        let fields = Fields::of(&found.node, &what)?;
        let callee = Callee {
            what,
            declared: fields.node("parameters"),
            frame: self.frame(found.home),
        };
        let arguments: Arguments = self.bind(&callee, given, name.place, frame)?;
        let scope = self.scope().with_parameters(&arguments);
        let body = self.fill(&without_declarations(&found.node)?, &scope)?;
        self.surroundings(&Fields::of(&body, &callee.what)?)
    }

    /// What a job or an executor says about its surroundings; its keys have been filled in.
    pub(super) fn surroundings(&self, fields: &Fields) -> Result<Surroundings, Mistake> {
        let mut environment = Vec::new();
        if let Some(images) = fields.node("docker") {
            let Some(list) = images.as_list() else {
                let message = format!(
                    "`docker`: expected a list of images (lines that begin with `- image:`), found {}",
                    images.kind()
                );
                return Err(Mistake::at(images.place, message));
            };
            // All steps run in the first image; the others are services beside it.
            if let Some(first) = list.first() {
                let image = Fields::of(first, "the image")?;
                image.required("image")?;
                environment.extend(variables(image.node("environment"), &self.budget)?);
            }
        }
        environment.extend(variables(fields.node("environment"), &self.budget)?);
        let text = |key: &str| {
            fields
                .node(key)
                .map(|node| self.budget.text(node, &format!("`{key}`")))
                .transpose()
        };
        let is_named = ["docker", "machine", "macos", "executor"]
            .iter()
            .any(|key| fields.node(key).is_some());
        if is_named {
            self.notices.say(
                "The config names an executor; its steps run in a shell of this machine instead.",
            );
        }
        Ok(Surroundings {
            environment,
            shell: text("shell")?,
            working_directory: text("working_directory")?,
        })
    }
}
