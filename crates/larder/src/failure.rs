//! How a command fails: what it says on the standard error output, and its exit code.

use larder_server::admin::AdminRefusal;
use std::process::ExitCode;

/// The job or the request failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub(crate) const USAGE: u8 = 2;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: USAGE,
            error: error.into(),
        }
    }

    /// Says it and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("larder: {:#}", self.error);
        ExitCode::from(self.code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let of_agent = error
            .downcast_ref::<larder_agent::Error>()
            .map(larder_agent::Error::exit_code);
        let of_admin = error
            .downcast_ref::<AdminRefusal>()
            .map(|refusal| if refusal.is_usage { USAGE } else { FAILED });
        let code = of_agent.or(of_admin).unwrap_or(FAILED);
        Self { code, error }
    }
}
