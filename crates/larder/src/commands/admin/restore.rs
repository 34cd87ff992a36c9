//! `larder admin restore`: makes a store, and so has none in hand.

use super::print::print_backed_up;
use crate::failure::{FAILED, Failure};
use anyhow::anyhow;
use larder_server::admin::{AdminAnswer, AdminRefusal};
use larder_server::config::Config;
use larder_server::lock::{Locked, StoreLock};
use larder_server::restore_store;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(config: &Config, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let _lock = match StoreLock::take_patiently(&config.data)? {
        Locked::Mine(lock) => lock,
        Locked::Held(owner) => {
            let data = config.data.display();
            return Err(Failure::usage(anyhow!(
                "the store in {data} is in use by process {}: a backup is restored to a new store, name it with --data",
                owner.process
            )));
        }
    };
    let done = restore_store(config, dir)
        .await
        .map_err(AdminRefusal::from)?;
    let is_whole = done.is_whole();
    if json {
        let answer = AdminAnswer::BackedUp(done);
        say!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print_backed_up(&done);
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
