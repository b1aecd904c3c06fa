//! `/v1/contracts/notices` and `/v1/contracts/sunsets`: what callers are told, and what becomes of what is deprecated.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::Serialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Path, Query};
use shared::chassis::hop::HopError;
use shared::chassis::reply::Reply;
use shared::event::{ApiName, NoticeKind};
use shared::id::{Api, CheckId, NoticeId, SubscriptionId};
use shared::page::{Page, PageQuery};
use shared::principal::{Party, needs};
use shared::problem::Problem;
use shared::slug::Name;
use shared::time::Time;
use shared::window::Window;
use utoipa::ToSchema;

use super::asks::Asks;
use crate::AppState;
use crate::store::Notice;
use crate::traffic::Day;

/// An alias, because a document's schema is made of names without parameters.
type NameOfApi = Name<Api>;

/// What one's organization is told of an API that it calls.
#[derive(Serialize, ToSchema)]
#[schema(as = Notice)]
struct NoticeView {
    /// Its id.
    id: NoticeId,
    /// The organization that offers the API.
    provider: Party,
    /// The subscription whose calls it concerns.
    subscription: SubscriptionId,
    /// The API.
    api: ApiName,
    /// The version's name.
    version: String,
    /// `change`: a version was published that changes what the subscription calls; `deprecation`: the version is going to end; `sunset`: it has ended.
    kind: NoticeKind,
    /// When the version ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<Time>,
    /// The check that found the change: `GET /v1/contracts/checks/{check}` shows what concerns one's own calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckId>,
    /// When it happened.
    created_at: Time,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        let state = notice.state;
        Self {
            id: state.id,
            provider: state.provider,
            subscription: state.subscription,
            api: state.api,
            version: state.version,
            kind: state.kind,
            sunset_at: state.sunset_at,
            check: state.check,
            created_at: state.created_at,
        }
    }
}

/// Lists what one's organization was told of the APIs that it calls, newest first.
#[utoipa::path(get, path = "/v1/contracts/notices", operation_id = "list_notices", tag = "notices", security(("token" = ["contracts:read"])), params(PageQuery),
    responses((status = 200, description = "A page of notices.", body = Page<NoticeView>)))]
pub(super) async fn list_notices(
    caller: Caller<needs::ContractsRead>,
    State(app): State<AppState>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let own = caller.organization.id;
    let list = format!("notices/{own}");
    let page = app.pages.open(&list, &page)?;
    let slice = app.store.notices(own, &page).await?;
    let items: Vec<NoticeView> = slice.rows.into_iter().map(NoticeView::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// What becomes of what is deprecated in an API.
#[derive(Serialize, ToSchema)]
struct Sunsets {
    /// The API.
    api: ApiName,
    /// The published version's name; absent where nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// When the version was deprecated: then all of its operations are.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Time>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<Time>,
    /// The beginning of the window in which calls are shown: 90 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Time>,
    /// Every hour before is counted whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_to: Option<Time>,
    /// Whether the counts reach the present, as far as that can be known.
    complete: bool,
    /// The deprecated operations, those with the most calls first.
    operations: Vec<Sunset>,
}

/// A deprecated operation and who still calls it.
#[derive(Serialize, ToSchema)]
struct Sunset {
    /// The operation's id.
    operation: String,
    /// Since when a published version calls it deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_since: Option<Time>,
    /// Calls in the window.
    calls: u64,
    /// Keys that called.
    callers: usize,
    /// The UTC hour of the last call; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Time>,
    /// Calls by UTC day, as far as there were any.
    days: Vec<Day>,
}

/// Shows what becomes of what is deprecated: calls of each deprecated operation by day. When nobody calls it any more in the window of a check, its removal
/// breaks nobody.
#[utoipa::path(get, path = "/v1/contracts/sunsets/{api}", operation_id = "get_sunsets", tag = "notices", security(("token" = ["contracts:read"])),
    params(("api" = inline(NameOfApi), Path, description = "An API of one's own organization, by slug or id.")),
    responses((status = 200, description = "The deprecated operations of the published version.", body = Sunsets)))]
pub(super) async fn get_sunsets(
    _caller: Caller<needs::ContractsRead>,
    context: Context,
    State(app): State<AppState>,
    Path(api): Path<NameOfApi>,
) -> Result<Reply, Problem> {
    let asks = Asks::of(app.hops.of(&context));
    let api = asks.api(&api.to_string()).await?;
    let name = ApiName { id: api.id, slug: api.slug };
    let mut answer = Sunsets {
        api: name,
        version: None,
        deprecated_at: None,
        sunset_at: None,
        from: None,
        complete_to: None,
        complete: true,
        operations: Vec::new(),
    };
    let Some(current) = api.current else { return Reply::ok(&answer) };
    let is_over = current.deprecated_at.is_some();
    let since = app.store.deprecated_since(api.id, current.id).await?;
    let operations = app.store.operations(api.id, current.id).await?;
    let chosen =
        operations.into_iter().filter(|(_, deprecated)| is_over || *deprecated).map(|(operation, _)| operation);
    let chosen: BTreeSet<String> = chosen.collect();
    answer.version = Some(current.version);
    answer.deprecated_at = current.deprecated_at;
    answer.sunset_at = current.sunset_at;
    if chosen.is_empty() {
        return Reply::ok(&answer);
    }
    let window: Window = "90d".parse().map_err(Problem::internal)?;
    let traffic = asks.traffic(api.id, &chosen, window).await.map_err(HopError::into_problem)?;
    answer.from = Some(traffic.from);
    answer.complete_to = Some(traffic.complete_to);
    answer.complete = traffic.complete;
    answer.operations = traffic
        .operations
        .into_iter()
        .map(|operation| Sunset {
            deprecated_since: since.get(&operation.operation).copied().into_iter().chain(current.deprecated_at).min(),
            calls: operation.calls.iter().fold(0, |sum, calls| sum.saturating_add(calls.calls)),
            callers: operation.calls.len(),
            last_seen: operation.calls.iter().map(|calls| calls.last_seen).max(),
            days: operation.days,
            operation: operation.operation,
        })
        .collect();
    answer
        .operations
        .sort_by(|one, other| other.calls.cmp(&one.calls).then_with(|| one.operation.cmp(&other.operation)));
    Reply::ok(&answer)
}
