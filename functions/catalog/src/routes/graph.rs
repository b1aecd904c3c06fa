//! `/v1/catalog/graph`: services, the APIs that they offer, and who calls them.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT;
use serde::Deserialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Query};
use shared::chassis::hop::{Hop, HopError};
use shared::principal::needs;
use shared::problem::Problem;
use shared::window::Window;
use utoipa::IntoParams;

use crate::AppState;
use crate::domain::document::{self, Showing};
use crate::graph::{self, APIS_MAX, Graph, SERVICES_MAX, Subscribed};
use shared::chassis::gzip;
use shared::chassis::sent::sent;

/// Subscriptions that `usage` is asked for at once: it answers these well within a hop's time.
const ASKED: u16 = 25;
/// How long `usage` is asked, page by page.
const ASKING: Duration = Duration::from_secs(15);

/// How far back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphQuery {
    /// How far back calls count: so many hours (`1h` to `999h`) or days (`1d` to `90d`); `30d` when left out.
    #[param(value_type = Option<String>, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$")]
    window: Option<Window>,
}

/// Shows the organization's services, the APIs that each of them offers, and who calls which: its own services and apps, and the apps
/// of those who subscribed. As JSON, or as a flowchart, `text/vnd.mermaid`.
///
/// The calls are asked for at `usage`, with the caller's own token (`usage:read`). When it cannot be asked, or not for all of it, the
/// answer says so: `complete` is false, and `missing` says what and why.
#[utoipa::path(get, path = "/v1/catalog/graph", operation_id = "get_graph", tag = "services", security(("token" = ["catalog:read"])),
    params(GraphQuery), responses((status = 200, description = "The graph.", content((Graph = "application/json"), (String = "text/vnd.mermaid"), (Vec<u8> = "application/gzip")))))]
pub(super) async fn get_graph(
    caller: Caller<needs::CatalogRead>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<GraphQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = &caller.organization;
    let mut missing = Vec::new();
    let services = app.store.first_services(own.id, SERVICES_MAX).await?;
    if services.position.is_some() {
        missing.push(format!("Only the first {SERVICES_MAX} services are shown."));
    }
    let apis = app.store.first_apis(own.id, APIS_MAX).await?;
    if apis.position.is_some() {
        missing.push(format!("Only the first {APIS_MAX} APIs are shown."));
    }
    let mut subscribed = Vec::new();
    let hop = app.hops.of(&context);
    let asked = ask(&hop, query.window.unwrap_or_default(), &mut subscribed);
    let answered = tokio::time::timeout(ASKING, asked).await;
    let why = match answered {
        Ok(Ok(())) => None,
        Ok(Err(HopError::Refused(document))) => Some(format!("`usage` refused to say who calls: {}", document.detail)),
        Ok(Err(HopError::Away(cause))) => {
            tracing::warn!(cause, "usage was not asked");
            Some("`usage` could not be asked who calls: ask again in a moment.".to_owned())
        }
        Err(_) => Some(format!("`usage` told of {} subscriptions in time, and there are more.", subscribed.len())),
    };
    missing.extend(why);
    let graph = graph::assemble(&own.slug, &services.rows, &apis.rows, &subscribed, missing);
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (content_type, bytes) = match document::showing(accept) {
        Showing::Diagram => ("text/vnd.mermaid; charset=utf-8", graph::mermaid(&graph).into_bytes()),
        Showing::Text | Showing::Packed => ("application/json", serde_json::to_vec(&graph).map_err(Problem::internal)?),
    };
    Ok(sent("graph", content_type, bytes, gzip::pack, &headers)?.0)
}

/// A page of `GET /v1/usage/calls`.
#[derive(Deserialize)]
struct CallsPage {
    items: Vec<Subscribed>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// Asks `usage` in the caller's name. What came before it failed stays.
async fn ask(hop: &Hop, window: Window, subscribed: &mut Vec<Subscribed>) -> Result<(), HopError> {
    let first = format!("/v1/usage/calls?window={window}&page_size={ASKED}");
    let mut path = first.clone();
    loop {
        let page: CallsPage = hop.get(&path).await?;
        subscribed.extend(page.items);
        match page.next_page_token {
            Some(token) => path = format!("{first}&page_token={token}"),
            None => return Ok(()),
        }
    }
}
