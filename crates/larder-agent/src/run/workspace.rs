//! `persist_to_workspace` and `attach_workspace`: what jobs of one run pass on. Each persist is a
//! layer in the run's own folder; a job gets those of the jobs that it requires, later ones on top.

use super::context::Context;
use super::output::Output;
use super::step::Ended;
use super::tree::Copy;
use crate::error::{Error, Result};
use crate::plan::{AttachWorkspace, PersistToWorkspace};
use globset::GlobBuilder;
use larder_protocol::StepState;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What came of a copy for either step.
struct Copied {
    layers: usize,
    copy: Copy,
}

/// Carries out `persist_to_workspace`. Paths that match nothing fail it, as the vendor has it.
pub(super) async fn persist(
    context: &Arc<Context>,
    seq: u32,
    step: &PersistToWorkspace,
    output: &mut Output,
) -> Result<Ended> {
    let (inner, step, root) = (context.clone(), step.clone(), step.root.clone());
    let copied = blocking(move || persist_now(&inner, seq, &step)).await?;
    match copied {
        Ok(copied) if copied.copy.files == 0 && copied.layers == 0 => {
            let line = format!("The specified paths did not match any files in {root}");
            refuse(output, &line).await
        }
        Ok(copied) => {
            say(output, "Persisted", &copied.copy).await;
            Ok(Ended::without_shell(StepState::Passed))
        }
        Err(error) => broken(output, &error).await,
    }
}

/// Carries out `attach_workspace`.
pub(super) async fn attach(
    context: &Arc<Context>,
    step: &AttachWorkspace,
    output: &mut Output,
) -> Result<Ended> {
    let (inner, at) = (context.clone(), step.at.clone());
    match blocking(move || attach_now(&inner, &at)).await? {
        Ok(copied) if copied.layers == 0 => {
            let line = "Nothing to attach: no job that this one requires has persisted anything";
            output.line(line).await;
            Ok(Ended::without_shell(StepState::Passed))
        }
        Ok(copied) => {
            say(output, "Attached", &copied.copy).await;
            Ok(Ended::without_shell(StepState::Passed))
        }
        Err(error) => broken(output, &error).await,
    }
}

async fn say(output: &mut Output, what: &str, copy: &Copy) {
    for path in &copy.left_out {
        let line = format!("Left out {path}: neither file, folder nor link");
        output.line(&line).await;
    }
    let line = format!("{what} {} files, {} bytes", copy.files, copy.bytes);
    output.line(&line).await;
}

async fn refuse(output: &mut Output, line: &str) -> Result<Ended> {
    output.line(line).await;
    Ok(Ended::refused())
}

async fn broken(output: &mut Output, error: &io::Error) -> Result<Ended> {
    if error.kind() == io::ErrorKind::Interrupted {
        return Ok(Ended::without_shell(StepState::Canceled));
    }
    refuse(output, &format!("Error: {error}")).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::io("work on the workspace")(io::Error::other(error)))
}

/// Where the layers of a job are.
fn layers_of(context: &Context, place: usize) -> PathBuf {
    let run = &context.run;
    run.folder.path().join("workspace").join(place.to_string())
}

fn persist_now(context: &Context, seq: u32, step: &PersistToWorkspace) -> io::Result<Copied> {
    let view = &context.folders.view;
    let seen = context
        .folders
        .expand(&step.root, &context.folders.working_directory);
    let root = view.resolve(&seen).map_err(|error| {
        let message = format!("the root {}: {error}", seen.display());
        io::Error::new(error.kind(), message)
    })?;
    let mut found = Vec::new();
    for pattern in &step.paths {
        find(&view.host(&root), pattern, &mut found)?;
    }
    let layers = layers_of(context, context.run.place);
    let layer = layers.join(format!("{:03}-{seq:06}", context.index()));
    let made = layer.with_extension("unfinished");
    super::folders::remove_tree(&made);
    fs::create_dir_all(&made)?;
    let mut copy = Copy::new(context.run.options.cancel.clone(), u64::MAX);
    for path in &found {
        let onto = made.join(path);
        if let Some(folder) = onto.parent() {
            fs::create_dir_all(folder)?;
        }
        // What is part of a path may be a link; where it leads is what it means for the steps.
        let from = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => view.resolve(&root.join(folder))?.join(name),
            _ => root.clone(),
        };
        copy.tree(&view.host(&from), &onto)?;
    }
    if !found.is_empty() {
        // One is there if the run broke off right after this.
        super::folders::remove_tree(&layer);
        fs::rename(&made, &layer)?;
    }
    Ok(Copied {
        layers: usize::from(!found.is_empty()),
        copy,
    })
}

/// Adds what the pattern matches below the folder, by its relative path: folders whole, links not
/// followed at their ends.
fn find(root: &Path, pattern: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut matched = vec![PathBuf::new()];
    for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            let message = format!("the path {pattern} leads out of the root");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut deeper = Vec::new();
        for folder in matched {
            match_part(root, &folder, part, &mut deeper)?;
        }
        matched = deeper;
    }
    found.extend(matched);
    Ok(())
}

fn match_part(root: &Path, folder: &Path, part: &str, deeper: &mut Vec<PathBuf>) -> io::Result<()> {
    if !part.contains(['*', '?', '[', '\\']) {
        let path = folder.join(part);
        if root.join(&path).symlink_metadata().is_ok() {
            deeper.push(path);
        }
        return Ok(());
    }
    // Braces are plain characters in these patterns.
    let glob = GlobBuilder::new(&part.replace('{', "[{]").replace('}', "[}]"))
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?
        .compile_matcher();
    let mut names: Vec<_> = fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| glob.is_match(name))
        .collect();
    names.sort();
    deeper.extend(names.into_iter().map(|name| folder.join(name)));
    Ok(())
}

fn attach_now(context: &Context, at: &str) -> io::Result<Copied> {
    let seen = context
        .folders
        .expand(at, &context.folders.working_directory);
    let onto = context.folders.make_own(&seen)?;
    let mut copied = Copied {
        layers: 0,
        copy: Copy::new(context.run.options.cancel.clone(), u64::MAX),
    };
    for place in &context.run.upstream {
        let mut layers: Vec<_> = fs::read_dir(layers_of(context, *place))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_none())
            .collect();
        layers.sort();
        for layer in layers {
            copied.copy.tree(&layer, &onto)?;
            copied.layers += 1;
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_take_folders_whole() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "dist/a.js",
            "dist/b.css",
            "dist/.map",
            "out/x/1",
            "{odd}",
            "b[1]",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let check = |pattern: &str, expected: &[&str]| {
            let mut found = Vec::new();
            find(folder.path(), pattern, &mut found).unwrap();
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check("dist", &["dist"]);
        check("./dist/", &["dist"]);
        check("dist/*", &["dist/.map", "dist/a.js", "dist/b.css"]);
        check("dist/?.js", &["dist/a.js"]);
        check("*/[ab].*", &["dist/a.js", "dist/b.css"]);
        check("out/**", &["out/x"]);
        check("{odd}", &["{odd}"]);
        check("{o*}", &["{odd}"]);
        check("b\\[1]", &["b[1]"]);
        check("missing", &[]);
        check("missing/*", &[]);
        check(".", &[""]);
        let error = find(folder.path(), "../x", &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
        assert!(find(folder.path(), "[", &mut Vec::new()).is_err());
    }
}
