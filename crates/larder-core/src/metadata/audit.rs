//! Who changed what: one row for each act, in the act's own transaction.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::Tx;
use crate::model::Principal;

/// Notes an act. `what` names the thing by slug or id, never by a secret.
pub(crate) async fn record(
    tx: &mut Tx,
    now: Timestamp,
    who: &Principal,
    act: &str,
    what: &str,
) -> Result<()> {
    let actor = match who {
        Principal::Operator => "operator".to_owned(),
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::User(user) => format!("user {}", user.user.name),
        Principal::Job(_) => "job".to_owned(),
    };
    let token = who.token().map(|token| token.id.to_string());
    insert(tx, now, actor, token, act, what).await
}

/// Notes an act of the larder's own, for which nobody asked.
pub(crate) async fn record_own(tx: &mut Tx, now: Timestamp, act: &str, what: &str) -> Result<()> {
    insert(tx, now, "larder".to_owned(), None, act, what).await
}

async fn insert(
    tx: &mut Tx,
    now: Timestamp,
    actor: String,
    token: Option<String>,
    act: &str,
    what: &str,
) -> Result<()> {
    tx.execute(
        "INSERT INTO audit (happened_at, actor, token, act, what) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            now.into(),
            actor.into(),
            token.into(),
            act.into(),
            what.into(),
        ],
    )
    .await?;
    Ok(())
}
