//! From the shapes of the YAML to a plan: defaults, conditions, and a clear refusal of what would
//! run differently here than its author means.

use super::config::{
    ConfigFile, Environment, ExecutorShape, JobShape, RunShape, StepShape, StoreShape,
};
use super::error::{ConfigError, Position, Text, position};
use super::job::{Checkout, Plan, Run, Step, StepKind, StoreArtifacts, When};
use serde_saphyr::Spanned;
use std::time::Duration;

/// The documented default for a step that prints nothing.
const NO_OUTPUT_TIMEOUT: Duration = Duration::from_mins(10);
/// More nodes than this on one machine are a mistake in the config.
const PARALLELISM_MAX: u32 = 64;
/// What helps where only the vendor's tool can expand a config.
const EXPAND_FIRST: &str = "expand the config first: circleci config process CONFIG | larder run -";

/// Longest config: nobody writes a longer one by hand.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

impl Plan {
    /// Reads a config of version 2, 2.0 or 2.1 and plans the job `job`, or `build` if none is named.
    ///
    /// `file` is the config's name for messages. Configs over 1 MiB, duplicate keys and documents
    /// that expand to more than YAML's usual budgets are refused.
    pub fn parse(file: &str, text: &str, job: Option<&str>) -> Result<Self, ConfigError> {
        let place = Text { file, text };
        if text.len() > CONFIG_BYTES_MAX {
            let message = format!(
                "the config has {} bytes; the limit is {CONFIG_BYTES_MAX}",
                text.len()
            );
            return Err(place.error(None, message));
        }
        let options = serde_saphyr::options! { with_snippet: false };
        let config: ConfigFile = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| place.yaml_error(&error))?;
        plan(place, &config, job)
    }
}

fn plan(text: Text<'_>, config: &ConfigFile, name: Option<&str>) -> Result<Plan, ConfigError> {
    let is_templated = check_version(text, config)?;
    let (name, job) = find_job(text, config, name)?;
    let converter = Converter {
        text,
        config,
        is_templated,
    };
    converter.job(name, job)
}

/// Whether `<< … >>` means something in this config.
fn check_version(text: Text<'_>, config: &ConfigFile) -> Result<bool, ConfigError> {
    let Some(version) = &config.version else {
        return Err(text.error(
            None,
            "there is no `version`; expected `version: 2.1`, 2 or 2.0",
        ));
    };
    match version.value.as_str() {
        "2" | "2.0" => Ok(false),
        "2.1" => Ok(true),
        other => Err(text.error(
            position(version.referenced),
            format!("version {other} is not known here; expected 2, 2.0 or 2.1"),
        )),
    }
}

fn find_job<'a>(
    text: Text<'_>,
    config: &'a ConfigFile,
    wanted: Option<&str>,
) -> Result<(&'a str, &'a Spanned<JobShape>), ConfigError> {
    let name = wanted.unwrap_or("build");
    if let Some((name, job)) = config.jobs.get_key_value(name) {
        return Ok((name, job));
    }
    let names: Vec<&str> = config.jobs.keys().map(String::as_str).collect();
    let message = match (names.as_slice(), wanted) {
        ([], _) => "there are no jobs; expected a map `jobs` with a job named `build`".to_owned(),
        (names, Some(wanted)) => {
            format!(
                "there is no job `{wanted}`; the jobs are: {}",
                names.join(", ")
            )
        }
        (names, None) => format!(
            "there is no job `build`; name one of these with --job: {}",
            names.join(", ")
        ),
    };
    Err(text.error(None, message))
}

struct Converter<'a> {
    text: Text<'a>,
    config: &'a ConfigFile,
    is_templated: bool,
}

impl Converter<'_> {
    fn job(&self, name: &str, job: &Spanned<JobShape>) -> Result<Plan, ConfigError> {
        let place = position(job.referenced);
        let job = &job.value;
        if let Some(parameters) = &job.parameters
            && !parameters.value.0.is_empty()
        {
            return Err(self.unbuilt(position(parameters.referenced), "a job with parameters"));
        }
        let executor = self.executor(job)?;
        let mut environment = Vec::new();
        for image in job
            .docker
            .iter()
            .chain(executor.iter().flat_map(|e| &e.docker))
            .take(1)
        {
            environment.extend(self.variables(&image.environment, place)?);
        }
        if let Some(executor) = executor {
            environment.extend(self.variables(&executor.environment, place)?);
        }
        environment.extend(self.variables(&job.environment, place)?);
        let shell = job
            .shell
            .as_ref()
            .or(executor.and_then(|e| e.shell.as_ref()));
        let directory = job
            .working_directory
            .as_ref()
            .or(executor.and_then(|e| e.working_directory.as_ref()));
        let Some(steps) = &job.steps else {
            return Err(self
                .text
                .error(place, format!("job `{name}` has no `steps`")));
        };
        let mut notices = Vec::new();
        if job.machine.is_some()
            || job.macos.is_some()
            || job.executor.is_some()
            || !job.docker.is_empty()
        {
            notices.push(
                "The config names an executor; its steps run in a shell of this machine instead."
                    .to_owned(),
            );
        }
        Ok(Plan {
            job: name.to_owned(),
            parallelism: self.parallelism(job)?,
            working_directory: directory
                .map_or(Ok("~/project".to_owned()), |text| self.spanned(text))?,
            shell: shell.map(|text| self.spanned(text)).transpose()?,
            environment,
            steps: steps
                .iter()
                .map(|step| self.step(step))
                .collect::<Result<_, _>>()?,
            notices,
        })
    }

    fn executor(&self, job: &JobShape) -> Result<Option<&ExecutorShape>, ConfigError> {
        let Some(named) = &job.executor else {
            return Ok(None);
        };
        let place = position(named.referenced);
        let name = &named.value.name;
        let Some(executor) = self.config.executors.get(name) else {
            if name.contains('/') {
                return Err(self.unbuilt(place, &format!("the executor `{name}` of an orb")));
            }
            return Err(self.text.error(
                place,
                format!("there is no executor `{name}` in `executors`"),
            ));
        };
        if named.value.has_parameters || executor.value.parameters.is_some() {
            return Err(self.unbuilt(place, "an executor with parameters"));
        }
        Ok(Some(&executor.value))
    }

    fn parallelism(&self, job: &JobShape) -> Result<u32, ConfigError> {
        let Some(written) = &job.parallelism else {
            return Ok(1);
        };
        match written.value.parse() {
            Ok(nodes @ 1..=PARALLELISM_MAX) => Ok(nodes),
            _ => Err(self.text.error(
                position(written.referenced),
                format!(
                    "parallelism {}: expected a number from 1 to {PARALLELISM_MAX}",
                    written.value
                ),
            )),
        }
    }

    fn step(&self, step: &Spanned<StepShape>) -> Result<Step, ConfigError> {
        let place = position(step.referenced);
        match &step.value {
            StepShape::Checkout(checkout) => Ok(Step {
                name: "Checkout code".to_owned(),
                when: When::OnSuccess,
                kind: StepKind::Checkout(Checkout {
                    path: self.value(checkout.path.as_deref().unwrap_or("."), place)?,
                }),
            }),
            StepShape::Run(run) => self.run(run, place),
            StepShape::StoreArtifacts(store) => self.store_artifacts(store, place),
            StepShape::Bare(name) | StepShape::Other(name) => self.unknown(name, place),
        }
    }

    fn run(&self, run: &RunShape, place: Option<Position>) -> Result<Step, ConfigError> {
        let command = self.value(&run.command, place)?;
        if command.trim().is_empty() {
            return Err(self
                .text
                .error(place, "the `command` of this step is empty"));
        }
        let no_output_timeout = match &run.no_output_timeout {
            None => NO_OUTPUT_TIMEOUT,
            Some(written) => duration(&written.value).ok_or_else(|| {
                self.text.error(
                    position(written.referenced),
                    format!(
                        "no_output_timeout {}: expected a time such as 30s, 20m or 1.25h",
                        written.value
                    ),
                )
            })?,
        };
        Ok(Step {
            name: self.value(run.name.as_deref().unwrap_or(&command).trim_end(), place)?,
            when: self.when(run.when.as_ref(), When::OnSuccess)?,
            kind: StepKind::Run(Run {
                command,
                shell: run
                    .shell
                    .as_deref()
                    .map(|shell| self.value(shell, place))
                    .transpose()?,
                environment: self.variables(&run.environment, place)?,
                working_directory: run
                    .working_directory
                    .as_deref()
                    .map(|directory| self.value(directory, place))
                    .transpose()?,
                no_output_timeout,
                background: run.background.unwrap_or(false),
            }),
        })
    }

    fn store_artifacts(
        &self,
        store: &StoreShape,
        place: Option<Position>,
    ) -> Result<Step, ConfigError> {
        if store.path.is_empty() {
            return Err(self.text.error(place, "the `path` of this step is empty"));
        }
        let destination = store.destination.as_deref();
        if destination.is_some_and(|to| to.split('/').any(|part| part == "..")) {
            let message =
                "the `destination` has a part `..`; expected a path inside the job's artifacts";
            return Err(self.text.error(place, message));
        }
        Ok(Step {
            name: self.value(
                store.name.as_deref().unwrap_or("Uploading artifacts"),
                place,
            )?,
            when: self.when(store.when.as_ref(), When::Always)?,
            kind: StepKind::StoreArtifacts(StoreArtifacts {
                path: self.value(&store.path, place)?,
                destination: destination.map(|to| self.value(to, place)).transpose()?,
            }),
        })
    }

    /// Steps of the vendor's own services (caches, keys, test results) are left out without harm; a
    /// command that the config defines or takes from an orb is work that would silently be missing.
    fn unknown(&self, name: &str, place: Option<Position>) -> Result<Step, ConfigError> {
        if matches!(name, "when" | "unless") {
            return Err(self.unbuilt(place, &format!("a step under `{name}`")));
        }
        if self.config.commands.0.iter().any(|known| known == name) {
            return Err(self.unbuilt(place, &format!("the command `{name}`")));
        }
        let orb = name.split('/').next().unwrap_or(name);
        if name.contains('/') || self.config.orbs.0.iter().any(|known| known == orb) {
            return Err(self.unbuilt(place, &format!("the step `{name}` of an orb")));
        }
        Ok(Step {
            name: name.to_owned(),
            when: When::OnSuccess,
            kind: StepKind::Unknown(name.to_owned()),
        })
    }

    fn when(&self, written: Option<&Spanned<String>>, default: When) -> Result<When, ConfigError> {
        let Some(written) = written else {
            return Ok(default);
        };
        match written.value.as_str() {
            "on_success" => Ok(When::OnSuccess),
            "on_fail" => Ok(When::OnFail),
            "always" => Ok(When::Always),
            other => Err(self.text.error(
                position(written.referenced),
                format!("when {other}: expected on_success, on_fail or always"),
            )),
        }
    }

    fn variables(
        &self,
        environment: &Environment,
        place: Option<Position>,
    ) -> Result<Vec<(String, String)>, ConfigError> {
        let mut variables = Vec::with_capacity(environment.0.len());
        for (name, value) in &environment.0 {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(self
                    .text
                    .error(place, format!("`{name}` cannot be the name of a variable")));
            }
            variables.push((name.clone(), self.value(value, place)?));
        }
        Ok(variables)
    }

    fn spanned(&self, written: &Spanned<String>) -> Result<String, ConfigError> {
        self.value(&written.value, position(written.referenced))
    }

    /// A text of the config as it is, unless it holds something that only the vendor fills in.
    fn value(&self, text: &str, place: Option<Position>) -> Result<String, ConfigError> {
        if text.contains('\0') {
            return Err(self.text.error(place, "the text has a NUL character"));
        }
        match template(text).filter(|_| self.is_templated) {
            Some(template) => Err(self.unbuilt(place, &format!("`{template}`"))),
            None => Ok(text.to_owned()),
        }
    }

    fn unbuilt(&self, place: Option<Position>, what: &str) -> ConfigError {
        let mut error = self
            .text
            .error(place, format!("{what} cannot be run here yet"));
        error.hint = Some(EXPAND_FIRST.to_owned());
        error
    }
}

/// The first `<< parameters.x >>` or `<< pipeline.x >>`; a here-document's `<<` is none.
fn template(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(at) = text[from..].find("<<") {
        let start = from + at;
        let inner = text[start + 2..].trim_start();
        let is_template = ["parameters.", "pipeline.", "matrix."]
            .iter()
            .any(|word| inner.starts_with(word));
        if let Some(end) = text[start..].find(">>").filter(|_| is_template) {
            return Some(&text[start..start + end + 2]);
        }
        from = start + 2;
    }
    None
}

/// `20m`, `1.25h`, `5s`; a bare number is seconds. At most a day.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = digits.parse().ok()?;
    let total = number * seconds;
    (total > 0.0 && total <= 86_400.0).then(|| Duration::from_secs_f64(total))
}

#[cfg(test)]
mod tests;
