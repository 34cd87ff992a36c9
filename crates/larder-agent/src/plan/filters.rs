//! Filters by branch and tag.

use super::error::{Mistake, quoted};
use super::expression::{self, is_true};
use super::fields::Fields;
use super::node::{Node, Value};
use super::pattern::Patterns;
use super::scope::Scope;

/// What is built.
#[derive(Clone, Copy)]
pub(super) struct Ref<'a> {
    pub(super) branch: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
}

/// Why the filters of a job keep it out; nothing if they let it in. A job without filters for tags
/// is not run for tags.
pub(super) fn refusal(
    filters: Option<&Node>,
    built: Ref<'_>,
    scope: &Scope<'_>,
) -> Result<Option<String>, Mistake> {
    let Some(node) = filters else {
        return built
            .tag
            .map_or(Ok(None), |tag| tag_refusal(None, tag, scope.patterns));
    };
    if let Value::Scalar(scalar) = &node.value {
        let holds = if scalar.is_filled {
            is_true(node)
        } else {
            is_true(&expression::evaluate(&scalar.text, node.place, scope)?)
        };
        let line = node.place.line;
        return Ok((!holds).then(|| format!("its `filters` (line {line}) do not hold")));
    }
    let fields = Fields::strict(node, "`filters`", &["branches", "tags"])?;
    for (key, what) in [("branches", "`branches`"), ("tags", "`tags`")] {
        if let Some(node) = fields.node(key) {
            // A mistake in there does not wait for a branch or a tag.
            lets_in(node, what, "", scope.patterns)?;
        }
    }
    if let Some(tag) = built.tag {
        return tag_refusal(fields.node("tags"), tag, scope.patterns);
    }
    match fields.node("branches") {
        Some(branches) => branch_refusal(branches, built, scope.patterns),
        None => Ok(None),
    }
}

/// Why a list of branches keeps a job out.
pub(super) fn branch_refusal(
    node: &Node,
    built: Ref<'_>,
    patterns: &Patterns,
) -> Result<Option<String>, Mistake> {
    let Some(branch) = built.branch else {
        // Nothing is known of a branch: nothing is left out for its sake.
        return Ok(None);
    };
    let is_kept = lets_in(node, "`branches`", branch, patterns)?;
    Ok((!is_kept).then(|| {
        let line = node.place.line;
        format!(
            "its `branches` (line {line}) leave out the branch {}",
            quoted(branch)
        )
    }))
}

/// Why what is said of tags keeps a job out of the run for `tag`.
fn tag_refusal(
    node: Option<&Node>,
    tag: &str,
    patterns: &Patterns,
) -> Result<Option<String>, Mistake> {
    let Some(node) = node else {
        let reason = "it has no filter for `tags`, and a tag is built";
        return Ok(Some(reason.to_owned()));
    };
    let is_kept = lets_in(node, "`tags`", tag, patterns)?;
    Ok((!is_kept).then(|| {
        let line = node.place.line;
        format!("its `tags` (line {line}) leave out the tag {}", quoted(tag))
    }))
}

fn lets_in(node: &Node, what: &str, name: &str, patterns: &Patterns) -> Result<bool, Mistake> {
    // Version 2 had a plain list too.
    let (only, ignore) = match &node.value {
        Value::List(_) | Value::Scalar(_) => (Some(node.clone()), None),
        _ => {
            let fields = Fields::strict(node, what, &["only", "ignore"])?;
            (fields.node("only").cloned(), fields.node("ignore").cloned())
        }
    };
    let listed = |list: Option<Node>| {
        list.map(|list| is_listed(&list, name, patterns))
            .transpose()
    };
    let (is_wanted, is_ignored) = (listed(only)?, listed(ignore)?);
    Ok(is_wanted.unwrap_or(true) && !is_ignored.unwrap_or(false))
}

fn is_listed(node: &Node, name: &str, patterns: &Patterns) -> Result<bool, Mistake> {
    let one = |item: &Node| {
        let Some(text) = item.as_text() else {
            let message = format!("expected a name or a /pattern/, found {}", item.kind());
            return Err(Mistake::at(item.place, message));
        };
        match pattern_of(text) {
            Some(pattern) => patterns
                .is_whole(pattern, name)
                .map_err(|message| Mistake::at(item.place, message)),
            None => Ok(text == name),
        }
    };
    match node.as_list() {
        Some(items) => {
            // Every pattern is tried, so that a wrong one never waits for its branch.
            let found: Result<Vec<bool>, Mistake> = items.iter().map(one).collect();
            Ok(found?.contains(&true))
        }
        None => one(node),
    }
}

fn pattern_of(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/')
}
