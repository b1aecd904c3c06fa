//! `/v1/catalog/apis`.

use axum::extract::State;
use serde::Deserialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::Visibility;
use shared::id::OrganizationId;
use shared::page::{Page, PageQuery};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Slug;
use shared::text::Label;
use utoipa::{IntoParams, ToSchema};

use super::views::ApiView;
use super::{ApiName, Field, ServiceName, revised, tell_door};
use crate::AppState;
use crate::domain::gate;
use crate::domain::{Api, Cors, HttpUrl, ORIGINS_MAX, PARTNERS_MAX, ServiceRef};
use crate::error::Error;
use crate::graph;
use crate::store::{NewApi, Writer};

/// A new API.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApi {
    /// Its slug, unique in the organization; never changes. It stands in the address of its calls: `/call/{organization}/{api}/…`.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Who may see what is published of it; `private` when left out.
    #[serde(default)]
    visibility: Visibility,
    /// The slugs of the organizations that are invited, when it is `partner`.
    #[serde(default)]
    #[schema(max_items = 100)]
    partners: Vec<Slug>,
    /// The service that offers it, by slug or id.
    service: Option<ServiceName>,
    /// Where the door forwards its calls to. Without it the API is only described.
    upstream_url: Option<HttpUrl>,
    /// Which pages may call it from a browser; none when left out.
    cors: Option<Cors>,
}

fn partners(mut partners: Vec<Slug>) -> Result<Vec<Slug>, Problem> {
    partners.sort();
    partners.dedup();
    if partners.len() > PARTNERS_MAX {
        return Err(Problem::invalid("/partners", format!("may name at most {PARTNERS_MAX} organizations")));
    }
    Ok(partners)
}

fn cors(mut cors: Cors) -> Result<Cors, Problem> {
    cors.origins.sort();
    cors.origins.dedup();
    if cors.origins.is_empty() || cors.origins.len() > ORIGINS_MAX {
        return Err(Problem::invalid("/cors/origins", format!("must name 1 to {ORIGINS_MAX} origins")));
    }
    Ok(cors)
}

async fn service(app: &AppState, owner: OrganizationId, name: &ServiceName) -> Result<ServiceRef, Problem> {
    let service = app.store.service(owner, name).await?.ok_or_else(|| Error::no_service(name))?;
    Ok(ServiceRef { id: service.id, slug: service.slug })
}

/// Makes an API.
#[utoipa::path(post, path = "/v1/catalog/apis", operation_id = "create_api", tag = "apis", security(("token" = ["catalog:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gets the same answer for a day.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = CreateApi, responses((status = 201, body = ApiView, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create_api(
    caller: Caller<needs::CatalogWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<CreateApi>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let service = match &body.service {
        Some(name) => Some(service(&app, caller.organization.id, name).await?),
        None => None,
    };
    let new = NewApi {
        slug: body.slug,
        name: body.name,
        visibility: body.visibility,
        partners: partners(body.partners)?,
        service,
        upstream_url: body.upstream_url,
        cors: body.cors.map(cors).transpose()?,
    };
    let writer = Writer { organization: &caller.organization, now: context.now, idempotency: idempotency.as_ref() };
    let present = |api: &Api| {
        // Nobody had an occasion to set its policy.
        let view = ApiView::from(api).checked(gate::mode(api, None));
        Ok(Reply::created(&view, format!("/v1/catalog/apis/{}", api.id))?.revision(api.revision))
    };
    Ok(app.store.create_api(new, &writer, present).await?)
}

/// Which APIs are listed, and how many of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListApis {
    /// `none`: only those that nobody owns, because no service offers them or one without an owner.
    #[param(inline)]
    owner: Option<Owner>,
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// Whose APIs are listed.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Owner {
    /// Nobody's.
    None,
}

/// Lists the organization's APIs, by slug.
#[utoipa::path(get, path = "/v1/catalog/apis", operation_id = "list_apis", tag = "apis", security(("token" = ["catalog:read"])),
    params(ListApis), responses((status = 200, body = Page<ApiView>)))]
pub(super) async fn list_apis(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Query(query): Query<ListApis>,
) -> Result<Reply, Problem> {
    let own = caller.organization.id;
    let list = format!("apis{}/{own}", if query.owner.is_some() { "-without-owner" } else { "" });
    let page = app.pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let slice = if query.owner.is_some() {
        let services = app.store.first_services(own, usize::MAX).await?.rows;
        let owned = graph::owned(&services);
        app.store.apis_if(own, &page, |api| graph::is_without_owner(&owned, api)).await?
    } else {
        app.store.apis(own, page.after.as_deref(), page.size).await?
    };
    let items: Vec<ApiView> = slice.rows.iter().map(ApiView::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// Shows an API.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}", operation_id = "get_api", tag = "apis", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path)), responses((status = 200, body = ApiView, headers(("ETag" = String)))))]
pub(super) async fn get_api(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(api): Path<ApiName>,
) -> Result<Reply, Problem> {
    let api = app.store.api(caller.organization.id, &api).await?.ok_or(Error::NotFound)?;
    revised(&view(&app, &api).await?, api.revision)
}

/// An API alone, with what its publishing goes by.
async fn view(app: &AppState, api: &Api) -> Result<ApiView, Problem> {
    let policy = app.store.policy(api.id).await?;
    Ok(ApiView::from(api).checked(gate::mode(api, policy.as_ref())))
}

/// A change of an API: what is left out stays; `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateApi {
    /// Its name for people.
    name: Option<Label>,
    /// Who may see what is published of it.
    visibility: Option<Visibility>,
    /// The slugs of the organizations that are invited, all of them.
    #[schema(max_items = 100)]
    partners: Option<Vec<Slug>>,
    /// The service that offers it, by slug or id.
    #[serde(default)]
    #[schema(value_type = Option<ServiceName>)]
    service: Field<ServiceName>,
    /// Where the door forwards its calls to.
    #[serde(default)]
    #[schema(value_type = Option<HttpUrl>)]
    upstream_url: Field<HttpUrl>,
    /// Which pages may call it from a browser, all of them. The door knows it 10 s later at the latest.
    #[serde(default)]
    #[schema(value_type = Option<Cors>)]
    cors: Field<Cors>,
}

/// Changes an API. When it has a current version, the door knows of the change before this is answered.
#[utoipa::path(patch, path = "/v1/catalog/apis/{api}", operation_id = "update_api", tag = "apis", security(("token" = ["catalog:write"])),
    params(("api" = ApiName, Path), ("If-Match" = String, Header, description = "The `ETag` that the API was read with.")),
    request_body = UpdateApi, responses((status = 200, body = ApiView, headers(("ETag" = String)))))]
pub(super) async fn update_api(
    caller: Caller<needs::CatalogWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(name): Path<ApiName>,
    IfMatch(revision): IfMatch,
    Json(body): Json<UpdateApi>,
) -> Result<Reply, Problem> {
    let owner = caller.organization.id;
    let mut api = app.store.api(owner, &name).await?.ok_or(Error::NotFound)?;
    // Whether it is changed, was changed before, or is not what the caller read: a try before may have ended before the door was told.
    let reply = if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        Ok(reply)
    } else if api.revision != revision {
        Err(Error::Stale)
    } else {
        let before = api.clone();
        let new_service = match body.service {
            Field::Absent => Field::Absent,
            Field::Null => Field::Null,
            Field::Value(name) => Field::Value(service(&app, owner, &name).await?),
        };
        new_service.apply(&mut api.service);
        body.upstream_url.apply(&mut api.upstream_url);
        let new_cors = match body.cors {
            Field::Value(wish) => Field::Value(cors(wish)?),
            other => other,
        };
        new_cors.apply(&mut api.cors);
        api.name = body.name.unwrap_or(api.name);
        api.visibility = body.visibility.unwrap_or(api.visibility);
        if let Some(slugs) = body.partners {
            api.partners = partners(slugs)?;
        }
        api.revision += 1;
        api.updated_at = context.now;
        let reply = revised(&view(&app, &api).await?, api.revision)?;
        let writer = Writer { organization: &caller.organization, now: context.now, idempotency: idempotency.as_ref() };
        let replaced = app.store.replace_api((&before, &api), &writer, reply).await;
        if replaced.is_err() {
            api = app.store.api(owner, &name).await?.ok_or(Error::NotFound)?;
        }
        replaced
    };
    if api.current.is_some() {
        tell_door(&app, &context, &api).await?;
    }
    Ok(reply?)
}
