//! The calls of many operations: which versions are called at all, who subscribes, and rows read several at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::chassis::at_once::at_once;
use shared::chassis::table::{Row, StoreError};
use shared::id::{ApiId, OrganizationId};

use super::calls::Sided;
use super::names::Routed;
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

    /// Where operations stand in the versions that were called since an hour: under their id, and under whatever id had their route.
    pub(crate) async fn places(
        &self,
        organization: &OrganizationId,
        api: u32,
        from: i64,
    ) -> Result<BTreeMap<String, Vec<OperationAt>>, StoreError> {
        let live = live_pk(organization, api);
        let (live, known) = tokio::try_join!(self.between::<Live>(&live, "V#", "V#~"), self.api(organization, api))?;
        let live: BTreeSet<u32> = live.into_iter().filter(|live| live.hour >= from).map(|live| live.version).collect();
        let current = known.and_then(|api| api.current).or_else(|| live.last().copied());
        let mut versions = Vec::new();
        for version in live.iter().copied().chain(current.filter(|current| !live.contains(current))) {
            versions.push((version, self.routed(organization, api, version).await?));
        }
        let mut places = BTreeMap::new();
        let now = versions.iter().find(|(version, _)| Some(*version) == current);
        let now = now.map_or(&[][..], |(_, operations)| operations);
        for (version, operations) in versions.iter().filter(|(version, _)| live.contains(version)) {
            add(&mut places, now, *version, operations);
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

/// The operations of a version go to those of the current one that have a route of theirs, and else to their own id.
fn add(places: &mut BTreeMap<String, Vec<OperationAt>>, now: &[Routed], version: u32, operations: &[Routed]) {
    let by_route: BTreeMap<&str, &str> = now
        .iter()
        .flat_map(|routed| routed.routes.iter().map(|route| (route.as_str(), routed.operation.as_str())))
        .collect();
    for routed in operations {
        let mut ids: BTreeSet<&str> =
            routed.routes.iter().filter_map(|route| by_route.get(route.as_str()).copied()).collect();
        if ids.is_empty() {
            ids.insert(&routed.operation);
        }
        for id in ids {
            places.entry(id.to_owned()).or_default().push(OperationAt { version, n: routed.n });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(n: u32, operation: &str, routes: &[&str]) -> Routed {
        Routed { n, operation: operation.to_owned(), routes: routes.iter().map(|route| (*route).to_owned()).collect() }
    }

    #[test]
    fn calls_of_a_route_are_those_of_the_operation_that_has_it_now() {
        let now = [routed(0, "fetch", &["GET /a/{}"]), routed(1, "list", &["GET /b", "GET /v1/b"])];
        let mut places = BTreeMap::new();
        add(&mut places, &now, 3, &now);
        // Renamed, swapped, gone, and told before routes were kept.
        add(&mut places, &now, 2, &[routed(0, "list", &["GET /a/{}"]), routed(1, "old", &["GET /v1/b"])]);
        add(&mut places, &now, 1, &[routed(4, "gone", &["GET /c"]), routed(5, "fetch", &[])]);
        let at = |version, n| OperationAt { version, n };
        assert_eq!(places.get("fetch"), Some(&vec![at(3, 0), at(2, 0), at(1, 5)]));
        assert_eq!(places.get("list"), Some(&vec![at(3, 1), at(2, 1)]));
        assert_eq!(places.get("gone"), Some(&vec![at(1, 4)]));
        assert_eq!(places.len(), 3);
    }
}
