//! Plans as text for people.

use larder_agent::plan::{JobEnd, Plan, Requirement, Run, Step, StepKind, When, Workflow};
use std::fmt::Write as _;
use std::time::Duration;

/// The default of a step, which is not worth a word in each line.
const NO_OUTPUT_TIMEOUT: Duration = Duration::from_mins(10);

/// The outline that the table of the configs shows.
pub(crate) fn outline(workflows: &[Workflow]) -> Vec<String> {
    let mut lines = Vec::new();
    for workflow in workflows {
        lines.push(match &workflow.name {
            Some(name) => format!("workflow {name}"),
            None => "no workflow".to_owned(),
        });
        for job in &workflow.jobs {
            lines.push(outline_of_job(&job.plan) + &after(&job.requires));
        }
    }
    lines
}

fn outline_of_job(plan: &Plan) -> String {
    let kept = plan
        .steps
        .iter()
        .filter(|step| matches!(step.kind, StepKind::StoreArtifacts(_)))
        .count();
    format!("{}{} {} {kept}", plan.job, nodes(plan), plan.steps.len())
}

fn nodes(plan: &Plan) -> String {
    match plan.parallelism {
        1 => String::new(),
        nodes => format!(" x{nodes}"),
    }
}

fn after(requires: &[Requirement]) -> String {
    let names: Vec<String> = requires.iter().map(requirement).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(" after {}", names.join(", ")),
    }
}

fn requirement(requirement: &Requirement) -> String {
    let ends: Vec<&str> = requirement.ends.iter().map(|end| end_word(*end)).collect();
    match ends.as_slice() {
        ["success"] => requirement.job.clone(),
        ends => format!("{}[{}]", requirement.job, ends.join(" ")),
    }
}

fn end_word(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Success => "success",
        JobEnd::Failed => "failed",
        JobEnd::Canceled => "canceled",
        JobEnd::NotRun => "not_run",
    }
}

/// Everything that plans say.
pub(crate) fn whole(workflows: &[Workflow]) -> String {
    let mut text = String::new();
    for workflow in workflows {
        let name = workflow.name.as_deref().unwrap_or("(none)");
        writeln!(text, "workflow {name}").unwrap();
        write_notices(&mut text, &workflow.notices);
        for job in &workflow.jobs {
            let head = job.plan.job.clone() + &nodes(&job.plan) + &after(&job.requires);
            writeln!(text, "\njob {head}").unwrap();
            write_job(&mut text, &job.plan);
        }
        text.push('\n');
    }
    text
}

fn write_notices(text: &mut String, notices: &[String]) {
    for notice in notices {
        writeln!(text, "  notice: {notice}").unwrap();
    }
}

fn write_job(text: &mut String, plan: &Plan) {
    write_notices(text, &plan.notices);
    writeln!(text, "  in {}", plan.working_directory).unwrap();
    if let Some(shell) = &plan.shell {
        writeln!(text, "  by {shell}").unwrap();
    }
    write_variables(text, "  ", &plan.environment);
    for (index, step) in plan.steps.iter().enumerate() {
        write_step(text, index + 1, step);
    }
}

fn write_variables(text: &mut String, indent: &str, variables: &[(String, String)]) {
    for (name, value) in variables {
        writeln!(text, "{indent}{name}={value:?}").unwrap();
    }
}

fn write_step(text: &mut String, number: usize, step: &Step) {
    let when = match step.when {
        When::OnSuccess => "",
        When::OnFail => ", on_fail",
        When::Always => ", always",
    };
    // A name that is the whole command would stand there twice.
    let name = match &step.kind {
        StepKind::Run(run) if run.command.trim() == step.name.trim() => String::new(),
        _ => format!(" {:?}", step.name),
    };
    let (kind, details) = details(&step.kind);
    writeln!(text, "  {number}. {kind}{when}{name}").unwrap();
    for line in details {
        writeln!(text, "     {line}").unwrap();
    }
    if let StepKind::Run(run) = &step.kind {
        write_variables(text, "     ", &run.environment);
        for line in run.command.split_inclusive('\n') {
            let end = if line.ends_with('\n') {
                ""
            } else {
                " (no line end)"
            };
            writeln!(text, "     | {}{end}", line.trim_end_matches('\n')).unwrap();
        }
    }
}

/// The word of a kind, and one line for each thing that it says.
fn details(kind: &StepKind) -> (&'static str, Vec<String>) {
    match kind {
        StepKind::Checkout(checkout) => ("checkout", vec![format!("into {}", checkout.path)]),
        StepKind::Run(run) => ("run", details_of_run(run)),
        StepKind::StoreArtifacts(store) => (
            "store_artifacts",
            vec![match &store.destination {
                Some(destination) => format!("{:?} as {destination:?}", store.path),
                None => format!("{:?}", store.path),
            }],
        ),
        StepKind::StoreTestResults(results) => {
            ("store_test_results", vec![format!("{:?}", results.path)])
        }
        StepKind::SaveCache(cache) => (
            "save_cache",
            vec![
                format!("key {}", cache.key),
                format!("paths {:?}", cache.paths),
            ],
        ),
        StepKind::RestoreCache(cache) => {
            let keys = cache.keys.iter().map(|key| format!("key {key}"));
            ("restore_cache", keys.collect())
        }
        StepKind::PersistToWorkspace(persist) => (
            "persist_to_workspace",
            vec![format!("{:?} below {:?}", persist.paths, persist.root)],
        ),
        StepKind::AttachWorkspace(attach) => ("attach_workspace", vec![format!("{:?}", attach.at)]),
        StepKind::Unknown(name) => ("not run here", vec![name.clone()]),
    }
}

fn details_of_run(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    if run.background {
        lines.push("in the background".to_owned());
    }
    if let Some(shell) = &run.shell {
        lines.push(format!("by {shell}"));
    }
    if let Some(folder) = &run.working_directory {
        lines.push(format!("in {folder}"));
    }
    if run.no_output_timeout != NO_OUTPUT_TIMEOUT {
        lines.push(format!("silent for {:?} at most", run.no_output_timeout));
    }
    lines
}
