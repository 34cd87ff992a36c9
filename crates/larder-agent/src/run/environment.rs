//! The environment of a step: built up from nothing, so that nothing of the caller's leaks.

use crate::error::{Error, Result};
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where programs are if the caller does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of the caller that steps see: none can hold a secret.
const FROM_CALLER: [&str; 6] = ["PATH", "LANG", "TERM", "USER", "SHELL", "TZ"];

/// Where toolchains live, and where that is below the user's home if the caller does not say: the
/// step's home is another, and a compiler that was installed there must still be found.
const TOOLCHAINS: [(&str, &str); 16] = [
    ("RUSTUP_HOME", ".rustup"),
    ("CARGO_HOME", ".cargo"),
    ("PYENV_ROOT", ".pyenv"),
    ("RBENV_ROOT", ".rbenv"),
    ("NVM_DIR", ".nvm"),
    ("NODENV_ROOT", ".nodenv"),
    ("VOLTA_HOME", ".volta"),
    ("ASDF_DATA_DIR", ".asdf"),
    ("SDKMAN_DIR", ".sdkman"),
    ("GOPATH", "go"),
    ("GOROOT", ""),
    ("JAVA_HOME", ""),
    ("DOTNET_ROOT", ""),
    ("ANDROID_HOME", ""),
    ("BUN_INSTALL", ".bun"),
    ("STACK_ROOT", ".stack"),
];

/// What a node's steps share; a step adds its own.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// Later entries win.
    layers: Vec<(String, OsString)>,
    /// Variables that neither the config nor a user may change.
    fixed: Vec<(String, OsString)>,
}

/// What the environment is made of.
pub(super) struct Sources<'a> {
    pub(super) caller: &'a [(OsString, OsString)],
    pub(super) plan: &'a Plan,
    /// `-e` and `--env-file`.
    pub(super) given: &'a [(String, String)],
    pub(super) built_in: Vec<(&'static str, String)>,
    pub(super) home: &'a Path,
    /// Where temporary files go, if that is not `/tmp`.
    pub(super) temporary: Option<&'a Path>,
    pub(super) bash_env: &'a Path,
    pub(super) artifacts: &'a Path,
}

impl Environment {
    pub(super) fn new(sources: Sources<'_>) -> Self {
        let caller = |name: &str| {
            sources
                .caller
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let mut layers: Vec<(String, OsString)> = vec![
            ("PATH".into(), PATH.into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "dumb".into()),
            ("USER".into(), "root".into()),
            ("SHELL".into(), "/bin/sh".into()),
        ];
        for name in FROM_CALLER {
            layers.extend(caller(name).map(|value| (name.to_owned(), value)));
        }
        let user_home = caller("HOME").map(PathBuf::from);
        for (name, folder) in TOOLCHAINS {
            let usual = || {
                user_home
                    .as_ref()
                    .filter(|_| !folder.is_empty())
                    .map(|home| home.join(folder))
            };
            let folder =
                caller(name).or_else(|| usual().filter(|it| it.is_dir()).map(OsString::from));
            layers.extend(folder.map(|folder| (name.to_owned(), folder)));
        }
        layers.push(("HOME".into(), sources.home.into()));
        layers.extend(
            sources
                .temporary
                .map(|folder| ("TMPDIR".into(), folder.into())),
        );
        layers.push(("BASH_ENV".into(), sources.bash_env.into()));
        layers.extend(
            sources
                .built_in
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into())),
        );
        let config = sources.given.iter().chain(&sources.plan.environment);
        layers.extend(config.map(|(name, value)| (name.clone(), value.into())));
        let fixed = vec![("CIRCLE_ARTIFACTS".to_owned(), sources.artifacts.into())];
        Self { layers, fixed }
    }

    /// With a step's own variables, which win over all others but the fixed ones.
    pub(super) fn of_step(&self, own: &[(String, String)]) -> BTreeMap<String, OsString> {
        let own = own
            .iter()
            .map(|(name, value)| (name.clone(), OsString::from(value)));
        self.layers
            .iter()
            .cloned()
            .chain(own)
            .chain(self.fixed.iter().cloned())
            .collect()
    }
}

/// `NAME=VALUE`, as `-e` takes it. The value may be empty and may hold `=`.
pub fn parse_variable(text: &str) -> Result<(String, String)> {
    let pair = text
        .split_once('=')
        .filter(|(name, value)| is_name(name) && !value.contains('\0'));
    match pair {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::Usage(format!(
            "variable {text:?}: expected NAME=VALUE"
        ))),
    }
}

/// The text of an `--env-file`: a `NAME=VALUE` on each line, taken literally; empty lines and lines
/// that begin with `#` are left out. Errors name the line.
pub fn parse_env_file(name: &str, text: &str) -> Result<Vec<(String, String)>> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(number, line)| {
            // The line may hold a secret; its number is enough.
            let expected = |_| Error::Usage(format!("{name}:{number}: expected NAME=VALUE"));
            parse_variable(line.trim_start()).map_err(expected)
        })
        .collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a config or a user tries to set what is not theirs to set.
pub(super) fn sets_artifacts_folder<'a>(
    names: impl IntoIterator<Item = &'a (String, String)>,
) -> bool {
    names
        .into_iter()
        .any(|(name, _)| name == "CIRCLE_ARTIFACTS")
}

/// The user's own home, as the caller's environment has it.
pub(super) fn home_of(caller: &[(OsString, OsString)]) -> Option<PathBuf> {
    let home = caller.iter().find(|(name, _)| name == OsStr::new("HOME"))?;
    Some(PathBuf::from(&home.1)).filter(|home| home.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_they_are_written() {
        let read = parse_env_file("env", "# note\n\nA=1\n  B=x=y \nC=\n").unwrap();
        let expected =
            [("A", "1"), ("B", "x=y "), ("C", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(read, expected);
        let error = parse_env_file("env", "A=1\nexport B=2\n").unwrap_err();
        assert_eq!(error.to_string(), "env:2: expected NAME=VALUE");
        assert!(parse_variable("=x").is_err() && parse_variable("1A=x").is_err());
    }

    #[test]
    fn a_step_sees_what_it_may_and_the_nearest_setting_wins() {
        let user_home = tempfile::tempdir().unwrap();
        std::fs::create_dir(user_home.path().join(".rustup")).unwrap();
        let caller: Vec<(OsString, OsString)> = [
            ("PATH", "/caller/bin"),
            ("HOME", user_home.path().to_str().unwrap()),
            ("GITHUB_TOKEN", "ghp_secret"),
            ("LARDER_TOKEN", "lrd_secret"),
            ("GOPATH", "/go"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let mut plan = Plan::parse(
            "c",
            "version: 2\njobs: {build: {environment: {A: job, B: job, CI: no, CIRCLE_ARTIFACTS: x}, steps: [checkout]}}",
            None,
        )
        .unwrap();
        plan.environment.push(("C".into(), "job".into()));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = Environment::new(Sources {
            caller: &caller,
            plan: &plan,
            given: &[
                pair("A", "given"),
                pair("D", "given"),
                pair("CIRCLE_BRANCH", "given"),
            ],
            built_in: vec![
                ("CI", "true".into()),
                ("CIRCLE_BRANCH", "main".into()),
                ("CIRCLECI", "true".into()),
            ],
            home: Path::new("/run/home"),
            temporary: None,
            bash_env: Path::new("/run/bash_env"),
            artifacts: Path::new("/tmp/circle-artifacts.x"),
        });
        let seen = environment.of_step(&[pair("B", "step")]);
        let check = |name: &str, value: Option<&str>| {
            assert_eq!(
                seen.get(name).map(|it| it.to_str().unwrap()),
                value,
                "{name}"
            );
        };
        check("PATH", Some("/caller/bin"));
        check("HOME", Some("/run/home"));
        check("RUSTUP_HOME", user_home.path().join(".rustup").to_str());
        check("GOPATH", Some("/go"));
        check("CARGO_HOME", None);
        check("A", Some("job"));
        check("B", Some("step"));
        check("D", Some("given"));
        check("CI", Some("no"));
        check("CIRCLECI", Some("true"));
        check("CIRCLE_BRANCH", Some("given"));
        check("CIRCLE_ARTIFACTS", Some("/tmp/circle-artifacts.x"));
        check("GITHUB_TOKEN", None);
        check("LARDER_TOKEN", None);
        assert!(sets_artifacts_folder(&plan.environment));
    }
}
