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
use crate::domain::words::Kind;
use crate::store::{Hit, Question, Thing};

/// A question.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchQuery {
    /// Words. A thing is found if it has, for each of them, a word that begins so: a service in its slug, name, owner or domain; an API in its slug, its name
    /// or its document's title; an operation in its id, method, paths or summary; a type in its name or summary; a field in its name. Of a single letter, only
    /// the word itself.
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// Finds only this kind of thing.
    #[param(inline)]
    kind: Option<Kind>,
    /// At most so many items, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// Something that was found.
#[derive(Serialize, ToSchema)]
pub(super) struct SearchHit {
    /// What it is.
    kind: Kind,
    /// Its id: that of the service, the API or the operation; the name of a type; `type.field` for a field.
    id: String,
    /// Its name.
    name: String,
    /// The service's slug, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Slug>,
    /// The API's slug, unless it is a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Slug>,
    /// The API's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_id: Option<ApiId>,
    /// The version in which an operation, a type or a field stands: the API's current one, or its newest draft while nothing was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The type that a field stands in; the operation's id, where that type has no name.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    within: Option<String>,
    /// An operation's method, as in the list of operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// An operation's path, as in the list of operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// One line of what it is: a service's owner and domain, the title of an API's document.
    summary: String,
    /// Whether the document calls it deprecated.
    deprecated: bool,
    /// The line in the document where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

impl SearchHit {
    fn of(kind: Kind, id: String, name: String, summary: String) -> Self {
        Self {
            kind,
            id,
            name,
            service: None,
            api: None,
            api_id: None,
            version: None,
            within: None,
            method: None,
            path: None,
            summary,
            deprecated: false,
            line: None,
        }
    }
}

impl From<Hit> for SearchHit {
    fn from(Hit { slug, thing }: Hit) -> Self {
        match thing {
            Thing::Service { id, name, about } => {
                Self { service: Some(slug), ..Self::of(Kind::Service, id.to_string(), name, about) }
            }
            Thing::Api { id, name, about } => {
                Self { api: Some(slug), api_id: Some(id), ..Self::of(Kind::Api, id.to_string(), name, about) }
            }
            Thing::Operation { api, version, operation } => Self {
                api: Some(slug),
                api_id: Some(api),
                version: Some(version),
                method: Some(operation.method),
                path: Some(operation.path),
                deprecated: operation.deprecated,
                line: Some(operation.line),
                ..Self::of(Kind::Operation, operation.id.clone(), operation.id, operation.summary)
            },
            Thing::Entry { api, version, entry } => {
                let kind = entry.kind();
                let id = match &entry.within {
                    Some(within) => format!("{within}.{}", entry.name),
                    None => entry.name.clone(),
                };
                Self {
                    api: Some(slug),
                    api_id: Some(api),
                    version: Some(version),
                    deprecated: entry.deprecated,
                    line: Some(entry.line),
                    within: entry.within,
                    ..Self::of(kind, id, entry.name, entry.summary)
                }
            }
        }
    }
}

/// A page of what was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundPage {
    /// The nearest first: a word itself before one that only begins so, a name before what is said about it; then services, APIs, operations, types and
    /// fields; then by API, in the order of the document.
    items: Vec<SearchHit>,
    /// What to send as `page_token` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    /// Whether a word of the question begins more words than are looked at: a longer one finds what is missing.
    partial: bool,
}

/// Finds services, APIs, operations, types and fields of the organization itself.
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
    let list = format!("search/{}/{:?}/{}", caller.organization.id, query.kind, query.q);
    let page = app.pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let question = Question { text: &query.q, kind: query.kind };
    let found = app.store.find(caller.organization.id, question, &page).await?;
    let page = app.pages.page(&list, found.hits.into_iter().map(SearchHit::from).collect(), found.position)?;
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
