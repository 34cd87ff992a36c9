//! What an operator reads of the log of acts.

use super::{AdminAnswer, AuditLine, AuditPage, OPERATOR, invalid};
use larder_core::clock::Timestamp;
use larder_core::model::{AuditFilter, AuditPlace, ProjectSlug};
use larder_core::{Larder, Result};
use serde::{Deserialize, Serialize};

/// Acts on one page: a page is read while uploads wait for nothing, and fits a message of the socket.
const PAGE_MAX: u32 = 1_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Which acts an operator wants to see; what is absent does not restrict.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AuditRequest {
    /// A day or a time: at it or later.
    pub since: Option<String>,
    /// Not more than so many days ago.
    pub days: Option<u32>,
    /// By that user, or done to that user.
    pub user: Option<String>,
    /// Exactly this act.
    pub act: Option<String>,
    /// In the project that had this name then.
    pub project: Option<String>,
    /// Where an earlier page ended.
    pub place: Option<String>,
    /// So many at most.
    pub limit: u32,
}

/// One page of the log.
pub(super) async fn page(larder: &Larder, request: AuditRequest) -> Result<AdminAnswer> {
    let since = request.since.as_deref().map(time).transpose()?;
    let now = larder.clock().now();
    let days_ago = request
        .days
        .map(|days| now.plus_ms(-DAY_MS * i64::from(days)));
    let filter = AuditFilter {
        since: since.or(days_ago),
        user: request.user,
        act: request.act,
        project: request
            .project
            .as_deref()
            .map(ProjectSlug::parse)
            .transpose()?,
    };
    let place = request.place.as_deref().map(|place| {
        AuditPlace::parse(place).ok_or_else(|| invalid("place", "is none of this log".to_owned()))
    });
    let limit = request.limit.clamp(1, PAGE_MAX);
    let access = &larder.access;
    let entries = access.audit_log(OPERATOR, filter, place.transpose()?, limit);
    let entries = entries.await?;
    let last = entries.last().filter(|_| entries.len() == limit as usize);
    let next = last.map(|entry| entry.place.encode());
    let acts = entries.into_iter().map(AuditLine::from).collect();
    Ok(AdminAnswer::Audit(AuditPage { acts, next }))
}

/// A day begins with its first millisecond in UTC.
fn time(text: &str) -> Result<Timestamp> {
    let known = Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
    known.ok_or_else(|| {
        let right = "2026-11-21 or 2026-11-21T02:15:00Z";
        invalid("since", format!("`{text}` is no day or time like {right}"))
    })
}
