//! `/v1/catalog/services`.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Path, Query};
use shared::chassis::reply::Reply;
use shared::id::ServiceId;
use shared::page::{Page, PageQuery};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Slug;
use shared::text::Label;
use utoipa::ToSchema;

use super::{Field, ServiceName, revised};
use crate::AppState;
use crate::domain::{Description, HttpUrl, LINKS_MAX, Lifecycle, Link, Service};
use crate::error::Error;
use crate::store::Writer;

/// A new service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateService {
    /// Its slug, unique in the organization; never changes.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// What it does.
    description: Option<Description>,
    /// The team that owns it.
    owner: Option<Label>,
    /// Its domain: the bounded context that it belongs to.
    domain: Option<Label>,
    /// Where its code is.
    repository: Option<HttpUrl>,
    /// Further places: dashboards, runbooks, documents.
    #[serde(default)]
    #[schema(max_items = 20)]
    links: Vec<Link>,
    /// How far it is in its life.
    #[serde(default)]
    lifecycle: Lifecycle,
}

fn links(links: Vec<Link>) -> Result<Vec<Link>, Problem> {
    if links.len() > LINKS_MAX {
        return Err(Problem::invalid("/links", format!("may have at most {LINKS_MAX} links")));
    }
    Ok(links)
}

/// Makes a service.
#[utoipa::path(post, path = "/v1/catalog/services", operation_id = "create_service", tag = "services", security(("token" = ["catalog:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gets the same answer for a day.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = CreateService, responses((status = 201, body = Service, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create_service(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<CreateService>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let service = Service {
        id: ServiceId::new(),
        revision: 1,
        organization: caller.organization.clone(),
        slug: body.slug,
        name: body.name,
        description: body.description,
        owner: body.owner,
        domain: body.domain,
        repository: body.repository,
        links: links(body.links)?,
        lifecycle: body.lifecycle,
        created_at: now,
        updated_at: now,
    };
    let reply = Reply::created(&service, format!("/v1/catalog/services/{}", service.id))?.revision(service.revision);
    let writer = Writer { organization: &caller.organization, now, idempotency: idempotency.as_ref() };
    Ok(app.store.create_service(&service, &writer, reply).await?)
}

/// Lists the organization's services, by slug.
#[utoipa::path(get, path = "/v1/catalog/services", operation_id = "list_services", tag = "services", security(("token" = ["catalog:read"])),
    params(PageQuery), responses((status = 200, body = Page<Service>)))]
pub(super) async fn list_services(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let list = format!("services/{}", caller.organization.id);
    let page = app.pages.open(&list, &page)?;
    let slice = app.store.services(caller.organization.id, page.after.as_deref(), page.size).await?;
    Reply::ok(&app.pages.page(&list, slice.rows, slice.position)?)
}

/// Shows a service.
#[utoipa::path(get, path = "/v1/catalog/services/{service}", operation_id = "get_service", tag = "services", security(("token" = ["catalog:read"])),
    params(("service" = ServiceName, Path)), responses((status = 200, body = Service, headers(("ETag" = String)))))]
pub(super) async fn get_service(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(service): Path<ServiceName>,
) -> Result<Reply, Problem> {
    let service = app.store.service(caller.organization.id, &service).await?.ok_or(Error::NotFound)?;
    revised(&service, service.revision)
}

/// Removes a service that offers no API any more. Apps that say they are it are apps without a service from then on.
#[utoipa::path(delete, path = "/v1/catalog/services/{service}", operation_id = "delete_service", tag = "services", security(("token" = ["catalog:write"])),
    params(("service" = ServiceName, Path)), responses((status = 204, description = "It is gone.")))]
pub(super) async fn delete_service(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    State(app): State<AppState>,
    Path(service): Path<ServiceName>,
) -> Result<StatusCode, Problem> {
    app.store.delete_service(caller.organization.id, &service, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A change of a service: what is left out stays; `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateService {
    /// Its name for people.
    name: Option<Label>,
    /// What it does.
    #[serde(default)]
    #[schema(value_type = Option<Description>)]
    description: Field<Description>,
    /// The team that owns it.
    #[serde(default)]
    #[schema(value_type = Option<Label>)]
    owner: Field<Label>,
    /// Its domain.
    #[serde(default)]
    #[schema(value_type = Option<Label>)]
    domain: Field<Label>,
    /// Where its code is.
    #[serde(default)]
    #[schema(value_type = Option<HttpUrl>)]
    repository: Field<HttpUrl>,
    /// Further places, all of them.
    #[schema(max_items = 20)]
    links: Option<Vec<Link>>,
    /// How far it is in its life.
    lifecycle: Option<Lifecycle>,
}

/// Changes a service.
#[utoipa::path(patch, path = "/v1/catalog/services/{service}", operation_id = "update_service", tag = "services", security(("token" = ["catalog:write"])),
    params(("service" = ServiceName, Path), ("If-Match" = String, Header, description = "The `ETag` that the service was read with.")),
    request_body = UpdateService, responses((status = 200, body = Service, headers(("ETag" = String)))))]
pub(super) async fn update_service(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(service): Path<ServiceName>,
    IfMatch(revision): IfMatch,
    Json(body): Json<UpdateService>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let mut service = app.store.service(caller.organization.id, &service).await?.ok_or(Error::NotFound)?;
    if service.revision != revision {
        return Err(Error::Stale.into());
    }
    let before = service.clone();
    service.name = body.name.unwrap_or(service.name);
    service.lifecycle = body.lifecycle.unwrap_or(service.lifecycle);
    if let Some(wish) = body.links {
        service.links = links(wish)?;
    }
    body.description.apply(&mut service.description);
    body.owner.apply(&mut service.owner);
    body.domain.apply(&mut service.domain);
    body.repository.apply(&mut service.repository);
    service.revision += 1;
    service.updated_at = now;
    let reply = revised(&service, service.revision)?;
    let writer = Writer { organization: &caller.organization, now, idempotency: idempotency.as_ref() };
    Ok(app.store.replace_service((&before, &service), &writer, reply).await?)
}
