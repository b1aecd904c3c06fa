//! `/v1/catalog/surfaces`: reads a document and keeps nothing.

use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT;
use serde::Deserialize;
use shared::chassis::extract::{Caller, Query, body};
use shared::chassis::sent::sent;
use shared::principal::needs;
use shared::problem::Problem;
use shared::seal::sha256_hex;
use utoipa::IntoParams;

use super::versions::unpacked;
use crate::domain::document::{self, Showing};
use crate::error::Error;
use crate::summary;
use crate::upload::{self, Document, Hint};

/// How a document comes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SurfaceQuery {
    /// The document's format, where it is not to be found out: `openapi`, `graphql` or `protobuf`.
    #[param(max_length = 40)]
    format: Option<String>,
    /// The document's file name: its ending says how it is written (`.json`, `.yaml`, `.yml`, `.graphql`, `.graphqls`, `.gql`, `.proto`), where that is not to be found out.
    #[param(max_length = 255)]
    filename: Option<String>,
    /// In an archive, the path of the file that is meant, where that is not to be found out. Without it all GraphQL or all `.proto` files are.
    #[param(max_length = 500)]
    root: Option<String>,
}

/// Reads a document as an upload is read, and answers its surface. Nothing is kept. As JSON (packed: `v`, `digest`, `texts`, `tables`, beside the
/// `warnings` and the document's `document_sha256` and `root`), as `text/plain` for people, or its types as a diagram, `text/vnd.mermaid`.
#[utoipa::path(post, path = "/v1/catalog/surfaces", operation_id = "read_surface", tag = "surfaces", security(("token" = ["catalog:read"])),
    params(SurfaceQuery),
    request_body(description = "A document as it is uploaded as a version.",
        content((String = "application/json"), (String = "application/yaml"), (String = "application/gzip"), (String = "application/zip"), (String = "text/plain"), (String = "application/octet-stream"))),
    responses((status = 200, description = "The surface.", content(("application/json"), ("text/plain"), ("text/vnd.mermaid"), ("application/gzip")))))]
pub(super) async fn read_surface(
    _caller: Caller<needs::CatalogRead>,
    Query(query): Query<SurfaceQuery>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let body = body(request).await?;
    let opened = unpacked(&headers, &body)?;
    let bytes = opened.as_ref().map_or(&body[..], |(bytes, _)| bytes);
    let (format, filename) = (query.format.as_deref(), query.filename.as_deref());
    let read = upload::read(bytes, Hint { format, filename, root: query.root.as_deref() }).map_err(Error::from)?;
    show(&read, &sha256_hex(bytes), &headers)
}

/// A surface as this receiver can take it, with the digest that a version with this document has.
pub(super) fn show(read: &Document, document_sha256: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (content_type, bytes) = match document::showing(accept) {
        Showing::Text => ("text/plain; charset=utf-8", summary::text(&read.surface).into_bytes()),
        Showing::Diagram => ("text/vnd.mermaid; charset=utf-8", summary::mermaid(&read.surface).into_bytes()),
        Showing::Packed => {
            // These go first, in the same object.
            let warnings = serde_json::to_string(&read.warnings).map_err(Problem::internal)?;
            let root = serde_json::to_string(&read.root).map_err(Problem::internal)?;
            let packed = read.surface.pack();
            let mut bytes =
                format!("{{\"warnings\":{warnings},\"document_sha256\":\"{document_sha256}\",\"root\":{root},")
                    .into_bytes();
            bytes.extend_from_slice(packed.get(1..).unwrap_or_default());
            ("application/json", bytes)
        }
    };
    Ok(sent("surface", content_type, bytes, document::pack, headers)?.0)
}
