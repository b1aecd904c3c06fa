//! `/v1/catalog/search`, and the list of all API documents.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Query};
use shared::chassis::reply::Reply;
use shared::id::ApiId;
use shared::page::PageQuery;
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Slug;
use utoipa::{IntoParams, ToSchema};

use crate::AppState;
use crate::store::Hit;

/// A question.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchQuery {
    /// Words. An operation is found if it has, for each of them, a word that begins so, in its id, method, path or summary. Of a single letter, only the word itself.
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// At most so many items, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// An operation that was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundOperation {
    /// The API.
    api: Slug,
    /// The API's id.
    api_id: ApiId,
    /// The version: the API's current one, or its newest draft while nothing was published.
    version: String,
    /// Its id.
    id: String,
    /// The HTTP method.
    method: String,
    /// The path with its parameters in braces.
    path: String,
    /// One line of what it does.
    summary: String,
    /// Whether the document calls it deprecated.
    deprecated: bool,
    /// The line in the document where it stands.
    line: u32,
}

impl From<Hit> for FoundOperation {
    fn from(hit: Hit) -> Self {
        let operation = hit.operation;
        Self {
            api: hit.api,
            api_id: hit.api_id,
            version: hit.version,
            id: operation.id,
            method: operation.method,
            path: operation.path,
            summary: operation.summary,
            deprecated: operation.deprecated,
            line: operation.line,
        }
    }
}

/// A page of what was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundPage {
    /// The operations, by API and then in the order of the document.
    items: Vec<FoundOperation>,
    /// What to send as `page_token` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    /// Whether a word of the question begins more words than are looked at: a longer one finds what is missing.
    partial: bool,
}

/// Finds operations of the organization's own APIs.
#[utoipa::path(get, path = "/v1/catalog/search", operation_id = "search", tag = "search", security(("token" = ["catalog:read"])),
    params(SearchQuery), responses((status = 200, body = FoundPage)))]
pub(super) async fn search(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Query(query): Query<SearchQuery>,
) -> Result<Reply, Problem> {
    if !(1..=200).contains(&query.q.chars().count()) {
        return Err(Problem::parameter("q", "must have 1 to 200 characters"));
    }
    // A token holds for its own question.
    let list = format!("search/{}/{}", caller.organization.id, query.q);
    let page = app.pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let found = app.store.find(caller.organization.id, &query.q, page.after.as_deref(), page.size).await?;
    let page = app.pages.page(&list, found.hits.into_iter().map(FoundOperation::from).collect(), found.position)?;
    Reply::ok(&FoundPage { items: page.items, next_page_token: page.next_page_token, partial: found.partial })
}

/// Where a function's API document is.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiDocument {
    /// The function.
    name: &'static str,
    /// The document's path.
    path: String,
}

/// All API documents of the platform.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiDocuments {
    documents: Vec<ApiDocument>,
}

/// The functions that have an HTTP API on the control plane.
const FUNCTIONS: [&str; 9] =
    ["accounts", "billing", "catalog", "contracts", "gateway", "keys", "products", "subscriptions", "usage"];

/// Lists the platform's API documents: one for each function.
#[utoipa::path(get, path = "/v1/openapi.json", operation_id = "list_documents", tag = "documents", security(()), responses((status = 200, body = ApiDocuments)))]
pub(super) async fn list_documents() -> Result<Reply, Problem> {
    let documents =
        FUNCTIONS.into_iter().map(|name| ApiDocument { name, path: format!("/v1/{name}/openapi.json") }).collect();
    Reply::ok(&ApiDocuments { documents })
}
