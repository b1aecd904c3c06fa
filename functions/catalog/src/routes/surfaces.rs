//! `/v1/catalog/surfaces`: reads a document and keeps nothing.

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use shared::chassis::extract::{Caller, Query, body};
use shared::principal::needs;
use shared::problem::{Kind, Problem};
use utoipa::IntoParams;

use super::versions::unpacked;
use crate::domain::document::{self, Sending, Showing};
use crate::error::Error;
use crate::summary;
use crate::upload::{self, Document, Hint};

/// How a document comes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SurfaceQuery {
    /// The document's format, where it is not to be found out: `openapi`.
    #[param(max_length = 40)]
    format: Option<String>,
    /// The document's file name: an ending `.json`, `.yaml` or `.yml` says how it is written, where that is not to be found out.
    #[param(max_length = 255)]
    filename: Option<String>,
    /// In an archive, the path of the file that is meant, where that is not to be found out.
    #[param(max_length = 500)]
    root: Option<String>,
}

/// Reads a document as an upload is read, and answers its surface. Nothing is kept. As JSON (packed: `v`, `digest`, `texts`, `tables`, beside the
/// `warnings`), as `text/plain` for people, or its types as a diagram, `text/vnd.mermaid`.
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
    let body = body(request, &()).await?;
    let opened = unpacked(&headers, &body)?;
    let bytes = opened.as_ref().map_or(&body[..], |(bytes, _)| bytes);
    let (format, filename) = (query.format.as_deref(), query.filename.as_deref());
    let read = upload::read(bytes, Hint { format, filename, root: query.root.as_deref() }).map_err(Error::from)?;
    show(&read, &headers)
}

/// A surface as this receiver can take it.
pub(super) fn show(read: &Document, headers: &HeaderMap) -> Result<Response, Problem> {
    let header = |name: HeaderName| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (content_type, bytes) = match document::showing(header(ACCEPT)) {
        Showing::Text => ("text/plain; charset=utf-8", summary::text(&read.surface).into_bytes()),
        Showing::Diagram => ("text/vnd.mermaid; charset=utf-8", summary::mermaid(&read.surface).into_bytes()),
        Showing::Packed => {
            // The warnings go first, in the same object.
            let warnings = serde_json::to_string(&read.warnings).map_err(Problem::internal)?;
            let packed = read.surface.pack();
            let mut bytes = format!("{{\"warnings\":{warnings},").into_bytes();
            bytes.extend_from_slice(packed.get(1..).unwrap_or_default());
            ("application/json", bytes)
        }
    };
    let sending = document::sending(bytes.len(), document::quoted(&bytes), header(ACCEPT), header(ACCEPT_ENCODING));
    let (content_type, encoding, bytes) = match sending {
        Sending::Plain => (content_type, None, bytes),
        Sending::Encoded => (content_type, Some("gzip"), document::pack(&bytes).map_err(Problem::internal)?),
        Sending::File => ("application/gzip", None, document::pack(&bytes).map_err(Problem::internal)?),
        Sending::NotAcceptable => {
            let detail = format!(
                "The surface has {} bytes, too many for an answer as it is: send `Accept-Encoding: gzip` or `Accept: application/gzip`.",
                bytes.len()
            );
            return Err(Problem::new(Kind::NotAcceptable, detail).field("/header/accept-encoding", "must allow `gzip`"));
        }
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}
