//! What a run notes down of itself while it happens, so that another process can take it up: a file
//! in its folder, a line of JSON for each thing that happened.
//!
//! A line is in the file when its call returns; that outlasts the agent's death, however sudden. A
//! machine that loses its power also loses files of the steps, for which nobody waits either.

use super::facts::BuildFacts;
use super::folders::Mode;
use super::options::RunOptions;
use larder_protocol::{AnnouncedBuild, JobState, StepState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Its name in the run's folder.
pub(super) const FILE: &str = "journal";
/// Others are not understood.
const VERSION: u32 = 1;
/// A longer one is something else: a config and a line for each step of each node.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One thing that happened.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The first of all: what is run.
    Run(Box<Header>),
    /// The build of the next workflow was announced.
    Build(AnnouncedBuild),
    /// A step of a node ended.
    Step(NodePlace, EndedStep),
    /// All steps of a node have ended; the server hears of it next.
    Node(NodePlace, JobState, Option<i32>),
    /// The job at this place is not run; the server hears of it next.
    NotRun(usize),
}

/// Place of a job among all of the run, and index of one of its nodes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct NodePlace(pub(super) usize, pub(super) u32);

/// What a run was asked to do, without the token of who asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) source: PathBuf,
    pub(super) project: String,
    pub(super) config_name: String,
    pub(super) config: String,
    pub(super) job: Option<String>,
    pub(super) workflow: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) facts: BuildFacts,
    pub(super) variables: Vec<(String, String)>,
    pub(super) mode: Mode,
    pub(super) server_url: String,
    pub(super) is_local_store: bool,
    pub(super) jobs_max: Option<usize>,
    pub(super) parallelism: Option<u32>,
    pub(super) core_dumps: bool,
    pub(super) include_all: bool,
    pub(super) allow_secrets: bool,
}

impl Header {
    pub(super) fn new(options: &RunOptions, mode: Mode) -> Self {
        let source = options.source.canonicalize();
        Self {
            version: VERSION,
            source: source.unwrap_or_else(|_| options.source.clone()),
            project: options.project.clone(),
            config_name: options.config_name.clone(),
            config: options.config.clone(),
            job: options.job.clone(),
            workflow: options.workflow.clone(),
            parameters: options.parameters.clone(),
            facts: options.facts.clone(),
            variables: options.variables.clone(),
            mode,
            server_url: options.server.url.clone(),
            is_local_store: options.is_local_store,
            jobs_max: options.jobs_max,
            parallelism: options.parallelism,
            core_dumps: options.core_dumps,
            include_all: options.include_all,
            allow_secrets: options.allow_secrets,
        }
    }
}

/// A step that is not run again.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct EndedStep {
    pub(super) seq: u32,
    pub(super) state: StepState,
    pub(super) exit_status: Option<i32>,
    pub(super) millis: u64,
    /// Those that came up since the step that ended before.
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<String>,
    /// Reports of test results that the node has sent so far.
    pub(super) reports: u32,
}

/// What a journal tells.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) header: Header,
    pub(super) progress: Progress,
    /// Where its last whole line ends.
    end: u64,
}

/// How far a run had come when it broke off; nothing for one that is new.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Of the first workflows.
    pub(super) builds: Vec<AnnouncedBuild>,
    pub(super) nodes: BTreeMap<NodePlace, PastNode>,
    pub(super) not_run: BTreeSet<usize>,
}

/// What a journal tells of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct PastNode {
    /// By place.
    pub(super) steps: BTreeMap<u32, EndedStep>,
    /// How all of them together ended.
    pub(super) end: Option<(JobState, Option<i32>)>,
}

impl Past {
    /// What the file tells; `None` if it is no journal.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        if file.metadata()?.len() > BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        let mut past: Option<Self> = None;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // The last one is torn if the agent died while it wrote; nothing follows on it.
            if !line.ends_with(b"\n") {
                break;
            }
            let Ok(record) = serde_json::from_slice(line) else {
                break;
            };
            match (&mut past, record) {
                (None, Record::Run(header)) if header.version == VERSION => {
                    past = Some(Self {
                        header: *header,
                        progress: Progress::default(),
                        end: 0,
                    });
                }
                (None, _) | (Some(_), Record::Run(_)) => return Ok(None),
                (Some(past), record) => past.progress.add(record),
            }
            if let Some(past) = &mut past {
                past.end += line.len() as u64;
            }
        }
        Ok(past)
    }
}

impl Progress {
    /// How the node had ended, or was about to: none of one that was under way.
    pub(super) fn end_of(&self, node: NodePlace) -> Option<JobState> {
        if self.not_run.contains(&node.0) {
            return Some(JobState::Canceled);
        }
        self.nodes.get(&node)?.end.map(|(state, _)| state)
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Run(_) => {}
            Record::Build(build) => self.builds.push(build),
            Record::Step(node, step) => {
                let node = self.nodes.entry(node).or_default();
                node.steps.insert(step.seq, step);
            }
            Record::Node(node, state, exit_status) => {
                self.nodes.entry(node).or_default().end = Some((state, exit_status));
            }
            Record::NotRun(place) => {
                self.not_run.insert(place);
            }
        }
    }
}

/// A journal that only this process writes to: it holds the file's lock as long as it lives.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// A new one in the folder.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(FILE))?;
        file.lock()?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// The one in the folder and what it tells; `None` if another process owns it, or if it is no
    /// journal that this program understands.
    pub(super) fn take(folder: &Path) -> io::Result<Option<(Self, Past)>> {
        let Some(mut file) = lock(folder)? else {
            return Ok(None);
        };
        let Some(past) = Past::read(&mut file)? else {
            return Ok(None);
        };
        let file = Mutex::new(file);
        Ok(Some((Self { file }, past)))
    }

    /// Cuts off what is torn, so that what follows begins on a line of its own. Whoever only looks
    /// leaves the file as it is: its time says when the run was last under way.
    pub(super) fn go_on_after(&self, past: &Past) -> io::Result<()> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(past.end)
    }

    /// Adds a line. One that cannot be written must not be missed later: then there is no journal
    /// any more, and the run cannot be taken up.
    pub(super) fn note(&self, record: &Record) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_vec(record)
            .map_err(io::Error::other)
            .and_then(|mut line| {
                line.push(b'\n');
                file.write_all(&line)
            });
        if let Err(error) = written {
            tracing::warn!(%error, "the run's journal; the run cannot be resumed");
            let _ = file.set_len(0);
        }
    }
}

/// The journal's file in a run's folder, locked; `None` if there is none that is ours to lock.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(FILE);
    let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let opened = File::options()
        .read(true)
        .append(true)
        .custom_flags(no_links)
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        // Whoever had it may have removed the folder meanwhile.
        Ok(()) if path.exists() => Ok(Some(file)),
        Ok(()) | Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn header() -> Header {
        Header {
            version: VERSION,
            source: "/source".into(),
            project: "github/acme/demo".into(),
            config_name: "c".into(),
            config: "jobs: {}".into(),
            job: None,
            workflow: None,
            parameters: Vec::new(),
            facts: BuildFacts::default(),
            variables: vec![("A".into(), "1".into())],
            mode: Mode::Namespace,
            server_url: "http://127.0.0.1:1".into(),
            is_local_store: false,
            jobs_max: None,
            parallelism: None,
            core_dumps: false,
            include_all: false,
            allow_secrets: false,
        }
    }

    fn step(seq: u32) -> Record {
        let ended = EndedStep {
            seq,
            state: StepState::Passed,
            exit_status: Some(0),
            millis: 7,
            warnings: vec!["one".into()],
            problems: Vec::new(),
            reports: 0,
        };
        Record::Step(NodePlace(1, 2), ended)
    }

    #[test]
    fn a_torn_last_line_is_as_if_it_had_not_happened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let journal = Journal::create(folder.path()).unwrap();
        journal.note(&Record::Run(Box::new(header())));
        journal.note(&step(0));
        let whole = fs::read(&path).unwrap();
        journal.note(&step(1));
        let longer = fs::read(&path).unwrap();
        drop(journal);
        for length in whole.len()..longer.len() {
            fs::write(&path, &longer[..length]).unwrap();
            let (journal, past) = Journal::take(folder.path()).unwrap().unwrap();
            let steps = &past.progress.nodes[&NodePlace(1, 2)].steps;
            assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [0], "{length}");
            journal.go_on_after(&past).unwrap();
            journal.note(&step(5));
            drop(journal);
            let (_, past) = Journal::take(folder.path()).unwrap().unwrap();
            let steps = &past.progress.nodes[&NodePlace(1, 2)].steps;
            assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [0, 5]);
        }
        assert_eq!(header().variables, [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn only_one_process_owns_a_journal_and_only_its_user_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::create(folder.path()).unwrap();
        journal.note(&Record::Run(Box::new(header())));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert!(Journal::take(folder.path()).unwrap().is_none());
        drop(journal);
        assert!(Journal::take(folder.path()).unwrap().is_some());
    }

    #[test]
    fn what_is_no_journal_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::take(folder.path()).unwrap().is_none());
        let mut other = header();
        other.version = VERSION + 1;
        let other = serde_json::to_string(&Record::Run(Box::new(other))).unwrap();
        for text in ["", "\n", "{}\n", "not json", &other, &format!("{other}\n")] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(Journal::take(folder.path()).unwrap().is_none(), "{text}");
        }
    }
}
