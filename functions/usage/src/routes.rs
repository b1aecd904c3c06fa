//! The HTTP side: who may see which numbers, and their names.

mod callers;
mod calls;
mod many;
mod operations;
mod periods;
mod sums;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Now, Query};
use shared::chassis::reply::Reply;
use shared::id::{KeyId, OrganizationId, SubscriptionId};
use shared::principal::needs;
use shared::problem::Problem;
use shared::time::Time;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::report::Report;
use crate::store::{Key, Store, Subscription};

const HOUR_MS: i64 = 3_600_000;
/// A report spans at most so many days.
const REPORT_DAYS_MAX: i64 = 92;

/// All routes.
pub(crate) fn routes() -> OpenApiRouter<crate::State> {
    OpenApiRouter::new()
        .routes(routes!(get_usage))
        .routes(routes!(callers::list_callers, many::list_callers_of_operations))
        .routes(routes!(calls::list_calls))
        .routes(routes!(operations::list_operations))
        .routes(routes!(periods::list_periods))
}

/// A subscription that the organization is a side of. For everyone else there is none.
async fn seen(store: &Store, id: SubscriptionId, own: OrganizationId) -> Result<Subscription, Problem> {
    store
        .subscription(&id.to_string())
        .await?
        .filter(|subscription| subscription.organization.id == own || subscription.provider.id == own)
        .ok_or_else(Problem::not_found)
}

/// Which subscription, and which hours.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// The subscription, of which one's organization is either side.
    #[param(inline)]
    subscription: SubscriptionId,
    /// The beginning, brought back to a full UTC hour; the beginning of the month that `to` is in when left out.
    #[param(inline)]
    from: Option<Time>,
    /// The end, brought forward to a full UTC hour, at most 92 days later; the end of the running UTC month when left out.
    #[param(inline)]
    to: Option<Time>,
}

/// The usage of a subscription.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    /// The subscription.
    subscription: SubscriptionId,
    /// The beginning of the first hour.
    from: Time,
    /// The end of the last hour.
    to: Time,
    /// Calls that the door admitted.
    admitted: u64,
    /// Calls that the door refused: never more than were refused, and perhaps not yet all of them.
    rejected: u64,
    /// Admitted calls that were given back because the upstream failed.
    failed: u64,
    /// Units of the plan that the admitted calls weigh, without those given back: what is billed. Where more was given back than admitted, negative.
    units: i64,
    /// By operation, as far as there were calls.
    by_operation: Vec<OperationUsage>,
    /// By key, as far as there were calls.
    by_key: Vec<KeyUsage>,
    /// By UTC hour, as far as anything happened.
    by_hour: Vec<HourUsage>,
    /// By revision of the subscription's terms, as far as there were units.
    by_terms: Vec<TermsUsage>,
    /// The counts of every hour before this moment are whole; later hours may still grow.
    complete_to: Time,
}

/// Calls of an operation.
#[derive(Debug, Serialize, ToSchema)]
struct OperationUsage {
    /// The operation's id; `#` and its number until its name has arrived here.
    operation: String,
    /// The API's slug; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<String>,
    /// The number of the API's version, counted from 1.
    version: u32,
    /// Calls that the door admitted.
    admitted: u64,
    /// Admitted calls that were given back.
    failed: u64,
}

/// Calls with a key.
#[derive(Debug, Serialize, ToSchema)]
struct KeyUsage {
    /// The key's id; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    /// The key's name; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The key's number within the subscription.
    number: u32,
    /// Calls that the door admitted.
    admitted: u64,
    /// Admitted calls that were given back.
    failed: u64,
    /// The UTC hour of the last call; absent when the hours asked for have only refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Time>,
}

/// What happened in a UTC hour.
#[derive(Debug, Serialize, ToSchema)]
struct HourUsage {
    /// The beginning of the hour.
    hour: Time,
    /// Calls that the door admitted.
    admitted: u64,
    /// Calls that the door refused.
    rejected: u64,
    /// Admitted calls that were given back, in the hour in which they were; those of an earlier month's calls in that month's last hour.
    failed: u64,
    /// Units of the plan, without those given back, in the same hours.
    units: i64,
}

/// Units under one revision of the terms.
#[derive(Debug, Serialize, ToSchema)]
struct TermsUsage {
    /// The revision of the subscription's terms that the calls were admitted under, counted from 1.
    revision: u64,
    /// Units that the admitted calls weigh, without those given back. Where more was given back than admitted, negative.
    units: i64,
}

/// Shows the usage of a subscription.
///
/// Both sides of the subscription may see it. Counts of refused calls come in batches; all else is exact before `complete_to`.
#[utoipa::path(get, path = "/v1/usage", operation_id = "get_usage", tag = "usage", security(("token" = ["usage:read"])), params(UsageQuery),
    responses((status = 200, description = "The usage.", body = Usage)))]
async fn get_usage(
    caller: Caller<needs::UsageRead>,
    Now(now): Now,
    State(store): State<Store>,
    Query(query): Query<UsageQuery>,
) -> Result<Reply, Problem> {
    let subscription = seen(&store, query.subscription, caller.organization.id).await?;
    let id = query.subscription.to_string();
    let (from, to) = hours(&query, now)?;
    let numbers = store.numbers(&id, from..to).await?;
    let sums = numbers.report(from..to).map_err(Problem::internal)?;
    let by_operation = by_operation(&store, &subscription.provider.id, &sums).await?;
    let by_key = by_key(&store.keys(&id).await?, &sums);
    let by_hour = sums
        .by_hour
        .iter()
        .map(|(hour, sums)| HourUsage {
            hour: Time::of_hour(*hour),
            admitted: sums.admitted,
            rejected: sums.rejected,
            failed: sums.failed,
            units: sums.units,
        })
        .collect();
    Reply::ok(&Usage {
        subscription: query.subscription,
        from: Time::of_hour(from),
        to: Time::of_hour(to),
        admitted: sums.total.admitted,
        rejected: sums.total.rejected,
        failed: sums.total.failed,
        units: sums.total.units,
        by_operation,
        by_key,
        by_hour,
        by_terms: sums
            .by_terms
            .iter()
            .map(|(revision, units)| TermsUsage { revision: *revision, units: *units })
            .collect(),
        complete_to: numbers.complete_to(subscription.created_at),
    })
}

/// The hours asked for: `from..to`.
fn hours(query: &UsageQuery, now: Time) -> Result<(i64, i64), Problem> {
    let to = query.to.unwrap_or(now.month().1);
    span(query.from.unwrap_or(to.plus_ms(-1).month().0), to, REPORT_DAYS_MAX)
}

/// The full hours from one moment to another, at most so many days later.
fn span(from: Time, to: Time, days_max: i64) -> Result<(i64, i64), Problem> {
    let (from, to) = (from.hour(), to.plus_ms(HOUR_MS - 1).hour());
    if from >= to {
        return Err(Problem::parameter("from", "must be before `to`"));
    }
    if to - from > days_max * 24 {
        return Err(Problem::parameter("from", format!("must be at most {days_max} days before `to`")));
    }
    Ok((from, to))
}

async fn by_operation(store: &Store, provider: &OrganizationId, sums: &Report) -> Result<Vec<OperationUsage>, Problem> {
    let mut apis = BTreeMap::new();
    let mut operations = BTreeMap::new();
    let versions: BTreeSet<(u32, u32)> = sums.by_operation.keys().map(|(api, version, _)| (*api, *version)).collect();
    for (api, version) in versions {
        operations.insert((api, version), store.operations(provider, api, version).await?);
        if let Entry::Vacant(entry) = apis.entry(api) {
            entry.insert(store.api(provider, api).await?);
        }
    }
    let named = sums.by_operation.iter().map(|((api, version, n), calls)| OperationUsage {
        operation: operations
            .get(&(*api, *version))
            .and_then(|names| names.get(n))
            .cloned()
            .unwrap_or_else(|| format!("#{n}")),
        api: apis.get(api).and_then(Option::as_ref).map(|api| api.slug.clone()),
        version: *version,
        admitted: calls.admitted,
        failed: calls.failed,
    });
    Ok(named.collect())
}

fn by_key(keys: &BTreeMap<u32, Key>, sums: &Report) -> Vec<KeyUsage> {
    let named = sums.by_key.iter().map(|(number, calls)| {
        let key = keys.get(number);
        KeyUsage {
            key: key.map(|key| key.id),
            name: key.map(|key| key.name.clone()),
            number: *number,
            admitted: calls.admitted,
            failed: calls.failed,
            last_seen: calls.last_hour.map(Time::of_hour),
        }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_month_is_the_default_and_odd_times_become_full_hours() {
        let subscription = SubscriptionId::new();
        let now: Time = "2026-02-10T11:22:33Z".parse().unwrap();
        let asked = |from: Option<&str>, to: Option<&str>| {
            let time = |text: &str| text.parse::<Time>().unwrap();
            hours(&UsageQuery { subscription, from: from.map(time), to: to.map(time) }, now)
                .ok()
                .map(|(from, to)| (Time::of_hour(from).to_string(), Time::of_hour(to).to_string()))
        };
        assert_eq!(asked(None, None), Some(("2026-02-01T00:00:00.000Z".into(), "2026-03-01T00:00:00.000Z".into())));
        assert_eq!(
            asked(Some("2026-01-05T10:30:00Z"), Some("2026-01-05T10:31:00Z")),
            Some(("2026-01-05T10:00:00.000Z".into(), "2026-01-05T11:00:00.000Z".into()))
        );
        assert_eq!(
            asked(None, Some("2026-01-01T00:00:00Z")),
            Some(("2025-12-01T00:00:00.000Z".into(), "2026-01-01T00:00:00.000Z".into()))
        );
        assert_eq!(asked(Some("2026-03-01T00:00:00Z"), None), None);
        assert_eq!(asked(Some("2025-01-01T00:00:00Z"), None), None);
    }
}
