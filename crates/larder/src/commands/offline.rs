//! Where `larder run` keeps artifacts when no server is named: a store of its own, `./.larder`.

use crate::cli::ServerArguments;
use crate::commands::embedded::{Embedded, USER};
use crate::commands::server::DEFAULT_URL;
use crate::commands::view::RunView;
use crate::failure::Failure;
use anyhow::{Context as _, Result, anyhow, bail};
use larder_agent::server::ServerAddress;
use larder_server::admin::{AdminAnswer, AdminRequest, ask};
use larder_server::lock::{Locked, StoreLock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder, in the current one.
const FOLDER: &str = ".larder";
/// What its tokens may do: the first run makes its project.
const SCOPES: &str = "admin";
/// How often, and how long each time, a run waits for somebody who begins to serve the store or gives it back.
const PATIENCE: (u32, Duration) = (200, Duration::from_millis(50));

/// The store without a server of its own, served while a command runs.
#[derive(Debug)]
pub(crate) struct Offline {
    /// Where it is served, and by whom it is used.
    pub(crate) address: ServerAddress,
    /// Ours; none where another process serves the same store.
    embedded: Option<Embedded>,
    /// Shared by all commands that use the store: whoever serves it goes last.
    users: File,
    folder: PathBuf,
}

impl Offline {
    /// Serves the store in `base`, or finds who does; `None` if the arguments name a server or a token.
    pub(crate) async fn unless_named(
        server: &ServerArguments,
        base: &Path,
    ) -> Result<Option<Self>, Failure> {
        if !server.is_absent() {
            return Ok(None);
        }
        let folder = base.join(FOLDER);
        let begun = Self::begin_in(folder.clone()).await;
        let begun = begun.with_context(|| {
            format!(
                "no server is named, and the store in {} cannot be used: name one with LARDER_URL and LARDER_TOKEN, or run in a folder that can be written",
                folder.display()
            )
        });
        Ok(Some(begun?))
    }

    async fn begin_in(folder: PathBuf) -> Result<Self> {
        let users = prepare(&folder)?;
        let waiting = users.try_clone()?;
        // Held up only by a run that is about to give the store back.
        tokio::task::spawn_blocking(move || waiting.lock_shared())
            .await?
            .context("wait for another run")?;
        let (embedded, url, token) = served(&folder).await?;
        let address = ServerAddress {
            url,
            token,
            ca_pem: None,
        };
        Ok(Self {
            address,
            embedded,
            users,
            folder,
        })
    }

    /// A view that names addresses as they are once `larder serve --data .larder` runs: those of this run end with it.
    pub(crate) fn view(&self, view: RunView) -> RunView {
        match &self.embedded {
            Some(embedded) => view.with_moved(&embedded.url, DEFAULT_URL),
            None => view,
        }
    }

    /// Gives the store back, after all other commands that use it through this one; the sentence says where it is.
    pub(crate) async fn end(self) -> Result<String, Failure> {
        let folder = self.folder.file_name().unwrap_or_default().display();
        let Some(embedded) = self.embedded else {
            return Ok(format!(
                "kept in {folder}, which {} shows",
                self.address.url
            ));
        };
        let users = self.users.try_clone()?;
        tokio::task::spawn_blocking(move || users.lock())
            .await
            .context("wait for other runs")?
            .context("wait for other runs")?;
        embedded.end().await?;
        Ok(format!(
            "kept in {folder}: `larder serve --data {folder}` shows them, and `larder admin --data {folder} user link {USER}` signs in"
        ))
    }
}

/// Makes the folder, hides it from git, and opens the file whose lock its users share.
fn prepare(folder: &Path) -> Result<File> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("make the folder {}", folder.display()))?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").with_context(|| format!("write {}", ignore.display()))?;
    }
    let users = folder.join("USERS");
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&users)
        .with_context(|| format!("open {}", users.display()))
}

/// Serves the store, or finds who does: a server that runs over it, or another run that was first.
async fn served(folder: &Path) -> Result<(Option<Embedded>, String, String)> {
    let mut last = None;
    for _ in 0..PATIENCE.0 {
        let owner = match StoreLock::take(folder)? {
            Locked::Mine(lock) => {
                drop(lock);
                match Embedded::open(folder, || Ok(None)).await {
                    Ok(embedded) => {
                        let token = embedded.issue_token("larder run", SCOPES).await?;
                        let url = embedded.url.clone();
                        return Ok((Some(embedded), url, token));
                    }
                    // Somebody else may have been faster.
                    Err(error) => match StoreLock::take(folder)? {
                        Locked::Mine(_) => return Err(error),
                        Locked::Held(owner) => owner,
                    },
                }
            }
            Locked::Held(owner) => owner,
        };
        if let (Some(socket), Some(url)) = (owner.socket, owner.url) {
            match token_of(&socket).await {
                Ok(token) => return Ok((None, url, token)),
                Err(error) => last = Some(error),
            }
        }
        tokio::time::sleep(PATIENCE.1).await;
    }
    let waited = "somebody works on it and does not serve it: wait for that, or stop it";
    Err(match last {
        Some(error) => error.context(waited),
        None => anyhow!(waited),
    })
}

/// A token of a day from the server that runs over the store.
async fn token_of(socket: &Path) -> Result<String> {
    let request = AdminRequest::CreateToken {
        user: USER.to_owned(),
        scopes: SCOPES.to_owned(),
        project: None,
        description: "larder run".to_owned(),
        days: Some(1),
    };
    match ask(socket, &request).await? {
        AdminAnswer::Secret(token) => Ok(token),
        other => bail!("the server answered the request for a token with {other:?}"),
    }
}
