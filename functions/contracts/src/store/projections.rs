//! What other functions told: APIs, their versions and routes, who subscribes to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, StoreError};
use shared::event::{ApiState, RoutesState, SubscriptionPhase, SubscriptionState, VersionPhase, VersionState};
use shared::id::{ApiId, SubscriptionId, VersionId};
use shared::principal::Party;
use shared::time::Time;

use super::{Store, api_pk};

/// What is kept of a version.
pub(crate) type Version = VersionState;

/// Who subscribes to an API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscriber {
    pub(crate) subscription: SubscriptionId,
    pub(crate) revision: u64,
    pub(crate) organization: Party,
    /// Whether its keys may call the API, now or after a pause.
    pub(crate) is_live: bool,
}

/// The APIs of a subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Apis {
    revision: u64,
    apis: BTreeSet<ApiId>,
}

/// The operations of a part of a version's routes, and whether the document calls them deprecated.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Routes {
    revision: u64,
    operations: BTreeMap<String, bool>,
}

impl Store {
    /// Keeps an API.
    pub(crate) async fn keep_api(&self, state: &ApiState) -> Result<(), StoreError> {
        self.table.project(Row::new(api_pk(state.id), "API", state)?, state.revision).await.map(drop)
    }

    /// Keeps a version.
    pub(crate) async fn keep_version(&self, state: &VersionState) -> Result<(), StoreError> {
        let row = Row::new(api_pk(state.api), format!("VERSION#{}", state.id), state)?;
        self.table.project(row, state.revision).await.map(drop)
    }

    /// Keeps a part of a version's routes.
    pub(crate) async fn keep_routes(&self, state: RoutesState) -> Result<(), StoreError> {
        let operations = state.routes.into_iter().map(|route| (route.operation, route.deprecated)).collect();
        let row = Routes { revision: state.revision, operations };
        let sk = format!("ROUTES#{}#{:06}", state.version, state.part);
        self.table.project(Row::new(api_pk(state.api), sk, &row)?, row.revision).await.map(drop)
    }

    /// Keeps who subscribes to which APIs. The row of the subscription comes last, so that an event that was broken off is done again.
    pub(crate) async fn keep_subscription(&self, state: &SubscriptionState) -> Result<(), StoreError> {
        let pk = format!("SUB#{}", state.id);
        let old: Option<Apis> = self.table.get(&pk, "APIS").await?;
        if old.as_ref().is_some_and(|old| old.revision > state.revision) {
            return Ok(());
        }
        let apis: BTreeSet<ApiId> = state.terms.apis.iter().map(|api| api.id).collect();
        let is_live = matches!(state.state, SubscriptionPhase::Active | SubscriptionPhase::Suspended);
        let before = old.map(|old| old.apis).unwrap_or_default();
        for api in before.union(&apis) {
            let row = Subscriber {
                subscription: state.id,
                revision: state.revision,
                organization: state.organization.clone(),
                is_live: is_live && apis.contains(api),
            };
            self.table.project(Row::new(api_pk(*api), format!("SUB#{}", state.id), &row)?, row.revision).await?;
        }
        let row = Apis { revision: state.revision, apis };
        self.table.project(Row::new(pk, "APIS", &row)?, row.revision).await.map(drop)
    }

    /// An API as the catalog told it.
    pub(crate) async fn api(&self, id: ApiId) -> Result<Option<ApiState>, StoreError> {
        self.table.get(api_pk(id), "API").await
    }

    /// A version as the catalog told it.
    pub(crate) async fn version(&self, api: ApiId, id: VersionId) -> Result<Option<Version>, StoreError> {
        self.table.get(api_pk(api), format!("VERSION#{id}")).await
    }

    /// Whether another version had taken the place of one when it was retired: published after it, and still offered.
    pub(crate) async fn had_successor(&self, version: &Version, retired_at: Time) -> Result<bool, StoreError> {
        let versions: Vec<Version> = self.all(&api_pk(version.api), "VERSION#").await?;
        Ok(versions.iter().any(|other| {
            let took_over = other.published_at.is_some_and(|at| Some(at) > version.published_at && at <= retired_at);
            other.id != version.id && took_over && other.retired_at.is_none_or(|at| at > retired_at)
        }))
    }

    /// Who subscribes to an API.
    pub(crate) async fn subscribers(&self, api: ApiId) -> Result<Vec<Subscriber>, StoreError> {
        let all: Vec<Subscriber> = self.all(&api_pk(api), "SUB#").await?;
        Ok(all.into_iter().filter(|subscriber| subscriber.is_live).collect())
    }

    /// The operations of a version, and whether its document calls them deprecated.
    pub(crate) async fn operations(
        &self,
        api: ApiId,
        version: VersionId,
    ) -> Result<BTreeMap<String, bool>, StoreError> {
        let parts: Vec<Routes> = self.all(&api_pk(api), &format!("ROUTES#{version}#")).await?;
        Ok(parts.into_iter().flat_map(|part| part.operations).collect())
    }

    /// Since when the operations of a version are deprecated: going back over the versions that were published before it, as long as each of them
    /// says so.
    pub(crate) async fn deprecated_since(
        &self,
        api: ApiId,
        version: VersionId,
    ) -> Result<BTreeMap<String, Time>, StoreError> {
        let mut versions: Vec<Version> = self.all(&api_pk(api), "VERSION#").await?;
        versions.retain(|version| version.published_at.is_some() && version.state != VersionPhase::Draft);
        versions.sort_by_key(|version| std::cmp::Reverse(version.published_at));
        let mut since: BTreeMap<String, Time> = BTreeMap::new();
        let mut open: Option<BTreeSet<String>> = None;
        for version in versions.iter().skip_while(|other| other.id != version) {
            let Some(published_at) = version.published_at else { continue };
            let deprecated: BTreeSet<String> = self
                .operations(api, version.id)
                .await?
                .into_iter()
                .filter_map(|(operation, deprecated)| deprecated.then_some(operation))
                .collect();
            let still: BTreeSet<String> = match open {
                None => deprecated,
                Some(open) => open.intersection(&deprecated).cloned().collect(),
            };
            if still.is_empty() {
                break;
            }
            since.extend(still.iter().map(|operation| (operation.clone(), published_at)));
            open = Some(still);
        }
        Ok(since)
    }
}
