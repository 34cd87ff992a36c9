//! Work that one server over a store does at a time. Two at once would do no harm, only the same work twice.

use crate::error::Result;
use crate::larder::Larder;
use crate::metadata::leases;

impl Larder {
    /// Whether this server may do that work now, and for so long; asking again renews it.
    pub async fn takes_lease(&self, work: &'static str, life_ms: i64) -> Result<bool> {
        let (holder, now) = (self.store.server.to_string(), self.store.clock.now());
        self.store
            .database
            .write(async move |tx| leases::take(tx, work, &holder, now, now.plus_ms(life_ms)).await)
            .await
    }

    /// Lets another server do that work before the lease ends.
    pub async fn gives_lease_back(&self, work: &'static str) -> Result<()> {
        let holder = self.store.server.to_string();
        self.store
            .database
            .write(async move |tx| leases::give_back(tx, work, &holder).await)
            .await
    }
}
