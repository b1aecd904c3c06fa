//! Who calls which API.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Now, Query};
use shared::chassis::reply::Reply;
use shared::id::{ApiId, AppId, OrganizationId};
use shared::page::{Page, PageQuery, Pages};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Slug;
use shared::time::Time;
use shared::window::Window;
use utoipa::ToSchema;

use crate::domain::complete_to;
use crate::store::{Store, Subscription};

/// How far back, and how many subscriptions.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CallsQuery {
    /// How far back: so many hours (`1h` to `999h`) or days (`1d` to `90d`); `30d` when left out.
    #[param(value_type = Option<String>, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$")]
    window: Option<Window>,
    /// At most so many subscriptions, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// Which APIs a subscription calls.
#[derive(Debug, Serialize, ToSchema)]
struct CallsOfSubscription {
    /// The subscription.
    subscription: String,
    /// The consumer's slug.
    organization: Slug,
    /// The provider's slug.
    provider: Slug,
    /// The app.
    app: AppId,
    /// The app's name.
    app_name: String,
    /// The service that the app is, by slug: of one's own apps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Slug>,
    /// The APIs that were called in the window; none when nothing was.
    apis: Vec<CallsOfApi>,
    /// The counts of every hour before this moment are whole.
    complete_to: Time,
}

/// Calls of an API.
#[derive(Debug, Serialize, ToSchema)]
struct CallsOfApi {
    /// The API's number in its organization.
    number: u32,
    /// The API; absent until its name has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<ApiId>,
    /// The API's slug; absent until its name has arrived here.
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    /// Calls that the door admitted.
    calls: u64,
    /// The UTC hour of the last call.
    last_seen: Time,
}

/// Lists the subscriptions that one's organization is a side of, with the APIs that each of them calls.
///
/// For the graph of services: as the consumer one sees which service of one's own each app is, as the provider which app calls, as
/// `GET /v1/usage/callers` shows it.
#[utoipa::path(get, path = "/v1/usage/calls", operation_id = "list_calls", tag = "usage", security(("token" = ["usage:read"])), params(CallsQuery),
    responses((status = 200, description = "A page of subscriptions.", body = Page<CallsOfSubscription>)))]
pub(super) async fn list_calls(
    caller: Caller<needs::UsageRead>,
    Now(now): Now,
    State(store): State<Store>,
    State(pages): State<Pages>,
    Query(query): Query<CallsQuery>,
) -> Result<Reply, Problem> {
    let own = caller.organization.id;
    let list = format!("calls/{own}");
    let page = PageQuery { page_size: query.page_size, page_token: query.page_token };
    // The hour that is running is part of the window.
    let hours = now.hour() - query.window.unwrap_or_default().hours()..now.hour() + 1;
    let slice = store.sides(&own, &pages.open(&list, &page)?).await?;
    let mut names = Names { store: &store, apis: BTreeMap::new() };
    let mut items = Vec::new();
    for row in slice.rows {
        // Its own row was written before.
        let Some(subscription) = store.subscription(&row.subscription).await? else { continue };
        let (sums, head) = store.api_calls(&subscription.id, hours.clone()).await?;
        let mut apis = Vec::new();
        for (number, sum) in sums.map_err(Problem::internal)? {
            let (api, slug) = names.api(subscription.provider.id, number).await?.unzip();
            apis.push(CallsOfApi { number, api, slug, calls: sum.calls, last_seen: Time::of_hour(sum.last_hour) });
        }
        let service = service(&store, &subscription, own).await?;
        let complete_to = complete_to(head.as_ref(), subscription.created_at);
        items.push(CallsOfSubscription {
            subscription: subscription.id,
            organization: subscription.organization.slug,
            provider: subscription.provider.slug,
            app: subscription.app,
            app_name: subscription.app_name,
            service,
            apis,
            complete_to,
        });
    }
    Reply::ok(&pages.page(&list, items, slice.position)?)
}

/// Which service an app is: nobody's business but its own organization's.
async fn service(store: &Store, subscription: &Subscription, own: OrganizationId) -> Result<Option<Slug>, Problem> {
    if subscription.organization.id != own {
        return Ok(None);
    }
    Ok(store.app(&own, subscription.app).await?.and_then(|app| app.service))
}

/// The names of APIs, each read once.
struct Names<'a> {
    store: &'a Store,
    apis: BTreeMap<(OrganizationId, u32), Option<(ApiId, String)>>,
}

impl Names<'_> {
    async fn api(&mut self, provider: OrganizationId, number: u32) -> Result<Option<(ApiId, String)>, Problem> {
        if let Some(known) = self.apis.get(&(provider, number)) {
            return Ok(known.clone());
        }
        let found = self.store.api(&provider, number).await?.map(|api| (api.id, api.slug));
        self.apis.insert((provider, number), found.clone());
        Ok(found)
    }
}
