//! The store in an operator's hand.

use crate::cli::AuditArguments;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use larder_core::Larder;
use larder_server::admin::{
    AdminAnswer, AdminRefusal, AdminRequest, AuditLine, AuditRequest, ask, perform,
};
use larder_server::config::Config;
use larder_server::lock::{Locked, StoreLock};
use larder_server::{is_shared, open_store, store_exists};
use std::path::PathBuf;

/// The store as an operator has it in hand: a stopped server's, or through the socket of a running one.
enum Store {
    /// With the lock, unless any number of servers and commands may have it open.
    Mine {
        larder: Larder,
        _lock: Option<StoreLock>,
    },
    Served {
        socket: PathBuf,
    },
}

/// The store, and where its server is reached: as the running one says, else as it is set to.
pub(super) struct Operator {
    store: Store,
    pub(super) url: String,
}

impl Operator {
    /// Takes the store in hand; `makes_a_store` if there need not be one yet.
    pub(super) async fn reach(config: &Config, makes_a_store: bool) -> Result<Self, Failure> {
        if is_shared(config) {
            return Self::open(config, None).await;
        }
        let is_missing = || anyhow::Ok(!makes_a_store && !store_exists(config)?);
        // Looked at before the lock makes the folder, and again once nobody else is about to make a store there.
        if is_missing()? && !config.data.exists() {
            return Err(no_store(config));
        }
        match StoreLock::take_patiently(&config.data)? {
            Locked::Mine(lock) => {
                if is_missing()? {
                    return Err(no_store(config));
                }
                Self::open(config, Some(lock)).await
            }
            Locked::Held(owner) => {
                let socket = owner.socket.with_context(|| {
                    format!(
                        "the store in {} is in use by process {}, which does not listen for admin commands; wait or stop \
                         it",
                        config.data.display(),
                        owner.process
                    )
                })?;
                let url = owner.url.unwrap_or_else(|| set_url(config));
                let store = Store::Served { socket };
                Ok(Self { store, url })
            }
        }
    }

    async fn open(config: &Config, lock: Option<StoreLock>) -> Result<Self, Failure> {
        let larder = open_store(config).await.map_err(Failure::usage)?;
        let store = Store::Mine {
            larder,
            _lock: lock,
        };
        let url = set_url(config);
        Ok(Self { store, url })
    }

    pub(super) async fn ask(&self, request: AdminRequest) -> Result<AdminAnswer, Failure> {
        match &self.store {
            Store::Mine { larder, .. } => {
                let answer = perform(larder, request).await;
                Ok(answer.map_err(AdminRefusal::from)?)
            }
            Store::Served { socket } => Ok(ask(socket, &request).await?),
        }
    }

    /// Acts as far as they are wanted: a page after the other, so that no message is longer than one.
    pub(super) async fn audit(
        &self,
        wanted: AuditArguments,
        mut each: impl FnMut(AuditLine),
    ) -> Result<(), Failure> {
        let (mut left, mut place) = (wanted.limit, None);
        loop {
            let request = AuditRequest {
                since: wanted.since.clone(),
                days: wanted.days,
                user: wanted.user.clone(),
                act: wanted.act.clone(),
                project: wanted.project.clone(),
                place,
                limit: left,
            };
            let AdminAnswer::Audit(page) = self.ask(AdminRequest::Audit(request)).await? else {
                return Err(
                    anyhow!("the running server answered something else than was asked").into(),
                );
            };
            left = left.saturating_sub(u32::try_from(page.acts.len()).unwrap_or(u32::MAX));
            page.acts.into_iter().for_each(&mut each);
            place = page.next;
            if left == 0 || place.is_none() {
                return Ok(());
            }
        }
    }
}

fn no_store(config: &Config) -> Failure {
    let data = config.data.display();
    Failure::usage(anyhow!(
        "there is no store in {data}: name another with --data"
    ))
}

fn set_url(config: &Config) -> String {
    let scheme = if config.tls.cert.is_some() {
        "https"
    } else {
        "http"
    };
    config.public_url.as_ref().map_or_else(
        || format!("{scheme}://{}", config.listen),
        ToString::to_string,
    )
}
