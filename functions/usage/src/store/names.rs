//! Names: keys, APIs and operations, as other functions tell them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::{ApiState, AppState, KeyState, Route, RoutesState};
use shared::id::{ApiId, AppId, KeyId, OrganizationId};
use shared::slug::Slug;

use super::{Store, key_sk};

const TRANSACTION_MAX: usize = 100;

/// What is kept of a key: nothing of its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) revision: u64,
    pub(crate) number: u32,
    pub(crate) name: String,
}

/// What is kept of an API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Api {
    pub(crate) id: ApiId,
    pub(crate) revision: u64,
    pub(crate) number: u32,
    pub(crate) slug: String,
    /// The number of its current version. In the row by the API's number only: those by its names are not told of a new version.
    #[serde(default)]
    pub(crate) current: Option<u32>,
}

/// What is kept of an app: which service it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) revision: u64,
    pub(crate) service: Option<Slug>,
}

/// A part of a version's operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Names {
    operations: BTreeMap<String, String>,
    /// What each of them is called by, without the names of parameters: see [`called_by`].
    #[serde(default)]
    routes: BTreeMap<String, Vec<String>>,
}

/// An operation of a version.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) n: u32,
    pub(crate) operation: String,
    /// Empty where the version was told before routes were kept.
    pub(crate) routes: Vec<String>,
}

/// What callers call: in another version the same route may lead to an operation of another id, and is the same operation for them.
fn called_by(route: &Route) -> String {
    let mut text = format!("{} ", route.method);
    let mut in_braces = false;
    for character in route.path.chars() {
        if !in_braces || character == '}' {
            text.push(character);
        }
        in_braces = (in_braces || character == '{') && character != '}';
    }
    text
}

/// An operation by its name: its number in one version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct OperationAt {
    pub(crate) version: u32,
    pub(crate) n: u32,
}

fn routes_pk(organization: &OrganizationId, api: u32) -> String {
    format!("ROUTES#{organization}#{api}")
}

fn operation_sk(operation: &str) -> String {
    // An operation's name has no limit that a key would hold.
    format!("O#{}#", shared::seal::sha256_hex(operation.as_bytes()))
}

impl Store {
    /// Keeps a key's name.
    pub(crate) async fn keep_key(&self, state: KeyState) -> Result<(), StoreError> {
        let row = Key { id: state.id, revision: state.revision, number: state.number, name: state.name };
        self.table
            .project(Row::new(state.subscription.to_string(), key_sk(row.number), &row)?, row.revision)
            .await
            .map(drop)
    }

    /// Keeps an API's name: by its number, by its slug and by its id.
    pub(crate) async fn keep_api(&self, state: ApiState) -> Result<(), StoreError> {
        let pk = format!("ORG#{}", state.organization.id);
        let current = state.current.map(|current| current.number);
        let slug = state.slug.to_string();
        let row = Api { id: state.id, revision: state.revision, number: state.number, slug, current };
        self.table.project(Row::new(&pk, format!("API#{:010}", row.number), &row)?, row.revision).await?;
        // A name belongs to the API that had it last: the one with the highest number.
        let named = Api { revision: u64::from(row.number), ..row };
        self.table.project(Row::new(&pk, format!("NAME#{}", named.id), &named)?, named.revision).await?;
        self.table.project(Row::new(&pk, format!("NAME#{}", named.slug), &named)?, named.revision).await.map(drop)
    }

    /// Keeps which service an app is.
    pub(crate) async fn keep_app(&self, state: AppState) -> Result<(), StoreError> {
        let row = App { revision: state.revision, service: state.service };
        let pk = format!("ORG#{}", state.organization.id);
        self.table.project(Row::new(pk, format!("APP#{}", state.id), &row)?, row.revision).await.map(drop)
    }

    /// An app of an organization.
    pub(crate) async fn app(&self, organization: &OrganizationId, id: AppId) -> Result<Option<App>, StoreError> {
        self.table.get(format!("ORG#{organization}"), format!("APP#{id}")).await
    }

    /// Keeps the operations of a part of a version, by number and by name. They never change.
    pub(crate) async fn keep_routes(&self, state: RoutesState) -> Result<(), StoreError> {
        let pk = routes_pk(&state.organization, state.api_number);
        let version = state.version_number;
        let mut rows = Vec::with_capacity(state.routes.len() + 1);
        // Several routes may lead to one operation, and a transaction takes a row once.
        let mut seen = BTreeSet::new();
        for route in state.routes.iter().filter(|route| seen.insert((&route.operation, route.n))) {
            let sk = format!("{}{version:010}#{:010}", operation_sk(&route.operation), route.n);
            rows.push(Row::new(&pk, sk, &OperationAt { version, n: route.n })?);
        }
        let mut names = Names { operations: BTreeMap::new(), routes: BTreeMap::new() };
        for route in state.routes {
            names.routes.entry(route.n.to_string()).or_default().push(called_by(&route));
            names.operations.insert(route.n.to_string(), route.operation);
        }
        rows.push(Row::new(&pk, format!("V#{version:010}#{:06}", state.part), &names)?);
        while !rows.is_empty() {
            let mut transaction = self.table.transaction();
            for row in rows.drain(..rows.len().min(TRANSACTION_MAX)) {
                transaction.put("route", row)?;
            }
            match transaction.commit().await? {
                Commit::Done => {}
                other => return Err(StoreError::Unavailable(format!("{other:?}"))),
            }
        }
        Ok(())
    }

    /// The names of a subscription's keys, by number.
    pub(crate) async fn keys(&self, subscription: &str) -> Result<BTreeMap<u32, Key>, StoreError> {
        let keys: Vec<Key> = self.between(subscription, "K#", "K#~").await?;
        Ok(keys.into_iter().map(|key| (key.number, key)).collect())
    }

    /// An API of an organization by its number.
    pub(crate) async fn api(&self, organization: &OrganizationId, number: u32) -> Result<Option<Api>, StoreError> {
        self.table.get(format!("ORG#{organization}"), format!("API#{number:010}")).await
    }

    /// An API of an organization by its slug or its id.
    pub(crate) async fn api_named(&self, organization: &OrganizationId, name: &str) -> Result<Option<Api>, StoreError> {
        self.table.get(format!("ORG#{organization}"), format!("NAME#{name}")).await
    }

    /// The names of a version's operations, by number.
    pub(crate) async fn operations(
        &self,
        organization: &OrganizationId,
        api: u32,
        version: u32,
    ) -> Result<BTreeMap<u32, String>, StoreError> {
        let routed = self.routed(organization, api, version).await?;
        Ok(routed.into_iter().map(|routed| (routed.n, routed.operation)).collect())
    }

    /// A version's operations with what they are called by.
    pub(crate) async fn routed(
        &self,
        organization: &OrganizationId,
        api: u32,
        version: u32,
    ) -> Result<Vec<Routed>, StoreError> {
        let prefix = format!("V#{version:010}#");
        let parts: Vec<Names> = self.between(&routes_pk(organization, api), &prefix, &format!("{prefix}~")).await?;
        let of_part = |mut part: Names| {
            let named = part.operations.into_iter();
            let routed = named.filter_map(move |(n, operation)| {
                Some(Routed { routes: part.routes.remove(&n).unwrap_or_default(), n: n.parse().ok()?, operation })
            });
            routed.collect::<Vec<_>>()
        };
        Ok(parts.into_iter().flat_map(of_part).collect())
    }

    /// Where an operation stands in the versions of an API.
    pub(crate) async fn operation(
        &self,
        organization: &OrganizationId,
        api: u32,
        operation: &str,
    ) -> Result<Vec<OperationAt>, StoreError> {
        let prefix = operation_sk(operation);
        self.between(&routes_pk(organization, api), &prefix, &format!("{prefix}~")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_the_same_whatever_its_parameters_are_called() {
        let called = |method: &str, path: &str| {
            let (method, path) = (method.to_owned(), path.to_owned());
            called_by(&Route { n: 0, method, path, operation: "o".to_owned(), deprecated: false })
        };
        assert_eq!(called("GET", "/cities/{city}/days/{day}.json"), "GET /cities/{}/days/{}.json");
        assert_eq!(called("GET", "/cities/{id}/days/{d}.json"), "GET /cities/{}/days/{}.json");
        assert_ne!(called("PUT", "/cities"), called("GET", "/cities"));
        assert_eq!(called("GET", "/odd/{open"), "GET /odd/{");
        assert_eq!(called("GET", "/odd/}"), "GET /odd/}");
    }
}
