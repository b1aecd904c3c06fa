//! How the calls of an API's operations went.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Now, Query};
use shared::chassis::reply::Reply;
use shared::id::ApiId;
use shared::principal::needs;
use shared::problem::Problem;
use shared::time::Time;
use utoipa::ToSchema;

use super::callers::NameOfApi;
use super::span;
use crate::store::{OperationAt, Store};
use crate::timings::{Figures, Histogram, Numbers, Operation, percentile_ms, sum};

const DAYS_MAX: i64 = 31;
const DAY_MS: i64 = 86_400_000;
/// How many rows a question reads at most: a week of thirty sandboxes in every hour, and more.
const ROWS_MAX: usize = 10_000;

/// Which operations, and which hours.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationsQuery {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
    /// Only the operation with this id, in whichever of the API's versions, and then also by hour; all of them when left out.
    #[param(min_length = 1, max_length = 1000)]
    operation: Option<String>,
    /// The beginning, brought back to a full UTC hour; a day before `to` when left out.
    #[param(inline)]
    from: Option<Time>,
    /// The end, brought forward to a full UTC hour, at most 31 days later; now when left out.
    #[param(inline)]
    to: Option<Time>,
}

/// How the calls of an API's operations went.
#[derive(Debug, Serialize, ToSchema)]
struct OperationsOfApi {
    /// The API.
    api: ApiId,
    /// The beginning of the first hour.
    from: Time,
    /// The end of the last hour.
    to: Time,
    /// By operation, as far as there were calls.
    operations: Vec<OperationWent>,
}

/// How the calls of an operation went.
#[derive(Debug, Serialize, ToSchema)]
struct OperationWent {
    /// The operation's id; `#` and its number until its name has arrived here.
    operation: String,
    /// The number of the API's version, counted from 1.
    version: u32,
    #[serde(flatten)]
    went: Went,
    /// By UTC hour, as far as there were calls; only where one operation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_hour: Option<Vec<HourWent>>,
}

/// How the calls of an hour went.
#[derive(Debug, Serialize, ToSchema)]
struct HourWent {
    /// The beginning of the hour.
    hour: Time,
    #[serde(flatten)]
    went: Went,
}

/// How calls went. All counts are at most the truth.
#[derive(Debug, Serialize, ToSchema)]
struct Went {
    /// Calls that were answered with a status of class 2xx.
    status_2xx: u64,
    /// Calls that were answered with a status of class 3xx.
    status_3xx: u64,
    /// Calls that the upstream answered with a status of class 4xx.
    status_4xx: u64,
    /// Calls that were answered with a status of class 5xx, by the upstream or because of it, or by the door itself.
    status_5xx: u64,
    /// Calls that the door refused: by quota, rate, state, size, or a key that opens nothing any more.
    refused: u64,
    /// The share of 5xx among all calls that were not refused, from 0 to 1; absent without such calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Option<f64>,
    /// How long the calls that were not refused were in the door, with the upstream's time; absent without such calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    /// How long the upstream took, a second try included; absent without calls that went there.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Latency>,
}

/// How long calls took. Told by buckets, of which none is more than a quarter longer than its beginning; the shortest ends at 1 ms.
#[derive(Debug, Serialize, ToSchema)]
struct Latency {
    /// What half of the calls took at most, in milliseconds.
    p50_ms: u32,
    /// What 90 of 100 took at most, in milliseconds.
    p90_ms: u32,
    /// What 99 of 100 took at most, in milliseconds.
    p99_ms: u32,
    /// The buckets that have calls; only where one operation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Vec<LatencyBucket>>,
}

/// Calls that took about as long.
#[derive(Debug, Serialize, ToSchema)]
struct LatencyBucket {
    /// What they took at most, in milliseconds.
    up_to_ms: u32,
    /// How many they are.
    calls: u64,
}

impl Latency {
    fn of(histogram: &Histogram, whole: bool) -> Option<Self> {
        let bucket = |(end, calls): (&u32, &u64)| LatencyBucket { up_to_ms: *end, calls: *calls };
        Some(Self {
            p50_ms: percentile_ms(histogram, 50)?,
            p90_ms: percentile_ms(histogram, 90)?,
            p99_ms: percentile_ms(histogram, 99)?,
            histogram: whole.then(|| histogram.iter().map(bucket).collect()),
        })
    }
}

impl Went {
    fn of(figures: &Figures, whole: bool) -> Self {
        Self {
            status_2xx: figures.count("2"),
            status_3xx: figures.count("3"),
            status_4xx: figures.count("4"),
            status_5xx: figures.count("5"),
            refused: figures.count("r"),
            error_rate: figures.error_rate(),
            latency: Latency::of(&figures.whole, whole),
            upstream: Latency::of(&figures.upstream, whole),
        }
    }
}

/// Shows how the calls of one's own API went, by operation: status classes, error rate and latency.
///
/// Over all callers. Telemetry, counted apart from what is billed: the door's sandboxes write it about every minute, so it is never
/// more than the truth, and equal to it once those that served the calls have stopped.
#[utoipa::path(get, path = "/v1/usage/operations", operation_id = "list_operations_usage", tag = "usage", security(("token" = ["usage:read"])), params(OperationsQuery),
    responses((status = 200, description = "How the calls went.", body = OperationsOfApi)))]
pub(super) async fn list_operations(
    caller: Caller<needs::UsageRead>,
    Now(now): Now,
    State(store): State<Store>,
    Query(query): Query<OperationsQuery>,
) -> Result<Reply, Problem> {
    let own = &caller.organization.id;
    let api = store.api_named(own, &query.api.to_string()).await?.ok_or_else(Problem::not_found)?;
    let to = query.to.unwrap_or(now);
    let (from, to) = span(query.from.unwrap_or(to.plus_ms(-DAY_MS)), to, DAYS_MAX)?;
    let places: Option<BTreeSet<Numbers>> = match &query.operation {
        Some(operation) => {
            let places = store.operation(own, api.number, operation).await?;
            Some(places.into_iter().map(|OperationAt { version, n }| (version, n)).collect())
        }
        None => None,
    };
    if places.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(Problem::not_found());
    }
    let rows = store.timings(own, api.number, from..to, ROWS_MAX).await?;
    if rows.len() > ROWS_MAX {
        return Err(Problem::parameter("from", "is too long ago for one answer: choose a shorter time"));
    }
    let sums = sum(&rows, |numbers| places.as_ref().is_none_or(|places| places.contains(&numbers)));
    let versions: BTreeSet<u32> = sums.keys().map(|(version, _)| *version).collect();
    let mut names = BTreeMap::new();
    for version in versions {
        names.insert(version, store.operations(own, api.number, version).await?);
    }
    let whole = query.operation.is_some();
    let went = sums.iter().map(|((version, n), Operation { total, by_hour })| OperationWent {
        operation: names.get(version).and_then(|names| names.get(n)).cloned().unwrap_or_else(|| format!("#{n}")),
        version: *version,
        went: Went::of(total, whole),
        by_hour: whole.then(|| {
            let hour = |(hour, figures): (&i64, &Figures)| HourWent {
                hour: Time::of_hour(*hour),
                went: Went::of(figures, true),
            };
            by_hour.iter().map(hour).collect()
        }),
    });
    Reply::ok(&OperationsOfApi {
        api: api.id,
        from: Time::of_hour(from),
        to: Time::of_hour(to),
        operations: went.collect(),
    })
}
