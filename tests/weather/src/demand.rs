//! What an upstream does on a bad day, on demand, and a mirror of what reached it.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

const DELAY_MS_MAX: u64 = 60_000;

#[derive(Deserialize)]
pub(crate) struct SlowQuery {
    delay_ms: Option<u64>,
}

#[derive(Serialize)]
struct Echo {
    method: String,
    path: String,
    query: Option<String>,
    /// Values of one name in the order in which they came.
    headers: BTreeMap<String, Vec<String>>,
    body: String,
    body_bytes: usize,
}

/// Answers with the status that the path names, from 200 to 599.
pub(crate) async fn fail(Path(status): Path<u16>) -> Response {
    match StatusCode::from_u16(status) {
        Ok(status) if (200..600).contains(&status.as_u16()) => {
            (status, Json(serde_json::json!({ "status": status.as_u16() }))).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Answers late.
pub(crate) async fn slow(Query(query): Query<SlowQuery>) -> Response {
    let delay_ms = query.delay_ms.unwrap_or(100).min(DELAY_MS_MAX);
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    Json(serde_json::json!({ "delay_ms": delay_ms })).into_response()
}

/// Promises a body, begins it and breaks the connection off.
pub(crate) async fn drop_connection() -> Response {
    let begun = stream::once(async { Ok(Bytes::from_static(b"{")) });
    let broken = stream::once(async {
        // What has begun is on its way before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("broken on demand"))
    });
    ([("content-length", "1000")], Body::from_stream(begun.chain(broken))).into_response()
}

/// Shows what reached it.
pub(crate) async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers {
        shown.entry(name.to_string()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    Json(Echo {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        headers: shown,
        body: String::from_utf8_lossy(&body).into_owned(),
        body_bytes: body.len(),
    })
    .into_response()
}
