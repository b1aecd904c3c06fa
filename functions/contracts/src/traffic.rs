//! What `usage` says of the callers of operations, and what of it concerns a finding.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::id::{AppId, KeyId, OrganizationId, SubscriptionId};
use shared::principal::Party;
use shared::slug::Slug;
use shared::surface::{OperationKind, Surface};
use shared::time::Time;
use utoipa::ToSchema;

use crate::compare::operation_keys;

/// Who called which operations in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The beginning of the window.
    pub from: Time,
    /// Every hour before is counted whole.
    pub complete_to: Time,
    /// Whether the counts reach the window's end, as far as that can be known.
    pub complete: bool,
    /// Who called.
    pub callers: Vec<Caller>,
    /// What they called.
    pub operations: Vec<Operation>,
}

/// A key that called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The consumer.
    pub organization: Party,
    /// The app.
    pub app: AppId,
    /// The app's name.
    pub app_name: String,
    /// The service that the app is: of the provider's own apps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Slug>,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The key; none until `usage` knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
}

/// The calls of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub operation: String,
    /// By caller.
    pub calls: Vec<Calls>,
    /// By day.
    #[serde(default)]
    pub days: Vec<Day>,
}

/// The calls of an operation with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Which of the callers.
    pub caller: usize,
    /// How many.
    pub calls: u64,
    /// The hour of the last one.
    pub last_seen: Time,
}

/// The calls of an operation on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Day {
    /// The day, in UTC.
    pub day: String,
    /// Calls that the door admitted.
    pub calls: u64,
}

/// Who called what a finding reaches, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallerView {
    /// The consumer's slug.
    pub organization: Slug,
    /// The app.
    pub app: AppId,
    /// The app's name.
    pub app_name: String,
    /// The service that the app is, where it is one of the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Slug>,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The key; absent until its name has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Calls of these operations that the door admitted in the window.
    pub calls: u64,
    /// The UTC hour of the last one.
    pub last_seen: Time,
}

/// The operations of the published version, as a check looks for their callers.
#[derive(Debug, Default)]
pub struct Published {
    /// Ids by what is called, for operations whose calls the door counts.
    counted: BTreeSet<String>,
    /// The ids in the later document that are others in the published one.
    renamed: BTreeMap<String, String>,
    /// Operations whose calls do not come through the door, and all that are nobody's call.
    others: BTreeSet<String>,
}

impl Published {
    /// Of the published surface, beside the one that is checked.
    #[must_use]
    pub fn of(before: &Surface, after: &Surface) -> Self {
        let old: BTreeMap<String, &str> = operation_keys(before).collect();
        let renamed = operation_keys(after)
            .filter_map(|(key, id)| Some((id, *old.get(&key)?)))
            .filter(|(id, old)| id != old)
            .map(|(id, old)| (id.to_owned(), old.to_owned()));
        let (mut counted, mut others) = (BTreeSet::new(), BTreeSet::new());
        for operation in &before.operations {
            let at_the_door = matches!(operation.kind, OperationKind::Http { .. } | OperationKind::Rpc { .. });
            let set = if at_the_door { &mut counted } else { &mut others };
            set.insert(operation.id.to_string());
        }
        Self { counted, renamed: renamed.collect(), others }
    }

    /// Whether the door counts calls of any of its operations.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !self.counted.is_empty()
    }

    /// The published operations that a finding reaches. One that reaches none in particular, or one whose calls nobody counts (a webhook), concerns
    /// whoever calls the API at all.
    #[must_use]
    pub fn reached(&self, operations: &[String]) -> BTreeSet<&str> {
        let old = |id: &String| self.renamed.get(id).unwrap_or(id).clone();
        let ids: Vec<String> = operations.iter().map(old).collect();
        if ids.is_empty() || ids.iter().any(|id| self.others.contains(id)) {
            return self.counted.iter().map(String::as_str).collect();
        }
        ids.iter().filter_map(|id| self.counted.get(id)).map(String::as_str).collect()
    }
}

/// The traffic, to be looked up by operation.
#[derive(Debug)]
pub struct Lookup<'t> {
    traffic: &'t Traffic,
    by_operation: BTreeMap<&'t str, &'t Operation>,
    /// The only organization whose calls are looked at, if there is one.
    only: Option<OrganizationId>,
}

impl<'t> Lookup<'t> {
    /// Of all callers, or of those of one organization.
    #[must_use]
    pub fn new(traffic: &'t Traffic, only: Option<OrganizationId>) -> Self {
        let by_operation = traffic.operations.iter().map(|operation| (operation.operation.as_str(), operation));
        Self { traffic, by_operation: by_operation.collect(), only }
    }

    /// Who called any of these operations, those with the most calls first.
    #[must_use]
    pub fn callers<'o>(&self, operations: impl IntoIterator<Item = &'o str>) -> Vec<(&'t Caller, u64, Time)> {
        // By place and not in a map: a finding may reach tens of thousands of counts, and a report has a thousand findings.
        let mut sums: Vec<Option<(u64, Time)>> = vec![None; self.traffic.callers.len()];
        for operation in operations.into_iter().filter_map(|id| self.by_operation.get(id)) {
            for calls in &operation.calls {
                // Whoever is not in the list of callers cannot be named.
                let Some(sum) = sums.get_mut(calls.caller) else { continue };
                let sum = sum.get_or_insert((0, calls.last_seen));
                sum.0 = sum.0.saturating_add(calls.calls);
                sum.1 = sum.1.max(calls.last_seen);
            }
        }
        let mut callers: Vec<_> = sums
            .into_iter()
            .zip(&self.traffic.callers)
            .filter_map(|(sum, caller)| sum.map(|(calls, last)| (caller, calls, last)))
            .filter(|(caller, ..)| self.only.is_none_or(|only| caller.organization.id == only))
            .collect();
        callers.sort_by_key(|(_, calls, _)| std::cmp::Reverse(*calls));
        callers
    }
}

impl Caller {
    /// As it is shown beside a finding.
    #[must_use]
    pub fn view(&self, calls: u64, last_seen: Time) -> CallerView {
        CallerView {
            organization: self.organization.slug.clone(),
            app: self.app,
            app_name: self.app_name.clone(),
            service: self.service.clone(),
            subscription: self.subscription,
            key: self.key,
            key_name: self.key_name.clone(),
            calls,
            last_seen,
        }
    }
}
