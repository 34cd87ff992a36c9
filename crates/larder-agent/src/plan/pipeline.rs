//! What `pipeline.…` means here: the commit and the parameters that a run is for.

use super::error::{Mistake, Position};
use super::fields::suggestion;
use super::node::Node;
use super::parameters::{self, Arguments};
use super::selection::Selection;
use std::collections::BTreeMap;

/// Values of the vendor's triggers that a run here has none of: empty, as on a run by hand.
const EMPTY_PREFIXES: [&str; 6] = [
    "git.commit.",
    "schedule.",
    "trigger_parameters.",
    "event.",
    "trigger.",
    "deploy.",
];
/// A run has no number or id of the vendor; keys of caches that name them stay the same.
const NUMBER: &str = "1";
const ID: &str = "00000000-0000-0000-0000-000000000000";
/// Values are placed where they are used.
const NOWHERE: Position = Position { line: 1, column: 1 };

pub(super) struct Pipeline {
    values: BTreeMap<&'static str, Node>,
    parameters: Arguments,
}

impl Pipeline {
    /// `declared` is the config's own `parameters`.
    pub(super) fn new(selection: &Selection, declared: Option<&Node>) -> Result<Self, Mistake> {
        let parameters = parameters::of_pipeline(declared, &selection.parameters)?;
        Ok(Self {
            values: values(selection),
            parameters,
        })
    }

    /// The value of `pipeline.NAME`.
    pub(super) fn value(&self, name: &str) -> Result<Node, String> {
        if let Some(parameter) = name.strip_prefix("parameters.") {
            return self.parameters.get(parameter).cloned().ok_or_else(|| {
                let known = self.parameters.keys().map(String::as_str);
                let near = suggestion(parameter, known, "pipeline parameters");
                format!("there is no pipeline parameter `{parameter}`{near}")
            });
        }
        if let Some(node) = self.values.get(name) {
            return Ok(node.clone());
        }
        if EMPTY_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Ok(Node::scalar(NOWHERE, "", false));
        }
        let near = suggestion(name, self.values.keys().copied(), "values");
        Err(format!("there is no value `pipeline.{name}`{near}"))
    }
}

fn values(selection: &Selection) -> BTreeMap<&'static str, Node> {
    let branch = selection.branch.as_deref().unwrap_or_default();
    let is_default = matches!(branch, "main" | "master");
    let mut segments = selection
        .project
        .as_deref()
        .unwrap_or_default()
        .splitn(3, '/');
    let mut segment = || segments.next().unwrap_or_default();
    let (host, owner, name) = (segment(), segment(), segment());
    let (kind, short) = match host {
        "gh" | "github" => ("github", "gh"),
        "bb" | "bitbucket" => ("bitbucket", "bb"),
        "gl" | "gitlab" => ("gitlab", "gitlab"),
        other => (other, other),
    };
    let slug = if host.is_empty() {
        String::new()
    } else {
        format!("{short}/{owner}/{name}")
    };
    let url = selection.repository_url.as_deref().unwrap_or_default();
    let text = |text: &str| Node::scalar(NOWHERE, text, false);
    let plain = |text: &str| Node::scalar(NOWHERE, text, true);
    BTreeMap::from([
        ("id", text(ID)),
        ("number", plain(NUMBER)),
        ("in_setup", plain("false")),
        ("trigger_source", text("webhook")),
        ("git.branch", text(branch)),
        (
            "git.branch.is_default",
            plain(if is_default { "true" } else { "false" }),
        ),
        (
            "git.tag",
            text(selection.tag.as_deref().unwrap_or_default()),
        ),
        (
            "git.revision",
            text(selection.revision.as_deref().unwrap_or_default()),
        ),
        ("git.base_revision", text("")),
        ("git.repo_owner", text(owner)),
        ("git.repo_name", text(name)),
        ("project.git_url", text(url)),
        ("project.type", text(kind)),
        ("project.slug", text(&slug)),
        ("project.organization", text(owner)),
        ("project.organization_name", text(owner)),
        ("project.name", text(name)),
        ("project.id", text("")),
        ("organization.id", text("")),
        ("trigger.id", text("")),
    ])
}
