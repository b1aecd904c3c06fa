//! Who calls an operation.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Now, Query};
use shared::chassis::reply::Reply;
use shared::id::{Api, ApiId, AppId, KeyId};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Name;
use shared::time::Time;
use shared::window::Window;
use utoipa::ToSchema;

use super::sums::{Key, Sums};
use crate::domain::complete_to;
use crate::store::{Callers, Store};

/// How many rows a question for callers reads at most.
const CALLS_MAX: usize = 50_000;

/// An alias, because a document's schema is made of names without parameters.
pub(super) type NameOfApi = Name<Api>;

/// Which operation, and how far back.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CallersQuery {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
    /// The operation's id, in whichever of the API's versions.
    #[param(min_length = 1, max_length = 1000)]
    operation: String,
    /// How far back: so many hours (`1h` to `999h`) or days (`1d` to `90d`); `30d` when left out.
    #[param(value_type = Option<String>, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$")]
    window: Option<Window>,
}

/// The callers of an operation.
#[derive(Debug, Serialize, ToSchema)]
struct CallersOfOperation {
    /// The API.
    api: ApiId,
    /// The operation's id.
    operation: String,
    /// The beginning of the first hour.
    from: Time,
    /// Who called, those with the most calls first.
    callers: Vec<CallerOfOperation>,
    /// The counts of every hour before this moment are whole for all of these callers; the beginning of the window when nobody called.
    complete_to: Time,
}

/// A caller of an operation.
#[derive(Debug, Serialize, ToSchema)]
struct CallerOfOperation {
    /// The consumer's slug.
    organization: String,
    /// The app.
    app: AppId,
    /// The app's name.
    app_name: String,
    /// The subscription.
    subscription: String,
    /// The key's id; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    /// The key's name; absent until it has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    /// Calls that the door admitted.
    calls: u64,
    /// The UTC hour of the last call.
    last_seen: Time,
}

/// Shows who calls an operation of one's own API.
///
/// Whom a change would break: every subscription and key that called the operation in the window, over all versions of the API.
#[utoipa::path(get, path = "/v1/usage/callers", operation_id = "list_callers", tag = "usage", security(("token" = ["usage:read"])), params(CallersQuery),
    responses((status = 200, description = "The callers.", body = CallersOfOperation)))]
pub(super) async fn list_callers(
    caller: Caller<needs::UsageRead>,
    Now(now): Now,
    State(store): State<Store>,
    Query(query): Query<CallersQuery>,
) -> Result<Reply, Problem> {
    let own = &caller.organization.id;
    let api = store.api_named(own, &query.api.to_string()).await?.ok_or_else(Problem::not_found)?;
    let from = now.hour() - query.window.unwrap_or_default().hours();
    let places = store.operation(own, api.number, &query.operation).await?;
    if places.is_empty() {
        return Err(Problem::not_found());
    }
    let mut rows = Vec::new();
    for at in places {
        rows.extend(store.calls(own, api.number, at, from, CALLS_MAX).await?);
        if rows.len() > CALLS_MAX {
            return Err(Problem::parameter(
                "window",
                "holds more calls than one answer can tell: choose a shorter one",
            ));
        }
    }
    let calls = Sums::of(&[(0, rows)]).keys;
    let known = store.callers(&calls.keys().cloned().collect::<BTreeSet<_>>()).await?;
    let complete_to = calls
        .keys()
        .filter_map(|(id, _)| Some(complete_to(known.heads.get(id), known.subscriptions.get(id)?.created_at)))
        .min()
        .unwrap_or(Time::of_hour(from));
    Reply::ok(&CallersOfOperation {
        api: api.id,
        operation: query.operation,
        from: Time::of_hour(from),
        callers: callers(&calls, &known),
        complete_to,
    })
}

fn callers(calls: &BTreeMap<Key, (u64, i64)>, known: &Callers) -> Vec<CallerOfOperation> {
    let named = calls.iter().filter_map(|((id, number), (calls, last))| {
        // Rows are filed only once the subscription is there.
        let subscription = known.subscriptions.get(id)?;
        let key = known.keys.get(&(id.clone(), *number));
        Some(CallerOfOperation {
            organization: subscription.organization.slug.to_string(),
            app: subscription.app,
            app_name: subscription.app_name.clone(),
            subscription: id.clone(),
            key: key.map(|key| key.id),
            key_name: key.map(|key| key.name.clone()),
            calls: *calls,
            last_seen: Time::of_hour(*last),
        })
    });
    let mut callers: Vec<_> = named.collect();
    callers.sort_by_key(|caller| std::cmp::Reverse(caller.calls));
    callers
}
