//! The environment of a step: built up from nothing, so that nothing of the caller's leaks.

use crate::error::{Error, Result};
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
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

/// Steps add lines to the file that bash reads first; a longer one is left alone.
const BASH_ENV_BYTES_MAX: u64 = 1024 * 1024;

/// What a node's steps share; a step adds its own.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// Later entries win.
    layers: Vec<(String, OsString)>,
    /// Variables that neither the config nor a user may change.
    fixed: Vec<(String, OsString)>,
    programs: PathBuf,
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
    /// The agent's own programs for steps; the first folder on their PATH, whatever that is.
    pub(super) programs: &'a Path,
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
        Self {
            layers,
            fixed,
            programs: sources.programs.to_owned(),
        }
    }

    /// With a step's own variables, which win over all others but the fixed ones.
    pub(super) fn of_step(&self, own: &[(String, String)]) -> BTreeMap<String, OsString> {
        let own = own
            .iter()
            .map(|(name, value)| (name.clone(), OsString::from(value)));
        let mut variables: BTreeMap<String, OsString> = self
            .layers
            .iter()
            .cloned()
            .chain(own)
            .chain(self.fixed.iter().cloned())
            .collect();
        let mut path = OsString::from(&self.programs);
        if let Some(rest) = variables.get("PATH").filter(|rest| !rest.is_empty()) {
            path.push(":");
            path.push(rest);
        }
        variables.insert("PATH".to_owned(), path);
        variables
    }
}

/// `NAME=VALUE`, as `-e` takes it: the value is taken literally, quotes and all, and may be empty.
/// `NAME` alone takes the caller's value; `None` if the caller has none.
pub fn parse_variable(
    text: &str,
    caller: &[(OsString, OsString)],
) -> Result<Option<(String, String)>> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    // The value may be a secret: messages name no more than the name.
    if !is_name(name) {
        let what = if value.is_some() { name } else { text };
        return Err(Error::Usage(format!(
            "variable {what:?}: expected NAME=VALUE or NAME, where NAME is made of letters, digits and _"
        )));
    }
    let value = match value {
        Some(value) => value.to_owned(),
        None => match caller.iter().find(|(known, _)| known == name) {
            None => return Ok(None),
            Some((_, value)) => value.to_str().map(str::to_owned).ok_or_else(|| {
                Error::Usage(format!("variable {name}: the caller's value is not UTF-8"))
            })?,
        },
    };
    if value.contains('\0') {
        return Err(Error::Usage(format!(
            "variable {name}: its value holds a NUL"
        )));
    }
    Ok(Some((name.to_owned(), value)))
}

/// The text of an `--env-file`, as docker reads one: a `NAME=VALUE` or `NAME` on each line, taken
/// literally; empty lines and lines that begin with `#` are left out. Errors name the line.
pub fn parse_env_file(
    file: &str,
    text: &str,
    caller: &[(OsString, OsString)],
) -> Result<Vec<(String, String)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.trim_start()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|(number, line)| {
            let named = |error| Error::Usage(format!("{file}:{number}: {error}"));
            parse_variable(line, caller).map_err(named).transpose()
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

/// Takes back what a step wrote about `CIRCLE_ARTIFACTS` into the file that bash reads before every
/// step; answers whether there was anything to take back.
pub(super) fn restore_artifacts_folder(bash_env: &Path, artifacts: &Path) -> io::Result<bool> {
    let metadata = bash_env.symlink_metadata()?;
    if !metadata.is_file() || metadata.len() > BASH_ENV_BYTES_MAX {
        return Ok(false);
    }
    let text = fs::read(bash_env)?;
    let text = String::from_utf8_lossy(&text);
    let path = artifacts.display().to_string().replace('\'', "'\\''");
    let own = format!("export CIRCLE_ARTIFACTS='{path}'");
    let last = text
        .lines()
        .rev()
        .find(|line| assigns_artifacts_folder(line));
    if last.is_none_or(|line| line == own) {
        return Ok(false);
    }
    let mut file = fs::OpenOptions::new().append(true).open(bash_env)?;
    file.write_all(format!("\n{own}\n").as_bytes())?;
    Ok(true)
}

/// Whether the line of a script gives the variable a value or takes it away.
fn assigns_artifacts_folder(line: &str) -> bool {
    let mut rest = line;
    while let Some(at) = rest.find("CIRCLE_ARTIFACTS") {
        let (before, after) = (&rest[..at], &rest[at + "CIRCLE_ARTIFACTS".len()..]);
        let is_read = before.ends_with('$') || before.ends_with("${");
        if !is_read && (after.starts_with(['=', '+']) || before.contains("unset")) {
            return true;
        }
        rest = after;
    }
    false
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
        let caller = [("HERE", "caller's"), ("EMPTY", "")].map(|(n, v)| (n.into(), v.into()));
        let text = "\u{feff}# note\n\nA=1\n  B=x=y \r\nC=\nD=\"quoted\" # not a note\nHERE\nEMPTY\nNOT_HERE\n";
        let read = parse_env_file("env", text, &caller).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "x=y "),
            ("C", ""),
            ("D", "\"quoted\" # not a note"),
            ("HERE", "caller's"),
            ("EMPTY", ""),
        ];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let error = parse_env_file("env", "A=1\nexport B=s3cret\n", &[]).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("env:2: variable \"export B\""), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        for wrong in ["=x", "1A=x", "", "é", "A=\0"] {
            assert!(parse_variable(wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_bash_reads_first_cannot_move_the_artifacts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bash_env");
        let artifacts = Path::new("/tmp/circle-artifacts.x");
        let check = |text: &str, is_restored: bool| {
            fs::write(&file, text).unwrap();
            let restored = restore_artifacts_folder(&file, artifacts).unwrap();
            assert_eq!(restored, is_restored, "{text}");
            assert!(
                !restore_artifacts_folder(&file, artifacts).unwrap(),
                "once: {text}"
            );
            let script = ". \"$1\"; printf %s \"$CIRCLE_ARTIFACTS\"";
            let said = std::process::Command::new("/bin/sh")
                .args(["-c", script, "sh"])
                .arg(&file)
                .env("CIRCLE_ARTIFACTS", artifacts)
                .output()
                .unwrap();
            assert_eq!(said.stdout, b"/tmp/circle-artifacts.x", "{text}");
        };
        check("", false);
        check("export OUT=$CIRCLE_ARTIFACTS/out\n", false);
        check("export CIRCLE_ARTIFACTS=/elsewhere", true);
        check("CIRCLE_ARTIFACTS=\"$CIRCLE_ARTIFACTS/deeper\"\n", true);
        check(
            "export CIRCLE_ARTIFACTS=/a\necho $CIRCLE_ARTIFACTS > /dev/null\n",
            true,
        );
        check("unset CIRCLE_ARTIFACTS\n", true);
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
            programs: Path::new("/run/bin"),
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
        check("PATH", Some("/run/bin:/caller/bin"));
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
