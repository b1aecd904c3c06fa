//! The calls of many operations: which versions are called at all, who subscribes, and rows read several at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::chassis::at_once::at_once;
use shared::chassis::table::{Row, StoreError};
use shared::id::{ApiId, OrganizationId};

use super::calls::Sided;
use super::{Called, Kept, OperationAt, Store};

/// Questions to the table that are under way together.
pub(super) const AT_ONCE: usize = 32;
/// Versions that a sandbox remembers the last hour of.
const LIVE_MAX: usize = 10_000;

/// A version that is called.
#[derive(Debug, Serialize, Deserialize)]
struct Live {
    version: u32,
    /// The last hour that something was counted in.
    hour: i64,
}

fn live_pk(organization: &OrganizationId, api: u32) -> String {
    format!("LIVE#{organization}#{api}")
}

impl Store {
    /// Keeps the last hour in which a version was called: written at most once an hour by a sandbox.
    pub(super) async fn keep_live(
        &self,
        organization: &OrganizationId,
        api: u32,
        version: u32,
        hour: i64,
    ) -> Result<(), StoreError> {
        let pk = live_pk(organization, api);
        let name = format!("{pk}#{version}");
        let known = self.live.lock().ok().and_then(|live| live.get(&name).copied());
        if known.is_some_and(|known| known >= hour) {
            return Ok(());
        }
        let revision = u64::try_from(hour).unwrap_or(0);
        let row = Kept { state: &Live { version, hour }, revision };
        self.table.project(Row::new(pk, format!("V#{version:010}"), &row)?, revision).await?;
        if let Ok(mut live) = self.live.lock() {
            if live.len() >= LIVE_MAX {
                live.clear();
            }
            live.insert(name, hour);
        }
        Ok(())
    }

    /// Keeps that a subscription is, or was once, of an API. The row never changes.
    pub(super) async fn keep_subscribed(&self, api: ApiId, subscription: &str) -> Result<(), StoreError> {
        let row = Kept { state: &Sided { subscription: subscription.to_owned() }, revision: 1 };
        self.table.project(Row::new(format!("SUBS#{api}"), subscription, &row)?, 1).await.map(drop)
    }

    /// The subscriptions that are, or were once, of an API.
    pub(crate) async fn subscribed(&self, api: ApiId) -> Result<Vec<String>, StoreError> {
        let rows: Vec<Sided> = self.between(&format!("SUBS#{api}"), "sub_", "sub_~").await?;
        Ok(rows.into_iter().map(|row| row.subscription).collect())
    }

    /// Where operations stand in the versions that were called since an hour.
    pub(crate) async fn places(
        &self,
        organization: &OrganizationId,
        api: u32,
        from: i64,
    ) -> Result<BTreeMap<String, Vec<OperationAt>>, StoreError> {
        let live: Vec<Live> = self.between(&live_pk(organization, api), "V#", "V#~").await?;
        let mut places: BTreeMap<String, Vec<OperationAt>> = BTreeMap::new();
        for version in live.into_iter().filter(|live| live.hour >= from).map(|live| live.version) {
            for (n, operation) in self.operations(organization, api, version).await? {
                places.entry(operation).or_default().push(OperationAt { version, n });
            }
        }
        Ok(places)
    }

    /// The calls of operations since an hour, by the place of the operation in the question: all of them, or more than `limit`.
    pub(crate) async fn calls_of(
        &self,
        organization: OrganizationId,
        api: u32,
        operations: Vec<(usize, OperationAt)>,
        from: i64,
        limit: usize,
    ) -> Result<Vec<(usize, Vec<Called>)>, StoreError> {
        let questions = operations.into_iter().map(|(place, at)| {
            let store = self.clone();
            async move { Ok((place, store.calls(&organization, api, at, from, limit).await?)) }
        });
        at_once(AT_ONCE, questions).await
    }
}
