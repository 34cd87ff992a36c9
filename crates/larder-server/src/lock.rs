//! An embedded store has one owner at a time, held by a lock on `DATA/LOCK`. The file names the owner's process and the
//! socket through which `larder admin` reaches it.

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest path of a socket, in bytes, that every Unix can bind.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// How often, and how long each time, somebody waits for an owner that does not listen.
const PATIENCE: (u32, Duration) = (100, Duration::from_millis(100));

/// The lock on a store; released when dropped or when the process ends.
#[derive(Debug)]
pub struct StoreLock {
    file: File,
    data: PathBuf,
}

/// What the lock file says of the owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Process id.
    pub process: u32,
    /// Where it listens for `larder admin`; none if it does not.
    pub socket: Option<PathBuf>,
    /// Where its users reach it, once it listens.
    pub url: Option<String>,
}

/// Either the lock, or who holds it.
#[derive(Debug)]
pub enum Locked {
    /// Nobody held it; now the caller does.
    Mine(StoreLock),
    /// Somebody else holds it.
    Held(Owner),
}

impl StoreLock {
    /// Takes the lock of the store in `data`, whose folder is made when it is not there.
    pub fn take(data: &Path) -> Result<Locked> {
        make_folder(data)?;
        let path = data.join("LOCK");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let lock = Self {
                    file,
                    data: data.to_owned(),
                };
                lock.write(None)?;
                Ok(Locked::Mine(lock))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                file.read_to_string(&mut text)
                    .with_context(|| format!("read {}", path.display()))?;
                Ok(Locked::Held(parse(&text)))
            }
            Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }

    /// The same, but waits some seconds for an owner who is about to begin to listen or to end: a server that has just
    /// been started, another operator's command.
    pub fn take_patiently(data: &Path) -> Result<Locked> {
        for _ in 0..PATIENCE.0 {
            match Self::take(data)? {
                Locked::Held(owner) if !owner.listens() => std::thread::sleep(PATIENCE.1),
                taken => return Ok(taken),
            }
        }
        Self::take(data)
    }

    /// Takes the lock or says who holds it.
    pub fn require(data: &Path) -> Result<Self> {
        match Self::take_patiently(data)? {
            Locked::Mine(lock) => Ok(lock),
            Locked::Held(owner) => bail!(
                "the store in {} is in use by process {}: stop that server first, or give another --data",
                data.display(),
                owner.process
            ),
        }
    }

    /// Chooses the socket for `larder admin`, `DATA/admin.sock` or a shorter path, and names it in the lock file.
    pub fn name_socket(&self) -> Result<PathBuf> {
        let beside = std::path::absolute(self.data.join("admin.sock"))?;
        let socket = if beside.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            beside
        } else {
            let folder =
                std::env::temp_dir().join(format!("larder-{}", uuid::Uuid::new_v4().simple()));
            make_folder(&folder)?;
            folder.join("admin.sock")
        };
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove the old {}", socket.display()));
            }
            _ => {}
        }
        self.write(Some(&socket))?;
        Ok(socket)
    }

    /// Names where users reach the owner in the lock file.
    pub fn name_url(&self, url: &str) -> Result<()> {
        writeln!(&self.file, "url {url}").context("write the lock file")
    }

    fn write(&self, socket: Option<&Path>) -> Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "process {}", std::process::id())?;
        if let Some(socket) = socket {
            writeln!(file, "socket {}", socket.display())?;
        }
        Ok(())
    }
}

impl Owner {
    /// Whether somebody answers at the socket. What a dead owner left in the file names one too.
    fn listens(&self) -> bool {
        let socket = self.socket.as_deref();
        socket.is_some_and(|socket| UnixStream::connect(socket).is_ok())
    }
}

fn parse(text: &str) -> Owner {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    };
    Owner {
        process: value("process")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0),
        socket: value("socket").map(PathBuf::from),
        url: value("url").map(str::to_owned),
    }
}

/// Makes a folder that only its owner may enter.
fn make_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_store_has_one_owner_and_the_second_learns_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = StoreLock::require(folder.path()).unwrap();
        let socket = lock.name_socket().unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        let Locked::Held(owner) = StoreLock::take(folder.path()).unwrap() else {
            panic!("two owners")
        };
        assert_eq!(
            owner,
            Owner {
                process: std::process::id(),
                socket: Some(socket),
                url: None,
            }
        );
        assert!(
            StoreLock::require(folder.path())
                .unwrap_err()
                .to_string()
                .contains("in use by process")
        );
        drop(lock);
        assert!(StoreLock::require(folder.path()).is_ok());
    }

    #[test]
    fn a_long_path_gets_a_socket_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("x".repeat(120));
        let socket = StoreLock::require(&data).unwrap().name_socket().unwrap();
        assert!(socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        fs::remove_dir_all(socket.parent().unwrap()).unwrap();
    }
}
