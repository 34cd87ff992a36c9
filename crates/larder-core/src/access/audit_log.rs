//! Reading the log of acts.

use crate::access::Access;
use crate::access::users::only_operator;
use crate::error::Result;
use crate::metadata::audit;
use crate::model::{AuditEntry, AuditFilter, AuditPlace, Principal};

impl Access {
    /// At most `limit` acts that the filter lets through, newest first, after a place.
    pub async fn audit_log(
        &self,
        who: &Principal,
        filter: AuditFilter,
        place: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>> {
        only_operator(who)?;
        self.0
            .database
            .scan(async move |tx| audit::before(tx, &filter, place.as_ref(), limit).await)
            .await
    }
}
