//! The socket of a running server: one JSON request a connection, ended by closing the writing half; one JSON answer.

use crate::admin::{AdminAnswer, AdminRefusal, AdminRequest, perform};
use anyhow::{Context as _, Result};
use larder_core::Larder;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Longest request in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Listens until dropped; the file goes with it.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl AdminSocket {
    /// Listens at `path`, where only the owner of the process may connect.
    pub fn listen(path: PathBuf, larder: Larder) -> Result<Self> {
        let listener =
            UnixListener::bind(&path).with_context(|| format!("listen on {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("protect {}", path.display()))?;
        let task = tokio::spawn(accept(listener, larder));
        Ok(Self { path, task })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
        // A folder that was made for the socket alone is empty now; the data folder never is.
        if let Some(folder) = self.path.parent() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Asks the server that listens at `path`.
pub async fn ask(path: &Path, request: &AdminRequest) -> Result<AdminAnswer> {
    let mut stream = UnixStream::connect(path)
        .await
        .with_context(|| format!("reach the running server at {}", path.display()))?;
    stream.write_all(&serde_json::to_vec(request)?).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .context("read the running server's answer")?;
    let answer: Result<AdminAnswer, AdminRefusal> =
        serde_json::from_slice(&answer).context("understand the running server's answer")?;
    Ok(answer?)
}

async fn accept(listener: UnixListener, larder: Larder) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let larder = larder.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &larder).await {
                        tracing::warn!(%error, "answer an operator");
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "accept an operator");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, larder: &Larder) -> Result<()> {
    let mut request = Vec::new();
    let mut limited = (&mut stream).take(REQUEST_BYTES_MAX);
    tokio::time::timeout(REQUEST_TIMEOUT, limited.read_to_end(&mut request))
        .await
        .context("await a request")??;
    if request.is_empty() {
        // Somebody only asked whether anybody listens.
        return Ok(());
    }
    let answer: Result<AdminAnswer, AdminRefusal> = match serde_json::from_slice(&request) {
        Ok(request) => perform(larder, request).await.map_err(AdminRefusal::from),
        Err(error) => Err(AdminRefusal {
            message: format!(
                "the running server does not understand this larder's request: {error}"
            ),
            is_usage: true,
        }),
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    Ok(())
}
