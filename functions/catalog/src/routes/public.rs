//! `/v1/catalog/public`: what is published, for anyone; more for those who are invited or at home.

use crate::domain::Operation;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use shared::chassis::extract::{Caller, Path, Query};
use shared::chassis::reply::Reply;
use shared::page::{Page, PageQuery};
use shared::principal::{Principal, needs};
use shared::problem::Problem;

use super::versions::{operations, send};
use super::views::{PublicApi, PublicVersion};
use super::{ApiName, OrganizationName};
use crate::AppState;
use crate::domain::{Api, Version, VersionName};
use crate::error::Error;

type Reader = Option<Caller<needs::CatalogRead>>;

fn principal(reader: &Reader) -> Option<&Principal> {
    reader.as_deref()
}

/// An API's address on the public side.
#[derive(Deserialize)]
pub(super) struct ApiPath {
    organization: OrganizationName,
    api: ApiName,
}

/// A version's address on the public side.
#[derive(Deserialize)]
pub(super) struct VersionPath {
    organization: OrganizationName,
    api: ApiName,
    version: VersionName,
}

async fn visible_api(
    app: &AppState,
    reader: &Reader,
    owner: &OrganizationName,
    name: &ApiName,
) -> Result<Api, Problem> {
    let owner = app.store.organization(owner).await?.ok_or(Error::NotFound)?;
    let api = app.store.api(owner, name).await?.filter(|api| api.is_visible_to(principal(reader)));
    Ok(api.ok_or(Error::NotFound)?)
}

async fn visible_version(app: &AppState, reader: &Reader, path: &VersionPath) -> Result<Version, Problem> {
    let api = visible_api(app, reader, &path.organization, &path.api).await?;
    let version = app.store.version(api.id, &path.version).await?.filter(Version::is_offered);
    Ok(version.ok_or(Error::NotFound)?)
}

/// Lists the APIs of an organization that the caller may see, by slug. Of an organization that does not exist there are none.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}", operation_id = "list_public_apis", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), PageQuery), responses((status = 200, body = Page<PublicApi>)))]
pub(super) async fn list_public_apis(
    reader: Reader,
    State(app): State<AppState>,
    Path(owner): Path<OrganizationName>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let list = format!("public/{owner}");
    let page = app.pages.open(&list, &page)?;
    let Some(id) = app.store.organization(&owner).await? else {
        return Reply::ok(&app.pages.page::<PublicApi>(&list, Vec::new(), None)?);
    };
    let slice = app.store.shown_apis(id, principal(&reader), &page).await?;
    let items: Vec<PublicApi> = slice.rows.iter().map(PublicApi::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// Shows an API.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}/{api}", operation_id = "get_public_api", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), ("api" = ApiName, Path)), responses((status = 200, body = PublicApi)))]
pub(super) async fn get_public_api(
    reader: Reader,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
) -> Result<Reply, Problem> {
    Reply::ok(&PublicApi::from(&visible_api(&app, &reader, &path.organization, &path.api).await?))
}

/// Lists the versions that are offered, in the order in which they came.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}/{api}/versions", operation_id = "list_public_versions", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), ("api" = ApiName, Path), PageQuery), responses((status = 200, body = Page<PublicVersion>)))]
pub(super) async fn list_public_versions(
    reader: Reader,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let api = visible_api(&app, &reader, &path.organization, &path.api).await?;
    let list = format!("public-versions/{}", api.id);
    let page = app.pages.open(&list, &page)?;
    let slice = app.store.offered_versions(api.id, &page).await?;
    let items: Vec<PublicVersion> = slice.rows.iter().map(PublicVersion::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// Shows a version that is offered.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}/{api}/versions/{version}", operation_id = "get_public_version", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), ("api" = ApiName, Path), ("version" = VersionName, Path)), responses((status = 200, body = PublicVersion)))]
pub(super) async fn get_public_version(
    reader: Reader,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
) -> Result<Reply, Problem> {
    Reply::ok(&PublicVersion::from(&visible_version(&app, &reader, &path).await?))
}

/// Gives the document of a version that is offered, byte for byte. With `Accept-Encoding: gzip` it is packed on the way; one that is too large for an
/// answer as it is needs that, or `Accept: application/gzip`.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}/{api}/versions/{version}/document", operation_id = "get_public_document", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), ("api" = ApiName, Path), ("version" = VersionName, Path)),
    responses((status = 200, description = "The document.", headers(("ETag" = String)), content(("application/json"), ("application/yaml"), ("application/graphql"), ("text/x-protobuf"), ("application/zip"), ("application/x-tar"), ("application/gzip")))))]
pub(super) async fn get_public_document(
    reader: Reader,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = visible_version(&app, &reader, &path).await?;
    send(&app, &version, &headers).await
}

/// Lists the operations of a version that is offered, in the order of the document.
#[utoipa::path(get, path = "/v1/catalog/public/{organization}/{api}/versions/{version}/operations", operation_id = "list_public_operations", tag = "public", security(()),
    params(("organization" = OrganizationName, Path), ("api" = ApiName, Path), ("version" = VersionName, Path), PageQuery), responses((status = 200, body = Page<Operation>)))]
pub(super) async fn list_public_operations(
    reader: Reader,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let version = visible_version(&app, &reader, &path).await?;
    operations(&app, &version, &page).await
}
