//! Programs of other people that some parts need: one function for each, which finds or installs it.

use crate::process;
use anyhow::{Context, Result, bail};
use larder_harness::Postgres;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Instant;

/// The release of Garage that tests run against.
const GARAGE_VERSION: &str = "2.5.0";
/// Names another Garage for tests.
pub(crate) const GARAGE_PROGRAM: &str = "LARDER_TEST_GARAGE_PROGRAM";

/// Whether what a part needs is at hand.
#[derive(Debug)]
pub(crate) enum Found {
    Here,
    /// The reason, for the closing table.
    Missing(String),
}

/// A program and the Debian package that brings it.
pub(crate) type Program = (&'static str, &'static str);

/// Programs of Debian's packages.
///
/// As root, missing ones are installed; where the package manager is there and fails, so does the run.
pub(crate) fn debian(programs: &[Program]) -> Result<Found> {
    let is_missing = |(program, _): &&Program| process::find(program).is_none();
    let missing: Vec<&str> = programs
        .iter()
        .filter(is_missing)
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(Found::Here);
    }
    if !is_root()? || process::find("apt-get").is_none() {
        return Ok(Found::Missing(format!("needs {}", missing.join(", "))));
    }
    install(&missing)?;
    match programs.iter().find(is_missing) {
        Some((program, package)) => {
            bail!("the package {package} is installed, and still there is no program {program}")
        }
        None => Ok(Found::Here),
    }
}

/// `cargo-deny`, which checks licences, duplicates and sources of dependencies. A minute on two cores without
/// optimisation.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    cargo_install("cargo-deny", &["--debug"])
}

/// `dufs`, a file server with which `bench` compares; optimised, as people run it.
pub(crate) fn dufs() -> Result<PathBuf> {
    cargo_install("dufs", &[])
}

/// PostgreSQL, whose programs are in nobody's PATH. Tests start servers of their own.
pub(crate) fn postgres() -> Result<Found> {
    let Some(reason) = Postgres::missing() else {
        return Ok(Found::Here);
    };
    if !is_root()? || process::find("apt-get").is_none() {
        return Ok(Found::Missing(reason));
    }
    forbid_cluster()?;
    install(&["postgresql"])?;
    match Postgres::missing() {
        None => Ok(Found::Here),
        Some(reason) => bail!("the package postgresql is installed, and still: {reason}"),
    }
}

/// Debian's package would make a cluster and start its server; whoever has set up how keeps it.
fn forbid_cluster() -> Result<()> {
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    if settings.exists() {
        return Ok(());
    }
    let folder = settings.parent().unwrap_or(settings);
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(settings, "create_main_cluster = false\n")
        .with_context(|| format!("write {}", settings.display()))
}

/// Where Garage is, a store that speaks S3; or why it cannot be here.
pub(crate) fn garage() -> Result<Result<PathBuf, String>> {
    if let Some(program) = env::var_os(GARAGE_PROGRAM).filter(|path| !path.is_empty()) {
        return Ok(Ok(program.into()));
    }
    let folder = cache()?.join(format!("garage-{GARAGE_VERSION}"));
    let program = folder.join("bin").join("garage");
    if program.is_file() {
        return Ok(Ok(program));
    }
    // Any version tells whether there is a registry; one that is there and lacks ours is an error.
    let mut look = process::command(process::cargo());
    look.args(["info", "--quiet", "garage"]);
    if !look.output().is_ok_and(|output| output.status.success()) {
        let reason = format!("needs garage {GARAGE_VERSION}, and cargo reaches no registry");
        return Ok(Err(reason));
    }
    println!("garage {GARAGE_VERSION} is built once for this machine; that takes many minutes");
    let start = Instant::now();
    let build = cache()?.join("build-garage");
    let mut install = process::command(process::cargo());
    install
        .args(["install", "garage", "--version", GARAGE_VERSION, "--locked"])
        // One engine for its rows, and neither its other protocol nor its metrics.
        .args(["--no-default-features", "--features", "bundled-libs,lmdb"])
        .args(["--quiet", "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", &build)
        // A server for tests need not be as fast as it can be; its build has to.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    process::run(&mut install)?;
    fs::remove_dir_all(&build).context("remove what the build of garage left")?;
    println!(
        "installed garage {GARAGE_VERSION} in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    Ok(Ok(program))
}

/// Buildkite's own agent, which uploads are compared with. Later releases use a module of a host that not every
/// network lets a build fetch from.
pub(crate) fn buildkite_agent() -> Result<PathBuf> {
    go_install("github.com/buildkite/agent/v3", "3.78.0", "buildkite-agent")
}

/// A program of a Go module, kept in the user's cache under its version.
fn go_install(module: &str, version: &str, name: &str) -> Result<PathBuf> {
    let folder = cache()?.join(format!("{name}-{version}"));
    let program = folder.join(name);
    if program.is_file() {
        return Ok(program);
    }
    if process::find("go").is_none() {
        bail!("{name} needs Go");
    }
    // The program of a module's root is named after the folder before its major version.
    let made = folder.join("agent");
    process::run(
        process::command("go")
            .args(["install", &format!("{module}@v{version}")])
            .env("GOBIN", &folder)
            .env("GOFLAGS", "-mod=mod"),
    )?;
    if made.is_file() {
        fs::rename(&made, &program).with_context(|| format!("name {}", program.display()))?;
    }
    Ok(program)
}

/// A program that is a package of the same name; kept in the user's cache, so built once per machine.
fn cargo_install(name: &str, options: &[&str]) -> Result<PathBuf> {
    if let Some(program) = process::find(name) {
        return Ok(program);
    }
    let cache = cache()?;
    let program = cache.join("bin").join(name);
    if !program.is_file() {
        let build = cache.join(format!("build-{name}"));
        let mut install = process::command(process::cargo());
        install
            .args(["install", name, "--locked", "--quiet", "--root"])
            .arg(&cache)
            .args(options)
            .env("CARGO_TARGET_DIR", &build);
        process::run(&mut install)?;
        fs::remove_dir_all(build)
            .with_context(|| format!("remove what the build of {name} left"))?;
    }
    Ok(program)
}

/// nginx, with which `bench` compares; unpacked beside our other tools, because its package would start a server.
pub(crate) fn nginx() -> Result<PathBuf> {
    if let Some(program) = process::find("nginx") {
        return Ok(program);
    }
    let cache = cache()?.join("nginx");
    let program = cache.join("usr/sbin/nginx");
    if !program.is_file() {
        fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
        process::run(
            process::command("apt-get")
                .args(["download", "nginx"])
                .current_dir(&cache),
        )?;
        let unpack = "dpkg --extract nginx_*.deb . && rm nginx_*.deb";
        process::run(
            process::command("sh")
                .args(["-c", unpack])
                .current_dir(&cache),
        )?;
    }
    Ok(program)
}

/// Whether we are root, for tests and packages that need it.
pub(crate) fn is_root() -> Result<bool> {
    let output = process::command("id")
        .arg("-u")
        .output()
        .context("ask `id -u` who we are")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// A folder for what is built once per machine; outside `target/`, so that `cargo clean` keeps it.
fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = base
        .or_else(home)
        .context("find a folder for tools: set HOME or XDG_CACHE_HOME")?;
    Ok(base.join("larder-xtask"))
}

/// Installs Debian packages; the lists are brought up to date once.
fn install(packages: &[&str]) -> Result<()> {
    static UPDATE: Once = Once::new();
    let mut updated = Ok(());
    UPDATE.call_once(|| {
        updated = process::run(process::command("apt-get").args(["update", "--quiet"]));
    });
    updated?;
    let mut install = process::command("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    process::run(
        install
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(packages),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_are_there_need_no_package() {
        assert!(matches!(
            debian(&[("sh", "dash"), ("ls", "coreutils")]),
            Ok(Found::Here)
        ));
    }
}
