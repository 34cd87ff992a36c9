//! `larder delete`: deletes artifacts by their ids.

use crate::cli::DeleteArguments;
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) async fn run(arguments: DeleteArguments) -> Result<ExitCode, Failure> {
    let server = arguments.server.connect()?;
    for id in &arguments.ids {
        server.delete_artifact(id).await?;
        say!("deleted {id}");
    }
    Ok(ExitCode::SUCCESS)
}
