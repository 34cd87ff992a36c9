//! The folders into which `systemd-coredump` and apport put the cores that the kernel pipes to
//! them. Both name a core `core.PROGRAM.USER.BOOT.PROCESS.TIME`; the former may compress it.

use crate::run::core_file::{CoreFile, documented_name};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where such programs put cores.
pub(super) const FOLDERS: [&str; 2] = ["/var/lib/systemd/coredump", "/var/lib/apport/coredump"];
/// Where apport describes a crash in a format of its own; the core is in it, encoded.
const REPORTS: &str = "/var/crash";
/// A spool keeps a few days' crashes.
const ENTRIES_MAX: usize = 10_000;
/// A compressed core is not unpacked beyond this.
const CORE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// A core in a spool that may be one of the step's.
#[derive(Debug)]
pub(super) struct Spooled {
    file: PathBuf,
    pid: i32,
    /// As the spool has it: without folders, or with `_` for `/`.
    program: String,
    compression: Option<&'static str>,
}

/// What was written into the folder since then, for this user.
pub(super) fn list(folder: &Path, since: SystemTime, user: u32) -> Vec<Spooled> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .take(ENTRIES_MAX)
        .filter(|entry| is_new(&entry.path(), since))
        .filter_map(|entry| Spooled::parse(&entry.path(), user))
        .collect()
}

/// Apport's descriptions of crashes since then: they can only be pointed at.
pub(super) fn reports(since: SystemTime) -> Vec<PathBuf> {
    let entries = fs::read_dir(REPORTS).into_iter().flatten().flatten();
    entries
        .take(ENTRIES_MAX)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "crash") && is_new(path, since))
        .collect()
}

fn is_new(path: &Path, since: SystemTime) -> bool {
    path.symlink_metadata()
        .is_ok_and(|it| it.is_file() && it.modified().is_ok_and(|at| at >= since))
}

impl Spooled {
    fn parse(file: &Path, user: u32) -> Option<Self> {
        let name = file.file_name()?.to_str()?;
        let compression = ["zst", "lz4", "xz"]
            .into_iter()
            .find(|kind| name.ends_with(&format!(".{kind}")));
        let plain = match compression {
            Some(kind) => &name[..name.len() - kind.len() - 1],
            None => name,
        };
        let mut parts = plain.strip_prefix("core.")?.rsplitn(5, '.');
        let (time, pid, _boot) = (parts.next()?, parts.next()?, parts.next()?);
        let (owner, program) = (parts.next()?, parts.next()?);
        time.parse::<u64>().ok()?;
        (owner.parse() == Ok(user)).then_some(Self {
            file: file.to_owned(),
            pid: pid.parse().ok()?,
            program: program.to_owned(),
            compression,
        })
    }

    /// Puts the core into the folder, unpacked if that is possible, under its documented name.
    /// `None` if it belongs to another session, is damaged, or is there already.
    pub(super) fn take(&self, into: &Path, session: i32) -> io::Result<Option<String>> {
        if let Some(kind @ ("lz4" | "xz")) = self.compression {
            // Whose it is, only the name of the file says.
            let name = format!("{}.{kind}", documented_name(self.pid, &self.program));
            let onto = into.join(&name);
            if onto.exists() {
                return Ok(None);
            }
            fs::copy(&self.file, onto)?;
            return Ok(Some(name));
        }
        let mut copy = tempfile::Builder::new()
            .prefix(".core-")
            .tempfile_in(into)?;
        let mut source: Box<dyn Read> = match self.compression {
            None => Box::new(File::open(&self.file)?),
            Some(_) => Box::new(
                ruzstd::decoding::StreamingDecoder::new(File::open(&self.file)?)
                    .map_err(io::Error::other)?,
            ),
        };
        io::copy(&mut source.by_ref().take(CORE_BYTES_MAX), &mut copy)?;
        let Some(core) = CoreFile::read(copy.path())?.filter(|core| core.session == session) else {
            return Ok(None);
        };
        let name = core.documented_name();
        match copy.persist_noclobber(into.join(&name)) {
            Ok(_) => Ok(Some(name)),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::core_file::tests::real_core;
    use std::process::Command;

    const BOOT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_cores_of_this_user_have_their_names() {
        let check = |name: &str, expected: Option<(i32, &str, Option<&str>)>| {
            let spooled = Spooled::parse(&Path::new("/spool").join(name), 1000);
            let found = spooled
                .as_ref()
                .map(|it| (it.pid, it.program.as_str(), it.compression));
            assert_eq!(found, expected, "{name}");
        };
        let named = |program: &str, end: &str| format!("core.{program}.1000.{BOOT}.42.17{end}");
        check(&named("dump", ""), Some((42, "dump", None)));
        check(&named("a.out", ".zst"), Some((42, "a.out", Some("zst"))));
        check(
            &named("_usr_bin_x", ".lz4"),
            Some((42, "_usr_bin_x", Some("lz4"))),
        );
        check(&format!("core.dump.0.{BOOT}.42.17"), None);
        check("core.dump.1000.x.42", None);
        check("core.dump.1000.boot.pid.17", None);
        check("core", None);
    }

    #[test]
    fn a_spooled_core_of_the_step_is_taken_once_and_another_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let Some((core, pid)) = real_core(&root) else {
            eprintln!("skipped: this machine writes no core files here, or has no gcc");
            return;
        };
        let (spool, into) = (root.join("spool"), root.join("into"));
        for folder in [&spool, &into] {
            fs::create_dir(folder).unwrap();
        }
        let name = spool.join(format!("core.crash.1000.{BOOT}.{pid}.1700000000000000"));
        fs::copy(&core, &name).unwrap();
        let packed = spool.join(format!("core.crash.1000.{BOOT}.{pid}.1700000000000000.zst"));
        let is_packed = Command::new("zstd")
            .args(["-q", "-o"])
            .args([&packed, &core])
            .status()
            .is_ok_and(|status| status.success());
        let session = CoreFile::read(&core).unwrap().unwrap().session;
        let before = SystemTime::UNIX_EPOCH;
        let all = list(&spool, before, 1000);
        assert_eq!(all.len(), 1 + usize::from(is_packed));
        assert!(list(&spool, before, 1001).is_empty());
        let program = root.join("crash").to_str().unwrap().replace('/', "!");
        let documented = format!("core.{pid}.{program}");
        for spooled in &all {
            assert_eq!(spooled.take(&into, session + 1).unwrap(), None);
            assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "nothing is left");
            let taken = spooled.take(&into, session).unwrap();
            assert_eq!(taken.as_ref(), Some(&documented));
            let same = fs::read(into.join(&documented)).unwrap() == fs::read(&core).unwrap();
            assert!(same, "{spooled:?}");
            assert_eq!(spooled.take(&into, session).unwrap(), None);
            fs::remove_file(into.join(&documented)).unwrap();
        }
        // What cannot be unpacked here is kept as it is.
        let other = spool.join(format!("core.crash.1000.{BOOT}.{pid}.17.xz"));
        fs::write(&other, "packed").unwrap();
        let spooled = Spooled::parse(&other, 1000).unwrap();
        let taken = spooled.take(&into, session).unwrap().unwrap();
        assert_eq!(taken, format!("core.{pid}.crash.xz"));
        assert_eq!(spooled.take(&into, session).unwrap(), None);
    }
}
