//! Who calls many operations of an API: what a check of a new version asks.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Json, Now};
use shared::chassis::gzip;
use shared::chassis::sent::sent;
use shared::id::{ApiId, AppId, KeyId, OrganizationId};
use shared::principal::{Party, needs};
use shared::problem::Problem;
use shared::slug::Slug;
use shared::time::Time;
use shared::window::Window;
use utoipa::ToSchema;

use super::callers::NameOfApi;
use super::sums::{Key, Sums};
use crate::domain::{Frontier, complete_to, is_complete};
use crate::store::{Callers, Store};

/// How many operations a question names at most.
const OPERATIONS_MAX: usize = 10_000;
/// Characters of an operation's id.
const OPERATION_MAX: usize = 1_000;
/// How many rows of calls, and how many questions to the table, one answer costs at most.
const ROWS_MAX: usize = 200_000;
const QUERIES_MAX: usize = 20_000;

/// Which operations, and how far back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// An API of one's own organization, by slug or id.
    api: NameOfApi,
    /// The ids of operations, in whichever of the API's versions: 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    operations: Vec<String>,
    /// How far back: so many hours (`1h` to `999h`) or days (`1d` to `90d`); `30d` when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$")]
    window: Option<Window>,
}

/// The callers of operations.
#[derive(Debug, Serialize, ToSchema)]
struct CallersOfOperations {
    /// The API.
    api: ApiId,
    /// The beginning of the first hour.
    from: Time,
    /// The counts of every hour before this moment are whole, for all subscriptions of the API.
    complete_to: Time,
    /// Whether the counts reach the present, as far as that can be known: no subscription with calls is more than two hours behind, none without
    /// more than twenty-six.
    complete: bool,
    /// Subscriptions of the API that were active at some time in the window.
    subscriptions: usize,
    /// Who called any of the operations, those with the most calls first.
    callers: Vec<CallerOfOperations>,
    /// The operations in the order of the question.
    operations: Vec<CallsOfOperation>,
}

/// A key that called.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct CallerOfOperations {
    /// The consumer.
    organization: Party,
    /// The app.
    app: AppId,
    /// The app's name.
    app_name: String,
    /// The service that the app is: of one's own apps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Slug>,
    /// The subscription.
    subscription: String,
    /// The key's id; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    /// The key's name; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
}

/// The calls of an operation.
#[derive(Debug, Serialize, ToSchema)]
struct CallsOfOperation {
    /// The operation's id. One that is not known has no calls: its name may not have arrived here yet.
    operation: String,
    /// By caller, those with the most calls first.
    calls: Vec<CallsOfCaller>,
    /// By UTC day, as far as there were calls.
    days: Vec<CallsOfDay>,
}

/// The calls of an operation with a key.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct CallsOfCaller {
    /// Which of the callers, counted from 0.
    caller: usize,
    /// Calls that the door admitted.
    calls: u64,
    /// The UTC hour of the last call.
    last_seen: Time,
}

/// The calls of an operation on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct CallsOfDay {
    /// The day, `2026-11-22`.
    day: String,
    /// Calls that the door admitted.
    calls: u64,
}

/// Shows who calls operations of one's own API.
///
/// For a check of a new version: as `GET /v1/usage/callers`, for many operations at once, with the calls by day. An operation's calls are those of its routes, whatever its id
/// was in the version that was called. Beyond 200,000 hours, operations and keys that called, a
/// shorter window is needed.
#[utoipa::path(post, path = "/v1/usage/callers", operation_id = "list_callers_of_operations", tag = "usage", security(("token" = ["usage:read"])),
    request_body = Asked, responses((status = 200, description = "The callers.", body = CallersOfOperations)))]
pub(super) async fn list_callers_of_operations(
    caller: Caller<needs::UsageRead>,
    Now(now): Now,
    State(store): State<Store>,
    headers: HeaderMap,
    Json(asked): Json<Asked>,
) -> Result<Response, Problem> {
    let own = caller.organization.id;
    let api = store.api_named(&own, &asked.api.to_string()).await?.ok_or_else(Problem::not_found)?;
    let operations = distinct(asked.operations)?;
    let from = now.hour() - asked.window.unwrap_or_default().hours();
    let places = store.places(&own, api.number, from).await?;
    let wanted: Vec<_> = operations
        .iter()
        .enumerate()
        .flat_map(|(place, operation)| places.get(operation).into_iter().flatten().map(move |at| (place, *at)))
        .collect();
    let too_many = || Problem::invalid("/window", "holds more calls than one answer can tell: choose a shorter one");
    if wanted.len() > QUERIES_MAX {
        return Err(too_many());
    }
    let (rows, subscribed) =
        tokio::try_join!(store.calls_of(own, api.number, wanted, from, ROWS_MAX), store.subscribed(api.id))?;
    if rows.iter().map(|(_, rows)| rows.len()).sum::<usize>() > ROWS_MAX {
        return Err(too_many());
    }
    let sums = Sums::of(&rows);
    let keys: BTreeSet<Key> = sums.keys.keys().cloned().collect();
    let known = store.known(&keys, &subscribed).await?;
    let frontiers = frontiers(&known, &sums, from);
    let (callers, places) = callers(&store, own, &sums, &known).await?;
    let answer = CallersOfOperations {
        api: api.id,
        from: Time::of_hour(from),
        complete_to: frontiers.iter().map(|frontier| frontier.complete_to).min().unwrap_or(Time::of_hour(now.hour())),
        complete: is_complete(frontiers.iter().copied(), now),
        subscriptions: frontiers.len(),
        callers,
        operations: self::operations(&sums, operations, &places),
    };
    let bytes = serde_json::to_vec(&answer).map_err(Problem::internal)?;
    Ok(sent("answer", "application/json", bytes, gzip::pack_fast, &headers)?.0)
}

/// The operations of a question, each once.
fn distinct(operations: Vec<String>) -> Result<Vec<String>, Problem> {
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err(Problem::invalid("/operations", format!("must have 1 to {OPERATIONS_MAX} ids")));
    }
    let fits = |id: &String| (1..=OPERATION_MAX).contains(&id.chars().count());
    if let Some(place) = operations.iter().position(|id| !fits(id)) {
        let pointer = format!("/operations/{place}");
        return Err(Problem::invalid(pointer, format!("must have 1 to {OPERATION_MAX} characters")));
    }
    let mut seen = BTreeSet::new();
    Ok(operations.into_iter().filter(|id| seen.insert(id.clone())).collect())
}

/// The calls of each operation, by caller and by day.
fn operations(sums: &Sums, operations: Vec<String>, places: &BTreeMap<Key, usize>) -> Vec<CallsOfOperation> {
    let of = |(place, operation): (usize, String)| {
        let by_key = sums.by_operation.get(&place).into_iter().flatten();
        let mut calls: Vec<CallsOfCaller> = by_key
            .filter_map(|(key, (calls, last))| {
                Some(CallsOfCaller { caller: *places.get(key)?, calls: *calls, last_seen: Time::of_hour(*last) })
            })
            .collect();
        calls.sort_by_key(|calls| (std::cmp::Reverse(calls.calls), calls.caller));
        let days = sums.days.get(&place).into_iter().flatten();
        // A time begins with its day.
        let day =
            |(day, calls): (&Time, &u64)| CallsOfDay { day: day.to_string().chars().take(10).collect(), calls: *calls };
        CallsOfOperation { operation, calls, days: days.map(day).collect() }
    };
    operations.into_iter().enumerate().map(of).collect()
}

/// How far each subscription of the API is known that may have called in the window.
fn frontiers(known: &Callers, sums: &Sums, from: i64) -> Vec<Frontier> {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for ((subscription, _), (_, hour)) in &sums.keys {
        let entry = last.entry(subscription).or_insert(*hour);
        *entry = (*entry).max(*hour);
    }
    let may_have_called = |subscription: &&crate::store::Subscription| {
        last.contains_key(subscription.id.as_str())
            || (subscription.activated_at.is_some() && subscription.cancelled_at.is_none_or(|at| at.hour() >= from))
    };
    let of = |subscription: &crate::store::Subscription| {
        let complete_to = complete_to(known.heads.get(&subscription.id), subscription.created_at);
        let counts = last.get(subscription.id.as_str()).is_some_and(|hour| *hour >= complete_to.hour());
        Frontier { complete_to, counts }
    };
    known.subscriptions.values().filter(may_have_called).map(of).collect()
}

/// Who called, those with the most calls first, and their places.
async fn callers(
    store: &Store,
    own: OrganizationId,
    sums: &Sums,
    known: &Callers,
) -> Result<(Vec<CallerOfOperations>, BTreeMap<Key, usize>), Problem> {
    let mut order: Vec<(&Key, u64)> = sums.keys.iter().map(|(key, (calls, _))| (key, *calls)).collect();
    order.sort_by_key(|(key, calls)| (std::cmp::Reverse(*calls), *key));
    let (mut callers, mut places) = (Vec::with_capacity(order.len()), BTreeMap::new());
    let mut services: BTreeMap<String, Option<Slug>> = BTreeMap::new();
    for (key, _) in order {
        // Rows are filed only once the subscription is there.
        let Some(subscription) = known.subscriptions.get(&key.0) else { continue };
        let service = if subscription.organization.id == own {
            let name = subscription.app.to_string();
            if let Some(service) = services.get(&name) {
                service.clone()
            } else {
                let service = store.app(&own, subscription.app).await?.and_then(|app| app.service);
                services.entry(name).or_insert(service).clone()
            }
        } else {
            None
        };
        places.insert(key.clone(), callers.len());
        let named = known.keys.get(key);
        callers.push(CallerOfOperations {
            organization: subscription.organization.clone(),
            app: subscription.app,
            app_name: subscription.app_name.clone(),
            service,
            subscription: key.0.clone(),
            key: named.map(|key| key.id),
            key_name: named.map(|key| key.name.clone()),
        });
    }
    Ok((callers, places))
}
