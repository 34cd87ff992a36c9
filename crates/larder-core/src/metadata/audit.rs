//! Who did what: one row for each act, in the act's own transaction; and the downloads that a writer of its own notes.
//!
//! There is one row for each artifact that is kept, so that the log has one index, its key. It is read newest first, and
//! whoever looks for something rare says since when.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx, Value};
use crate::model::{AuditEntry, AuditFilter, AuditPlace, Principal, ProjectSlug};
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows that one statement inserts.
const ROWS_AT_ONCE: usize = 100;
/// Values of a row.
const WIDTH: usize = 7;

/// A row that is to come.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) token: Option<String>,
    pub(crate) act: &'static str,
    pub(crate) what: String,
    pub(crate) project: Option<String>,
}

impl NewEntry {
    /// What somebody does now.
    pub(crate) fn of(who: &Principal, at: Timestamp, act: &'static str, what: String) -> Self {
        let actor = match who {
            Principal::Operator => "operator".to_owned(),
            Principal::Anonymous => "anonymous".to_owned(),
            Principal::User(user) => actor_of(&user.user.name),
            Principal::Job(_) => "job".to_owned(),
        };
        Self {
            at,
            actor,
            token: who.token().map(|token| token.id.to_string()),
            act,
            what,
            project: None,
        }
    }
}

/// Notes an act that is in no project. `what` names the thing by name or id, never by a secret.
pub(crate) async fn record(
    tx: &mut Tx,
    now: Timestamp,
    who: &Principal,
    act: &'static str,
    what: &str,
) -> Result<()> {
    insert(tx, &[NewEntry::of(who, now, act, what.to_owned())]).await
}

/// Notes an act in a project.
pub(crate) async fn record_in(
    tx: &mut Tx,
    now: Timestamp,
    who: &Principal,
    project: &ProjectSlug,
    act: &'static str,
    what: &str,
) -> Result<()> {
    let entry = NewEntry {
        project: Some(project.to_string()),
        ..NewEntry::of(who, now, act, what.to_owned())
    };
    insert(tx, &[entry]).await
}

/// Notes an act of the larder's own, for which nobody asked.
pub(crate) async fn record_own(
    tx: &mut Tx,
    now: Timestamp,
    project: Option<&ProjectSlug>,
    act: &'static str,
    what: &str,
) -> Result<()> {
    let entry = NewEntry {
        at: now,
        actor: "larder".to_owned(),
        token: None,
        act,
        what: what.to_owned(),
        project: project.map(ToString::to_string),
    };
    insert(tx, &[entry]).await
}

/// Appends rows, in this order.
pub(crate) async fn insert(tx: &mut Tx, entries: &[NewEntry]) -> Result<()> {
    for some in entries.chunks(ROWS_AT_ONCE) {
        let mut values: Vec<Value> = Vec::with_capacity(some.len() * WIDTH);
        let mut rows = Vec::with_capacity(some.len());
        for entry in some {
            let places: Vec<_> = (1..=WIDTH)
                .map(|at| format!("?{}", values.len() + at))
                .collect();
            rows.push(format!("({})", places.join(", ")));
            values.extend([
                entry.at.into(),
                next_id().into(),
                entry.actor.as_str().into(),
                entry.token.as_deref().into(),
                entry.act.into(),
                entry.what.as_str().into(),
                entry.project.as_deref().into(),
            ]);
        }
        let sql = format!(
            "INSERT INTO audit (happened_at, id, actor, token, act, what, project) VALUES {}",
            rows.join(", ")
        );
        tx.execute(&sql, &values).await?;
    }
    Ok(())
}

/// Rows that the filter lets through, newest first, at most `limit` after a place.
pub(crate) async fn before(
    tx: &mut Tx,
    filter: &AuditFilter,
    place: Option<&AuditPlace>,
    limit: u32,
) -> Result<Vec<AuditEntry>> {
    let mut values: Vec<Value> = vec![filter.since.unwrap_or(Timestamp(i64::MIN)).into()];
    let mut clause = "happened_at >= ?1".to_owned();
    let mut require = |condition: &str, given: Vec<Value>| {
        let mut condition = condition.to_owned();
        for value in given {
            values.push(value);
            condition = condition.replacen("?_", &format!("?{}", values.len()), 1);
        }
        clause = format!("{clause} AND {condition}");
    };
    if let Some(place) = place {
        let key = vec![place.at.into(), place.id.as_str().into()];
        require("(happened_at, id) < (?_, ?_)", key);
    }
    if let Some(user) = &filter.user {
        let (actor, name) = (actor_of(user).into(), user.as_str().into());
        require("(actor = ?_ OR what = ?_)", vec![actor, name]);
    }
    if let Some(act) = &filter.act {
        require("act = ?_", vec![act.as_str().into()]);
    }
    if let Some(project) = &filter.project {
        require("project = ?_", vec![project.to_string().into()]);
    }
    values.push(limit.into());
    let sql = format!(
        "SELECT happened_at, id, actor, token, act, what, project FROM audit WHERE {clause}
         ORDER BY happened_at DESC, id DESC LIMIT ?{}",
        values.len()
    );
    tx.all(&sql, &values, entry).await
}

fn actor_of(user: &str) -> String {
    format!("user {user}")
}

/// Ids of one process are in the order of its acts, and those of several processes differ.
fn next_id() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let order = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{order:08x}{:032x}", uuid::Uuid::new_v4().as_u128())
}

fn entry(row: &Row<'_>) -> Result<AuditEntry> {
    let at = row.time(0)?;
    Ok(AuditEntry {
        at,
        place: AuditPlace {
            at,
            id: row.text(1)?,
        },
        actor: row.text(2)?,
        token: row.text_or_none(3)?,
        act: row.text(4)?,
        what: row.text(5)?,
        project: row.text_or_none(6)?,
    })
}
