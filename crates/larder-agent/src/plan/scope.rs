//! What the names in an expression mean at one place of the config.

use super::error::{Mistake, Position};
use super::fields::suggestion;
use super::node::Node;
use super::parameters::Arguments;
use super::pattern::Patterns;
use super::pipeline::Pipeline;

/// The values that expressions may name.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Whether `<< … >>` means anything: not before version 2.1.
    pub(super) is_templated: bool,
    pub(super) pipeline: &'a Pipeline,
    pub(super) patterns: &'a Patterns,
    /// Of the job, command or executor around.
    pub(super) parameters: Option<&'a Arguments>,
    /// Of one job of a matrix.
    pub(super) matrix: Option<&'a Arguments>,
}

impl<'a> Scope<'a> {
    pub(super) fn with_parameters(self, parameters: &'a Arguments) -> Self {
        Self {
            parameters: Some(parameters),
            matrix: None,
            ..self
        }
    }

    pub(super) fn with_matrix(self, matrix: &'a Arguments) -> Self {
        Self {
            matrix: Some(matrix),
            ..self
        }
    }

    /// The value of a name with its dots, as if it stood at `place`.
    pub(super) fn value(&self, name: &str, place: Position) -> Result<Node, Mistake> {
        let found = match name.split_once('.') {
            Some(("parameters", rest)) => argument(self.parameters, rest, "parameter"),
            Some(("matrix", rest)) => argument(self.matrix, rest, "parameter of a matrix"),
            Some(("pipeline", rest)) => self.pipeline.value(rest),
            _ => Err(format!(
                "`{name}` is no value; expected one that begins with `parameters.`, `pipeline.` or `matrix.`"
            )),
        };
        match found {
            Ok(node) => Ok(node.filled_at(place)),
            Err(message) => Err(Mistake::at(place, message).within(name)),
        }
    }
}

fn argument(arguments: Option<&Arguments>, name: &str, kind: &str) -> Result<Node, String> {
    let Some(arguments) = arguments else {
        return Err(format!(
            "there is no {kind} `{name}`: none are declared around this place"
        ));
    };
    arguments.get(name).cloned().ok_or_else(|| {
        let near = suggestion(name, arguments.keys().map(String::as_str), "parameters");
        format!("there is no {kind} `{name}`{near}")
    })
}
