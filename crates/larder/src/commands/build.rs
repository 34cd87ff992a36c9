//! `larder build start|finish`: announces a build from any CI, and finishes its job.

use crate::cli::{BuildFinishArguments, BuildStartArguments, EndState, EnvironmentFormat};
use crate::commands::job::{OwnBuild, Wanted, job_for};
use crate::failure::Failure;
use anyhow::{anyhow, bail};
use larder_protocol::{FinishJob, JobState};
use std::process::ExitCode;

pub(crate) async fn start(arguments: BuildStartArguments) -> Result<ExitCode, Failure> {
    let own = own_build(&arguments)?;
    let url = arguments.server.url().to_owned();
    let server = arguments.server.connect()?;
    let (announced, job) = own.announce(&server, Wanted::Running).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&announced)?);
        return Ok(ExitCode::SUCCESS);
    }
    let variables = [
        ("LARDER_URL", url.as_str()),
        ("LARDER_PROJECT", own.project.as_str()),
        ("LARDER_BUILD", announced.id.as_str()),
        ("LARDER_JOB", job.id.as_str()),
        ("LARDER_TOKEN", job.token.as_str()),
    ];
    say!("{}", written(&variables, arguments.format)?);
    eprintln!("build {}: {}", announced.number, announced.url);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn finish(arguments: BuildFinishArguments) -> Result<ExitCode, Failure> {
    let by_status = match arguments.status {
        None | Some(0) => EndState::Passed,
        Some(_) => EndState::Failed,
    };
    let state = arguments.state.unwrap_or(by_status);
    let is_given = arguments.job.is_some();
    let job = job_for(Wanted::Any, arguments.job, &arguments.server).await?;
    let end = FinishJob {
        state: state.into(),
        exit_status: arguments.status.or(arguments.exit_status),
    };
    job.server.finish_job(&job.id, &end).await?;
    if is_given {
        // Only a courtesy: the token may be one that reads nothing.
        if let Ok(body) = job.server.job(&job.id).await
            && let Ok(build) = job.server.build(&body.build_id).await
        {
            eprintln!("build {}: {}", build.number, build.url);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the CI or the folder says, and the options in front of it.
fn own_build(arguments: &BuildStartArguments) -> Result<OwnBuild, Failure> {
    let mut own = OwnBuild::here()?;
    if let Some(project) = &arguments.project {
        own.project.clone_from(project);
    }
    if arguments.branch.is_some() || arguments.tag.is_some() {
        own.facts.branch.clone_from(&arguments.branch);
        own.facts.tag.clone_from(&arguments.tag);
    }
    let facts = &mut own.facts;
    facts.revision = arguments.revision.clone().or(facts.revision.take());
    facts.message = arguments.message.clone().or(facts.message.take());
    own.fork |= arguments.fork;
    own.external_id = arguments.external_id.clone().or(own.external_id);
    if let Some(job) = &arguments.job {
        own.job.clone_from(job);
    }
    own.node.total = arguments.parallelism.unwrap_or(own.node.total);
    own.node.index = arguments.node.unwrap_or(own.node.index);
    if own.node.index >= own.node.total {
        return Err(Failure::usage(anyhow!(
            "node {} of {}: --node counts from 0 and must be below --parallelism",
            own.node.index,
            own.node.total
        )));
    }
    Ok(own)
}

/// Variables as something else reads them: whatever a value holds, it stays a value.
fn written(variables: &[(&str, &str)], format: EnvironmentFormat) -> anyhow::Result<String> {
    if let Some((name, _)) = variables
        .iter()
        .find(|(_, value)| value.chars().any(char::is_control))
    {
        bail!("the value of {name} has a control character, which no shell is given");
    }
    if format == EnvironmentFormat::Json {
        let object: serde_json::Map<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        return Ok(serde_json::to_string_pretty(&object)?);
    }
    let lines: Vec<_> = variables
        .iter()
        .map(|(name, value)| match format {
            EnvironmentFormat::Fish => {
                let value = value.replace('\\', r"\\").replace('\'', r"\'");
                format!("set -gx {name} '{value}'")
            }
            EnvironmentFormat::Powershell => format!("$env:{name} = '{}'", in_powershell(value)),
            EnvironmentFormat::Env | EnvironmentFormat::Json => format!("{name}={value}"),
            EnvironmentFormat::Sh => format!("export {name}='{}'", value.replace('\'', r"'\''")),
        })
        .collect();
    Ok(lines.join("\n"))
}

/// Quotation marks doubled; `PowerShell` takes typographic ones for plain ones.
fn in_powershell(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        text.push(c);
        if matches!(c, '\'' | '‘' | '’' | '‚' | '‛') {
            text.push(c);
        }
    }
    text
}

impl From<EndState> for JobState {
    fn from(state: EndState) -> Self {
        match state {
            EndState::Passed => Self::Passed,
            EndState::Failed => Self::Failed,
            EndState::Canceled => Self::Canceled,
            EndState::TimedOut => Self::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Quotation marks, expansions and separators of every shell.
    const HOSTILE: &str = r#"a'b"$(touch pwned)`touch pwned`;touch pwned;\'#{x}%PATH%&|"#;

    #[test]
    fn no_value_leaves_its_quotation_marks_in_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("LARDER_PROJECT", HOSTILE), ("LARDER_URL", "http://h")];
        let text = written(&variables, EnvironmentFormat::Sh).unwrap();
        for shell in ["sh", "bash"] {
            let output = Command::new(shell)
                .args([
                    "-c",
                    r#"eval "$1"; printf %s "$LARDER_PROJECT""#,
                    "x",
                    &text,
                ])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), HOSTILE, "{shell}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn every_format_writes_what_its_reader_reads() {
        let variables = [("A", r"it's \ here"), ("B", "2")];
        let formats = [
            (
                EnvironmentFormat::Sh,
                "export A='it'\\''s \\ here'\nexport B='2'",
            ),
            (
                EnvironmentFormat::Fish,
                "set -gx A 'it\\'s \\\\ here'\nset -gx B '2'",
            ),
            (
                EnvironmentFormat::Powershell,
                "$env:A = 'it''s \\ here'\n$env:B = '2'",
            ),
            (EnvironmentFormat::Env, "A=it's \\ here\nB=2"),
            (
                EnvironmentFormat::Json,
                "{\n  \"A\": \"it's \\\\ here\",\n  \"B\": \"2\"\n}",
            ),
        ];
        for (format, text) in formats {
            assert_eq!(written(&variables, format).unwrap(), text);
            // A second line would be a variable of its own.
            assert!(written(&[("A", "1\nPATH=/evil")], format).is_err());
        }
        let typographic = written(&[("A", "a’b")], EnvironmentFormat::Powershell);
        assert_eq!(typographic.unwrap(), "$env:A = 'a’’b'");
    }
}
