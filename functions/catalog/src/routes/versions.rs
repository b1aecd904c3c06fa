//! `/v1/catalog/apis/{api}/versions`.

use crate::domain::Operation;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, Json, Now, Path, Query, body};
use shared::chassis::reply::Reply;
use shared::chassis::sent::sent;
use shared::id::OrganizationId;
use shared::page::{Page, PageQuery};
use shared::principal::{Principal, needs};
use shared::problem::{Kind, Problem};
use shared::seal::sha256_hex;
use shared::surface::Surface;
use shared::time::Time;
use utoipa::{IntoParams, ToSchema};

use super::views::{VersionView, VersionWithWarnings};
use super::{ApiName, revised, surfaces, tell_door};
use crate::AppState;
use crate::domain::document;
use crate::domain::{Api, ENTRIES_MAX, Entries, Version, VersionLabel, VersionName, routes, words};
use crate::error::Error;
use crate::events::routes_states;
use crate::store::{Change, Content, Searched, Writer};
use crate::upload::{self, Document, Hint, Warning};

/// How a document comes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// What the version is called, unique in its API.
    version: VersionLabel,
    /// The document's format, where it is not to be found out: `openapi`, `graphql` or `protobuf`.
    #[param(max_length = 40)]
    format: Option<String>,
    /// The document's file name: its ending says how it is written (`.json`, `.yaml`, `.yml`, `.graphql`, `.graphqls`, `.gql`, `.proto`), where that is not to be found out.
    #[param(max_length = 255)]
    filename: Option<String>,
    /// In an archive, the path of the file that the version is about, where that is not to be found out. Without it, it is about all GraphQL or all `.proto` files.
    #[param(max_length = 500)]
    root: Option<String>,
}

/// A version's address. By name, so that a wrong part of it is named.
#[derive(Deserialize)]
pub(super) struct VersionPath {
    api: ApiName,
    version: VersionName,
}

/// The API of a path, if it is the caller's own.
async fn own_api(app: &AppState, owner: OrganizationId, api: &ApiName) -> Result<Api, Problem> {
    Ok(app.store.api(owner, api).await?.ok_or(Error::NotFound)?)
}

async fn own_version(app: &AppState, caller: &Principal, path: &VersionPath) -> Result<Version, Problem> {
    let api = own_api(app, caller.organization.id, &path.api).await?;
    Ok(app.store.version(api.id, &path.version).await?.ok_or(Error::NotFound)?)
}

/// The document of a body that came packed, and whether the packing is one to keep.
pub(super) fn unpacked(headers: &HeaderMap, body: &[u8]) -> Result<Option<(Vec<u8>, bool)>, Error> {
    let header = |name| {
        headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
    };
    let (content_type, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    if content_type.contains("zstd") || !matches!(encoding.trim(), "" | "identity" | "gzip" | "x-gzip") {
        let problem = Problem::new(
            Kind::UnsupportedMediaType,
            "Send the document as it is, or packed with gzip as `application/gzip`.",
        )
        .field("/header/content-type", "must be a document's type or `application/gzip`");
        return Err(problem.into());
    }
    let claimed = encoding.contains("gzip")
        || content_type
            .split(';')
            .next()
            .is_some_and(|essence| matches!(essence.trim(), "application/gzip" | "application/x-gzip"));
    if !claimed && !document::is_packed(body) {
        return Ok(None);
    }
    document::unpack(body).map(Some).map_err(|error| match error {
        document::Unpacking::Damaged => Error::Packing(error.to_string()),
        document::Unpacking::TooLarge => Error::TooLarge(error.to_string()),
    })
}

/// Reads a document, and makes of it what is kept.
fn draft(
    api: &Api,
    bytes: &[u8],
    packed: Option<&[u8]>,
    query: UploadQuery,
    now: Time,
) -> Result<(Version, Content), Error> {
    let read = {
        let (format, filename) = (query.format.as_deref(), query.filename.as_deref());
        upload::read(bytes, Hint { format, filename, root: query.root.as_deref() })?
    };
    drafted(api, read, bytes, packed, query.version, now)
}

/// Makes what is kept of a document that was read.
pub(super) fn drafted(
    api: &Api,
    read: Document,
    bytes: &[u8],
    packed: Option<&[u8]>,
    label: VersionLabel,
    now: Time,
) -> Result<(Version, Content), Error> {
    let routes_bytes = routes::bytes_of(&read.operations);
    if routes_bytes > routes::ROUTES_BYTES_MAX {
        return Err(Error::TooLarge(format!(
            "The paths and ids of the document's operations have more than {} bytes.",
            routes::ROUTES_BYTES_MAX
        )));
    }
    let packed = match packed.filter(|packed| packed.len() <= document::PACKED_BYTES_MAX) {
        Some(packed) => packed.to_vec(),
        None => document::pack(bytes).map_err(Problem::internal)?,
    };
    if packed.len() > document::PACKED_BYTES_MAX {
        return Err(Error::TooLarge(format!(
            "The document has {} bytes when it is packed; {} is the most that is kept.",
            packed.len(),
            document::PACKED_BYTES_MAX
        )));
    }
    let mut version = Version::draft(api, label, 0, &read, now);
    let (searched, missed) = searched(read.operations, &read.surface);
    let mut content = Content { packed, searched, warnings: read.warnings };
    if let Some(warning) = missed {
        content.warnings.push(warning);
        version.warnings += 1;
    }
    version.document_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    version.document_sha256 = sha256_hex(bytes);
    version.chunks = content.chunks();
    version.parts = u32::try_from(routes_states(api, &version, &content.searched.operations).len()).unwrap_or(u32::MAX);
    Ok((version, content))
}

/// What is searched of a document, and a warning where that is not all of it.
fn searched(operations: Vec<Operation>, surface: &Surface) -> (Searched, Option<Warning>) {
    let entries = Entries::of(surface);
    let mut missed = Vec::new();
    if entries.count > entries.kept.len() {
        missed.push(format!("of its {} types and fields the first {ENTRIES_MAX} are searched", entries.count));
    }
    let searched = Searched { operations, entries: entries.kept };
    if words::Index::of(&searched.operations, &searched.entries).cut {
        missed.push(format!("it has more than {} different words", words::WORDS_MAX));
    }
    let warning = (!missed.is_empty()).then(|| {
        let message = format!("The search does not find everything in the document: {}.", missed.join(", and "));
        let code = "search-partial".into();
        Warning { code, message, file: String::new(), line: 1, pointer: String::new() }
    });
    (searched, warning)
}

/// Uploads a version: the document is the body, as it is or packed with gzip. It becomes a draft.
#[utoipa::path(post, path = "/v1/catalog/apis/{api}/versions", operation_id = "upload_version", tag = "versions", security(("token" = ["catalog:write"])),
    params(("api" = ApiName, Path), UploadQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gets the same answer for a day.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body(description = "An OpenAPI document (2.0, 3.0, 3.1 or 3.2, in JSON or YAML), a GraphQL schema or a `.proto` file, at most 32 MB, whatever type is named; packed as `application/gzip`; or several files as a zip, a tar, or a tar packed with gzip.",
        content((String = "application/json"), (String = "application/yaml"), (String = "application/gzip"), (String = "application/zip"), (String = "text/plain"), (String = "application/octet-stream"))),
    responses((status = 201, body = VersionWithWarnings, headers(("ETag" = String), ("Location" = String)))))]
#[allow(clippy::too_many_arguments)] // Each is a part of the request.
pub(super) async fn upload_version(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(api): Path<ApiName>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let api = own_api(&app, caller.organization.id, &api).await?;
    let body = body(request).await?;
    let opened = unpacked(&headers, &body)?;
    if app.store.has_version(api.id, &query.version).await? {
        let detail = format!(
            "The API has a version `{}` already. A version never changes: upload under a new name.",
            query.version
        );
        return Err(Error::Taken { pointer: "/query/version", detail }.into());
    }
    let (bytes, packed) = match &opened {
        Some((bytes, single)) => (&bytes[..], single.then_some(&body[..])),
        None => (&body[..], None),
    };
    let (version, content) = draft(&api, bytes, packed, query, now)?;
    let writer = Writer { organization: &caller.organization, now, idempotency: idempotency.as_ref() };
    let present = |version: &Version| {
        let location = format!("/v1/catalog/apis/{}/versions/{}", api.id, version.id);
        Ok(Reply::created(&VersionWithWarnings::of(version, content.warnings.clone()), location)?
            .revision(version.revision))
    };
    Ok(app.store.create_version(&api, version, &content, &writer, present).await?)
}

/// Lists an API's versions in the order in which they came.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}/versions", operation_id = "list_versions", tag = "versions", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path), PageQuery), responses((status = 200, body = Page<VersionView>)))]
pub(super) async fn list_versions(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(api): Path<ApiName>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let api = own_api(&app, caller.organization.id, &api).await?;
    let list = format!("versions/{}", api.id);
    let page = app.pages.open(&list, &page)?;
    let slice = app.store.versions(api.id, page.after.as_deref(), page.size).await?;
    let items: Vec<VersionView> = slice.rows.iter().map(VersionView::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// Shows a version.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}/versions/{version}", operation_id = "get_version", tag = "versions", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)), responses((status = 200, body = VersionWithWarnings, headers(("ETag" = String)))))]
pub(super) async fn get_version(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
) -> Result<Reply, Problem> {
    let version = own_version(&app, &caller, &path).await?;
    let warnings = app.store.warnings(&version).await?;
    revised(&VersionWithWarnings::of(&version, warnings), version.revision)
}

/// Gives a version's document back, byte for byte. With `Accept-Encoding: gzip` it is packed on the way; one that is too large for an answer
/// as it is needs that, or `Accept: application/gzip`.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}/versions/{version}/document", operation_id = "get_document", tag = "versions", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)),
    responses((status = 200, description = "The document.", headers(("ETag" = String)), content(("application/json"), ("application/yaml"), ("application/graphql"), ("text/x-protobuf"), ("application/zip"), ("application/x-tar"), ("application/gzip")))))]
pub(super) async fn get_document(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = own_version(&app, &caller, &path).await?;
    send(&app, &version, &headers).await
}

/// Shows a version's surface: its operations and types, whatever the format. As JSON (packed: `v`, `digest`, `texts`, `tables`, beside the
/// `warnings` and the document's `document_sha256`), as `text/plain` for people, or its types as a diagram, `text/vnd.mermaid`.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}/versions/{version}/surface", operation_id = "get_surface", tag = "versions", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)),
    responses((status = 200, description = "The surface.", content(("application/json"), ("text/plain"), ("text/vnd.mermaid"), ("application/gzip")))))]
pub(super) async fn get_surface(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = own_version(&app, &caller, &path).await?;
    let packed = app.store.document(&version).await?;
    let (bytes, _) = document::unpack(&packed).map_err(Problem::internal)?;
    let root = Some(&*version.root).filter(|root| !root.is_empty());
    let hint = Hint { format: Some(&version.format), filename: None, root };
    let read = upload::read(&bytes, hint).map_err(Error::from)?;
    surfaces::show(&read, &version.document_sha256, &headers)
}

/// A document as this receiver can take it.
pub(super) async fn send(app: &AppState, version: &Version, headers: &HeaderMap) -> Result<Response, Problem> {
    let packed = app.store.document(version).await?;
    let (bytes, _) = document::unpack(&packed).map_err(Problem::internal)?;
    let (mut response, is_packed) = sent("document", version.syntax.media_type(), bytes, |_| Ok(packed), headers)?;
    // The packed one is another representation, so it has another tag.
    let tag = format!("\"{}{}\"", version.document_sha256, if is_packed { "-gzip" } else { "" });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// Lists a version's operations in the order of the document.
#[utoipa::path(get, path = "/v1/catalog/apis/{api}/versions/{version}/operations", operation_id = "list_operations", tag = "versions", security(("token" = ["catalog:read"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path), PageQuery), responses((status = 200, body = Page<Operation>)))]
pub(super) async fn list_operations(
    caller: Caller<needs::CatalogRead>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    Query(page): Query<PageQuery>,
) -> Result<Reply, Problem> {
    let version = own_version(&app, &caller, &path).await?;
    operations(&app, &version, &page).await
}

/// A page of a version's operations.
pub(super) async fn operations(app: &AppState, version: &Version, page: &PageQuery) -> Result<Reply, Problem> {
    let list = format!("operations/{}", version.id);
    let page = app.pages.open(&list, page)?;
    let from: u32 = page.after.and_then(|after| after.parse().ok()).unwrap_or(0);
    let items: Vec<Operation> = app
        .store
        .listed(version.id, from, u32::from(page.size))
        .await?
        .into_iter()
        .map(|(_, operation)| operation)
        .collect();
    let next = from.saturating_add(u32::from(page.size));
    let position = (next < version.operations).then(|| next.to_string());
    Reply::ok(&app.pages.page(&list, items, position)?)
}

/// When a version ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deprecate {
    /// When it ends: its callers are told. After now.
    sunset_at: Time,
}

async fn change(
    app: &AppState,
    caller: &Principal,
    context: &Context,
    idempotency: Option<Idempotency>,
    path: VersionPath,
    change: Change,
) -> Result<Reply, Problem> {
    let warnings = match app.store.replay(idempotency.as_ref()).await? {
        // The first try may have ended before the door was told.
        Some(reply) => {
            let api = own_api(app, caller.organization.id, &path.api).await?;
            tell_door(app, context, &api).await?;
            return Ok(reply);
        }
        None => app.store.warnings(&own_version(app, caller, &path).await?).await?,
    };
    let writer = Writer { organization: &caller.organization, now: context.now, idempotency: idempotency.as_ref() };
    let present = |version: &Version| revised(&VersionWithWarnings::of(version, warnings.clone()), version.revision);
    let changed = match app.store.change_version(&path.api, &path.version, change, &writer, present).await {
        // A try that did it may have ended before the door was told; what retired may have been the only version.
        Err(refusal @ Error::State { .. }) => {
            let api = own_api(app, caller.organization.id, &path.api).await?;
            if api.current.is_some() || matches!(change, Change::Retire) {
                tell_door(app, context, &api).await?;
            }
            return Err(refusal.into());
        }
        changed => changed?,
    };
    if changed.concerns_door {
        tell_door(app, context, &changed.api).await?;
    }
    Ok(changed.reply)
}

/// Publishes a version: it becomes the API's current one, whose routes the door serves when this is answered. Publishing an older one goes back to it.
/// Another document than the current version's needs a passing check against it (`POST /v1/contracts/checks`), unless the API's policy is `off`.
#[utoipa::path(post, path = "/v1/catalog/apis/{api}/versions/{version}/publish", operation_id = "publish_version", tag = "versions", security(("token" = ["catalog:write"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)), responses((status = 200, body = VersionWithWarnings, headers(("ETag" = String)))))]
pub(super) async fn publish_version(
    caller: Caller<needs::CatalogWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
) -> Result<Reply, Problem> {
    change(&app, &caller, &context, idempotency, path, Change::Publish).await
}

/// Deprecates a published version: it is still served, and its callers are told when it ends. Once more puts the end to another day.
#[utoipa::path(post, path = "/v1/catalog/apis/{api}/versions/{version}/deprecate", operation_id = "deprecate_version", tag = "versions", security(("token" = ["catalog:write"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)), request_body = Deprecate, responses((status = 200, body = VersionWithWarnings, headers(("ETag" = String)))))]
pub(super) async fn deprecate_version(
    caller: Caller<needs::CatalogWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
    Json(body): Json<Deprecate>,
) -> Result<Reply, Problem> {
    // Whether there is such a version comes before what is wrong with the day.
    own_version(&app, &caller, &path).await?;
    if body.sunset_at <= context.now {
        return Err(Problem::invalid("/sunset_at", "must be a time after now"));
    }
    change(&app, &caller, &context, idempotency, path, Change::Deprecate { sunset_at: body.sunset_at }).await
}

/// Retires a version for good. A current one must be deprecated first; the one published before it takes its place, if it is still offered.
#[utoipa::path(post, path = "/v1/catalog/apis/{api}/versions/{version}/retire", operation_id = "retire_version", tag = "versions", security(("token" = ["catalog:write"])),
    params(("api" = ApiName, Path), ("version" = VersionName, Path)), responses((status = 200, body = VersionWithWarnings, headers(("ETag" = String)))))]
pub(super) async fn retire_version(
    caller: Caller<needs::CatalogWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Path(path): Path<VersionPath>,
) -> Result<Reply, Problem> {
    change(&app, &caller, &context, idempotency, path, Change::Retire).await
}
