//! What plans come out of configs.

mod first;
mod flow;
mod fuzz;
mod language;
mod mistakes;
mod sections;

use super::{Plan, Selection, Step, StepKind, Workflow, plan};

fn job(text: &str) -> Plan {
    Plan::parse("config.yml", text, None).unwrap_or_else(|error| panic!("{error}"))
}

fn on_branch(branch: &str) -> Selection {
    Selection {
        branch: Some(branch.to_owned()),
        project: Some("github/acme/demo".to_owned()),
        ..Selection::default()
    }
}

fn alone_on(text: &str, name: &str, branch: &str) -> Plan {
    let selection = Selection {
        job: Some(name.to_owned()),
        ..on_branch(branch)
    };
    planned(text, &selection).remove(0).jobs.remove(0).plan
}

fn planned(text: &str, selection: &Selection) -> Vec<Workflow> {
    plan("config.yml", text, selection).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that runs on the branch `main`.
fn all(text: &str) -> Vec<Workflow> {
    planned(text, &on_branch("main"))
}

fn refused_for(text: &str, selection: &Selection) -> String {
    match plan("config.yml", text, selection) {
        Ok(_) => panic!("nothing is wrong with this config"),
        Err(error) => error.to_string(),
    }
}

fn refused(text: &str) -> String {
    refused_for(text, &on_branch("main"))
}

fn step_names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.name.as_str()).collect()
}

fn commands_of(plan: &Plan) -> Vec<&str> {
    let command = |step| match step {
        &Step {
            kind: StepKind::Run(ref run),
            ..
        } => Some(run.command.as_str()),
        _ => None,
    };
    plan.steps.iter().filter_map(command).collect()
}
