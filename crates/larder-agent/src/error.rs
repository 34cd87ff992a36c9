//! Why a run, an upload or a download could not be carried out.

use crate::plan::ConfigError;
use std::io;

/// Every failure of this crate. A step that fails is not one: it is a result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config cannot be run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An option or argument cannot be followed; the text says what to do.
    #[error("{0}")]
    Usage(String),
    /// No answer from the server.
    #[error(
        "{what}: no answer from {url}: {reason}; check that the server runs and that LARDER_URL names it"
    )]
    Unreachable {
        /// What was tried.
        what: String,
        /// The server.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The server is away, and the run that needs it can be taken up later.
    #[error(
        "{0}\nNothing is lost: as soon as the server answers again, go on with: larder run --resume"
    )]
    Suspended(Box<Error>),
    /// The server said no.
    #[error("{what}: the server refused ({status}): {message}")]
    Refused {
        /// What was tried.
        what: String,
        /// HTTP status.
        status: u16,
        /// The server's stable word for the reason, if it gave one.
        code: String,
        /// The server's sentence.
        message: String,
    },
    /// What arrived is not what the server announced.
    #[error("{what}: {reason}")]
    Damaged {
        /// What was tried.
        what: String,
        /// What differs.
        reason: String,
    },
    /// A file is not what it was when its upload began.
    #[error("{what}: changed while it was being uploaded: {how}; not kept")]
    Changed {
        /// The file.
        what: String,
        /// What was noticed.
        how: &'static str,
    },
    /// The operating system said no.
    #[error("{what}: {reason}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        reason: io::Error,
    },
}

/// What may fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Exit status for the command line: 1 the request failed, 2 a usage or config error, 3 the
    /// server cannot be reached.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Suspended(_) => 3,
            Self::Refused { .. }
            | Self::Damaged { .. }
            | Self::Changed { .. }
            | Self::Io { .. } => 1,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |reason| Self::Io { what, reason }
    }
}
